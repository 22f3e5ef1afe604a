#!/usr/bin/env bats
# The machine's own Docker with systemd's cgroup driver: a unikernel on KVM is a scope, limited, confined by AppArmor, and gone
# when it is gone. For the Debian machine.
# shellcheck disable=SC2016 # single quotes around what is expanded elsewhere

load ../../docker.bash

setup_file() {
    [[ $RUNUK_DOCKER_DRIVER == systemd ]]
    docker_up
    guest_image time time
    guest_image hog hog
    guest_image web web
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

scope() {
    echo "docker-$(field "$1" '{{.Id}}').scope"
}

# property CONTAINER NAME: what systemd says of its unit.
property() {
    systemctl show --value -p "$2" "$(scope "$1")"
}

no_unit() {
    local units
    units=$(systemctl list-units --all --plain --no-legend 'docker-*.scope')
    echo "$units"
    [[ -z $units && -z $(find /sys/fs/cgroup -type d -name 'docker-*.scope') ]]
}

@test "the daemon uses systemd's driver on cgroup v2" {
    run -0 docker info -f '{{.CgroupDriver}} {{.CgroupVersion}}'
    [[ $output == 'systemd 2' ]]
}

@test "a container is a scope with its limits as properties and in its files, and gone with it" {
    docker run -d --runtime=runuk --name one -m 64m --memory-swap 64m --cpus 0.5 --pids-limit 50 time wait
    local pid dir
    pid=$(field one '{{.State.Pid}}')
    [[ $(<"/proc/$pid/comm") == runuk-hvt ]]
    dir=/sys/fs/cgroup/system.slice/$(scope one)
    grep -qx "0::${dir#/sys/fs/cgroup}" "/proc/$pid/cgroup"
    run -0 property one ActiveState
    [[ $output == active ]]
    [[ "$(property one Slice) $(property one Delegate)" == 'system.slice yes' ]]
    [[ "$(property one MemoryMax) $(property one MemorySwapMax) $(property one TasksMax)" == '67108864 0 50' ]]
    [[ $(property one CPUQuotaPerSecUSec) == 500ms ]]
    [[ "$(<"$dir/memory.max") $(<"$dir/pids.max") $(<"$dir/cpu.max")" == '67108864 50 50000 100000' ]]
    docker update -m 96m --memory-swap 96m one
    [[ "$(property one MemoryMax) $(<"$dir/memory.max")" == '100663296 100663296' ]]
    docker stop -t 10 one
    eventually 10 no_unit
    docker start one
    [[ $(property one ActiveState) == active ]]
    docker rm -f one
    eventually 10 no_unit
}

@test "a slice of one's own, with a limit, over two containers" {
    systemctl start runuktest-both.slice
    systemctl set-property --runtime runuktest-both.slice TasksMax=40
    docker run -d --runtime=runuk --name one --cgroup-parent runuktest-both.slice time wait
    docker run -d --runtime=runuk --name two --cgroup-parent runuktest-both.slice web
    [[ "$(property one Slice) $(property two Slice)" == 'runuktest-both.slice runuktest-both.slice' ]]
    run -0 find /sys/fs/cgroup/runuktest.slice/runuktest-both.slice -mindepth 1 -maxdepth 1 -type d
    [[ ${#lines[@]} == 2 ]]
    docker rm -f one two
    eventually 10 no_unit
    systemctl stop runuktest-both.slice
}

@test "a unit that systemd is told to stop is a container that has ended" {
    docker run -d --runtime=runuk --name one time wait
    systemctl stop "$(scope one)"
    eventually 20 field_is one '{{.State.Status}}' exited
    eventually 10 no_unit
}

# Docker tells of it only when the shim has heard of the killing before the end of the process, whatever the runtime: it has more than one
# chance. What the kernel counts is certain.
@test "more than its limit in a slice: killed, and Docker says OOMKilled" {
    local slice told=
    slice=$(small_cgroup runuktest-small)
    for _ in 1 2 3; do
        docker run -d --runtime=runuk --name hog --cgroup-parent "$slice" hog
        eventually 30 field_is hog '{{.State.Status}}' exited
        run -0 field hog '{{.State.OOMKilled}} {{.State.ExitCode}}'
        [[ $output == *' 137' ]]
        if [[ $output == 'true 137' ]]; then told=yes && break; fi
        docker rm hog
    done
    grep -qx 'oom_kill [123]' "/sys/fs/cgroup/runuktest.slice/$slice/memory.events"
    [[ $told == yes ]]
    systemctl stop "$slice"
}

@test "the monitor is confined by Docker's AppArmor profile" {
    run -0 docker info -f '{{.SecurityOptions}}'
    [[ $output == *apparmor* ]]
    docker run -d --runtime=runuk --name web web
    fetch "http://$(address web)/plain"
    run -0 cat "/proc/$(field web '{{.State.Pid}}')/attr/current"
    [[ $output == 'docker-default (enforce)' ]]
}

@test "pause freezes the guest of KVM and nothing else, unpause lets it go on" {
    docker run -d --runtime=runuk --name web web
    fetch "http://$(address web)/plain"
    docker pause web
    grep -qx 'frozen 1' "/sys/fs/cgroup/system.slice/$(scope web)/cgroup.events"
    run curl -fsS --max-time 2 "http://$(address web)/plain"
    [[ $status != 0 ]]
    docker unpause web
    fetch "http://$(address web)/plain"
}
