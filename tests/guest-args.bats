#!/usr/bin/env bats
# What a guest is told, from the network namespace that an engine made to the words that reach it, and that the namespace is
# afterwards as it was. C is the container's namespace, P its peer's; both are the test's own.

load oci

setup() {
    oci_setup
    C=$TAG-c
    P=$TAG-p
    ip netns add "$C"
    ip netns add "$P"
    # Addresses are settled at once, and nothing comes unasked.
    in_c sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
    in_p sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
    in_c ip link set lo up
}

teardown() {
    local status=0
    oci_teardown || status=$?
    ip netns del "$C"
    ip netns del "$P"
    return "$status"
}

in_c() { timeout 60 nsenter --net="/run/netns/$C" "$@"; }
in_p() { timeout 60 nsenter --net="/run/netns/$P" "$@"; }

# veth NAME N: a link NAME in C, its peer pN in P, without addresses but those of the link.
veth() {
    ip link add "$1" netns "$C" type veth peer name "p$2" netns "$P"
    in_p ip link set "p$2" up
    in_c ip link set "$1" up
    eventually 10 settled in_c "$1"
    eventually 10 settled in_p "p$2"
}

settled() {
    "$1" ip -j addr show "$2" |
        jq -e '.[0] | .operstate == "UP" and any(.addr_info[]; .scope == "link" and (.tentative | not))' >/dev/null
}

# v4 NAME N: 10.99.N.2/24 with the gateway .1, which the peer is; a default route for N 0.
v4() {
    in_c ip addr add "10.99.$2.2/24" dev "$1"
    in_p ip addr add "10.99.$2.1/24" dev "p$2"
    (($2 > 0)) || in_c ip route add default via 10.99.0.1 dev "$1"
}

v6() {
    in_c ip addr add "fd99:$2::2/64" dev "$1"
    in_p ip addr add "fd99:$2::1/64" dev "p$2"
    (($2 > 0)) || in_c ip route add default via fd99:0::1 dev "$1"
}

# Everything about C's network that a user could see.
snapshot() {
    local link
    in_c ip -d link show | sed 's/gc_timer *[0-9.]*//'
    in_c ip addr show
    in_c ip -d route show table all
    in_c ip -d -6 route show table all
    in_c tc qdisc show
    for link in $(in_c ip -j link show | jq -r '.[].ifname'); do
        in_c tc filter show dev "$link" ingress
    done
}

taps() {
    in_c ip -j link show type tun | jq -r '[.[].ifname // empty] | join(" ")'
}

# net_bundle ID GUEST [ARGUMENT…]: a bundle in the namespace C.
net_bundle() {
    bundle "$@"
    config "$1" '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/run/netns/$C"
}

# words ID: what the running monitor was called with behind the image, each in brackets.
words() {
    local pid word seen=0
    pid=$(field "$1" .pid)
    while IFS= read -r -d '' word; do
        ((!seen)) || printf '[%s]' "$word"
        [[ $word != @3 ]] || seen=1
    done <"/proc/$pid/cmdline"
}

words_are() {
    equal "$(words "$1")" "$2"
}

# gets ID ARGUMENT…: the arguments of hello as it received them, one by one.
gets() {
    local id=$1 argument i=0 want=''
    shift
    for argument; do
        want+="arg[$i]: $argument"$'\n'
        i=$((i + 1))
    done
    run runuk run --bundle "$BATS_TEST_TMPDIR/$id" "$id" </dev/null
    ended 0
    equal "$(grep -a '^arg\[' <<<"$output")" "${want%$'\n'}"
}

refused() {
    local status=0
    create "$1"
    run runuk start "$1"
    ended 1
    said "$2"
    is "$1" stopped
    equal "$(taps)" ''
    runuk delete "$1"
}

mac_of() {
    in_c ip -j link show dev "$1" | jq -r '.[0].address'
}

@test "a guest gets the address and gateway of its link, and answers there" {
    veth eth0 0
    v4 eth0 0
    net_bundle a net
    launch a
    words_are a '[--ipv4=10.99.0.2/24][--ipv4-gateway=10.99.0.1]'
    prints a "mac $(mac_of eth0) mtu 1500 address 10.99.0.2/24 gateway 10.99.0.1"
    in_p ping -q -c 1 -w 10 10.99.0.2
    run -0 in_p curl -sS -m 20 http://10.99.0.2/
    said 'Hello from spt'
}

