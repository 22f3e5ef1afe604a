# Loaded by the docker-*.bats files: one Docker of its own per file, images made from local files, fetches, and the search
# for what a container leaves behind.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

# shellcheck source=wait.bash
source "$(dirname "${BASH_SOURCE[0]}")/wait.bash"

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${RUNUK_BUILD:-$TOP/build}
OWN_DOCKERD=$TOP/contrib/demo/dockerd

# Start the daemon for this file; the arguments are those of `contrib/demo/dockerd run`. For setup_file.
docker_up() {
    export RUNUK=${RUNUK:-$BUILD/runuk}
    DOCKER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/runuk-docker.XXXXXX")
    export DOCKER_DIR
    "$OWN_DOCKERD" run "$DOCKER_DIR" --owner $$ "$@" >/dev/null 2>&1 3>&- &
    export DOCKER_UP_PID=$!
    export DOCKER_HOST=unix://$DOCKER_DIR/docker.sock DOCKER_CONFIG=$DOCKER_DIR/client DOCKER_BUILDKIT=0
    if ! "$OWN_DOCKERD" wait "$DOCKER_DIR" 60; then
        tail -n 20 "$DOCKER_DIR/dockerd.log" >&2
        return 1
    fi
    busybox_image
}

# End the daemon that docker_up started, and all that is its own. For teardown_file.
docker_down() {
    [[ -n ${DOCKER_UP_PID:-} ]] || return 0
    kill -TERM "$DOCKER_UP_PID" 2>/dev/null || :
    timeout 60 tail --pid="$DOCKER_UP_PID" -s 0.1 -f /dev/null
    rm -rf "$DOCKER_DIR"
}

# Every call of the client is bounded. The distribution's client first: it is as old as its daemon.
docker() {
    if [[ -x /usr/bin/docker ]]; then
        timeout -k 5 "${DOCKER_TIMEOUT:-$((60 * RUNUK_SLOW))}" /usr/bin/docker "$@"
    else
        timeout -k 5 "${DOCKER_TIMEOUT:-$((60 * RUNUK_SLOW))}" docker "$@"
    fi
}

# exec_refused NAME COMMAND…: that exec fails before anything has run. $output is what docker said.
exec_refused() {
    local status=0
    # shellcheck disable=SC2034 # for the test
    output=$(docker exec "$@" 2>&1) || status=$?
    ((status >= 126 && status <= 128)) # 126; Docker 29 has 127 for a program that is not there, 128 for what it does not know
}

