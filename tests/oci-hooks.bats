#!/usr/bin/env bats
# Hooks: when and where they run, what they are given, how they fail, and what then becomes of the container.

load oci

KINDS=(prestart createRuntime createContainer startContainer poststart poststop)

setup() {
    oci_setup
    bundle web time wait
    mkdir web/rootfs/bin
    cp "$(type -P busybox)" web/rootfs/bin/busybox
}

teardown() {
    oci_teardown
    # What a hook left behind on purpose.
    pkill -KILL -x -f "sleep $LONG" || :
}

# A time that no test waits for, and that no one else sleeps.
LONG=600.$$

# hook KIND SCRIPT [FILTER]: add a hook of that kind to the bundle web, a shell script; FILTER changes its JSON. In the
# container's root there is only busybox.
hook() {
    local kind=$1 path=/bin/sh
    [[ $kind != startContainer ]] || path=/bin/busybox
    config web '.hooks[$kind] += [{path: $path, args: ["sh", "-c", $script]} | '"${3:-.}]" \
        --arg kind "$kind" --arg path "$path" --arg script "$2"
}

# Where a hook of that kind finds the test's directory: inside the container it is the root.
place() {
    if [[ $1 == startContainer ]]; then echo /; else echo "$PWD/web/rootfs/"; fi
}

# The life of the container web, from create to delete.
live() {
    launch web --pid-file pid
    prints web waiting
    runuk kill web KILL
    becomes web stopped
    runuk delete web
}

# --- when, where, with what -----------------------------------------------------------------------------------------------

@test "every kind runs once, in order, each hook of a kind in the order of the list" {
    local kind
    for kind in "${KINDS[@]}"; do
        hook "$kind" "echo $kind 1 >>$(place $kind)order"
        hook "$kind" "echo $kind 2 >>$(place $kind)order"
    done
    create web
    equal "$(xargs <web/rootfs/order)" 'prestart 1 prestart 2 createRuntime 1 createRuntime 2 createContainer 1 createContainer 2'
    runuk start web
    equal "$(tail -n +7 web/rootfs/order | xargs)" 'startContainer 1 startContainer 2 poststart 1 poststart 2'
    runuk kill web KILL
    becomes web stopped
    equal "$(wc -l <web/rootfs/order)" 10
    runuk delete web
    equal "$(tail -n +11 web/rootfs/order | xargs)" 'poststop 1 poststop 2'
}

@test "each is given the state as JSON: status, pid, id, bundle, version, annotations" {
    local kind file status pid
    config web '.annotations = {"com.example.a": "b \"c\""}'
    for kind in "${KINDS[@]}"; do
        hook "$kind" "busybox cat >$(place $kind)$kind.json || /bin/busybox cat >$(place $kind)$kind.json"
    done
    live
    for kind in "${KINDS[@]}"; do
        file=web/rootfs/$kind.json pid=$(cat pid)
        case $kind in
            startContainer) status=created pid=1 ;;
            createContainer) status=creating pid=1 ;;
            poststart) status=running ;;
            poststop) status=stopped pid=0 ;;
            *) status=creating ;;
        esac
        equal "$kind $(jq -cS . "$file")" "$kind $(jq -cnS --arg status "$status" --argjson pid "$pid" --arg bundle "$PWD/web" \
            '{ociVersion: "1.0.2", id: "web", $status, $pid, $bundle, annotations: {"com.example.a": "b \"c\""}}')"
    done
}

@test "poststop runs when nothing of the container is left" {
    hook poststop "$RUNUK --root $ROOT --settings $SETTINGS state web >$PWD/state 2>&1
        find /sys/fs/cgroup $ROOT -name '$TAG-web' -o -name web >$PWD/left"
    live
    equal "$(cat state)" "runuk: container 'web' does not exist"
    equal "$(cat left)" ''
}

@test "without annotations the state has none" {
    hook prestart "cat >$PWD/state.json"
    create web
    equal "$(jq -c keys state.json)" '["bundle","id","ociVersion","pid","status"]'
}

@test "the pid lives, in the container's namespaces, while prestart and createRuntime run in the host's" {
    local kind ns
    for kind in prestart createRuntime poststart; do
        hook "$kind" "pid=\$(jq .pid); for ns in net mnt pid uts; do
            readlink /proc/self/ns/\$ns /proc/\$pid/ns/\$ns; done >$PWD/$kind"
    done
    launch web --pid-file pid
    for kind in prestart createRuntime poststart; do
        equal "$kind: $(xargs <$kind)" "$kind: $(for ns in net mnt pid uts; do
            readlink "/proc/self/ns/$ns" "/proc/$(cat pid)/ns/$ns"
        done | xargs)"
    done
}

@test "createContainer runs in the container's namespaces, with the host's files" {
    local ns
    hook createContainer "for ns in net ipc pid uts mnt; do readlink /proc/self/ns/\$ns; done >$PWD/seen; uname -n >>$PWD/seen"
    create web --pid-file pid
    equal "$(xargs <seen)" "$(for ns in net ipc pid uts mnt; do readlink "/proc/$(cat pid)/ns/$ns"; done | xargs) guest"
}

