#!/usr/bin/env bats
# Taps and their wiring, redirect and bridge: the guest is reached, and nobody else hears or says anything in its place.

load netplumb

setup() {
    netplumb_setup
}

teardown() {
    netplumb_teardown
}

# A guest on eth0 answers both families, large frames, and datagrams whose checksum the sender left to its device.
guest_answers() {
    in_p ping -c 2 -i 0.1 -W 2 10.99.1.2
    in_p ping -c 2 -i 0.1 -W 2 fd99:1::2
    in_p ping -c 1 -W 2 -M 'do' -s 1472 10.99.1.2
    in_p ping -c 1 -W 2 -M 'do' -s 1452 fd99:1::2
    local address
    for address in 10.99.1.2 fd99:1::2; do
        # shellcheck disable=SC2016  # expanded by the inner shell
        run in_p bash -c 'exec 4<>"/dev/udp/$1/7" && echo hello >&4 && timeout 3 head -c 6 <&4' _ "$address"
        [ "$status" -eq 0 ]
        [ "$output" = hello ]
    done
    # It was the guest: the namespace's stack has the same address, but no UDP echo, and the MAC is the link's.
    [ "$(in_p ip -j neigh show 10.99.1.2 | jq -r '.[0].lladdr')" = "$(in_c ip -j link show eth0 | jq -r '.[0].address')" ]
}

@test "redirect: the guest is reached, v4 and v6, large frames, checksums finished" {
    veth eth0 1
    start_guest redirect eth0
    [[ $RECORD == redirect,tap0,*,eth0,*,-,0,$(in_c ip -j link show eth0 | jq -r '.[0].address'),1500 ]]
    guest_answers
    stop_guest "$GUEST"
    has_no_trace
}

@test "bridge: the guest is reached, v4 and v6, large frames, checksums finished" {
    veth eth0 1
    start_guest bridge eth0
    [[ $RECORD == bridge,tap0,*,eth0,*,br-*,*,$(in_c ip -j link show eth0 | jq -r '.[0].address'),1500 ]]
    guest_answers
    # Neither ports nor bridge have learnt the guest's MAC anywhere but at the tap.
    run in_c bridge -j fdb show br "$(bridge_of "$RECORD")"
    [ "$(jq -r --arg mac "$(cut -d, -f8 <<<"$RECORD")" '[.[] | select(.mac == $mac) | .ifname] | join(" ")' <<<"$output")" = tap0 ]
    stop_guest "$GUEST"
    has_no_trace
}

