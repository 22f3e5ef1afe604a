#!/usr/bin/env bats
# `docker run --runtime=runuk` of images that hold a unikernel: a FROM scratch image, no label, no annotation.
# shellcheck disable=SC2016 # single quotes around what is expanded elsewhere

load docker.bash

setup_file() {
    docker_up
    local guest
    for guest in hello exit web net2 block hog time; do
        guest_image "$guest" "$guest"
    done
    # What this host can run: the same question that runuk asks.
    if "$BUILD/runuk-hvt" --probe; then export TARGET=hvt; else export TARGET=spt; fi
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
    rm -f "/dev/shm/runuk-test-$$"
}

unikernel() {
    docker run --runtime=runuk "$@"
}

# One line of /proc/PID/status of the container's process.
process_status() {
    inside grep "^$2:" "/proc/$(field "$1" '{{.State.Pid}}')/status" | cut -f 2
}

@test "an image without label or annotation, with both variants, boots what this host can run" {
    run -0 docker inspect -f '{{json .Config.Labels}} {{len .RootFS.Layers}}' hello
    [[ $output == 'null 1' ]]
    run -0 unikernel --rm hello
    [[ ${lines[0]} == "Hello from $TARGET" ]]
}

@test "arguments reach the guest whole" {
    run -0 unikernel --rm hello one 'two words' 'a "quote"' ''
    [[ $output == *$'\narg[0]: one\narg[1]: two words\narg[2]: a "quote"'* ]]
}

@test "placeholders in the arguments are filled from the container's network" {
    docker network create --subnet 10.214.77.0/24 --gateway 10.214.77.1 seventyseven
    run -0 unikernel --rm --network seventyseven --ip 10.214.77.9 --mac-address 02:00:00:00:77:09 --hostname given \
        hello '{ipv4}' '{ipv4.cidr}' '{ipv4.gateway}' '{ipv4.netmask}' '{mac}' '{hostname}' '{{x}'
    [[ $output == *$'\narg[0]: 10.214.77.9\narg[1]: 10.214.77.9/24\narg[2]: 10.214.77.1\narg[3]: 255.255.255.0\n'* ]]
    [[ $output == *$'\narg[4]: 02:00:00:00:77:09\narg[5]: given\narg[6]: {x}'* ]]
}

@test "the page comes through the published port and through the container's address" {
    unikernel -d --name web -p 8080:80 web
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *"target: $TARGET"*"ipv4: $(address web)/20"* ]]
    # From another, Linux, container, which knows nothing of runuk.
    run -0 docker run --rm busybox timeout 10 wget -q -O - "http://$(address web)/"
    [[ $output == *'<title>A unikernel</title>'* ]]
    run -0 docker run --rm busybox ping -c 2 -W 5 "$(address web)"
    [[ $output == *' 0% packet loss'* ]]
}

@test "the guest has the MAC address that Docker gave, and the link's MTU" {
    docker network create -o com.docker.network.driver.mtu=1400 narrow
    unikernel -d --name web --network narrow web
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *"mac: $(field web '{{.NetworkSettings.Networks.narrow.MacAddress}}')"* ]]
    [[ $output == *'mtu: 1400'* ]]
    run -0 inside curl -fsS --max-time 20 -o /dev/null -w '%{size_download}' "http://$(address web)/big?n=3000000"
    [[ $output == 3000000 ]]
}

@test "the published port serves another machine" {
    unikernel -d --name web -p 8080:80 web
    fetch http://127.0.0.1:8080/plain
    # The other machine is a network namespace behind a link of its own to the daemon's.
    inside sh -c 'ip netns add machine && ip link add toward type veth peer name uplink netns machine &&
        ip addr add 10.213.250.1/30 dev toward && ip link set toward up &&
        ip -n machine addr add 10.213.250.2/30 dev uplink && ip -n machine link set uplink up'
    run inside ip netns exec machine curl -fsS --max-time 10 http://10.213.250.1:8080/plain
    inside ip netns del machine
    [[ $status == 0 && $output == *'program: web'* ]]
}