@test "startContainer runs in the container's namespaces and root" {
    hook startContainer '/bin/busybox uname -n >/seen; /bin/busybox ls / >>/seen
        /bin/busybox ip -o link | /bin/busybox wc -l >>/seen; pwd >>/seen; echo pid $$ >>/seen'
    launch web
    [[ $(xargs <web/rootfs/seen) =~ ^'guest bin guest seen 1 / pid '[2-9]$ ]]
}

@test "cwd is the bundle, for createContainer the rootfs as with runc" {
    local kind
    for kind in prestart createRuntime createContainer poststart poststop; do
        hook "$kind" "pwd -P >$PWD/$kind"
    done
    cd web
    runuk create web >web.out 2>&1 </dev/null
    runuk start web
    cd ..
    runuk delete --force web
    for kind in prestart createRuntime poststart poststop; do
        equal "$kind: $(cat $kind)" "$kind: $PWD/web"
    done
    equal "$(cat createContainer)" "$PWD/web/rootfs"
}

@test "the environment: the hook's own when it has one, also an empty one; else the caller's, inside the process'" {
    local kind
    config web '.process.env = ["PATH=/", "OF=process"]'
    for kind in prestart createContainer poststop; do
        hook "$kind" "tr '\\0' '\\n' </proc/self/environ >$PWD/$kind.none"
        hook "$kind" "/usr/bin/tr '\\0' '\\n' </proc/self/environ >$PWD/$kind.empty" '.env = []'
        hook "$kind" "/usr/bin/tr '\\0' '\\n' </proc/self/environ >$PWD/$kind.own" '.env = ["A=b c", "D="]'
    done
    hook startContainer '/bin/busybox env >/start.none'
    hook startContainer '/bin/busybox env >/start.own' '.env = ["A=b c", "D="]'
    MARK=of-the-caller live
    for kind in prestart createContainer; do
        file_has $kind.none MARK=of-the-caller
        equal "$(cat $kind.empty)" ''
        equal "$(cat $kind.own)" $'A=b c\nD='
    done
    equal "$(cat poststop.own)" $'A=b c\nD='
    file_has web/rootfs/start.none OF=process
    file_has web/rootfs/start.own 'A=b c'
    run ! grep -rq MARK=of-the-caller web/rootfs/start.none web/rootfs/start.own
    run ! grep -q OF=process web/rootfs/start.own
}

@test "args[0] is passed on; without args it is the path" {
    hook prestart true ".args = [\"libnetwork-setkey\", \"-c\", \"cat /proc/\$\$/cmdline >$PWD/first\"]"
    printf '#!/bin/sh\necho "$0 $#" >%s/second\n' "$PWD" >script
    chmod +x script
    hook prestart true ".path = \"$PWD/script\" | del(.args)"
    create web
    [[ $(tr '\0' : <first) == libnetwork-setkey:-c:* ]]
    equal "$(cat second)" "$PWD/script 0"
}

@test "a hook has no descriptor but the first three, and no signal is blocked or ignored" {
    local kind
    # The first is the descriptor with which ls reads the directory.
    for kind in prestart createContainer poststop; do
        hook "$kind" "ls /proc/self/fd | xargs >$PWD/$kind.fd; grep -E 'Sig(Blk|Ign)' /proc/self/status | xargs >$PWD/$kind.signals"
    done
    hook startContainer 'for fd in 3 4 5 6 7 8 9; do (: <&$fd) && echo open: $fd; done >/start.fd; true'
    live
    for kind in prestart createContainer poststop; do
        equal "$kind $(cat $kind.fd)" "$kind 0 1 2 3"
        equal "$kind $(cat $kind.signals)" "$kind SigBlk: 0000000000000000 SigIgn: 0000000000000000"
    done
    equal "$(cat web/rootfs/start.fd)" ''
}

@test "a hook that reads nothing, and one that prints for ever so long, hold nobody up" {
    config web '.annotations.big = ("x" * 40000)'
    hook prestart 'exit 0'
    hook createContainer 'head -c 5000000 /dev/zero'
    hook startContainer '/bin/busybox yes | /bin/busybox head -c 5000000'
    hook poststart 'head -c 5000000 /dev/zero; exec <&-'
    run -0 create web
    equal "$output" ''
    run -0 runuk start web
    equal "$output" ''
}

@test "more annotations than a message holds: hooks on the host read them all" {
    config web '.annotations.big = ("x" * 1000000)'
    hook prestart "jq -r .annotations.big | wc -c >$PWD/length"
    launch web
    equal "$(cat length)" 1000001
}

@test "what a hook leaves running is not waited for" {
    hook prestart "sleep $LONG & exit 0"
    create web
    pgrep -x -f "sleep $LONG"
}

# --- failures -------------------------------------------------------------------------------------------------------------

