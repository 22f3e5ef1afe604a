#!/usr/bin/env bats
# The OCI runtime specification's MUSTs for unikernel bundles, one test each, in the order of its pages: runtime.md, bundle.md,
# config.md, config-linux.md, features.md. docs/conformance.md says which have no test, and why.

# shellcheck disable=SC2154 # run sets stderr, background sets job, wait_job sets status

load oci

setup() {
    oci_setup
    bundle web time wait
}

teardown() {
    oci_teardown
}

# hook KIND SCRIPT [FILTER]: add a hook of that kind to the bundle web, a shell script; FILTER changes its JSON. In the
# container's root there is only busybox, and the test's directory is the root.
hook() {
    local kind=$1 path=/bin/sh
    if [[ $kind == startContainer ]]; then
        path=/bin/busybox
        mkdir -p web/rootfs/bin
        cp "$(type -P busybox)" web/rootfs/bin/busybox
    fi
    config web '.hooks[$kind] += [{path: $path, args: ["sh", "-c", $script]} | '"${3:-.}]" \
        --arg kind "$kind" --arg path "$path" --arg script "$2"
}

# refused [TEXT]: create is an error (that says so), and nothing is left of it.
refused() {
    run -1 create web
    said "runuk: ${1:-}"
    run ! runuk state web
    no_traces
}

# refuses FILTER TEXT: it does, once the bundle is changed so; the bundle is then as before.
refuses() {
    cp web/config.json good.json
    config web "$1"
    refused "$2"
    mv good.json web/config.json
}

# fails TEXT VERB…: it is an error that says so.
fails() {
    local text=$1
    shift
    run -1 runuk "$@"
    said "$text"
}

# A shell command that calls the runtime as the test does, for hooks.
calling() {
    echo "$RUNUK --root $ROOT --settings $SETTINGS"
}

# namespaces PID: those of a process that a bundle asks for, one a line.
namespaces() {
    local ns
    for ns in pid mnt ipc uts net; do readlink "/proc/$1/ns/$ns"; done
}

# The file's identity: root PID is the root directory of a process.
root() {
    stat -L -c %d:%i "/proc/$1/root"
}

stop() {
    runuk kill web KILL
    becomes web stopped
}

# --- runtime.md -----------------------------------------------------------------------------------------------------------

@test "runtime.md, Scope of a Container: who created a container can use every operation on it" {
    create web
    runuk state web >state.json
    runuk start web
    runuk kill web TERM
    becomes web stopped
    runuk delete web
    fails 'does not exist' state web
}

@test "runtime.md, State: the JSON is what the schema says" {
    config web '.annotations = {"com.example.a": "b"}'
    create web
    runuk state web >state.json
    jq -e '(.ociVersion | test("^[0-9]+\\.[0-9]+\\.[0-9]+")) and (.id | type == "string") and (.bundle | type == "string")
        and (.status | IN("creating", "created", "running", "stopped")) and (.pid | type == "number" and . >= 0)
        and (.annotations | type == "object" and all(.[]; type == "string"))' state.json
}

@test "runtime.md, State: an id is unique" {
    create web
    cp -r web other
    fails "container with given ID already exists: 'web'" create --bundle other web
    equal "$(runuk list -q)" web
}

@test "runtime.md, State: status is creating while create runs" {
    hook createRuntime "$(calling) state web >$PWD/state.json"
    create web
    equal "$(jq -r .status state.json)" creating
}

@test "runtime.md, State: status is created once create has returned, and the program has not run" {
    create web
    is web created
    equal "$(cat web.out)" ''
}

@test "runtime.md, State: status is running while the program runs" {
    launch web
    prints web waiting
    is web running
}

@test "runtime.md, State: status is stopped once the process has ended" {
    bundle web exit 0
    launch web
    becomes web stopped
}

@test "runtime.md, State: a further value stands for a further state: paused" {
    launch web
    is web running
    runuk pause web
    is web paused
    runuk resume web
    is web running
}

@test "runtime.md, State: pid is the container process'" {
    create web --pid-file pid
    field_is web .pid "$(cat pid)"
    runuk start web
    field_is web .pid "$(cat pid)"
    file_has "/proc/$(cat pid)/cgroup" "/$TAG-web"
}