# Remove every container, so that a test that failed half-way spoils no other. For teardown.
docker_clear() {
    local ids
    mapfile -t ids < <(docker ps -aq)
    if ((${#ids[@]})); then docker rm -f "${ids[@]}" >/dev/null; fi
    docker network prune -f >/dev/null
}

# Run a command in the daemon's network, process and mount namespaces.
inside() {
    "$OWN_DOCKERD" exec "$DOCKER_DIR" timeout -k 5 60 "$@"
}

# --- images ---------------------------------------------------------------------------------------------------------------

# The image `busybox`: the static busybox of this machine under all its names.
busybox_image() {
    local context=$DOCKER_DIR/context-busybox applet
    mkdir -p "$context/bin"
    cp "$(type -P busybox)" "$context/bin/busybox"
    for applet in $("$context/bin/busybox" --list); do
        [[ $applet == busybox ]] || ln -s busybox "$context/bin/$applet"
    done
    printf 'FROM scratch\nCOPY bin /bin\nENV PATH=/bin\nCMD ["sh"]\n' >"$context/Dockerfile"
    docker build -q -t busybox "$context" >/dev/null
    rm -rf "$context"
}

# guest_image IMAGE GUEST: a FROM scratch image of that name with GUEST.hvt and GUEST.spt (as far as they are built) and
# nothing else, whose entrypoint is /GUEST.
guest_image() {
    local context=$BATS_FILE_TMPDIR/context-$1 file
    mkdir -p "$context"
    for file in "$BUILD/guests/$2".{hvt,spt}; do
        if [[ -e $file ]]; then cp "$file" "$context/"; fi
    done
    printf 'FROM scratch\nCOPY %s.* /\nENTRYPOINT ["/%s"]\n' "$2" "$2" >"$context/Dockerfile"
    docker build -q -t "$1" "$context" >/dev/null
}

# image_of IMAGE DIR LINE…: FROM scratch, with the files in DIR and then these lines of a Dockerfile.
image_of() {
    local image=$1 dir=$2
    shift 2
    printf '%s\n' 'FROM scratch' 'COPY . /' "$@" >"$dir.Dockerfile"
    docker build -q -t "$image" -f "$dir.Dockerfile" "$dir" >/dev/null
}

# bare_image IMAGE FILE [MODE]: with nothing but FILE, which is its entrypoint.
bare_image() {
    local dir=$BATS_FILE_TMPDIR/context-$1
    mkdir -p "$dir"
    install -m "${3:-0755}" "$2" "$dir/guest"
    image_of "$1" "$dir" 'ENTRYPOINT ["/guest"]'
}

# urunc_image IMAGE FILE FAMILY LINE: the same, with what makes it one for urunc.
urunc_image() {
    local dir=$BATS_FILE_TMPDIR/context-$1
    mkdir -p "$dir"
    install -m 0755 "$2" "$dir/guest"
    jq -n --arg family "$3" --arg line "$4" '{unikernelType: $family, hypervisor: "qemu", binary: "/guest", cmdline: $line} |
        with_entries(.key |= "com.urunc.unikernel.\(.)" | .value |= @base64)' >"$dir/urunc.json"
    image_of "$1" "$dir" 'ENTRYPOINT ["/guest"]'
}

# emulate FILE: runuk's settings in it, with emulation. They are read at each call.
emulate() {
    jq '.accel = "tcg"' "$1" >"$1.new"
    mv "$1.new" "$1"
}

# program_image IMAGE PROGRAM…: the image `busybox`, and in it programs of this machine with the libraries that they need.
program_image() {
    local context=$BATS_FILE_TMPDIR/context-$1 image=$1 program
    shift
    mkdir -p "$context/root"
    for program in "$@"; do
        program=$(type -P "$program")
        # Libraries keep their names; links on the way to them, such as /lib, are made folders.
        { realpath "$program" && ldd "$program" | grep -o '/[^ ]*'; } | xargs cp -L --parents -t "$context/root"
        [[ -e $context/root$program ]] || cp -L --parents -t "$context/root" "$program"
    done
    printf 'FROM busybox\nCOPY root /\nENV PATH=/usr/bin:/bin\n' >"$context/Dockerfile"
    docker build -q -t "$image" "$context" >/dev/null
}

# --- what the engine says -------------------------------------------------------------------------------------------------

# The value of a field of `docker inspect`.
field() {
    docker inspect -f "$2" "$1"
}

# The address of a container on its only network.
address() {
    field "$1" '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
}

# printed CONTAINER PATTERN: has it printed a line with that?
printed() {
    docker logs "$1" 2>&1 | grep -q "$2"
}

# --- what is left behind --------------------------------------------------------------------------------------------------

# Everything that a container could leave, one line each: processes, mounts, cgroups, links and qdiscs (here and in the
# daemon's network), network namespaces with a name, and the state files of daemon and runtimes.
traces() {
    local init parent
    init=$(<"$DOCKER_DIR/init.pid")
    parent=$(jq -r '."cgroup-parent"' "$DOCKER_DIR/daemon.json")
    # Descendants of process 1 only: what looks from outside (nsenter, ps) has no parent in there.
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
    ip -o link | sed 's/^[0-9]*: \([^:@]*\)[@:].*/outer link \1/' | LC_ALL=C sort
    # dockerd itself removes the files of dead namespaces once a minute; their mounts are looked at below.
    inside find /run -not -path '/run/docker/netns/*' | LC_ALL=C sort
    find "$DOCKER_DIR/data" -maxdepth 2 -not -path '*/tmp/*' | LC_ALL=C sort
    sed 's/^[0-9]* [0-9]* [^ ]* [^ ]* \([^ ]*\) .* - \([^ ]*\) .*/mount \1 \2/' "/proc/$init/mountinfo" | LC_ALL=C sort
    find /sys/fs/cgroup/ -type d -path "*$parent*" | LC_ALL=C sort
}

traces_equal() {
    diff "$1" <(traces)
}

# Fail, and show the difference, unless what `traces` finds is within ten seconds again what the file $1 says.
no_new_traces() {
    eventually 10 traces_equal "$1"
}

# --- cgroups to put containers under -----------------------------------------------------------------------------------------

# Make the memory cgroup $1, with 64 MiB and no swap; prints it as Docker calls it.
small_cgroup_files() {
    local dir
    if [[ -d /sys/fs/cgroup/memory ]]; then
        dir=/sys/fs/cgroup/memory$1
        mkdir -p "$dir"
        echo 64M >"$dir/memory.limit_in_bytes"
        if [[ -e $dir/memory.memsw.limit_in_bytes ]]; then echo 64M >"$dir/memory.memsw.limit_in_bytes"; fi
    else
        dir=/sys/fs/cgroup$1
        mkdir -p "$dir"
        echo 64M >"$dir/memory.max"
        if [[ -e $dir/memory.swap.max ]]; then echo 0 >"$dir/memory.swap.max"; fi
    fi
    echo "$1"
}

# small_cgroup NAME: one below the daemon's own.
small_cgroup() {
    small_cgroup_files "$(jq -r '."cgroup-parent"' "$DOCKER_DIR/daemon.json")/$1"
}

# On a machine that is there for tests, its own Docker may be the one.
if [[ -n ${RUNUK_DOCKER_DRIVER:-} ]]; then
    # shellcheck source=docker-system.bash
    source "$(dirname "${BASH_SOURCE[0]}")/docker-system.bash"
fi