@test "four clients at once, two thousand requests" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    run -0 inside ab -q -s 10 -n 2000 -c 4 "http://$(address web)/"
    [[ $output == *'Complete requests:      2000'* ]]
    [[ $output == *'Failed requests:        0'* ]]
}

@test "docker logs, and the exit code in docker inspect" {
    unikernel -d --name bye exit 42
    run -0 docker wait bye
    [[ $output == 42 ]]
    field_is bye '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' '42 false '
    unikernel --name greet hello logged
    run -0 docker logs greet
    [[ $output == *"Hello from $TARGET"*'arg[0]: logged'* ]]
}

@test "stop takes less than a second" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local start=${EPOCHREALTIME/./} end
    docker stop -t 10 web
    end=${EPOCHREALTIME/./}
    echo "stopped after $(((end - start) / 1000)) ms"
    ((end - start < 1000000 * RUNUK_SLOW))
    field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
}

@test "kill, with and without a signal's name" {
    unikernel -d --name one time wait
    eventually 10 printed one waiting
    docker kill one
    eventually 10 field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    unikernel -d --name two time wait
    eventually 10 printed two waiting
    docker kill -s INT two
    eventually 10 field_is two '{{.State.Status}} {{.State.ExitCode}}' 'exited 130'
}

@test "the end of the monitor's process is the end of the container" {
    unikernel -d --name one time wait
    inside kill -KILL "$(field one '{{.State.Pid}}')"
    eventually 10 field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
}

@test "restart boots the same container anew" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    fetch "http://$(address web)/plain"
    local id before
    id=$(field web '{{.Id}}')
    before=$(field web '{{.State.Pid}}')
    docker restart web
    field_is web '{{.Id}} {{.State.Status}}' "$id running"
    [[ $(field web '{{.State.Pid}}') != "$before" ]]
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'requests: 1'* ]]
}

@test "--restart=on-failure tries as often as told" {
    unikernel -d --name bye --restart=on-failure:3 exit 7
    eventually 30 field_is bye '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' '3 exited 7'
    run -0 docker logs bye
    [[ -n $output ]]
    unikernel -d --name fine --restart=on-failure:3 exit 0
    docker wait fine
    field_is fine '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' '0 exited 0'
}

@test "rm -f of a running one" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local pid
    pid=$(field web '{{.State.Pid}}')
    docker rm -f web
    run ! docker container inspect web
    run ! inside test -e "/proc/$pid"
}

