#!/bin/sh
# What runuk promises of a bundle with a KVM guest in it, checked inside the lab's machine; speaks TAP.
# shellcheck shell=dash
set -u
# shellcheck disable=SC1091 # its place inside the machine
. /lab/tests/tap.sh

guests=/runuk/guests

# --- a bundle, a network, and what is there -----------------------------------------------------------------------------

# make_bundle ID ARG…: ./ID with the guests ARG names in rootfs (both kinds, where both exist), and its config.json.
# $limit, $mounts and $netns go into it.
make_bundle() {
    id=$1
    shift
    mkdir -p "$id/rootfs"
    for kind in ${kinds:-hvt spt}; do
        cp "$guests${1}.$kind" "$id/rootfs/"
    done
    args=
    for arg in "$@"; do
        args="$args${args:+, }\"$arg\""
    done
    cat >"$id/config.json" <<JSON
{
    "ociVersion": "1.0.2",
    "process": {
        "terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "noNewPrivileges": true,
        "args": [$args],
        "env": ["PATH=/bin"],
        "capabilities": {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]}
    },
    "root": {"path": "rootfs", "readonly": true},
    "hostname": "unikernel",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"}${mounts:+,$mounts}
    ],
    "linux": {
        "cgroupsPath": "/lab/$id",
        "resources": {
            "devices": [{"allow": false, "access": "rwm"}],
            "memory": {"limit": ${limit:-134217728}}
        },
        "namespaces": [
            {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
            {"type": "network"${netns:+, \"path\": \"/run/netns/$netns\"}}
        ]
    }
}
JSON
    echo '{"monitor_dir": "/runuk"}' >settings.json
    # Whatever this check leaves when it fails must not be found by the next one.
    trap clean_up EXIT
}

clean_up() {
    trap - EXIT
    for leftover in state/*; do
        [ ! -d "$leftover" ] || runuk_ delete --force "${leftover##*/}" >/dev/null 2>&1
    done
    [ -z "${netns:-}" ] || ip netns del "$netns"
}

runuk_() {
    runuk --root "$PWD/state" --settings "$PWD/settings.json" "$@"
}

# run, for runuk with this check's state and settings.
run_runuk() {
    run runuk --root "$PWD/state" --settings "$PWD/settings.json" "$@"
}

# make_network NAME ADDRESS GATEWAY: a namespace with eth0, as an engine would make it; sets $netns.
make_network() {
    netns=$1
    ip netns add "$1"
    ip link add "v$1" type veth peer name eth0 netns "$1"
    ip addr add "$3/24" dev "v$1"
    ip link set "v$1" up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 mtu 1450 up
    ip -n "$1" route add default via "$3"
}

# Everything that a container can leave behind, one thing a line.
inventory() {
    grep -v '/run/netns' /proc/self/mountinfo | cut -d ' ' -f 4-
    find /sys/fs/cgroup -type d -path '*lab*'
    ip -o link | cut -d ' ' -f 2
    if [ -n "${netns:-}" ]; then
        ip -n "$netns" -o link
        ip -n "$netns" -o addr
        ip -n "$netns" route
        tc -n "$netns" qdisc
        tc -n "$netns" filter show dev eth0 ingress
    fi
    # Programs that run, other than the shells and tools of this script.
    for process in /proc/[0-9]*; do
        readlink "$process/exe" || :
    done | grep -v -e /busybox -e /dash | sort
    find state -type d 2>/dev/null | grep -v '^state$' || :
}

# A veth shows whether its peer is up with some delay: let the wires come to rest before they are looked at.
settled_inventory() {
    [ -z "${netns:-}" ] || await 10 sh -c "ip -n $netns link show eth0 | grep -q 'state UP'"
    # An IPv6 address is tentative for a second, and lifetimes count down.
    [ -z "${netns:-}" ] || await 10 sh -c "! ip -n $netns addr | grep -q tentative"
    inventory | sed 's/valid_lft.*//'
}

expect_state() {
    run_runuk state "$1"
    expect_status 0
    echo "$output" | grep -q "\"status\": *\"$2\"" || fail "the state of $1 is not '$2'"
}

is_stopped() {
    runuk_ state "$1" | grep -q '"status": *"stopped"'
}

