# Loaded by podman.bats: one place for podman per file (tests/podman-space), images made from local files, fetches, and the
# search for what a container leaves behind.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

# shellcheck source=wait.bash
source "$(dirname "${BASH_SOURCE[0]}")/wait.bash"

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${RUNUK_BUILD:-$TOP/build}
SPACE=$TOP/tests/podman-space

# For setup_file.
podman_up() {
    export RUNUK=${RUNUK:-$BUILD/runuk}
    PODMAN_DIR=$(mktemp -d "${TMPDIR:-/tmp}/runuk-podman.XXXXXX")
    export PODMAN_DIR
    "$SPACE" run "$PODMAN_DIR" --owner $$ >/dev/null 2>&1 3>&- &
    export PODMAN_UP_PID=$!
    "$SPACE" wait "$PODMAN_DIR"
    jq '. + {accel: "tcg"}' "$PODMAN_DIR/runuk.json" >"$PODMAN_DIR/emulated.json"
    busybox_image
}

# End what podman_up started, and all that is its own. For teardown_file.
podman_down() {
    [[ -n ${PODMAN_UP_PID:-} ]] || return 0
    kill -TERM "$PODMAN_UP_PID" 2>/dev/null || :
    timeout 60 tail --pid="$PODMAN_UP_PID" -s 0.1 -f /dev/null
    rm -rf "$PODMAN_DIR"
}

# Run a command where podman is. Newer ones warn of cgroup v1 on every call.
inside() {
    "$SPACE" exec "$PODMAN_DIR" env HOME="$PODMAN_DIR/home" TMPDIR="$PODMAN_DIR/tmp" PODMAN_IGNORE_CGROUPSV1_WARNING=1 \
        CONTAINERS_CONF="$PODMAN_DIR/${PODMAN_CONF:-containers.conf}" CONTAINERS_STORAGE_CONF="$PODMAN_DIR/storage.conf" \
        timeout -k 5 60 "$@"
}

# Every call is bounded. PODMAN_CONF names other settings (containers-json.conf).
podman() {
    inside podman "$@" 3>&-
}

# Remove every pod and container, so that a test that failed half-way spoils no other. For teardown. With id maps podman 4.3 sometimes
# finds its shm busy when a container takes long to end, with runc too, and not a moment later.
podman_clear() {
    podman pod rm -f -t 0 -a >/dev/null
    podman rm -f -t 0 -a >/dev/null || podman rm -f -t 0 -a >/dev/null
}

# --- images ---------------------------------------------------------------------------------------------------------------

# build IMAGE DIR [OPTION...]: podman build of a folder with a Dockerfile.
build() {
    local image=$1 context=$2
    shift 2
    podman build -q --network none -t "$image" "$@" "$context" >/dev/null
}

# The image `busybox`: the static busybox of this machine under all its names.
busybox_image() {
    local context=$BATS_FILE_TMPDIR/context-busybox applet
    mkdir -p "$context/bin"
    cp "$(type -P busybox)" "$context/bin/busybox"
    for applet in $("$context/bin/busybox" --list); do
        [[ $applet == busybox ]] || ln -s busybox "$context/bin/$applet"
    done
    printf 'FROM scratch\nCOPY bin /bin\nENV PATH=/bin\nCMD ["sh"]\n' >"$context/Dockerfile"
    build busybox "$context"
}

# guest_image IMAGE GUEST: a FROM scratch image of that name with GUEST.hvt and GUEST.spt and nothing else, whose entrypoint
# is /GUEST.
guest_image() {
    local context=$BATS_FILE_TMPDIR/context-$1
    mkdir -p "$context"
    cp "$BUILD/guests/$2".{hvt,spt} "$context/"
    printf 'FROM scratch\nCOPY %s.* /\nENTRYPOINT ["/%s"]\n' "$2" "$2" >"$context/Dockerfile"
    build "$1" "$context"
}