@test "a guest gets no more memory than its limit, whatever the settings say" {
    run -0 unikernel --rm --runtime=runuk-large hello
    [[ $output == *$'\nmem: '* ]]
    local bytes=${output#*mem: }
    ((${bytes%%[!0-9]*} > 580 << 20 && ${bytes%%[!0-9]*} <= 600 << 20))
    run -0 unikernel --rm --runtime=runuk-large -m 64m hello
    bytes=${output#*mem: }
    ((${bytes%%[!0-9]*} > 48 << 20 && ${bytes%%[!0-9]*} <= 64 << 20))
}

@test "a guest can touch all of the memory that it is told of, within -m 64m" {
    run -0 unikernel --name hog -m 64m --memory-swap 64m hog
    [[ $output == *'done: '* ]]
    field_is hog '{{.State.OOMKilled}} {{.State.ExitCode}}' 'false 0'
}

@test "a hog in a pod that has less than the hog was told is killed alone, and OOMKilled says so" {
    unikernel -d --name neighbour -m 64m web
    run -0 fetch "http://$(address neighbour)/plain"
    unikernel -d --name hog --cgroup-parent "$(small_cgroup pod)" hog
    eventually 30 field_is hog '{{.State.Status}}' exited
    field_is hog '{{.State.OOMKilled}} {{.State.ExitCode}}' 'true 137'
    run -0 docker logs hog
    [[ $output == *'touched 40 MiB'* && $output != *'done: '* ]]
    field_is neighbour '{{.State.Status}} {{.State.OOMKilled}}' 'running false'
    run -0 fetch "http://$(address neighbour)/plain"
    [[ $output == *'program: web'* ]]
}

@test "what a guest writes to a disk in memory counts against its -m 64m" {
    local disk=/dev/shm/runuk-test-$$
    truncate -s 128M "$disk"
    chmod 666 "$disk"
    unikernel -d --name writer -m 64m --memory-swap 64m -v "$disk:/dev/storage" block write
    eventually 30 field_is writer '{{.State.Status}}' exited
    rm -f "$disk"
    field_is writer '{{.State.OOMKilled}} {{.State.ExitCode}}' 'true 137'
}

@test "--network none" {
    run -0 unikernel --rm --network none hello
    [[ $output == "Hello from $TARGET"* ]]
    # One that demands a device gets one that leads nowhere.
    unikernel -d --name web --network none web
    eventually 10 printed web ready
    field_is web '{{.State.Status}}' running
}

@test "a user-defined network with a fixed address" {
    docker network create --subnet 10.214.88.0/24 eightyeight
    unikernel -d --name web --network eightyeight --ip 10.214.88.8 web
    run -0 fetch http://10.214.88.8/plain
    [[ $output == *'ipv4: 10.214.88.8/24'*'gateway: 10.214.88.1'* ]]
    run -0 docker run --rm --network eightyeight busybox timeout 10 wget -q -O - http://10.214.88.8/plain
    [[ $output == *'ipv4: 10.214.88.8/24'* ]]
}

@test "two networks: a device each" {
    docker network create --subnet 10.214.91.0/24 first
    docker network create --subnet 10.214.92.0/24 other
    docker create --runtime=runuk --name both --network first --ip 10.214.91.5 net2
    docker network connect --ip 10.214.92.5 other both
    docker start both
    run -0 fetch http://10.214.91.5/plain
    [[ $output == *'10.214.91.5/24'*'10.214.92.5/24'* ]]
    run -0 docker run --rm --network other busybox ping -c 2 -W 5 10.214.92.5
    [[ $output == *' 0% packet loss'* ]]
}

@test "the network mode of the settings: bridge" {
    docker run -d --runtime=runuk-bridge --name web web
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *"ipv4: $(address web)/20"* ]]
    run -0 docker run --rm busybox timeout 10 wget -q -O - "http://$(address web)/plain"
    [[ $output == *'program: web'* ]]
}

@test "a terminal shows what the guest prints" {
    run -0 timeout 30 script -qec "$(type -P docker) run --rm -it --runtime=runuk hello on a tty" /dev/null
    [[ $output == *"Hello from $TARGET"*'arg[2]: tty'* ]]
    docker run -dit --name one --runtime=runuk time wait
    eventually 10 printed one waiting
    docker stop -t 10 one
    field_is one '{{.State.ExitCode}}' 143
}

@test "a disk is a file bound to the device's name; read-only stays read-only" {
    truncate -s 1M "$BATS_TEST_TMPDIR/disk"
    chmod 666 "$BATS_TEST_TMPDIR/disk"
    run -0 unikernel --rm -v "$BATS_TEST_TMPDIR/disk:/dev/storage" block rw
    [[ $output == *'capacity: 1048576'*SUCCESS* ]]
    run -0 unikernel --rm -v "$BATS_TEST_TMPDIR/disk:/storage.img:ro" block verify
    [[ $output == *'verified 1048576 bytes'* ]]
    run -3 unikernel --rm -v "$BATS_TEST_TMPDIR/disk:/storage:ro" block write
    [[ $output == *'write refused'* ]]
}

@test "a disk that is missing, or of an odd size, is an error that docker run shows" {
    run unikernel --rm block info
    [[ $status != 0 && $output == *'OCI runtime'*storage* && $output != *capacity* ]]
    truncate -s 1000 "$BATS_TEST_TMPDIR/odd"
    run unikernel --rm -v "$BATS_TEST_TMPDIR/odd:/dev/storage" block info
    [[ $status != 0 && $output == *'OCI runtime'*storage* && $output != *capacity* ]]
}

