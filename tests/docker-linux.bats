#!/usr/bin/env bats
# An ordinary image under `docker run --runtime=runuk`, and under a Docker whose default is runuk: as with runc.
# shellcheck disable=SC2016 # single quotes around what is expanded elsewhere

load docker.bash

setup_file() {
    docker_up --default-runtime runuk
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

# The same command under both runtimes has the same output and status. (A line that begins with time= is the client's: whether
# it still waits when a start fails is a matter of chance.)
same_as_runc() {
    local ours theirs our_status=0 their_status=0
    ours=$(docker run --rm --runtime=runuk "$@" 2>&1) || our_status=$?
    theirs=$(docker run --rm --runtime=runc "$@" 2>&1) || their_status=$?
    ours=$(sed '/^time=/d' <<<"$ours")
    theirs=$(sed '/^time=/d' <<<"$theirs")
    echo "runuk: $our_status $ours"
    echo "runc:  $their_status $theirs"
    [[ -n $ours && $ours == "$theirs" && $our_status == "$their_status" ]]
}

@test "the daemon knows runuk and has it as its default" {
    run -0 docker info -f '{{.DefaultRuntime}} {{range $name, $runtime := .Runtimes}}{{$name}} {{end}}'
    [[ $output == "runuk "*" runuk "* ]]
    docker create --name plain busybox true
    field_is plain '{{.HostConfig.Runtime}}' runuk
}

@test "run prints the output and returns the status of the program" {
    run -0 docker run --rm --runtime=runuk busybox echo 'one  two'
    [[ $output == 'one  two' ]]
    run -37 docker run --rm --runtime=runuk busybox sh -c 'echo to stderr >&2; exit 37'
    [[ $output == 'to stderr' ]]
    run -0 bash -c "echo typed | '$(type -P docker)' run --rm -i --runtime=runuk busybox cat"
    [[ $output == typed ]]
}

@test "user, environment, directory, limits, capabilities and mounts are those that runc gives" {
    mkdir -p "$BATS_TEST_TMPDIR/dir"
    echo content >"$BATS_TEST_TMPDIR/dir/file"
    same_as_runc -e A=b --hostname box -w /bin busybox sh -c 'env | sort; pwd; hostname'
    same_as_runc -u 1234:5678 busybox id
    same_as_runc --ulimit nofile=77:88 --cap-drop ALL --cap-add NET_RAW --security-opt no-new-privileges busybox \
        sh -c 'ulimit -n; ulimit -Hn; grep -e ^Cap -e ^NoNew -e ^Seccomp: /proc/self/status'
    same_as_runc -v "$BATS_TEST_TMPDIR/dir:/mnt:ro" --tmpfs /scratch --read-only busybox \
        sh -c 'exec 2>&1; cat /mnt/file; touch /mnt/no /no; touch /scratch/yes && ls /scratch; cut -d" " -f2-4 /proc/mounts | grep -v overlay'
    same_as_runc -m 64m --cpus 0.5 --pids-limit 50 busybox \
        sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory.max 2>/dev/null'
}

@test "what cannot be run fails as it does with runc" {
    same_as_runc busybox /no/such/program
    same_as_runc -w / busybox /etc
}

@test "a terminal" {
    run -0 timeout 30 script -qec "$(type -P docker) run --rm -it --runtime=runuk busybox sh -c 'tty; stty size >/dev/null && echo sized'" /dev/null
    [[ $output == */dev/pts/0*sized* ]]
}

@test "network none, host, and the address that Docker gave" {
    same_as_runc --network none busybox ip -o link
    run -0 docker run --rm --runtime=runuk --network host busybox ip -o link show runuk-own0
    [[ $output == *runuk-own0* ]]
    docker run -d --name one --runtime=runuk busybox sleep 1000
    run -0 docker exec one ip -4 -o addr show eth0
    [[ $output == *" $(address one)/"* ]]
}

@test "exec, with its status, user, environment and a terminal" {
    docker run -d --name one --runtime=runuk busybox sleep 1000
    run -0 docker exec -u 12 -e X=y one sh -c 'id -u; echo $X'
    [[ $output == $'12\ny' ]]
    run -9 docker exec one sh -c 'exit 9'
    run -0 timeout 30 script -qec "$(type -P docker) exec -it one tty" /dev/null
    [[ $output == */dev/pts/* ]]
    exec_refused one /no/such/program
    [[ $output == *'OCI runtime exec failed'*'no such file'* ]]
}

@test "pause and unpause" {
    docker run -d --name one --runtime=runuk busybox sleep 1000
    docker pause one
    field_is one '{{.State.Status}}' paused
    docker unpause one
    field_is one '{{.State.Status}}' running
    run -0 docker exec one echo alive
    [[ $output == alive ]]
}

@test "top, stats and update" {
    docker run -d --name one --runtime=runuk -m 64m busybox sleep 1000
    run -0 docker top one
    [[ $output == *'sleep 1000'* ]]
    run -0 docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' one
    [[ $output == *'/ 64MiB 1' ]]
    docker update -m 96m --memory-swap 96m one
    run -0 docker stats --no-stream --format '{{.MemUsage}}' one
    [[ $output == *'/ 96MiB' ]]
}

@test "cp in both directions, diff and export" {
    docker run -d --name one --runtime=runuk busybox sleep 1000
    echo from outside >"$BATS_TEST_TMPDIR/in"
    docker cp "$BATS_TEST_TMPDIR/in" one:/in
    run -0 docker exec one sh -c 'cat /in; echo from inside >/out'
    [[ $output == 'from outside' ]]
    docker cp one:/out "$BATS_TEST_TMPDIR/out"
    [[ $(<"$BATS_TEST_TMPDIR/out") == 'from inside' ]]
    run -0 docker diff one
    [[ $output == *'A /out'* ]]
}

@test "stop, kill and restart" {
    docker run -d --name one --runtime=runuk busybox sh -c 'trap "exit 3" TERM; echo started; while :; do sleep 0.1; done'
    eventually 10 printed one started
    docker stop -t 20 one
    field_is one '{{.State.ExitCode}}' 3
    docker restart one
    field_is one '{{.State.Status}}' running
    docker kill one
    eventually 10 field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
}

@test "a program over its memory limit is killed and says so" {
    docker run -d --name one --runtime=runuk -m 16m --memory-swap 16m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'
    eventually 20 field_is one '{{.State.Status}}' exited
    field_is one '{{.State.OOMKilled}} {{.State.ExitCode}}' 'true 137'
}

@test "a health check" {
    docker run -d --name one --runtime=runuk --health-cmd 'test -e /bin/sh' --health-interval 1s busybox sleep 1000
    eventually 20 field_is one '{{.State.Health.Status}}' healthy
}

@test "docker build with RUN steps" {
    printf 'FROM busybox\nRUN mkdir -m 777 /work && echo built > /work/result\nUSER 1234\nRUN id -u > /work/me\n' \
        >"$BATS_TEST_TMPDIR/Dockerfile"
    docker build -q -t built "$BATS_TEST_TMPDIR"
    run -0 docker run --rm built cat /work/result /work/me
    [[ $output == $'built\n1234' ]]
    printf 'FROM busybox\nRUN echo about to fail; exit 5\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    run -5 docker build --no-cache "$BATS_TEST_TMPDIR"
    [[ $output == *'about to fail'*'returned a non-zero code: 5'* ]]
}

@test "nothing is left behind" {
    docker run --rm --runtime=runuk busybox true
    traces >"$BATS_TEST_TMPDIR/before"
    docker run --rm --runtime=runuk busybox true
    docker run -d --name one --runtime=runuk -p 127.0.0.1:8081:80 busybox sleep 1000
    docker exec one true
    docker rm -f one
    run -127 docker run --rm --runtime=runuk busybox /no/such/program
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
