#!/usr/bin/env bats
# A container's life: create, start, state, kill, delete, run, list; what its process is like, and that nothing outlives it.

# shellcheck disable=SC2154 # run sets stderr, background sets job

load oci

setup() {
    oci_setup
}

teardown() {
    oci_teardown
}

# The pid of a created or running container.
pid_of() {
    field "$1" .pid
}

# status_line PID KEY: of /proc/PID/status.
status_line() {
    awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"
}

# attached ID [WORD…]: `runuk run` of the bundle ID in the background, in this process group; WORDs stand before it.
attached() {
    local id=$1
    shift
    background "$@" "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle "$id" "$id" >"$id.out" 2>&1 </dev/null
}

# --- statuses -------------------------------------------------------------------------------------------------------------

@test "created, running, stopped, gone: state tells each" {
    bundle web time wait
    create web --pid-file pid
    run -0 --separate-stderr runuk state web
    equal "$stderr" ''
    equal "$(jq -c keys <<<"$output")" '["bundle","created","id","ociVersion","owner","pid","rootfs","status"]'
    equal "$(jq -c '[.ociVersion, .id, .status, .bundle, .rootfs, .pid]' <<<"$output")" \
        "[\"1.0.2\",\"web\",\"created\",\"$PWD/web\",\"$PWD/web/rootfs\",$(cat pid)]"
    [[ $(jq -r .created <<<"$output") =~ ^[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}\.[0-9]{9}Z$ ]]
    runuk start web
    prints web waiting
    is web running
    field_is web .pid "$(cat pid)"
    runuk kill web KILL
    becomes web stopped
    field_is web .pid 0
    runuk delete web
    run -1 runuk state web
    equal "$output" "runuk: container 'web' does not exist"
    no_traces
}

@test "annotations are in the state, also those of others" {
    bundle web time wait
    config web '.annotations = {"com.example.a": "b c", "org.runuk.network-mode": "bridge"}'
    create web
    equal "$(field web '.annotations | tojson')" '{"com.example.a":"b c","org.runuk.network-mode":"bridge"}'
}

@test "the pid file: digits and nothing else, put in place as a whole" {
    bundle web time wait
    mkdir run
    echo 'what was there before' >run/other
    ln -s other run/pid
    create web --pid-file run/pid
    [[ $(cat run/pid) =~ ^[0-9]+$ ]]
    equal "$(tr -d 0-9 <run/pid | wc -c)" 0
    equal "$(cat run/pid)" "$(pid_of web)"
    equal "$(cat run/other)" 'what was there before'
    equal "$(ls -A run)" $'other\npid'
    equal "$(stat -c %a run/pid)" 644
}

@test "the same id again, as often as one likes, and each time as new" {
    bundle web exit 3
    for _ in 1 2 3; do
        launch web
        becomes web stopped
        file_has web.out 'exit: 3'
        runuk delete web
        no_traces
    done
}

# --- the process ----------------------------------------------------------------------------------------------------------

@test "the process leads a session, blocks nothing and ignores nothing, whatever its caller does" {
    local state
    bundle web time wait
    (
        trap '' HUP INT TERM PIPE USR1 WINCH
        exec env --block-signal=TERM,USR2,CHLD timeout 30 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" \
            create --bundle web --pid-file pid web >web.out 2>&1 </dev/null 3>&-
    )
    for state in created running; do
        is web "$state"
        equal "$(ps -o sid=,pgid= -p "$(cat pid)" | xargs)" "$(cat pid) $(cat pid)"
        equal "$(status_line "$(cat pid)" SigIgn)" 0000000000000000
        equal "$(status_line "$(cat pid)" SigBlk)" 0000000000000000
        [[ $state == running ]] || runuk start web
        prints web waiting || [[ $state == created ]]
    done
}

@test "it is in its cgroups when create returns, in every hierarchy" {
    bundle web time wait
    create web --pid-file pid
    equal "$(grep -cF "/$TAG-web" "/proc/$(cat pid)/cgroup")" \
        "$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$TAG-web" | wc -l)"
    file_has "/proc/$(cat pid)/cgroup" ":/$TAG-web"
}

