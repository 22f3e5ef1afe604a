#!/usr/bin/env bats
# The lab itself: a machine whose scripts can't lie about how they ended, and that never outlives its caller.

bats_require_minimum_version 1.5.0

RUN=$BATS_TEST_DIRNAME/lab/run

# QEMU's processes that were started for this test's work folder; each has its path in the arguments.
machines() {
    grep -alF -- "$TMPDIR" /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3 | while read -r pid; do
        [[ $(readlink "/proc/$pid/exe") != *qemu-system* ]] || echo "$pid"
    done
}

setup() {
    export TMPDIR=$BATS_TEST_TMPDIR
    CALLER=
}

teardown() {
    [[ -z $CALLER ]] || kill "$CALLER" 2>/dev/null || :
}

@test "the lab: arguments, output, status and added files are the script's" {
    echo 'from the host' >"$BATS_TEST_TMPDIR/file"
    cat >"$BATS_TEST_TMPDIR/script" <<'SCRIPT'
#!/bin/sh
printf '<%s>\n' "$@"
cat /here/it/is
echo 'to stderr' >&2
printf 'lab-status 0\nno newline'
exit 201
SCRIPT
    # shellcheck disable=SC2016 # no expansion is the point
    run -201 "$RUN" --add "$BATS_TEST_TMPDIR/file=/here/it/is" -- "$BATS_TEST_TMPDIR/script" "it's" 'a  b' '$c'
    [[ $output == "<it's>"$'\n<a  b>\n<$c>\nfrom the host\nto stderr\nlab-status 0\nno newline' ]]
}

@test "the lab: both cgroup versions, and KVM that opens" {
    # shellcheck disable=SC2016 # the machine's shell expands it
    run -0 "$RUN" --cgroup v2 -- sh -c 'cat /sys/fs/cgroup/cgroup.subtree_control && test -c /dev/kvm'
    [[ " $output " == *' memory '* && " $output " == *' pids '* ]]
    run -0 "$RUN" --cgroup v1 -- ls /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/tasks
}

@test "the lab: a script that hangs is ended, and so is its machine" {
    run -125 "$RUN" --timeout 12 -- sh -c 'echo up; exec tail -f /dev/null'
    [[ $output == *up* ]]
    [[ $output == *"still running after 12 s"* ]]
    [[ -z $(machines) ]]
    [[ -z $(find "$BATS_TEST_TMPDIR" -name initrd) ]]
}

@test "the lab: a machine that dies is no success" {
    run -125 "$RUN" -- sh -c 'echo up; echo c >/proc/sysrq-trigger'
    [[ $output == *"the machine ended before the script did"* ]]
    [[ $output == *"sysrq triggered crash"* ]]
}

@test "the lab: ending the caller ends the machine" {
    local i status=0
    "$RUN" -- sh -c 'echo up; exec tail -f /dev/null' >"$BATS_TEST_TMPDIR/out" 3>&- &
    CALLER=$!
    for ((i = 0; i < 600; i++)); do
        if grep -q up "$BATS_TEST_TMPDIR/out"; then break; fi
        sleep 0.1
    done
    [[ -n $(machines) ]]
    kill -TERM "$CALLER"
    wait "$CALLER" || status=$?
    ((status == 143))
    [[ -z $(machines) ]]
}