start_container() {
    # Detached as under an engine: the guest keeps these descriptors.
    status=0
    timeout 60 runuk --root "$PWD/state" --settings "$PWD/settings.json" create --bundle "$1" --pid-file pid "$1" \
        >"$1.log" 2>&1 </dev/null || status=$?
    cat "$1.log"
    expect_status 0
    run_runuk start "$1"
    expect_status 0
}

stop_container() {
    run_runuk kill "$1" TERM
    expect_status 0
    await 5 is_stopped "$1"
    run_runuk delete "$1"
    expect_status 0
}

fetch() {
    run wget -q -O - "$1"
    expect_status 0
}

# --- the checks ---------------------------------------------------------------------------------------------------------

test_lifecycle() {
    make_network na 10.88.0.2 10.88.0.1
    make_bundle web /web
    settled_inventory >before
    timeout 60 runuk --root "$PWD/state" --settings "$PWD/settings.json" create --bundle web --pid-file pid web \
        >web.log 2>&1 </dev/null || fail "create: $(cat web.log)"
    expect_state web created
    kill -0 "$(cat pid)" || fail "the pid file names no process"
    run_runuk start web
    expect_status 0
    [ -z "$output" ] || fail "start is not silent"
    expect_state web running
    await 30 ping -c 1 -W 1 10.88.0.2
    run ping -c 5 -A -W 5 10.88.0.2
    expect_output "5 packets transmitted, 5 packets received"
    fetch http://10.88.0.2/
    expect_output "hvt"
    run_runuk kill web TERM
    expect_status 0
    await 5 is_stopped web
    expect_state web stopped
    run_runuk delete web
    expect_status 0
    run_runuk state web
    [ "$status" -ne 0 ] || fail "the container is still known"
    settled_inventory >after
    diff before after || fail "something is left"
}

test_identity() {
    make_network nb 10.88.1.2 10.88.1.1
    mac=$(ip -n nb -o link show eth0 | sed 's/.*link.ether \([0-9a-f:]*\).*/\1/')
    limit=67108864
    make_bundle web /web
    start_container web
    await 30 ping -c 1 -W 1 10.88.1.2
    fetch http://10.88.1.2/plain
    expect_output "hvt"
    expect_output "$mac"
    expect_output "1450"
    expect_output "10.88.1.2"
    # The page says how much memory the guest has: of the limit, something stays for the monitor.
    memory=$(echo "$output" | sed -n 's/^mem[a-z ]*: *\([0-9]*\).*/\1/p')
    expect_between "the guest's memory is" "$memory" 33554432 67108863
    stop_container web
}

test_confined() {
    make_network nc 10.88.2.2 10.88.2.1
    make_bundle web /web
    start_container web
    await 30 ping -c 1 -W 1 10.88.2.2
    pid=$(cat pid)
    cat "/proc/$pid/status"
    ls -l "/proc/$pid/fd"
    for set in Inh Prm Eff Bnd Amb; do
        grep -qx "Cap$set:.0000000000000000" "/proc/$pid/status" || fail "Cap$set is not empty"
    done
    grep -qx 'Seccomp:.2' "/proc/$pid/status" || fail "no seccomp filter"
    grep -qx 'NoNewPrivs:.1' "/proc/$pid/status" || fail "new privileges are possible"
    ! grep -q '^Uid:.0' "/proc/$pid/status" || fail "it runs as root"
    # What is to be dumped is its user's, what is not is root's.
    [ "$(stat -c %u "/proc/$pid/mem")" = 0 ] || fail "others of its user may read its memory"
    ls -A "/proc/$pid/root/" >entries
    [ ! -s entries ] || fail "its root is not empty: $(cat entries)"
    children=$(cat "/proc/$pid/task/$pid/children")
    [ -z "$children" ] || fail "it has children"
    [ "$(sed -n 's/^NSpid:.*[^0-9]\([0-9]*\)$/\1/p' "/proc/$pid/status")" = 1 ] || fail "it is not PID 1"
    stop_container web
}