@test "namespaces of its own where the bundle says so, the host's where it says nothing" {
    local ns
    bundle web time wait
    launch web --pid-file pid
    for ns in pid mnt ipc uts net; do
        [[ $(readlink "/proc/$(cat pid)/ns/$ns") != "$(readlink "/proc/self/ns/$ns")" ]]
    done
    equal "$(readlink "/proc/$(cat pid)/ns/cgroup")" "$(readlink /proc/self/ns/cgroup)"
    equal "$(nsenter -t "$(cat pid)" -u uname -n)" guest
    equal "$(nsenter -t "$(cat pid)" -n cat /proc/net/dev | grep -c :)" 1
    runuk delete --force web

    config web '.linux.namespaces = [{type: "network"}, {type: "mount"}, {type: "cgroup"}]'
    launch web --pid-file pid
    for ns in pid ipc uts; do
        equal "$(readlink "/proc/$(cat pid)/ns/$ns")" "$(readlink "/proc/self/ns/$ns")"
    done
    [[ $(readlink "/proc/$(cat pid)/ns/cgroup") != "$(readlink /proc/self/ns/cgroup)" ]]
    [[ $(uname -n) != guest ]]
}

@test "namespaces joined by path, those of another container, pid too" {
    local ns first
    bundle pod time wait
    bundle web time wait
    launch pod --pid-file pod.pid
    first=$(cat pod.pid)
    config web '.linux.namespaces = [
        {type: "network", path: "/proc/\($pid)/ns/net"}, {type: "ipc", path: "/proc/\($pid)/ns/ipc"},
        {type: "uts", path: "/proc/\($pid)/ns/uts"}, {type: "pid", path: "/proc/\($pid)/ns/pid"}, {type: "mount"}]' \
        --arg pid "$first"
    launch web --pid-file web.pid
    prints web waiting
    for ns in net ipc uts pid; do
        equal "$(readlink "/proc/$(cat web.pid)/ns/$ns")" "$(readlink "/proc/$first/ns/$ns")"
    done
    [[ $(readlink "/proc/$(cat web.pid)/ns/mnt") != "$(readlink "/proc/$first/ns/mnt")" ]]
    equal "$(nsenter -t "$first" -u uname -n)" guest
    runuk kill web TERM
    becomes web stopped
    runuk delete web
    is pod running
}

@test "a namespace path that is none is an error, and leaves nothing" {
    bundle web time wait
    config web '.linux.namespaces = [{type: "network", path: "/proc/self/ns/ipc"}]'
    run -1 create web
    said "'/proc/self/ns/ipc' is a namespace of another type"
    config web '.linux.namespaces = [{type: "network", path: "/etc/hostname"}]'
    run -1 create web
    said "'/etc/hostname' is not a namespace"
    config web '.linux.namespaces = [{type: "network", path: "/nonexistent"}]'
    run -1 create web
    said "open namespace '/nonexistent': No such file or directory"
    config web '.linux.namespaces = [{type: "network"}, {type: "network"}]'
    run -1 create web
    said 'linux.namespaces: the same type twice'
    no_traces
}

@test "descriptors that the caller leaks do not reach the container" {
    bundle web time wait
    echo secret >secret
    (
        for fd in {3..20}; do eval "exec $fd<secret"; done
        exec timeout 30 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle web --pid-file pid \
            web >web.out 2>&1 </dev/null
    )
    find "/proc/$(cat pid)/fd" -lname '*secret*' -printf 'created: %p\n' >leaked
    runuk start web
    prints web waiting
    find "/proc/$(cat pid)/fd" -lname '*secret*' -printf 'running: %p\n' >>leaked
    equal "$(cat leaked)" ''
    equal "$(readlink "/proc/$(cat pid)/fd/0")" /dev/null
    equal "$(readlink "/proc/$(cat pid)/fd/1")" "$PWD/web.out"
}

