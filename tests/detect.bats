#!/usr/bin/env bats
# What makes a container a unikernel: the bytes of its entrypoint, found as the container would find it and nowhere else, and
# that looking for it touches nothing.

load oci

setup() {
    oci_setup
    CANARY=$BATS_TEST_TMPDIR/canary
    RUNC=$BATS_TEST_TMPDIR/recording-runc
    # Where an ordinary container ends up: its arguments are written down, and the status is one that no guest here has.
    printf '#!/bin/sh\nprintf "%%s\\n" "$@" >"%s"\nexit 42\n' "$BATS_TEST_TMPDIR/delegated" >"$RUNC"
    chmod 755 "$RUNC"
    settings '.runc = $runc' --arg runc "$RUNC"
}

teardown() {
    oci_teardown
}

# try ID: create, start, wait, delete, in one; bounded. What the guest prints is in $output, the duration (µs) in $took.
try() {
    local start=${EPOCHREALTIME/./}
    rm -f delegated
    run runuk run --bundle "$BATS_TEST_TMPDIR/$1" "$1" </dev/null
    took=$((${EPOCHREALTIME/./} - start))
}

# boots ID [TARGET]
boots() {
    try "$1"
    ended 0
    said "Hello from ${2:-spt}"
    [[ ! -e delegated ]]
}

# goes_to_runc ID: with the arguments as they were.
goes_to_runc() {
    try "$1"
    ended 42
    equal "$(<delegated)" "$(printf '%s\n' --root "$ROOT" run --bundle "$BATS_TEST_TMPDIR/$1" "$1")"
}

# fails ID TEXT: neither booted nor delegated.
fails() {
    try "$1"
    ended 1
    said "$2"
    [[ ! -e delegated ]]
}

entry() {
    config "$1" '.process.args[0] = $entry' --arg entry "$2"
}

# What the monitor says of KVM here.
kvm_usable() {
    "$BUILD/runuk-hvt" --probe 2>/dev/null
}

@test "the entrypoint is found by an absolute path" {
    bundle a hello
    boots a
    mkdir a/rootfs/opt && mv a/rootfs/guest a/rootfs/opt/guest
    goes_to_runc a
    local path
    for path in /opt/guest //opt//guest /opt/./guest /opt/../opt/guest /../opt/guest; do
        entry a "$path"
        boots a
    done
}

@test "a relative path starts in the container's cwd" {
    bundle a hello
    mkdir -p a/rootfs/opt/bin && mv a/rootfs/guest a/rootfs/opt/bin/guest
    config a '.process.cwd = "/opt" | .process.env = ["PATH=/opt/bin"]'
    local path
    for path in bin/guest ./bin/guest bin/../bin/guest ../opt/bin/guest ../../opt/bin/guest; do
        entry a "$path"
        boots a
    done
    entry a ./guest
    goes_to_runc a
}

@test "a name without a slash is searched in PATH, in its order" {
    bundle a hello
    mkdir -p a/rootfs/first a/rootfs/second a/rootfs/usr/bin a/rootfs/third/guest
    cp a/rootfs/guest a/rootfs/second/guest
    printf 'text' >a/rootfs/first/guest
    entry a guest
    config a '.process.env = ["A=b", "PATH=/missing:/third:second:/second:/first"]'
    boots a
    config a '.process.env = ["PATH=/first:/second"]'
    goes_to_runc a
    config a '.process.env = ["PATH=:.:second"]'
    goes_to_runc a
    config a '.process.env = []'
    goes_to_runc a
    mv a/rootfs/guest a/rootfs/usr/bin/guest
    boots a
}

@test "symbolic links lead to it: relative, absolute, chained, of directories" {
    bundle a hello
    mkdir -p a/rootfs/opt/v1
    mv a/rootfs/guest a/rootfs/opt/v1/image
    ln -s v1 a/rootfs/opt/current
    ln -s opt/current/image a/rootfs/relative
    ln -s /opt/current/image a/rootfs/absolute
    ln -s absolute a/rootfs/chain
    ln -s ../../../chain a/rootfs/opt/v1/up
    local path
    for path in /relative /absolute /chain /opt/v1/up /opt/current/up; do
        entry a "$path"
        boots a
    done
    ln -s loop a/rootfs/loop
    entry a /loop
    goes_to_runc a
}

