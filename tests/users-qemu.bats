#!/usr/bin/env bats
# Guests in QEMU in user namespaces: made for a container, joined, lived in; and those of an ordinary user, who may make no mounts.

# shellcheck disable=SC2154 # run sets output, background sets job

load oci
load users

# Emulated, so that it is the same everywhere; in the Debian machine, on KVM.
ACCEL=${RUNUK_ACCEL:-tcg}

setup() {
    oci_setup
    users_setup
    settings --arg accel "$ACCEL" '.accel = $accel'
    [[ $ACCEL != kvm ]] || chmod 0660 /dev/kvm
}

teardown() {
    oci_teardown
}

# guest ID FILE [ARGUMENT…]: a bundle of a guest for bare machines.
guest() {
    local id=$1 file=$2
    shift 2
    bundle "$id" hello "$@"
    cp "$GUESTS/$file" "$id/rootfs/guest"
}

# user_runuk ARGUMENT…: the runtime, called by the ordinary user, with no --root. Where there is KVM it is by its group.
user_runuk() {
    local USER_GROUPS=
    [[ $ACCEL != kvm ]] || USER_GROUPS=$(stat -c %g /dev/kvm)
    by_user "$PWD/programs/runuk" --settings "$SETTINGS" "$@"
}

# processes PID: the two of a guest whose supervisor that is: the mapped user on the host, without any power, in a root with nothing
# but QEMU's files and the image, which is the bundle's own file and no copy. processes PID USER IMAGE.
processes() {
    local supervisor=$1 user=$2 image=$3 qemu pid
    qemu=$(pgrep -P "$supervisor" -f '^/usr/bin/qemu-system')
    for pid in "$supervisor" "$qemu"; do
        equal "$(awk '/^(Uid|Gid):/ { print $2, $3, $4, $5 }' "/proc/$pid/status" | xargs)" \
            "$user $user $user $user $user $user $user $user"
        equal "$(sed -n 's/^Cap[A-Z][a-z]*:\t//p' "/proc/$pid/status" | sort -u)" 0000000000000000
        equal "$(sed -n 's/^NoNewPrivs:\t//p;s/^Seccomp:\t//p' "/proc/$pid/status" | xargs)" '1 2'
        equal "$(stat -Lc %d:%i "/proc/$pid/root/image")" "$(stat -c %d:%i "$image")"
        [[ ! -e /proc/$pid/root/etc && ! -e /proc/$pid/root/proc ]]
    done
    grep ' /image ro,nosuid,nodev,noexec' "/proc/$qemu/mountinfo"
}

# Whether KVM is used where it is.
accelerated() {
    case $ACCEL in
        kvm) said 'monitor: qemu with KVM, process' ;;
        *) said 'monitor: qemu, emulated, process' ;;
    esac
}

nothing_of_the_user() {
    equal "$(find xdg/runuk -mindepth 1 -not -name ".runuk-*")" ''
}

@test "a new user namespace: supervisor and QEMU are a mapped user" {
    guest web time.pvh wait
    mapped web 0 100000 65536
    launch web --pid-file pid
    prints web waiting
    processes "$(cat pid)" 165534 web/rootfs/guest
    run -0 runuk exec web :info
    accelerated
    runuk kill web TERM
    becomes web stopped
    runuk delete web
}

@test "a new user namespace: the container's own user, its status and a disk" {
    guest web block.multiboot rw
    truncate -s 4K disk
    chmod 666 disk
    mapped web 0 100000 65536
    config web --arg disk "$PWD/disk" '.process.user = {uid: 33, gid: 33, additionalGids: [34]}
        | .mounts = [{destination: "/data", type: "bind", source: $disk, options: ["bind"]}]'
    run -0 runuk run --bundle web web
    said SUCCESS
    guest bye finish.pvh 7
    mapped bye 0 100000 65536
    run -7 runuk run --bundle bye bye
}