# bare_image IMAGE FILE: FROM scratch, with nothing but FILE.
bare_image() {
    local context=$BATS_FILE_TMPDIR/context-$1
    mkdir -p "$context"
    cp "$2" "$context/guest"
    printf 'FROM scratch\nCOPY guest /guest\nENTRYPOINT ["/guest"]\n' >"$context/Dockerfile"
    build "$1" "$context"
}

# urunc_image IMAGE FILE FAMILY LINE: the same, with what makes it one for urunc.
urunc_image() {
    local context=$BATS_FILE_TMPDIR/context-$1
    mkdir -p "$context"
    cp "$2" "$context/guest"
    jq -n --arg family "$3" --arg line "$4" '{unikernelType: $family, hypervisor: "qemu", binary: "/guest", cmdline: $line} |
        with_entries(.key |= "com.urunc.unikernel.\(.)" | .value |= @base64)' >"$context/urunc.json"
    printf 'FROM scratch\nCOPY guest urunc.json /\nENTRYPOINT ["/guest"]\n' >"$context/Dockerfile"
    build "$1" "$context"
}

# --- containers -----------------------------------------------------------------------------------------------------------

# unikernel [OPTION…] IMAGE [ARGUMENT…]: a run of it.
unikernel() {
    podman --runtime=runuk run "$@"
}

# bare IMAGE: a run of a guest in QEMU.
bare() {
    podman --runtime=runuk --runtime-flag "settings=$PODMAN_DIR/emulated.json" run "$@"
}

# page NAME [OPTION…]: the web guest in QEMU, with its address.
page() {
    bare -d --name "$@" web.pvh '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}'
}

# --- what the engine says -------------------------------------------------------------------------------------------------

# The value of a field of `podman inspect`.
field() {
    podman inspect -f "$2" "$1"
}

# The address of a container on its only network.
address() {
    field "$1" '{{.NetworkSettings.IPAddress}}'
}

# podman's major version.
major() {
    podman version -f '{{.Client.Version}}' | cut -d . -f 1
}

# printed CONTAINER PATTERN: has it printed a line with that?
printed() {
    podman logs "$1" 2>&1 | grep -q "$2"
}

# --- what is left behind --------------------------------------------------------------------------------------------------

# Everything that a container could leave, one line each: processes, links and qdiscs, network namespaces with a name, files in
# /run, runuk's and podman's among them, mounts, and cgroups.
traces() {
    # Descendants of process 1 only: what looks from outside has no parent in there.
    inside ps -eo pid=,ppid=,comm= | awk '
        { parent[$1] = $2; name[$1] = $3 }
        END {
            for (p in parent) {
                for (a = p; a > 1; a = parent[a]);
                if (a == 1) print "process", name[p]
            }
        }' | LC_ALL=C sort
    inside ip -o link | sed 's/^[0-9]*: \([^:@]*\)[@:].*/link \1/' | LC_ALL=C sort
    inside tc qdisc | sed 's/^/tc /' | LC_ALL=C sort
    inside find /run | LC_ALL=C sort
    inside sed 's/^[0-9]* [0-9]* [^ ]* [^ ]* \([^ ]*\) .* - \([^ ]*\) .*/mount \1 \2/' /proc/1/mountinfo | LC_ALL=C sort
    ip -o link | sed 's/^[0-9]*: \([^:@]*\)[@:].*/outer link \1/' | LC_ALL=C sort
    # podman forgets a pod's own group in hierarchies without a controller, with runc too.
    inside find /sys/fs/cgroup/ -type d | grep -Ev '/(systemd|unified)/libpod_parent/[0-9a-f]{64}$' | LC_ALL=C sort
}

traces_equal() {
    diff "$1" <(traces)
}

# Fail, and show the difference, unless what `traces` finds is within ten seconds again what the file $1 says.
no_new_traces() {
    eventually 10 traces_equal "$1"
}