@test "an option that the image does not contain is not given" {
    veth eth0 0
    v4 eth0 0
    net_bundle a net
    # An address without a gateway is a word that a network stack says of itself.
    LC_ALL=C sed -i 's/ipv4-gateway/xpv4-gateway/g' a/rootfs/guest
    launch a
    words_are a ''
    runuk delete --force a
    # A longer word is another word.
    cp "$GUESTS/net.spt" a/rootfs/guest
    LC_ALL=C sed -i 's/\x00ipv4\x00/xipv4\x00/g; s/\x00ipv4-gateway\x00/\x00ipv4-gatewayx/g' a/rootfs/guest
    launch a
    words_are a ''
}

@test "what the user's arguments set is not set once more" {
    veth eth0 0
    v4 eth0 0
    net_bundle a net --ipv4=10.99.0.7/24 word
    launch a
    words_are a '[--ipv4=10.99.0.7/24][word]'
    prints a 'address 10.99.0.7/24 gateway none'
    in_p ping -q -c 1 -w 10 10.99.0.7
    net_bundle b net '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}'
    runuk delete --force a
    launch b
    words_are b '[--ipv4=10.99.0.2/24][--ipv4-gateway=10.99.0.1]'
}

@test "a second device has its own link, and options with its name in front" {
    veth eth0 0
    veth eth1 1
    v4 eth0 0
    v4 eth1 1
    net_bundle a net2
    launch a
    words_are a '[--ipv4=10.99.0.2/24][--ipv4-gateway=10.99.0.1][--second-ipv4=10.99.1.2/24]'
    in_p ping -q -c 1 -w 10 10.99.0.2
    in_p ping -q -c 1 -w 10 10.99.1.2
    prints a "second: mac $(mac_of eth1) mtu 1500 address 10.99.1.2/24"
}

@test "a device gets the link of its own name before the order counts" {
    veth second 1
    veth eth5 0
    v4 second 1
    v4 eth5 0
    net_bundle a net2
    launch a
    prints a "service: mac $(mac_of eth5) mtu 1500 address 10.99.0.2/24"
    prints a "second: mac $(mac_of second) mtu 1500 address 10.99.1.2/24"
    in_p ping -q -c 1 -w 10 10.99.1.2
}

@test "a device too many is wired to nothing, and the first one works" {
    local before
    veth eth0 0
    v4 eth0 0
    before=$(snapshot)
    net_bundle a net2 'x{second.mtu}'
    launch a
    words_are a '[--ipv4=10.99.0.2/24][--ipv4-gateway=10.99.0.1][x1500]'
    prints a 'second: mac '
    equal "$(taps)" 'tap0 tap1'
    in_p ping -q -c 1 -w 10 10.99.0.2
    runuk delete --force a
    equal "$(snapshot)" "$before"
    net_bundle b net2 '{second.ipv4}'
    refused b '{second.ipv4} has no value'
}

@test "no link at all: the device is there and the guest runs" {
    net_bundle a net
    launch a
    words_are a ''
    prints a 'ready'
    equal "$(taps)" tap0
}

@test "no device, no tap, whatever the namespace has" {
    local before
    veth eth0 0
    v4 eth0 0
    before=$(snapshot)
    net_bundle a time wait '{ipv4}'
    launch a
    prints a waiting
    words_are a '[wait][10.99.0.2]'
    equal "$(snapshot)" "$before"
}

@test "every placeholder" {
    veth eth0 0
    v4 eth0 0
    v6 eth0 0
    printf '# comment\nsearch x\nnameserver 10.99.0.53\nnameserver 10.99.0.54\n' >resolv.conf
    net_bundle a hello '{ipv4}' '{ipv4.cidr}' '{ipv4.prefix}' '{ipv4.netmask}' '{ipv4.gateway}' \
        '{ipv6}' '{ipv6.cidr}' '{ipv6.prefix}' '{ipv6.gateway}' '{mac}' '{mtu}' '{hostname}' '{dns}'
    config a '.mounts = [{destination: "/etc/resolv.conf", type: "bind", source: $source, options: ["rbind"]}]' \
        --arg source "$BATS_TEST_TMPDIR/resolv.conf"
    gets a 10.99.0.2 10.99.0.2/24 24 255.255.255.0 10.99.0.1 \
        fd99::2 fd99::2/64 64 fd99::1 "$(mac_of eth0)" 1500 guest 10.99.0.53
}

