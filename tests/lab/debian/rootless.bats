#!/usr/bin/env bats
# Rootless podman: an ordinary user's unikernels, in the user's own namespaces, cgroups and network. For the Debian machine, whose
# user "lab" has subordinate ids and a service manager.

bats_require_minimum_version 1.5.0

load ../../wait.bash

TOP=$BATS_TEST_DIRNAME/../../..
BUILD=${RUNUK_BUILD:-$TOP/build}

setup_file() {
    systemctl start "user@$(id -u lab).service"
    mkdir -p /etc/runuk
    jq -n --arg m "$BUILD" '{monitor_dir: $m}' >/etc/runuk/runuk.json
    local guest
    for guest in hello time web; do
        tar -C "$BUILD/guests" -c "$guest.hvt" "$guest.spt" |
            as_user podman import -q --change "ENTRYPOINT [\"/$guest\"]" - "$guest"
    done
    tar -C /bin -c busybox | as_user podman import -q --change 'ENTRYPOINT ["/busybox"]' - busybox
}

setup() {
    # An ordinary user has no right to the device; the test that is about it gives it.
    chmod 0660 /dev/kvm
}

teardown() {
    podman rm -f -t 0 -a >/dev/null
    chmod 0660 /dev/kvm
}

# as_user COMMAND…: where a login of the user would be: below the user's own service manager.
as_user() {
    timeout -k 5 $((60 * RUNUK_SLOW)) setpriv --reuid lab --regid lab --init-groups --inh-caps=-all \
        env XDG_RUNTIME_DIR="/run/user/$(id -u lab)" HOME=/home/lab \
        systemd-run --user --pipe --wait --collect --quiet -p KillMode=process -p WorkingDirectory=/home/lab -E PATH="$PATH" -- "$@" 3>&-
}

podman() {
    as_user podman --runtime "$BUILD/runuk" --cgroup-manager systemd "$@"
}

field() {
    podman inspect -f "$2" "$1"
}

# fetch URL, from the user's side of the published port, which is the machine's.
fetch() {
    eventually 10 curl -fsS --max-time 5 "$1"
}

# What a container could leave, one line each.
traces() {
    local uid
    uid=$(id -u lab)
    ps -eo comm= | grep -E '^(conmon|runuk|runc|slirp4netns|rootlessport)' | LC_ALL=C sort
    find "/run/user/$uid/runuk" -mindepth 1 -not -name ".runuk-*" 2>/dev/null
    find "/sys/fs/cgroup/user.slice/user-$uid.slice" -type d -name 'libpod*' | LC_ALL=C sort
    setpriv --reuid lab --regid lab --init-groups env XDG_RUNTIME_DIR="/run/user/$uid" \
        systemctl --user list-units --all --plain --no-legend 'libpod*'
}

nothing_left() {
    local left
    left=$(traces)
    echo "$left"
    [[ -z $left ]]
}

# The host's user ids of a process.
uids() {
    sed -n 's/^Uid:\t//p' "/proc/$1/status" | tr '\t' ' '
}

@test "an ordinary user's podman boots a unikernel, and hands back output and status" {
    run -0 podman run --rm --network none hello one 'two words'
    [[ ${lines[0]} == 'Hello from spt' && $output == *$'\narg[0]: one\narg[1]: two words'* ]]
}

@test "the monitor is one of the user's subordinate ids, without capabilities" {
    podman run -d --name one --network none time wait
    local pid uid
    pid=$(field one '{{.State.Pid}}')
    [[ $(<"/proc/$pid/comm") == runuk-spt ]]
    uid=$(uids "$pid")
    echo "uids: $uid"
    ((${uid%% *} >= 100000 && ${uid%% *} < 165536))
    [[ $(sed -n 's/^CapEff:\t//p' "/proc/$pid/status") == 0000000000000000 ]]
    [[ $(readlink "/proc/$pid/ns/user") != "$(readlink /proc/1/ns/user)" ]]
}

# podman's usual port handler connects inside of the namespace, to an address that is the guest's by then.
@test "a published port serves the guest's page" {
    podman run -d --name web --network slirp4netns:port_handler=slirp4netns -p 127.0.0.1:8080:80 web
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'program: web'*'target: spt'* ]]
    run -0 podman exec web :net
    [[ $output =~ received\ [1-9][0-9]*\ frames ]]
}

@test "limits are properties of a scope of the user's service manager, and bite in its cgroup" {
    podman run -d --name one --network none -m 64m --pids-limit 50 time wait
    local scope cgroup
    scope=libpod-$(field one '{{.Id}}').scope
    cgroup=/sys/fs/cgroup$(sed 's/^0:://' "/proc/$(field one '{{.State.Pid}}')/cgroup")
    echo "$cgroup"
    [[ $cgroup == */user@"$(id -u lab)".service/user.slice/"$scope" ]]
    [[ $(<"$cgroup/memory.max") == 67108864 && $(<"$cgroup/pids.max") == 50 ]]
    run -0 as_user systemctl --user show -p MemoryMax,TasksMax,ActiveState "$scope"
    [[ $output == *MemoryMax=67108864* && $output == *TasksMax=50* && $output == *ActiveState=active* ]]
}

@test "pause, unpause, stop, start, exec, and nothing is left" {
    podman run -d --name one --network none time wait
    podman pause one
    [[ $(field one '{{.State.Status}}') == paused ]]
    podman unpause one
    run -0 podman exec one :alive
    [[ $output == *running* ]]
    podman stop -t 10 one
    [[ $(field one '{{.State.ExitCode}}') == 143 ]]
    podman start one
    [[ $(field one '{{.State.Status}}') == running ]]
    podman rm -f -t 0 one
    eventually 10 nothing_left
}

@test "a user who may use KVM gets it" {
    chmod 0666 /dev/kvm
    run -0 podman run --rm --network none hello
    [[ ${lines[0]} == 'Hello from hvt' ]]
}

@test "an ordinary image goes to runc, the user's as anybody's" {
    run -0 podman run --rm --network none busybox sh -c 'echo $((6 * 7)); exit 0'
    [[ $output == 42 ]]
    run -3 podman run --rm --network none busybox sh -c 'exit 3'
}
