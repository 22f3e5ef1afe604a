#!/usr/bin/env bats
# netplumb alone: survey, taps, redirect, bridge, and that undoing leaves nothing. It works in two network namespaces of its own,
# C (the container's) and P (its peer's), and never touches the one that it is started in.
#
# RUNUK_BUILD says where the driver is (default: build beside tests).

bats_require_minimum_version 1.5.0
load wait

# shellcheck disable=SC2154  # $stderr comes from run --separate-stderr
stderr_has() {
    [[ $stderr == *"$1"* ]]
}

setup() {
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

teardown() {
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

# The survey as iproute2 would write it, sorted.
expected_survey() {
    in_c ip -N -j -d addr show | jq -r '.[] | select(.link_type == "ether" or .link_type == "[1]")
        | .ifname as $l
        | "link \($l) \(.ifindex) \(.address) \(.mtu) \(if .flags | index("UP") then "up" else "down" end)",
          (.addr_info[] | "addr \($l) \(.local)/\(.prefixlen) scope \(.scope)")' >"$BATS_TEST_TMPDIR/expected"
    in_c ip -N -j -d route show table all | jq -r '.[]
        | select(.type == null or .type == "1") | select(.table != "255")
        | (.dst | if . == "default" then null else . end) as $dst
        | .v6 = ((.metric // 0) != 0 and (((.gateway // $dst // "") | test(":")) or any(.nexthops[]?; (.gateway // "") | test(":"))))
        | . as $r | (.nexthops // [{dev, gateway, via}])[]
        | "route \(.dev) " + (if $dst then "to " + (if $dst | test("/") then $dst else $dst + (if $r.v6 then "/128" else "/32" end) end)
                              else "default " + (if $r.v6 then "::/0" else "0.0.0.0/0" end) end)
          + " via \(.gateway // .via.host // "-") metric \($r.metric // 0) proto \($r.protocol // 3)"
          + " scope \($r.scope // 0) table \($r.table // 254)"' |
        grep -v '^route lo ' >>"$BATS_TEST_TMPDIR/expected" || true
    sort "$BATS_TEST_TMPDIR/expected"
}

# The kernel may be adding a link-local address or its route between the two looks: they are taken again until they agree.
survey_is_right() {
    local end=$((SECONDS + 5))
    until driver survey | sort >"$BATS_TEST_TMPDIR/got"
        expected_survey | diff - "$BATS_TEST_TMPDIR/got"; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

# has_no_trace: no interface but lo and the veths that the test made, no ingress qdisc.
has_no_trace() {
    run in_c ip -j link show
    [ "$(jq -r '[.[].ifname | select(test("^(tap[0-9]|br-)"))] | length' <<<"$output")" -eq 0 ]
    run in_c tc qdisc show
    [[ $output != *ingress* ]]
    [[ $output != *clsact* ]]
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

@test "survey: one link with v4 and v6 is told as iproute2 tells it" {
    veth eth0 1
    in_c ip route add default via 10.99.1.1
    in_c ip -6 route add default via fd99:1::1
    survey_is_right
    [ "$(grep -c '^addr eth0 ' "$BATS_TEST_TMPDIR/got")" -eq 3 ]
    grep -q '^route eth0 default 0.0.0.0/0 via 10.99.1.1 metric 0 proto 3 ' "$BATS_TEST_TMPDIR/got"
    grep -q '^route eth0 default ::/0 via fd99:1::1 metric 1024 proto 3 ' "$BATS_TEST_TMPDIR/got"
}

@test "survey: many addresses, tables, protocols, metrics, next hops and a v6 gateway of a v4 route" {
    veth eth0 1
    veth eth1 2
    in_c ip addr add 10.99.1.77/32 dev eth0
    in_c ip addr add 10.99.1.3/24 dev eth0
    in_c ip addr add 192.0.2.1 peer 192.0.2.9 dev eth1
    in_c ip addr add fd99:1::77/128 dev eth0
    in_c ip route add default proto 186 metric 5 nexthop via 10.99.1.1 nexthop via 10.99.2.1
    in_c ip route add 198.51.100.0/24 via inet6 fd99:1::1 dev eth0
    in_c ip route add 203.0.113.7 via 10.99.2.1 table 1000 proto ra
    in_c ip -6 route add 2001:db8::/32 via fd99:2::1 metric 7 proto ra
    in_c ip -6 route add 2001:db8:1::1 dev eth1 table 300
    in_c ip route add blackhole 198.51.101.0/24
    in_c ip -6 route add unreachable 2001:db8:dead::/48
    survey_is_right
    [ "$(grep -c 'default 0.0.0.0/0 .* proto 186' "$BATS_TEST_TMPDIR/got")" -eq 2 ]
    grep -q '^route eth0 to 198.51.100.0/24 via fd99:1::1 ' "$BATS_TEST_TMPDIR/got"
    grep -q '^addr eth1 192.0.2.1/32 ' "$BATS_TEST_TMPDIR/got"
}

@test "survey: links without addresses, without IPv4, and down" {
    ip link add bare netns "$C" type veth peer name p1 netns "$P"
    ip link add six netns "$C" type veth peer name p2 netns "$P"
    in_p ip link set p2 up
    in_c ip addr add fd99:2::2/64 dev six
    in_c ip link set six up mtu 9000
    survey_is_right
    grep -q '^link bare .* 1500 down$' "$BATS_TEST_TMPDIR/got"
    grep -q '^link six .* 9000 up$' "$BATS_TEST_TMPDIR/got"
}

@test "survey: by name and its number, whatever was made first, without lo, layer 3 links and what is ours" {
    ip link add index 90 name eth0 netns "$C" type veth peer name p0 netns "$P"
    ip link add index 40 name eth1 netns "$C" type veth peer name p1 netns "$P"
    ip link add index 60 name eth2 netns "$C" type veth peer name p2 netns "$P"
    ip link add index 30 name eth10 netns "$C" type veth peer name p10 netns "$P"
    in_c ip tuntap add dev vpn0 mode tun
    run driver make redirect eth1
    [ "$status" -eq 0 ]
    run driver make bridge eth2
    [ "$status" -eq 0 ]
    run driver survey
    [ "$status" -eq 0 ]
    [ "$(awk '/^link/ { printf "%s ", $2 }' <<<"$output")" = "eth0 eth1 eth2 eth10 " ]
}

@test "survey: a namespace with nothing but lo has no links" {
    run driver survey
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "survey: two thousand routes and a hundred addresses come through whole" {
    veth eth0 1
    local i
    for ((i = 0; i < 2000; i++)); do
        echo "route add 172.$((16 + i / 256)).$((i % 256)).0/24 via 10.99.1.1"
    done | in_c ip -batch -
    for ((i = 100; i < 200; i++)); do
        echo "addr add 10.99.1.$i/24 dev eth0"
    done | in_c ip -batch -
    survey_is_right
    [ "$(grep -c ' via 10.99.1.1 ' "$BATS_TEST_TMPDIR/got")" -eq 2000 ]
    [ "$(grep -c '^addr eth0 10.99.1.' "$BATS_TEST_TMPDIR/got")" -eq 101 ]
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

@test "redirect and bridge: a fresh process undoes everything, twice is no error" {
    veth eth0 1
    in_c ip route add default via 10.99.1.1
    in_c ip route add 198.51.100.0/24 via 10.99.1.1 src 10.99.1.2 metric 9 proto 77
    in_c ip -6 route add default via fd99:1::1
    snapshot >"$BATS_TEST_TMPDIR/before"
    local mode record
    for mode in redirect bridge; do
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
    for mode in redirect bridge; do
        for ((n = 1; ; n++)); do
            killed_making "$mode" "$n" 2>/dev/null || break
            in_c tc qdisc show dev eth0 >"$BATS_TEST_TMPDIR/qdisc"
            # shellcheck disable=SC2314 # the last command of the list
            if grep ingress "$BATS_TEST_TMPDIR/qdisc"; then in_c tc filter show dev eth0 ingress | grep 'Redirect to device'; fi
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
