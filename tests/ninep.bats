#!/usr/bin/env bats
# Directories shared with guests by 9p: what a Linux guest reads and writes in a volume is what lies on the host, with the rights that
# a container's process would have there, and nothing outside of it. Everything is emulated (TCG), so that it is the same with and
# without KVM.

load oci

setup_file() {
    LINUX=$("$BATS_TEST_DIRNAME/lab/guest-kernel" --9p)
    export LINUX
}

setup() {
    oci_setup
    settings '.accel = "tcg"'
    # One file name for all tests of one machine: the archive of the same files is packed once.
    mkdir -p "$BATS_FILE_TMPDIR/cache"
    settings '.cache_dir = $dir' --arg dir "$BATS_FILE_TMPDIR/cache"
}

teardown() {
    oci_teardown
}

# guest_bundle ID COMMAND…: a bundle whose image is the kernel with its drivers, and busybox.
guest_bundle() {
    local id=$1 tool
    shift
    bundle "$id" hello
    rm "$id/rootfs/guest"
    cp -r "$LINUX/." "$id/rootfs/"
    mkdir -p "$id/rootfs/bin" "$id/rootfs/etc" "$id/rootfs/tmp"
    cp "$(type -P busybox)" "$id/rootfs/bin/busybox"
    for tool in sh cat cp id ls ln dd md5sum mkdir mkfifo mknod mv printf readlink rm stat touch chmod chown mount grep; do
        ln -s busybox "$id/rootfs/bin/$tool"
    done
    config "$id" '.process.args = ["/vmlinuz"] + $ARGS.positional | .process.env = ["PATH=/bin"]' --args -- "$@"
}

# volume ID SOURCE DESTINATION [OPTION…]: one more bind mount.
volume() {
    local id=$1 source=$2 destination=$3
    shift 3
    config "$id" '.mounts += [{destination: $to, type: "bind", source: $from, options: (["rbind"] + $ARGS.positional)}]' \
        --arg from "$PWD/$source" --arg to "$destination" --args -- "$@"
}

# Not by run, to which 127 means that there was no such command. What the guest prints ends up in $output.
run_guest() {
    status=0
    output=$(runuk run --bundle "$BATS_TEST_TMPDIR/$1" "$1" </dev/null 2>errors) || status=$?
    [[ ! -s errors ]] || cat errors
}

@test "a volume is read and written, new files belong to the directory's owner, and read-only is read-only" {
    guest_bundle a sh -c 'cat /data/in; echo from the guest >/data/out; mkdir /data/d; ls -ln /data; echo x >/ro/x; cat /ro/in; chown 5 /data/in; id'
    mkdir data ro
    echo 'from the host' >data/in
    echo 'only to read' >ro/in
    chown -R 1234:4321 data
    chmod 700 data
    volume a data /data
    volume a ro /ro ro
    run_guest a

    ls -ln data
    false
}
