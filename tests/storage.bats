#!/usr/bin/env bats
# The disks of guests in QEMU, by our own guests for bare machines: volumes and files of the image by annotation, never more
# writable than the engine made them, and never copied. All emulated (TCG), so that it is the same with and without KVM.

load oci
load checksum

setup() {
    oci_setup
    settings '.accel = "tcg"'
    LOOPS=()
    bundle a hello
    image block.multiboot
}

teardown() {
    local loop status=0
    oci_teardown || status=$?
    for loop in "${LOOPS[@]}"; do losetup -d "$loop"; done
    return "$status"
}

image() {
    cp "$GUESTS/$1" a/rootfs/guest
    chmod 644 a/rootfs/guest
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

annotate() {
    config a '.annotations[$key] = $value' --arg key "$1" --arg value "$2"
}

# guest VERB: the whole life of the guest that does it.
guest() {
    config a '.process.args[1] = $verb' --arg verb "$1"
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a </dev/null
}

capacity_is() {
    guest info
    ended 0
    said "capacity: $1"
}

# The guest writes its pattern, reads it back, and can't leave the device.
works() {
    guest rw
    ended 0
    said SUCCESS
}

is_readonly() {
    guest info
    ended 0
    guest write
    ended 3
    said 'write refused'
}

fails() {
    guest info
    ended 1
    said "$1"
}

@test "a volume that is a file is a disk, by each bus and each way of booting" {
    local kind
    disk data.img
    volume data.img /data
    for kind in multiboot multiboot64 pvh; do
        image "block.$kind"
        works
        # What the guest wrote is in the file itself.
        [[ $(tr -d '\0' <data.img | wc -c) -gt 0 ]]
        : >data.img
        truncate -s 64K data.img
    done
}

@test "read-only is read-only: the mount, the annotation, the rootfs" {
    disk data.img
    volume data.img /data ro
    is_readonly
    no_volumes
    disk a/rootfs/in-image.img
    annotate org.runuk.disk /in-image.img
    works
    annotate org.runuk.disk /in-image.img:ro
    is_readonly
    annotate org.runuk.disk /in-image.img
    config a '.root.readonly = true'
    is_readonly
}

@test "a block device is a disk" {
    disk data.img 128K
    local loop
    loop=$(losetup -f --show data.img) || skip "no loop devices here"
    LOOPS+=("$loop")
    config a '.mounts = [{destination: "/dev/data", type: "bind", source: $from, options: ["bind"]}]' --arg from "$loop"
    capacity_is 131072
    works
}

@test "the annotation's disks come first, then the volumes in their order, and none twice" {
    disk one.img 64K
    disk two.img 128K
    volume one.img /one
    volume two.img /two
    capacity_is 65536
    annotate org.runuk.disk /two
    capacity_is 131072
    runuk create --bundle "$PWD/a" a </dev/null
    equal "$(jq -c '[.devices[] | [.name, .destination, .readonly]]' "$ROOT/a/runuk.json")" \
        '[["disk0",null,false],["disk1","/one",false]]'
}

# A kernel like Nanos': its signs as sections, the rest is `hello`, which prints what it is told.
nanos_kernel() {
    printf 'tfs magic mismatch' >sign
    printf '\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0\0\0\x20\0' >note
    objcopy --add-section .vvar=sign --add-section .note.xen=note "$GUESTS/hello.linux64" a/rootfs/guest
    chmod 644 a/rootfs/guest
    # The fourth program header, PT_GNU_STACK, becomes a PT_NOTE with the note.
    local offset=$(($(offset_of a/rootfs/guest Xen) - 12)) header=$((64 + 3 * 56))
    poke a/rootfs/guest "$header" '\x04\0\0\0'
    poke a/rootfs/guest $((header + 8)) "$(printf '\\x%02x\\x%02x\\x%02x' $((offset & 255)) $((offset >> 8 & 255)) $((offset >> 16)))"
    poke a/rootfs/guest $((header + 32)) '\x14'
}

@test "a kernel whose program is on a disk is refused without one, and nothing is left" {
    nanos_kernel
    guest x
    ended 1
    said "image '/guest' is a kernel of family nanos without its disk"
    said "-v FILE:/NAME, or in the image with the annotation org.runuk.disk"
    # What engines put there is none.
    disk hosts 4K
    volume hosts /etc/hosts
    guest x
    ended 1
    said 'without its disk'
    disk root.img
    volume root.img /dev/root
    guest x
    ended 0
    said $'cmdline: debug_exit=t environment.PATH=/ arguments.1=x\n'
    no_volumes
    disk a/rootfs/root.img
    annotate org.runuk.disk /root.img
    guest x
    ended 0
}

@test "what engines put into every container is no disk" {
    local name
    for name in /etc/resolv.conf /etc/hosts /etc/hostname /dev/init /run/.containerenv /dev/termination-log; do
        echo text >"$(basename "$name")"
        volume "$(basename "$name")" "$name"
    done
    mkdir shm
    volume shm /dev/shm
    disk data.img 128K
    volume data.img /data
    capacity_is 131072
}

@test "a volume that the guest can't see is an error" {
    mkdir data
    volume data /data
    fails "volume '/data' is a directory, which a guest of family generic can't mount: give it a file or a block device, which becomes a disk"
    no_volumes
    disk odd.img 1000
    volume odd.img /data
    fails "'/data' has 1000 bytes, which is no multiple of the sector size 512"
    rm odd.img
    fails "volume '/data': No such file or directory"
}

@test "rootfs and initrd that a guest has no use for are errors" {
    annotate org.runuk.rootfs initrd
    fails "annotation 'org.runuk.rootfs': guests of family generic that are booted as this image is don't read the container's files from an initial ram disk"
    annotate org.runuk.rootfs 9p
    fails "annotation 'org.runuk.rootfs': a guest of family generic can't mount directories by 9p"
    config a 'del(.annotations)'
    annotate org.runuk.initrd /none
    fails "annotation 'org.runuk.initrd': '/none': No such file or directory"
}

@test "a disk is not copied: what is opened for a large one is what is opened for a small one" {
    disk data.img 4G
    volume data.img /data
    capacity_is 4294967296
    # Nothing of the file has been read into memory or written.
    equal "$(stat -c %b data.img)" 0
}

# It says what it has, and stands still: Unikraft's machine has no way to end that it knows.
module_is() {
    background runuk run --bundle "$PWD/a" a </dev/null >a.out 2>&1
    eventually 30 file_has a.out 'lapic'
    runuk kill a KILL
    wait "$job" || :
    file_has a.out "$1"
}

@test "an initial ram disk for what runuk-loader boots: by convention, by annotation, out of gzip; one that is too large" {
    # That it is to be entered as a 64-bit kernel is in no byte: Unikraft's images are, and are known by a section.
    objcopy --add-section .uk_libinfo=/etc/hostname "$GUESTS/machine.linux64" a/rootfs/guest
    head -c 300001 /dev/urandom >a/rootfs/initrd
    module_is "300001 bytes, sum $(checksum a/rootfs/initrd)"
    mv a/rootfs/initrd a/rootfs/other
    module_is 'no module'
    annotate org.runuk.initrd /other
    gzip -n a/rootfs/guest
    mv a/rootfs/guest.gz a/rootfs/guest
    module_is "300001 bytes, sum $(checksum a/rootfs/other)"
    truncate -s 300M a/rootfs/other
    guest x
    ended 1
    said "'/other' has 307200 KiB, too much for an initial ram disk of a guest with 512 MiB"
}