@test "runtime.md, State: for hooks in the runtime's namespaces pid is as the runtime sees it" {
    local kind
    for kind in prestart createRuntime poststart; do hook "$kind" "jq .pid >$PWD/$kind"; done
    launch web --pid-file pid
    for kind in prestart createRuntime poststart; do equal "$kind $(cat "$kind")" "$kind $(cat pid)"; done
}

@test "runtime.md, State: for hooks in the container's namespaces pid is as the container sees it" {
    hook createContainer "jq .pid >$PWD/createContainer"
    hook startContainer '/bin/busybox cat >/startContainer'
    launch web
    equal "$(cat createContainer)" 1
    equal "$(jq .pid web/rootfs/startContainer)" 1
}

@test "runtime.md, State: bundle is an absolute path" {
    cd web
    runuk create --bundle . web >../web.out 2>&1 </dev/null
    cd ..
    field_is web .bundle "$PWD/web"
}

@test "runtime.md, State: annotations are the container's; without any there are none" {
    config web '.annotations = {"com.example.a": "b", "com.example.empty": ""}'
    create web
    equal "$(field web '.annotations | tojson')" '{"com.example.a":"b","com.example.empty":""}'
    runuk delete web
    config web 'del(.annotations)'
    create web
    equal "$(field web '.annotations // {} | tojson')" '{}'
}

@test "runtime.md, Lifecycle 2: create makes the environment that config.json asks for" {
    local ns
    config web '.linux.resources.pids.limit = 77'
    create web --pid-file pid
    for ns in $(namespaces self); do
        run ! grep -qF "$ns" <(namespaces "$(cat pid)")
    done
    equal "$(nsenter -t "$(cat pid)" -u uname -n)" guest
    runuk events --stats web >stats.json
    equal "$(jq .data.pids.limit stats.json)" 77
}

@test "runtime.md, Lifecycle 2: what cannot be made is an error" {
    config web '.linux.namespaces = [{type: "network", path: "/nonexistent"}]'
    refused "open namespace '/nonexistent'"
}

@test "runtime.md, Lifecycle 2: create does not run the program" {
    bundle web exit 7
    create web --pid-file pid
    is web created
    [[ $(readlink "/proc/$(cat pid)/exe") != *runuk-spt ]]
    equal "$(cat web.out)" ''
}

@test "runtime.md, Lifecycle 2: later changes of config.json do not affect the container" {
    bundle web hello first
    hook poststop "echo first >>$PWD/poststop"
    create web
    config web '.process.args = ["/guest", "second"] | .hooks.poststop[0].args[2] |= sub("first"; "second")
        | .hooks.startContainer = [{path: "/nonexistent"}] | .annotations.a = "b"'
    runuk start web
    prints web first
    becomes web stopped
    field_is web .annotations null
    runuk delete web
    equal "$(cat poststop)" first
    run ! grep -q second web.out
}

# invoked KIND VERB: hooks of that kind are invoked by that verb, and by none before.
invoked() {
    local kind=$1 verb=$2 file=$PWD/ran-$1
    if [[ $kind == startContainer ]]; then
        hook "$kind" 'echo ran >>/ran'
        file=$PWD/web/rootfs/ran
    else
        hook "$kind" "echo ran >>$file"
    fi
    create web
    [[ $verb == create || ! -e $file ]]
    [[ $verb != create ]] || equal "$(cat "$file")" ran
    runuk start web
    [[ $verb == delete ]] || equal "$(cat "$file")" ran
    stop
    [[ $verb != delete || ! -e $file ]]
    runuk delete web
    equal "$(cat "$file")" ran
}

# destroys KIND: a failing hook of that kind is create's error; the container is stopped and destroyed, poststop invoked.
destroys() {
    hook "$1" "jq .pid >$PWD/pid; exit 9"
    hook poststop "jq -r .status >$PWD/poststop"
    refused "create container 'web': $1 hook '/bin/sh': exit status 9"
    equal "$(cat poststop)" stopped
    [[ $1 == createContainer ]] || run ! lives "$(cat pid)"
}

@test "runtime.md, Lifecycle 3: prestart hooks are invoked" {
    invoked prestart create
}

@test "runtime.md, Lifecycle 3: a failing prestart hook is an error, stops and destroys, and poststop is invoked" {
    destroys prestart
}

