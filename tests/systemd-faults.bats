#!/usr/bin/env bats
# The fault points of the systemd cgroup driver: runuk or the container's process ends there, and delete --force leaves neither a
# unit nor a directory.

load oci
load systemd
load faults

MINE='^unit:'

setup_file() {
    systemd_up
}

teardown_file() {
    systemd_down
}

setup() {
    faults_setup
    BY=(inside)
    OPTIONS=(--systemd-cgroup)
}

teardown() {
    oci_teardown
}

# --- lives: what is done to a container ------------------------------------------------------------------------------------

life() {
    unit_bundle web time wait
    case $1 in
        scope)
            verbs=(create start update kill delete)
            ;;
        slice) # in which no process can be; it is deleted as it runs
            config web '.linux.cgroupsPath = $path' --arg path ":ignored:$TAG.slice"
            verbs=(create start 'delete --force')
            ;;
    esac
}

LIVES=(scope slice)

# --- tests ------------------------------------------------------------------------------------------------------------------

@test "fault points of the systemd driver: each come by" {
    covered "$MINE" "${LIVES[@]}"
}

@test "runuk killed at every point of a unit: scope" {
    sweep scope kill 'unit:*'
    sweep scope kill 'init:*'
    sweep scope kill 'create:*'
}

@test "runuk killed at every point of a unit: slice" {
    sweep slice kill 'unit:*'
}

@test "the container's process killed while runuk is at any point of a unit" {
    sweep scope process 'unit:*'
}
