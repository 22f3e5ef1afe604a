#!/bin/sh
# What tests/cgroup.bats promises, for cgroup v2: to be run as root in a machine of its own, where /sys/fs/cgroup is v2
# (tests/lab/run --cgroup v2). Needs cgroup_driver in PATH. One line per promise; the status is that of them all.
# shellcheck shell=dash

top=/sys/fs/cgroup
name=runuk-test
failed=0

# promise TEXT: the status of the command before it decides. Put it behind &&-chains.
promise() {
    if [ "$?" = 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        failed=1
    fi
    find "$top/$name" -depth -type d -exec rmdir {} \; 2>/dev/null
}

value() {
    cat "$top/$name/c/$1"
}

# A file system that holds what is written: the way to fill memory with busybox's means.
hog() {
    cgroup_driver run "/$name/c" c memory=25165824 swap=25165824 -- dd if=/dev/zero of=/dev/null bs="$1" count=1
}

create_writes_limits() {
    [ "$(cgroup_driver create "/$name/c" c memory=33554432 swap=67108864 reservation=16777216 shares=512 quota=50000 \
        period=200000 cpus=0 mems=0 pids=77)" = "v2
$top/$name/c" ] &&
        [ "$(value memory.max)" = 33554432 ] && [ "$(value memory.low)" = 16777216 ] &&
        [ "$(value memory.swap.max)" = 33554432 ] && [ "$(value cpu.weight)" = 20 ] &&
        [ "$(value cpu.max)" = "50000 200000" ] && [ "$(value cpuset.cpus)" = 0 ] &&
        [ "$(value cpuset.mems)" = 0 ] && [ "$(value pids.max)" = 77 ]
}

zero_is_no_limit() {
    cgroup_driver create "/$name/c" c memory=0 swap=0 reservation=0 shares=0 quota=0 period=0 pids=0 >/dev/null &&
        [ "$(value memory.max)" = max ] && [ "$(value cpu.weight)" = 100 ] && [ "$(value pids.max)" = max ]
}

unlimited() {
    cgroup_driver create "/$name/c" c memory=-1 quota=-1 pids=-1 >/dev/null && [ "$(value memory.max)" = max ] &&
        [ "$(value memory.swap.max)" = max ] && [ "$(value cpu.max)" = "max 100000" ] && [ "$(value pids.max)" = max ]
}

# fails TEXT ARGUMENTS…: create fails, says TEXT, and leaves nothing.
fails() {
    text=$1
    shift
    said=$(cgroup_driver create "$@" 2>&1) && return 1
    case $said in
    *"$text"*) ;;
    *) echo "# said: $said" && return 1 ;;
    esac
    [ ! -e "$top/$name" ]
}

joins_itself() {
    [ "$(cgroup_driver run "/$name/deep/c" c -- cat /proc/self/cgroup)" = "0::/$name/deep/c" ] &&
        [ ! -e "$top/$name/deep/c" ]
}

# The caller moves into a cgroup of its own for this, in a subshell of its own pid.
relative_is_beside_the_caller() {
    mkdir -p "$top/$name/mine" &&
        [ "$(sh -c "echo \$\$ >$top/$name/mine/cgroup.procs && cgroup_driver run rel c -- cat /proc/self/cgroup")" = \
            "0::/$name/rel" ]
}

busy_parent() {
    mkdir "$top/$name" || return 1
    sleep 60 &
    pid=$!
    echo "$pid" >"$top/$name/cgroup.procs"
    said=$(cgroup_driver create "/$name/c" c pids=5 2>&1)
    status=$?
    inside=$(cgroup_driver run "/$name/c" c -- cat /proc/self/cgroup)
    kill "$pid" && wait "$pid"
    [ "$status" = 1 ] && [ ! -e "$top/$name/c" ] && [ "$inside" = "0::/$name/c" ] || return 1
    case $said in
    *"/pids.max"*"controller 'pids' is not enabled in '$top/$name/"*"holds processes itself"*) return 0 ;;
    esac
    echo "# said: $said"
    return 1
}

holds_a_process() {
    cgroup_driver create "/$name/c" c >/dev/null || return 1
    sleep 60 &
    pid=$!
    cgroup_driver join "$pid" "$top/$name/c" || return 1
    said=$(cgroup_driver create "/$name/c" c 2>&1) && return 1
    cgroup_driver kill "$top/$name/c" && cgroup_driver remove "$top/$name/c" || return 1
    wait "$pid"
    [ "$?" = 137 ] && [ ! -e "$top/$name/c" ] &&
        [ "$said" = "use cgroup '$top/$name/c': it exists and holds process $pid" ]
}

sub_cgroups() {
    cgroup_driver create "/$name/c" c >/dev/null && mkdir -p "$top/$name/c/one/two" "$top/$name/c/three" &&
        cgroup_driver remove "$top/$name/c" && cgroup_driver remove "$top/$name/c" && [ ! -e "$top/$name/c" ]
}

hog_is_killed() {
    hog 64M >/dev/null 2>&1
    [ "$?" = 137 ] && hog 4M >/dev/null 2>&1
}

