#!/usr/bin/env bats
# A running guest frozen and let go on, listed, measured, and given other limits: pause, resume, ps, update, events; features.

load oci

setup() {
    oci_setup
    bundle web time wait
    config web '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 100}}'
}

teardown() {
    oci_teardown
}

# value CONTROLLER V1-FILE V2-FILE: of the container's cgroup.
value() {
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        cat "/sys/fs/cgroup/$TAG-web/$3"
    else
        cat "$(cgroup web "$1")/$2"
    fi
}

@test "pause freezes, resume thaws, and state and list tell" {
    launch web
    prints web waiting
    runuk pause web
    is web paused
    run -0 runuk list
    said paused
    run runuk pause web
    ended 1
    said 'container not running: paused'
    run runuk start web
    ended 1
    said 'cannot start an already running container'
    runuk resume web
    is web running
    run runuk resume web
    ended 1
    said 'container not paused'
}

@test "a frozen guest does nothing, and goes on where it was" {
    bundle clock time 1
    launch clock
    runuk pause clock
    local before
    before=$(wc -c <clock.out)
    run timeout 2 tail --pid="$(field clock .pid)" -s 0.1 -f /dev/null
    ended 124 # it should have been done by now
    equal "$(wc -c <clock.out)" "$before"
    runuk resume clock
    becomes clock stopped
}

@test "a frozen guest dies of SIGKILL, and delete --force removes it" {
    launch web
    runuk pause web
    runuk kill web KILL
    becomes web stopped
    runuk delete web
    launch web
    runuk pause web
    run -0 runuk delete --force web
    equal "$output" ''
    no_traces
}

@test "pause and resume of what does not run are errors" {
    create web
    run runuk pause web
    ended 1
    said 'container not running: created'
    runuk start web
    prints web waiting
    runuk kill web KILL
    becomes web stopped
    run runuk pause web
    ended 1
    said 'container not running'
    run runuk resume web
    ended 1
    said 'container not paused'
}

@test "ps lists the monitor, as JSON and as a table" {
    launch web
    run -0 runuk ps --format json web
    equal "$output" "[$(field web .pid)]"
    run -0 runuk ps web
    said PID
    said runuk-spt
    run -0 runuk ps web -o pid=
    equal "${output// /}" "$(field web .pid)"
    runuk kill web KILL
    becomes web stopped
    run -0 runuk ps -f json web
    equal "$output" null
}

@test "update by flags: memory, cpu, cpuset, pids" {
    launch web
    run -0 runuk update --memory 96m --pids-limit 50 --cpu-quota 50000 --cpu-period 100000 --cpuset-cpus 0 web
    equal "$output" ''
    equal "$(value memory memory.limit_in_bytes memory.max)" $((96 << 20))
    equal "$(value pids pids.max pids.max)" 50
    equal "$(value cpuset cpuset.cpus cpuset.cpus)" 0
    [[ $(value cpu cpu.cfs_quota_us cpu.max) == 50000* ]]
}

@test "update from standard input, as docker calls it: zeros change nothing" {
    launch web
    local shares
    shares=$(value cpu cpu.shares cpu.weight)
    runuk update --resources - web <<<'{"memory":{"limit":104857600,"reservation":0,"swap":0,"kernel":0},
        "cpu":{"shares":0,"quota":20000,"period":100000},"pids":{"limit":60},"blockIO":{"weight":0}}'
    equal "$(value memory memory.limit_in_bytes memory.max)" 104857600
    equal "$(value pids pids.max pids.max)" 60
    equal "$(value cpu cpu.shares cpu.weight)" "$shares"
}

@test "update from a file; one that is no JSON is an error with its line" {
    launch web
    echo '{"pids": {"limit": 70}}' >limits.json
    runuk update -r limits.json web
    equal "$(value pids pids.max pids.max)" 70
    printf '{\n"pids": oops}' >limits.json
    run runuk update --resources limits.json web
    ended 1
    said "resources 'limits.json': line 2"
    equal "$(value pids pids.max pids.max)" 70
}

@test "a memory limit below what guest and monitor need is refused, and nothing changes" {
    launch web
    run runuk update --memory 32m --pids-limit 10 web
    ended 1
    said 'is less than guest and monitor need'
    equal "$(value memory memory.limit_in_bytes memory.max)" $((64 << 20))
    equal "$(value pids pids.max pids.max)" 100
}

@test "values that are none, and a stopped container, are errors" {
    launch web
    local flag
    for flag in --memory=much --pids-limit=1x --cpuset-cpus=99; do
        run runuk update "$flag" web
        ended 1
        said "${flag#*=}"
    done
    runuk kill web KILL
    becomes web stopped
    run runuk update --pids-limit 10 web
    ended 1
    said 'container not running'
}

