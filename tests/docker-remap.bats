#!/usr/bin/env bats
# A dockerd whose containers have a user namespace (userns-remap): unikernels, guests in QEMU, the relay, disks, and ordinary images.

load docker.bash

setup_file() {
    docker_up --userns-remap daemon
    emulate "$DOCKER_DIR/runuk.json"
    guest_image web web
    bare_image web.pvh "$BUILD/guests/web.pvh"
    bare_image block.multiboot "$BUILD/guests/block.multiboot"
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

# The user of a process, as the host has it.
user_of() {
    inside awk '/^Uid:/ { print $2 }' "/proc/$1/status"
}

@test "guests are a mapped user's, and have network, names, disks and exec" {
    local pid pids disk=$DOCKER_DIR/disk
    docker network create names
    docker run -d --runtime=runuk --name one --network names web
    docker run -d --runtime=runuk --name two --network names web.pvh '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}'
    run -0 fetch "http://$(address one)/plain"
    [[ $output == *"ipv4: $(address one)/24"* ]]
    run -0 fetch "http://$(address two)/plain"
    [[ $output == *'target: pvh'*"ipv4: $(address two)/24"* ]]
    pids=$(inside pgrep '^(runuk|qemu)')
    for pid in $pids; do
        run -0 user_of "$pid"
        [[ $output == 365534 ]]
    done
    (($(wc -w <<<"$pids") == 4 || $(wc -w <<<"$pids") == 5)) # two with a relay; QEMU beside its supervisor
    run -0 docker exec two :info
    [[ $output == *'monitor: qemu, emulated'* ]]
    run -0 docker run --rm --network names busybox timeout 10 wget -q -O - http://two/plain
    [[ $output == *'target: pvh'* ]]
    docker stop -t 5 one two
    field_is two '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
    truncate -s 4K "$disk"
    chmod 666 "$disk"
    run -0 docker run --rm --runtime=runuk -v "$disk:/data" block.multiboot rw
    [[ $output == *SUCCESS* ]]
    run -0 docker run --rm --runtime=runuk busybox cat /proc/self/uid_map
    [[ $output == *' 300000 '*65536 ]]
}
