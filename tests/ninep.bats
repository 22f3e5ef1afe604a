#!/usr/bin/env bats
# Directories shared with guests by 9p: what a Linux guest reads and writes in a volume is what lies on the host, with the rights that
# a container's process would have there, and nothing outside of it. Everything is emulated (TCG), so that it is the same with and
# without KVM.

load oci
load linux

setup_file() {
    LINUX=$(linux_kernel --9p)
    export LINUX
}

setup() {
    oci_setup
    MOUNTS=()
    settings '.accel = "tcg"'
    # The archive of the same files is packed once.
    mkdir -p "$BATS_FILE_TMPDIR/cache"
    settings '.cache_dir = $dir' --arg dir "$BATS_FILE_TMPDIR/cache"
}

teardown() {
    local mount status=0
    for mount in "${MOUNTS[@]}"; do umount "$mount"; done
    oci_teardown || status=$?
    return "$status"
}

# volume ID SOURCE DESTINATION [OPTION…]: one more bind mount.
volume() {
    local id=$1 source=$2 destination=$3
    shift 3
    config "$id" '.mounts += [{destination: $to, type: "bind", source: $from, options: (["rbind"] + $ARGS.positional)}]' \
        --arg from "$PWD/$source" --arg to "$destination" --args -- "$@"
}

# raw_bundle ID USER TRY…: a bundle of a guest that speaks 9p by itself (tests/guests/files.c), on a machine of Linux': microvm.
raw_bundle() {
    local id=$1 user=$2
    shift 2
    bundle "$id" hello
    cp "$GUESTS/files.pvh" "$id/rootfs/guest"
    config "$id" '.process.args = ["/guest"] + $ARGS.positional | .process.user = {uid: ($user | tonumber), gid: ($user | tonumber)}
        | .annotations = {"org.runuk.family": "linux", "org.runuk.rootfs": "none"}' --arg user "$user" --args -- "$@"
}

# unikraft_bundle ID TRY…: the same on one of Unikraft's: pc. What Unikraft's images say of their libraries is put in.
unikraft_bundle() {
    local id=$1
    shift
    raw_bundle "$id" 0 "$@"
    printf 'libvfscore\0lib9pfs\0' >libinfo
    objcopy --add-section .uk_libinfo=libinfo "$GUESTS/files.multiboot" "$id/rootfs/guest"
    config "$id" 'del(.annotations)'
}

# tries ID LINE…: the guest ran, and what came of its tries are these lines, in order.
tries() {
    local id=$1
    shift
    run_guest "$id"
    ended 0
    equal "$(grep -E ': error |^(content|target): ' <<<"$output")" "$(printf '%s\n' "$@")"
}

owner() {
    stat -c '%u:%g %a' "$1"
}

@test "a volume is read and written with the rights of its owner, and new files are the owner's" {
    mkdir -p data/deep/er
    echo one >data/in
    echo two >data/deep/er/file
    echo three >data/secret
    chown -R 1234:4321 data
    chmod 700 data
    chmod 600 data/in
    chown root:root data/secret
    chmod 600 data/secret
    raw_bundle a 0 read=in read=deep/er/file create=new=text mode=new=640 rename=new=newer link=newer=hard remove=in \
        read=secret read=missing own=newer=0
    volume a data /data
    tries a 'content: one' 'read=in: error 0' 'content: two' 'read=deep/er/file: error 0' 'create=new=text: error 0' \
        'mode=new=640: error 0' 'rename=new=newer: error 0' 'link=newer=hard: error 0' 'remove=in: error 0' \
        'read=secret: error 13' 'read=missing: error 2' 'own=newer=0: error 1'
    said_not three
    equal "$(cat data/hard) $(owner data/newer)" 'text 1234:4321 640'
    equal "$(owner data/secret) $(echo data/*)" '0:0 600 data/deep data/hard data/newer data/secret'
}

@test "read-only is read-only" {
    mkdir data
    echo one >data/in
    raw_bundle a 0 read=in create=new=text mode=in=777 rename=in=other remove=in symlink=l=in
    volume a data /data ro
    tries a 'content: one' 'read=in: error 0' 'create=new=text: error 30' 'mode=in=777: error 30' 'rename=in=other: error 30' \
        'remove=in: error 30' 'symlink=l=in: error 30'
    equal "$(ls data) $(cat data/in)" 'in one'
}

