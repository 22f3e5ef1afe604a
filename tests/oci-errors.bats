#!/usr/bin/env bats
# What goes wrong is told in one line that says what to do, ends with status 1, and leaves nothing.

load oci

setup() {
    oci_setup
    bundle web time wait
}

teardown() {
    oci_teardown
}

# refused TEXT: create of the bundle web fails with it, in the log too, and nothing is left, no pid file either.
refused() {
    rm -f log.json
    run -1 create web --pid-file pid
    said "$1"
    [[ $output == "runuk: "* && ! -e pid ]]
    run -1 runuk --log log.json --log-format json create --bundle web web
    jq -e --arg text "$1" '.level == "error" and (.msg | contains($text))' log.json >/dev/null
    no_traces
}

# --- images ---------------------------------------------------------------------------------------------------------------

# Offsets in the image: of the words behind the note's type and its name, "Solo5" padded to eight bytes.
abi_note() {
    echo $(($(offset_of web/rootfs/guest ABI1Solo5) + 12))
}

manifest_note() {
    echo $(($(offset_of web/rootfs/guest MFT1Solo5) + 16))
}

@test "an image that ends too early" {
    local size
    for size in 20 100 300 4096; do
        head -c "$size" "$GUESTS/time.spt" >web/rootfs/guest
        refused "image '/guest': truncated ELF: "
    done
}

@test "an ABI version that no monitor knows" {
    local version
    for version in 0 3 255; do
        poke web/rootfs/guest $(($(abi_note) + 4)) "\\x$(printf %x "$version")"
        refused "image '/guest': executable requests unsupported ABI version $version"
    done
}

@test "a target that has no monitor is named, and what to do" {
    local pair
    for pair in 4:muen 5:genode 6:xen 77:unknown; do
        poke web/rootfs/guest "$(abi_note)" "\\x$(printf %x "${pair%:*}")"
        refused "image '/guest' is built for the Solo5 target ${pair#*:}, which has no monitor here: build it for hvt or spt"
    done
    poke web/rootfs/guest "$(abi_note)" '\x03'
    refused "image '/guest' is built for the Solo5 target virtio, but has no multiboot header: build it for hvt or spt"
}

@test "a manifest with 65 entries, with none, of another version, of lies" {
    local entries version
    entries=$(($(manifest_note) + 4))
    version=$(manifest_note)
    poke web/rootfs/guest "$entries" '\x41'
    refused "image '/guest': malformed Solo5 manifest: 65 entries, expected 1 to 64"
    poke web/rootfs/guest "$entries" '\x00'
    refused 'malformed Solo5 manifest: 0 entries, expected 1 to 64'
    poke web/rootfs/guest "$entries" '\x02'
    refused 'malformed Solo5'
    poke web/rootfs/guest "$entries" '\x01'
    poke web/rootfs/guest "$version" '\x63'
    refused 'malformed Solo5 manifest: unsupported version 99'
}

@test "a binary that is not there is runc's to name, in words that engines take for 127" {
    config web '.process.args[0] = "/missing"'
    run -1 create web
    said 'no such file or directory'
    run -0 runuk delete --force web
    no_traces
}

@test "devices that the image declares and nobody attached, and the reverse: the monitor alone" {
    run -1 timeout 30 "$BUILD/runuk-spt" "$GUESTS/block.spt"
    said "storage"
    run -1 timeout 30 "$BUILD/runuk-spt" --block:nothing=disk "$GUESTS/block.spt"
    said "the manifest declares no device 'nothing' of type BLOCK_BASIC"
    run -1 timeout 30 "$BUILD/runuk-spt" --net:storage=tap100 "$GUESTS/block.spt"
    said "the manifest declares no device 'storage' of type NET_BASIC"
}

@test "a disk that is not there, and one of odd size" {
    bundle web block
    refused "block device 'storage' has nothing behind it: looked for a volume"
    head -c 1000 /dev/zero >web/rootfs/storage
    refused "'/storage' has 1000 bytes, which is no multiple of the sector size 512"
    : >web/rootfs/storage
    refused "'/storage' has 0 bytes"
}