@test "symbolic links that would leave the rootfs stay in it, and no host file is opened" {
    local link
    bundle a hello
    bundle inside hello
    mkdir -p "$CANARY" "inside/rootfs$CANARY"
    cp "$GUESTS/exit.spt" "$CANARY/image"
    cp "$GUESTS/hello.spt" "inside/rootfs$CANARY/image"
    for link in "../../../../../../../../../../..$CANARY/image" "$CANARY/image"; do
        ln -sf "$link" a/rootfs/guest
        ln -sf "$link" inside/rootfs/guest
        boots inside
        rm -f delegated
        # The sanitizer's search for leaks does not work under a tracer.
        run env ASAN_OPTIONS=detect_leaks=0 timeout -k 5 60 strace -f -y -o trace -e trace=open,openat,openat2,execve \
            "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle "$BATS_TEST_TMPDIR/a" a
        ended 42
        file_has trace 'openat2('
        run ! grep -F "$CANARY" trace
    done
}

@test "a magic link of proc leads nowhere, even when the rootfs has a proc" {
    bundle a hello
    mkdir "$CANARY"
    cp "$GUESTS/hello.spt" "$CANARY/image"
    config a '.root.path = "/"'
    entry a "$CANARY/image"
    boots a
    entry a "/proc/self/root$CANARY/image"
    goes_to_runc a
    entry a "/proc/self/cwd/canary/image"
    goes_to_runc a
}

@test "the rootfs itself may be a symbolic link, and absolute" {
    bundle a hello
    mv a/rootfs real
    ln -s ../real a/rootfs
    boots a
    config a '.root.path = $path' --arg path "$BATS_TEST_TMPDIR/real"
    boots a
}

@test "of the variants .hvt and .spt the best that runs here is taken" {
    local best=spt
    ! kvm_usable || best=hvt
    bundle a hello
    mv a/rootfs/guest a/rootfs/guest.spt
    boots a spt
    cp "$GUESTS/hello.hvt" a/rootfs/guest.hvt
    boots a "$best"
    # The PATH is searched for them too, and links are followed.
    mkdir a/rootfs/bin
    mv a/rootfs/guest.hvt a/rootfs/real
    ln -s /real a/rootfs/bin/guest.hvt
    mv a/rootfs/guest.spt a/rootfs/bin/
    entry a guest
    config a '.process.env = ["PATH=/bin"]'
    boots a "$best"
    # What has the very name is taken, whatever else there is.
    printf '#!/bin/sh\n' >a/rootfs/bin/guest
    goes_to_runc a
}

@test "an image for KVM alone boots where KVM works, and else the error says what would help" {
    bundle a hello
    cp "$GUESTS/hello.hvt" a/rootfs/guest
    if kvm_usable; then
        boots a hvt
    else
        fails a "image '/guest' needs KVM, which this host cannot use ("
        said "('/guest.spt')"
    fi
    mv a/rootfs/guest a/rootfs/guest.hvt
    if kvm_usable; then
        boots a hvt
    else
        fails a "image '/guest.hvt' needs KVM"
        said "('/guest.spt')"
        # Asked once: the answer is remembered.
        file_has "$ROOT/.runuk-kvm" "$(</proc/sys/kernel/random/boot_id)"
    fi
}

@test "a host too busy to say whether KVM works is asked again" {
    [[ -e /dev/kvm ]] || skip "there is no /dev/kvm here"
    bundle a hello
    cp "$GUESTS/hello.hvt" a/rootfs/guest
    mkdir monitors
    cp "$BUILD"/runuk-* monitors/
    printf '#!/bin/sh\nexec sleep 1000\n' >monitors/runuk-hvt
    settings --arg dir "$PWD/monitors" '.monitor_dir = $dir'
    fails a "image '/guest' needs KVM, which this host cannot use (its probe did not end)"
    [[ ! -e $ROOT/.runuk-kvm ]]
    printf '#!/bin/sh\necho no time\nexit 75\n' >monitors/runuk-hvt
    fails a "image '/guest' needs KVM, which this host cannot use (no time)"
    [[ ! -e $ROOT/.runuk-kvm ]]
    printf '#!/bin/sh\necho no\nexit 1\n' >monitors/runuk-hvt
    fails a "image '/guest' needs KVM, which this host cannot use (no)"
    grep -qx no "$ROOT/.runuk-kvm"
}

