#!/usr/bin/env bats
# The demo as a visitor sees it, and the promise that it and the Docker tests disturb nobody.

load docker.bash

setup_file() {
    export RUNUK=${RUNUK:-$BUILD/runuk}
}

setup() {
    daemons=()
}

teardown() {
    local daemon
    for daemon in "${daemons[@]}"; do kill -TERM "$daemon" 2>/dev/null || :; done
}

# What others on this machine could notice of us.
surroundings() {
    ip -o link | sed 's/^[0-9]*: \([^:@]*\)[@:].*/link \1/'
    ip -o addr | awk '{ print "address", $2, $4 }'
    iptables-save | grep -v '^#' | sed 's/\[.*\]//'
    sysctl -n net.ipv4.ip_forward
    find /etc/docker /run/docker /var/lib/docker -maxdepth 1 -printf '%p %t\n' 2>/dev/null || :
    find /sys/fs/cgroup/ -maxdepth 2 -name 'runuk-docker-runuk-demo*'
}

# start DIR [OPTION…]: a daemon in the background, its pid in the array daemons.
start() {
    "$OWN_DOCKERD" run "$@" >/dev/null 2>&1 3>&- &
    daemons+=($!)
    "$OWN_DOCKERD" wait "$1" 60
}

ended() {
    [[ -e $1/ended && -z $(find /sys/fs/cgroup/ -maxdepth 2 -name "runuk-docker-$(basename "$1")") ]]
}

@test "make demo boots a unikernel, shows its page and leaves nothing" {
    surroundings >"$BATS_TEST_TMPDIR/before"
    run -0 timeout -k 10 300 "$TOP/contrib/demo/demo" </dev/null
    [[ $output == *'docker run -d --name web --runtime=runuk'*'program: web'*'stopped after'*'exit code 143'* ]]
    [[ $output == *$'\nDone: '* ]]
    diff "$BATS_TEST_TMPDIR/before" <(surroundings)
}

@test "two Dockers of one's own at once, with the same addresses, and nobody notices" {
    surroundings | grep -v ^/sys >"$BATS_TEST_TMPDIR/before"
    start "$BATS_TEST_TMPDIR/one" --owner $$
    start "$BATS_TEST_TMPDIR/two" --owner $$ --default-runtime runuk
    run -0 docker -H "unix://$BATS_TEST_TMPDIR/one/docker.sock" info -f '{{.DefaultRuntime}}'
    [[ $output == runc ]]
    run -0 docker -H "unix://$BATS_TEST_TMPDIR/two/docker.sock" info -f '{{.DefaultRuntime}}'
    [[ $output == runuk ]]
    run -0 "$OWN_DOCKERD" exec "$BATS_TEST_TMPDIR/two" ip -o link
    [[ $output == *runuk-own0* ]]
    diff "$BATS_TEST_TMPDIR/before" <(surroundings | grep -v ^/sys)
    kill -TERM "${daemons[@]}"
    eventually 20 ended "$BATS_TEST_TMPDIR/one"
    eventually 20 ended "$BATS_TEST_TMPDIR/two"
}

@test "a Docker of one's own ends with its owner, and takes everything along" {
    sleep 1000 3>&- &
    local owner=$! init
    start "$BATS_TEST_TMPDIR/own" --owner $owner
    init=$(<"$BATS_TEST_TMPDIR/own/init.pid")
    kill $owner
    eventually 20 ended "$BATS_TEST_TMPDIR/own"
    [[ ! -e /proc/$init && ! -e $BATS_TEST_TMPDIR/own/data ]]
}

@test "a Docker of one's own does not outlive its script, however that ends" {
    start "$BATS_TEST_TMPDIR/own" --owner $$
    local init
    init=$(<"$BATS_TEST_TMPDIR/own/init.pid")
    kill -KILL "${daemons[0]}"
    timeout 20 tail --pid="$init" -s 0.1 -f /dev/null
    run ! pgrep -f "$BATS_TEST_TMPDIR/own/daemon.json"
    find /sys/fs/cgroup/ -depth -type d -path '*/runuk-docker-own*' -exec rmdir {} +
}

@test "with nothing missing install-packages asks dpkg only, and says nothing" {
    mkdir "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\necho "apt was called"; exit 9\n' >"$BATS_TEST_TMPDIR/bin/apt-get"
    chmod +x "$BATS_TEST_TMPDIR/bin/apt-get"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 "$TOP/contrib/install-packages" check
    [[ -z $output ]]
    run -0 "$TOP/contrib/install-packages" --list build
    [[ $output == *libjansson-dev* && $output != *qemu* ]]
    run -1 "$TOP/contrib/install-packages" everything
    [[ $output == *usage* ]]
}
