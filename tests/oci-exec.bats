#!/usr/bin/env bats
# exec into a unikernel: nothing is executed, and what can be told about it is told.

load oci

setup() {
    oci_setup
    SPACES=()
    bundle web time wait
}

teardown() {
    local status=0 space
    oci_teardown || status=$?
    for space in "${SPACES[@]}"; do ip netns del "$space"; done
    return "$status"
}

# process NAME ARGUMENT…: a --process file as engines write them.
process() {
    local file=$1
    shift
    jq -n '{terminal: false, user: {uid: 0, gid: 0}, args: $ARGS.positional, cwd: "/"}' --args -- "$@" >"$file"
}

@test "a command is refused in one sentence that says what can be asked" {
    launch web
    run runuk exec web ls -l
    ended 1
    said "container 'web' is a unikernel: it has no processes to exec"
    said ':info'
    process ls.json ls
    run runuk --log log.json --log-format json exec --process ls.json --detach --pid-file pid web
    ended 1
    said 'no processes to exec'
    equal "$(jq -r .level log.json)" error
    [[ ! -e pid ]]
}

@test ":info tells image, monitor, memory and devices" {
    config web '.linux.resources = {memory: {limit: 67108864}}'
    launch web
    run -0 runuk exec web :info
    said 'container: web'
    said 'status: running'
    said 'image: /guest'
    said 'monitor: spt'
    said "process $(field web .pid)"
    said 'memory: 61 MiB'
}

@test ":stats is JSON with what the cgroup counts" {
    config web '.linux.resources = {memory: {limit: 67108864}}'
    launch web
    prints web waiting
    run -0 runuk exec web :stats
    equal "$(jq -c '[.id, .memory.limit, .pids, .memory.oom_kills]' <<<"$output")" '["web",67108864,1,0]'
    equal "$(jq '.memory.usage > 0 and .cpu.usage > 0 and .uptime > 0' <<<"$output")" true
}

# What an spt guest does, no monitor sees: the kernel counts its system calls, all devices and the console together.
@test ":stats and events: the kernel's own count of an spt guest's system calls" {
    truncate -s 64K disk.img
    bundle disk block write wait
    config disk '.mounts += [{destination: "/dev/storage", type: "bind", source: $from, options: ["rbind"]}]' \
        --arg from "$BATS_TEST_TMPDIR/disk.img"
    launch disk
    prints disk waiting
    run -0 runuk exec disk :stats
    local written=$((65536 + $(wc -c <disk.out)))
    # What is left are the few words of the process before it was the monitor.
    equal "$(jq --argjson n "$written" '.io.writes >= 131 and .io.writes < 200
        and .io.written_bytes >= $n and .io.written_bytes < $n + 1024' <<<"$output")" true
    equal "$(jq -c '[has("block"), has("exits"), .network]' <<<"$output")" '[false,false,{}]'
    run -0 runuk events --stats disk
    equal "$(jq --argjson n "$written" '.data.runuk.io.written_bytes >= $n' <<<"$output")" true
    equal "$(jq -c '.data.runuk | [has("block"), has("exits")]' <<<"$output")" '[false,false]'
    [[ ! -e $ROOT/disk/figures ]]
}

@test ":net tells devices that are wired to nothing as well" {
    bundle page web
    launch page
    prints page ready
    run -0 runuk exec page :net
    said 'device service: network, none (wired to nothing), mac '
    said 'sent '
    said_not 'device storage'
}

@test ":alive ends with 0 while the guest runs, with 1 while it is frozen, and is refused when it has ended" {
    launch web
    run -0 runuk exec web :alive
    equal "$output" running
    runuk pause web
    run -1 runuk exec web :alive
    equal "$output" paused
    runuk resume web
    runuk kill web KILL
    becomes web stopped
    run runuk exec web :alive
    ended 1
    said 'cannot exec in a stopped container'
}

@test "as engines call it: a process file, detached; the pid file's process says it, and its status is the answer's" {
    launch web
    process alive.json :alive

    runuk exec --process alive.json --detach --pid-file pid web >answer 2>&1
    [[ $(cat pid) =~ ^[0-9]+$ ]]
    eventually 5 file_has answer running
}

@test "an exec's flags with values are not taken for the id" {
    launch web
    run -0 runuk exec --cwd / --user 0:0 -e A=B web :alive
    equal "$output" running
    run runuk exec --nonsense=1 web :alive
    ended 1
    said 'flag provided but not defined: --nonsense=1'
}