@test "runtime.md, Lifecycle 4: createRuntime hooks are invoked" {
    invoked createRuntime create
}

@test "runtime.md, Lifecycle 4: a failing createRuntime hook is an error, stops and destroys, and poststop is invoked" {
    destroys createRuntime
}

@test "runtime.md, Lifecycle 5: createContainer hooks are invoked" {
    invoked createContainer create
}

@test "runtime.md, Lifecycle 5: a failing createContainer hook is an error, stops and destroys, and poststop is invoked" {
    destroys createContainer
}

@test "runtime.md, Lifecycle 7: startContainer hooks are invoked" {
    invoked startContainer start
}

@test "runtime.md, Lifecycle 7: a failing startContainer hook is an error and stops; delete destroys and invokes poststop" {
    hook startContainer 'exit 9'
    hook poststop "touch $PWD/poststop"
    create web --pid-file pid
    fails "start container 'web': startContainer hook '/bin/busybox': exit status 9" start web
    becomes web stopped
    equal "$(cat web.out)" ''
    runuk delete web
    [[ -e poststop ]]
    no_traces
}

@test "runtime.md, Lifecycle 8: the program runs, as process says" {
    bundle web hello a 'b c'
    launch web
    prints web 'b c'
}

@test "runtime.md, Lifecycle 9: poststart hooks are invoked" {
    invoked poststart start
}

@test "runtime.md, Lifecycle 9: a failing poststart hook is a warning, and all goes on" {
    hook poststart 'exit 9'
    hook poststart "touch $PWD/next"
    create web
    run -0 runuk --log log.json --log-format json start web
    equal "$(jq -r '"\(.level): \(.msg)"' log.json)" "warning: poststart hook '/bin/sh': exit status 9"
    [[ -e next ]]
    is web running
}

@test "runtime.md, Lifecycle 12: delete undoes what create did" {
    launch web
    stop
    [[ -n $(traces) ]]
    runuk delete web
    no_traces
}

@test "runtime.md, Lifecycle 13: poststop hooks are invoked" {
    invoked poststop delete
}

@test "runtime.md, Lifecycle 13: a failing poststop hook is a warning, and all goes on" {
    hook poststop 'exit 9'
    hook poststop "touch $PWD/next"
    launch web
    stop
    run -0 runuk --log log.json --log-format json delete web
    equal "$(jq -r '"\(.level): \(.msg)"' log.json)" "warning: poststop hook '/bin/sh': exit status 9"
    [[ -e next ]]
    no_traces
}

@test "runtime.md, Errors: an operation that fails leaves all as it was" {
    local before
    create web
    before=$(runuk state web; traces; cat /proc/self/mountinfo; find web)
    fails 'already exists' create --bundle web web
    fails 'invalid container ID format' create --bundle web /web
    fails 'does not exist' start other
    fails 'does not exist' kill other KILL
    fails 'does not exist' delete other
    fails 'unknown signal' kill web NONSENSE
    equal "$(runuk state web; traces; cat /proc/self/mountinfo; find web)" "$before"
}

@test "runtime.md, Warnings: what is only warned of changes nothing" {
    hook poststop 'exit 9'
    launch web
    stop
    run -0 runuk --log log.json --log-format json delete web
    equal "$output" ''
    no_traces
}

@test "runtime.md, Query State: without an id it is an error" {
    fails 'requires exactly 1 argument' state
}

@test "runtime.md, Query State: of a container that does not exist it is an error" {
    fails "container 'web' does not exist" state web
}

@test "runtime.md, Query State: it returns the state" {
    create web
    run -0 --separate-stderr runuk state web
    equal "$stderr" ''
    equal "$(jq -c '[.id, .status]' <<<"$output")" '["web","created"]'
}

@test "runtime.md, Create: without a bundle or an id it is an error" {
    fails 'requires exactly 1 argument' create --bundle web
    fails "read '$PWD/config.json': No such file or directory" create web
    no_traces
}

@test "runtime.md, Create: an id that exists or is none is an error, and no container is created" {
    local id
    create web
    for id in web '' . .. a/b 'a b' $'a\nb' 'ü'; do
        run -1 runuk create --bundle web "$id"
        equal "$(runuk list -q)" web
    done
}

@test "runtime.md, Create: it creates a new container" {
    equal "$(runuk list -q)" ''
    create web
    equal "$(runuk list -q)" web
}