test_bridge() {
    make_network nd 10.88.3.2 10.88.3.1
    make_bundle web /web
    echo '{"monitor_dir": "/runuk", "network_mode": "bridge"}' >settings.json
    settled_inventory >before
    start_container web
    await 30 ping -c 1 -W 1 10.88.3.2
    fetch http://10.88.3.2/plain
    expect_output "hvt"
    ip -n nd -o link show type bridge | grep -q . || fail "no bridge"
    stop_container web
    settled_inventory >after
    diff before after || fail "something is left"
}

test_exit_status() {
    make_bundle exit /exit 7
    settled_inventory >before
    run_runuk run --bundle exit exit
    expect_status 7
    expect_line "exit: 7"
    settled_inventory >after
    diff before after || fail "something is left"
}

test_signal_status() {
    make_bundle time /time wait
    timeout 60 runuk --root "$PWD/state" --settings "$PWD/settings.json" run --bundle time time >time.log 2>&1 &
    caller=$!
    await 30 grep -q '^waiting$' time.log
    run_runuk kill time INT
    expect_status 0
    await_end 10 "$caller"
    expect_status 130
}

test_arguments() {
    make_network ne 10.88.4.2 10.88.4.1
    make_bundle hello /hello 'at={ipv4.cidr}' 'via={ipv4.gateway}' 'two words'
    run_runuk run --bundle hello hello
    expect_status 0
    expect_line "Hello from hvt"
    expect_line "arg[0]: at=10.88.4.2/24"
    expect_line "arg[1]: via=10.88.4.1"
    expect_line "arg[2]: two words"
}

test_disk() {
    dd if=/dev/zero of=disk bs=64k count=1 2>/dev/null
    mounts="{\"destination\": \"/dev/storage\", \"type\": \"bind\", \"source\": \"$PWD/disk\", \"options\": [\"rbind\"]}"
    make_bundle block /block rw
    run_runuk run --bundle block block
    expect_status 0
    expect_line "capacity: 65536"
    expect_line "SUCCESS"
    mounts="{\"destination\": \"/dev/storage\", \"type\": \"bind\", \"source\": \"$PWD/disk\",
        \"options\": [\"rbind\", \"ro\"]}"
    make_bundle block /block verify
    run_runuk run --bundle block block
    expect_status 0
    make_bundle block /block write
    run_runuk run --bundle block block
    expect_status 3
    expect_line "write refused"
}

# The guest verifies 65536 bytes in blocks of 512, prints three times, and waits.
test_figures() {
    dd if=/dev/zero of=disk bs=64k count=1 2>/dev/null
    mounts="{\"destination\": \"/dev/storage\", \"type\": \"bind\", \"source\": \"$PWD/disk\", \"options\": [\"rbind\"]}"
    make_bundle block /block write wait
    start_container block
    await 30 grep -q waiting block.log
    run_runuk exec block :stats
    expect_status 0
    expect_output '"block":{"storage":{"reads":0,"read_bytes":0,"writes":128,"written_bytes":65536}}'
    expect_output '"exits":{"hypercalls":{"walltime":0,"puts":3,"poll":1,"block_write":128,"block_read":0,'
    expect_output '"interrupted":'
    expect_output '"other":0}'
    expect_output '"io":{"reads":'
    run_runuk events --stats block
    expect_status 0
    expect_output '"storage":{"reads":0,"read_bytes":0,"writes":128,"written_bytes":65536}'
    stop_container block
}

test_figures_spoiled() {
    make_bundle time /time wait
    start_container time
    await 30 grep -q waiting time.log
    run_runuk exec time :stats
    expect_output '"puts":1'
    # What a monitor could do that its guest has taken over.
    printf 'rkfigure\377\377' | dd of=state/time/figures conv=notrunc 2>/dev/null
    run_runuk exec time :stats
    expect_status 0
    expect_output "container 'time': figures of version"
    refuse_output '"exits"'
    expect_output '"pids"'
    stop_container time
}

# watch ID FILE: exec :console in the background; $watcher shows it in FILE.
watch() {
    runuk_ exec --detach --pid-file watcher "$1" :console >"$2" 2>&1 </dev/null
    watcher=$(cat watcher)
}

tracer_is() {
    grep -qx "TracerPid:.$2" "/proc/$1/status"
}

