#!/usr/bin/env bats
# The container's files as a disk that is only read: a Linux guest of the distribution's kernel for clouds, emulated, gets to
# it by a small initial ram disk of ours, and what it writes stays in its memory.

load oci

setup_file() {
    LINUX=$("$BATS_TEST_DIRNAME/lab/guest-kernel")
    export LINUX
}

setup() {
    oci_setup
    settings '.accel = "tcg"'
}

teardown() {
    oci_teardown
}

# guest_bundle ID COMMAND…: a bundle whose image is the kernel with its drivers, and busybox; its files become a disk.
guest_bundle() {
    local id=$1 tool
    shift
    bundle "$id" hello
    rm "$id/rootfs/guest"
    cp -r "$LINUX/." "$id/rootfs/"
    mkdir -p "$id/rootfs/bin" "$id/rootfs/etc"
    cp "$(type -P busybox)" "$id/rootfs/bin/busybox"
    for tool in sh cat id ls mount printf stat readlink touch find sort md5sum grep; do ln -s busybox "$id/rootfs/bin/$tool"; done
    config "$id" '.process.args = ["/vmlinuz"] + $ARGS.positional | .process.env = ["PATH=/bin"]
        | .annotations["org.runuk.rootfs"] = "disk"' --args -- "$@"
}

# Not by run, to which 127 means that there was no such command. What the guest prints ends up in $output.
run_guest() {
    status=0
    output=$(runuk run --bundle "$BATS_TEST_TMPDIR/$1" "$1" </dev/null 2>errors) || status=$?
}

@test "the files are a disk under files in memory: written to, gone afterwards, the image and the cache as they were" {
    guest_bundle a sh -c 'mount | grep " / "; cat /etc/hosts; echo two >/etc/word && cat /etc/word; touch /new && ls /new; stat -c "%a %u" /; ls -a /; exit 7'
    echo one >a/rootfs/etc/word
    chmod 751 a/rootfs
    echo '10.99.0.7 db' >hosts
    config a '.mounts = [{destination: "/etc/hosts", type: "bind", source: ($dir + "/hosts"), options: ["rbind"]}]' --arg dir "$PWD"
    run_guest a
    cat errors
    echo "$output"
    ended 8
}
