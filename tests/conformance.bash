# Loaded by the conformance-*.bats files: the bundle web, its hooks, and what the specification calls an error.
# shellcheck shell=bash

# shellcheck source=oci.bash
source "$(dirname "${BASH_SOURCE[0]}")/oci.bash"

# For setup: all that a test needs of its own, and the bundle web, whose guest waits to be ended.
conformance_setup() {
    oci_setup
    bundle web time wait
}

# hook KIND SCRIPT [FILTER]: add a hook of that kind to the bundle web, a shell script; FILTER changes its JSON. In the
# container's root there is only busybox, and the test's directory is the root.
hook() {
    local kind=$1 path=/bin/sh
    if [[ $kind == startContainer ]]; then
        path=/bin/busybox
        mkdir -p web/rootfs/bin
        cp "$(type -P busybox)" web/rootfs/bin/busybox
    fi
    config web '.hooks[$kind] += [{path: $path, args: ["sh", "-c", $script]} | '"${3:-.}]" \
        --arg kind "$kind" --arg path "$path" --arg script "$2"
}

# refused [TEXT]: create is an error (that says so), and nothing is left of it.
refused() {
    run -1 create web
    said "runuk: ${1:-}"
    run ! runuk state web
    no_traces
}

# refuses FILTER TEXT: it does, once the bundle is changed so; the bundle is then as before.
refuses() {
    cp web/config.json good.json
    config web "$1"
    refused "$2"
    mv good.json web/config.json
}

# fails TEXT VERB…: it is an error that says so.
fails() {
    local text=$1
    shift
    run -1 runuk "$@"
    said "$text"
}

# A shell command that calls the runtime as the test does, for hooks.
calling() {
    echo "$RUNUK --root $ROOT --settings $SETTINGS"
}

# namespaces PID: those of a process that a bundle asks for, one a line.
namespaces() {
    local ns
    for ns in pid mnt ipc uts net; do readlink "/proc/$1/ns/$ns"; done
}

# The file's identity: root PID is the root directory of a process.
root() {
    stat -L -c %d:%i "/proc/$1/root"
}

stop() {
    runuk kill web KILL
    becomes web stopped
}
