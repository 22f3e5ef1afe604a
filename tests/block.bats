#!/usr/bin/env bats
# What backs a guest's block device: found by the device's name, without an annotation, among volumes and in the image, and
# never more writable than the engine made it.

load oci

setup() {
    oci_setup
    LOOPS=()
    bundle a block
}

teardown() {
    local loop status=0
    oci_teardown || status=$?
    for loop in "${LOOPS[@]}"; do losetup -d "$loop"; done
    return "$status"
}

# disk FILE [SIZE]
disk() {
    mkdir -p "$(dirname "$1")"
    truncate -s "${2:-64K}" "$1"
}

# volume SOURCE DESTINATION [OPTION…]: one more bind mount.
volume() {
    local source=$1 destination=$2
    shift 2
    config a '.mounts += [{destination: $to, type: "bind", source: $from, options: (["rbind"] + $ARGS.positional)}]' \
        --arg from "$BATS_TEST_TMPDIR/$source" --arg to "$destination" --args -- "$@"
}

no_volumes() {
    config a 'del(.mounts)'
}

# guest VERB: the whole life of the guest that does it.
guest() {
    config a '.process.args[1] = $verb' --arg verb "$1"
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a </dev/null
}

capacity_is() {
    guest info
    ended 0
    said "capacity: $1"$'\n'
}

# The guest writes its pattern, reads it back, and can't leave the device.
works() {
    guest rw
    ended 0
    said SUCCESS
}

# It can read, and what it writes is refused.
is_readonly() {
    guest info
    ended 0
    guest write
    ended 3
    said 'write refused'
}

# fails TEXT…: nothing starts.
fails() {
    local text
    guest info
    ended 1
    said "block device 'storage'"
    for text; do said "$text"; done
    said_not capacity
}

@test "a volume at /dev/NAME, at /NAME or at /NAME.img" {
    local place before
    for place in /dev/storage /storage /storage.img; do
        no_volumes
        disk "volume$place"
        before=$(md5sum <"volume$place")
        volume "volume$place" "$place"
        works
        [[ $(md5sum <"volume$place") != "$before" ]]
        guest verify
        ended 0
        said 'verified 65536 bytes'
    done
}

@test "a file of the image at /dev/NAME, at /NAME or at /NAME.img" {
    local place
    for place in /dev/storage /storage /storage.img; do
        disk "a/rootfs$place"
        works
        rm "a/rootfs$place"
    done
}

@test "volumes come before files of the image, and /dev/NAME before /NAME before /NAME.img" {
    disk a/rootfs/storage.img 6K
    capacity_is 6144
    disk a/rootfs/storage 5K
    capacity_is 5120
    disk a/rootfs/dev/storage 4K
    capacity_is 4096
    disk three 3K
    volume three /storage.img
    capacity_is 3072
    disk two 2K
    volume two /storage
    capacity_is 2048
    disk one 1K
    volume one /dev/storage
    capacity_is 1024
    # Of two volumes at one place the later one is on top.
    disk last 512
    volume last /dev/storage
    capacity_is 512
}

@test "a volume may be any directory that the place is in" {
    disk volume/storage 8K
    disk a/rootfs/dev/storage 4K
    volume volume /dev
    capacity_is 8192
    works
    # The rest of it is looked for there, too.
    no_volumes
    disk images/storage.img 2K
    mv a/rootfs/guest images/guest
    volume images /
    capacity_is 2048
}

@test "what is read-only stays so: volume, volume of a directory, root, file system" {
    local place
    disk volume/storage
    for place in /dev/storage /storage.img; do
        volume volume/storage "$place" ro
        is_readonly
        no_volumes
    done
    volume volume /dev ro
    is_readonly
    no_volumes
    disk a/rootfs/storage
    config a '.root.readonly = true'
    is_readonly
    # A volume that may be written is no matter of the root's.
    volume volume/storage /dev/storage
    works
    no_volumes
    config a '.root.readonly = false'
    works
    config a '.process.args[1] = "write"'
    run timeout 60 unshare -m bash -c '
        mount --bind "$1/rootfs" "$1/rootfs" && mount -o remount,bind,ro "$1/rootfs" &&
        "$2" --root "$3" --settings "$4" run --bundle "$1" a' bash "$BATS_TEST_TMPDIR/a" "$RUNUK" "$ROOT" "$SETTINGS"
    ended 3
    said 'write refused'
    said_not 'Read-only file system'
}