@test "placeholders inside words, by device, beside other braces" {
    veth eth0 0
    veth eth1 1
    v4 eth0 0
    v4 eth1 1
    net_bundle a net2 'http://{ipv4}:80/' '{second.ipv4}' '{second.mac}' '{{ipv4}' '{unknown}' '{' '}{}' 'a{second.ipv4.cidr}b{mtu}'
    launch a
    words_are a "[--ipv4=10.99.0.2/24][--ipv4-gateway=10.99.0.1][--second-ipv4=10.99.1.2/24][http://10.99.0.2:80/][10.99.1.2][$(
        mac_of eth1
    )][{ipv4}][{unknown}][{][}{}][a10.99.1.2/24b1500]"
}

@test "a placeholder without a value is an error that names it" {
    local word
    veth eth0 0
    v4 eth0 0
    for word in '{ipv6}' '{ipv6.gateway}' 'x{ipv6.cidr}y' '{dns}'; do
        net_bundle a net "$word"
        refused a "in argument '$word'"
    done
    net_bundle a net '{ipv6}'
    refused a '{ipv6} has no value on this network'
}

@test "the name server is that of the image when the engine gives none, and only a regular file is opened for it" {
    local fd line
    veth eth0 0
    v4 eth0 0
    net_bundle a hello '{dns}'
    mkdir a/rootfs/etc
    printf 'nameserver fd00::53\n' >a/rootfs/etc/resolv.conf
    gets a fd00::53
    rm a/rootfs/etc/resolv.conf
    mknod a/rootfs/etc/resolv.conf c 1 11 # the kernel's messages: a read would wait
    refused a '{dns} has no value'
    rm a/rootfs/etc/resolv.conf
    mkfifo a/rootfs/etc/resolv.conf
    exec {fd}<>a/rootfs/etc/resolv.conf
    printf 'nameserver 192.0.2.1\n' >&"$fd"
    refused a '{dns} has no value'
    read -r -t 5 line <&"$fd" # nobody else has read it
    equal "$line" 'nameserver 192.0.2.1'
    exec {fd}>&-
    rm a/rootfs/etc/resolv.conf
    printf 'nameserver 192.0.2.1\n' >outside
    ln -s "$BATS_TEST_TMPDIR/outside" a/rootfs/etc/resolv.conf
    refused a '{dns} has no value'
}

@test "a network of IPv6 alone" {
    veth eth0 0
    v6 eth0 0
    net_bundle a hello '{ipv6.cidr}' '{ipv6.gateway}'
    gets a fd99::2/64 fd99::1
    # A guest that only knows IPv4 gets no address, and one that has the options gets them.
    net_bundle b net
    launch b
    words_are b ''
    runuk delete --force b
    LC_ALL=C sed -i 's/ipv4/ipv6/g' b/rootfs/guest
    launch b
    prints b "option '--ipv6': 'fd99::2/64' is no ADDRESS/PREFIX"
}

@test "the address that others can reach is told, of several" {
    veth eth0 0
    in_c ip addr add 169.254.3.4/16 dev eth0 scope link
    v4 eth0 0
    in_c ip addr add 10.99.0.77/24 dev eth0
    v6 eth0 0
    in_c ip route add default via 10.99.0.9 dev eth0 metric 5
    net_bundle a hello '{ipv4.cidr}' '{ipv4.gateway}' '{ipv6}'
    gets a 10.99.0.2/24 10.99.0.1 fd99::2
}

@test "every argument reaches the guest as one" {
    local tab=$'\t'
    net_bundle a hello 'a b' ' ' '' '  lead and trail  ' '"' '\' "'" 'a"b c\d' '\"' "tab${tab}tab" 'grüße' '日本' '$HOME' '%s%n' '*'
    gets a 'a b' ' ' '' '  lead and trail  ' '"' '\' "'" 'a"b c\d' '\"' "tab${tab}tab" 'grüße' '日本' '$HOME' '%s%n' '*'
}

@test "arguments take 8191 bytes, and one more is an error that says so" {
    local long
    long=$(printf 'x%.0s' {1..8191})
    net_bundle a hello "$long"
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a </dev/null
    ended 0
    equal "${#lines[2]}" $((8191 + 9))
    net_bundle a hello "${long}x"
    refused a "the guest's arguments take 8193 bytes, and a Solo5 guest gets at most 8192"
    # The quotes count, and with a device nothing of the network stays.
    veth eth0 0
    v4 eth0 0
    local before
    before=$(snapshot)
    net_bundle a net "${long:0:8160} y"
    refused a 'at most 8192'
    equal "$(snapshot)" "$before"
}

