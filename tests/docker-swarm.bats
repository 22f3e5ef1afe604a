#!/usr/bin/env bats
# A registry on loopback, and a swarm of one machine whose services take their images from it, with runuk as the default
# runtime: a service has no other way to ask for one.
# shellcheck disable=SC2016 # single quotes around what is expanded elsewhere

load docker.bash

setup_file() {
    docker_up --default-runtime runuk
    registry_up
    guest_image web web
    guest_image hello hello
    emulate "$DOCKER_DIR/runuk.json"
    bare_image bare "$BUILD/guests/web.pvh"
    if "$BUILD/runuk-hvt" --probe; then export TARGET=hvt; else export TARGET=spt; fi
}

teardown_file() {
    docker_down
}

teardown() {
    if [[ $(docker info -f '{{.Swarm.LocalNodeState}}') == active ]]; then docker swarm leave --force; fi
    docker_clear
}

# The distribution's registry, where the daemon is, with which it ends. On loopback Docker needs no TLS.
registry_up() {
    export REGISTRY=127.0.0.1:5000
    cat >"$BATS_FILE_TMPDIR/registry.yml" <<YAML
version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: $BATS_FILE_TMPDIR/registry}
  delete: {enabled: true}
http: {addr: "$REGISTRY"}
YAML
    "$OWN_DOCKERD" exec "$DOCKER_DIR" docker-registry serve "$BATS_FILE_TMPDIR/registry.yml" >"$BATS_FILE_TMPDIR/registry.log" 2>&1 3>&- &
    fetch "http://$REGISTRY/v2/" >/dev/null
}

# push IMAGE: into the registry, and away from the daemon under that name.
push() {
    docker tag "$1" "$REGISTRY/$1"
    docker push -q "$REGISTRY/$1"
    docker image rm "$REGISTRY/$1"
}

@test "registry: build, push, remove, and run pulls it" {
    guest_image passing hello
    push passing
    docker image rm passing
    run ! docker image inspect "$REGISTRY/passing"
    run -0 inside curl -fsS "http://$REGISTRY/v2/passing/tags/list"
    [[ $output == *latest* ]]
    run -0 docker run --rm --runtime=runuk "$REGISTRY/passing" from afar
    [[ $output == *"Hello from $TARGET"*'arg[0]: from'* ]]
    field "$REGISTRY/passing" '{{index .RepoDigests 0}}' | grep -q "^$REGISTRY/passing@sha256:"
    docker image rm "$REGISTRY/passing"
}

# --- swarm ----------------------------------------------------------------------------------------------------------------

swarm_up() {
    docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377
}

# The ids of the running containers of a service.
replicas() {
    docker ps -q --no-trunc --filter "label=com.docker.swarm.service.name=$1"
}

# are_replicas SERVICE NUMBER [OTHER]: so many run, and OTHER is none of them.
are_replicas() {
    local ids
    mapfile -t ids < <(replicas "$1")
    printf '%s\n' "${ids[@]}"
    ((${#ids[@]} == $2)) && [[ -z ${3:-} || " ${ids[*]} " != *" $3 "* ]]
}

# The port of the host that leads to port 80 of a container.
host_port() {
    field "$1" '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}'
}

@test "a service of three unikernels: each with a published port, one killed and replaced, scaled and removed" {
    local id victim
    push web
    swarm_up
    docker service create -q -d --name web --replicas 3 --restart-delay 100ms --publish mode=host,target=80 \
        --limit-memory 64M "$REGISTRY/web"
    eventually 60 are_replicas web 3
    for id in $(replicas web); do
        field_is "$id" '{{.HostConfig.Runtime}} {{.HostConfig.Memory}}' "runuk $((64 << 20))"
        run -0 fetch "http://127.0.0.1:$(host_port "$id")/plain"
        [[ $output == *"target: $TARGET"*"ipv4: $(address "$id")/20"* ]]
    done
    victim=$(replicas web | head -n 1)
    docker kill "$victim"
    eventually 60 are_replicas web 3 "$victim"
    for id in $(replicas web); do
        run -0 fetch "http://127.0.0.1:$(host_port "$id")/plain"
        [[ $output == *"target: $TARGET"* ]]
    done
    run -0 docker service ps --filter desired-state=shutdown --format '{{.Error}}' web
    [[ $output == *'non-zero exit (137)'* ]]
    run -0 docker service logs web
    [[ $output == *ready* ]]
    docker service scale -d web=1
    eventually 60 are_replicas web 1
    docker service rm web
    eventually 60 are_replicas web 0
}

@test "an overlay network: a Linux container reaches the unikernels of a service by the service's name" {
    program_image client curl
    push web
    swarm_up
    docker network create -d overlay --attachable over
    docker service create -q -d --name web --endpoint-mode dnsrr --replicas 2 --network over "$REGISTRY/web"
    eventually 60 are_replicas web 2
    run -0 docker run --rm --network over client curl -fsS --retry 20 --retry-connrefused --retry-delay 1 --max-time 20 http://web/plain
    [[ $output == *"target: $TARGET"*'ipv4: 10.0.'* ]]
    docker service rm web
    eventually 60 are_replicas web 0
}

@test "a service of two guests in QEMU, of which one is killed and replaced" {
    local id victim
    push bare
    swarm_up
    docker service create -q -d --name bare --replicas 2 --restart-delay 100ms --publish mode=host,target=80 --limit-memory 128M \
        "$REGISTRY/bare" '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}'
    eventually 60 are_replicas bare 2
    victim=$(replicas bare | head -n 1)
    inside kill -KILL "$(field "$victim" '{{.State.Pid}}')"
    eventually 60 are_replicas bare 2 "$victim"
    for id in $(replicas bare); do
        run -0 fetch "http://127.0.0.1:$(host_port "$id")/plain"
        [[ $output == *'target: pvh'*"ipv4: $(address "$id")/20"* ]]
    done
    docker service rm bare
    eventually 60 are_replicas bare 0
    run ! inside pgrep '^(qemu|runuk-qemu)'
}
