#!/usr/bin/env bats
# A Linux kernel with one program: the distribution's kernel for clouds, with busybox, gets the container's files and runs the
# container's command as a container would. Everything is emulated (TCG), so that it is the same with and without KVM.

# shellcheck disable=SC2154 # background sets job

load oci
load linux
load users

setup_file() {
    LINUX=$(linux_kernel)
    export LINUX
}

setup() {
    oci_setup
    settings '.accel = "tcg"'
    C=$TAG-c
    P=$TAG-p
}

teardown() {
    local status=0
    oci_teardown || status=$?
    ip netns del "$C" 2>/dev/null || :
    ip netns del "$P" 2>/dev/null || :
    return "$status"
}

# A namespace C with a link, whose peer is in P.
network() {
    ip netns add "$C"
    ip netns add "$P"
    ip link add eth0 netns "$C" type veth peer name p0 netns "$P"
    ip -n "$P" addr add 10.99.0.1/24 dev p0
    ip -n "$P" -6 addr add fd99::1/64 dev p0 nodad
    ip -n "$P" link set p0 up
    ip -n "$C" addr add 10.99.0.2/24 dev eth0
    ip -n "$C" -6 addr add fd99::2/64 dev eth0 nodad
    ip -n "$C" link set eth0 up
    ip -n "$C" route add default via 10.99.0.1
    ip -n "$C" route add 10.77.0.0/16 via 10.99.0.9
    config "$1" '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/run/netns/$C"
}

# run_guest_on FILE ID: the same with input.
run_guest_on() {
    status=0
    output=$(runuk run --bundle "$BATS_TEST_TMPDIR/$2" "$2" <"$1" 2>errors) || status=$?
}

@test "the program reads the container's input, every byte and to its end, however slowly" {
    guest_bundle a sh
    printf 'echo from $(uname -s)\nexit 9' >script
    run_guest_on script a
    ended 9
    equal "$output" 'from Linux'
    head -c 10000 /dev/urandom >bytes # more than a message, and than the program's pipe holds
    guest_bundle b sh -c 'busybox sleep 1; busybox md5sum'
    run_guest_on bytes b
    ended 0
    equal "$output" "$(md5sum <bytes)"
    # An end that comes at once; and who does not read is not kept by who writes.
    guest_bundle c cat
    run_guest_on /dev/null c
    ended 0
    equal "$output" ''
    guest_bundle d sh -c 'busybox head -c 10; exit 3'
    run_guest_on <(yes) d
    ended 3
    equal "$output" $'y\ny\ny\ny\ny'
}

@test "inspect shows what the guest gets: the kernel's line, and what runuk-init is told" {
    guest_bundle a cat /proc/cmdline
    config a '.process.env += ["A=b c"] | .process.user = {uid: 7, gid: 8, additionalGids: [9]} | .process.cwd = "/tmp"'
    runuk inspect --json a >report.json
    run_guest a
    ended 0
    equal "$(jq -r .commandLine report.json)" "$output"
    said 'rdinit=/.runuk-init'
    jq -e '.init - ["hostname guest", "user 7", "group 8", "more 9", "cwd /tmp", "env PATH=/bin", "env A=b c", "arg cat", "arg /proc/cmdline"]
        | all(test("^(net|address|route|dns) "))' report.json
    jq -e '.init | index("arg cat") and index("env A=b c") and index("address 192.0.2.2/24")' report.json
    run -0 runuk inspect a
    said $'runuk-init is process 1 and is told:\n  hostname guest\n'
    said 'where 192.0.2.2 stands for'
    # The kernel alone; one with a ram disk of its own; one that gets no files.
    runuk inspect --json a/rootfs/vmlinuz >report.json
    jq -e '(.commandLine | test("rdinit=/.runuk-init")) and (.init | index("cwd /"))' report.json
    printf x >a/rootfs/initrd
    config a '.process.args = ["/vmlinuz", "/bin/cat", "x"]'
    runuk inspect --json a >report.json
    jq -e '(.commandLine | test("rdinit=/bin/cat -- x$")) and (has("init") | not)' report.json
    rm a/rootfs/initrd
    config a '.annotations = {"org.runuk.rootfs": "none"}'
    runuk inspect --json a >report.json
    jq -e '(.commandLine | test("runuk-init") | not) and (has("init") | not)' report.json
    config a '.annotations = {"org.runuk.initrd": "/nowhere"}'
    runuk inspect --json a >report.json
    jq -e '.runs == "nothing" and .error == "annotation '"'org.runuk.initrd': '/nowhere'"': No such file or directory"' report.json
}

