#!/usr/bin/env bats
# One runtime name for a whole compose file: a unikernel web server and Linux programs beside it.

load docker.bash

setup_file() {
    docker_up
}

teardown_file() {
    docker_down
}

setup() {
    project=$TOP/contrib/compose/web-and-client
}

# Compose is a program of its own, or one of Docker's commands, as the distribution has it.
compose() {
    if type -P docker-compose >/dev/null; then
        timeout -k 5 90 docker-compose -f "$project/docker-compose.yml" -p together "$@"
    else
        DOCKER_TIMEOUT=90 docker compose -f "$project/docker-compose.yml" -p together "$@"
    fi
}

teardown() {
    compose down --volumes --timeout 1 || :
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

# A web server in a unikernel and one in QEMU, a database, and a client of all, all of them under runuk. The client starts when the
# others are healthy, knows them by the names of their services, and carries the pages from the ones to the other.
four_services() {
    guest_image web web
    emulate "$DOCKER_DIR/runuk.json"
    bare_image bare "$BUILD/guests/web.pvh"
    program_image client curl redis-cli
    program_image database redis-server redis-cli
    project=$BATS_TEST_TMPDIR/four
    mkdir "$project"
    cat >"$project/docker-compose.yml" <<'YAML'
version: "2.4"
services:
  web:
    runtime: runuk
    image: web
    mem_limit: 64m
    stop_grace_period: 5s
    healthcheck:
      test: ["CMD", ":alive"]
      interval: 1s
  bare:
    runtime: runuk
    image: bare
    command: ["--ipv4={ipv4.cidr}", "--ipv4-gateway={ipv4.gateway}"]
    mem_limit: 128m
    healthcheck:
      test: ["CMD", ":alive"]
      interval: 1s
  database:
    runtime: runuk
    image: database
    command: ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]
    volumes: ["data:/data"]
    working_dir: /data
    healthcheck:
      test: ["CMD", "redis-cli", "ping"]
      interval: 1s
  client:
    runtime: runuk
    image: client
    depends_on:
      web: {condition: service_healthy}
      bare: {condition: service_healthy}
      database: {condition: service_healthy}
    command:
      - sh
      - -exc
      - |
        curl -fsS --max-time 10 http://web/plain >/page
        curl -fsS --retry 10 --retry-connrefused --max-time 10 http://bare/plain >>/page
        redis-cli -h database -x set page </page
        redis-cli -h database get page | grep -e 'program: web' -e 'target: pvh'
volumes:
  data: {}
YAML
}

@test "four services that know each other by name: a unikernel, one in QEMU, a database and a client of all" {
    four_services
    run -0 compose up -d
    local client
    client=$(container client)
    eventually 60 field_is "$client" '{{.State.Status}} {{.State.ExitCode}}' 'exited 0'
    run -0 docker logs "$client"
    [[ $output == *OK*'program: web'*'target: pvh'* ]]
    field_is "$(container web)" '{{.HostConfig.Runtime}} {{.State.Health.Status}}' 'runuk healthy'
    run -0 compose exec -T database redis-cli get page
    [[ $output == *'program: web'*"ipv4: $(address "$(container web)")/"* ]]
    # One of them anew, under the same name.
    compose restart -t 5 web
    run -0 compose run --rm --no-deps client curl -fsS --retry 10 --retry-connrefused --max-time 10 http://web/plain
    [[ $output == *'requests: 1'* ]]
}

@test "a unikernel finds the other services by name, also one that comes later" {
    guest_image dns dns
    project=$BATS_TEST_TMPDIR/names
    mkdir "$project"
    cat >"$project/docker-compose.yml" <<'YAML'
version: "2.4"
services:
  database:
    image: busybox
    command: ["sleep", "600"]
  later:
    image: busybox
    command: ["sleep", "600"]
  client:
    runtime: runuk
    image: dns
    depends_on: ["database"]
    command: ["{dns}", "database", "later", "again"]
YAML
    compose up -d database client
    local client
    client=$(container client)
    eventually 30 printed "$client" "^database: $(address "$(container database)")"
    compose up -d later
    eventually 60 printed "$client" "^later: $(address "$(container later)")"
}
