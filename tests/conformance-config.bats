#!/usr/bin/env bats
# The OCI runtime specification's MUSTs for unikernel bundles, one test each, in the order of its pages: config.md, config-linux.md, features.md.
# docs/conformance.md says which have no test, and why.

# shellcheck disable=SC2154 # run sets stderr, background sets job, wait_job sets status

load conformance

setup() {
    conformance_setup
}

teardown() {
    oci_teardown
}

# --- config.md ------------------------------------------------------------------------------------------------------------

@test "config.md, Specification version: it is there, a version, and one that is known" {
    refuses 'del(.ociVersion)' "'$PWD/web/config.json': ociVersion: missing"
    refuses '.ociVersion = "one"' "'$PWD/web/config.json': ociVersion: \"one\" is no version"
    refuses '.ociVersion = "1.0"' "'$PWD/web/config.json': ociVersion: \"1.0\" is no version"
    refuses '.ociVersion = "2.0.0"' "'$PWD/web/config.json': ociVersion: \"2.0.0\" is not supported"
}

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

@test "config.md, Process: consoleSize is ignored without a terminal" {
    config web '.process.terminal = false | .process.consoleSize = {height: -1, width: "wide"}'
    create web
}

@test "config.md, Process: cwd is absolute" {
    refuses '.process.cwd = "work"' "'$PWD/web/config.json': process.cwd: expected an absolute path, not 'work'"
}

@test "config.md, Process: args has one entry at least" {
    refuses 'del(.process.args)' "'$PWD/web/config.json': process.args: must not be empty"
    refuses '.process.args = []' "'$PWD/web/config.json': process.args: must not be empty"
}

@test "config.md, POSIX process: a limit that the kernel does not have is an error" {
    refuses '.process.rlimits = [{type: "RLIMIT_FRIENDS", soft: 1, hard: 1}]' \
        "'$PWD/web/config.json': process.rlimits[0].type: unknown limit \"RLIMIT_FRIENDS\""
}

@test "config.md, POSIX process: soft and hard limits are as given" {
    config web '.process.rlimits = [{type: "RLIMIT_STACK", soft: 4194304, hard: 8388608}, {type: "RLIMIT_RTPRIO", soft: 0, hard: 0}]'
    launch web --pid-file pid
    prints web waiting
    equal "$(sed -nE 's/^Max (stack size|realtime priority) +//p' "/proc/$(cat pid)/limits" | xargs)" '4194304 8388608 bytes 0 0'
}

@test "config.md, POSIX process: the same limit twice is an error" {
    refuses '.process.rlimits = [{type: "RLIMIT_STACK", soft: 1, hard: 1}, {type: "RLIMIT_STACK", soft: 1, hard: 1}]' \
        "'$PWD/web/config.json': process.rlimits: RLIMIT_STACK twice"
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
            "'$PWD/web/config.json': hooks.${kind}[0].path: expected an absolute path"
        refuses ".hooks.$kind = [{args: [\"true\"]}]" \
            "'$PWD/web/config.json': hooks.${kind}[0].path: expected an absolute path"
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
    local pid
    for pid in $(pgrep -x -f '/bin/busybox cat /gate'); do
        if grep -qsF "$TAG" "/proc/$pid/cgroup"; then return 0; fi
    done
    return 1
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
    exec 7<>gate
    eventually 10 file_has seen mnt:
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
