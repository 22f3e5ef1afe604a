#!/usr/bin/env bats
# The container's cgroup as the kernel shows it: directories and values, limits that bite, failures that leave nothing.
# On a v1 or hybrid host; tests/unit/cgroup_v2.sh holds the same promises for v2, and runs in the lab.

bats_require_minimum_version 1.5.0

TOP=$BATS_TEST_DIRNAME/..
DRIVER=${RUNUK_BUILD:-$TOP/build}/unit/cgroup_driver
DENY='device=deny:a:*:*:rwm'

# A static program for what shells do badly: `pause`; `hog MIB`; `forks N` (how many children fork gave).
setup_file() {
    cat > "$BATS_FILE_TMPDIR/probe.c" <<'C'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    if (argc < 3)
        return pause();
    long n = atol(argv[2]), i = 0;
    if (strcmp(argv[1], "hog") == 0) {
        for (; i < n; i++)
            memset(malloc(1 << 20), 1 + (int)i, 1 << 20);
    } else {
        setpgid(0, 0);
        for (; i < n; i++) {
            pid_t pid = fork();
            if (pid < 0)
                break;
            if (pid == 0)
                return sleep(20);
        }
        printf("%ld\n", i);
        fflush(stdout);
        kill(0, 9);
    }
    return 0;
}
C
    "${CC:-gcc}" -O0 -w -static "$BATS_FILE_TMPDIR/probe.c" -o "$BATS_FILE_TMPDIR/probe"
}

setup() {
    NAME=runuk-test-$$-$BATS_TEST_NUMBER
    PROBE=$BATS_FILE_TMPDIR/probe
    PIDS=()
    [[ $BATS_TEST_DESCRIPTION == lab:* || -d /sys/fs/cgroup/memory ]] || skip "this host has cgroup v2: the lab's test covers it"
}

teardown() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill -KILL "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    find /sys/fs/cgroup -depth -type d -path "*/$NAME*" -exec rmdir {} + 2>/dev/null || :
}

# Directories of this test that exist, in all hierarchies.
directories() {
    find /sys/fs/cgroup -type d -name "$NAME*" 2>/dev/null
}

# A value in the container's directory of a v1 hierarchy.
value() {
    cat "/sys/fs/cgroup/$1/$NAME/c/$2"
}

# A process that is not in any cgroup of ours, killed in teardown.
start_pause() {
    "$PROBE" &
    PIDS+=($!)
}