# --- the state root -------------------------------------------------------------------------------------------------------

@test "a state root that is a file, and one below a file" {
    echo precious >"$ROOT"
    run -1 create web
    said "open state root '$ROOT': Not a directory"
    run -1 runuk list
    said "open state root '$ROOT': Not a directory"
    equal "$(cat "$ROOT")" precious
    run -1 "$RUNUK" --root "$ROOT/below" --settings "$SETTINGS" create --bundle web web
    said "make state root '$ROOT/below': Not a directory"
    rm "$ROOT"
}

@test "a state root that cannot be written: nothing is made" {
    mkdir -m 0700 "$ROOT"
    run -1 unshare -m sh -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"' "$ROOT" \
        "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle web web
    said "make state directory '$ROOT/web': Read-only file system"
    run -1 unshare -m sh -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"' "$ROOT" \
        "$RUNUK" --root "$ROOT/below" --settings "$SETTINGS" create --bundle web web
    said "make state root '$ROOT/below': Read-only file system"
    no_traces
}

@test "a state root of others, or that others may write, or a link: none for a unikernel, runc's business for another program" {
    mkdir "$ROOT"
    chown 1000 "$ROOT"
    run -1 create web
    said "state root '$ROOT' belongs to or can be written by others: use another --root, or chmod 0700"
    chown 0 "$ROOT"
    chmod 0777 "$ROOT"
    run -1 create web
    said "state root '$ROOT' belongs to or can be written by others"
    chmod 0700 "$ROOT"
    ln -s root link
    run -1 "$RUNUK" --root link --settings "$SETTINGS" create --bundle web web
    said "state root 'link' is a symbolic link: use another --root"
    no_traces
    # What is there is said, not used.
    create web
    run -1 "$RUNUK" --root link --settings "$SETTINGS" state web
    said "state root 'link' is a symbolic link"
    run -0 --separate-stderr "$RUNUK" --root link --settings "$SETTINGS" list -q
    equal "$output" ''
    output=$stderr
    said "state root 'link' is a symbolic link"
    runuk delete --force web
    # As runc does.
    linux_bundle box sh -c 'echo from the box'
    chmod 0777 "$ROOT"
    run -0 "$RUNUK" --root link --settings "$SETTINGS" run --bundle box box
    equal "$output" 'from the box'
}

# --- ids ------------------------------------------------------------------------------------------------------------------

@test "ids that are none are refused before anything is made" {
    local id
    for id in .. . '' a/b ../a /a a/ .hidden 'a b' $'a\nb' 'ä' 'a*' 'a:b' "$(printf '%01025d' 0)"; do
        run -1 runuk create --bundle web --pid-file pid "$id"
        [[ $output == "runuk: invalid container ID format: '"* && ! -e pid ]]
        run -1 runuk run --bundle web "$id"
        said 'invalid container ID format'
        no_traces
    done
}

@test "an id may be as long as a file name, and have these letters" {
    local id
    id=$(printf '%0255d' 0)
    runuk create --bundle web "$id" >out 2>&1 </dev/null
    runuk start "$id"
    is "$id" running
    runuk delete --force "$id"
    bundle A-z_0+9.x time wait
    launch A-z_0+9.x
    run -0 runuk list -q
    equal "$output" A-z_0+9.x
}

@test "an id that is longer than a file name" {
    run -1 runuk create --bundle web "$(printf '%01000d' 0)"
    said 'File name too long'
    no_traces
}

@test "verbs with an id that is none: unknown, and never a path" {
    local verb
    mkdir -p "$ROOT" elsewhere
    echo '{}' >elsewhere/runuk.json
    settings '.runc = "/bin/false"'
    for verb in state start kill 'delete --force' delete; do
        # shellcheck disable=SC2086 # a verb and its option
        run -1 runuk $verb ../elsewhere
    done
    [[ -e elsewhere/runuk.json ]]
}