@test "the descriptor of a read-only volume is a read-only one" {
    local fd flags found=0
    disk volume/storage
    volume volume/storage /storage ro
    # The waiting process holds it already.
    create a
    for fd in "/proc/$(field a .pid)/fd"/*; do
        [[ $(readlink "$fd") == "$BATS_TEST_TMPDIR/volume/storage" ]] || continue
        found=$((found + 1))
        flags=$(sed -n 's/^flags:[^0-9]*//p' "${fd/\/fd\//\/fdinfo/}")
        equal $((8#$flags & 3)) 0
    done
    equal "$found" 1
}

@test "a block device as a volume works, and its capacity is right" {
    disk backing 1M
    LOOPS+=("$(losetup -f --show backing)")
    config a '.mounts = [{destination: "/dev/storage", type: "bind", source: $loop, options: ["bind"]}]' --arg loop "${LOOPS[0]}"
    capacity_is 1048576
    works
    config a '.mounts[0].options += ["ro"]'
    is_readonly
}

@test "a block device that lies in the image or in a volume is not the guest's to have" {
    disk backing 1M
    LOOPS+=("$(losetup -f --show backing)")
    local numbers
    read -r -a numbers < <(stat -c '0x%t 0x%T' "${LOOPS[0]}")
    mkdir -p a/rootfs/dev volume
    mknod a/rootfs/dev/storage b $((numbers[0])) $((numbers[1]))
    fails "'/dev/storage' is no regular file (a block device has to be bind-mounted itself)"
    rm a/rootfs/dev/storage
    mknod volume/storage b $((numbers[0])) $((numbers[1]))
    volume volume /dev
    fails "'/dev/storage' is no regular file"
}

@test "nothing behind it: the error lists where it was looked for" {
    fails 'looked for a volume' /dev/storage, /storage /storage.img
    ln -s nowhere a/rootfs/storage
    fails 'looked for'
    # A file where a directory would have to be.
    : >a/rootfs/dev
    fails 'looked for'
}

@test "sizes that are no whole number of sectors are refused before the guest starts" {
    local size
    for size in 0 1 511 513 65535 1M+1; do
        rm -f disk
        if [[ $size == *+1 ]]; then
            disk disk "${size%+1}"
            printf 'x' >>disk
        else
            disk disk "$size"
        fi
        no_volumes
        volume disk /storage
        fails "'/storage' has $(stat -c %s disk) bytes, which is no multiple of the sector size 512"
    done
    disk disk 512
    capacity_is 512
}

@test "what is no disk is refused and not opened: directory, FIFO, character device" {
    mkdir -p a/rootfs/storage
    fails "'/storage' is no regular file"
    rmdir a/rootfs/storage
    mkfifo a/rootfs/storage
    fails "'/storage' is no regular file"
    rm a/rootfs/storage
    mknod a/rootfs/storage c 1 5
    fails "'/storage' is no regular file"
    rm a/rootfs/storage
    mkdir volume
    volume volume /dev/storage
    fails "'/dev/storage' is no regular file"
    no_volumes
    config a '.mounts = [{destination: "/storage", type: "bind", source: "/dev/zero", options: ["bind"]}]'
    fails "'/storage' is no regular file"
}

@test "a link of the image's leads to a file of the image's, and out of it nowhere" {
    disk a/rootfs/data/real 2K
    ln -s data/real a/rootfs/storage
    capacity_is 2048
    ln -sf /data/real a/rootfs/storage
    capacity_is 2048
    disk outside 4K
    ln -sf "$BATS_TEST_TMPDIR/outside" a/rootfs/storage
    fails 'looked for'
    ln -sf ../../../../../../../.."$BATS_TEST_TMPDIR/outside" a/rootfs/storage
    fails 'looked for'
}

@test "the disk need not belong to the monitor's user, and may be sparse and huge" {
    disk disk 64K
    chmod 600 disk
    volume disk /storage
    works
    truncate -s 4T disk
    capacity_is 4398046511104
}