test_console() {
    make_bundle time /time tick 50
    start_container time
    await 30 grep -q '^tick 1 ' time.log
    watch time shown
    await 10 grep -q '^tick ' shown
    first=$(head -n 1 shown)
    await 10 sh -c '[ "$(wc -l <shown)" -gt 10 ]'
    run_runuk kill time TERM
    await 5 is_stopped time
    await 5 lab_is_over "$watcher"
    sed -n "/^$first\$/,\$p" time.log | cmp - shown || fail "other lines than the engine's"
    run_runuk delete time
}

# As a process of the host's namespace, which no signal spares.
test_console_load() {
    make_network nh 10.88.7.2 10.88.7.1
    make_bundle web /web
    sed -i 's/{"type": "pid"}, //' web/config.json
    start_container web
    await 30 ping -c 1 -W 1 10.88.7.2
    monitor=$(cat pid)
    sh -c 'while wget -q -O page "http://10.88.7.2/big?n=20000" && [ "$(wc -c <page)" = 20000 ]; do
        echo page >>pages; done' &
    load=$!
    await 30 test -s pages
    round=0
    while [ "$round" -lt 20 ]; do
        round=$((round + 1))
        watch web shown
        await 5 tracer_is "$monitor" "$watcher"
        usleep $((round * 2000))
        kill -s KILL "$watcher"
        await 5 tracer_is "$monitor" 0
        expect_state web running >/dev/null
    done
    before=$(wc -l <pages)
    await 30 sh -c "[ \"\$(wc -l <pages)\" -gt $((before + 5)) ]"
    kill -0 "$load" || fail "a page was not fetched"
    kill "$load"
    stop_container web
}

test_delete_running() {
    make_network nf 10.88.5.2 10.88.5.1
    make_bundle web /web
    settled_inventory >before
    start_container web
    run_runuk delete web
    [ "$status" -ne 0 ] || fail "a running container was deleted without force"
    await 30 ping -c 1 -W 1 10.88.5.2
    run_runuk delete --force web
    expect_status 0
    [ ! -e "/proc/$(cat pid)" ] || fail "the guest is still running"
    settled_inventory >after
    diff before after || fail "something is left"
}

test_many_times() {
    make_network ng 10.88.6.2 10.88.6.1
    make_bundle web /web
    settled_inventory >before
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        start_container web
        stop_container web
    done
    settled_inventory >after
    diff before after || fail "something is left"
}

# Last, for it takes KVM away; it gives it back, too.
test_without_kvm() {
    rmmod kvm_amd
    trap 'insmod /lab/modules/kvm-amd.ko; clean_up' EXIT
    make_bundle hello /hello
    trap 'insmod /lab/modules/kvm-amd.ko; clean_up' EXIT
    run_runuk run --bundle hello hello
    expect_status 0
    expect_line "Hello from spt"
    kinds=hvt
    make_bundle alone /hello
    trap 'insmod /lab/modules/kvm-amd.ko; clean_up' EXIT
    run_runuk run --bundle alone alone
    [ "$status" -ne 0 ] || fail "an image for KVM ran without"
    expect_output "/dev/kvm"
    expect_output "spt"
}

# The parents of a container's cgroup are the engine's.
mkdir -p /sys/fs/cgroup/lab

check "create, start, ping, fetch, kill, delete, and nothing is left" test_lifecycle
check "the guest has the link's MAC, MTU and address, and less memory than the limit" test_identity
check "the container's monitor is confined" test_confined
check "the guest as a port of a bridge" test_bridge
check "run ends with the guest's exit status" test_exit_status
check "run ends with 128 + the signal that ended the guest" test_signal_status
check "arguments reach the guest, placeholders filled" test_arguments
check "a bind mount is the guest's disk, read-only too" test_disk
check "events and :stats tell what the monitor counted" test_figures
check "figures that are none are left out" test_figures_spoiled
check "exec :console shows what the guest prints" test_console
check "a guest under load is watched and left twenty times" test_console_load
check "delete --force ends a running guest" test_delete_running
check "ten times create, start, kill and delete leave nothing" test_many_times
check "without KVM the spt variant is taken, and an image for KVM alone is refused" test_without_kvm
finish_checks
