#!/usr/bin/env bats
# The relay: a guest resolves names by the resolver of the container's own namespace, and gets its address by DHCP. C is the
# container's namespace, with a resolver at 127.0.0.11 as Docker has one; P is its peer, with the name server of the world.

# shellcheck disable=SC2154 # run sets stderr, background sets job

load oci

setup() {
    oci_setup
    C=$TAG-c
    P=$TAG-p
    ip netns add "$C"
    ip netns add "$P"
    in_c ip link set lo up
    ip link add eth0 netns "$C" type veth peer name p0 netns "$P"
    in_p ip link set p0 up
    in_c ip link set eth0 up
    eventually 10 link_is_up in_c eth0
    in_c ip addr add 10.99.0.2/24 dev eth0
    in_p ip addr add 10.99.0.1/24 dev p0
    in_c ip route add default via 10.99.0.1 dev eth0
}

teardown() {
    local status=0
    oci_teardown || status=$?
    ip netns del "$C"
    ip netns del "$P"
    return "$status"
}

in_c() { nsenter --net="/run/netns/$C" "$@"; }
in_p() { nsenter --net="/run/netns/$P" "$@"; }

link_is_up() {
    [[ $("$1" ip -j link show "$2" | jq -r '.[0].operstate') == UP ]]
}

# serve NAMESPACE ADDRESS OPTION…: a name server there.
serve() {
    background "$1" dnsmasq -k -C /dev/null -a "$2" -z -R -h -u root -x '' --log-facility=- --log-queries "${@:3}" 2>>"served.$1"
    eventually 10 listens "$1" "$2"
}

listens() {
    [[ -n $("$1" ss -Hlun src "$2" sport 53) ]]
}

# The resolver in the container's namespace, which asks the world for what it does not know.
own_resolver() {
    serve in_c 127.0.0.11 --host-record=db,10.99.0.77 --txt-record=big,"$(printf '%0200d,' 1 2 3 4 5 6 7 8 9)" \
        --min-port=65024 --max-port=65151 --server=10.99.0.1 --local=/test/ "$@"
}

world() {
    serve in_p 10.99.0.1 --host-record=far.example,192.0.2.7
}

# relay_bundle ID GUEST [ARGUMENT…]: a bundle in the namespace C whose resolv.conf is the file of that name.
relay_bundle() {
    bundle "$@"
    [[ -e resolv.conf ]] || printf '%s\n' 'search example test.example' 'nameserver 127.0.0.11' 'options ndots:0' >resolv.conf
    config "$1" '(.linux.namespaces[] | select(.type == "network")).path = $path
        | .mounts = [{destination: "/etc/resolv.conf", type: "bind", source: $file, options: ["bind"]}]' \
        --arg path "/run/netns/$C" --arg file "$PWD/resolv.conf"
}

# The pid of the relay of the container $1; nothing when there is none.
relay_of() {
    local pid
    for pid in $(<"$(cgroup "$1" memory)/cgroup.procs"); do
        [[ $(<"/proc/$pid/comm") != runuk-relay ]] || echo "$pid"
    done
}

# resolves ID: runs that container to its end.
resolves() {
    run timeout 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle "$BATS_TEST_TMPDIR/$1" "$1" </dev/null 3>&-
}

@test "a guest resolves the names that the resolver at 127.0.0.11 knows" {
    own_resolver
    relay_bundle a dns '{dns}' db db nobody.test
    resolves a
    said 'name server 169.254.53.53'
    said $'\ndb: 10.99.0.77\ndb: 10.99.0.77\n'
    said 'nobody.test: error 3'
    ended 1
}

@test "names of the world: the namespace's resolver gets its answers although the link's frames are the guest's" {
    world
    own_resolver
    relay_bundle a dns '{dns}' far.example db wait
    launch a
    prints a $'far.example: 192.0.2.7\ndb: 10.99.0.77\n'
    # Who has his ports from the kernel, as Docker's resolver has, gets answers too, and keeps what he knows of his neighbours.
    in_c ip neigh flush all
    run in_c timeout 20 busybox nslookup far.example 10.99.0.1
    said 192.0.2.7
    equal "$(in_c cat /proc/sys/net/ipv4/ip_local_port_range | xargs)" '65024 65151'
    # The guest is where it was.
    in_p ping -q -c 3 -w 10 10.99.0.2
    runuk delete --force a
    equal "$(in_c cat /proc/sys/net/ipv4/ip_local_port_range | xargs)" '32768 60999'
}

@test "nothing that is meant for the relay leaves by the link, whatever the mode" {
    local mode
    own_resolver
    for mode in redirect bridge; do
        relay_bundle $mode dns '{dns}' db wait
        config $mode '.annotations["org.runuk.network-mode"] = $mode' --arg mode "$mode"
        background in_p tcpdump -U -n -i p0 -w "$mode.pcap" --immediate-mode
        eventually 10 test -s "$mode.pcap"
        launch $mode
        prints $mode 'db: 10.99.0.77'
        in_p ping -q -c 1 -w 10 10.99.0.2
        eventually 10 heard "$mode.pcap" icmp
        equal "$(tcpdump -n -r "$mode.pcap" host 169.254.53.53 or arp host 169.254.53.53 or udp 2>/dev/null)" ''
        runuk delete --force $mode
    done
}

heard() {
    [[ -n $(tcpdump -n -r "$1" "$2" 2>/dev/null) ]]
}
