#!/usr/bin/env bats
# The systemd cgroup driver, killed: runuk and runuk-scope end at any system call, and delete --force leaves neither a unit nor a
# directory.

# shellcheck disable=SC2154 # run sets output, background sets job

load oci
load systemd

setup_file() {
    systemd_up
}

teardown_file() {
    systemd_down
}

setup() {
    oci_setup
    unit_bundle web time wait
    # The first container of a slice makes the slice as well: calls are counted of a later one.
    create web
    runuk delete --force web
}

teardown() {
    oci_teardown
}

# The system calls that change something for others, in a trace of strace: one line "NAME COUNT" each.
changing_calls() {
    awk -F'(' '{ print $1 }' "$1" |
        grep -E '^(mkdirat|mkdir|write|rename|renameat|unlink|unlinkat|rmdir|socket|bind|listen|connect|sendmsg|recvmsg|clone|clone3|fork|vfork|wait4|waitid|flock|pidfd_open|pidfd_send_signal|ppoll|execve)$' |
        LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }'
}

# Bounded. A leak checker could not work in a traced process, and would fail it.
traced() {
    ASAN_OPTIONS=detect_leaks=0 inside strace "$@"
}

# sweep PREPARE WORD…: the call WORD…, killed once at each such system call. PREPARE makes what it needs before each.
sweep() {
    local prepare=$1 name count n killed=0 all=0 status
    local call=("$RUNUK" --root "$ROOT" --settings "$SETTINGS" --systemd-cgroup "${@:2}")
    "$prepare"
    traced -o calls "${call[@]}" >/dev/null 2>&1 </dev/null
    runuk delete --force web
    no_traces
    while read -r name count; do
        for ((n = 1; n <= count; n++)); do
            [[ $name != execve || $n -gt 1 ]] || continue # strace's own
            all=$((all + 1))
            "$prepare"
            status=0
            { traced -o /dev/null -e "trace=$name" -e "inject=$name:signal=SIGKILL:when=$n" "${call[@]}" \
                >/dev/null 2>&1 </dev/null || status=$?; } 2>/dev/null
            ((status != 137)) || killed=$((killed + 1))
            run -0 runuk delete --force web
            equal "$name $n: $output" "$name $n: "
            eventually 5 no_traces || {
                echo "killed at $name $n"
                return 1
            }
        done
    done < <(changing_calls calls)
    echo "# $killed of $all calls were killed" >&3
    ((killed > 5 && killed * 10 >= all * 9))
}

nothing() {
    :
}

running() {
    launch web
}

@test "a create killed at any system call leaves nothing behind delete --force" {
    sweep nothing create --bundle web web
}

@test "a delete killed at any system call is finished by the next one" {
    sweep running delete --force web
}

# scope_of VERB WORD…: from here on runuk-scope VERB is run by WORD….
scope_of() {
    local name
    mkdir -p monitors
    for name in runuk-spt runuk-hvt; do ln -sf "$BUILD/$name" monitors/; done
    printf '#!/bin/sh\nreal=%q\nexport ASAN_OPTIONS=detect_leaks=0\n[ "$1" != %q ] || exec %s "$real" "$@"\nexec "$real" "$@"\n' \
        "$BUILD/runuk-scope" "$1" "${*:2}" >monitors/runuk-scope
    chmod +x monitors/runuk-scope
    settings '.monitor_dir = $dir' --arg dir "$PWD/monitors"
}

# scope_sweep VERB PREPARE WORD…: the call WORD…, whose runuk-scope VERB is killed once at each such system call. How often it
# polls differs from time to time: a call that it did not come to succeeds.
scope_sweep() {
    local verb=$1 prepare=$2 name count n killed=0 all=0 status
    shift 2
    "$prepare"
    scope_of "$verb" strace -o "$PWD/calls"
    runuk "$@" >said 2>&1 </dev/null
    scope_of none
    runuk delete --force web
    while read -r name count; do
        for ((n = 1; n <= count; n++)); do
            [[ $name != execve ]] || continue
            "$prepare"
            scope_of "$verb" strace -o /dev/null -e "trace=$name" -e "inject=$name:signal=SIGKILL:when=$n"
            status=0
            runuk "$@" >said 2>&1 </dev/null || status=$?
            scope_of none
            all=$((all + 1))
            if ((status)); then
                killed=$((killed + 1))
                equal "$name $n: $(<said)" "$name $n: runuk: $1 container 'web': runuk-scope was killed by signal 9"
            fi
            # A create has undone what it did itself.
            if ((status)) && [[ $1 == create ]]; then no_traces; fi
            runuk delete --force web
            eventually 5 no_traces
        done
    done < <(changing_calls calls)
    echo "# $killed of $all calls were killed" >&3
    ((killed > 5 && killed * 10 >= all * 8))
}

@test "runuk-scope killed at any system call of its start: create says so and leaves nothing" {
    scope_sweep start nothing create --bundle web web
}

@test "runuk-scope killed at any system call of its stop: delete says so, and the next one goes through" {
    scope_of none # its path is in the record
    scope_sweep stop running delete --force web
}

@test "runuk-scope that does not end dies with the runuk that waits for it" {
    local long=600.$$
    scope_of start sleep "$long"
    printf '#!/bin/sh\nexec sleep %s\n' "$long" >monitors/runuk-scope
    inside "$RUNUK" --root "$ROOT" --settings "$SETTINGS" --systemd-cgroup create --bundle web web >out 2>&1 </dev/null &
    local caller=$!
    eventually 10 pgrep -x -f "sleep $long"
    inside pkill -KILL -o -x -f "$RUNUK --root $ROOT .*create --bundle web web"
    { wait "$caller" || :; } 2>/dev/null
    eventually 10 ended_all "sleep $long"
    scope_of none
    runuk delete --force web
    no_traces
}

# Is no process left with the command line $1?
ended_all() {
    ! pgrep -x -f "$1"
}