@test "the command's output and status are the container's; arguments, environment, directory and user are as given" {
    guest_bundle a sh -c 'printf "%s\n" "$@"; pwd; hostname; id; exit 42' sh 'a b' 'quote " here' '' "single ' one" '--' 'x=y,z' 'ü' '*'
    config a '.process.env += ["lower.case=1", "TEXT=two words \"quoted\"", "EMPTY="]
        | .process.cwd = "/etc" | .process.user = {uid: 1000, gid: 1001, additionalGids: [7, 8]} | .hostname = "webserver"'
    # The tree is readable, as an unpacked image is.
    chmod 755 a/rootfs
    run_guest a
    ended 42
    printf '%s\n' 'a b' 'quote " here' '' "single ' one" -- x=y,z ü '*' >wanted
    head -n 8 <<<"$output" | diff wanted -
    said $'\n/etc\nwebserver\nuid=1000 gid=1001 groups=7,8'
    said_not $'\r'
    config a '.process.args = ["/vmlinuz", "env"]'
    run_guest a
    ended 0
    equal "$(sort <<<"$output")" "$(printf '%s\n' 'EMPTY=' 'PATH=/bin' 'TEXT=two words "quoted"' 'lower.case=1' | sort)"
}

@test "every status gets through, and what ended without one" {
    local wanted
    for wanted in 0 1 126 127 255; do
        guest_bundle "s$wanted" sh -c "exit $wanted"
        run_guest "s$wanted"
        ended "$wanted"
        rm -r "s$wanted"
    done
    guest_bundle killed sh -c 'kill -9 $$'
    run_guest killed
    ended 137
    guest_bundle missing /no/such/program
    run_guest missing
    ended 127
    said "run '/no/such/program': No such file or directory"
    guest_bundle none
    run_guest none
    ended 126
    said 'there is no program to run'
}

@test "addresses, routes and the engine's files" {
    guest_bundle a sh -c 'ip -4 addr show eth0; ip -6 addr show eth0; ip route; ip -6 route; cat /etc/resolv.conf /etc/hosts /etc/hostname;
        ping -c 1 -W 5 10.99.0.1 && ping -c 1 -W 5 fd99::1'
    network a
    ip -n "$C" link set eth0 mtu 1400
    echo 'nameserver 10.99.0.1' >resolv.conf
    echo '10.99.0.7 db' >hosts
    echo web >hostname
    echo "the image's own" >a/rootfs/etc/hosts
    ln -s /nowhere a/rootfs/etc/resolv.conf
    config a '.mounts = [$ARGS.positional[] | {destination: "/etc/\(.)", type: "bind", source: "\($dir)/\(.)", options: ["rbind"]}]' \
        --arg dir "$PWD" --args resolv.conf hosts hostname
    run_guest a
    ended 0
    said 'inet 10.99.0.2/24'
    said 'inet6 fd99::2/64'
    said 'mtu 1400'
    said 'default via 10.99.0.1'
    said '10.77.0.0/16 via 10.99.0.9'
    said $'nameserver 10.99.0.1\n10.99.0.7 db\nweb\n'
    said_not "the image's own"
}

@test "SIGTERM comes by the power button, once, and the program ends as it likes" {
    guest_bundle a sh -c 'trap "echo goodbye; asked=1" TERM; echo ready; while [ -z "$asked" ]; do sleep 1; done; sleep 3; exit 3'
    background runuk run --bundle "$PWD/a" a </dev/null >a.out 2>&1
    eventually 60 file_has a.out ready
    runuk kill a TERM
    local status=0
    wait "$job" || status=$?
    equal "$status" 3
    equal "$(grep -c goodbye a.out)" 1
}

# uncompressed KERNEL: the ELF file in a bzImage. Where its payload is stands in the header, and what packed it in its first bytes.
uncompressed() {
    local sectors offset size
    sectors=$(od -A n -t u1 -j 0x1f1 -N 1 "$1")
    offset=$(($(od -A n -t u4 -j 0x248 -N 4 "$1") + (sectors + 1) * 512))
    size=$(od -A n -t u4 -j 0x24c -N 4 "$1")
    # Its last four bytes are the unpacked size.
    tail -c +$((offset + 1)) "$1" | head -c $((size - 4)) >payload
    case $(od -A n -t x1 -N 4 payload) in
        *'02 21 4c 18') lz4 -dc payload ;;
        *'fd 37 7a 58') xz -dc --single-stream payload ;;
        *'28 b5 2f fd') zstd -dc payload ;;
        *) fail "payload of '$1' is packed in a way unknown here" ;;
    esac
}