@test "--preserve-fds and socket activation: so many descriptors stay open until the guest ends" {
    bundle web time wait
    for fd in 3 4 5 6; do echo "$fd" >"secret$fd"; done
    (
        exec 3<secret3 4<secret4 5<secret5 6<secret6
        # shellcheck disable=SC2016 # the inner shell's pid is what exec keeps
        exec timeout 30 bash -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' - "$RUNUK" --root "$ROOT" --settings "$SETTINGS" \
            create --bundle web --pid-file pid --preserve-fds 2 web >web.out 2>&1 </dev/null
    )
    held() {
        find "/proc/$(cat pid)/fd" -lname '*secret*' -printf '%l\n' | sort | xargs -n 1 basename | tr '\n' ' '
    }
    equal "$(held)" 'secret3 secret4 secret5 '
    runuk start web
    prints web waiting
    equal "$(held)" 'secret3 secret4 secret5 '
    runuk delete --force web
    run -1 bash -c 'exec 3<&- 4<&- 5<&-; exec "$@"' - "$RUNUK" --root "$ROOT" --settings "$SETTINGS" \
        create --bundle web --preserve-fds 2 web
    said '--preserve-fds 2: descriptor 3 is not open'
    run -1 create web --preserve-fds 33
    said '--preserve-fds 33: expected 0 to 32 descriptors'
}

@test "the output pipe ends with the guest, whatever has been created besides" {
    bundle web exit 0
    bundle other time wait
    mkfifo pipe
    background timeout 20 cat pipe >got
    runuk create --bundle web web >pipe 2>&1 </dev/null
    launch other
    runuk start web
    wait_job "$job"
    equal "$status $(cat got)" '0 exit: 0'
    is other running
}

@test "the environment and the arguments of the monitor hold nothing of the caller's" {
    bundle web time wait
    SECRET=of-the-engine launch web --pid-file pid
    prints web waiting
    equal "$(tr '\0' ' ' <"/proc/$(cat pid)/environ")" ''
    equal "$(tr '\0' ' ' <"/proc/$(cat pid)/cmdline")" 'runuk-spt --mem=512 -- @3 wait '
}

@test "oomScoreAdj is the process'" {
    bundle web time wait
    config web '.process.oomScoreAdj = 321'
    create web --pid-file pid
    equal "$(cat "/proc/$(cat pid)/oom_score_adj")" 321
    runuk delete web
    # An engine that has made itself less killable says 0 for its containers; said nothing, they are as it is.
    config web '.process.oomScoreAdj = 0'
    choom -n 123 -- timeout 30 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle web --pid-file pid web \
        >web.out 2>&1 </dev/null 3>&-
    equal "$(cat "/proc/$(cat pid)/oom_score_adj")" 0
    runuk delete web
    config web 'del(.process.oomScoreAdj)'
    choom -n 123 -- timeout 30 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle web --pid-file pid web \
        >web.out 2>&1 </dev/null 3>&-
    equal "$(cat "/proc/$(cat pid)/oom_score_adj")" 123
}

# --- limits ---------------------------------------------------------------------------------------------------------------

# limit CONTROLLER V1-FILE V1-VALUE V2-FILE V2-VALUE: what stands in the container's cgroup.
limit() {
    if [[ -d /sys/fs/cgroup/$1 ]]; then
        equal "$2: $(cat "$(cgroup web "$1")/$2")" "$2: $3"
    else
        equal "$4: $(cat "/sys/fs/cgroup/$TAG-web/$4")" "$4: $5"
    fi
}

@test "limits stand in the cgroup's files, and the guest gets what memory leaves" {
    bundle web hog 1 hold
    config web '.linux.resources = {
        memory: {limit: 67108864, reservation: 33554432}, cpu: {shares: 512, quota: 50000, period: 100000, cpus: "0"},
        pids: {limit: 20},
        devices: [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 3, access: "rw"}]}'
    launch web --pid-file pid
    prints web 'done: 1 MiB of 61 MiB'
    limit memory memory.limit_in_bytes 67108864 memory.max 67108864
    limit memory memory.soft_limit_in_bytes 33554432 memory.low 33554432
    limit cpu cpu.shares 512 cpu.weight 20
    limit cpu cpu.cfs_quota_us 50000 cpu.max '50000 100000'
    limit cpuset cpuset.cpus 0 cpuset.cpus 0
    limit pids pids.max 20 pids.max 20
    [[ ! -d /sys/fs/cgroup/devices ]] || limit devices devices.list 'c 1:3 rw' '' ''
}