@test "runtime.md, Create: every property but process is applied" {
    hook createRuntime "touch $PWD/hook"
    config web '.hostname = "other" | .annotations.a = "b" | .linux.resources.pids.limit = 77'
    create web --pid-file pid
    equal "$(nsenter -t "$(cat pid)" -u uname -n)" other
    field_is web .annotations.a b
    file_has "/proc/$(cat pid)/cgroup" "$TAG-web"
    runuk events --stats web >stats.json
    equal "$(jq .data.pids.limit stats.json)" 77
    [[ -e hook ]]
}

@test "runtime.md, Create: process.args are not applied before start" {
    bundle web hello 'the argument'
    create web --pid-file pid
    run ! grep -q 'the argument' "/proc/$(cat pid)/cmdline" web.out
    runuk start web
    prints web 'the argument'
}

@test "runtime.md, Create: a property that cannot be applied is an error, and no container is created" {
    config web '.linux.resources.cpu.cpus = "4000"'
    refused "create container 'web': "
}

@test "runtime.md, Start: without an id it is an error" {
    fails 'requires exactly 1 argument' start
}

@test "runtime.md, Start: of a container that is not created it is an error without effect" {
    fails 'does not exist' start web
    launch web --pid-file pid
    fails 'cannot start an already running container' start web
    is web running
    field_is web .pid "$(cat pid)"
    runuk pause web
    fails 'cannot start an already running container' start web
    is web paused
    runuk resume web
    stop
    fails 'cannot start a container that has stopped' start web
    is web stopped
}

@test "runtime.md, Start: it runs the program that process says" {
    bundle web exit 3
    run -3 runuk run --bundle web web
    equal "$output" 'exit: 3'
}

@test "runtime.md, Start: without process it is an error, as early as at create" {
    refuses 'del(.process)' "'$PWD/web/config.json': process: missing"
}

@test "runtime.md, Kill: without an id it is an error" {
    fails 'requires a minimum of 1 argument' kill
}

@test "runtime.md, Kill: of a container that neither is created nor runs it is an error without effect" {
    fails 'does not exist' kill web KILL
    launch web
    stop
    runuk state web >before
    fails 'container not running' kill web KILL
    runuk state web | diff before -
}

@test "runtime.md, Kill: the process gets the signal" {
    local signal
    for signal in INT HUP KILL; do
        : >web.out
        background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle web web >web.out 2>&1 </dev/null
        prints web waiting
        runuk kill web "$signal"
        wait_job "$job"
        equal "$signal $status" "$signal $((128 + $(kill -l "$signal")))"
    done
}

@test "runtime.md, Kill: the process of a created container gets it, too" {
    create web
    runuk kill web KILL
    becomes web stopped
}

@test "runtime.md, Delete: without an id it is an error" {
    fails 'requires exactly 1 argument' delete
}

@test "runtime.md, Delete: of a container that runs it is an error without effect" {
    fails 'does not exist' delete web
    launch web --pid-file pid
    fails 'cannot delete container web that is not stopped: running' delete web
    is web running
    field_is web .pid "$(cat pid)"
    runuk pause web
    fails 'cannot delete container web that is not stopped: paused' delete web
    is web paused
}

@test "runtime.md, Delete: what create made is deleted" {
    launch web --pid-file pid
    stop
    runuk delete web
    no_traces
    [[ ! -e $ROOT/web ]]
    run ! lives "$(cat pid)"
}

@test "runtime.md, Delete: what create did not make is kept" {
    local ns
    bundle pod time wait
    launch pod --pid-file pid
    config web '.linux.namespaces = [{type: "network", path: "/proc/\($pid)/ns/net"}]' --arg pid "$(cat pid)"
    ns=$(nsenter -t "$(cat pid)" -n ip -o link)
    launch web
    find web -type f -exec sha256sum {} + >before
    stop
    runuk delete web
    sha256sum --quiet -c before
    is pod running
    equal "$(nsenter -t "$(cat pid)" -n ip -o link)" "$ns"
}

@test "runtime.md, Delete: the id may be used again, and is a new container's" {
    launch web --pid-file first
    stop
    runuk delete web
    create web --pid-file second
    is web created
    field_is web .pid "$(cat second)"
}

