#!/usr/bin/env bats
# The survey of a network namespace: links, addresses and routes as iproute2 tells them.

load netplumb

setup() {
    netplumb_setup
}

teardown() {
    netplumb_teardown
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