@test "a guest that uses more than its cgroup's memory is killed, and only it" {
    local dir
    bundle other time wait
    bundle web hog
    config web '.linux.resources.memory.limit = 67108864'
    launch other
    create web
    # Less than the guest was told that it has.
    if [[ -d /sys/fs/cgroup/memory ]]; then
        dir=$(cgroup web memory)
        echo 16777216 >"$dir/memory.limit_in_bytes"
        [[ ! -e $dir/memory.memsw.limit_in_bytes ]] || echo 16777216 >"$dir/memory.memsw.limit_in_bytes"
        runuk start web
        becomes web stopped
        file_has "$dir/memory.oom_control" 'oom_kill 1'
    else
        dir=/sys/fs/cgroup/$TAG-web
        echo 16777216 >"$dir/memory.max"
        echo 0 >"$dir/memory.swap.max"
        runuk start web
        becomes web stopped
        file_has "$dir/memory.events" 'oom_kill 1'
    fi
    is other running
}

# --- signals --------------------------------------------------------------------------------------------------------------

@test "signals by number and by name, in both spellings and any case" {
    local signal
    for signal in 15 TERM SIGTERM sigterm term; do
        bundle "web-$signal" time wait
        attached "web-$signal"
        prints "web-$signal" waiting
        run -0 runuk kill "web-$signal" "$signal"
        equal "$output" ''
        wait_job "$job"
        equal "$status" 143
    done
}

@test "what each signal does: TERM is the default, INT 130, QUIT 131, HUP 129, KILL 137" {
    local pair
    for pair in :143 INT:130 3:131 HUP:129 KILL:137 9:137; do
        bundle web time wait
        attached web
        prints web waiting
        # shellcheck disable=SC2086 # none, when it is empty
        runuk kill web ${pair%:*}
        wait_job "$job"
        equal "$pair $status" "$pair ${pair#*:}"
    done
}

@test "signals that mean nothing to a guest do not end it" {
    local signal
    bundle web time wait
    launch web
    prints web waiting
    for signal in WINCH CHLD CONT 0 URG; do
        run -0 runuk kill web "$signal"
        is web running
    done
}

@test "an unknown signal is an error, and nobody gets one" {
    local signal
    bundle web time wait
    launch web
    for signal in FOO SIGFOO 65 1000 -- 9x ' 9' SIG ''; do
        [[ $signal != -- ]] || continue
        run -1 runuk kill web "$signal"
        equal "$output" "runuk: unknown signal \"$signal\""
    done
    is web running
}

@test "a signal that comes right behind start is not lost" {
    bundle web time wait
    for _ in {1..10}; do
        launch web
        runuk kill web TERM
        becomes web stopped
        runuk delete web
    done
}

@test "a created container ends on TERM, too, and is then stopped" {
    bundle web time wait
    create web
    runuk kill web TERM
    becomes web stopped
    run -1 runuk start web
    said 'cannot start a container that has stopped'
}

@test "kill of a stopped container says so; kill --all of one is content" {
    bundle web exit 0
    launch web
    becomes web stopped
    run -1 runuk kill web 15
    equal "$output" 'runuk: container not running'
    run -0 runuk kill --all web 9
    equal "$output" ''
    run -0 runuk kill -a web KILL
    equal "$output" ''
}

@test "a recycled pid is never signalled" {
    bundle web exit 0
    launch web
    becomes web stopped
    background sleep 60
    jq --argjson pid "$job" '.pid = $pid' "$ROOT/web/runuk.json" >record
    cp record "$ROOT/web/runuk.json"
    is web stopped
    run -1 runuk kill web KILL
    said 'container not running'
    runuk delete --force web
    kill -0 "$job"
}

# --- delete ---------------------------------------------------------------------------------------------------------------

@test "delete takes what was created and never started" {
    bundle web time wait
    create web --pid-file pid
    run -0 runuk delete web
    equal "$output" ''
    run ! lives "$(cat pid)"
    no_traces
}

@test "delete refuses what runs; delete --force ends it" {
    bundle web time wait
    launch web
    run -1 runuk delete web
    said 'cannot delete container web that is not stopped: running'
    is web running
    run -0 runuk delete --force web
    equal "$output" ''
    no_traces
}

