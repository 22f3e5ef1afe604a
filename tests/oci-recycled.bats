#!/usr/bin/env bats
# The pid of a container that has ended belongs to another process by now: whatever the verb, that one is not touched, and the
# container is said to have stopped.
#
# Each test works in a pid namespace of its own, in which it decides which pid comes next.

# shellcheck disable=SC2154 # run sets stderr

load oci

setup() {
    oci_setup
    bundle web time wait
}

teardown() {
    oci_teardown
}

# in_pids FUNCTION [ARGUMENT…]: run the function of this file as process 1 of a new pid namespace.
in_pids() {
    declare -f >functions
    declare -p TAG ROOT SETTINGS RUNUK BUILD BATS_TEST_TMPDIR | sed 's/^declare -[a-z-]* /declare -g /' >variables
    # shellcheck disable=SC2016 # for the shell inside
    timeout -k 5 50 unshare --pid --fork --kill-child --mount-proc \
        bash -euc 'source functions; source variables; JOBS=(); "$@"; : the shell stays process 1' _ "$@" 3>&- </dev/null
}

start_time() {
    local stat
    read -r stat <"/proc/$1/stat"
    stat=${stat##*) }
    # shellcheck disable=SC2086 # it is a list of words
    set -- $stat
    echo "${20}"
}

# thaw ID: by hand, on any kind of host; nothing to do is no matter.
thaw() {
    local file
    for file in "$(cgroup "$1" freezer)/freezer.state=THAWED" "/sys/fs/cgroup/$TAG-$1/cgroup.freeze=0"; do
        [[ ! -e ${file%=*} ]] || echo "${file#*=}" >"${file%=*}"
    done
}

gone() {
    [[ ! -e /proc/$1 ]]
}

# recycle ID: the container's process ends, and a process of ours gets its pid; it is in $other.
recycle() {
    local pid start
    pid=$(field "$1" .pid)
    start=$(start_time "$pid")
    equal "$start" "$(jq .pidStart "$ROOT/$1/runuk.json")"
    kill -KILL "$pid"
    thaw "$1" # or it would not get to die
    eventually 5 gone "$pid"
    echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
    sleep 600 &
    other=$!
    equal "$other" "$pid"
    [[ $(start_time "$other") != "$start" ]]
}

# The other process runs on: neither ended, nor stopped, nor frozen, and in the cgroup where it was.
untouched() {
    grep -q '^State:	S' "/proc/$other/status" || {
        echo "after $1: $(grep ^State "/proc/$other/status")"
        return 1
    }
    ! grep -F "$TAG" "/proc/$other/cgroup"
}

# says STATUS TEXT VERB…: that call ends so and says so, and the other process is not touched.
says() {
    local wanted=$1 text=$2 status=0 output
    shift 2
    output=$(runuk "$@" 2>&1) || status=$?
    ended "$wanted"
    said "$text"
    untouched "$*"
}

refuse_all() {
    says 0 '"status": "stopped"' state web
    says 0 '"pid": 0' state web
    says 0 'stopped' list
    local signal
    for signal in TERM KILL 0 STOP; do says 1 'container not running' kill web "$signal"; done
    says 0 '' kill --all web KILL
    says 1 'container not running' pause web
    says 1 'container not paused' resume web
    says 1 'container not running' ps web
    says 0 'null' ps --format json web
    says 1 'container with id web is not running' events --stats web
    says 1 'container with id web is not running' events web
    says 1 'cannot exec in a stopped container' exec web :alive
    says 1 'cannot exec in a stopped container' exec web :info
    says 1 'cannot start a container that has stopped' start web
    says 1 'not running' update --memory 67108864 web
}

# life STATUS DELETE…: the container comes to that status, its pid goes to another process, and it is deleted.
life() {
    local status=$1
    shift
    create web
    [[ $status == created ]] || runuk start web
    [[ $status != paused ]] || runuk pause web
    is web "$status"
    recycle web
    refuse_all
    says 0 '' "$@" web
    no_traces
    untouched 'all'
}

@test "a recycled pid is left alone: container that ran" {
    in_pids life running delete
}

@test "a recycled pid is left alone: container that ran, delete --force" {
    in_pids life running delete --force
}

@test "a recycled pid is left alone: container that waited to be started" {
    in_pids life created delete --force
}

@test "a recycled pid is left alone: container that was frozen" {
    in_pids life paused delete --force
}

# The record of a machine that was started anew since: the pid is somebody's, the start time is not.
another_boot() {
    create web
    runuk start web
    recycle web
    # Before and after the start of the one that has the pid now.
    local start
    for start in 1 $(($(start_time "$other") + 100000000)); do
        jq -c ".pidStart = $start" "$ROOT/web/runuk.json" >record
        cat record >"$ROOT/web/runuk.json"
        refuse_all
    done
    says 0 '' delete --force web
    no_traces
}

# The same with equal start times: what tells is the boot.
another_boot_same_tick() {
    create web
    runuk start web
    recycle web
    jq -c ".pidStart = $(start_time "$other")" "$ROOT/web/runuk.json" >record
    cat record >"$ROOT/web/runuk.json"
    is web running # nothing else does
    cat /proc/sys/kernel/random/uuid >boot
    mount --bind boot /proc/sys/kernel/random/boot_id
    refuse_all
    says 0 '' delete --force web
    umount /proc/sys/kernel/random/boot_id
    no_traces
    untouched 'all'
}

@test "a record of before a restart of the machine names nobody, whose start time is the same" {
    in_pids another_boot_same_tick
}

@test "a record of before a restart of the machine names nobody" {
    in_pids another_boot
}

# A start for which the pid's owner changes after it has judged the status.
start_too_late() {
    local starting
    create web
    cp "$ROOT/web/runuk.json" record
    recycle web
    # The record is made to fit the other process: what start judges by, it is; what it then meets, is not the container's.
    jq -c ".pidStart = $(start_time "$other")" record >"$ROOT/web/runuk.json"
    says 1 "reach the container's waiting process" start web
    cat record >"$ROOT/web/runuk.json"
    says 0 '' delete --force web
    no_traces
}

@test "start does not take another process for the waiting one" {
    in_pids start_too_late
}
