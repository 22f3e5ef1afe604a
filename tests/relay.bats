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

# The same for what stays in the background, so that its pid is known.
stays_in_c() { background nsenter --net="/run/netns/$C" "$@"; }
stays_in_p() { background nsenter --net="/run/netns/$P" "$@"; }

link_is_up() {
    [[ $("$1" ip -j link show "$2" | jq -r '.[0].operstate') == UP ]]
}

# serve NAMESPACE ADDRESS OPTION…: a name server there.
serve() {
    "stays_$1" dnsmasq -k -C /dev/null -a "$2" -z -R -h -u root -x '' --log-facility=- "${@:3}" 2>>"served.$1"
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
    local mode
    world
    own_resolver
    in_c ip -4 route show table all >before
    for mode in redirect bridge; do
        asks_the_world "$mode"
    done
    equal "$(in_c ip -4 route show table all)" "$(<before)"
    equal "$(in_c tc qdisc show dev eth0 ingress)" ''
}

# With that mode; the namespace is as before then.
asks_the_world() {
    relay_bundle a dns '{dns}' far.example db wait
    config a '.annotations["org.runuk.network-mode"] = $mode' --arg mode "$1"
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
        stays_in_p tcpdump -U -n -i p0 -w "$mode.pcap" --immediate-mode
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

# frame TO TYPE HEX: a frame from the MAC 02:00:00:00:00:09, in hex digits.
frame() {
    echo "${1}020000000009${2}${3}"
}

# ipv4 DESTINATION PROTOCOL FLAGS PORT: a packet of 16 bytes, ports first, in hex digits.
ipv4() {
    local header=450000240001${3}40${2}00000a630002${1} sum=0 i
    for ((i = 0; i < 40; i += 4)); do sum=$((sum + 16#${header:i:4})); done
    sum=$(printf '%04x' $((~((sum & 0xffff) + (sum >> 16)) & 0xffff))) # bridges look at it
    echo "${header:0:20}$sum${header:24}1000${4}00100000000000000000000000000000"
}

@test "hostile or not, frames to the relay stay in the namespace, and others pass" {
    local gateway mode relay=a9fe3535 far=c0000201 arp=0001080006040001020000000009
    gateway=$(in_p ip -j link show p0 | jq -r '.[0].address' | tr -d :)
    {
        frame "$gateway" 0800 "$(ipv4 $relay 11 0000 0035)"                    # DNS
        frame "$gateway" 0800 "$(ipv4 $relay 11 0000 0007)"                    # another port
        frame "$gateway" 0800 "$(ipv4 $relay 11 2000 0035)"                    # a fragment
        frame "$gateway" 0800 "$(ipv4 $relay 06 0000 0035)"                    # TCP
        frame "$gateway" 0800 "$(ipv4 $relay 01 0000 0000)"                    # ICMP
        frame ffffffffffff 0800 "$(ipv4 $relay 11 0000 0035)"                  # to everybody
        frame ffffffffffff 0800 "$(ipv4 ffffffff 11 0000 0043)"                # DHCP
        frame "$gateway" 0800 "$(ipv4 $far 11 0000 0043)"                      # DHCP, to somebody
        frame ffffffffffff 0806 "${arp}0a630002000000000000${relay}"           # who has the relay's address
        frame "$gateway" 0800 "$(ipv4 $far 11 0000 0035)"                      # DNS, elsewhere
        frame "$gateway" 0800 "$(ipv4 $far 06 0000 0043)"                      # a TCP port of that number
        frame ffffffffffff 0806 "${arp}0a6300020000000000000a630001"           # who has the gateway's
        frame ffffffffffff 88b5 "$(printf '%092d' 0)"                          # the last: what waits for it has seen all
    } >frames
    for mode in redirect bridge; do
        stays_in_p tcpdump -U -n -i p0 -w "$mode.pcap" --immediate-mode
        eventually 10 test -s "$mode.pcap"
        run -0 in_c "$BUILD/unit/net_driver" listen "$mode,relay" eth0 200 <frames
        eventually 10 heard "$mode.pcap" 'ether proto 0x88b5'
        equal "$(tcpdump -n -r "$mode.pcap" ether src 02:00:00:00:00:09 2>/dev/null | grep -c '^[0-9]')" 4
        equal "$(tcpdump -n -r "$mode.pcap" host 169.254.53.53 or port 67 and udp 2>/dev/null)" ''
    done
}

@test "without a relay's reason there is none: a name server outside, none at all, or no network device" {
    echo 'nameserver 10.99.0.1' >resolv.conf
    world
    relay_bundle a dns '{dns}' far.example wait
    launch a
    prints a $'name server 10.99.0.1\n'
    prints a 'far.example: 192.0.2.7'
    equal "$(relay_of a)" ''
    equal "$(in_c cat /proc/sys/net/ipv4/ip_local_port_range | xargs)" '32768 60999'
    run ! grep -q 169.254.53.53 <(in_c tc filter show dev tap0 ingress)
    : >resolv.conf
    relay_bundle b hello '{dns}'
    create b
    run runuk start b
    ended 1
    said '{dns} has no value'
    echo 'nameserver 127.0.0.11' >resolv.conf
    relay_bundle c hello '{dns}'
    resolves c
    said 'arg[0]: 127.0.0.11'
}

@test "an answer that the link does not take is cut, a server that is not there is a failure at once" {
    in_c ip link set eth0 mtu 400
    in_p ip link set p0 mtu 400
    serve in_c 127.0.0.11 --txt-record=small,"$(printf '%0100d' 1)" --txt-record=big,"$(printf '%0200d,%0200d' 1 2)"
    relay_bundle a dns '{dns}' txt:small txt:big
    resolves a
    said 'small: 136 bytes'
    said 'big: truncated to 21 bytes'
    kill "${JOBS[0]}"
    eventually 10 silent
    relay_bundle b dns '{dns}' db
    SECONDS=0
    resolves b
    said 'db: error 2'
    ((SECONDS < 5))
}

silent() {
    [[ -z $(in_c ss -Hlun src 127.0.0.11) ]]
}

@test "a second resolver is asked when the first one is not there" {
    printf 'nameserver %s\n' 127.0.0.12 127.0.0.11 >resolv.conf
    own_resolver
    relay_bundle a dns '{dns}' db
    resolves a
    said 'db: 10.99.0.77'
    ended 0
}

@test "the relay has no power: no user, no capability, no files, a filter, and nothing but its sockets" {
    local pid fd set
    own_resolver
    relay_bundle a dns '{dns}' db wait
    launch a
    prints a 'db: 10.99.0.77'
    pid=$(relay_of a)
    status() { sed -n "s/^$1:\t*//p" "/proc/$pid/status" | tr -s '\t ' '  '; }
    equal "$(status Seccomp) $(status NoNewPrivs) $(status Groups | xargs)" '2 1 '
    equal "$(status Uid) $(status Gid)" '65534 65534 65534 65534 65534 65534 65534 65534'
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do equal "$(status "$set")" 0000000000000000; done
    equal "$(find "/proc/$pid/root/" -mindepth 1)" ''
    for fd in "/proc/$pid/fd"/*; do [[ $(readlink "$fd") == socket:* ]]; done
    equal "$(ls "/proc/$pid/fd" | wc -l)" 2
    equal "$(tr -d '\0' <"/proc/$pid/environ")" ''
    for set in net pid mnt ipc uts; do
        equal "$(readlink "/proc/$pid/ns/$set")" "$(readlink "/proc/$(field a .pid)/ns/$set")"
    done
    # Frozen and thawed, it still answers: the kernel goes on with its poll by another system call.
    runuk pause a
    runuk resume a
    kill -STOP "$pid"
    kill -CONT "$pid"
    kill -TERM "$pid"
    kill -INT "$pid"
    lives "$pid"
    equal "$(status Seccomp)" 2
}

@test "the relay ends with its guest, also among the host's processes; without it the guest lives on" {
    local pid
    own_resolver
    for pid in container host; do
        relay_bundle $pid dns '{dns}' db wait
        [[ $pid == container ]] || config $pid 'del(.linux.namespaces[] | select(.type == "pid"))'
        launch $pid
        prints $pid 'db: 10.99.0.77'
        relay=$(relay_of $pid)
        [[ -n $relay ]]
        kill -KILL "$(field $pid .pid)"
        eventually 10 gone "$relay"
        becomes $pid stopped
        runuk delete $pid
    done
    relay_bundle a dns '{dns}' db wait
    launch a
    prints a 'db: 10.99.0.77'
    relay=$(relay_of a)
    run -0 runuk exec a :info
    said "relay: process $relay"
    kill -KILL "$relay"
    eventually 10 no_relay a
    run -0 runuk exec a :info
    said 'relay: has ended: no DNS and DHCP until the container is started again'
    in_p ping -q -c 1 -w 10 10.99.0.2
    runuk delete --force a
}

@test "the log of a guest in QEMU says that its relay has ended, once, and the guest lives on" {
    settings '.accel = "tcg"'
    own_resolver
    relay_bundle a dns '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}' '{dns}' db wait
    cp "$GUESTS/dns.pvh" a/rootfs/guest
    launch a
    prints a 'db: 10.99.0.77'
    kill -KILL "$(relay_of a)"
    prints a 'runuk-qemu: runuk-relay has ended: the guest is without DNS and DHCP until the container is started again'
    run -0 runuk exec a :info
    said 'status: running'
    said 'relay: has ended'
    equal "$(grep -c 'runuk-relay has ended' a.out)" 1
    runuk delete --force a
}

gone() {
    ! lives "$1"
}

no_relay() {
    [[ -z $(relay_of "$1") ]]
}

@test "what cannot be started is an error of start, and nothing stays" {
    relay_bundle a dns '{dns}' db
    mkdir monitors
    ln -s "$BUILD/runuk-spt" "$BUILD/runuk-hvt" monitors/
    settings '.monitor_dir = $dir' --arg dir "$PWD/monitors"
    in_c ip -o link >before
    create a
    run runuk start a
    ended 1
    said "there is no '$PWD/monitors/runuk-relay'"
    runuk delete --force a
    settings '.monitor_dir = $dir' --arg dir "$BUILD"
    relay_bundle b dns '{dns}' db
    config b '.linux.resources.pids.limit = 1'
    create b
    run runuk start b
    ended 1
    said 'start the relay for DNS and DHCP (it is a second process: does the pids limit allow two?)'
    runuk delete --force b
    diff before <(in_c ip -o link)
    equal "$(in_c tc qdisc show dev eth0 ingress)" ''
    equal "$(in_c cat /proc/sys/net/ipv4/ip_local_port_range | xargs)" '32768 60999'
}

@test "DHCP: a client gets the link's address and what belongs to it" {
    # The client is at the far end of a link that stands for a tap; the relay is called as runuk calls it.
    printf '#!/bin/sh\n[ "$1" != bound ] || env | grep -v ^PATH= >lease\n' >script
    chmod +x script
    stays_in_c "$BUILD/unit/net_driver" port eth0 "$BUILD/runuk-relay" --hostname=guest --search=a.example --search=b.example \
        --dns=169.254.53.53 --net=@@PORT@ --mac="$(in_p ip -j link show p0 | jq -r '.[0].address')" --mtu=1400 \
        --ipv4=10.98.0.9/20 --gateway=10.98.0.1 --route=10.97.0.0/16,10.98.0.2
    run -0 in_p timeout 30 busybox udhcpc -f -q -n -i p0 -t 10 -T 1 -s "$PWD/script" -O search -O staticroutes -O mtu -O hostname
    said 'lease of 10.98.0.9 obtained'
    file_has lease ip=10.98.0.9
    file_has lease mask=20
    file_has lease subnet=255.255.240.0
    file_has lease broadcast=10.98.15.255
    file_has lease router=10.98.0.1
    file_has lease dns=169.254.53.53
    file_has lease mtu=1400
    file_has lease hostname=guest
    file_has lease domain=a.example
    file_has lease 'search=a.example b.example'
    file_has lease 'staticroutes=0.0.0.0/0 10.98.0.1 10.97.0.0/16 10.98.0.2'
    file_has lease serverid=169.254.53.53
    # The same again, and another address that it may have had before: refused, and then the same.
    run -0 in_p timeout 30 busybox udhcpc -f -q -n -i p0 -t 10 -T 1 -s "$PWD/script" -r 10.98.0.77
    said 'lease of 10.98.0.9 obtained'
    # Another station on that link gets nothing.
    in_p ip link set p0 down
    in_p ip link set p0 address 02:00:00:00:00:77 up
    eventually 10 link_is_up in_p p0
    run in_p timeout 30 busybox udhcpc -f -q -n -i p0 -t 2 -T 1 -s "$PWD/script"
    ended 1
    said 'no lease'
}

@test "a container with a user namespace of its own has a relay as well" {
    own_resolver
    bundle a dns '{dns}' db wait
    mkdir -p a/rootfs/etc
    echo 'nameserver 127.0.0.11' >a/rootfs/etc/resolv.conf
    config a '.linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
        | (.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/run/netns/$C"
    create a
    run runuk start a
    ended 0
    prints a 'db: 10.99.0.77'
    equal "$(sed -n 's/^Uid:\t*//p' "/proc/$(relay_of a)/status")" $'165534\t165534\t165534\t165534'
}

@test "a guest gets its address by DHCP: exactly what its link has" {
    in_c ip link set eth0 mtu 1400
    relay_bundle a dhcp
    resolves a
    said $'offered: 10.99.0.2 by 169.254.53.53\n'
    said $'mask: 255.255.255.0\nrouter: 10.99.0.1\ndns: 169.254.53.53\nmtu: 1400\nhostname: guest\ndomain: example\naddress: 10.99.0.2'
    said 'lease: 4294967295'
    ended 0
    config a '.annotations["org.runuk.network-mode"] = "bridge"'
    resolves a
    said $'\naddress: 10.99.0.2'
    ended 0
    # With the name server of the world nobody serves it.
    echo 'nameserver 10.99.0.1' >resolv.conf
    resolves a
    said 'no offer'
    ended 1
}

@test "a guest of a family that does nothing but DHCP is served, and told the name server of the world" {
    echo 'nameserver 10.99.0.1' >resolv.conf
    relay_bundle a dhcp
    rm a/rootfs/guest
    cp "$GUESTS/dhcp.multiboot" a/rootfs/guest
    settings '. + {accel: "auto"}'
    resolves a
    said $'offered: 10.99.0.2 by 169.254.53.53\n'
    said $'router: 10.99.0.1\ndns: 10.99.0.1\n'
    said $'\naddress: 10.99.0.2'
}