@test "a missing binary, and a broken one, are errors and no containers" {
    printf 'FROM scratch\nCOPY hello.spt /broken.spt\nENTRYPOINT ["/broken"]\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    head -c 1000 "$BUILD/guests/hello.spt" >"$BATS_TEST_TMPDIR/hello.spt"
    docker build -q -t broken "$BATS_TEST_TMPDIR"
    run unikernel --name broken broken
    [[ $status != 0 && $output == *'OCI runtime create failed'* && $output != *'exec format'* ]]
    field_is broken '{{.State.Status}}' created
    run -127 unikernel --name missing --entrypoint /nothing hello
    [[ $output == *'no such file or directory'* ]]
}

@test "an hvt image without an spt variant runs, or says that KVM is missing and what would help" {
    printf 'FROM scratch\nCOPY hello.hvt /\nENTRYPOINT ["/hello.hvt"]\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    cp "$BUILD/guests/hello.hvt" "$BATS_TEST_TMPDIR/"
    docker build -q -t only-hvt "$BATS_TEST_TMPDIR"
    run unikernel --rm only-hvt
    if [[ $TARGET == hvt ]]; then
        [[ $status == 0 && $output == 'Hello from hvt'* ]]
    else
        [[ $status != 0 && $output == *'OCI runtime'*KVM*spt* ]]
    fi
}

@test "exec into a unikernel is refused in words" {
    unikernel -d --name one time wait
    exec_refused one sh
    [[ $output == *'OCI runtime exec failed'*'it has no processes to exec'* ]]
    field_is one '{{.State.Status}}' running
}

@test "pause stops the guest, unpause lets it go on" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    docker pause web
    field_is web '{{.State.Status}}' paused
    run ! inside curl -fsS --max-time 1 "http://$(address web)/plain"
    docker unpause web
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'program: web'* ]]
}

@test "top and stats show the monitor, update changes its limit" {
    unikernel -d --name one -m 64m time wait
    run -0 docker top one -o pid,comm
    [[ $output == *"$(field one '{{.State.Pid}}')"*"runuk-$TARGET"* && ${#lines[@]} == 2 ]]
    run -0 docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' one
    [[ $output =~ ^[0-9.]+[KM]iB\ /\ 64MiB\ [1-9] ]]
    docker update -m 96m --memory-swap 96m one
    run -0 docker stats --no-stream --format '{{.MemUsage}}' one
    [[ $output == *'/ 96MiB' ]]
}

@test "the monitor has no privileges, no capabilities and another user" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local set
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do
        run -0 process_status web $set
        [[ $output == 0000000000000000 ]]
    done
    run -0 process_status web NoNewPrivs
    [[ $output == 1 ]]
    run -0 process_status web Seccomp
    [[ $output == 2 ]]
    run -0 process_status web Uid
    [[ $output != 0 ]]
    unikernel -d --name user --user 1234:1234 web
    fetch "http://$(address user)/plain"
    run -0 process_status user Uid
    [[ $output == 1234 ]]
}

@test "nothing is left behind, failures included" {
    docker run --rm busybox true
    traces >"$BATS_TEST_TMPDIR/before"
    unikernel --rm hello
    unikernel -d --name web -p 8080:80 web
    fetch http://127.0.0.1:8080/plain
    docker restart -t 1 web
    docker rm -f web
    docker run -d --runtime=runuk-bridge --name web web
    docker stop -t 10 web
    docker rm web
    run unikernel --rm block info
    [[ $status != 0 ]]
    # A container that is joined to a network that lives on.
    docker run -d --name keeper busybox sleep 1000
    unikernel --rm --network container:keeper hello
    run -0 docker exec keeper ip -o link
    [[ $output != *tap* ]]
    docker rm -f keeper
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
