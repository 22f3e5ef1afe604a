# Loaded by the files about Linux guests, after oci.bash: bundles with the distribution's kernel and busybox.
# shellcheck shell=bash disable=SC2034 # output and status are what tests look at

# Print the directory of a kernel with its drivers; options of lab/guest-kernel.
linux_kernel() {
    "$BATS_TEST_DIRNAME/lab/guest-kernel" "$@"
}

# guest_bundle ID COMMAND…: a bundle whose image is the kernel in LINUX with its drivers, and busybox.
guest_bundle() {
    local id=$1 tool
    shift
    bundle "$id" hello
    rm "$id/rootfs/guest"
    cp -r "$LINUX/." "$id/rootfs/"
    mkdir -p "$id/rootfs/bin" "$id/rootfs/etc" "$id/rootfs/tmp"
    cp "$(type -P busybox)" "$id/rootfs/bin/busybox"
    for tool in sh cat chmod chown cp dd env find grep hostname id ip ln ls md5sum mkdir mkfifo mknod mount mv ping printf pwd readlink rm \
        sleep sort stat touch; do ln -s busybox "$id/rootfs/bin/$tool"; done
    config "$id" '.process.args = ["/vmlinuz"] + $ARGS.positional | .process.env = ["PATH=/bin"]' --args -- "$@"
}

# Not by run, to which 127 means that there was no such command. What the guest prints ends up in $output, warnings in `errors`.
run_guest() {
    status=0
    # A general kernel is large, and slow to begin with where it is emulated on a busy machine.
    output=$(timeout -k 5 150 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle "$BATS_TEST_TMPDIR/$1" "$1" \
        </dev/null 2>errors 3>&-) || status=$?
    cat errors
}
