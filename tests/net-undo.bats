#!/usr/bin/env bats
# What is wired is undone without a trace, whoever is killed in between; what is another's is refused and left as it is.

load netplumb

setup() {
    netplumb_setup
}

teardown() {
    netplumb_teardown
}

@test "redirect and bridge: a fresh process undoes everything, twice is no error" {
    veth eth0 1
    in_c ip route add default via 10.99.1.1
    in_c ip route add 198.51.100.0/24 via 10.99.1.1 src 10.99.1.2 metric 9 proto 77
    in_c ip -6 route add default via fd99:1::1
    snapshot >"$BATS_TEST_TMPDIR/before"
    local mode record
    for mode in redirect bridge redirect,relay bridge,relay; do
        record=$(driver make "$mode" eth0)
        run in_c ip link show tap0
        [ "$status" -eq 0 ]
        run snapshot
        [ "$output" != "$(cat "$BATS_TEST_TMPDIR/before")" ]
        run driver undo "$record"
        [ "$status" -eq 0 ]
        snapshot | diff "$BATS_TEST_TMPDIR/before" -
        run driver undo "$record"
        [ "$status" -eq 0 ]
        snapshot | diff "$BATS_TEST_TMPDIR/before" -
        in_p ping -c 1 -W 2 10.99.1.2 # the namespace's stack has its link back
        in_p ping -c 1 -W 2 fd99:1::2
    done
}

@test "redirect, bridge and none: a hundred wires leave nothing" {
    veth eth0 1
    snapshot >"$BATS_TEST_TMPDIR/before"
    local mode
    for mode in redirect bridge; do
        run driver repeat 100 "$mode" eth0
        [ "$status" -eq 0 ]
        snapshot | diff "$BATS_TEST_TMPDIR/before" -
    done
    run driver repeat 100 none -
    [ "$status" -eq 0 ]
    snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a link with an ingress or clsact qdisc of someone else's is refused and left as it is" {
    veth eth0 1
    local kind mode
    for kind in ingress clsact; do
        in_c tc qdisc add dev eth0 "$kind"
        in_c tc filter add dev eth0 ingress protocol ip prio 5 u32 match u32 0 0 flowid :1
        snapshot >"$BATS_TEST_TMPDIR/before"
        for mode in redirect bridge; do
            run --separate-stderr driver make "$mode" eth0
            [ "$status" -eq 1 ]
            stderr_has "link 'eth0' has an ingress qdisc that is not runuk's"
            snapshot | diff "$BATS_TEST_TMPDIR/before" -
        done
        in_c tc qdisc del dev eth0 "$kind"
    done
}

@test "a link that carries a guest is refused to a second one" {
    veth eth0 1
    local mode
    start_guest redirect eth0
    for mode in redirect bridge; do
        run --separate-stderr driver make "$mode" eth0
        [ "$status" -eq 1 ]
        stderr_has "link 'eth0' already carries another guest"
    done
    in_p ping -c 1 -W 2 10.99.1.2
    stop_guest "$GUEST"
    start_guest bridge eth0
    for mode in redirect bridge; do
        run --separate-stderr driver make "$mode" eth0
        [ "$status" -eq 1 ]
        stderr_has "link 'eth0'"
    done
    in_p ping -c 1 -W 2 10.99.1.2
    stop_guest "$GUEST"
    has_no_trace
}

@test "what a killed runtime left on a link is taken away" {
    veth eth0 1
    snapshot >"$BATS_TEST_TMPDIR/before"
    local left mode
    for left in redirect bridge; do
        for mode in redirect bridge; do
            driver make "$left" eth0
            in_c ip link del tap0 # what is on eth0 stays, and leads nowhere
            if [[ $left == redirect ]]; then
                in_c tc qdisc show dev eth0 | grep -q ingress
            else
                in_c ip -o link show dev eth0 | grep -q 'master br-'
            fi
            start_guest "$mode" eth0
            in_p ping -c 1 -W 2 10.99.1.2
            stop_guest "$GUEST"
            snapshot | diff "$BATS_TEST_TMPDIR/before" -
        done
    done
}