pids_are_limited() {
    # shellcheck disable=SC2016 # the inner shell's
    cgroup_driver run "/$name/c" c pids=3 -- sh -c 'for i in 1 2 3 4; do sleep 5 & done' >/dev/null 2>/tmp/pids
    cgroup_driver kill "$top/$name/c"
    cgroup_driver remove "$top/$name/c"
    grep -qi 'fork' /tmp/pids
}

# opens HOW PATH RULE…: may a process under these rules open PATH (HOW is r, w or rw)?
opens() {
    case $1 in
    r) command=": <$2" ;;
    w) command=": >>$2" ;;
    rw) command=": <>$2" ;;
    esac
    shift 2
    cgroup_driver run "/$name/c" c "$@" -- sh -c "$command" 2>/tmp/opens && return 0
    grep -q 'permitted' /tmp/opens && return 1
    cat /tmp/opens
    return 2 # neither opened nor denied
}

denied() {
    opens "$@"
    [ "$?" = 1 ]
}

deny='device=deny:a:*:*:rwm'
null=device=allow:c:1:3
devices_by_rule() {
    opens rw /dev/null "$deny" $null:rwm && denied rw /dev/full "$deny" $null:rwm &&
        denied r /dev/null "$deny" && opens rw /dev/full device=deny:a:*:*:rwm device=allow:a:*:*:rwm &&
        denied r /dev/full $null:rw && opens rw /dev/full
}

devices_last_rule_wins() {
    denied r /dev/null "$deny" $null:rwm device=deny:c:1:3:r && opens w /dev/null "$deny" $null:rwm device=deny:c:1:3:r &&
        denied rw /dev/null "$deny" $null:rwm device=deny:c:1:3:r &&
        denied w /dev/full "$deny" 'device=allow:c:1:*:rwm' device=deny:c:1:7:rwm &&
        opens rw /dev/zero "$deny" 'device=allow:c:1:*:rwm' device=deny:c:1:7:rwm &&
        opens r /dev/full "$deny" device=deny:c:1:7:rwm 'device=allow:c:*:*:rwm' &&
        denied rw /dev/full 'device=allow:a:*:*:rwm' device=deny:c:1:7:w &&
        opens r /dev/full 'device=allow:a:*:*:rwm' device=deny:c:1:7:w
}

devices_by_access() {
    opens rw /dev/null "$deny" $null:r $null:w && denied rw /dev/null "$deny" $null:r && denied w /dev/null "$deny" $null:m &&
        denied rw /dev/null "$deny" device=allow:b:1:3:rwm
}

mknod_is_an_access() {
    cgroup_driver run "/$name/c" c "$deny" device=allow:c:1:7:m -- mknod /tmp/made c 1 7 &&
        ! cgroup_driver run "/$name/c" c "$deny" device=allow:c:1:7:rw -- mknod /tmp/made2 c 1 7 2>/dev/null
    status=$?
    rm -f /tmp/made /tmp/made2
    return $status
}

many_rules() {
    set -- "$deny"
    i=0
    while [ "$i" -lt 250 ]; do
        set -- "$@" "device=allow:c:200:$i:rw"
        i=$((i + 1))
    done
    denied r /dev/full "$@" && opens r /dev/full "$@" device=allow:c:1:7:r
}

[ -e "$top/cgroup.controllers" ] || {
    echo "not ok $top is not cgroup v2"
    exit 1
}
create_writes_limits
promise "limits stand in the files, converted from v1's terms"
zero_is_no_limit
promise "zero is no limit"
unlimited
promise "-1 is unlimited"
fails "cpuset.cpus': " "/$name/deep/c" c cpus=999
promise "a value that the kernel refuses is named, and nothing is left"
fails "less than memory" "/$name/c" c memory=33554432 swap=16777216
promise "swap below memory is refused"
fails "needs a memory limit" "/$name/c" c swap=16777216
promise "swap without memory is refused"
fails "root cgroup" / c
promise "the root cgroup is refused"
joins_itself
promise "a process is born inside, and parents are made"
relative_is_beside_the_caller
promise "a relative path is beside the caller's own cgroup"
busy_parent
promise "below a parent that holds processes, a limit is a clear error, and a container without one works"
holds_a_process
promise "a directory that holds a process is refused; kill and remove end it"
sub_cgroups
promise "remove takes empty sub-cgroups along, and what is gone is no error"
hog_is_killed
promise "a memory hog is killed at its limit, and not below it"
pids_are_limited
promise "no more processes than pids allows"
devices_by_rule
promise "devices: what no rule allows is denied"
devices_last_rule_wins
promise "devices: the last rule that matches decides, for each kind of access"
devices_by_access
promise "devices: all of the accesses asked for must be allowed"
mknod_is_an_access
promise "devices: making a node is an access of its own"
many_rules
promise "devices: hundreds of rules"
cgroup_driver time 20 "/$name/c" c memory=33554432 pids=77 "$deny" $null:rwm | sed 's/^/# /'
exit "$failed"