@test "an uncompressed kernel (vmlinux) is entered by PVH, on a microvm, with drivers for its devices" {
    guest_bundle a sh -c 'uname -s; ping -c 1 -W 5 10.99.0.1 >/dev/null && echo reached; cat /data/word; exit 9'
    uncompressed a/rootfs/vmlinuz >a/rootfs/vmlinux
    rm a/rootfs/vmlinuz
    runuk inspect a/rootfs/vmlinux >inspected
    file_has inspected 'kinds: pvh'
    network a
    mkdir tree
    echo from the volume >tree/word
    truncate -s 4M data.img
    mke2fs -q -t ext4 -d tree data.img
    config a '.process.args[0] = "/vmlinux" | .mounts = [{destination: "/data", type: "bind", source: $file, options: ["bind"]}]' --arg file "$PWD/data.img"
    run_guest a
    ended 9
    # Its kernel says that there is no PCI, too.
    said $'Linux\nreached\nfrom the volume'
}

@test "the tree is taken as it is: links, modes, owners, names; nothing of the host's is" {
    guest_bundle a sh -c 'cd /t; stat -c "%n %f %u:%g" *; readlink link; cat hard1 hard2; ls "$(printf "new\nline")"; cat out || echo kept in'
    mkdir -p a/rootfs/t "a/rootfs/t/new
line"
    echo host >secret
    ln -s "$PWD/secret" a/rootfs/t/out
    ln -s ../t a/rootfs/t/link
    echo content >a/rootfs/t/hard1
    ln a/rootfs/t/hard1 a/rootfs/t/hard2
    mkfifo a/rootfs/t/fifo
    mknod a/rootfs/t/null c 1 3
    touch a/rootfs/t/setuid
    chown 12:34 a/rootfs/t/setuid
    chmod 4711 a/rootfs/t/setuid
    run_guest a
    ended 0
    said 'hard1 81a4 0:0'
    said 'fifo 11a4 0:0'
    said 'null 21a4 0:0'
    said 'setuid 89c9 12:34'
    said $'../t\ncontent\ncontent\n'
    said 'kept in'
    said_not $'\nhost'
    [[ ! -e a/rootfs/.runuk-init ]]
}

@test "the second start finds the files packed, another tree does not, and the cache keeps its bound" {
    guest_bundle a cat /etc/word
    echo one >a/rootfs/etc/word
    run_guest a
    ended 0
    equal "$output" one
    local first
    first=$(find cache -name '*[0-9a-f]' -type f -printf '%f %i\n')
    [[ $(wc -l <<<"$first") -eq 1 && $(stat -c %a cache) == 700 ]]
    run_guest a
    equal "$output" one
    equal "$(find cache -name '*[0-9a-f]' -type f -printf '%f %i\n')" "$first"
    # The same size, and even the same time.
    touch -r a/rootfs/etc/word stamp
    echo two >a/rootfs/etc/word
    touch -r stamp a/rootfs/etc/word
    run_guest a
    equal "$output" two
    [[ $(find cache -name '*[0-9a-f]' -type f | wc -l) -eq 2 ]]
    settings '.cache_mib = 1'
    echo six >a/rootfs/etc/word
    run_guest a
    equal "$output" six
    [[ $(find cache -name '*[0-9a-f]' -type f | wc -l) -eq 1 ]]
    # Nothing half-written is ever taken.
    [[ -z $(find cache -name '*.new') ]]
}

@test "volumes: file systems are mounted, what lies below /dev gets its name, other files are files; a directory takes 9p in the kernel" {
    guest_bundle a sh -c 'cat /data/word; echo written >/data/new; cat /ro/word; echo x >/ro/new; cat /etc/app.conf; readlink /dev/raw; sync'
    mkdir tree
    echo from the volume >tree/word
    truncate -s 4M data.img ro.img raw.img
    mke2fs -q -t ext4 -d tree data.img
    mke2fs -q -t ext4 -d tree ro.img
    echo setting=1 >app.conf
    config a '.mounts = ([["data.img", "/data"], ["ro.img", "/ro"], ["raw.img", "/dev/raw"], ["app.conf", "/etc/app.conf"]]
        | map({destination: .[1], type: "bind", source: ($dir + "/" + .[0]), options: ["rbind"]}))
        | .mounts[1].options += ["ro"]' --arg dir "$PWD"
    run_guest a
    ended 0
    said $'from the volume\nfrom the volume\n'
    said 'Read-only file system'
    said $'setting=1\n/dev/vdc'
    equal "$(debugfs -R 'cat /new' data.img 2>/dev/null)" written
    config a '.mounts = [{destination: "/tree", type: "bind", source: $dir, options: ["rbind"]}]' --arg dir "$PWD/tree"
    run_guest a
    ended 126
    said "mount the volume '/tree': the kernel has no 9p: build it in, or give the image the modules 9p and 9pnet_virtio"
}