@test "a question comes through a shell as health checks write it, and in no other way" {
    local command
    launch web
    for command in ':alive' ':alive || exit 1'; do
        run -0 runuk exec web /bin/sh -c "$command"
        equal "$output" running
    done
    for command in ':alive || exit 2' ':alive; reboot' ':alivex'; do
        run runuk exec web /bin/sh -c "$command"
        ended 1
        said 'no processes to exec'
    done
    run runuk exec web ':alive || exit 1'
    ended 1
}

# --- :console ---------------------------------------------------------------------------------------------------------------

# watch ID FILE: a watcher in the background, as engines start it; its pid is in $watcher, what it shows goes to FILE.
watch() {
    runuk exec --detach --pid-file watcher "$1" :console >"$2" 2>&1 </dev/null
    watcher=$(<watcher)
    JOBS+=("$watcher")
}

tracer_is() {
    equal "$(sed -n 's/^TracerPid:\t//p' "/proc/$1/status")" "$2"
}

# ticks FILE: the numbers of the whole lines "tick N".
ticks() {
    sed -n 's/^tick \([0-9]*\) x*$/\1/p' "$1"
}

grows() {
    (($(stat -c %s "$1") > $2))
}

@test ":console shows what the guest prints from then on, until the guest has ended" {
    bundle tick time tick 20
    launch tick
    prints tick 'tick 3 '
    watch tick shown
    eventually 10 file_has shown 'tick '
    local first
    first=$(ticks shown | head -n 1)
    eventually 10 file_has shown "tick $((first + 10)) "
    runuk kill tick TERM
    becomes tick stopped
    eventually 10 eval '! lives "$watcher"'
    # Line by line what the engine got, to the very last one.
    equal "$(ticks shown)" "$(ticks tick.out | sed -n "/^$first\$/,\$p")"
    run runuk exec tick :console
    ended 1
    said 'cannot exec in a stopped container'
}

@test ":console shows large writes whole" {
    bundle tick time tick 1 200000
    launch tick
    prints tick 'tick 1 '
    watch tick shown
    eventually 10 file_has shown 'tick '
    eventually 10 grows shown 4000000
    kill -KILL "$watcher"
    head -n 20 shown | cmp - <(grep -m 20 -A 19 "^$(head -n 1 shown | cut -c 1-10)" tick.out | head -n 20)
    equal "$(head -n 1 shown | wc -c)" 200000
    is tick running
}

@test ":console, not detached, ends when it is interrupted; the guest goes on" {
    local pid
    bundle tick time tick 20
    launch tick
    pid=$(field tick .pid)
    background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" exec tick :console >shown
    eventually 10 file_has shown 'tick '
    kill -TERM "$job"
    wait_job "$job"
    ended 143
    eventually 5 tracer_is "$pid" 0
    is tick running
    prints tick "tick $(($(ticks tick.out | tail -n 1) + 5)) "
}

@test ":console: a word about input, once, for who types" {
    bundle tick time tick 20
    launch tick
    mkfifo typed
    exec 6<>typed
    background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" exec tick :console >shown 2>words <typed 6>&-
    eventually 10 file_has shown 'tick '
    equal "$(<words)" ''
    echo hello >&6
    eventually 10 file_has words 'a Solo5 guest has no console input'
    echo again >&6
    exec 6>&-
    local last
    last=$(ticks shown | tail -n 1)
    eventually 10 file_has shown "tick $((last + 10)) "
    equal "$(wc -l <words)" 1
}

@test ":console: only one can watch, and the other is told so; before start there is nothing to watch" {
    bundle tick time tick 20
    create tick
    run runuk exec tick :console
    ended 1
    said 'has not been started: it has no console yet'
    runuk start tick
    watch tick shown
    run runuk exec --detach --pid-file other tick :console
    ended 1
    said "process $watcher watches this guest already"
    said 'docker logs -f'
    [[ ! -e other ]]
    is tick running
}

@test ":console: a reader that does not read holds up nothing, and is told what it has missed" {
    local size
    bundle tick time tick 0 1000
    launch tick
    prints tick 'tick 3 '
    mkfifo pipe
    exec 6<>pipe
    runuk exec --detach --pid-file watcher tick :console >pipe 2>words </dev/null 6>&-
    JOBS+=("$(<watcher)")
    # Well beyond what a pipe holds.
    size=$(stat -c %s tick.out)
    eventually 20 grows tick.out $((size + 2000000))
    timeout 5 head -c 100000 <&6 >shown
    eventually 10 eval 'timeout 1 head -c 65536 <&6 >>shown; file_has shown "bytes are not shown: they were read too slowly"'
    is tick running
    exec 6>&-
}