@test "a bind mount covers the rootfs: of the file, and of a directory above it" {
    bundle a hello
    mkdir volume
    mv a/rootfs/guest volume/image
    printf 'text' >a/rootfs/guest
    config a '.mounts = [{destination: "/guest", type: "bind", source: $source, options: ["rbind", "ro"]}]' \
        --arg source "$BATS_TEST_TMPDIR/volume/image"
    boots a
    config a '.mounts = [{destination: "/opt", type: "none", source: $source, options: ["bind"]}]' \
        --arg source "$BATS_TEST_TMPDIR/volume"
    goes_to_runc a
    entry a /opt/image
    boots a
    # Links of the volume's stay in it.
    mkdir "$CANARY"
    mv volume/image "$CANARY/image"
    ln -s ../canary/image volume/image
    goes_to_runc a
    ln -sf "$CANARY/image" volume/image
    goes_to_runc a
}

@test "an engine's own init in front of it is none of the guest's business" {
    local init
    for init in /sbin/docker-init /run/podman-init /dev/init; do
        bundle a hello
        config a '.process.args = [$init, "--", "/guest", "--", "x y"]' --arg init "$init"
        goes_to_runc a
        config a '.mounts = [{destination: $init, type: "bind", source: "/bin/true", options: ["bind", "ro"]}]' --arg init "$init"
        boots a
        said 'cmdline: -- "x y"'
    done
    config a '.process.args = ["/dev/init", "/guest"]'
    goes_to_runc a
}

@test "what is no regular file is no unikernel, and is never opened" {
    bundle a hello
    bundle waiting hello
    create waiting # its gate is a socket
    local kind
    for kind in fifo socket directory character block empty; do
        rm -rf a/rootfs/guest
        case $kind in
            fifo) mkfifo a/rootfs/guest ;;
            # The kernel's own log of messages, on which a read would wait for ever.
            character) mknod a/rootfs/guest c 1 11 ;;
            block) mknod a/rootfs/guest b 7 99 ;;
            directory) mkdir a/rootfs/guest ;;
            empty) : >a/rootfs/guest ;;
            socket) ln "$ROOT/waiting/gate" a/rootfs/guest ;;
        esac
        goes_to_runc a
        ((took < 1000000))
    done
}

@test "a sparse file of a tebibyte is judged in under a second, whatever it begins with" {
    bundle a hello
    truncate -s 1T a/rootfs/guest
    boots a
    ((took < 1000000))
    : >a/rootfs/guest
    truncate -s 1T a/rootfs/guest
    goes_to_runc a
    ((took < 1000000))
    # An image with a network device is also searched for its options.
    cp "$GUESTS/net.spt" a/rootfs/guest
    truncate -s 1T a/rootfs/guest
    config a '.process.args += ["--nonsense"]'
    try a
    ended 64
    ((took < 2000000))
}

@test "an image needs no x bit" {
    bundle a hello
    chmod 444 a/rootfs/guest
    boots a
    chmod 000 a/rootfs/guest
    boots a
}

@test "ordinary programs go to runc, of other machines and classes too" {
    bundle a hello
    local busybox
    busybox=$(type -P busybox)
    cp "$busybox" a/rootfs/guest
    goes_to_runc a
    poke a/rootfs/guest 18 '\xb7\x00'
    goes_to_runc a
    cp "$busybox" a/rootfs/guest
    poke a/rootfs/guest 4 '\x01'
    goes_to_runc a
    printf '#!/bin/sh\necho hello\n' >a/rootfs/guest
    goes_to_runc a
    printf '\x7fELF' >a/rootfs/guest
    goes_to_runc a
    head -c 100000 /dev/urandom >a/rootfs/guest
    goes_to_runc a
}