@test "an initial ram disk of the image's own: by convention, by annotation, and none" {
    guest_bundle a /show
    mkdir -p own/bin
    cp "$(type -P busybox)" own/bin/busybox
    printf '%s\n' '#!/bin/busybox sh' 'echo "own $0"' '/bin/busybox mount -t proc proc /proc' 'exec /bin/busybox poweroff -f' >own/show
    chmod 755 own/show
    mkdir own/proc own/dev
    mknod own/dev/console c 5 1
    (cd own && find . | cpio --quiet -o -H newc) >a/rootfs/initrd.img
    run_guest a
    ended 0
    said 'own /show'
    [[ ! -e cache ]]
    mv a/rootfs/initrd.img a/rootfs/other
    config a '.annotations["org.runuk.initrd"] = "/other"'
    run_guest a
    ended 0
    said 'own /show'
    config a '.annotations = {"org.runuk.rootfs": "none"}'
    run_guest a
    ended 1
    file_has errors 'the guest was reset'
}

@test "a read-only root, a tmpfs with its options, a secret, and a disk beside them" {
    guest_bundle a sh -c 'echo one >/scratch/file && cat /scratch/file; busybox touch /file; busybox touch /data/file && echo written;
        busybox mount; cat /etc/hosts /run/secrets/word; ls /run/secrets'
    truncate -s 16M disk
    mke2fs -q -t ext4 disk
    chmod 666 disk
    echo '10.1.2.3 db' >hosts
    echo 'open sesame' >word
    mkdir account
    config a --arg dir "$PWD" '.root.readonly = true | .mounts = [
        {destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["nosuid", "noexec", "rprivate", "size=64k", "mode=700"]},
        {destination: "/data/memory", type: "tmpfs", source: "tmpfs"},
        {destination: "/dev/shm", type: "tmpfs", source: "shm"},
        {destination: "/etc/hosts", type: "bind", source: "\($dir)/hosts", options: ["bind"]},
        {destination: "/run", type: "tmpfs", source: "tmpfs"},
        {destination: "/run/secrets/word", type: "bind", source: "\($dir)/word", options: ["bind", "ro"]},
        {destination: "/run/secrets/account", type: "bind", source: "\($dir)/account", options: ["bind", "ro"]},
        {destination: "/data", type: "bind", source: "\($dir)/disk", options: ["bind", "rw"]}]'
    run_guest a
    said $'one\ntouch: /file: Read-only file system\nwritten\n'
    said 'tmpfs on /scratch type tmpfs (rw,nosuid,noexec,relatime,size=64k,mode=700'
    said 'tmpfs on /data/memory type tmpfs (rw'
    said $'10.1.2.3 db\nopen sesame\nword'
    said_not account # a directory, as there is one in every pod
}

@test "a disk is left clean, whatever still runs; one that was not is read all the same" {
    guest_bundle a sh -c 'echo kept >/data/kept; sleep 1000 >/data/open & exit 3'
    truncate -s 16M disk
    mke2fs -q -t ext4 disk
    chmod 666 disk
    config a --arg disk "$PWD/disk" '.mounts = [{destination: "/data", type: "bind", source: $disk, options: ["bind"]}]'
    run_guest a
    ended 3
    run dumpe2fs -h disk
    said 'Filesystem state:         clean'
    said_not needs_recovery
    # As if the machine had been switched off.
    debugfs -w -R 'feature needs_recovery' disk 2>/dev/null
    config a '.process.args = ["/vmlinuz", "cat", "/data/kept"] | .mounts[0].options = ["bind", "ro"]'
    run_guest a
    said kept
}

# The cache is root's; who has none does without.
@test "an ordinary user's guest gets the container's files" {
    users_setup
    guest_bundle a sh -c 'echo it runs; exit 5'
    mapped a 0 "$USER_ID" 1
    for_user
    run -5 by_user "$PWD/programs/runuk" --settings "$SETTINGS" run --bundle a a
    said 'it runs'
    [[ ! -e cache ]]
    equal "$(find xdg/runuk -mindepth 1 -not -name ".runuk-*")" ''
}