@test "a guest does not leave the directory: by dots, by slashes in names, by links that lie there or that it makes" {
    mkdir -p data/sub outside
    echo hidden >outside/file
    ln -s ../outside data/relative
    ln -s "$PWD/outside" data/absolute
    ln -s /etc/passwd data/passwd
    ln -s ../../outside data/sub/deeper
    raw_bundle a 0 read=../outside/file read=sub/../../outside/file walk=.. walk=../outside/file walk=/etc/passwd \
        read=relative/file read=absolute/file read=passwd read=sub/deeper/file readlink=passwd \
        create=../escaped=x create=/escaped=x create=relative/x=x create=passwd=x symlink=mine=/etc read=mine/hostname \
        symlink=../mine=x rename=sub=../sub link=passwd=taken mode=passwd=777 own=passwd=1 node=null remove=../outside/file
    volume a data /data
    cp -p /etc/passwd passwd
    run_guest a
    ended 0
    said_not hidden
    said_not root:
    said_not "$(cat /etc/hostname)"
    said "target: /etc/passwd"
    equal "$(cat outside/file) $(ls outside)" 'hidden file'
    [[ ! -e escaped ]]
    cmp passwd /etc/passwd
    equal "$(stat -c %a%u%Y passwd)" "$(stat -c %a%u%Y /etc/passwd)"
    echo "$output"
    ls -la data
    # The directory above the share is the share itself; else names with slashes or dots are none, links are not followed, and
    # devices are not for it.
    local try
    for try in read=../outside/file walk=../outside/file walk=/etc/passwd read=relative/file read=absolute/file read=passwd \
        read=sub/deeper/file create=../escaped=x create=/escaped=x create=relative/x=x create=passwd=x read=mine/hostname \
        symlink=../mine=x rename=sub=../sub mode=passwd=777 node=null remove=../outside/file; do
        said_not "$try: error 0"
        said "$try: error "
    done
    [[ ! -c data/null && ! -e data/escaped ]]
}

@test "a container of another user has that one's rights and no more" {
    mkdir data
    chmod 777 data
    echo own >data/own
    echo other >data/other
    echo open >data/open
    chown 1234:1234 data/own
    chown 4321:4321 data/other
    chmod 600 data/own data/other
    raw_bundle a 1234 read=own read=other read=open create=new=x mode=open=777 create=own=changed
    volume a data /data
    # The rootfs is for everybody, as an unpacked image is.
    chmod 755 . a a/rootfs
    tries a 'content: own' 'read=own: error 0' 'read=other: error 13' 'content: open' 'read=open: error 0' 'create=new=x: error 0' \
        'mode=open=777: error 1' 'create=own=changed: error 0'
    equal "$(owner data/new) $(cat data/own)" '1234:1234 644 changed'
}

@test "in a user namespace root has power over what is its own, and else that of others" {
    mkdir data hosts
    chown 300000:300000 data
    chmod 700 data
    chmod 755 hosts
    echo all >hosts/all
    echo none >hosts/none
    chmod 600 hosts/none
    raw_bundle a 0 create=new=x
    volume a data /data
    config a '.linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [{containerID: 0, hostID: 300000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
    chmod 755 . a a/rootfs
    tries a 'create=new=x: error 0'
    equal "$(owner data/new)" '300000:300000 644'
    raw_bundle b 0 read=all read=none create=new=x
    volume b hosts /data
    config b '.linux = $linux' --argjson linux "$(jq .linux a/config.json)"
    chmod 755 b b/rootfs
    tries b 'content: all' 'read=all: error 0' 'read=none: error 13' 'create=new=x: error 13'
    file_has errors "volume '/data': the guest can't write to it, since QEMU runs as user 65534, and the directory belongs to user 0"
}

@test "where a file system can't be mounted with other ids, the rights are those of others, and a warning says so" {
    mkdir lower upper work merged
    echo all >lower/all
    echo none >lower/none
    chmod 600 lower/none
    mount -t overlay overlay -o "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work" merged
    MOUNTS+=("$PWD/merged")
    raw_bundle a 0 read=all read=none create=new=x
    volume a merged /data
    tries a 'content: all' 'read=all: error 0' 'read=none: error 13' 'create=new=x: error 13'
    file_has errors "volume '/data': the guest can't write to it, since QEMU runs as user 65534, its file system has no mounts with other ids"
    chmod 777 merged
    raw_bundle b 0 create=new=x
    volume b merged /data
    tries b 'create=new=x: error 0'
    [[ $(<errors) != *"can't"* ]]
    equal "$(owner merged/new)" '65534:65534 644'
}

@test "what is mounted below the source comes with rbind, and not with bind" {
    mkdir -p data/below
    mount -t tmpfs tmpfs data/below
    MOUNTS+=("$PWD/data/below")
    echo mounted >data/below/file
    raw_bundle a 0 read=below/file
    volume a data /data ro
    tries a 'content: mounted' 'read=below/file: error 0'
    config a '.mounts[0].options = ["bind", "ro"]'
    tries a 'read=below/file: error 2'
}

@test "a guest that can't mount directories: an error, but only a warning for a volume that nobody asked for" {
    local name
    name=$(printf 'volumes/%064d/_data' 7)
    mkdir -p data "$name"
    bundle a hello
    cp "$GUESTS/hello.pvh" a/rootfs/guest
    volume a "$name" /var/lib/data
    run_guest a
    ended 0
    file_has errors "container 'a': a guest of family generic can't mount directories, so it does without the volume that its image has at '/var/lib/data'"
    volume a data /data
    run_guest a
    ended 1
    file_has errors "volume '/data' is a directory, which a guest of family generic can't mount: give it a file or a block device"
}

