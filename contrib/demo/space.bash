# Sourced by the scripts that keep an engine in namespaces of its own (contrib/demo/dockerd, tests/own-containerd,
# tests/podman-space): to begin such a space, wait for it, and end it with all that is in it.
#
# The script sets `dir`, the folder of this space. DIR/init.pid is process 1 of the space as seen from here, DIR/ready is there as
# soon as it can be used, DIR/ended when all of it is gone.
# shellcheck shell=bash

: "${dir:=}"

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Close all that a caller has open but 0, 1 and 2: who waits for the end of a pipe must not wait for the space.
close_inherited() {
    local fd
    for fd in "/proc/$$/fd/"*; do
        fd=${fd##*/}
        if ((fd > 2 && fd < 255)); then exec {fd}>&-; fi
    done
}

# space_begin LOG COMMAND…: start the command, which is to become unshare --kill-child, in a session of its own: a terminal's
# Ctrl-C reaches the script only, which then cleans up. The script's end, even by SIGKILL, is the end of the space.
space_begin() {
    local log=$1
    shift
    setpriv --pdeathsig KILL setsid "$@" >"$log" 2>&1 </dev/null &
    space_pid=$!
}

# space_ready SECONDS COMMAND…: wait until the command succeeds, which shows that the space can be used, and say so to those
# that wait. It fails as soon as the space has ended.
space_ready() {
    local tries
    for ((tries = $1 * 20; tries > 0; tries--)); do
        kill -0 "$space_pid" 2>/dev/null || return 1
        space_init=
        if [[ $(<"/proc/$space_pid/comm") == unshare ]]; then space_init=$(ps -o pid= --ppid "$space_pid" | tr -d ' '); fi
        if [[ -n $space_init ]]; then
            echo "$space_init" >"$dir/init.pid.new"
            mv "$dir/init.pid.new" "$dir/init.pid"
            if "${@:2}"; then
                touch "$dir/ready"
                return 0
            fi
        fi
        sleep 0.05
    done
    return 1
}

# space_stay OWNER SECONDS: return at the end of the space, of the process OWNER, or of the time.
space_stay() {
    timeout "$2" tail --pid="$1" -s 1 -f /dev/null &
    space_owner=$!
    wait -n "$space_pid" "$space_owner" || :
}

# Nothing in there is asked to stop, which would take some engines long: nothing of it is kept anyhow. --kill-child takes
# process 1 with unshare, and the kernel all the others.
space_end() {
    trap '' INT TERM PIPE
    if [[ -n ${space_pid:-} ]]; then
        kill -KILL "$space_pid" 2>/dev/null || :
        wait "$space_pid" 2>/dev/null || :
        [[ -z ${space_init:-} ]] || timeout 30 tail --pid="$space_init" -s 0.1 -f /dev/null
    fi
    [[ -z ${space_owner:-} ]] || kill "$space_owner" 2>/dev/null || :
}

# space_cgroups_remove NAME: the group of that name in each hierarchy, and what is below it. The processes in it are dead, but the
# kernel takes its time.
space_cgroups_remove() {
    local root group tries
    for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
        for ((tries = 0; tries < 50; tries++)); do
            [[ -d $root/$1 ]] || break
            find "$root/$1" -depth -type d 2>/dev/null | while read -r group; do rmdir "$group" 2>/dev/null || :; done
            [[ ! -d $root/$1 ]] || sleep 0.1
        done
        [[ ! -d $root/$1 ]] || echo "$(basename "$0"): cannot remove cgroup $root/$1" >&2
    done
}

# space_wait [SECONDS]: return when the space is ready; fail when it never will be.
space_wait() {
    local tries
    for ((tries = ${1:-60} * 10; tries > 0; tries--)); do
        [[ ! -e $dir/ready ]] || return 0
        [[ ! -e $dir/ended ]] || die "what was in $dir has ended: see its log there"
        sleep 0.1
    done
    die "$dir is not ready"
}

# space_exec COMMAND…: become it, in the mount, network and process namespaces.
space_exec() {
    exec nsenter --target "$(<"$dir/init.pid")" --mount --net --pid "$@"
}

# space_enter COMMAND…: run it there.
space_enter() {
    (space_exec "$@")
}

# --- a daemon in there that can be ended and started again ----------------------------------------------------------------

# keep_running PIDFILE COMMAND…: for process 1, which is bash because it also reaps what others leave behind. Run the command,
# and again when it ended for space_restart.
keep_running() {
    local file=$1
    shift
    while :; do
        command "$@" &
        echo $! >"$file"
        wait $! || :
        [[ -e $dir/restart ]] || break
        rm "$dir/restart"
    done
}

# space_restart PIDFILE SIGNAL COMMAND…: end the daemon, not what it has started, by that signal, and wait until there is another
# one and the command succeeds.
space_restart() {
    local file=$1 before tries
    before=$(<"$file")
    touch "$dir/restart"
    space_enter kill -s "$2" "$before"
    for ((tries = 0; tries < 600; tries++)); do
        if [[ ! -e $dir/restart && $(<"$file") != "$before" ]] && "${@:3}"; then return 0; fi
        sleep 0.05
    done
    die "the daemon in $dir does not come back"
}
