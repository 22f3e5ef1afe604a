#!/usr/bin/env bats
# The container's files as a disk that is only read: a Linux guest of the distribution's kernel for clouds, emulated, gets to
# it by a small initial ram disk of ours, and what it writes stays in its memory.

load oci
load linux

setup_file() {
    LINUX=$(linux_kernel)
    export LINUX
}

setup() {
    oci_setup
    settings '.accel = "tcg"'
}

teardown() {
    oci_teardown
}

# disk_bundle ID COMMAND…: a bundle of a Linux guest, whose files become a disk.
disk_bundle() {
    guest_bundle "$@"
    config "$1" '.annotations["org.runuk.rootfs"] = "disk"'
}

# disk_file: the name and inode of what is in the cache as a disk.
disk_file() {
    local file
    for file in cache/*[0-9a-f]; do
        if [[ $(od -An -c -j 32769 -N 5 "$file") == *'C   D   0   0   1' ]]; then stat -c '%n %i' "$file"; fi
    done
}

@test "programs write to it as to any files, which is gone with the guest; disks and the engine's files are beside it" {
    disk_bundle a sh -c 'cat /etc/hosts /etc/word /data/word; echo two >/etc/word && cat /etc/word; rm /bin/id; ls /bin/id; touch /new;
        stat -c "%a %u:%g" /; grep " /data " /proc/mounts; exit 7'
    echo one >a/rootfs/etc/word
    chown 12:34 a/rootfs
    chmod 751 a/rootfs
    mkdir tree
    echo from the volume >tree/word
    truncate -s 4M data.img
    mke2fs -q -t ext4 -d tree data.img
    echo '10.99.0.7 db' >hosts
    config a '.mounts = ([["hosts", "/etc/hosts"], ["data.img", "/data"]]
        | map({destination: .[1], type: "bind", source: ($dir + "/" + .[0]), options: ["rbind"]}))' --arg dir "$PWD"
    run_guest a
    ended 7
    said $'10.99.0.7 db\none\nfrom the volume\ntwo\n'
    said "/bin/id: No such file"
    said $'\n751 12:34\n/dev/vdb /data ext4 rw'
    local first
    first=$(disk_file)
    [[ $(wc -l <<<"$first") -eq 1 && ! -e a/rootfs/new ]]
    # The same files are not packed again, and nothing was written to them.
    run_guest a
    ended 7
    said $'\none\nfrom the volume\ntwo\n'
    equal "$(disk_file)" "$first"
}

@test "a root file system that is read-only is, for the engine's files' sake from a moment later on" {
    disk_bundle a sh -c 'cat /etc/hosts; echo x >/etc/word; touch /new; touch /dev/shm/new && echo but here'
    echo '10.99.0.7 db' >hosts
    config a '.root.readonly = true | .mounts = [{destination: "/etc/hosts", type: "bind", source: ($dir + "/hosts"), options: ["rbind"]}]' \
        --arg dir "$PWD"
    run_guest a
    ended 0
    said '10.99.0.7 db'
    said '/etc/word: Read-only file system'
    said '/new: Read-only file system'
    said 'but here'
}

@test "a kernel without overlay leaves it read-only and says so; one without the file system says what is missing" {
    disk_bundle a sh -c 'cat /etc/hosts /etc/hostname; echo x >/etc/hostname; exit 3'
    find a/rootfs -name overlay.ko -delete
    mkdir a/rootfs/{proc,sys,dev}
    echo image >a/rootfs/etc/hostname
    touch a/rootfs/etc/hosts
    echo '10.99.0.7 db' >hosts
    config a '.mounts = [{destination: "/etc/hosts", type: "bind", source: ($dir + "/hosts"), options: ["rbind"]}]' --arg dir "$PWD"
    run_guest a
    ended 3
    said "the container's files can't be written to: the kernel has no overlay file system"
    said $'10.99.0.7 db\nimage'
    said '/etc/hostname: Read-only file system'
    find a/rootfs -name isofs.ko -delete
    run_guest a
    ended 126
    said "mount the container's files, 'iso9660' on '/dev/vda': the kernel has no such file system: build it in, or give the image the modules"
}

@test "the tree is taken as it is: names, modes, owners, links, devices, large files, deep and full directories" {
    local i deep=t
    disk_bundle a sh -c 'cd /t && find . ! -type d -exec stat -c "%n %f %u:%g %h %s" {} + | sort; find . -type d -exec stat -c "%n %f %u:%g" {} + | sort
        readlink s1; readlink s2; find . -type f -exec md5sum {} + | sort; stat -c "%t %T" null'
    mkdir a/rootfs/t
    for ((i = 0; i < 12; i++)); do
        deep+=/d$i
        mkdir "a/rootfs/$deep"
    done
    echo deep >"a/rootfs/$deep/file"
    mkdir a/rootfs/t/full a/rootfs/t/empty
    touch a/rootfs/t/full/{1..300}
    (
        cd a/rootfs/t
        echo content >hard1
        ln hard1 hard2
        ln hard1 full/hard3
        head -c 3000000 /dev/urandom >large
        touch "$(printf 'n%.0s' {1..253})" 'new
line' 'ünï' A a
        ln -s ../../outside/./x// s1
        ln -s "/$(printf 'abc/%.0s' {1..500})" s2
        mknod null c 1 3
        mkfifo fifo
        chown 12:3000000 A
        chmod 4711 A
        chmod 1777 empty
    )
    run_guest a
    cat errors
    ended 0
    (
        cd a/rootfs/t
        find . ! -type d -exec stat -c "%n %f %u:%g %h %s" {} + | LC_ALL=C sort
        find . -type d -exec stat -c "%n %f %u:%g" {} + | LC_ALL=C sort
        readlink s1
        readlink s2
        find . -type f -exec md5sum -z {} + | tr '\0' '\n' | LC_ALL=C sort
        stat -c "%t %T" null
    ) >wanted
    diff wanted - <<<"$output"
    # Linux cuts longer names.
    touch "a/rootfs/t/$(printf 'n%.0s' {1..254})"
    run_guest a
    ended 1
    file_has errors "has 254 bytes, and on a disk a name may have at most 253"
}

@test "files that are too large for the guest's memory are a disk without being asked for; a file of 4 GiB is an error" {
    disk_bundle a md5sum /large
    head -c 60M /dev/urandom >a/rootfs/large
    config a '.annotations = {"org.runuk.memory-mib": "100"}'
    run_guest a
    ended 0
    said "$(md5sum <a/rootfs/large | cut -d ' ' -f 1)"
    config a '.annotations["org.runuk.rootfs"] = "initrd"'
    run_guest a
    ended 1
    file_has errors "too much for an initial ram disk of a guest with 100 MiB"
    truncate -s 4G a/rootfs/large
    config a '.annotations["org.runuk.rootfs"] = "disk"'
    run_guest a
    ended 1
    file_has errors "'large' has 4096 MiB, and a guest can be given files of at most 4095"
}

@test "an initial ram disk of the image's own is told the disk; families that know neither refuse" {
    disk_bundle a /show
    mkdir -p own/bin own/proc own/dev
    cp "$(type -P busybox)" own/bin/busybox
    printf '%s\n' '#!/bin/busybox sh' '/bin/busybox mount -t proc proc /proc' '/bin/busybox cat /proc/cmdline' 'exec /bin/busybox poweroff -f' >own/show
    chmod 755 own/show
    mknod own/dev/console c 5 1
    (cd own && find . | cpio --quiet -o -H newc) >a/rootfs/other
    config a '.annotations["org.runuk.initrd"] = "/other" | .annotations["org.runuk.cmdline"] = "rdinit=/show"'
    run_guest a
    ended 0
    said 'root=/dev/vda rootfstype=iso9660 ro'
    cp "$GUESTS/hello.multiboot" a/rootfs/vmlinuz
    config a '.annotations = {"org.runuk.rootfs": "disk"}'
    run_guest a
    ended 1
    file_has errors "'org.runuk.rootfs': guests of family generic that are booted as this image is don't read the container's files from a disk"
}

# A guest of ours that looks as Rumprun's do and prints what it is told.
rumprun_bundle() {
    bundle a hello
    objcopy --add-section .bootstrap=/etc/hostname --add-section link_set_rump_components=/etc/hostname "$GUESTS/hello.multiboot64" a/rootfs/guest
    mkdir -p a/rootfs/{dev,proc,etc,empty/deeper,data/sub}
    touch a/rootfs/etc/{hosts,hostname,resolv.conf} a/rootfs/dev/null
}

rumprun_told() {
    runuk run --bundle "$PWD/a" a </dev/null >a.out 2>&1 || :
    file_has a.out 'arg[0]'
}

@test "Rumprun's guests get each directory with files in it, and of the engine's only what is in an /etc that there is" {
    rumprun_bundle
    ln a/rootfs/guest a/rootfs/data/kernel
    rumprun_told
    run ! grep blk a.out
    echo a word of the image >a/rootfs/data/sub/file
    rumprun_told
    file_has a.out '"blk":{"source":"dev","path":"/dev/ld0a","fstype":"blk","mountpoint":"/data"}}'
    grep -aq 'a word of the image' cache/*[0-9a-f]
    echo passwords >a/rootfs/etc/passwd
    printf 'nameserver 127.0.0.11\nsearch example\nnameserver 127.0.0.12\n' >resolv.conf
    config a '.mounts = [{destination: "/etc/resolv.conf", type: "bind", source: ($dir + "/resolv.conf"), options: ["rbind"]}]' --arg dir "$PWD"
    rumprun_told
    file_has a.out '"path":"/dev/ld0a","fstype":"blk","mountpoint":"/data"}'
    file_has a.out '"path":"/dev/ld1a","fstype":"blk","mountpoint":"/etc"}'
    grep -aPzxq 'nameserver 169\.254\.53\.53\nsearch example\n' cache/*[0-9a-f]
    # A volume takes the place of the image's directory.
    truncate -s 64K volume
    config a '.mounts += [{destination: "/data", type: "bind", source: ($dir + "/volume"), options: ["rbind"]}]' --arg dir "$PWD"
    rumprun_told
    file_has a.out '"path":"/dev/ld0a","fstype":"blk","mountpoint":"/etc"}'
    file_has a.out '"path":"/dev/ld1a","fstype":"blk","mountpoint":"/data"}'
    config a '.annotations["org.runuk.rootfs"] = "none" | del(.mounts)'
    rumprun_told
    run ! grep blk a.out
}

@test "runuk-pack: no capability but the one to read, no new privileges, a filter; nothing beside the tree and the cache" {
    local pid
    mkdir -m 700 cache tree
    echo content >tree/file
    chmod 000 tree/file
    chown 12:34 tree/file
    exec 8<cache 9<cache
    flock 9
    background "$BUILD/runuk-pack" --root=4 --cache=8 --most=1000000 4<tree >name 2>&1
    pid=$job
    eventually 10 grep -q locks_lock_inode_wait\\\|flock "/proc/$pid/wchan"
    grep -E '^(NoNewPrivs|Seccomp|CapPrm|CapEff|CapInh|CapAmb):' "/proc/$pid/status" | tr -s '\t\n' ' ' >status
    equal "$(<status)" 'CapInh: 0000000000000000 CapPrm: 0000000000000004 CapEff: 0000000000000004 CapAmb: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 '
    flock -u 9
    wait_job "$pid"
    equal "$status" 0
    grep -q content "cache/$(cut -d ' ' -f 2 name)"
}
