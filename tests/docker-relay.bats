#!/usr/bin/env bats
# Docker's own name server, as a unikernel on a user-defined network sees it: containers and services by name, and names of the
# world through a name server of the test's own.

load docker.bash

setup_file() {
    docker_up
    guest_image dns dns
    guest_image web web
}

teardown_file() {
    docker_down
}

setup() {
    docker network create --subnet 10.214.78.0/24 --gateway 10.214.78.1 names
    world_up
}

teardown() {
    inside kill "$(<"$DOCKER_DIR/world.pid")" || :
    rm -f "$DOCKER_DIR/world.pid"
    docker_clear
}

# The name server of the world, at the network's gateway.
world_up() {
    inside dnsmasq -C /dev/null -a 10.214.78.1 -z -R -h -u root --host-record=far.example,192.0.2.7 --local=/example/ \
        -x "$DOCKER_DIR/world.pid" 3>&-
    eventually 10 test -s "$DOCKER_DIR/world.pid"
}

# The guest asks for the names that are given, and stays.
asks() {
    docker run --runtime=runuk -d --name guest --network names --dns 10.214.78.1 "${options[@]}" dns '{dns}' "$@" wait
}

@test "a guest resolves other containers, Linux ones and guests, by name, and names of the world" {
    docker run -d --name db --network names --network-alias database busybox sleep 600
    docker run --runtime=runuk -d --name site --network names web
    options=()
    asks db database site guest far.example missing.example
    eventually 30 printed guest 'missing.example:'
    run -0 docker logs guest
    [[ $output == *'name server 169.254.53.53'* ]]
    [[ $output == *$'\n'"db: $(address db)"$'\n'"database: $(address db)"$'\n'"site: $(address site)"$'\n'* ]]
    [[ $output == *$'\n'"guest: $(address guest)"$'\n''far.example: 192.0.2.7'$'\n''missing.example: error 3'* ]]
}

@test "with the network mode bridge, too" {
    docker run -d --name db --network names busybox sleep 600
    docker run --runtime=runuk-bridge -d --name guest --network names --dns 10.214.78.1 dns '{dns}' db far.example wait
    eventually 30 printed guest 'far.example: 192.0.2.7'
    printed guest "db: $(address db)"
}

@test "the relay is a second process of the container, which pauses and ends with it" {
    options=()
    docker run -d --name warm --network names busybox true
    traces >"$BATS_TEST_TMPDIR/before"
    asks far.example
    eventually 30 printed guest 'far.example: 192.0.2.7'
    relays 1
    docker pause guest
    docker unpause guest
    relays 1
    docker restart -t 1 guest
    eventually 30 answered_twice
    docker kill guest
    eventually 10 relays 0
    docker rm guest
    docker container prune -f >/dev/null
    no_new_traces "$BATS_TEST_TMPDIR/before"
}

# relays COUNT: so many are there.
relays() {
    [[ $(inside pgrep -xc runuk-relay) == "$1" ]]
}

answered_twice() {
    [[ $(docker logs guest | grep -c 'far.example: 192.0.2.7') == 2 ]]
}

@test "a guest on the default network, whose name server is outside, has no relay" {
    docker run --runtime=runuk -d --name guest --dns 10.214.78.1 dns '{dns}' wait
    eventually 30 printed guest ready
    run -0 docker logs guest
    [[ $output == *'name server 10.214.78.1'* ]]
    relays 0
}