@test "redirect and bridge: runuk-spt takes the tap by descriptor, and its guest is reached" {
    local monitor=${DRIVER%/unit/*}/runuk-spt image=${DRIVER%/unit/*}/guests/net.spt mode
    [ -x "$monitor" ]
    veth eth0 1
    snapshot >"$BATS_TEST_TMPDIR/before"
    for mode in redirect bridge; do
        start_driver exec "$mode" eth0 "$monitor" "--net:service=@@TAP@" \
            "--net-mac:service=$(in_c ip -j link show eth0 | jq -r '.[0].address')" "$image" --ipv4=10.99.1.2/24
        in_p ping -c 3 -i 0.2 -W 5 10.99.1.2
        [ "$(in_p ip -j neigh show 10.99.1.2 | jq -r '.[0].lladdr')" = "$(cut -d, -f8 <<<"$RECORD")" ]
        kill "$GUEST"
        wait "$GUEST" || true
        driver undo "$RECORD"
        snapshot | diff "$BATS_TEST_TMPDIR/before" -
    done
}

@test "redirect and bridge: the namespace's own stack hears nothing from the link" {
    veth eth0 1
    local mode
    for mode in redirect bridge; do
        start_guest "$mode" eth0
        in_p ping -c 1 -W 2 10.99.1.2
        in_c cat /proc/net/snmp /proc/net/snmp6 >"$BATS_TEST_TMPDIR/before"
        in_p ping -c 3 -i 0.1 -W 2 10.99.1.2
        in_p ping -c 3 -i 0.1 -W 2 fd99:1::2
        # Also by broadcast and multicast, which a bridge floods to itself.
        in_p ping -b -c 1 -W 1 10.99.1.255 || true
        in_p ping -c 1 -W 1 ff02::1%p1 || true
        in_c cat /proc/net/snmp /proc/net/snmp6 >"$BATS_TEST_TMPDIR/after"
        diff <(grep -E '^(Icmp:|Udp:|Ip6InDelivers|Icmp6In|Icmp6OutEchoReplies)' "$BATS_TEST_TMPDIR/before") \
            <(grep -E '^(Icmp:|Udp:|Ip6InDelivers|Icmp6In|Icmp6OutEchoReplies)' "$BATS_TEST_TMPDIR/after")
        stop_guest "$GUEST"
    done
}

@test "two links, two guests: each hears its own, and one ends alone" {
    veth eth0 1
    veth eth1 2
    snapshot >"$BATS_TEST_TMPDIR/before"
    start_guest redirect eth0
    local first=$GUEST
    [[ $RECORD == redirect,tap0,* ]]
    start_guest bridge eth1
    local second=$GUEST
    [[ $RECORD == bridge,tap1,* ]]
    in_p ping -c 1 -W 2 10.99.1.2
    in_p ping -c 1 -W 2 10.99.2.2
    stop_guest "$first"
    in_p ping -c 1 -W 2 10.99.2.2
    in_p ping -c 1 -W 2 fd99:2::2
    run in_c ip link show tap1
    [ "$status" -eq 0 ]
    stop_guest "$second"
    snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "wired to nothing: a MAC of its own, and the namespace's stack neither hears nor answers" {
    veth eth0 1
    start_guest redirect -
    [[ $RECORD =~ ^none,tap0,[0-9]+,-,0,-,0,.[26ae]:..:..:..:..:..,1500$ ]]
    stop_guest "$GUEST"
    has_no_trace

    # Broadcast frames: ARP for the container's address; UDP to port 9 of it, v4; of fd99:1::2, v6.
    local arp udp4 udp6
    arp=ffffffffffff025500000001080600010800060400010255000000010a6301090000
    arp+=000000000a630102
    udp4=ffffffffffff02550000000108004500002000010000401163fc0a6301090a630102
    udp4+=30390009000c0000deadbeef
    udp6=ffffffffffff02550000000186dd60000000000c1140fe8000000000000000000055
    udp6+=00000001fd99000100000000000000000000000230390009000c3583deadbeef
    in_c grep -hE '^Udp:|^Udp6(InDatagrams|NoPorts|InErrors)' /proc/net/snmp /proc/net/snmp6 >"$BATS_TEST_TMPDIR/before"
    run driver listen none - 1000 <<<"$arp"$'\n'"$udp4"$'\n'"$udp6"
    [ "$status" -eq 0 ]
    [ "$output" = 0 ]
    in_c grep -hE '^Udp:|^Udp6(InDatagrams|NoPorts|InErrors)' /proc/net/snmp /proc/net/snmp6 >"$BATS_TEST_TMPDIR/after"
    diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "a tap hears nothing that nobody sent to it" {
    # The peer is silent, C's stack as talkative as it is by default.
    in_p sysctl -qw net.ipv6.conf.default.disable_ipv6=1
    in_c sysctl -qw net.ipv6.conf.default.accept_dad=1 net.ipv6.conf.default.router_solicitations=3
    ip link add eth0 netns "$C" type veth peer name p1 netns "$P"
    in_p ip link set p1 up
    in_c ip link set eth0 up
    local mode
    for mode in redirect bridge; do
        run driver listen "$mode" eth0 2500 </dev/null
        [ "$status" -eq 0 ]
        [ "$output" = 0 ]
    done
    run driver listen none - 2500 </dev/null
    [ "$status" -eq 0 ]
    [ "$output" = 0 ]
}

@test "the tap: persistent, the owner's, the link's MTU, no offloads, marked, first free number" {
    veth eth0 1
    in_c ip link set eth0 mtu 9000
    in_c ip tuntap add dev tap0 mode tap
    local record
    record=$(driver make redirect eth0)
    [[ $record == redirect,tap1,*,9000 ]]
    run in_c ip -j -d link show tap1
    [ "$(jq -r '.[0].mtu' <<<"$output")" = 9000 ]
    [ "$(jq -r '.[0].ifalias' <<<"$output")" = "runuk: eth0" ]
    [ "$(jq -r '.[0].linkinfo.info_data | "\(.type) \(.pi) \(.vnet_hdr) \(.persist)"' <<<"$output")" = "tap false false true" ]
    [ "$(in_c cat /proc/sys/net/ipv6/conf/tap1/disable_ipv6)" = 1 ]
    run in_c ip -j addr show tap1
    [ "$(jq '.[0].addr_info | length' <<<"$output")" -eq 0 ]
    driver undo "$record"
    run in_c ip link show tap0 # the neighbour
    [ "$status" -eq 0 ]
}

@test "the tap's descriptor is non-blocking and closed on exec, and its name is found behind it" {
    veth eth0 1
    start_guest redirect eth0
    local fd flags found=0
    for fd in /proc/"$GUEST"/fd/*; do
        [ "$(readlink "$fd")" = /dev/net/tun ] || continue
        found=$((found + 1))
        flags=$((8#$(awk '/^flags:/ { print $2 }' "/proc/$GUEST/fdinfo/${fd##*/}")))
        [ $((flags & 8#4000)) -ne 0 ]    # O_NONBLOCK
        [ $((flags & 8#2000000)) -ne 0 ] # O_CLOEXEC
        grep -q '^iff:.*tap0' "/proc/$GUEST/fdinfo/${fd##*/}"
    done
    [ "$found" -eq 1 ]
    stop_guest "$GUEST"
}

@test "a link whose MTU is too small for IPv6 is wired all the same" {
    veth eth0 1
    in_c ip link set eth0 mtu 1000
    in_p ip link set p1 mtu 1000
    local mode
    for mode in redirect bridge; do
        start_guest "$mode" eth0
        [[ $RECORD == *,1000 ]]
        in_p ping -c 1 -W 2 10.99.1.2
        stop_guest "$GUEST"
    done
    has_no_trace
}

@test "in a user namespace of its own, without the host's privileges" {
    # shellcheck disable=SC2016  # expanded by the inner shell
    run timeout 60 unshare --user --map-root-user --net bash -c '
        ip link add eth0 type veth peer name p1 && ip link set p1 up && ip link set eth0 up &&
            "$1" repeat 5 redirect eth0 && "$1" repeat 5 bridge eth0 && "$1" repeat 5 none - && ip -br link' _ "$DRIVER"
    [ "$status" -eq 0 ]
    [[ $output != *tap* ]]
    [[ $output != *br-* ]]
}

@test "an unknown mode is an error that names the modes" {
    veth eth0 1
    run --separate-stderr driver make macvtap eth0
    [ "$status" -eq 1 ]
    stderr_has "unknown network mode 'macvtap' (there are redirect and bridge)"
    has_no_trace
}
