#!/usr/bin/env bats
# docker's other commands on a running unikernel: pause, unpause, top, update, exec and health checks.

load docker.bash

setup_file() {
    docker_up
    guest_image web web
    guest_image time time
    if "$BUILD/runuk-hvt" --probe; then export TARGET=hvt; else export TARGET=spt; fi
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

@test "pause stops the guest, unpause lets it answer again" {
    docker run -d --runtime=runuk --name web web
    fetch "http://$(address web)/plain"
    docker pause web
    field_is web '{{.State.Status}}' paused
    run inside curl -fsS --max-time 1 "http://$(address web)/plain"
    [[ $status != 0 ]]
    docker unpause web
    field_is web '{{.State.Status}}' running
    fetch "http://$(address web)/plain"
}

@test "a paused unikernel can be stopped and removed" {
    docker run -d --runtime=runuk --name one time wait
    docker pause one
    docker rm -f one
    run ! docker inspect one
}

@test "top lists the monitor" {
    docker run -d --runtime=runuk --name one time wait
    run -0 docker top one
    [[ ${#lines[@]} == 2 && ${lines[1]} == *"runuk-$TARGET"* ]]
}

@test "update changes limits, and says what it cannot change" {
    docker run -d --runtime=runuk --name one -m 64m --memory-swap 64m time wait
    docker update -m 96m --memory-swap 96m --cpus 0.5 one
    run -0 docker stats --no-stream --format '{{.MemUsage}}' one
    [[ $output == *' / 96MiB' ]]
    run docker update -m 32m one
    [[ $status != 0 && $output == *'is less than guest and monitor need'* ]]
    field_is one '{{.State.Status}}' running
}

@test "exec tells about the guest" {
    docker run -d --runtime=runuk --name web web
    fetch "http://$(address web)/plain"
    run -0 docker exec web :info
    [[ $output == *"monitor: $TARGET"*"address $(address web)/20"* ]]
    run -0 docker exec web :net
    [[ $output =~ received\ [1-9][0-9]*\ frames ]]
    run -0 docker exec web :stats
    [[ $(jq .network.service.tx_frames <<<"$output") -gt 0 ]]
    [[ $(jq .io.written_bytes <<<"$output") -gt 0 ]]
    exec_refused web ls
    [[ $output == *'it has no processes to exec'* ]]
}

@test "exec on a terminal" {
    docker run -d --runtime=runuk --name web web
    run -0 timeout 30 script -qec "$(type -P docker) exec -it web :alive" /dev/null
    [[ $output == *running* ]]
}

@test "exec :console shows what the guest prints, to a pipe and on a terminal, and the log misses nothing of it" {
    local job client
    cd "$BATS_TEST_TMPDIR" || return
    docker run -d --runtime=runuk --name tick time tick 50
    # Bounded: a slow dockerd may lose the end of an exec that comes together with the container's.
    DOCKER_TIMEOUT=60 docker exec tick :console >shown 2>&1 3>&- &
    job=$!
    eventually 20 grep -q '^tick ' shown
    # Whoever watches at the container's end is told so.
    docker stop -t 5 tick
    wait "$job" || :
    docker logs tick >log
    [[ $(grep -c '^tick ' shown) -gt 0 ]]
    diff <(grep '^tick [0-9]* $' shown) <(sed -n "/^$(grep -m 1 '^tick ' shown)\$/,\$p" log)
    docker start tick
    mkfifo keys
    exec 6<>keys
    timeout 30 script -qec "$(type -P docker) exec -it tick :console" /dev/null <keys >screen 2>&1 6>&- 3>&- &
    client=$!
    eventually 20 grep -q 'tick ' screen
    echo hello >&6
    eventually 10 grep -q 'a Solo5 guest has no console input' screen
    # Ctrl-C ends the watching, and nothing else.
    printf '\003' >&6
    timeout 20 tail --pid="$client" -s 0.05 -f /dev/null
    exec 6>&-
    field_is tick '{{.State.Status}}' running
    eventually 5 inside grep -qx $'TracerPid:\t0' "/proc/$(field tick '{{.State.Pid}}')/status"
}

@test "a health check asks :alive; one that wants a program is unhealthy, and says why" {
    docker run -d --runtime=runuk --name one --health-cmd ':alive' --health-interval 1s time wait
    docker run -d --runtime=runuk --name two --health-cmd 'wget -q localhost' --health-interval 1s --health-retries 1 time wait
    eventually 20 field_is two '{{.State.Health.Status}}' unhealthy
    run -0 docker inspect -f '{{json .State.Health.Log}}' two
    [[ $output == *'it has no processes to exec'* ]]
    eventually 20 field_is one '{{.State.Health.Status}}' healthy
}
