#!/usr/bin/env bats
# The network guests over runuk-spt, a tap and a redirected veth, seen from a client in another namespace: what every later
# network test relies on. Everything happens in two namespaces of the test's own.

bats_require_minimum_version 1.5.0

BUILD=${RUNUK_BUILD:-$BATS_TEST_DIRNAME/../build}
MONITOR=$BUILD/runuk-spt
GUESTS=$BUILD/guests

setup() {
    INSIDE=runuk-in-$$-$BATS_TEST_NUMBER
    OUTSIDE=runuk-out-$$-$BATS_TEST_NUMBER
    LOG=$BATS_TEST_TMPDIR/console
    MONITOR_PID=
    ip netns add "$INSIDE"
    ip netns add "$OUTSIDE"
}

teardown() {
    if [[ -n $MONITOR_PID ]]; then
        kill "$MONITOR_PID" 2>/dev/null || :
        wait "$MONITOR_PID" 2>/dev/null || :
    fi
    ip netns del "$INSIDE"
    ip netns del "$OUTSIDE"
    [[ -n ${BATS_TEST_COMPLETED:-} ]] || cat "$LOG" >&2 || :
}

inside() {
    ip netns exec "$INSIDE" "$@"
}

# Every command of the client's is bounded.
outside() {
    timeout -k 2 60 ip netns exec "$OUTSIDE" "$@"
}

# A veth pair N, the outer end with ADDRESS; the inner end redirected to and from a tap, as runuk does it.
link() {
    local number=$1 address=$2
    ip -n "$OUTSIDE" link add "out$number" type veth peer name "eth$number" netns "$INSIDE"
    ip -n "$OUTSIDE" address add "$address" dev "out$number"
    ip -n "$OUTSIDE" link set "out$number" up
    ip -n "$INSIDE" tuntap add "tap$number" mode tap
    redirect "eth$number" "tap$number"
    redirect "tap$number" "eth$number"
}

redirect() {
    ip -n "$INSIDE" link set "$1" up
    inside tc qdisc add dev "$1" ingress
    inside tc filter add dev "$1" parent ffff: protocol all u32 match u8 0 0 action mirred egress redirect dev "$2"
}

mac_of() {
    ip -n "$INSIDE" -j link show dev "$1" | jq -r '.[0].address'
}

# boot GUEST [MONITOR OPTION…] -- [ARGUMENT…]: start it in the background.
boot() {
    local guest=$1 options=()
    shift
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    ip netns exec "$INSIDE" "$MONITOR" --mem=16 "${options[@]}" -- "$GUESTS/$guest.spt" "$@" > "$LOG" 2>&1 3>&- &
    MONITOR_PID=$!
}

# Until it answers its first ping, at most 10 s.
answers() {
    outside ping -q -i 0.05 -c 1 -w 10 "$1" > /dev/null
}

# Until a line of its console matches, at most 10 s of silence.
says() {
    local line
    while IFS= read -r -t 10 line; do
        if [[ $line =~ $1 ]]; then
            return 0
        fi
    done < <(exec tail -n +1 -f -s 0.1 --pid="$MONITOR_PID" "$LOG" 3>&-)
    return 1
}

net_guest() {
    link 0 10.99.0.1/24
    boot "${1:-net}" --net:service=tap0 "--net-mac:service=$(mac_of eth0)" -- \
        --ipv4=10.99.0.2/24 --ipv4-gateway=10.99.0.1
    answers 10.99.0.2
}

fetch() {
    outside curl -sS -m 20 "$@"
}

@test "the guest answers 200 pings, small and as large as a frame" {
    net_guest
    run -0 outside ping -q -i 0.005 -c 100 -w 20 10.99.0.2
    [[ $output == *"100 received, 0% packet loss"* ]]
    run -0 outside ping -q -i 0.005 -c 100 -w 20 -M 'do' -s 1472 10.99.0.2
    [[ $output == *"100 received, 0% packet loss"* ]]
}

@test "the guest has the MAC that it was given and finds its gateway" {
    net_guest
    run -0 ip -n "$OUTSIDE" -j neighbour show to 10.99.0.2
    [[ $(jq -r '.[0].lladdr' <<< "$output") == "$(mac_of eth0)" ]]
    local gateway
    gateway=$(ip -n "$OUTSIDE" -j link show dev out0 | jq -r '.[0].address')
    says "^service: gateway 10.99.0.1 is at $gateway$"
}

