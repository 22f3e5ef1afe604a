#!/usr/bin/env bats
# exec into a unikernel: nothing is executed, and what can be told about it is told.

load oci

setup() {
    oci_setup
    bundle web time wait
}

teardown() {
    oci_teardown
}

# process NAME ARGUMENT…: a --process file as engines write them.
process() {
    local file=$1
    shift
    jq -n '{terminal: false, user: {uid: 0, gid: 0}, args: $ARGS.positional, cwd: "/"}' --args -- "$@" >"$file"
}

@test "a command is refused in one sentence that says what can be asked" {
    launch web
    run runuk exec web ls -l
    ended 1
    said "container 'web' is a unikernel: it has no processes to exec"
    said ':info'
    process ls.json ls
    run runuk --log log.json --log-format json exec --process ls.json --detach --pid-file pid web
    ended 1
    said 'no processes to exec'
    equal "$(jq -r .level log.json)" error
    [[ ! -e pid ]]
}

@test ":info tells image, monitor, memory and devices" {
    config web '.linux.resources = {memory: {limit: 67108864}}'
    launch web
    run -0 runuk exec web :info
    said 'container: web'
    said 'status: running'
    said 'image: /guest'
    said 'monitor: spt'
    said "process $(field web .pid)"
    said 'memory: 61 MiB'
}

@test ":stats is JSON with what the cgroup counts" {
    config web '.linux.resources = {memory: {limit: 67108864}}'
    launch web
    prints web waiting
    run -0 runuk exec web :stats
    equal "$(jq -c '[.id, .memory.limit, .pids, .memory.oom_kills]' <<<"$output")" '["web",67108864,1,0]'
    equal "$(jq '.memory.usage > 0 and .cpu.usage > 0 and .uptime > 0' <<<"$output")" true
}

# What an spt guest does, no monitor sees: the kernel counts its system calls, all devices and the console together.
@test ":stats and events: the kernel's own count of an spt guest's system calls" {
    truncate -s 64K disk.img
    bundle disk block write wait
    config disk '.mounts += [{destination: "/dev/storage", type: "bind", source: $from, options: ["rbind"]}]' \
        --arg from "$BATS_TEST_TMPDIR/disk.img"
    launch disk
    prints disk waiting
    run -0 runuk exec disk :stats
    local written=$((65536 + $(wc -c <disk.out)))
    # What is left are the few words of the process before it was the monitor.
    equal "$(jq --argjson n "$written" '.io.writes >= 131 and .io.writes < 200
        and .io.written_bytes >= $n and .io.written_bytes < $n + 1024' <<<"$output")" true
    equal "$(jq -c '[has("block"), has("exits"), .network]' <<<"$output")" '[false,false,{}]'
    run -0 runuk events --stats disk
    equal "$(jq --argjson n "$written" '.data.runuk.io.written_bytes >= $n' <<<"$output")" true
    equal "$(jq -c '.data.runuk | [has("block"), has("exits")]' <<<"$output")" '[false,false]'
    [[ ! -e $ROOT/disk/figures ]]
}

@test ":net tells devices that are wired to nothing as well" {
    bundle page web
    launch page
    prints page ready
    run -0 runuk exec page :net
    said 'device service: network, none (wired to nothing), mac '
    said 'sent '
    said_not 'device storage'
}

@test ":alive ends with 0 while the guest runs, with 1 while it is frozen, and is refused when it has ended" {
    launch web
    run -0 runuk exec web :alive
    equal "$output" running
    runuk pause web
    run -1 runuk exec web :alive
    equal "$output" paused
    runuk resume web
    runuk kill web KILL
    becomes web stopped
    run runuk exec web :alive
    ended 1
    said 'cannot exec in a stopped container'
}

@test "as engines call it: a process file, detached; the pid file's process says it, and its status is the answer's" {
    launch web
    process alive.json :alive

    runuk exec --process alive.json --detach --pid-file pid web >answer 2>&1
    [[ $(cat pid) =~ ^[0-9]+$ ]]
    eventually 5 file_has answer running
}

@test "an exec's flags with values are not taken for the id" {
    launch web
    run -0 runuk exec --cwd / --user 0:0 -e A=B web :alive
    equal "$output" running
    run runuk exec --nonsense=1 web :alive
    ended 1
    said 'flag provided but not defined: --nonsense=1'
}

@test "a question comes through a shell as health checks write it, and in no other way" {
    local command
    launch web
    for command in ':alive' ':alive || exit 1'; do
        run -0 runuk exec web /bin/sh -c "$command"
        equal "$output" running
    done
    for command in ':alive || exit 2' ':alive; reboot' ':alivex'; do
        run runuk exec web /bin/sh -c "$command"
        ended 1
        said 'no processes to exec'
    done
    run runuk exec web ':alive || exit 1'
    ended 1
}
