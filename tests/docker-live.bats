#!/usr/bin/env bats
# A dockerd with live-restore: unikernels live on while it is away.

load docker.bash

setup_file() {
    docker_up --live-restore
    guest_image dns dns
    guest_image web web
    guest_image time time
    emulate "$DOCKER_DIR/runuk.json"
    bare_image web.pvh "$BUILD/guests/web.pvh"
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

@test "the daemon ends and comes back, in peace and by force: the guest has not noticed, and can be used and ended" {
    local pid box bare signal
    docker run -d --runtime=runuk --name web -p 8080:80 web
    docker run -d --runtime=runuk --name box busybox sleep 1000
    docker run -d --runtime=runuk --name bare -p 8081:80 web.pvh '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}'
    fetch http://127.0.0.1:8080/plain
    pid=$(field web '{{.State.Pid}}')
    box=$(field box '{{.State.Pid}}')
    bare=$(field bare '{{.State.Pid}}')
    fetch http://127.0.0.1:8081/plain
    for signal in TERM KILL; do
        "$OWN_DOCKERD" restart "$DOCKER_DIR" $signal
        field_is web '{{.State.Status}} {{.State.Pid}}' "running $pid"
        field_is box '{{.State.Status}} {{.State.Pid}}' "running $box"
        field_is bare '{{.State.Status}} {{.State.Pid}}' "running $bare"
        run -0 fetch http://127.0.0.1:8081/plain
        [[ $output == *'target: pvh'*'requests: '[23] ]]
        fetch http://127.0.0.1:8080/plain
    done
    run -0 docker exec web :alive
    run -0 docker logs web
    [[ $output == *ready* ]]
    run -0 docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' web
    [[ $output =~ ^[0-9.]+[KM]iB.*\ 1$ ]]
    run -0 docker exec bare :info
    [[ $output == *'monitor: qemu'* ]]
    docker stop -t 10 bare
    field_is bare '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
    docker pause web
    docker unpause web
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'requests: 4'* ]]
    docker stop -t 10 web
    field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
    docker start web
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'requests: 1'* ]]
}

@test "a guest that ended while the daemon was away has ended, with its exit code, and is started again where that is asked for" {
    local one two
    docker run -d --runtime=runuk --name one time wait
    docker run -d --runtime=runuk --name two --restart=always time wait
    one=$(field one '{{.State.Pid}}')
    two=$(field two '{{.State.Pid}}')
    # The daemon is stopped before it could hear of the guests' end, and then ended.
    inside kill -STOP "$(<"$DOCKER_DIR/dockerd.pid")"
    inside kill -KILL "$one" "$two"
    "$OWN_DOCKERD" restart "$DOCKER_DIR" KILL
    eventually 10 field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    eventually 20 field_is two '{{.State.Status}}' running
    [[ $(field two '{{.State.Pid}}') != "$two" ]]
    docker rm one
}

# more_than COUNT PATTERN: so many lines of the guest's have it.
more_than() {
    (($(docker logs guest 2>&1 | grep -c "$2") > $1))
}

@test "the daemon ends and comes back: its name server has another port then, and the guest still finds others by name" {
    local signal count
    docker network create names
    docker run -d --runtime=runuk --name guest --network names dns '{dns}' guest again
    eventually 20 printed guest 'guest: [0-9]'
    for signal in TERM KILL TERM; do
        "$OWN_DOCKERD" restart "$DOCKER_DIR" $signal
        count=$(docker logs guest 2>&1 | grep -c 'guest: [0-9]')
        eventually 20 more_than $((count + 2)) 'guest: [0-9]'
    done
}
