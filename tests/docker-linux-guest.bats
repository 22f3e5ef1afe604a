#!/usr/bin/env bats
# `docker run --runtime=runuk` of an image that holds a Linux kernel: its command is run in a machine of its own, on the
# container's network, with the container's files; without label or annotation. And volumes: disks, directories.

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
    printf 'lib9pfs\0' >"$context/libinfo"
    objcopy --add-section .uk_libinfo="$context/libinfo" "$BUILD/guests/files.multiboot" "$context/bare/guest"
    docker build -q -t files "$context/bare" >/dev/null
    cp "$BUILD/guests/hello.multiboot" "$context/bare/guest"
    echo 'VOLUME /var/lib/hello' >>"$context/bare/Dockerfile"
    docker build -q -t with-volume "$context/bare" >/dev/null
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

@test "docker run -i: the program reads what comes in, to its end" {
    run -0 --separate-stderr docker run -i --rm --runtime=runuk linux sh -c 'cat; echo end' <<<'in coming'
    [[ $output == $'in coming\nend' ]]
}

# screen_has TEXT: the terminal that the client runs on shows it.
screen_has() {
    grep -q -- "$1" "$BATS_TEST_TMPDIR/screen" || {
        echo "wanted '$1' on the screen:"
        cat "$BATS_TEST_TMPDIR/screen"
        return 1
    }
}

@test "docker run -it: keys are the guest's, Ctrl-C too, and it knows the size of the terminal, also when that changes" {
    local client tty
    cd "$BATS_TEST_TMPDIR"
    mkfifo keys
    cat >client.sh <<EOF
stty rows 33 cols 77
tty >terminal
exec $(type -P docker) run -it --rm --name guest --runtime=runuk linux sh
EOF
    timeout -k 5 300 script -qec "sh $PWD/client.sh" /dev/null <keys >screen 2>&1 3>&- &
    client=$!
    exec 5>keys
    eventually 120 screen_has "/ #"
    printf 'echo $((6 * 7)) lines\n' >&5
    eventually 60 screen_has '^42 lines'
    printf 'stty size\n' >&5
    eventually 60 screen_has '^33 77'
    tty=$(<terminal)
    stty -F "$tty" rows 44 cols 99
    printf 'until [ "$(stty size)" = "44 99" ]; do sleep 1; done; echo changed\n' >&5
    eventually 60 screen_has '^changed'
    printf 'sh -c '"'"'trap "echo; echo interrupted" INT; echo waits; sleep 100'"'"'\n' >&5
    eventually 60 screen_has '^waits'
    printf '\003' >&5
    eventually 60 screen_has '^interrupted'
    printf 'exit 6\n' >&5
    exec 5>&-
    local status=0
    wait "$client" || status=$?
    [[ $status == 6 ]]
}

@test "an image that is too large for the guest's memory is its disk, to which it writes as a container does" {
    mkdir "$BATS_TEST_TMPDIR/large"
    truncate -s 260M "$BATS_TEST_TMPDIR/large/file"
    head -c 1M /dev/urandom >>"$BATS_TEST_TMPDIR/large/file"
    printf 'FROM linux\nCOPY file /file\n' >"$BATS_TEST_TMPDIR/large/Dockerfile"
    docker build -q -t large "$BATS_TEST_TMPDIR/large" >/dev/null
    run -0 --separate-stderr linux --add-host db:10.214.77.7 large sh -c 'dd if=/file bs=1M skip=260 2>/dev/null | md5sum; grep -c "^overlay / overlay rw" /proc/mounts; grep db /etc/hosts; echo x >/etc/x && cat /etc/x'
    [[ ${lines[0]} == "$(tail -c 1M "$BATS_TEST_TMPDIR/large/file" | md5sum)" ]]
    [[ ${lines[1]} == 1 && ${lines[2]} == *db && ${lines[3]} == x ]]
    run -1 --separate-stderr linux --read-only large touch /etc/x
    [[ $output == *'Read-only file system'* ]]
    docker rmi large >/dev/null
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

@test "a named volume is a directory for guests that have 9p: it keeps what one writes, for the next one and for ordinary containers" {
    run -0 linux -v kept:/data files create=new=text mode=new=640
    [[ $output == *'create=new=text: error 0'* ]]
    run -0 linux -v kept:/data:ro files read=new create=other=text
    [[ $output == *'content: text'* && $output == *'create=other=text: error 30'* ]]
    run -0 docker run --rm -v kept:/data busybox stat -c '%u %a %s' /data/new
    [[ $output == '0 640 4' ]]
}

@test "an image's VOLUME keeps no guest from running that can't mount it; a volume that was asked for does" {
    run -0 linux with-volume
    [[ $output == *multiboot* ]]
    run ! linux -v kept:/var/lib/hello with-volume
    [[ $output == *"volume '/var/lib/hello' is a directory, which a guest of family generic can't mount"* ]]
}
