#!/usr/bin/env bats
# User namespaces: made for a container, joined, lived in; and an ordinary user who runs guests of their own.

# shellcheck disable=SC2154 # run sets output, background sets job

load oci
load users

setup() {
    oci_setup
    users_setup
}

teardown() {
    oci_teardown
}

# ids PID: user and group, as the host sees them.
ids() {
    awk '/^(Uid|Gid):/ {print $2, $3, $4, $5}' "/proc/$1/status" | xargs
}

# same_namespace A B TYPE: of two processes.
same_namespace() {
    [[ $(readlink "/proc/$1/ns/$3") == "$(readlink "/proc/$2/ns/$3")" ]]
}

# What no guest's monitor ever has, whatever its user namespace says.
powerless() {
    equal "$(sed -n 's/^Cap[A-Z][a-z]*:\t//p' "/proc/$1/status" | sort -u)" 0000000000000000
    equal "$(sed -n 's/^NoNewPrivs:\t//p;s/^Seccomp:\t//p' "/proc/$1/status" | xargs)" '1 2'
}

# A guest that waits for its network has told so.
guest_up() {
    prints "$1" 'ready'
}

@test "a new user namespace: the monitor is nobody in it, and a mapped user outside" {
    bundle web net
    mapped web 0 100000 65536
    create web --pid-file pid
    runuk start web
    guest_up web
    equal "$(ids "$(cat pid)")" '165534 165534 165534 165534 165534 165534 165534 165534'
    powerless "$(cat pid)"
    equal "$(xargs <"/proc/$(cat pid)/uid_map")" '0 100000 65536'
    for type in user net pid ipc uts mnt; do
        if same_namespace "$(cat pid)" "$BASHPID" "$type"; then return 1; fi
    done
    [[ $(runuk exec web :net) == *'received '*' sent '* ]]
    runuk kill web KILL
    becomes web stopped
    runuk delete web
}

@test "a new user namespace: the container's own user" {
    bundle web time wait
    mapped web 0 100000 65536
    config web '.process.user = {uid: 33, gid: 34, additionalGids: [35]}'
    launch web --pid-file pid
    prints web waiting
    equal "$(ids "$(cat pid)" | cut -d' ' -f1,5)" '100033 100034'
    equal "$(sed -n 's/^Groups:\t//p' "/proc/$(cat pid)/status" | xargs)" 100035
}

@test "a new user namespace: hooks and limits as without" {
    bundle web time wait
    mapped web 0 100000 65536
    printf '#!/bin/sh\ncat >"%s/$1.state"; id -u >"%s/$1.uid"; cat /proc/self/uid_map >"%s/$1.map"\n' "$PWD" "$PWD" "$PWD" >hook
    chmod 0755 hook
    passable
    chmod 0777 .
    config web --arg hook "$PWD/hook" '
        def one($name): {($name): [{path: $hook, args: ["hook", $name], env: ["PATH=/usr/bin:/bin"]}]};
        .hooks = one("createRuntime") + one("createContainer") + one("poststart") + one("poststop")
        | .linux.resources = {memory: {limit: 134217728}, pids: {limit: 20}}'
    launch web --pid-file pid
    prints web waiting
    equal "$(cat createRuntime.uid createContainer.uid poststart.uid | xargs)" '0 0 0'
    equal "$(xargs <createContainer.map)" '0 100000 65536'
    equal "$(xargs <createRuntime.map)" "$(xargs </proc/self/uid_map)"
    equal "$(jq .pid poststart.state)" "$(cat pid)"
    runuk delete --force web
    equal "$(jq -r .status poststop.state)" stopped
}

@test "a user that the user namespace does not have is refused; without root in it there is none to be" {
    bundle web hello
    mapped web 0 100000 10
    config web '.process.user = {uid: 33, gid: 33}'
    run -1 create web
    said 'process.user.uid: the user namespace has no user 33'
    config web '.process.user = {uid: 3, gid: 33}'
    run -1 create web
    said 'process.user.gid: the user namespace has no group 33'
    config web '.process.user = {uid: 0, gid: 0}'
    launch web
    prints web 'Hello from spt'
    no_process() { [[ $(field web .status) == stopped ]]; }
    eventually 10 no_process
}