# The kernel has noticed that nobody holds the tap; what else it tells a bridge about that it tells at once.
tap_settled() {
    in_c ip -o link show dev tap0 | grep -q NO-CARRIER
}

# killed_making MODE N: a wire whose maker is killed at its N-th message to the kernel; false when it does not get there.
killed_making() {
    local status=0
    in_c timeout 20 strace -o /dev/null -e trace=sendmsg -e "inject=sendmsg:signal=SIGKILL:when=$2" "$DRIVER" make "$1" eth0 >record || status=$?
    ((status == 137))
}

@test "a maker that is killed at any message leaves only what says whose it is, and for which tap" {
    veth eth0 1
    local mode n
    cd "$BATS_TEST_TMPDIR"
    for mode in redirect bridge bridge,relay; do
        for ((n = 1; ; n++)); do
            killed_making "$mode" "$n" 2>/dev/null || break
            in_c tc qdisc show dev eth0 >"$BATS_TEST_TMPDIR/qdisc"
            # shellcheck disable=SC2314 # the last command of the list
            if grep ingress "$BATS_TEST_TMPDIR/qdisc"; then in_c tc filter show dev eth0 ingress | grep -i 'redirect to device'; fi
            in_c ip -j link | jq -e '[.[] | select(.ifname | startswith("br-")) | .ifalias] | all(startswith("runuk: eth0, tap "))'
            in_c ip -j link | jq -e 'all(.ifname != "tap0")'
            driver sweep
            has_no_trace
        done
        ((n > 5))
        eventually 5 tap_settled
        snapshot >living
        driver sweep
        snapshot | diff living -
        driver undo "$(cat record)" # of the one that got through
        has_no_trace
    done
}

@test "undo leaves alone what is no longer ours" {
    veth eth0 1
    local record
    record=$(driver make redirect eth0)
    in_c ip link del tap0
    in_c tc qdisc del dev eth0 ingress
    in_c ip tuntap add dev tap0 mode tap
    in_c tc qdisc add dev eth0 ingress
    snapshot >"$BATS_TEST_TMPDIR/before"
    run driver undo "$record"
    [ "$status" -eq 0 ]
    snapshot | diff "$BATS_TEST_TMPDIR/before" -

    in_c tc qdisc del dev eth0 ingress
    record=$(driver make bridge eth0)
    in_c ip link del "$(bridge_of "$record")"
    in_c ip link add "$(bridge_of "$record")" type bridge
    in_c ip link set tap1 down
    in_c ip link set tap1 name other
    snapshot >"$BATS_TEST_TMPDIR/before"
    run driver undo "$record"
    [ "$status" -eq 0 ]
    snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "undo when the link itself is gone removes the tap" {
    veth eth0 1
    local mode record
    for mode in redirect bridge; do
        record=$(driver make "$mode" eth0)
        in_c ip link del eth0
        run driver undo "$record"
        [ "$status" -eq 0 ]
        has_no_trace
        veth eth0 1
    done
}

@test "a wire that fails half-way leaves nothing" {
    veth eth0 1
    # The last step of each mode fails for a link of a kind that it needs: a bridge refuses a bridge as its port, and an
    # ingress qdisc of another is met when the tap is already there.
    in_c ip link add mine type bridge
    in_c ip link set mine up
    in_c tc qdisc add dev eth0 clsact
    snapshot >"$BATS_TEST_TMPDIR/before"
    run --separate-stderr driver make bridge mine
    [ "$status" -eq 1 ]
    stderr_has "put the link on bridge 'br-"
    run --separate-stderr driver make redirect eth0
    [ "$status" -eq 1 ]
    snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a link that is a port of another's bridge stays there" {
    veth eth0 1
    in_c ip link add mine type bridge
    in_c ip link set eth0 master mine
    snapshot >"$BATS_TEST_TMPDIR/before"
    local mode
    for mode in redirect bridge; do
        run --separate-stderr driver make "$mode" eth0
        [ "$status" -eq 1 ]
        stderr_has "link 'eth0' is already a port of 'mine'"
        snapshot | diff "$BATS_TEST_TMPDIR/before" -
    done
}
