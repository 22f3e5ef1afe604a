#!/usr/bin/env bats
# Every fault point of the sources (lib/fault.h), in every verb that comes by it: runuk, or the container's process, ends there, and
# delete --force leaves nothing.

load oci
load faults

# Those that have files of their own.
OTHERS='^(unit|userns|visitor|middle|apart):'

setup() {
    faults_setup
}

teardown() {
    oci_teardown
}

# --- lives: what is done to a container ------------------------------------------------------------------------------------

life() {
    case $1 in
        own) # a network of its own, no hooks, deleted as it runs
            bundle web net
            verbs=(create start 'delete --force')
            ;;
        redirect) # a network that lives on, a relay, every hook, ended by a signal
            bundle web net
            hooks
            joined
            mkdir -p web/rootfs/etc
            echo 'nameserver 127.0.0.11' >web/rootfs/etc/resolv.conf
            verbs=(create start kill delete)
            ;;
        bridge) # the same by bridge, deleted as it runs
            bundle web net
            joined
            config web '.annotations["org.runuk.network-mode"] = "bridge"'
            verbs=(create start 'delete --force')
            ;;
        paused) # ended while it is frozen
            bundle web time wait
            verbs=(create start pause kill delete)
            ;;
        refused) # a start that fails when its network is made
            bundle web net '{ipv6}'
            joined
            verbs=(create start delete)
            ;;
        qemu) # two processes and a root of its own
            bundle web hello
            cp "$GUESTS/web.pvh" web/rootfs/guest
            settings '.accel = "tcg"'
            joined
            verbs=(create start kill 'delete --force')
            ;;
        run) # all in one
            bundle web exit 0
            hooks
            verbs=(run)
            ;;
    esac
}

LIVES=(own redirect bridge paused refused run)

# --- tests ------------------------------------------------------------------------------------------------------------------

@test "fault points: none in the runtime that is installed, each name once, each come by" {
    run -1 grep -aq RUNUK_FAULT "$RUNUK"
    grep -aq RUNUK_FAULT "$FAULTS"
    sources . >names
    uniq names | diff names -
    sources "$OTHERS" >others
    covered "^($(LC_ALL=C comm -23 names others | paste -sd '|'))\$" "${LIVES[@]}"
}

@test "runuk or the first process killed at every point: network of its own" {
    sweep own kill
}

@test "runuk or the first process killed at every point: joined network, redirect, hooks" {
    sweep redirect kill
}

@test "runuk or the first process killed at every point of start and of the network: joined network, bridge" {
    sweep bridge kill 'start:*'
    sweep bridge kill 'network:*'
}

@test "runuk killed at every point of ending a paused guest" {
    sweep paused kill 'pause:*'
    sweep paused kill 'kill:*'
    sweep paused kill 'delete:*'
}

@test "runuk killed at every point of a start that fails" {
    sweep refused kill 'start:*'
    sweep refused kill 'network:*'
}

@test "runuk killed at every point of start, in run" {
    sweep run kill 'start:*'
}

@test "the container's process killed while runuk is at any point" {
    local verb
    for verb in create start kill delete; do sweep redirect process "$verb:*"; done
    sweep bridge process 'network:*'
}

@test "runuk, the first process or QEMU's supervisor killed at every point of start: a guest in QEMU" {
    sweep qemu kill 'start:*'
    sweep qemu kill 'init:*'
    sweep qemu process 'start:*'
}

@test "runuk killed while the first process is at any point, and stays there" {
    stays own # without hooks
    stays redirect
}