@test "a failing hook fails create: its status and output in the error, nothing left, poststop told" {
    local kind
    for kind in prestart createRuntime createContainer; do
        config web 'del(.hooks)'
        hook "$kind" 'echo no network here; echo "really" >&2; exit 3'
        hook "$kind" "touch $PWD/next"
        hook poststop "cat >$PWD/poststop.json"
        run -1 create web --pid-file pid
        equal "$output" "runuk: create container 'web': $kind hook '/bin/sh': exit status 3, output: no network here
really"
        [[ ! -e next && ! -e pid ]]
        eventually 5 no_traces
        equal "$kind: $(jq -c '[.id, .status]' poststop.json)" "$kind: [\"web\",\"stopped\"]"
        rm poststop.json
    done
}

@test "a create that fails before any hook tells poststop nothing" {
    hook poststop "touch $PWD/told"
    config web '.linux.namespaces = [{type: "network", path: "/nonexistent"}]'
    run -1 create web
    [[ ! -e told ]]
}

@test "a hook killed by a signal, a hook that is not there, one that may not be executed" {
    hook prestart 'kill -SEGV $$'
    run -1 create web
    said "prestart hook '/bin/sh': killed by signal 11"
    config web '.hooks.prestart[0].path = "/nonexistent/hook"'
    run -1 create web
    said "prestart hook '/nonexistent/hook': exit status 127, output: execute: No such file or directory"
    touch plain
    config web '.hooks.prestart[0].path = $path' --arg path "$PWD/plain"
    run -1 create web
    said "prestart hook '$PWD/plain': exit status 127, output: execute: Permission denied"
    no_traces
}

@test "a hook beyond its timeout is killed, and fails" {
    local kind start=$SECONDS
    for kind in prestart createContainer; do
        config web 'del(.hooks)'
        hook "$kind" "exec sleep $LONG" '.timeout = 1'
        run -1 create web
        said "$kind hook '/bin/sh': timed out after 1 s"
        run ! pgrep -x -f "sleep $LONG"
        eventually 5 no_traces
    done
    ((SECONDS - start < 20))
    config web 'del(.hooks)'
    hook startContainer "exec /bin/busybox sleep $LONG" '.timeout = 1'
    create web
    run -1 runuk start web
    said "start container 'web': startContainer hook '/bin/busybox': timed out after 1 s"
    becomes web stopped
}

@test "a failing startContainer hook fails start, and the container is stopped" {
    hook startContainer 'echo not today; exit 1'
    hook poststart "touch $PWD/poststart"
    hook poststop "echo poststop >>$PWD/poststop"
    create web
    run -1 runuk start web
    equal "$output" "runuk: start container 'web': startContainer hook '/bin/busybox': exit status 1, output: not today"
    becomes web stopped
    equal "$(cat web.out)" ''
    run -1 runuk start web
    said 'cannot start a container that has stopped'
    runuk delete web
    [[ ! -e poststart ]]
    equal "$(cat poststop)" poststop
}

@test "failing poststart and poststop hooks are only logged, and the next ones run" {
    hook poststart 'echo late; exit 1'
    hook poststart "touch $PWD/poststart"
    hook poststop 'exit 2'
    hook poststop "touch $PWD/poststop"
    create web
    run -0 runuk --log log.json --log-format json start web
    equal "$output" ''
    is web running
    run -0 runuk --log log.json --log-format json delete --force web
    equal "$output" ''
    [[ -e poststart && -e poststop ]]
    equal "$(jq -c '[.level, .msg]' log.json)" \
        "[\"warning\",\"poststart hook '/bin/sh': exit status 1, output: late\"]
[\"warning\",\"poststop hook '/bin/sh': exit status 2\"]"
    no_traces
}

@test "huge and strange output of a failing hook: the error stays one line of JSON that parses" {
    hook prestart "printf 'first \\377\\376 \"quoted\"\\n\\033[31m'; yes | head -c 2000000; exit 1"
    run -1 runuk --log log.json --log-format json create --bundle web web
    equal "$(wc -l <log.json)" 1
    jq -e '.level == "error" and (.msg | contains("first ?? \"quoted\"\n")) and (.msg | length) < 2000' log.json
    no_traces
}

@test "hooks that the specification does not allow are refused before anything is made" {
    local -a cases=(
        '.path = "bin/sh"|hooks.prestart[0].path: expected an absolute path'
        'del(.path)|hooks.prestart[0].path: expected an absolute path'
        '.timeout = 0|hooks.prestart[0].timeout: expected seconds, more than 0'
        '.timeout = -1|hooks.prestart[0].timeout: expected seconds, more than 0'
        '.args = "sh"|hooks.prestart[0].args: expected an array'
        '.args = [1]|hooks.prestart[0].args: expected an array of strings'
        '.env = {}|hooks.prestart[0].env: expected an array'
        '"sh"|hooks.prestart[0]: expected an object'
    )
    local case
    for case in "${cases[@]}"; do
        config web 'del(.hooks)'
        hook prestart "touch $PWD/ran" "${case%|*}"
        run -1 create web
        said "${case##*|}"
        [[ ! -e ran ]]
    done
    config web '.hooks = []'
    run -1 create web
    said 'hooks: expected an object'
    no_traces
}
