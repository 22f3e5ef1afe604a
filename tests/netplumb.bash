# Loaded by net-survey.bats, net-wire.bats and net-undo.bats: netplumb/ alone, by its driver, in two network namespaces of a test's
# own, C (the container's) and P (its peer's). The one that the tests are started in is never touched.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # run sets output and stderr, the tests read the rest

bats_require_minimum_version 1.5.0

# shellcheck source=wait.bash
source "$(dirname "${BASH_SOURCE[0]}")/wait.bash"

stderr_has() {
    [[ $stderr == *"$1"* ]]
}

netplumb_setup() {
    if [ "$(id -u)" -ne 0 ]; then
        skip "network namespaces need root"
    fi
    DRIVER=${RUNUK_BUILD:-$BATS_TEST_DIRNAME/../build}/unit/net_driver
    [ -x "$DRIVER" ] || { echo "missing $DRIVER: make it first" && return 1; }
    C=runuk-net-$$-$BATS_TEST_NUMBER-c
    P=runuk-net-$$-$BATS_TEST_NUMBER-p
    PIDS=()
    ip netns add "$C"
    ip netns add "$P"
    # Addresses are settled at once: a link-local one that is still tentative would change between two looks.
    in_c sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
    in_p sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
    in_c ip link set lo up
}

netplumb_teardown() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    ip netns del "$C" 2>/dev/null || true
    ip netns del "$P" 2>/dev/null || true
}

in_c() { timeout 60 nsenter --net="/run/netns/$C" "$@"; }
in_p() { timeout 60 nsenter --net="/run/netns/$P" "$@"; }
driver() { in_c "$DRIVER" "$@"; }

# veth NAME N: a link NAME in C with 10.99.N.2 and fd99:N::2, whose peer pN in P has the .1 and ::1 of it.
veth() {
    local name=$1 n=$2
    ip link add "$name" netns "$C" type veth peer name "p$n" netns "$P"
    in_c ip addr add "10.99.$n.2/24" dev "$name"
    in_c ip addr add "fd99:$n::2/64" dev "$name"
    in_p ip addr add "10.99.$n.1/24" dev "p$n"
    in_p ip addr add "fd99:$n::1/64" dev "p$n"
    in_p ip link set "p$n" up
    in_c ip link set "$name" up
    settled in_c "$name"
    settled in_p "p$n"
}

# settled in_X NAME: wait until the link is up and has its link-local address.
settled() {
    local deadline=$((SECONDS + 10))
    until "$1" ip -j addr show "$2" | jq -e '.[0] | .operstate == "UP" and any(.addr_info[]; .scope == "link" and (.tentative | not))' >/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
    done
}

# Everything about C's network that a user could see.
snapshot() {
    in_c ip -d link show | sed 's/[a-z_]*_timer *[0-9.]*//g'
    in_c ip addr show
    in_c ip -d route show table all
    in_c ip -d -6 route show table all
    in_c ip rule show
    in_c tc qdisc show
    local link
    for link in $(in_c ip -j link show | jq -r '.[].ifname'); do
        in_c tc filter show dev "$link" ingress
    done
}

# start_guest MODE LINK: be a guest in the background; sets GUEST (its pid) and RECORD.
start_guest() {
    start_driver answer "$@"
}

# start_driver ARGS...: the driver in the background; sets GUEST (its pid) and RECORD (its first line).
start_driver() {
    local fifo=$BATS_TEST_TMPDIR/record.$RANDOM fd
    mkfifo "$fifo"
    exec {fd}<>"$fifo"
    nsenter --net="/run/netns/$C" "$DRIVER" "$@" >"$fifo" 3>&- &
    GUEST=$!
    PIDS+=("$GUEST")
    read -r -t 10 RECORD <&"$fd"
    exec {fd}>&-
}

# bridge_of RECORD: the name of its bridge.
bridge_of() {
    cut -d, -f6 <<<"$1"
}

stop_guest() {
    kill "$1"
    wait "$1"
}

# has_no_trace: no interface but lo and the veths that the test made, no ingress qdisc.
has_no_trace() {
    run in_c ip -j link show
    [ "$(jq -r '[.[].ifname | select(test("^(tap[0-9]|br-)"))] | length' <<<"$output")" -eq 0 ]
    run in_c tc qdisc show
    [[ $output != *ingress* ]]
    [[ $output != *clsact* ]]
}