@test "a joined user namespace" {
    guest first time.pvh wait
    mapped first 0 100000 65536
    launch first --pid-file first.pid
    prints first waiting
    guest second time.pvh wait
    config second --arg ns "/proc/$(cat first.pid)/ns" '.linux.namespaces =
        [{type: "mount"}, {type: "uts"}, {type: "pid"}, ({"network": "net", "ipc": "ipc", "user": "user"} | to_entries[]
        | {type: .key, path: "\($ns)/\(.value)"})]'
    launch second --pid-file second.pid
    prints second waiting
    processes "$(cat second.pid)" 165534 second/rootfs/guest
    runuk delete --force second
    is first running
}

@test "an ordinary user's guest: looked at, ended, and nothing is left" {
    guest web time.pvh wait
    mapped web 0 "$USER_ID" 1
    for_user
    user_runuk create --bundle web --pid-file xdg/pid web >web.out 2>&1 </dev/null
    user_runuk start web
    prints web waiting
    processes "$(cat xdg/pid)" "$USER_ID" web/rootfs/guest
    run -0 user_runuk exec web :info
    accelerated
    user_runuk kill web TERM
    timeout 10 tail --pid="$(cat xdg/pid)" -s 0.02 -f /dev/null
    user_runuk delete web
    nothing_of_the_user
}

@test "an ordinary user's guest: its status, and a disk" {
    guest web finish.pvh 7 said
    mapped web 0 "$USER_ID" 1
    for_user
    run -7 user_runuk run --bundle web web
    said said
    guest disk block.multiboot rw
    truncate -s 4K file
    chown "$USER_ID" file
    mapped disk 0 "$USER_ID" 1
    config disk --arg disk "$PWD/file" '.mounts = [{destination: "/data", type: "bind", source: $disk, options: ["bind"]}]'
    run -0 user_runuk run --bundle disk disk
    said SUCCESS
    nothing_of_the_user
}

# The container's process finds the image by its name, since create may make no mount of it.
@test "an ordinary user's guest is the file that was judged, whatever has its name by then" {
    local swap
    for_user
    chmod 0777 .
    for swap in 'mv other web/rootfs/guest' 'rm web/rootfs/guest' 'mv web/rootfs web/moved'; do
        rm -rf web
        guest web hello.pvh one
        cp "$GUESTS/finish.pvh" other
        mapped web 0 "$USER_ID" 1
        # Until the hooks are through, the process has not looked.
        printf '#!/bin/sh\ncd %q && %s\n' "$PWD" "$swap" >hook
        chmod 0755 hook
        config web --arg hook "$PWD/hook" '.hooks.createRuntime = [{path: $hook}]'
        chown -R "$USER_ID" web
        run -0 user_runuk run --bundle web web
        said 'Hello from pvh'
        nothing_of_the_user
    done
}

@test "an ordinary user's guest has its address from the relay" {
    guest web dhcp.pvh
    mapped web 0 "$USER_ID" 1
    for_user
    user_runuk create --bundle web --pid-file xdg/pid web >web.out 2>&1 </dev/null
    local inside=(nsenter --net="/proc/$(cat xdg/pid)/ns/net")
    "${inside[@]}" ip link add eth0 type veth peer name far0
    "${inside[@]}" ip addr add 10.99.0.2/24 dev eth0
    "${inside[@]}" ip link set eth0 up
    "${inside[@]}" ip link set far0 up
    user_runuk start web
    prints web 10.99.0.2
    user_runuk delete --force web
    nothing_of_the_user
}

@test "unshare -r: root of a user namespace runs a guest" {
    guest web time.pvh wait
    for_user
    local USER_GROUPS=
    [[ $ACCEL != kvm ]] || USER_GROUPS=$(stat -c %g /dev/kvm)
    background by_user unshare -r "$PWD/programs/runuk" --settings "$SETTINGS" run --bundle web --pid-file xdg/pid web \
        >web.out 2>&1 </dev/null
    prints web waiting
    run -0 by_user unshare -r "$PWD/programs/runuk" --settings "$SETTINGS" exec web :info
    accelerated
    by_user unshare -r "$PWD/programs/runuk" --settings "$SETTINGS" kill web KILL
    wait_job "$job"
    equal "$status" 137
    nothing_of_the_user
}