# --- the wrong moment -----------------------------------------------------------------------------------------------------

@test "an id that exists, a second start, a start of what has stopped, a kill of it, a delete of what runs" {
    create web
    run -1 runuk create --bundle web --pid-file other web
    equal "$output" "runuk: container with given ID already exists: 'web'"
    [[ ! -e other ]]
    is web created
    runuk start web
    run -1 runuk start web
    equal "$output" "runuk: start container 'web': cannot start an already running container"
    run -1 runuk delete web
    equal "$output" "runuk: delete container 'web': cannot delete container web that is not stopped: running"
    is web running
    runuk kill web KILL
    becomes web stopped
    run -1 runuk start web
    equal "$output" "runuk: start container 'web': cannot start a container that has stopped"
    run -1 runuk kill web TERM
    equal "$output" 'runuk: container not running'
    run -1 runuk create --bundle web web
    said 'already exists'
    runuk delete web
    local verb
    for verb in start state kill delete; do
        run -1 runuk "$verb" web
        equal "$output" "runuk: container 'web' does not exist"
    done
}

# --- config.json ----------------------------------------------------------------------------------------------------------

@test "a bundle that is not there, one without config.json, one whose config.json is a directory" {
    run -1 runuk create --bundle nowhere web
    equal "$output" "runuk: bundle 'nowhere': No such file or directory"
    rm web/config.json
    refused "read '$PWD/web/config.json': No such file or directory"
    mkdir web/config.json
    refused "read '$PWD/web/config.json': Is a directory"
}

@test "a config.json that is no JSON: the line is named" {
    printf '{\n"ociVersion": "1.0.2",\n' >web/config.json
    refused "'$PWD/web/config.json': line "
    : >web/config.json
    refused "'$PWD/web/config.json': line "
    head -c 4096 /dev/urandom >web/config.json
    refused "'$PWD/web/config.json': line 1: "
    echo '[]' >web/config.json
    refused "'$PWD/web/config.json': expected an object"
    printf '{"a": "\\u0000"}' >web/config.json
    refused "'$PWD/web/config.json': line 1: "
}

@test "a config.json that nests ten thousand deep, and one that is too large" {
    { printf '[%.0s' {1..10000}; printf ']%.0s' {1..10000}; } >web/config.json
    refused "'$PWD/web/config.json': line 1: maximum parsing depth reached"
    { printf '{"ociVersion": "'; head -c 9000000 /dev/zero | tr '\0' x; printf '"}'; } >web/config.json
    refused "read '$PWD/web/config.json': File too large"
    truncate -s 1T web/config.json
    refused "read '$PWD/web/config.json': File too large"
}