@test ":console leaves a guest alone that waits until its console is read: no byte of it is lost" {
    local pid
    bundle tick time tick 1 200000
    mkfifo pipe
    exec 6<>pipe
    runuk create --bundle "$BATS_TEST_TMPDIR/tick" tick >pipe 2>&1 </dev/null 6>&-
    runuk start tick
    pid=$(field tick .pid)
    eventually 10 eval '[[ $(</proc/'"$pid"'/syscall) == "1 0x1 "* ]]'
    runuk exec --detach --pid-file watcher tick :console >shown 2>words </dev/null 6>&-
    JOBS+=("$(<watcher)")
    eventually 10 file_has words 'waits until its console is read'
    # It sleeps where it slept: no stop was made.
    [[ $(<"/proc/$pid/syscall") == "1 0x1 "* ]]
    timeout 10 head -c 2000000 <&6 >taken
    equal "$(awk '{ print length }' taken | sort -u)" 199999
    equal "$(ticks taken)" "$(seq 0 9)"
    # Being read, it is shown.
    background cat <&6 >/dev/null
    eventually 10 file_has shown 'tick '
    exec 6>&-
    is tick running
}

@test ":console: signals reach the guest while it is watched" {
    local pair id
    for pair in TERM=143 INT=130; do
        id=${pair%=*}
        bundle "$id" time tick 20
        background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle "$BATS_TEST_TMPDIR/$id" "$id" >"$id.out"
        local caller=$job
        prints "$id" 'tick 1 '
        watch "$id" shown
        eventually 10 file_has shown 'tick '
        runuk kill "$id" "$id"
        wait_job "$caller"
        ended "${pair#*=}"
    done
}

@test ":console on a paused guest shows it when it goes on; pausing a watched one works" {
    bundle tick time tick 20
    launch tick
    prints tick 'tick 1 '
    runuk pause tick
    watch tick shown
    is tick paused
    runuk resume tick
    eventually 10 file_has shown 'tick '
    runuk pause tick
    is tick paused
    runuk resume tick
    local last
    last=$(ticks shown | tail -n 1)
    eventually 10 file_has shown "tick $((last + 5)) "
}

# link NAME ADDRESS PEER: the container's namespace NAME with eth0, and NAME-out with the peer.
link() {
    SPACES+=("$1" "$1-out")
    ip netns add "$1"
    ip netns add "$1-out"
    ip -n "$1-out" link add out type veth peer name eth0 netns "$1"
    ip -n "$1-out" address add "$3/24" dev out
    ip -n "$1-out" link set out up
    ip -n "$1" address add "$2/24" dev eth0
    ip -n "$1" link set eth0 up
}

# pages URL: fetch until one fails; the number of good ones is in the file pages.
pages() {
    local n=0
    while timeout 20 ip netns exec "$TAG-out" curl -fsS --max-time 15 -o page "$1" && (($(stat -c %s page) == 100000)); do
        echo $((++n)) >pages
    done
}

# watched_under_load TIMES: watch and leave the guest `web`, at any moment and by any signal, while pages are fetched from it.
watched_under_load() {
    local pid round sig before
    config web '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/run/netns/$TAG"
    link "$TAG" 10.97.0.2 10.97.0.1
    launch web
    pid=$(field web .pid)
    eventually 10 ip netns exec "$TAG-out" curl -fsS --max-time 5 -o /dev/null http://10.97.0.2/plain
    background pages 'http://10.97.0.2/big?n=100000'
    for ((round = 0; round < $1; round++)); do
        watch web shown
        eventually 5 tracer_is "$pid" "$watcher"
        # Some at once, some in the midst of the guest's work.
        sleep "0.0$((RANDOM % 5))"
        if ((round % 2)); then sig=KILL; else sig=TERM; fi
        kill -"$sig" "$watcher"
        eventually 5 tracer_is "$pid" 0
        is web running
    done
    before=$(<pages)
    eventually 10 eval '(($(<pages) > before + 20))'
    lives "$job"
    equal "$(field web .pid)" "$pid"
}

@test ":console: a guest under load is watched and left again and again, and never notices" {
    bundle web web
    watched_under_load 10
}

# The first process of a namespace is spared many signals: this one is none.
@test ":console: the same in the host's process namespace, fifty times" {
    bundle web web
    config web '.linux.namespaces |= map(select(.type != "pid"))'
    watched_under_load 50
}