# --- bundle.md ------------------------------------------------------------------------------------------------------------

@test "bundle.md, Filesystem Bundle: config.json is in the bundle's root, under that name" {
    mkdir web/deeper
    mv web/config.json web/deeper
    refused "read '$PWD/web/config.json': No such file or directory"
    mv web/deeper/config.json web/Config.json
    refused "read '$PWD/web/config.json': No such file or directory"
}

# --- config.md ------------------------------------------------------------------------------------------------------------

@test "config.md, Root: the object and its path must be there" {
    refuses 'del(.root)' "'$PWD/web/config.json': root"
    refuses 'del(.root.path)' "'$PWD/web/config.json': root.path: missing"
}

@test "config.md, Root: the directory must exist" {
    refuses '.root.path = "nowhere"' "open rootfs '$PWD/web/nowhere': No such file or directory"
}

@test "config.md, Mounts: entries apply in the listed order" {
    bundle one hello
    bundle two exit 5
    config web '.mounts = [$one, $two | {destination: "/guest", source: ., type: "bind", options: ["bind"]}]' \
        --arg one "$PWD/one/rootfs/guest" --arg two "$PWD/two/rootfs/guest"
    config web '.process.args = ["/guest", "5"]'
    run -5 runuk run --bundle web web
    config web '.mounts |= reverse'
    run -0 runuk run --bundle web web
}

@test "config.md, Mounts: a destination is absolute" {
    refuses '.mounts = [{destination: "data", source: "/tmp", options: ["bind"]}]' \
        "'$PWD/web/config.json': mounts[].destination: expected an absolute path, not 'data'"
}

@test "config.md, Process: cwd is absolute" {
    refuses '.process.cwd = "work"' "'$PWD/web/config.json': process.cwd: expected an absolute path, not 'work'"
}

@test "config.md, Process: args has one entry at least" {
    refuses 'del(.process.args)' "'$PWD/web/config.json': process.args: must not be empty"
    refuses '.process.args = []' "'$PWD/web/config.json': process.args: must not be empty"
}

@test "config.md, Linux Process: oomScoreAdj is set when given" {
    local score
    for score in 0 77 1000; do
        config web '.process.oomScoreAdj = $score' --argjson score "$score"
        create web --pid-file pid
        equal "$(cat "/proc/$(cat pid)/oom_score_adj")" "$score"
        runuk delete web
    done
}

@test "config.md, Linux Process: oomScoreAdj is left alone when not given" {
    choom -n 123 -- timeout 30 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle web --pid-file pid web \
        >web.out 2>&1 </dev/null 3>&-
    equal "$(cat "/proc/$(cat pid)/oom_score_adj")" 123
}

@test "config.md, Hostname: it is the container's, and no one else's" {
    local before
    before=$(uname -n)
    config web '.hostname = "web.example"'
    create web --pid-file pid
    equal "$(nsenter -t "$(cat pid)" -u uname -n)" web.example
    equal "$(uname -n)" "$before"
}

@test "config.md, POSIX-platform Hooks: path must be there, and absolute" {
    local kind
    for kind in prestart createRuntime createContainer startContainer poststart poststop; do
        refuses ".hooks.$kind = [{path: \"bin/true\"}]" \
            "'$PWD/web/config.json': hooks.$kind[0].path: expected an absolute path"
        refuses ".hooks.$kind = [{args: [\"true\"]}]" \
            "'$PWD/web/config.json': hooks.$kind[0].path: expected an absolute path"
    done
}

@test "config.md, POSIX-platform Hooks: a timeout is greater than zero" {
    local timeout
    for timeout in 0 -1; do
        refuses ".hooks.prestart = [{path: \"/bin/true\", timeout: $timeout}]" \
            "'$PWD/web/config.json': hooks.prestart[0].timeout: expected seconds, more than 0"
    done
}

@test "config.md, POSIX-platform Hooks: hooks are called in the listed order" {
    local kind i
    for kind in prestart createRuntime createContainer poststart poststop; do
        for i in 1 2 3; do hook "$kind" "echo $i >>$PWD/$kind"; done
    done
    for i in 1 2 3; do hook startContainer "echo $i >>/startContainer"; done
    launch web
    stop
    runuk delete web
    for kind in prestart createRuntime createContainer poststart poststop web/rootfs/startContainer; do
        equal "$kind $(xargs <"$kind")" "$kind 1 2 3"
    done
}