@test "a config.json that lacks what is needed, or has it of the wrong kind: the key is named" {
    local -a cases=(
        'del(.process)|process: missing'
        '.process = []|process: expected an object'
        '.process.args = []|process.args: must not be empty'
        'del(.process.args)|process.args: must not be empty'
        '.process.args = "web"|process.args: expected an array'
        '.process.args = ["/guest", 7]|process.args: expected an array of strings'
        '.process.env = {}|process.env: expected an array'
        '.process.terminal = "yes"|process.terminal: expected true or false'
        '.process.user = 0|process.user: expected an object'
        '.process.user.uid = "root"|process.user.uid: expected an integer'
        '.process.user.uid = -1|process.user: uid or gid out of range'
        '.process.user.gid = 4294967295|process.user: uid or gid out of range'
        '.process.cwd = 1|process.cwd: expected a string'
        'del(.root)|root.path: missing'
        '.root.path = ""|root.path: missing'
        '.root.readonly = 1|root.readonly: expected true or false'
        '.ociVersion = 1|ociVersion: expected a string'
        'del(.ociVersion)|ociVersion: missing'
        '.hostname = ["a"]|hostname: expected a string'
        '.mounts = {}|mounts: expected an array'
        '.mounts = [{}]|mounts[].destination: missing'
        '.mounts = [7]|mounts[].destination: missing'
        '.mounts = [{destination: "/a", options: "ro"}]|mounts[].options: expected an array'
        '.annotations = []|annotations: expected an object'
        '.annotations.a = 1|annotations.a: expected a string'
        '.linux = []|linux: expected an object'
        '.linux.cgroupsPath = 1|linux.cgroupsPath: expected a string'
        '.linux.namespaces = {}|linux.namespaces: expected an array'
        '.linux.namespaces = [{type: "wormhole"}]|linux.namespaces[].type: unknown type "wormhole"'
        '.linux.namespaces = [{}]|linux.namespaces[].type: unknown type ""'
        '.linux.namespaces = [{type: "pid", path: "proc/1/ns/pid"}]|linux.namespaces[].path: expected an absolute path'
        '.linux.resources = 1|linux.resources: expected an object'
        '.linux.resources.memory.limit = "64m"|linux.resources.memory.limit: expected an integer'
        '.linux.resources.cpu = []|linux.resources.cpu: expected an object'
        '.linux.resources.devices = [{type: "x"}]|linux.resources.devices[].type: expected'
        '.linux.resources.devices = [{access: "rx"}]|linux.resources.devices[].access: expected'
    )
    local case
    cp web/config.json good.json
    for case in "${cases[@]}"; do
        cp good.json web/config.json
        config web "${case%|*}"
        run -1 create web
        said "runuk: '$PWD/web/config.json': ${case##*|}"
    done
    no_traces
}

# --- what a unikernel cannot have -----------------------------------------------------------------------------------------

@test "a rootfs that is not there, and one that is a file" {
    mv web/rootfs web/other
    refused "open rootfs '$PWD/web/rootfs': No such file or directory"
    touch web/rootfs
    refused "open rootfs '$PWD/web/rootfs': Not a directory"
}

@test "a memory limit that is too small for the image says how much it takes" {
    config web '.linux.resources.memory.limit = 1048576'
    refused 'memory limit of 1024 KiB leaves the guest 0 KiB'
    config web 'del(.linux.resources)'
    settings '.memory_mib = 1'
    refused 'guest memory of 1 MiB is too small for the image, which takes'
}

@test "an annotation of runuk's that it does not know, and a network mode" {
    config web '.annotations["org.runuk.frobnicate"] = "yes"'
    refused "annotation 'org.runuk.frobnicate' is not one that runuk knows"
    config web '.annotations = {"org.runuk.network-mode": "none"}'
    refused "network mode 'none' is not one that runuk knows"
}

@test "a user namespace without mappings" {
    config web '.linux.namespaces += [{type: "user"}]'
    refused "linux.uidMappings: missing: a new user namespace needs it"
}

@test "a limit that the kernel refuses is named with its file" {
    config web '.linux.resources.cpu.cpus = "4000"'
    refused "4000"
    config web 'del(.linux.resources) | .linux.cgroupsPath = "/../.."'
    refused 'a container cannot live in the root cgroup'
}

@test "a monitor that is not installed" {
    settings '.monitor_dir = "/nonexistent"'
    refused "there is no monitor '/nonexistent/runuk-spt': install runuk, or set \"monitor_dir\" in its settings"
}

@test "a pid file that cannot be written fails create, and leaves nothing" {
    run -1 create web --pid-file /nonexistent/pid
    said "create container 'web': write pid file '/nonexistent/pid': No such file or directory"
    no_traces
}

@test "an argument without a value fails start, and the container is stopped" {
    bundle web hello '--ip={ipv4.cidr}'
    create web
    run -1 runuk --log log.json --log-format json start web
    said '{ipv4.cidr} has no value'
    jq -e '.level == "error"' log.json
    becomes web stopped
    equal "$(cat web.out)" ''
}