@test "a unikernel for another machine or target is an error that says so, and never runc's" {
    bundle a hello
    poke a/rootfs/guest 18 '\xb7\x00'
    fails a "image '/guest' is built for another machine (aarch64): build it for x86-64"
    cp "$GUESTS/hello.spt" a/rootfs/guest
    local note
    note=$(offset_of a/rootfs/guest ABI1Solo5)
    poke a/rootfs/guest $((note + 12)) '\x03'
    fails a "image '/guest' is built for the Solo5 target virtio, but has no multiboot header"
    poke a/rootfs/guest $((note + 12)) '\x06'
    fails a "image '/guest' is built for the Solo5 target xen, which has no monitor here: build it for hvt or spt"
}

@test "a rootfs whose dev, proc and sys are links to elsewhere touches nothing there" {
    local link before
    bundle a hello
    mkdir "$CANARY"
    printf 'canary' >"$CANARY/null"
    printf 'canary' >"$CANARY/console"
    for link in proc sys dev etc tmp run; do
        ln -s "$CANARY" "a/rootfs/$link"
    done
    before=$(snapshot "$CANARY")
    config a '.process.args += ["{dns}"]
        | .mounts = [{destination: "/proc", type: "proc", source: "proc"},
                     {destination: "/dev", type: "tmpfs", source: "tmpfs"},
                     {destination: "/sys", type: "sysfs", source: "sysfs"}]'
    try a
    ended 1
    said '{dns} has no value'
    config a '.process.args = ["/guest"]'
    boots a
    rm a/rootfs/dev
    mkdir a/rootfs/dev
    for link in null console zero ptmx; do
        ln -s "$CANARY/$link" "a/rootfs/dev/$link"
    done
    boots a
    equal "$(snapshot "$CANARY")" "$before"
}

# All that a change would change.
snapshot() {
    find "$1" -printf '%p %y %m %U:%G %s %i %T@ %C@ %l\n' | LC_ALL=C sort
}

@test "nothing in the rootfs is made or changed" {
    bundle a block image
    truncate -s 1M a/rootfs/storage
    config a '.process.args = ["/guest", "info"]'
    local before
    before=$(snapshot a/rootfs)
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 0
    said 'capacity: 1048576'
    equal "$(snapshot a/rootfs)" "$before"
}

@test "a read-only rootfs is enough" {
    bundle a hello
    # The mount goes with its namespace.
    run timeout 60 unshare -m bash -c '
        mount --bind "$1/rootfs" "$1/rootfs" && mount -o remount,bind,ro "$1/rootfs" && ! touch "$1/rootfs/x" &&
        "$2" --root "$3" --settings "$4" run --bundle "$1" a' bash "$BATS_TEST_TMPDIR/a" "$RUNUK" "$ROOT" "$SETTINGS"
    ended 0
    said 'Hello from spt'
}

# swap: the image's directory by turns, until the file stop is there.
swap() {
    while [[ ! -e stop ]]; do
        mv -T a/rootfs/boot a/rootfs/hidden && ln -s "$CANARY" a/rootfs/boot
        mv -T a/rootfs/hidden a/rootfs/other && rm a/rootfs/boot && mv -T a/rootfs/other a/rootfs/boot
        mv -T a/rootfs/boot/image a/rootfs/boot/hidden && ln -s "$CANARY/image" a/rootfs/boot/image
        mv -T a/rootfs/boot/hidden a/rootfs/boot/image
    done
}

@test "200 containers while the image is swapped for a link to the host: the host's file is never taken" {
    bundle a hello
    mkdir a/rootfs/boot "$CANARY"
    mv a/rootfs/guest a/rootfs/boot/image
    # The host's image would end with 7, runc with 42, the container's with 0.
    cp "$GUESTS/exit.spt" "$CANARY/image"
    config a '.process.args = ["/boot/image", "7"]'
    background swap
    local i booted=0 delegated=0
    for ((i = 0; i < 200; i++)); do
        try a
        case $status in
            0)
                booted=$((booted + 1))
                said 'Hello from spt'
                ;;
            42) delegated=$((delegated + 1)) ;;
            *)
                printf 'status %s:\n%s\n' "$status" "$output"
                return 1
                ;;
        esac
    done
    : >stop
    # shellcheck disable=SC2154 # background sets it
    wait_job "$job"
    echo "# $booted booted, $delegated delegated"
    ((booted > 0 && delegated > 0 && booted + delegated == 200))
}