@test "to write to a directory takes a PID namespace of the container's own" {
    mkdir data
    echo one >data/in
    raw_bundle a 0 read=in
    volume a data /data
    config a '.linux.namespaces |= map(select(.type != "pid"))'
    run_guest a
    ended 1
    file_has errors "volume '/data' is a directory, which a guest can write to only in a PID namespace of the container's own"
    config a '.mounts[0].options += ["ro"]'
    tries a 'content: one' 'read=in: error 0'
}

@test "another machine, another bus: a guest of family unikraft, whose image says whether it has 9pfs" {
    mkdir data
    echo one >data/in
    unikraft_bundle a read=in create=new=text
    volume a data /data
    tries a 'content: one' 'read=in: error 0' 'create=new=text: error 0'
    equal "$(<data/new)" text
    objcopy --remove-section .uk_libinfo a/rootfs/guest
    printf 'libvfscore\0' >libinfo
    objcopy --add-section .uk_libinfo=libinfo a/rootfs/guest
    run_guest a
    ended 1
    file_has errors "volume '/data' is a directory, which a guest of family unikraft can't mount (it is built without 9pfs)"
    config a '.mounts = [] | .annotations = {"org.runuk.rootfs": "9p"}'
    run_guest a
    ended 1
    file_has errors "org.runuk.rootfs': a guest of family unikraft can't mount directories by 9p: it is built without 9pfs"
}

@test "the container's files by 9p: read-only, with the engine's files among them, whatever links the image has there" {
    unikraft_bundle a read=etc/hosts read=etc/resolv.conf read=etc/hostname read=data/own readlink=etc/resolv.conf create=new=text \
        read=data/secret
    config a '.annotations = {"org.runuk.rootfs": "9p"}
        | .mounts = [$ARGS.positional[] | {destination: "/etc/\(.)", type: "bind", source: "\($dir)/\(.)", options: ["rbind"]}]' \
        --arg dir "$PWD" --args resolv.conf hosts hostname
    echo 'nameserver 10.99.0.1' >resolv.conf
    echo '10.99.0.7 db' >hosts
    echo web >hostname
    mkdir -p a/rootfs/etc a/rootfs/data
    echo "the image's" >a/rootfs/etc/hosts
    ln -s /etc/passwd a/rootfs/etc/resolv.conf
    echo own >a/rootfs/data/own
    echo secret >a/rootfs/data/secret
    chmod 600 a/rootfs/data/secret
    # Its root reads what is its own: the files lie on a file system that can be mounted with other ids.
    tries a 'content: 10.99.0.7 db' 'read=etc/hosts: error 0' 'read=etc/resolv.conf: error 40' 'read=etc/hostname: error 2' \
        'content: own' 'read=data/own: error 0' 'target: /etc/passwd' 'readlink=etc/resolv.conf: error 0' 'create=new=text: error 30' \
        'content: secret' 'read=data/secret: error 0'
    config a '.annotations["org.runuk.family"] = "generic"'
    run_guest a
    ended 1
    file_has errors "org.runuk.rootfs': a guest of family generic can't mount directories by 9p"
}

@test "a Linux guest's files by 9p: the program writes as in a container, and nothing of that is on the host" {
    guest_bundle a sh -c 'cat /etc/hosts; echo new >/etc/new && rm /etc/old && cat /etc/new && echo more >/data/more; mount | grep " / "; exit 7'
    echo '10.99.0.7 db' >hosts
    mkdir data a/rootfs/data
    touch a/rootfs/etc/old
    volume a data /data
    config a '.annotations = {"org.runuk.rootfs": "9p"}
        | .mounts += [{destination: "/etc/hosts", type: "bind", source: $from, options: ["rbind"]}]' --arg from "$PWD/hosts"
    mkdir a/rootfs/proc
    run_guest a
    ended 7
    said $'10.99.0.7 db\nnew\noverlay'
    equal "$(ls a/rootfs/etc) $(<data/more)" 'old more'
    config a '.root.readonly = true'
    run_guest a
    ended 7
    said '10.99.0.7 db'
    said "can't create /etc/new: Read-only file system"
}

@test "a Linux guest: several volumes at their places, one in another, names, a large file" {
    guest_bundle a sh -c 'cat /data/in && echo from the guest >/data/out && mv /data/old "/data/größer ☂" && cat "/data/naïve name" &&
        cp /data/large /data/copy && chmod 600 /data/copy && cat /data/sub/file && ! touch /ro/x && cat /ro/in && echo late >>/data/sub/file'
    mkdir -p data ro sub data/sub
    echo 'from the host' >data/in
    echo 'a name with an accent' >'data/naïve name'
    echo 'only to read' >ro/in
    echo 'a volume in a volume' >sub/file
    touch data/old
    head -c 1000001 /dev/urandom >data/large
    chown -R 1234:4321 data
    chmod 700 data
    volume a sub /data/sub
    volume a data /data
    volume a ro /some/where/../../ro ro
    run_guest a
    ended 0
    equal "$(grep -v Read-only <<<"$output")" $'from the host\na name with an accent\na volume in a volume\nonly to read'
    cmp data/large data/copy
    equal "$(owner data/copy) $(cat data/out) $(cat sub/file)" $'1234:4321 600 from the guest a volume in a volume\nlate'
    [[ -e 'data/größer ☂' && ! -e data/old ]]
}
