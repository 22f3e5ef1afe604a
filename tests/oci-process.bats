#!/usr/bin/env bats
# What config.json says of the process: versions, groups, resource limits, kernel parameters, labels, the size of the terminal.

load oci

setup() {
    oci_setup
}

teardown() {
    oci_teardown
}

# waiting [FILTER…]: the bundle web, changed, with its guest running; the monitor's pid is in `pid`.
waiting() {
    bundle web time wait
    [[ $# -eq 0 ]] || config web "$@"
    launch web --pid-file pid
    prints web waiting
}

# limit NAME: soft and hard, of the monitor.
limit() {
    sed -n "s/^$1  *//p" "/proc/$(cat pid)/limits" | awk '{print $1, $2}'
}

# inside_net COMMAND…: in the container's network namespace.
inside_net() {
    nsenter --net="/proc/$(cat pid)/ns/net" -- "$@"
}

@test "ociVersion: every 1.x is taken, another is named" {
    local version
    bundle web hello
    for version in 1.0.0 1.0.2-dev 1.1.0+dev 1.2.1; do
        config web --arg v "$version" '.ociVersion = $v'
        create web
        equal "$(field web .ociVersion)" "$version"
        runuk delete --force web
    done
    config web '.ociVersion = "2.0.0"'
    run -1 create web
    said 'ociVersion: "2.0.0" is not supported: runuk knows version 1'
    config web '.ociVersion = "one"'
    run -1 create web
    said 'ociVersion: "one" is no version like "1.0.2"'
}

@test "what is wrong beside the entry is an error for a unikernel, and runc's business for another program" {
    bundle web hello
    config web '.linux.namespaces += [{type: "imaginary"}]'
    run -1 create web
    said 'linux.namespaces[].type: unknown type "imaginary"'
    linux_bundle other true
    config other '.linux.namespaces += [{type: "imaginary"}]'
    run -1 create other
    said_not 'unknown type "imaginary"'
    said 'imaginary'
}

@test "a limit of 2^64 - 1, as engines write \"none\", is read" {
    waiting '.process.rlimits = [{type: "RLIMIT_FSIZE", soft: 18446744073709551615, hard: 18446744073709551615}]'
    sed -i 's/18446744073709552000/18446744073709551615/g' web/config.json
    runuk delete --force web
    launch web --pid-file pid
    equal "$(limit 'Max file size')" 'unlimited unlimited'
}

@test "process.rlimits reach the monitor" {
    waiting '.process.rlimits = [{type: "RLIMIT_CPU", soft: 1000, hard: 2000}, {type: "RLIMIT_FSIZE", soft: 4096, hard: 8192},
        {type: "RLIMIT_STACK", soft: 1048576, hard: 1048576}, {type: "RLIMIT_MSGQUEUE", soft: 0, hard: 0}]'
    equal "$(limit 'Max cpu time')" '1000 2000'
    equal "$(limit 'Max file size')" '4096 8192'
    equal "$(limit 'Max stack size')" '1048576 1048576'
    equal "$(limit 'Max msgqueue size')" '0 0'
}

@test "process.rlimits: no core file, no more descriptors than the monitor has, whatever they say; processes are not counted" {
    waiting '.process.rlimits = [{type: "RLIMIT_CORE", soft: 1000000, hard: 1000000}, {type: "RLIMIT_NOFILE", soft: 900, hard: 900},
        {type: "RLIMIT_NPROC", soft: 1, hard: 1}]'
    equal "$(limit 'Max core file size')" '0 0'
    [[ $(limit 'Max open files') =~ ^(1[0-9]|2[0-9])' ' ]]
    [[ $(limit 'Max processes') != '1 1' ]]
}

@test "process.rlimits: CPU time is used up, and the guest ends" {
    bundle web time spin
    config web '.process.rlimits = [{type: "RLIMIT_CPU", soft: 1, hard: 1}]'
    status=0
    runuk run --bundle web web >web.out 2>&1 </dev/null || status=$?
    [[ $status == $((128 + $(kill -l XCPU))) || $status == 137 ]]
}

@test "process.rlimits: an address space smaller than the guest is refused in one line" {
    bundle web hello
    config web '.process.rlimits = [{type: "RLIMIT_AS", soft: 100000000, hard: 100000000}]'
    run -1 create web
    said "process.rlimits: RLIMIT_AS of 97656 KiB does not hold the guest's memory of 524288 KiB"
    no_traces
}

# scheduled: policy, nice value or priority of the monitor, and of its disk requests.
scheduled() {
    chrt -p "$(cat pid)" | sed 's/.*: //' | xargs
    ps -o ni= -p "$(cat pid)" | xargs
    ionice -p "$(cat pid)"
}

@test "process.scheduler and process.ioPriority reach the monitor" {
    local share=
    waiting '.process.scheduler = {policy: "SCHED_BATCH", nice: 7} | .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}'
    equal "$(scheduled)" $'SCHED_BATCH 0\n7\nbest-effort: prio 6'
    runuk delete --force web
    # On hosts with real-time shares of cgroups it needs one.
    [[ ! -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ]] || share='| .linux.resources.cpu.realtimeRuntime = 10000'
    waiting '.process.scheduler = {policy: "SCHED_RR", priority: 42, flags: ["SCHED_FLAG_RESET_ON_FORK"]}
        | .process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0}'"$share"
    equal "$(scheduled)" $'SCHED_RR|SCHED_RESET_ON_FORK 42\n-\nidle'
    runuk delete --force web
    waiting '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 1000000, deadline: 20000000, period: 30000000}
        | .process.ioPriority = {class: "IOPRIO_CLASS_RT", priority: 1}'
    equal "$(scheduled)" $'SCHED_DEADLINE 0 1000000/20000000/30000000\n-\nrealtime: prio 1'
    runuk delete --force web
    waiting 'del(.process.scheduler) | del(.process.ioPriority)'
    equal "$(scheduled)" $'SCHED_OTHER 0\n0\nnone: prio 0'
}