@test "config.md, POSIX-platform Hooks: the state is passed on stdin" {
    local kind
    for kind in prestart createRuntime createContainer poststart poststop; do hook "$kind" "cat >$PWD/$kind"; done
    hook startContainer '/bin/busybox cat >/startContainer'
    launch web
    stop
    runuk delete web
    for kind in prestart createRuntime createContainer web/rootfs/startContainer poststart poststop; do
        jq -r '"\(.ociVersion) \(.id) \(.status) \(.bundle)"' "$kind"
    done >states
    equal "$(cat states)" "$(printf "1.0.2 web %s $PWD/web\n" creating creating creating created running stopped)"
}

# in_create KIND: hooks of that kind run in create, with the environment made and the root not yet changed, in the runtime's
# namespaces and root.
in_create() {
    # shellcheck disable=SC2016 # for the hook's shell
    hook "$1" 'pid=$(jq .pid); exec >'"$PWD"'/seen
        readlink /proc/$pid/ns/net /proc/self/ns/net /proc/self/ns/mnt
        stat -L -c %d:%i /proc/$pid/root /proc/self/root
        grep -c '"$TAG"' /proc/$pid/cgroup'
    create web --pid-file pid
    equal "$(cat seen)" "$(readlink "/proc/$(cat pid)/ns/net" /proc/self/ns/net /proc/self/ns/mnt
        root self
        root self
        grep -c "$TAG" "/proc/$(cat pid)/cgroup")"
    [[ $(sed -n 1p seen) != "$(sed -n 2p seen)" ]]
}

@test "config.md, Prestart: in create, after the environment is made, before the root changes, in the runtime's namespaces" {
    in_create prestart
}

@test "config.md, Prestart: before the createRuntime hooks" {
    hook createRuntime "echo createRuntime >>$PWD/order"
    hook prestart "echo prestart >>$PWD/order"
    create web
    equal "$(xargs <order)" 'prestart createRuntime'
}

@test "config.md, CreateRuntime Hooks: in create, after the environment is made, before the root changes, in the runtime's namespaces" {
    in_create createRuntime
}

@test "config.md, CreateContainer Hooks: in create, before the root changes" {
    hook createContainer "stat -L -c %d:%i / >$PWD/seen"
    create web
    equal "$(cat seen)" "$(root self)"
}

@test "config.md, CreateContainer Hooks: after the createRuntime hooks" {
    hook createContainer "echo createContainer >>$PWD/order"
    hook createRuntime "echo createRuntime >>$PWD/order"
    create web
    equal "$(xargs <order)" 'createRuntime createContainer'
}

@test "config.md, CreateContainer Hooks: the path is the runtime's, the namespaces are the container's" {
    printf '#!/bin/sh\nfor ns in pid mnt ipc uts net; do readlink /proc/self/ns/$ns; done >%s/seen\n' "$PWD" >script
    chmod +x script
    hook createContainer '' "{path: \"$PWD/script\"}"
    create web --pid-file pid
    equal "$(cat seen)" "$(namespaces "$(cat pid)")"
}

@test "config.md, StartContainer Hooks: in start, before the program is executed" {
    hook startContainer '/bin/busybox cat /gate'
    mkfifo web/rootfs/gate
    create web --pid-file pid
    background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" start web
    # Opening it to write waits for the hook.
    exec 7<>web/rootfs/gate
    eventually 10 hook_runs
    is web created
    equal "$(cat web.out)" ''
    echo >&7
    exec 7>&-
    wait_job "$job"
    equal "$status" 0
    is web running
    prints web waiting
}

# The startContainer hook of the test above has begun: its process reads the pipe.
hook_runs() {
    grep -qsF cat /proc/[0-9]*/cmdline && pgrep -x -f '/bin/busybox cat /gate'
}

@test "config.md, StartContainer Hooks: the path and the namespaces are the container's" {
    hook startContainer '/bin/busybox uname -n >/seen; echo $PPID >>/seen; /bin/busybox ls / >>/seen'
    launch web
    equal "$(xargs <web/rootfs/seen)" 'guest 1 bin guest seen'
}

