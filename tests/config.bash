# Loaded by config.bats and urunc.bats, after oci.bash: a bundle called web, and what comes of it.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # run sets status and output

setup() {
    oci_setup
    # Where an ordinary container ends up: the status is one that no guest here has.
    printf '#!/bin/sh\nexit 42\n' >recording-runc
    chmod 755 recording-runc
    settings '.runc = $runc' --arg runc "$PWD/recording-runc"
    bundle web hello
}

teardown() {
    oci_teardown
}

# try [VERB]: the bundle web, as create or run.
try() {
    run runuk "${1:-run}" --bundle "$BATS_TEST_TMPDIR/web" web </dev/null
}

# boots TEXT: run of web succeeds, and the guest prints that.
boots() {
    try
    ended 0
    said "$1"
    [[ ! -e $ROOT/web ]]
}

# refused TEXT: create and run of web fail, with this one line, and leave nothing.
refused() {
    local verb
    for verb in create run; do
        try "$verb"
        ended 1
        equal "$output" "runuk: $1"
        no_traces
    done
}

delegated() {
    try
    ended 42
}

# annotate NAME VALUE: in place of all others.
annotate() {
    config web '.annotations = {($name): $value}' --arg name "$1" --arg value "$2"
}

# elsewhere: the unikernel of web is not its entrypoint.
elsewhere() {
    mkdir -p web/rootfs/boot
    mv web/rootfs/guest web/rootfs/boot/kernel
}

kvm_usable() {
    "$BUILD/runuk-hvt" --probe 2>/dev/null
}

# qemu_guest NAME: web holds that guest, which QEMU boots.
qemu_guest() {
    cp "$GUESTS/$1" web/rootfs/guest
    chmod a+r web/rootfs/guest
}