@test "events --stats prints one line of runc's shape, with what only runuk knows beside it" {
    launch web
    prints web waiting
    run -0 runuk events --stats web
    equal "${#lines[@]}" 1
    equal "$(jq -c '[.type, .id, .data.memory.usage.limit, .data.pids.current, .data.pids.limit, .data.runuk.monitor]' <<<"$output")" \
        '["stats","web",67108864,1,100,"spt"]'
    equal "$(jq '.data.cpu.usage.total > 0 and .data.memory.usage.usage > 0 and (.data.memory.raw | length) > 10' <<<"$output")" true
    equal "$(jq -c '.data | keys - ["cpuset","runuk"]' <<<"$output")" '["blkio","cpu","hugetlb","intel_rdt","memory","network_interfaces","pids"]'
}

@test "events goes on until the guest has ended" {
    launch web
    prints web waiting
    background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" events --interval 1s web >events.out
    eventually 10 file_has events.out '"type":"stats"'
    runuk kill web KILL
    wait_job "$job"
    ended 0
    becomes web stopped
    run runuk events --stats web
    ended 1
    said 'not running'
    run runuk events --interval soon web
    ended 1
    said '"soon"'
}

@test "features tells monitors, families and modes, beside what runc says of its own" {
    run -0 runuk features
    equal "$(jq -c '[.runuk.monitors.spt.usable, .runuk.monitors.spt.found, .runuk.networkModes]' <<<"$output")" \
        '[true,true,["redirect","bridge"]]'
    local usable=false
    if "$BUILD/runuk-hvt" --probe; then usable=true; fi
    equal "$(jq -c .runuk.monitors.hvt.usable <<<"$output")" "$usable"
    equal "$(jq -c '.hooks | length' <<<"$output")" 6
    settings '.runc = "/bin/false" | .monitor_dir = "/nowhere"'
    run -0 runuk features
    equal "$(jq -c '[.runuk.monitors.spt.found, (.linux.namespaces | length)]' <<<"$output")" '[false,6]'
}


@test "limits that are a file's value are written as they are" {
    config web '.linux.resources += {cpu: {burst: 5000, quota: 50000, period: 100000, idle: 1}}'
    if [[ ! -e /sys/fs/cgroup/cgroup.controllers ]]; then
        config web '.linux.resources.memory += {swappiness: 7, disableOOMKiller: true} | .linux.resources.cpu |= del(.idle)'
    fi
    create web
    equal "$(value cpu cpu.cfs_burst_us cpu.max.burst)" 5000
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        equal "$(value cpu cpu.idle cpu.idle)" 1
    else
        equal "$(value memory memory.swappiness -)" 7
        value memory memory.oom_control - | grep -qx 'oom_kill_disable 1'
    fi
}

@test "a block device's rates are limited, and an update lifts them" {
    local device major minor
    device=$(lsblk -rndo MAJ:MIN | head -n 1)
    [[ $device ]] || device=$(stat -c '%d' / | awk '{print int($1 / 256) ":" $1 % 256}')
    IFS=: read -r major minor <<<"$device"
    config web --argjson major "$major" --argjson minor "$minor" '.linux.resources.blockIO = {
        throttleReadBpsDevice: [{major: $major, minor: $minor, rate: 1048576}],
        throttleWriteIOPSDevice: [{major: $major, minor: $minor, rate: 50}]}'
    create web
    value blkio blkio.throttle.read_bps_device io.max | grep -E "^$device .*1048576"
    value blkio blkio.throttle.write_iops_device io.max | grep -E "^$device .*50"
    jq -n --argjson major "$major" --argjson minor "$minor" \
        '{blockIO: {throttleReadBpsDevice: [{major: $major, minor: $minor, rate: 0}]}}' | runuk update --resources - web
    run -0 value blkio blkio.throttle.read_bps_device io.max
    said_not 1048576
}

@test "huge pages are limited where the host has them" {
    local size
    size=$(find /sys/fs/cgroup -maxdepth 3 -name 'hugetlb.2MB.*max*' -o -maxdepth 3 -name 'hugetlb.2MB.limit_in_bytes' | head -n 1)
    config web '.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 4194304}]'
    if [[ $size ]]; then
        create web
        equal "$(value hugetlb hugetlb.2MB.limit_in_bytes hugetlb.2MB.max)" 4194304
    else
        run -1 create web
        said "linux.resources.hugepageLimits: this host's cgroups have no 'hugetlb.2MB."
    fi
}

@test "a limit that this host's cgroups do not have is refused by its name in the specification" {
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        config web '.linux.resources.memory.swappiness = 10'
        run -1 create web
        said 'linux.resources.memory.swappiness: cgroup v2 has no such limit'
        config web 'del(.linux.resources.memory.swappiness) | .linux.resources.unified = {"memory.high": "60000000"}'
        create web
        equal "$(value - - memory.high)" 59998208
    else
        config web '.linux.resources.unified = {"memory.high": "60000000"}'
        run -1 create web
        said 'linux.resources.unified: cgroup v1 has no such limit'
    fi
    config web 'del(.linux.resources.unified) | .linux.intelRdt = {closID: "x"}'
    runuk delete --force web
    run -1 create web
    said 'linux.intelRdt: cache and bandwidth allocation is not supported for unikernels'
    no_traces
}