@test "config.md, Poststart: after the program is executed, before start returns, in the runtime's namespaces" {
    # shellcheck disable=SC2016 # for the hook's shell
    hook poststart 'readlink /proc/$(jq .pid)/exe /proc/self/ns/mnt >'"$PWD/seen; cat $PWD/gate"
    mkfifo gate
    create web
    background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" start web
    exec 7>gate
    equal "$(sed 's|.*/||' seen)" "runuk-spt
$(readlink /proc/self/ns/mnt)"
    lives "$job"
    exec 7>&-
    wait_job "$job"
    equal "$status" 0
}

@test "config.md, Poststop: after the container is deleted, before delete returns, in the runtime's namespaces" {
    hook poststop "$(calling) state web >$PWD/state 2>&1; find /sys/fs/cgroup -name '$TAG-web' >$PWD/cgroups
        readlink /proc/self/ns/mnt >$PWD/seen"
    launch web
    stop
    runuk delete web
    equal "$(cat seen)" "$(readlink /proc/self/ns/mnt)"
    equal "$(cat state)" "runuk: container 'web' does not exist"
    equal "$(cat cgroups)" ''
}

@test "config.md, Annotations: they are a map" {
    refuses '.annotations = ["a"]' "'$PWD/web/config.json': annotations: expected an object"
}

@test "config.md, Annotations: a key is not empty" {
    refuses '.annotations[""] = "a"' "'$PWD/web/config.json': annotations: an empty key"
}

@test "config.md, Annotations: values are strings, also empty ones" {
    refuses '.annotations.a = 1' "'$PWD/web/config.json': annotations.a: expected a string"
    config web '.annotations.a = ""'
    create web
}

@test "config.md, Annotations: unknown keys are no error" {
    config web '.annotations = {"a": "b", "com.example.key": "value", "org.opencontainers.image.stopSignal": "15"}'
    create web
}

@test "config.md, Extensibility: unknown properties are ignored, wherever they are" {
    bundle web exit 4
    config web '.new = {a: [1, null]} | .process.new = 1 | .process.user.new = {} | .root.new = [] | .linux.new = "x"
        | .linux.resources.new = {limit: -1} | .linux.resources.memory.new = true | .linux.namespaces[0].new = 0
        | .hooks = {new: [{path: "no path"}], poststop: [{path: "/bin/true", new: 1}]}
        | .mounts = [{destination: "/x", type: "tmpfs", source: "x", new: 1}] | .windows = {} | .vm = {kernel: 1}'
    run -4 runuk run --bundle web web
    equal "$output" 'exit: 4'
}

@test "config.md, Valid values: an invalid one is an error" {
    local case
    local -a cases=(
        '.process.terminal = "no"|process.terminal: expected true or false'
        '.process.user.uid = -1|process.user: uid or gid out of range'
        '.process.env = "A=b"|process.env: expected an array'
        '.hostname = 7|hostname: expected a string'
        '.mounts = [{destination: "/a", options: [1]}]|mounts[].options: expected an array of strings'
        '.linux.namespaces = [{type: "wormhole"}]|linux.namespaces[].type: unknown type "wormhole"'
        '.linux.cgroupsPath = {}|linux.cgroupsPath: expected a string'
        '.linux.resources.memory.limit = "1G"|linux.resources.memory.limit: expected an integer'
        '.linux.resources.devices = [{allow: true, type: "x"}]|linux.resources.devices[].type: expected a, b or c'
    )
    for case in "${cases[@]}"; do
        refuses "${case%|*}" "'$PWD/web/config.json': ${case##*|}"
    done
}

# --- config-linux.md ------------------------------------------------------------------------------------------------------

@test "config-linux.md, Namespaces: a path is absolute" {
    refuses '.linux.namespaces = [{type: "network", path: "proc/self/ns/net"}]' \
        "'$PWD/web/config.json': linux.namespaces[].path: expected an absolute path"
}

@test "config-linux.md, Namespaces: the process is in the namespace of the path" {
    local ns
    bundle pod time wait
    launch pod --pid-file first
    config web '.linux.namespaces = [{type: "pid", file: "pid"}, {type: "ipc", file: "ipc"}, {type: "uts", file: "uts"},
        {type: "network", file: "net"}, {type: "mount"}]
        | .linux.namespaces[:4] |= map(.path = "/proc/\($pid)/ns/\(.file)")' --arg pid "$(cat first)"
    create web --pid-file second
    for ns in pid ipc uts net; do
        equal "$(readlink "/proc/$(cat second)/ns/$ns")" "$(readlink "/proc/$(cat first)/ns/$ns")"
    done
}