@test "process.scheduler and process.ioPriority: what is wrong is refused by name" {
    bundle web hello
    config web '.process.scheduler = {policy: "SCHED_OTHER", nice: 20}'
    run -1 create web
    said 'process.scheduler.nice: expected a number from -20 to 19'
    config web '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 3000000, deadline: 2000000, period: 1000000}'
    create web
    run -1 runuk start web
    said 'set process.scheduler to SCHED_DEADLINE: Invalid argument'
    runuk delete --force web
    config web 'del(.process.scheduler) | .process.ioPriority = {class: "best"}'
    run -1 create web
    said 'process.ioPriority.class: unknown class "best"'
    no_traces
}

@test "process.user: the user's groups are the monitor's; root's go with root" {
    waiting '.process.user = {uid: 1234, gid: 1235, additionalGids: [7, 4321]}'
    equal "$(awk '/^(Uid|Gid):/ {print $2}' "/proc/$(cat pid)/status" | xargs)" '1234 1235'
    equal "$(sed -n 's/^Groups:\t//p' "/proc/$(cat pid)/status" | xargs)" '7 4321'
    runuk delete --force web
    config web '.process.user = {uid: 0, gid: 0, additionalGids: [0, 10]}'
    launch web --pid-file pid
    equal "$(awk '/^(Uid|Gid):/ {print $2}' "/proc/$(cat pid)/status" | xargs)" '65534 65534'
    equal "$(sed -n 's/^Groups:\t//p' "/proc/$(cat pid)/status" | xargs)" ''
}

@test "linux.sysctl: network parameters are set in the container's namespace, not in the host's" {
    local host
    host=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
    waiting '.linux.sysctl = {"net.ipv4.ip_unprivileged_port_start": "77", "net/ipv4/ip_forward": "1"}'
    equal "$(inside_net cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 77
    equal "$(inside_net cat /proc/sys/net/ipv4/ip_forward)" 1
    equal "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" "$host"
}

@test "linux.sysctl: parameters of links that a prestart hook attaches" {
    bundle web time wait
    cat >hook <<'END'
#!/bin/sh
pid=$(sed 's/.*"pid" *: *\([0-9]*\).*/\1/')
nsenter --net="/proc/$pid/ns/net" ip link add eth7 type veth peer name peer7
END
    chmod +x hook
    config web --arg hook "$PWD/hook" '.hooks = {prestart: [{path: $hook, args: [$hook], env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]}
        | .linux.sysctl = {"net.ipv6.conf.eth7.disable_ipv6": "1"}'
    create web --pid-file pid
    equal "$(inside_net cat /proc/sys/net/ipv6/conf/eth7/disable_ipv6)" 1
}

@test "linux.sysctl: what is the host's, and what does not exist, is refused by name" {
    bundle web hello
    config web '.linux.sysctl = {"kernel.panic": "1"}'
    run -1 create web
    said 'sysctl "kernel.panic" is not in a separate kernel namespace'
    config web '.linux.sysctl = {"kernel.hostname": "x"}'
    run -1 create web
    said 'sysctl "kernel.hostname" is not allowed'
    config web '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .linux.namespaces |= map(select(.type != "network"))'
    run -1 create web
    said 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace'
    config web '.linux.namespaces += [{type: "network", path: "/proc/self/ns/net"}]'
    run -1 create web
    said 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace'
    config web '.linux.namespaces |= map(del(.path)) | .linux.sysctl = {"net.ipv4.imaginary": "1"}'
    run -1 create web
    said 'set sysctl "net.ipv4.imaginary" to "1": No such file or directory'
    config web '.linux.sysctl = {"net.ipv4.ip_forward": "many"}'
    run -1 create web
    said 'set sysctl "net.ipv4.ip_forward" to "many": Invalid argument'
    no_traces
}

@test "labels of a security module that the host does not have are refused by name" {
    bundle web hello
    if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) != Y ]]; then
        config web '.process.apparmorProfile = "docker-default"'
        run -1 create web
        said "process.apparmorProfile: 'docker-default' can't be applied, AppArmor is not enabled on this host"
        config web '.process.apparmorProfile = "unconfined"'
        create web
        runuk delete web
    fi
    if [[ ! -d /sys/fs/selinux/class ]]; then
        config web 'del(.process.apparmorProfile) | .process.selinuxLabel = "system_u:system_r:container_t:s0"'
        run -1 create web
        said "process.selinuxLabel: 'system_u:system_r:container_t:s0' can't be applied, SELinux is not enabled on this host"
    fi
    config web '.process.apparmorProfile = "" | .process.selinuxLabel = ""'
    create web
}

@test "process.consoleSize is the terminal's size from the start" {
    bundle web time wait
    config web '.process.terminal = true | .process.consoleSize = {height: 33, width: 111}'
    mkfifo keys
    exec 8<>keys
    background "$BUILD/unit/console_driver" console name <keys >screen 2>&1
    eventually 10 file_has screen listening
    create web --console-socket console --pid-file pid
    eventually 10 file_has screen 'size 33 111'
}

@test "domainname is that of the container's own UTS namespace" {
    waiting '.domainname = "example.org"'
    equal "$(nsenter --uts="/proc/$(cat pid)/ns/uts" cat /proc/sys/kernel/domainname)" example.org
    [[ $(cat /proc/sys/kernel/domainname) != example.org ]]
}

@test "a time namespace is refused with its reason" {
    bundle web hello
    config web '.linux.namespaces += [{type: "time"}]'
    run -1 create web
    said 'a time namespace means nothing to a guest'
}