@test "create makes one directory in every mounted hierarchy and prints them" {
    run --separate-stderr timeout 10 "$DRIVER" create "/$NAME/c" c
    ((status == 0))
    [[ ${lines[0]} == v1 || ${lines[0]} == hybrid ]]
    local mounted
    mounted=$(awk '/ - cgroup2? /' /proc/self/mountinfo | wc -l)
    ((${#lines[@]} == mounted + 1))
    local i
    for ((i = 1; i < ${#lines[@]}; i++)); do
        [[ -e ${lines[i]}/cgroup.procs ]]
        [[ ${lines[i]} == /sys/fs/cgroup/*/$NAME/c ]]
    done
}

@test "a process inside is in the same hierarchies as under runc, with the same path" {
    local bundle=$BATS_TEST_TMPDIR/bundle
    mkdir -p "$bundle/rootfs"
    cp "$PROBE" "$bundle/rootfs/probe"
    (cd "$bundle" && runc spec)
    local path
    for path in "/$NAME/c" "$NAME-relative" "../$NAME-up/../$NAME-side"; do
        jq --arg path "$path" '.process.args = ["/probe"] | .process.terminal = false | .process.rlimits = []
            | .linux.cgroupsPath = $path' "$bundle/config.json" > "$bundle/config.new"
        mv "$bundle/config.new" "$bundle/config.json"
        timeout 20 runc --root "$BATS_TEST_TMPDIR/runc" run --bundle "$bundle" --detach "$NAME" \
            </dev/null >/dev/null 2>&1
        local pid theirs ours
        pid=$(runc --root "$BATS_TEST_TMPDIR/runc" state "$NAME" | jq .pid)
        theirs=$(cat "/proc/$pid/cgroup")
        timeout 20 runc --root "$BATS_TEST_TMPDIR/runc" delete --force "$NAME"
        ours=$(timeout 10 "$DRIVER" run "$path" c -- cat /proc/self/cgroup)
        [[ $theirs == *"$NAME"* ]]
        [[ $ours == "$theirs" ]]
    done
    # runc leaves parents, as we do
    [[ -d /sys/fs/cgroup/pids/$NAME && ! -d /sys/fs/cgroup/pids/$NAME/c ]]
}

@test "without a path the cgroup is called as the container, below the caller's own" {
    run timeout 10 "$DRIVER" run - "$NAME" -- cat /proc/self/cgroup
    ((status == 0))
    local own
    own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    [[ $output == *":memory:${own%/}/$NAME"* ]]
}

@test "limits stand in the files" {
    timeout 10 "$DRIVER" create "/$NAME/c" c memory=33554432 swap=67108864 reservation=16777216 shares=512 \
        quota=50000 period=200000 cpus=0 pids=77
    [[ $(value memory memory.limit_in_bytes) == 33554432 ]]
    [[ $(value memory memory.soft_limit_in_bytes) == 16777216 ]]
    if [[ -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ]]; then
        [[ $(value memory memory.memsw.limit_in_bytes) == 67108864 ]]
    fi
    [[ $(value cpu cpu.shares) == 512 ]]
    [[ $(value cpu cpu.cfs_quota_us) == 50000 ]]
    [[ $(value cpu cpu.cfs_period_us) == 200000 ]]
    [[ $(value cpuset cpuset.cpus) == 0 ]]
    [[ $(value cpuset cpuset.mems) == "$(cat /sys/fs/cgroup/cpuset/cpuset.mems)" ]]
    [[ $(value pids pids.max) == 77 ]]
}

@test "zero is no limit, -1 is unlimited" {
    timeout 10 "$DRIVER" create "/$NAME/c" c memory=0 swap=0 reservation=0 shares=0 quota=0 period=0 pids=-1
    [[ $(value memory memory.limit_in_bytes) == "$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes)" ]]
    [[ $(value cpu cpu.shares) == 1024 ]]
    [[ $(value cpu cpu.cfs_quota_us) == -1 ]]
    [[ $(value pids pids.max) == max ]]
}

@test "an empty directory is taken over, with lower and with higher limits" {
    timeout 10 "$DRIVER" create "/$NAME/c" c memory=67108864 swap=67108864
    timeout 10 "$DRIVER" create "/$NAME/c" c memory=33554432 swap=33554432
    [[ $(value memory memory.limit_in_bytes) == 33554432 ]]
    timeout 10 "$DRIVER" create "/$NAME/c" c memory=134217728 swap=134217728
    [[ $(value memory memory.limit_in_bytes) == 134217728 ]]
}

@test "cpusets of new parents are filled from above" {
    run timeout 10 "$DRIVER" run "/$NAME/a/b/c" c -- cat /proc/self/cgroup
    ((status == 0))
    local all
    all=$(cat /sys/fs/cgroup/cpuset/cpuset.cpus)
    [[ $(cat "/sys/fs/cgroup/cpuset/$NAME/cpuset.cpus") == "$all" ]]
    [[ $(cat "/sys/fs/cgroup/cpuset/$NAME/a/b/cpuset.cpus") == "$all" ]]
}

@test "a memory hog is killed at its limit, and not below it" {
    run timeout 60 "$DRIVER" run "/$NAME/c" c memory=25165824 swap=25165824 -- "$PROBE" hog 64
    ((status == 137))
    run timeout 60 "$DRIVER" run "/$NAME/c" c memory=25165824 swap=25165824 -- "$PROBE" hog 8
    ((status == 0))
}

@test "no more processes than pids allows" {
    run timeout 60 "$DRIVER" run "/$NAME/c" c pids=5 -- "$PROBE" forks 50
    # the program itself is one of the five
    [[ ${lines[0]} == 4 ]]
}

@test "devices: what no rule allows is denied, the last rule that matches decides" {
    run timeout 10 "$DRIVER" run "/$NAME/c" c "$DENY" device=allow:c:1:3:rwm device=allow:c:1:9:r -- \
        sh -c ': </dev/null; : >/dev/null; : </dev/urandom; echo good; : </dev/full'
    ((status != 0))
    [[ $output == good*"/dev/full"*"ermitted"* ]]
    run timeout 10 "$DRIVER" run "/$NAME/c" c "$DENY" device=allow:c:1:9:r -- sh -c ': >/dev/urandom'
    ((status != 0))
    [[ $output == *"ermitted"* ]]
    run timeout 10 "$DRIVER" run "/$NAME/c" c "$DENY" device=allow:c:1:3:rwm device=deny:c:1:3:rwm -- \
        sh -c ': </dev/null'
    ((status != 0))
    run timeout 10 "$DRIVER" run "/$NAME/c" c device=allow:a:*:*:rwm device=deny:c:1:7:rwm -- \
        sh -c ': </dev/null; echo good; : </dev/full'
    ((status != 0))
    [[ $output == good*"ermitted"* ]]
}

@test "device rules without a wildcard start from nothing allowed" {
    run timeout 10 "$DRIVER" run "/$NAME/c" c device=allow:c:1:3:rw -- sh -c ': </dev/null; echo good; : </dev/zero'
    ((status != 0))
    [[ $output == good*"ermitted"* ]]
}

@test "device rules that v1 would silently ignore are an error" {
    run timeout 10 "$DRIVER" create "/$NAME/c" c "$DENY" "device=allow:c:1:*:rwm" device=deny:c:1:7:w
    ((status == 1))
    [[ $output == *"cannot express"*"c 1:7"* ]]
    [[ -z $(directories) ]]
}

@test "a value that the kernel refuses is named, and nothing is left" {
    run timeout 10 "$DRIVER" create "/$NAME/deep/c" c cpus=999
    ((status == 1))
    [[ $output == *"write '999' to '"*"/cpuset.cpus'"* ]]
    [[ -z $(directories) ]]
    run timeout 10 "$DRIVER" create "/$NAME/deep/c" c quota=1
    ((status == 1))
    [[ $output == *"write '1' to '"*"/cpu.cfs_quota_us'"* ]]
    [[ -z $(directories) ]]
}

@test "a failure leaves what was there before" {
    timeout 10 "$DRIVER" create "/$NAME/c" c
    local before
    before=$(directories)
    run timeout 10 "$DRIVER" create "/$NAME/c" c cpus=999
    ((status == 1))
    [[ $(directories) == "$before" ]]
}

@test "a directory that holds a process is refused, and the process named" {
    timeout 10 "$DRIVER" create "/$NAME/c" c
    start_pause
    timeout 10 "$DRIVER" join "${PIDS[0]}" /sys/fs/cgroup/*/"$NAME/c"
    [[ $(value pids cgroup.procs) == "${PIDS[0]}" ]]
    run timeout 10 "$DRIVER" create "/$NAME/c" c
    ((status == 1))
    [[ $output == *"use cgroup '/sys/fs/cgroup/"*"/$NAME/c': it exists and holds process ${PIDS[0]}" ]]
    [[ $(value pids cgroup.procs) == "${PIDS[0]}" ]]
}

@test "the root cgroup is refused, and nothing climbs out" {
    run timeout 10 "$DRIVER" create / c
    ((status == 1))
    [[ $output == *"root cgroup"* ]]
    run timeout 10 "$DRIVER" create /../.. c
    ((status == 1))
    [[ $output == *"root cgroup"* ]]
    run --separate-stderr timeout 10 "$DRIVER" create "/../../$NAME/./x/../c" c
    ((status == 0))
    [[ ${lines[1]} == /sys/fs/cgroup/*/$NAME/c ]]
}

@test "kill ends every process, also those of a frozen cgroup; remove waits for them" {
    local frozen
    for frozen in THAWED FROZEN; do
        timeout 10 "$DRIVER" create "/$NAME/c" c
        start_pause
        start_pause
        local first=${PIDS[-2]} second=${PIDS[-1]}
        timeout 10 "$DRIVER" join "$first" /sys/fs/cgroup/*/"$NAME/c"
        timeout 10 "$DRIVER" join "$second" /sys/fs/cgroup/*/"$NAME/c"
        echo "$frozen" > "/sys/fs/cgroup/freezer/$NAME/c/freezer.state"
        timeout 10 "$DRIVER" kill /sys/fs/cgroup/*/"$NAME/c"
        timeout 10 "$DRIVER" remove /sys/fs/cgroup/*/"$NAME/c"
        run wait "$first"
        ((status == 137))
        run wait "$second"
        ((status == 137))
        [[ -z $(find /sys/fs/cgroup -type d -path "*/$NAME/c") ]]
    done
}

@test "remove takes empty sub-cgroups along, and what is gone is no error" {
    timeout 10 "$DRIVER" create "/$NAME/c" c
    mkdir -p "/sys/fs/cgroup/pids/$NAME/c/one/two" "/sys/fs/cgroup/memory/$NAME/c/three"
    rmdir "/sys/fs/cgroup/blkio/$NAME/c"
    timeout 10 "$DRIVER" remove /sys/fs/cgroup/{memory,pids,cpu,cpuacct,cpuset,devices,freezer,blkio,systemd,unified}/"$NAME/c"
    [[ -z $(find /sys/fs/cgroup -type d -path "*/$NAME/c*") ]]
    timeout 10 "$DRIVER" remove /sys/fs/cgroup/{memory,blkio}/"$NAME/c"
    timeout 10 "$DRIVER" kill /sys/fs/cgroup/{memory,blkio}/"$NAME/c"
}

@test "remove gives up on a living process within seconds, and removes the rest" {
    timeout 10 "$DRIVER" create "/$NAME/c" c
    start_pause
    timeout 10 "$DRIVER" join "${PIDS[0]}" "/sys/fs/cgroup/pids/$NAME/c"
    local start=$SECONDS
    run timeout 10 "$DRIVER" remove /sys/fs/cgroup/*/"$NAME/c"
    ((status == 1))
    ((SECONDS - start <= 4))
    [[ $output == *"remove cgroup '/sys/fs/cgroup/pids/$NAME/c': it still holds process ${PIDS[0]}"* ]]
    [[ $(find /sys/fs/cgroup -type d -path "*/$NAME/c") == "/sys/fs/cgroup/pids/$NAME/c" ]]
}

@test "two hundred containers at once under one new parent: all get theirs" {
    local i
    for ((i = 0; i < 200; i++)); do
        timeout 30 "$DRIVER" run "/$NAME/many/$i" "$i" pids=10 -- true &
        PIDS+=($!)
    done
    for i in "${PIDS[@]}"; do
        wait "$i"
    done
    [[ -z $(find /sys/fs/cgroup -type d -path "*/$NAME/many/*") ]]
}

@test "lab: every promise of cgroup v2 holds" {
    run "$TOP/tests/lab/run" --cgroup v2 --timeout 200 --program "$DRIVER" -- \
        "$TOP/tests/unit/cgroup_v2.sh"
    printf '%s\n' "$output"
    ((status == 0))
    # none is left out because the script ended early
    [[ $(grep -c '^ok ' <<< "$output") == "$(grep -c '^promise "' "$TOP/tests/unit/cgroup_v2.sh")" ]]
}

@test "lab: controllers that are mounted together are limited in their common directory" {
    cat > "$BATS_TEST_TMPDIR/script" <<'SCRIPT'
#!/bin/sh
set -e
cgroup_driver create /a/c c cpus=0 shares=512 memory=33554432 device=deny:a:*:*:rwm
cd /sys/fs/cgroup
cat cpu,cpuacct/a/c/cpu.shares cpuset/a/c/cpuset.cpus memory/a/c/memory.limit_in_bytes
cgroup_driver run /a/r r -- grep cpu,cpuacct /proc/self/cgroup
SCRIPT
    chmod +x "$BATS_TEST_TMPDIR/script"
    run "$TOP/tests/lab/run" --cgroup v1 --timeout 200 --program "$DRIVER" -- \
        "$BATS_TEST_TMPDIR/script"
    printf '%s\n' "$output"
    ((status == 0))
    [[ ${lines[0]} == v1 ]]
    [[ $output == *$'\n/sys/fs/cgroup/cpu,cpuacct/a/c\n'* ]]
    [[ $output == *$'\n512\n0\n33554432\n'*":cpu,cpuacct:/a/r" ]]
}