@test "config-linux.md, Namespaces: a path of another type's, or of no namespace, is an error" {
    local type
    for type in network ipc uts pid; do
        refuses ".linux.namespaces = [{type: \"$type\", path: \"/proc/self/ns/mnt\"}]" \
            "'/proc/self/ns/mnt' is a namespace of another type"
    done
    refuses '.linux.namespaces = [{type: "network", path: "/etc/passwd"}]' "'/etc/passwd' is not a namespace"
}

@test "config-linux.md, Namespaces: without a path a new one is made" {
    local ns
    create web --pid-file pid
    for ns in pid mnt ipc uts net; do
        [[ $(readlink "/proc/$(cat pid)/ns/$ns") != "$(readlink "/proc/self/ns/$ns")" ]]
    done
}

@test "config-linux.md, Namespaces: a type that is not listed is the runtime's" {
    config web '.linux.namespaces = [] | del(.hostname)'
    create web --pid-file pid
    # All but the mount namespace: the monitor's root is emptied, which nobody else must see.
    equal "$(namespaces "$(cat pid)" | grep -v mnt)" "$(namespaces self | grep -v mnt)"
}

@test "config-linux.md, Namespaces: the same type twice is an error" {
    refuses '.linux.namespaces += [{type: "network"}]' "'$PWD/web/config.json': linux.namespaces: the same type twice"
}

@test "config-linux.md, Cgroups Path: an absolute path begins at the mount point" {
    config web '.linux.cgroupsPath = "/\($tag)-pod/web"' --arg tag "$TAG"
    create web --pid-file pid
    find /sys/fs/cgroup -maxdepth 3 -path "*/$TAG-pod/web" -type d >directories
    [[ -s directories ]]
    file_has "/proc/$(cat pid)/cgroup" ":/$TAG-pod/web"
    runuk delete web
    find /sys/fs/cgroup -maxdepth 2 -name "$TAG-pod" -exec rmdir {} +
}

@test "config-linux.md, Cgroups Path: the same path is the same place each time" {
    create web --pid-file pid
    cp "/proc/$(cat pid)/cgroup" first
    runuk delete web
    create web --pid-file pid
    diff first "/proc/$(cat pid)/cgroup"
}

@test "config-linux.md, Cgroups Path: one that is not valid is an error" {
    refuses '.linux.cgroupsPath = "/"' "create container 'web': "
    refuses '.linux.cgroupsPath = "/../.."' "create container 'web': "
}

@test "config-linux.md, Allowed Device list: entries apply in the listed order" {
    [[ -d /sys/fs/cgroup/devices ]] || skip 'the device list of cgroup v2 cannot be read back'
    config web '.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 5, access: "r"}]'
    create web
    equal "$(cat "$(cgroup web devices)/devices.list")" 'c 1:5 r'
    runuk delete web
    config web '.linux.resources.devices |= reverse'
    create web
    equal "$(cat "$(cgroup web devices)/devices.list")" ''
}

# --- features.md ----------------------------------------------------------------------------------------------------------

@test "features.md, Specification version: ociVersionMin and ociVersionMax are accepted in config.json" {
    local version
    run -0 --separate-stderr runuk features
    for version in $(jq -r '.ociVersionMin, .ociVersionMax' <<<"$output"); do
        config web '.ociVersion = $version' --arg version "$version"
        create web
        field_is web .ociVersion "$version"
        runuk delete web
    done
}

@test "features.md, Hooks: the hooks that it lists are invoked" {
    local kind
    run -0 --separate-stderr runuk features
    for kind in $(jq -r '.hooks[]' <<<"$output"); do
        case $kind in
            startContainer) hook "$kind" 'touch /ran' ;;
            *) hook "$kind" "touch $PWD/ran-$kind" ;;
        esac
    done
    launch web
    stop
    runuk delete web
    [[ ! -e web/rootfs/ran ]] || mv web/rootfs/ran ran-startContainer
    for kind in $(jq -r '.hooks[]' <<<"$output"); do
        [[ -e ran-$kind ]]
    done
}
