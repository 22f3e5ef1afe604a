#!/usr/bin/env bats
# One runtime name for a whole compose file: a unikernel web server and a Linux client.

load docker.bash

setup_file() {
    docker_up
}

teardown_file() {
    docker_down
}

project=$TOP/contrib/compose/web-and-client

# Compose is a program of its own, or one of Docker's commands, as the distribution has it.
compose() {
    if type -P docker-compose >/dev/null; then
        timeout -k 5 90 docker-compose -f "$project/docker-compose.yml" -p together "$@"
    else
        docker compose -f "$project/docker-compose.yml" -p together "$@"
    fi
}

teardown() {
    compose down --volumes || :
    docker_clear
}

# The id of the service's container, running or not.
container() {
    compose ps -aq "$1" 2>/dev/null || compose ps -q "$1"
}

@test "the client fetches the page from the unikernel by its address, both under runuk" {
    run -0 compose up -d --build
    local client web
    client=$(container client)
    web=$(container web)
    eventually 60 field_is "$client" '{{.State.Status}} {{.State.ExitCode}}' 'exited 0'
    run -0 docker logs "$client"
    [[ $output == *'program: web'*'ipv4: 10.215.1.10/24'*'gateway: 10.215.1.1'* ]]
    field_is "$client" '{{.HostConfig.Runtime}}' runuk
    field_is "$web" '{{.HostConfig.Runtime}} {{.State.Status}}' 'runuk running'
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'ipv4: 10.215.1.10/24'* ]]
}

@test "compose down leaves nothing" {
    compose up -d --build
    compose down
    traces >"$BATS_TEST_TMPDIR/before"
    compose up -d
    fetch http://127.0.0.1:8080/plain
    compose stop
    compose start
    fetch http://127.0.0.1:8080/plain
    compose down
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