@test "UDP port 7 echoes, and other ports are silent" {
    net_guest
    run -0 outside bash -c 'exec 3<>/dev/udp/10.99.0.2/7 && echo "over there" >&3 && timeout 10 head -n 1 <&3'
    [[ $output == "over there" ]]
    run -124 outside bash -c 'exec 3<>/dev/udp/10.99.0.2/8 && echo "over there" >&3 && timeout 0.3 head -n 1 <&3'
}

@test "200 fetches one after the other" {
    net_guest
    run -0 outside bash -c 'for ((i = 0; i < 200; i++)); do curl -sS -m 20 http://10.99.0.2/ || exit 1; done'
    [[ $(grep -c '^Hello from spt$' <<< "$output") == 200 && ${#lines[@]} == 200 ]]
}

@test "500 requests, 8 at a time, by ab, with and without keep-alive" {
    net_guest
    local keep
    for keep in "" -k; do
        run -0 outside ab -q -s 20 -n 500 -c 8 $keep http://10.99.0.2/
        [[ $output =~ "Complete requests:"\ +500 ]]
        [[ $output =~ "Failed requests:"\ +0 ]]
        [[ -z $keep || $output =~ "Keep-Alive requests:"\ +500 ]]
    done
}

@test "more connections than the guest has slots are served in the end" {
    net_guest
    run -0 outside ab -q -s 30 -n 600 -c 150 http://10.99.0.2/
    [[ $output =~ "Complete requests:"\ +600 ]]
    [[ $output =~ "Failed requests:"\ +0 ]]
}

@test "five million bytes arrive whole and in order" {
    net_guest
    run -0 fetch -o "$BATS_TEST_TMPDIR/big" -w '%{http_code} %{size_download}' 'http://10.99.0.2/big?n=5000000'
    [[ $output == "200 5000000" ]]
    local line
    line=$(printf '\\x%x' {48..110})
    yes "$(printf '%b' "$line")" | head -c 5000000 > "$BATS_TEST_TMPDIR/wanted"
    [[ $(head -n 1 "$BATS_TEST_TMPDIR/wanted") == 0123456789:*lmn ]]
    cmp "$BATS_TEST_TMPDIR/wanted" "$BATS_TEST_TMPDIR/big"
}

@test "a connection serves several requests and closes when asked" {
    net_guest
    run -0 fetch -w '%{num_connects}\n' http://10.99.0.2/ http://10.99.0.2/
    [[ $output == $'Hello from spt\n1\nHello from spt\n0' ]]
    run -0 fetch -i -H 'Connection: close' http://10.99.0.2/
    [[ $output == *"Connection: close"* && $output == *"Hello from spt" ]]
    run -0 fetch -i -0 http://10.99.0.2/
    [[ $output == *"Connection: close"* ]]
}

@test "what HTTP does not offer is refused" {
    net_guest
    run -0 fetch -o /dev/null -w '%{http_code}' http://10.99.0.2/nowhere
    [[ $output == 404 ]]
    run -0 fetch -o /dev/null -w '%{http_code}' -d x=y http://10.99.0.2/
    [[ $output == 405 ]]
    run -0 fetch -o /dev/null -w '%{http_code}' -H "X: $(printf 'x%.0s' {1..9000})" http://10.99.0.2/
    [[ $output == 431 ]]
    run -0 outside bash -c 'exec 3<>/dev/tcp/10.99.0.2/80 && printf "nonsense\r\n\r\n" >&3 && timeout 10 head -n 1 <&3'
    [[ $output == "HTTP/1.1 400 Bad Request"* ]]
    run -7 fetch http://10.99.0.2:81/
    [[ $output == *"(7)"* ]]
}

@test "the demo page says what the guest is" {
    net_guest web
    run -0 fetch http://10.99.0.2/plain
    [[ ${lines[0]} == "program: web" && ${lines[1]} == "target: spt" ]]
    [[ $output == *"ipv4: 10.99.0.2/24"* && $output == *"gateway: 10.99.0.1"* ]]
    [[ $output == *"mac: $(mac_of eth0)"* && $output == *"mtu: 1500"* && $output == *"memory: 16777216"* ]]
    [[ $output == *"arguments: --ipv4=10.99.0.2/24 --ipv4-gateway=10.99.0.1"* ]]
    [[ $output =~ "uptime: "[0-9]+\.[0-9]{3} && $output == *"requests: 1"* ]]
    run -0 fetch -i http://10.99.0.2/
    [[ $output == *"Content-Type: text/html"* && $output == *"<td>10.99.0.2/24"* && $output == *"</html>"* ]]
}

@test "two devices have an address and a wire each" {
    link 0 10.99.0.1/24
    link 1 10.99.1.1/24
    boot net2 --net:service=tap0 --net:second=tap1 "--net-mac:service=$(mac_of eth0)" "--net-mac:second=$(mac_of eth1)" \
        -- --ipv4=10.99.0.2/24 --second-ipv4=10.99.1.2/24
    answers 10.99.0.2
    answers 10.99.1.2
    run -0 ip -n "$OUTSIDE" -j neighbour show to 10.99.1.2
    [[ $(jq -r '.[0] | .lladdr + " " + .dev' <<< "$output") == "$(mac_of eth1) out1" ]]
    run -0 fetch http://10.99.1.2/plain
    [[ $output == *"second-ipv4: 10.99.1.2/24"* ]]
}

@test "a link of 9000 bytes carries frames of 9000 bytes" {
    link 0 10.99.0.1/24
    ip -n "$OUTSIDE" link set out0 mtu 9000
    ip -n "$INSIDE" link set eth0 mtu 9000
    ip -n "$INSIDE" link set tap0 mtu 9000
    boot net --net:service=tap0 "--net-mac:service=$(mac_of eth0)" -- --ipv4=10.99.0.2/24
    answers 10.99.0.2
    run -0 outside ping -q -i 0.005 -c 20 -w 20 -M 'do' -s 8972 10.99.0.2
    [[ $output == *"20 received, 0% packet loss"* ]]
    run -0 fetch http://10.99.0.2/plain
    [[ $output == *"mtu: 9000"* ]]
}

@test "a wrong, a repeated and an unknown option end the guest with 64" {
    link 0 10.99.0.1/24
    local arguments
    for arguments in --ipv4=10.99.0.2 --ipv4=10.99.0.256/24 --ipv4-gateway=x --hello=there \
        "--ipv4=10.99.0.2/24 --ipv4=10.99.0.3/24"; do
        run -64 timeout 10 ip netns exec "$INSIDE" "$MONITOR" --mem=16 --net:service=tap0 -- "$GUESTS/net.spt" \
            "$arguments"
        [[ $output == *option* ]]
    done
}

@test "the images name the options that they take, and no others" {
    run -0 grep -aoE 'ipv[46][a-z-]*' "$GUESTS/net.spt"
    [[ $(sort -u <<< "$output") == $'ipv4\nipv4-gateway' ]]
    run -0 grep -aoE 'ipv[46][a-z-]*' "$GUESTS/web.hvt"
    [[ $(sort -u <<< "$output") == $'ipv4\nipv4-gateway' ]]
    run -0 grep -aoE '(second-)?ipv[46][a-z-]*' "$GUESTS/net2.hvt"
    [[ $(sort -u <<< "$output") == $'ipv4\nipv4-gateway\nsecond-ipv4\nsecond-ipv4-gateway' ]]
    run -1 grep -aE 'ipv4|ipv6' "$GUESTS/hello.spt"
}

# A FastCGI server on port 9000 of the client's side. Each argument is how one connection is answered, in Python's notation
# for bytes; what it was sent, to the empty STDIN record, is appended to the file `asked`.
fastcgi() {
    outside python3 - "$BATS_TEST_TMPDIR/asked" "$@" 3>&- <<'PYTHON' &
import socket, sys
server = socket.create_server(("10.99.0.1", 9000))
for answer in sys.argv[2:]:
    connection, _ = server.accept()
    asked = b""
    while not asked.endswith(b"\1\5\0\1\0\0\0\0"):
        part = connection.recv(65536)
        if not part:
            sys.exit(1)
        asked += part
    with open(sys.argv[1], "ab") as log:
        log.write(asked)
    connection.sendall(eval(f"({answer})", {"record": lambda kind, content, padding=0:
        bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") + bytes([padding, 0]) + content + bytes(padding)}))
    connection.close()
PYTHON
    # shellcheck disable=SC2016 # nothing to expand
    outside timeout 10 bash -c 'until ss -ltn | grep -q :9000; do sleep 0.02; done'
}

front() {
    link 0 10.99.0.1/24
    boot front --net:service=tap0 "--net-mac:service=$(mac_of eth0)" -- \
        --ipv4=10.99.0.2/24 --ipv4-gateway=10.99.0.1 --fastcgi=10.99.0.1 --root=/where
    answers 10.99.0.2
}

@test "the front asks a FastCGI server what a CGI program is told, and takes its answer however it is cut" {
    front
    fastcgi 'record(6, b"Status: 201 Made\r\nX-One: 1\r", 3) + record(7, b"a complaint") + record(6, b"\nContent-Length: 9\r\n\r\nbo")
             + record(6, b"dy") + record(6, b"") + record(3, bytes(8), 200)' 'record(6, b"Location: /\n\n") + record(3, bytes(8))'
    run -0 fetch -i -H 'Proxy: evil' -H 'X_Under: no' -H 'X-Dash: yes' -d 'a=b' 'http://10.99.0.2/some/page.php?x=1&y'
    [[ ${lines[0]} == *'HTTP/1.1 201 Made'* && $output == *'X-One: 1'* && $output == *'Content-Length: 4'*body ]]
    [[ $output != *'Content-Length: 9'* ]]
    says '^a complaint$'
    run -0 fetch -i 'http://10.99.0.2/other.php'
    [[ ${lines[0]} == *'HTTP/1.1 302 Found'* ]]
    run -0 strings -n 3 "$BATS_TEST_TMPDIR/asked"
    [[ $output == *SCRIPT_FILENAME/where/some/page.php* && $output == *REQUEST_METHODPOST* && $output == *'QUERY_STRINGx=1&y'* ]]
    [[ $output == *CONTENT_LENGTH3* && $output == *REMOTE_ADDR10.99.0.1* && $output == *HTTP_X_DASHyes* && $output == *a=b* ]]
    [[ $output == *CONTENT_TYPEapplication/x-www-form-urlencoded* && $output != *evil* && $output != *X_UNDER* ]]
}

@test "a FastCGI server that fails is a bad gateway, and the front lives on" {
    local answers=('b""' 'b"HTTP/1.1 200 OK\r\n\r\n"' 'record(6, b"A: b\r\n\r\nbody")' 'record(6, b"A: b\r\n\r\n") + record(3, b"\0\0\0\0\1\0\0\0")'
        'record(6, b"no header") + record(3, bytes(8))' 'record(6, b"\r\n\r\nbody") + record(3, bytes(8))'
        'record(6, b"A: " + b"x" * 9000 + b"\r\n\r\n") + record(3, bytes(8))' 'record(6, b"A: b\r\n\r\n") + 5 * record(6, b"x" * 65000) + record(3, bytes(8))')
    front
    run -0 fetch -o /dev/null -w '%{http_code}' http://10.99.0.2/x.php
    [[ $output == 502 ]]
    fastcgi "${answers[@]}" 'record(6, b"A: b\r\n\r\n") + 3 * record(6, b"x" * 65000) + record(3, bytes(8))'
    local answer
    for answer in "${answers[@]}"; do
        echo "$answer"
        run -0 fetch -o /dev/null -w '%{http_code}' http://10.99.0.2/x.php
        [[ $output == 502 ]]
    done
    run -0 fetch -o /dev/null -w '%{http_code} %{size_download}' http://10.99.0.2/x.php
    [[ $output == '200 195000' ]]
    run -0 fetch -o /dev/null -w '%{http_code}' http://10.99.0.2/
    [[ $output == 200 ]]
}

@test "the front without a FastCGI server, or with options that are none, does not start" {
    link 0 10.99.0.1/24
    local arguments
    for arguments in '' --fastcgi= --fastcgi=a:0 --fastcgi=a:65536 --fastcgi=a..b '--fastcgi=a --dns=x' --fastcgi=php '--fastcgi=10.0.0.1 --root=srv' \
        '--fastcgi=10.0.0.1 --help'; do
        # shellcheck disable=SC2086 # several words
        run -64 timeout 10 ip netns exec "$INSIDE" "$MONITOR" --mem=16 --net:service=tap0 -- "$GUESTS/front.spt" $arguments
        [[ $output == *'is no option, or its value is none'* || $output == *'--fastcgi=HOST is missing'* ]]
    done
}
