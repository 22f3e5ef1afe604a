#!/usr/bin/env bats
# `docker run --runtime=runuk` of an image that holds a Linux kernel: its command is run in a machine of its own, on the
# container's network, with the container's files; without label or annotation. And a volume that is a disk.

load docker.bash

setup_file() {
    docker_up
    local context=$BATS_FILE_TMPDIR/context
    mkdir -p "$context"
    cp -r "$("$BATS_TEST_DIRNAME/lab/guest-kernel")" "$context/kernel"
    printf 'FROM busybox\nCOPY kernel /\nENTRYPOINT ["/vmlinuz"]\nCMD ["sh"]\n' >"$context/Dockerfile"
    docker build -q -t linux "$context" >/dev/null
    mkdir -p "$context/bare"
    cp "$BUILD/guests/block.multiboot" "$context/bare/guest"
    printf 'FROM scratch\nCOPY guest /\nENTRYPOINT ["/guest"]\n' >"$context/bare/Dockerfile"
    docker build -q -t block "$context/bare" >/dev/null
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

linux() {
    docker run --runtime=runuk --rm "$@"
}

@test "docker run IMAGE COMMAND: output, status, environment, user, host name, address, resolv.conf and hosts" {
    docker network create --subnet 10.214.77.0/24 --gateway 10.214.77.1 seventyseven
    run -42 --separate-stderr linux --network seventyseven --ip 10.214.77.9 --hostname web --add-host db:10.214.77.7 -e 'TEXT=two words' \
        -u 7:8 -w /bin linux sh -c 'uname -s; echo "$TEXT"; pwd; id -u; hostname; ip -4 addr show eth0; grep db /etc/hosts; exit 42'
    [[ ${lines[0]} == Linux && ${lines[1]} == 'two words' && ${lines[2]} == /bin && ${lines[3]} == 7 && ${lines[4]} == web ]]
    [[ $output == *'inet 10.214.77.9/24'* && $output == *$'10.214.77.7\tdb'* ]]
    docker run -d --name other --network seventyseven busybox sleep 300
    run -0 linux --network seventyseven linux sh -c 'ping -c 1 -W 5 10.214.77.1 && ping -c 1 -W 5 other'
    [[ $output == *' 0% packet loss'*' 0% packet loss'* ]]
}

@test "docker stop ends it by SIGTERM, and docker wait knows its status; the second start is not packed again" {
    docker run -d --runtime=runuk --name guest linux sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 1; done'
    eventually 60 printed guest ready
    local files
    files=$(inside find "$DOCKER_DIR/cache" -type f -printf '%f %i\n' | LC_ALL=C sort)
    docker stop -t 20 guest
    [[ $(docker wait guest) == 5 ]]
    run -0 --separate-stderr linux linux echo again
    [[ $output == again ]]
    [[ $(inside find "$DOCKER_DIR/cache" -type f -printf '%f %i\n' | LC_ALL=C sort) == "$files" ]]
}

@test "a volume that is a file is a disk, read-only when the engine says so" {
    truncate -s 64K "$DOCKER_DIR/disk.img"
    run -0 linux -v "$DOCKER_DIR/disk.img:/data" block rw
    [[ $output == *SUCCESS* ]]
    run -3 linux -v "$DOCKER_DIR/disk.img:/data:ro" block write
    [[ $output == *'write refused'* ]]
    run ! linux -v "$DOCKER_DIR:/data" block info
    [[ $output == *"volume '/data' is a directory, which a guest of family generic can't mount"* ]]
}