@test "delete of an unknown container is an error; delete --force of one says nothing" {
    run -1 runuk delete web
    equal "$output" "runuk: container 'web' does not exist"
    run -0 runuk delete --force web
    equal "$output" ''
    run -0 runuk delete -f web
    equal "$output" ''
    [[ ! -e $ROOT ]]
}

@test "delete twice at the same time: both end, nothing is left" {
    local -a jobs
    bundle web time wait
    launch web
    background runuk delete --force web
    jobs=("$job")
    background runuk delete --force web
    wait_job "$job"
    equal "$status" 0
    wait_job "${jobs[0]}"
    equal "$status" 0
    no_traces
}

# --- run ------------------------------------------------------------------------------------------------------------------

@test "run passes output and status on, and deletes" {
    local code
    for code in 0 1 7 255; do
        bundle web exit "$code"
        run "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle web web
        ended "$code"
        equal "$output" "exit: $code"
        no_traces
    done
}

@test "run passes signals on" {
    local pair
    for pair in TERM:143 INT:130 HUP:129 QUIT:131; do
        bundle web time wait
        # Without job control a shell lets its background jobs ignore INT and QUIT.
        attached web env --default-signal=INT,QUIT
        prints web waiting
        kill "-${pair%:*}" "$job"
        wait_job "$job"
        equal "$pair $status" "$pair ${pair#*:}"
        no_traces
    done
}

@test "run of a guest that crashes tells the signal" {
    bundle web crash null
    run "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle web web
    ended 139
    no_traces
}

@test "run --detach returns once it runs; run --keep leaves the stopped container" {
    bundle web time wait
    runuk run --detach --bundle web --pid-file pid web >web.out 2>&1 </dev/null
    is web running
    equal "$(cat pid)" "$(pid_of web)"
    prints web waiting
    bundle kept exit 4
    run -4 runuk run --keep --bundle kept kept
    is kept stopped
    runuk delete kept
}

@test "a run that cannot start leaves nothing" {
    bundle web hello '{ipv4}'
    run -1 runuk run --bundle web web
    said "{ipv4} has no value"
    no_traces
}

# --- list -----------------------------------------------------------------------------------------------------------------

@test "list: a table, JSON, ids only" {
    bundle web time wait
    bundle longer-than-twelve exit 0
    config web '.annotations = {a: "b"}'
    launch web
    launch longer-than-twelve
    becomes longer-than-twelve stopped
    run -0 runuk list
    equal "${#lines[@]}" 3
    [[ ${lines[0]} =~ ^'ID'\ +'PID'\ +'STATUS'\ +'BUNDLE'\ +'CREATED'\ +OWNER$ ]]
    [[ ${lines[1]} =~ ^'longer-than-twelve'\ +'0'\ +'stopped'\ +"$PWD/longer-than-twelve"\ +'20'[0-9T:.-]+'Z'\ +'root'$ ]]
    [[ ${lines[2]} =~ ^'web'\ +"$(pid_of web)"\ +'running'\ +"$PWD/web"\ +'20'[0-9T:.-]+'Z'\ +'root'$ ]]
    run -0 runuk list -q
    equal "$output" $'longer-than-twelve\nweb'
    run -0 runuk list --format json
    equal "$(jq -c '.[1] | keys' <<<"$output")" \
        '["annotations","bundle","created","id","ociVersion","owner","pid","rootfs","status"]'
    equal "$(jq -c 'map([.id, .status, .owner])' <<<"$output")" \
        '[["longer-than-twelve","stopped","root"],["web","running","root"]]'
}

@test "list of nothing" {
    run -0 runuk list
    equal "${#lines[@]}" 1
    run -0 runuk list -f json
    equal "$output" null
    run -0 runuk list --quiet
    equal "$output" ''
}

@test "a record that cannot be read is told of, and hides no other" {
    bundle web time wait
    create web
    mkdir "$ROOT/broken"
    echo '{"version": 99' >"$ROOT/broken/runuk.json"
    run -0 --separate-stderr runuk list -q
    equal "$output" web
    [[ $stderr == *"state of container 'broken'"* ]]
    rm -r "$ROOT/broken"
}
