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
    run -126 docker exec web ls
    [[ $output == *'it has no processes to exec'* ]]
}

@test "exec on a terminal" {
    docker run -d --runtime=runuk --name web web
    run -0 timeout 30 script -qec "$(type -P docker) exec -it web :alive" /dev/null
    [[ $output == *running* ]]
}

@test "a health check asks :alive; one that wants a program is unhealthy, and says why" {
    docker run -d --runtime=runuk --name one --health-cmd ':alive' --health-interval 1s time wait
    docker run -d --runtime=runuk --name two --health-cmd 'wget -q localhost' --health-interval 1s --health-retries 1 time wait
    eventually 20 field_is two '{{.State.Health.Status}}' unhealthy
    run -0 docker inspect -f '{{json .State.Health.Log}}' two
    [[ $output == *'it has no processes to exec'* ]]
    eventually 20 field_is one '{{.State.Health.Status}}' healthy
}