@test "no argument, cwd, host name or variable becomes the monitor's" {
    local pid count
    local -a corpus=('--net:service=tap0' '--' '@3' '--mem=4096' '--block:a=/etc/passwd' '-h' '--help' '--version' '--kvm=@0'
        '--probe' '--x-exec-heap' 'a b' 'a,b=c' '-' '%n%s' $'new\nline' 'loglevel=7' '/proc/self/exe' '@0' '' '--solo5:quiet')
    net_bundle a time wait "${corpus[@]}"
    config a '.process.cwd = "/x/loglevel=7 --mem=1" | .process.env = ["LD_PRELOAD=/x.so", "--mem=1"] | .hostname = "--mem=1 x"'
    launch a
    prints a waiting
    pid=$(field a .pid)
    # argv[0], --mem, --, @3, and the guest's own.
    count=$(tr -cd '\0' <"/proc/$pid/cmdline" | wc -c)
    equal "$count" $((4 + 1 + ${#corpus[@]}))
    words_are a "[wait][--net:service=tap0][--][@3][--mem=4096][--block:a=/etc/passwd][-h][--help][--version][--kvm=@0]$(
    )[--probe][--x-exec-heap][\"a b\"][a,b=c][-][%n%s][\"new"$'\n'"line\"][loglevel=7][/proc/self/exe][@0][\"\"][--solo5:quiet]"
    equal "$(head -z -n 4 "/proc/$pid/cmdline" | tr '\0' ' ')" 'runuk-spt --mem=512 -- @3 '
}

@test "after delete the namespace is as it was: redirect, bridge, two devices, killed monitors" {
    local before mode
    veth eth0 0
    veth eth1 1
    v4 eth0 0
    v4 eth1 1
    v6 eth0 0
    before=$(snapshot)
    net_bundle a net2
    for mode in redirect bridge; do
        config a '.annotations = {"org.runuk.network-mode": $mode}' --arg mode "$mode"
        launch a
        in_p ping -q -c 1 -w 10 10.99.0.2
        in_p ping -q -c 1 -w 10 10.99.1.2
        [[ $(taps) == 'tap0 tap1' && $(snapshot) != "$before" ]]
        runuk kill a KILL
        becomes a stopped
        equal "$(taps)" 'tap0 tap1'
        runuk delete a
        equal "$(snapshot)" "$before"
    done
    # And a second container in the same namespace starts as the first did.
    launch a
    in_p ping -q -c 1 -w 10 10.99.0.2
}

@test "bridge mode by settings and by annotation, which wins" {
    veth eth0 0
    v4 eth0 0
    settings '.network_mode = "bridge"'
    net_bundle a net
    launch a
    in_p ping -q -c 1 -w 10 10.99.0.2
    run -0 in_c ip -j link show type bridge
    equal "$(jq length <<<"$output")" 1
    equal "$(in_c ip -j link show master "$(jq -r '.[0].ifname' <<<"$output")" | jq -r 'map(.ifname) | sort | join(" ")')" 'eth0 tap0'
    runuk delete --force a
    config a '.annotations = {"org.runuk.network-mode": "redirect"}'
    launch a
    in_p ping -q -c 1 -w 10 10.99.0.2
    equal "$(in_c ip -j link show type bridge | jq 'map(select(. != {})) | length')" 0
}

@test "the host's own network is refused to an image with a device, and not to others" {
    local netns
    # The host is here whoever calls runuk.
    for netns in 'del(.linux.namespaces[] | select(.type == "network"))' \
        '(.linux.namespaces[] | select(.type == "network")).path = "/proc/self/ns/net"'; do
        bundle a net
        config a "$netns"
        # Under P, so that nothing could happen to a real host.
        run in_p timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle "$BATS_TEST_TMPDIR/a" a
        ended 1
        said "the container is on the host's own network, but its image has a network device"
        bundle b hello
        config b "$netns"
        run in_p timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle "$BATS_TEST_TMPDIR/b" b
        ended 0
    done
    equal "$(in_p ip -j link show | jq -r '.[].ifname')" lo
}

@test "a path that is no network namespace is refused" {
    net_bundle a net
    : >file
    local path
    for path in "$BATS_TEST_TMPDIR/file" /proc/self/ns/ipc /proc/self/ns/missing /dev/null; do
        config a '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "$path"
        run runuk create --bundle "$BATS_TEST_TMPDIR/a" a
        ended 1
        said "namespace"
        said "$path"
    done
}

@test "20 containers in namespaces of their own leave nothing on the host" {
    local before i
    before=$(in_p ip -d link show)
    bundle a net
    for ((i = 0; i < 20; i++)); do
        in_p timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --detach --bundle "$BATS_TEST_TMPDIR/a" a >a.out 3>&-
        in_p timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" delete --force a 3>&-
    done
    equal "$(in_p ip -d link show)" "$before"
}
