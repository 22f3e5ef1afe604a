# Loaded by the oci-*.bats files: bundles of our test guests, a state root and settings per test, bounded calls, and the search
# for what a container leaves behind.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

# shellcheck source=wait.bash
source "$(dirname "${BASH_SOURCE[0]}")/wait.bash"

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${RUNUK_BUILD:-$TOP/build}
RUNUK=$BUILD/runuk
GUESTS=$BUILD/guests

# For setup: all that a test needs of its own. Its cgroups are called $TAG-ID.
oci_setup() {
    TAG=runuk-oci-$$-$BATS_TEST_NUMBER
    ROOT=$BATS_TEST_TMPDIR/root
    SETTINGS=$BATS_TEST_TMPDIR/settings.json
    JOBS=()
    cd "$BATS_TEST_TMPDIR" || return
    jq -n --arg dir "$BUILD" --arg cache "$BATS_TEST_TMPDIR/cache" '{monitor_dir: $dir, cache_dir: $cache}' >"$SETTINGS"
}

# For teardown: ends what still runs, and fails when even then something is left.
oci_teardown() {
    local pid id
    for pid in "${JOBS[@]}"; do
        kill -KILL "$pid" 2>/dev/null || :
        { wait "$pid" || :; } 2>/dev/null
    done
    for id in "$ROOT"/*/; do
        [[ ! -d $id ]] || runuk delete --force "$(basename "$id")" >/dev/null 2>&1 3>&- || :
    done
    eventually 10 no_traces
}

# --- calls ----------------------------------------------------------------------------------------------------------------

# The runtime under the test's root and settings, bounded. What it starts must not hold the descriptors of bats.
runuk() {
    timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" "$@" 3>&-
}

# create ID [OPTION…]: from the bundle called ID. What create and the guest print goes to ID.out, and is shown on failure.
create() {
    local id=$1 status=0
    shift
    runuk create --bundle "$BATS_TEST_TMPDIR/$id" "$@" "$id" >"$id.out" 2>&1 </dev/null || status=$?
    ((status == 0)) || cat "$id.out"
    return "$status"
}

# launch ID [OPTION…]: create and start.
launch() {
    create "$@" && runuk start "$1"
}

# Run in the background, with the input that is asked for (a shell gives /dev/null otherwise); the pid is in $job.
background() {
    "$@" 3>&- <&0 &
    job=$!
    JOBS+=("$job")
}

# wait_job PID: its end, bounded; its status is in $status.
wait_job() {
    timeout 20 tail --pid="$1" -s 0.01 -f /dev/null || return
    status=0
    wait "$1" || status=$?
}

# --- bundles --------------------------------------------------------------------------------------------------------------

# bundle ID GUEST [ARGUMENT…]: a bundle for tests/guests/GUEST, built for spt, in the directory ID.
bundle() {
    local id=$1 guest=$2
    shift 2
    mkdir -p "$id/rootfs"
    cp "$GUESTS/$guest.spt" "$id/rootfs/guest"
    jq -n --arg path "/$TAG-$id" '{
        ociVersion: "1.0.2",
        process: {terminal: false, user: {uid: 0, gid: 0}, args: (["/guest"] + $ARGS.positional), env: ["PATH=/"], cwd: "/"},
        root: {path: "rootfs"},
        hostname: "guest",
        linux: {
            cgroupsPath: $path,
            namespaces: [{type: "pid"}, {type: "mount"}, {type: "ipc"}, {type: "uts"}, {type: "network"}]
        }
    }' --args -- "$@" >"$id/config.json"
}

# linux_bundle ID COMMAND…: an ordinary bundle, with the busybox of this machine.
linux_bundle() {
    local id=$1
    shift
    bundle "$id" hello
    mkdir -p "$id/rootfs/bin" "$id/rootfs/proc"
    cp "$(type -P busybox)" "$id/rootfs/bin/busybox"
    ln -s busybox "$id/rootfs/bin/sh"
    config "$id" '.process.args = $ARGS.positional | .process.env = ["PATH=/bin"]
        | .mounts = [{destination: "/proc", type: "proc", source: "proc"}]' --args -- "$@"
}

# config ID FILTER [ARGUMENT…]: change the bundle's config.json with jq.
config() {
    local id=$1
    shift
    jq "$@" <"$id/config.json" >"$id/config.new" && mv "$id/config.new" "$id/config.json"
}

# settings FILTER [ARGUMENT…]: change the settings with jq.
settings() {
    jq "$@" <"$SETTINGS" >"$SETTINGS.new" && mv "$SETTINGS.new" "$SETTINGS"
}

# offset_of FILE TEXT: where the text first is.
offset_of() {
    grep -abo -- "$2" "$1" | head -n 1 | cut -d: -f1
}

# poke FILE OFFSET BYTES: put what printf makes of BYTES there.
poke() {
    # shellcheck disable=SC2059 # the bytes are escapes
    printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# --- what to expect -------------------------------------------------------------------------------------------------------

said() {
    [[ $output == *"$1"* ]] || {
        printf 'wanted "%s" in:\n%s\n' "$1" "$output"
        return 1
    }
}

said_not() {
    [[ $output != *"$1"* ]] || {
        printf 'did not want "%s" in:\n%s\n' "$1" "$output"
        return 1
    }
}

ended() {
    [[ $status -eq $1 ]] || {
        printf 'status %s instead of %s:\n%s\n' "$status" "$1" "$output"
        return 1
    }
}

equal() {
    [[ $1 == "$2" ]] || {
        printf '"%s" instead of "%s"\n' "$1" "$2"
        return 1
    }
}

file_has() {
    grep -qF -- "$2" "$1" || {
        printf 'wanted "%s" in %s:\n' "$2" "$1"
        cat "$1"
        return 1
    }
}

# prints ID TEXT: wait until the guest has printed it.
prints() {
    eventually 10 file_has "$1.out" "$2"
}

# field ID FILTER: of the container's state.
field() {
    runuk state "$1" | jq -r "$2"
}

# is ID STATUS: now; becomes ID STATUS: soon.
is() {
    field_is "$1" .status "$2"
}

becomes() {
    eventually 10 is "$1" "$2"
}

# The directory of the container's cgroup in a v1 hierarchy: cgroup ID CONTROLLER.
cgroup() {
    echo "/sys/fs/cgroup/$2/$TAG-$1"
}

# Is there such a process? One that only waits for whoever adopted it is gone for us.
lives() {
    local state
    state=$(ps -o stat= -p "$1") && [[ $state != Z* ]]
}

# Everything that the test's containers could leave: state, cgroups, processes, mounts.
traces() {
    find "$ROOT" -mindepth 1 -maxdepth 1 -not -name .runuk-kvm -not -name .runuk-qemu -printf 'state %f\n' 2>/dev/null
    find /sys/fs/cgroup -mindepth 1 -maxdepth 3 -type d -name "$TAG*" -printf 'cgroup %p\n'
    local file pid
    for file in $(grep -lF "$TAG" /proc/[0-9]*/cgroup 2>/dev/null); do
        pid=${file#/proc/}
        pid=${pid%/cgroup}
        if lives "$pid"; then echo "process $pid"; fi
    done
    grep -F "$BATS_TEST_TMPDIR" /proc/self/mountinfo | sed 's/^/mount /'
    return 0
}

no_traces() {
    equal "$(traces)" ''
}