@test "mappings that the kernel does not take are an error that says so, and leave nothing" {
    bundle web hello
    mapped web 0 100000 10
    config web '.linux.uidMappings += [{containerID: 5, hostID: 200000, size: 10}]'
    run -1 create web
    said 'map the ids of the user namespace (uid_map): Invalid argument'
    no_traces
}

@test "a joined user namespace, with all that belongs to it" {
    bundle first time wait
    mapped first 0 100000 65536
    launch first --pid-file first.pid
    prints first waiting
    bundle second net
    config second --arg ns "/proc/$(cat first.pid)/ns" '.linux.namespaces =
        [{type: "mount"}, {type: "uts"}, ({"network": "net", "ipc": "ipc", "pid": "pid", "user": "user"} | to_entries[]
        | {type: .key, path: "\($ns)/\(.value)"})]'
    launch second --pid-file second.pid
    guest_up second
    for type in user net ipc pid; do same_namespace "$(cat first.pid)" "$(cat second.pid)" "$type"; done
    for type in mnt uts; do
        if same_namespace "$(cat first.pid)" "$(cat second.pid)" "$type"; then return 1; fi
    done
    equal "$(ids "$(cat second.pid)" | cut -d' ' -f1)" 165534
    powerless "$(cat second.pid)"
    runuk delete --force second
    equal "$(nsenter --net="/proc/$(cat first.pid)/ns/net" ls /sys/class/net 2>/dev/null | grep -c '^tap' || :)" 0
    is first running
}

@test "a joined user namespace beside namespaces of the host's" {
    bundle first time wait
    mapped first 0 100000 65536
    launch first --pid-file first.pid
    bundle second hello
    config second --arg ns "/proc/$(cat first.pid)/ns" '.linux.namespaces =
        [{type: "mount"}, {type: "pid"}, {type: "user", path: "\($ns)/user"}, {type: "ipc", path: "/proc/self/ns/ipc"}]'
    launch second --pid-file second.pid
    prints second 'Hello from spt'
}

# --- without privileges -----------------------------------------------------------------------------------------------------

# user_runuk ARGUMENT…: the runtime, called by the ordinary user, with no --root.
user_runuk() {
    by_user "$PWD/programs/runuk" --settings "$SETTINGS" "$@"
}

@test "an ordinary user runs a guest, looks at it, ends it, and nothing is left" {
    bundle web net
    mapped web 0 "$USER_ID" 1
    for_user
    user_runuk create --bundle web --pid-file xdg/pid web >web.out 2>&1 </dev/null
    grep -q 'warning: make cgroup .*: the container gets no cgroup' web.out
    user_runuk start web
    guest_up web
    equal "$(ids "$(cat xdg/pid)" | cut -d' ' -f1,5)" "$USER_ID $USER_ID"
    powerless "$(cat xdg/pid)"
    equal "$(user_runuk state web | jq -r .status)" running
    [[ $(user_runuk exec web :net) == *'received '*' sent '* ]]
    user_runuk exec web :stats | jq -e '.network.service.tx_frames > 0' >/dev/null
    run -1 user_runuk pause web
    said "pause container 'web': the container has no cgroup to freeze it with"
    user_runuk kill web KILL
    timeout 10 tail --pid="$(cat xdg/pid)" -s 0.02 -f /dev/null
    user_runuk delete web
    equal "$(find xdg/runuk -mindepth 1 -not -name ".runuk-*")" ''
}

