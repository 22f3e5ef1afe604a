#!/usr/bin/env bats
# What docker can ask for that is made for processes, of a unikernel: --init, other namespaces, links that come and go, restart
# policies, and a shim or a daemon that dies.

load docker.bash

setup_file() {
    docker_up
    local guest
    for guest in exit hello net2 time web; do guest_image "$guest" "$guest"; done
    if "$BUILD/runuk-hvt" --probe; then export TARGET=hvt; else export TARGET=spt; fi
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

unikernel() {
    docker run --runtime=runuk "$@"
}

# Is this container's process another one than $2?
pid_changed() {
    local pid
    pid=$(field "$1" '{{.State.Pid}}')
    echo "$pid"
    [[ $pid != 0 && $pid != "$2" ]]
}

@test "--init: a guest needs none, and boots without it; an ordinary image has it" {
    run -0 unikernel --rm --init hello one 'two words'
    [[ $output == *"Hello from $TARGET"*$'\narg[0]: one\narg[1]: two words'* ]]
    unikernel -d --name one --init time wait
    run -0 docker top one -o pid,comm
    [[ ${#lines[@]} == 2 && ${lines[1]} == *"runuk-$TARGET" ]]
    run -0 unikernel --rm --init busybox cat /proc/1/comm
    [[ $output == docker-init ]]
}

@test "--pid=host: it runs, shows in the host's processes, stops, and is gone" {
    unikernel -d --name one --pid=host time wait
    eventually 10 printed one waiting
    run -0 docker run --rm --pid=host busybox cat "/proc/$(field one '{{.State.Pid}}')/comm"
    [[ $output == "runuk-$TARGET" ]]
    local start=${EPOCHREALTIME/./}
    docker stop -t 10 one
    ((${EPOCHREALTIME/./} - start < 2000000))
    field_is one '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' 'exited 143 '
    run -7 unikernel --rm --pid=host exit 7
}

@test "--network host: what needs no network runs, what does is an error that says what to do" {
    run -0 unikernel --rm --network host hello there
    [[ $output == *'arg[0]: there'* ]]
    inside ip -o link >"$BATS_TEST_TMPDIR/before"
    run unikernel --rm --network host web
    [[ $status != 0 && $output == *"the container is on the host's own network, but its image has a network device"*'use a bridge network'* ]]
    run -0 inside ip -o link
    diff "$BATS_TEST_TMPDIR/before" - <<<"$output"
}

@test "--network container:X of a Linux container: the guest has its address and published port while it runs" {
    docker run -d --name keeper -p 8080:80 busybox sleep 1000
    run -0 docker exec keeper ping -c 1 -W 5 10.213.0.1
    unikernel -d --name web --network container:keeper web
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *"target: $TARGET"*"ipv4: $(address keeper)/20"* ]]
    # The link is the guest's: its namespace's own stack hears nothing of it.
    run -1 docker exec keeper ping -c 1 -W 1 10.213.0.1
    docker rm -f web
    run -0 docker exec keeper ping -c 1 -W 5 10.213.0.1
    run -0 docker exec keeper ip -o link
    [[ ${#lines[@]} == 2 ]]
}

@test "--network container:X of a unikernel: a Linux container sees its link, a second guest on it is refused" {
    local runtime
    for runtime in runuk runuk-bridge; do
        docker run -d --runtime=$runtime --name web web
        fetch "http://$(address web)/plain"
        run -0 docker run --rm --network container:web busybox ip -o link
        [[ $output == *'eth0@'* ]]
        run docker run --runtime=$runtime --name second --network container:web web
        [[ $status != 0 && $output == *"link 'eth0' "*' guest'* ]]
        # One that needs no link can be there.
        run -0 unikernel --rm --network container:web hello beside
        [[ $output == *'arg[0]: beside'* ]]
        docker rm -f second
        run -0 fetch "http://$(address web)/plain"
        [[ $output == *'requests: '[23]* ]]
        docker rm -f web
    done
}

@test "networks that come and go while a guest runs: it keeps what it has until it is started again" {
    docker network create --subnet 10.214.91.0/24 first
    docker network create --subnet 10.214.92.0/24 other
    unikernel -d --name both --network first --ip 10.214.91.5 net2
    fetch http://10.214.91.5/plain
    docker network connect --ip 10.214.92.5 other both
    run -0 docker exec both :info
    [[ $output == *'device second: network, none'* && $output != *10.214.92.5* ]]
    fetch http://10.214.91.5/plain
    docker restart -t 1 both
    run -0 docker exec both :info
    # Which of the two networks is eth0 is up to Docker.
    [[ $output == *'device service: network, redirect eth0'*'device second: network, redirect eth1'* ]]
    [[ $output == *'address 10.214.91.5/24'* && $output == *'address 10.214.92.5/24'* ]]
    run -0 docker run --rm --network first busybox ping -c 1 -W 5 10.214.91.5
    run -0 docker run --rm --network other busybox ping -c 1 -W 5 10.214.92.5
    docker network disconnect other both
    run -0 docker run --rm --network first busybox ping -c 1 -W 5 10.214.91.5
    # Without any link it lives on, and can be ended.
    docker network disconnect first both
    run -0 docker exec both :alive
    run ! docker run --rm --network first busybox ping -c 1 -W 1 10.214.91.5
    docker stop -t 5 both
    field_is both '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
    docker rm both
}

@test "restart policies: always brings a killed guest back, unless-stopped does not after a stop, and update changes them" {
    local pid
    unikernel -d --name one --restart=always time wait
    pid=$(field one '{{.State.Pid}}')
    inside kill -KILL "$pid"
    eventually 20 pid_changed one "$pid"
    field_is one '{{.RestartCount}} {{.State.Status}}' '1 running'
    unikernel -d --name two --restart=unless-stopped time wait
    pid=$(field two '{{.State.Pid}}')
    inside kill -KILL "$pid"
    eventually 20 pid_changed two "$pid"
    docker stop -t 5 one two
    field_is one '{{.State.Status}}' exited
    field_is two '{{.State.Status}}' exited
    unikernel -d --name three --restart=always time wait
    docker update --restart=no three
    inside kill -KILL "$(field three '{{.State.Pid}}')"
    eventually 10 field_is three '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' '0 exited 137'
}

@test "wait, rename, cp, diff, export and commit" {
    local id
    id=$(unikernel -d --name one time wait)
    docker wait "$id" >"$BATS_TEST_TMPDIR/waited" 3>&- &
    local waiting=$!
    docker rename one two
    docker cp two:/time.spt "$BATS_TEST_TMPDIR/"
    cmp "$BATS_TEST_TMPDIR/time.spt" "$BUILD/guests/time.spt"
    run -0 docker diff two
    [[ -z $output ]] # the monitor writes nothing into the container
    docker export two | tar -t >"$BATS_TEST_TMPDIR/files"
    grep -qx time.spt "$BATS_TEST_TMPDIR/files"
    docker commit two again
    docker stop -t 5 two
    wait "$waiting"
    [[ $(<"$BATS_TEST_TMPDIR/waited") == 143 ]]
    unikernel -d --name three again
    eventually 10 printed three waiting
    docker image rm -f again
}

@test "update changes what can change while the guest runs, and keeps the rest" {
    unikernel -d --name one -m 64m --memory-swap 128m --cpus 1 time wait
    docker update --cpus 0.5 --cpuset-cpus 0 --pids-limit 20 --memory-reservation 32m one
    docker update -m 96m one
    run -0 docker exec one :stats
    run -0 docker stats --no-stream --format '{{.MemUsage}}' one
    [[ $output == *' / 96MiB' ]]
    run -0 inside grep Cpus_allowed_list "/proc/$(field one '{{.State.Pid}}')/status"
    [[ $output == *$'\t0' ]]
    field_is one '{{.HostConfig.NanoCpus}} {{.HostConfig.CpusetCpus}} {{.HostConfig.PidsLimit}}' '500000000 0 20'
    run docker update -m 16m one
    [[ $status != 0 && $output == *'is less than guest and monitor need'* ]]
    field_is one '{{.HostConfig.Memory}} {{.State.Status}}' "$((96 << 20)) running"
}

@test "a killed shim takes its guest with it, and nothing of it stays" {
    docker run --rm busybox true
    traces >"$BATS_TEST_TMPDIR/before"
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local pid
    pid=$(field web '{{.State.Pid}}')
    inside kill -KILL "$(inside ps -o ppid= -p "$pid")"
    eventually 10 field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    run ! inside test -e "/proc/$pid"
    docker start web
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'requests: 1'* ]]
    docker rm -f web
    no_new_traces "$BATS_TEST_TMPDIR/before"
}

@test "the daemon ends and comes back: it ends its guests, and starts those again that are to be" {
    local signal
    unikernel -d --name stays --restart=always web
    unikernel -d --name rests --restart=unless-stopped time wait
    docker stop -t 5 rests
    for signal in TERM KILL; do
        unikernel -d --name ends time wait
        fetch "http://$(address stays)/plain"
        "$OWN_DOCKERD" restart "$DOCKER_DIR" $signal
        eventually 20 field_is stays '{{.State.Status}}' running
        field_is rests '{{.State.Status}}' exited
        field_is ends '{{.State.Status}}' exited
        run -0 fetch "http://$(address stays)/plain"
        [[ $output == *'requests: 1'* ]]
        run -0 inside pgrep -c "^runuk-$TARGET"
        [[ $output == 1 ]]
        docker rm ends
    done
}
