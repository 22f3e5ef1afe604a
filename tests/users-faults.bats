#!/usr/bin/env bats
# The fault points of user namespaces and of the work that an ordinary user's runuk does in a process apart: runuk, that process, or
# the container's ends there, and delete --force leaves nothing.

# shellcheck disable=SC2154 # background sets job

load oci
load users
load faults

MINE='^(userns|visitor|middle|apart):'

setup() {
    faults_setup
    users_setup
}

teardown() {
    oci_teardown
}

# --- lives: what is done to a container ------------------------------------------------------------------------------------

life() {
    BY=(timeout -k 5 30)
    APART=
    bundle web net
    case $1 in
        new) # a user namespace of its own, and the network of another
            mapped web 0 100000 65536
            joined
            verbs=(create start kill delete)
            ;;
        joining) # a user namespace that is there, and its network
            inhabited 100000 65536
            joined
            verbs=(create start 'delete --force')
            ;;
        ordinary) # an ordinary user
            mapped web 0 "$USER_ID" 1
            ordinary
            verbs=(create start kill delete)
            ;;
        inside) # an ordinary user who joins namespaces of the own
            inhabited "$USER_ID" 1
            joined
            ordinary
            verbs=(create start 'delete --force')
            ;;
        helper) # an ordinary user who needs ids of others, which nobody has granted
            mapped web 0 100000 65536
            ordinary
            verbs=(create)
            ;;
    esac
}

LIVES=(new joining ordinary inside helper)

# inhabited OUTSIDE SIZE: a user namespace with a network namespace that live on; the bundle joins the former.
inhabited() {
    if [[ -z $network ]]; then
        # It has to be its user's who makes it, or that one could not join it.
        background setpriv --reuid "$1" --regid "$1" --clear-groups unshare -Un sleep 600
        network=$job
        eventually 5 own_network "$network"
        echo "0 $1 $2" >"/proc/$network/uid_map"
        echo "0 $1 $2" >"/proc/$network/gid_map"
        furnish
    fi
    config web '.linux.namespaces += [{type: "user", path: "/proc/\($pid)/ns/user"}]' --arg pid "$network"
}

# From here on an ordinary user calls, who has a state root.
ordinary() {
    BY=(by_user)
    APART=yes
    [[ -d programs ]] || {
        for_user
        cp "$FAULTS" programs/faults
        mkdir -p "$ROOT"
        chown "$USER_ID" "$ROOT" . place
        RUNUK=$PWD/programs/runuk FAULTS=$PWD/programs/faults
    }
}

# Beside what oci.bash looks for: anything that is the ordinary user's, but for the inhabitant.
all_gone() {
    no_traces
    equal "$(made)" ''
    equal "$(pgrep -U "$USER_ID" | grep -vx -- "${network:-0}")" ''
    if [[ -n $network ]]; then diff links <(links); fi
    equal "$(find place -mindepth 1 -not -name pid)" ''
}

# --- tests ------------------------------------------------------------------------------------------------------------------

@test "fault points of user namespaces: each come by" {
    local name
    for name in "${LIVES[@]}"; do
        network=
        life "$name"
        points >>all
        cleared "$name without a fault"
    done
    diff <(sources "$MINE") <(cut -d' ' -f2 all | grep -E "$MINE" | LC_ALL=C sort -u)
}

@test "runuk or the first process killed at every point of create and start: new user namespace" {
    sweep new kill 'userns:*'
    sweep new kill 'create:*'
    sweep new kill 'init:*'
    sweep new kill 'start:*'
}

@test "runuk, a process apart or the first one killed at every point of create: joined user namespace" {
    sweep joining kill 'userns:*'
    sweep joining kill 'visitor:*'
    sweep joining kill 'middle:*'
    sweep joining kill 'create:*'
    sweep joining kill 'init:*'
}

@test "runuk, a process apart or the first one killed at every point: ordinary user" {
    sweep ordinary kill
}

@test "runuk or a process apart killed at every point of the network: ordinary user, joined namespaces" {
    sweep inside kill 'apart:*'
    sweep inside kill 'network:*'
    sweep inside kill 'userns:*'
    sweep inside kill 'delete:*'
}

@test "runuk killed while it has ids mapped by a helper" {
    sweep helper kill 'userns:*'
}

@test "the container's process killed while runuk is at any point: new user namespace" {
    sweep new process 'userns:*'
}

@test "the container's process killed while runuk, or a process apart, is at any point: ordinary user, joined namespaces" {
    sweep inside process 'apart:*'
    sweep inside process 'network:*'
}

@test "runuk killed while the first process is at any point, and stays there: new user namespace" {
    stays new
}

@test "runuk killed while the first process is at any point, and stays there: joined user namespace" {
    stays joining
}