@test "an ordinary user's guest asks the resolver in its network namespace" {
    bundle web dns '{dns}' db wait
    mapped web 0 "$USER_ID" 1
    mkdir -p web/rootfs/etc
    echo 'nameserver 127.0.0.11' >web/rootfs/etc/resolv.conf
    for_user
    user_runuk create --bundle web --pid-file xdg/pid web >web.out 2>&1 </dev/null
    local inside=(nsenter --net="/proc/$(cat xdg/pid)/ns/net")
    "${inside[@]}" ip link set lo up
    "${inside[@]}" ip link add eth0 type veth peer name far0
    "${inside[@]}" ip addr add 10.99.0.2/24 dev eth0
    "${inside[@]}" ip link set eth0 up
    "${inside[@]}" ip link set far0 up
    background "${inside[@]}" dnsmasq -k -C /dev/null -a 127.0.0.11 -z -R -h -u root -x '' --host-record=db,10.99.0.77
    user_runuk start web
    prints web 'db: 10.99.0.77'
    powerless "$(pgrep -x runuk-relay -P "$(cat xdg/pid)")"
    user_runuk delete --force web
    equal "$(find xdg/runuk -mindepth 1 -not -name ".runuk-*")" ''
}

@test "an ordinary user's run: the guest's output and status" {
    bundle web exit 7
    mapped web 0 "$USER_ID" 1
    for_user
    run -7 user_runuk run --bundle web web
}

@test "--rootless=false: an ordinary user without a cgroup is refused" {
    bundle web hello
    mapped web 0 "$USER_ID" 1
    for_user
    run -1 user_runuk --rootless=false create --bundle web web
    said "create container 'web': make cgroup "
    equal "$(find xdg/runuk -mindepth 1 -not -name ".runuk-*")" ''
}

# Where no cgroup can be made.
without_cgroups() {
    # shellcheck disable=SC2016 # for the shell inside
    timeout -k 5 60 unshare -m --propagation private bash -euc '
        for dir in $(awk "\$5 ~ \"^/sys/fs/cgroup\" && / - cgroup/ { print \$5 }" /proc/self/mountinfo); do
            mount -o remount,bind,ro "$dir"
        done
        exec "$@"' - "$RUNUK" --root "$ROOT" --settings "$SETTINGS" "$@" 3>&- </dev/null
}

@test "--rootless=true: root goes without a cgroup that cannot be made; by itself, root does not" {
    bundle web time wait
    run -1 without_cgroups create --bundle web web
    said "create container 'web': make cgroup "
    said 'Read-only file system'
    run -1 without_cgroups --rootless=auto create --bundle web web
    no_traces
    without_cgroups --rootless=true create --bundle web web >web.out 2>&1
    grep -q 'warning: make cgroup .*: the container gets no cgroup' web.out
    runuk start web
    prints web waiting
    run -1 runuk pause web
    said 'the container has no cgroup to freeze it with'
}

@test "limits without a cgroup to have them are an error, not a container without" {
    bundle web hello
    mapped web 0 "$USER_ID" 1
    config web '.linux.resources = {memory: {limit: 134217728}}'
    for_user
    run -1 user_runuk create --bundle web web
    said 'linux.resources: limits need a cgroup that this user may write: make cgroup'
    equal "$(find xdg/runuk -mindepth 1 -not -name ".runuk-*")" ''
}

@test "an ordinary user without a user namespace in config.json, or with ids of others, is told" {
    bundle web hello
    for_user
    run -1 user_runuk create --bundle web web
    said "clone the container's first process (an ordinary user needs a user namespace in linux.namespaces): Operation not permitted"
    mapped web 0 100000 65536
    run -1 user_runuk create --bundle web web
    said 'map the ids of the user namespace: '
    [[ $output == *'install uidmap'* || $output == *'/etc/subuid'* ]]
}

@test "unshare -r: root of a user namespace runs a guest, with the network that the namespace gives" {
    bundle web net
    for_user
    background by_user unshare -r "$PWD/programs/runuk" --settings "$SETTINGS" run --bundle web --pid-file xdg/pid web \
        >web.out 2>&1 </dev/null
    guest_up web
    equal "$(ids "$(pgrep -P "$(pgrep -P "$job")" || pgrep -P "$job")" | cut -d' ' -f1 | sort -u)" "$USER_ID"
    by_user unshare -r "$PWD/programs/runuk" --settings "$SETTINGS" kill web KILL
    wait_job "$job"
    equal "$status" 137
    equal "$(find xdg/runuk -mindepth 1 -not -name ".runuk-*")" ''
}
