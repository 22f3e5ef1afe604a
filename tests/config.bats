#!/usr/bin/env bats
# Settings and annotations: what each key does, and every error as a user reads it. The values are judged one by one in
# unit/config.c.

load oci
load config

# --- settings -------------------------------------------------------------------------------------------------------------

@test "an error in the settings names file, line and key, whatever the verb" {
    local verb
    printf '{\n  "uid": 1000,\n  "policy": {\n    "linux": "maybe"\n  }\n}\n' >bad.json
    for verb in 'create --bundle web web' 'state web' list features 'exec web ls'; do
        # shellcheck disable=SC2086 # words
        run -1 "$RUNUK" --root "$ROOT" --settings bad.json $verb
        equal "$output" 'runuk: settings file '\''bad.json'\'': line 4: policy.linux: expected "delegate", "pause-only" or "refuse"'
    done
    printf '{\n  "uid": 1000,\n  "pollicy": {}\n}\n' >bad.json
    run -1 "$RUNUK" --root "$ROOT" --settings bad.json list
    equal "$output" "runuk: settings file 'bad.json': line 3: pollicy: unknown key (runuk.json(5) names them all)"
    printf '{\n  "uid": 1000,\n}\n' >bad.json
    run -1 "$RUNUK" --root "$ROOT" --settings bad.json list
    [[ $output == "runuk: settings file 'bad.json': line 3: "* && ${#lines[@]} == 1 ]]
}

@test "monitors: what is not in the list is not used" {
    settings '.monitors = ["hvt", "qemu"]'
    refused "image '/guest' is for the monitor 'spt', which \"monitors\" in the settings does not allow"
    annotate org.runuk.monitor spt
    refused "annotation 'org.runuk.monitor': \"monitors\" in the settings does not allow 'spt'"
    settings '.monitors = ["spt"]'
    boots 'Hello from spt'
    run -0 runuk features
    equal "$(jq -c '.runuk.monitors | [.hvt.allowed, .spt.allowed]' <<<"$output")" '[false,true]'
    # Of two variants, the one that is allowed.
    mv web/rootfs/guest web/rootfs/guest.spt
    cp "$GUESTS/hello.hvt" web/rootfs/guest.hvt
    config web 'del(.annotations)'
    boots 'Hello from spt'
}

@test "policy.linux: refuse lets no ordinary container through" {
    linux_bundle web true
    delegated
    settings '.policy.linux = "delegate"'
    delegated
    settings '.policy.linux = "refuse"'
    refused "entrypoint 'true' is no unikernel, and \"policy.linux\" in the settings refuses all others"
    annotate io.kubernetes.cri.container-type sandbox
    refused "entrypoint 'true' is no unikernel, and \"policy.linux\" in the settings refuses all others"
    run -1 runuk restore --bundle web --image-path /nowhere web
    equal "$output" "runuk: this is no unikernel, and \"policy.linux\" in the settings refuses all others"
    bundle web hello
    boots 'Hello from spt'
    # What is there already can be looked at and ended.
    mkdir -p "$ROOT/there"
    echo '{}' >"$ROOT/there/state.json"
    run -42 runuk delete there
    rm -r "$ROOT/there"
}

@test "policy.linux: pause-only lets the sandbox of a pod through, as either CRI marks it" {
    linux_bundle web true
    settings '.policy.linux = "pause-only"'
    local mark text="entrypoint 'true' is no unikernel, and \"policy.linux\" in the settings lets only the sandbox containers of pods be others"
    refused "$text"
    for mark in io.kubernetes.cri.container-type io.kubernetes.cri-o.ContainerType; do
        annotate "$mark" container
        refused "$text"
        annotate "$mark" sandbox
        delegated
    done
    run -1 runuk restore --bundle web --image-path /nowhere web
    said 'policy.linux'
    bundle web hello
    boots 'Hello from spt'
}

@test "annotations: what is not in the list is refused" {
    settings '.annotations = ["network-mode", "cmdline"]'
    annotate org.runuk.cmdline x
    boots 'cmdline: x'
    annotate org.runuk.memory-mib 64
    refused "annotation 'org.runuk.memory-mib': \"annotations\" in the settings does not allow 'memory-mib'"
    settings '.annotations = []'
    annotate org.runuk.network-mode bridge
    refused "annotation 'org.runuk.network-mode': \"annotations\" in the settings does not allow 'network-mode'"
    annotate com.example.key value
    boots 'Hello from spt'
}

@test "memory_max_mib bounds what an annotation asks for, and nothing else" {
    settings '.memory_max_mib = 64 | .memory_mib = 128'
    annotate org.runuk.memory-mib 65
    refused "annotation 'org.runuk.memory-mib': 65 MiB, and \"memory_max_mib\" in the settings allows at most 64"
    annotate org.runuk.memory-mib 64
    create web
    equal "$(jq .memory "$ROOT/web/runuk.json")" $((64 << 20))
    runuk delete --force web
    config web 'del(.annotations)'
    create web
    equal "$(jq .memory "$ROOT/web/runuk.json")" $((128 << 20))
}

@test "accel: KVM, emulation, or whichever there is" {
    qemu_guest hello.multiboot
    settings '.accel = "tcg"'
    boots 'Hello from multiboot'
    said 'warning: the guest is emulated, which is slow: the settings say "accel": "tcg"'
    settings '.accel = "kvm"'
    try
    if kvm_usable; then
        ended 0
        said 'Hello from multiboot'
        said_not emulated
    else
        ended 1
        said "image '/guest' is a generic unikernel that needs QEMU, which can't be used here: the settings say \"accel\": \"kvm\", and KVM cannot be used ("
    fi
    settings '.accel = "auto"'
    boots 'Hello from multiboot'
}

@test "qemu: its program" {
    qemu_guest hello.multiboot
    settings '.qemu = "/nonexistent/qemu" | .accel = "tcg"'
    refused "image '/guest' is a generic unikernel that needs QEMU, which can't be used here: there is no '/nonexistent/qemu': install qemu-system-x86, or set \"qemu\" in the settings"
    settings '.qemu = $path' --arg path "$(type -P qemu-system-x86_64)"
    boots 'Hello from multiboot'
    settings '.monitors = ["hvt", "spt"]'
    refused "image '/guest' is for the monitor 'qemu', which \"monitors\" in the settings does not allow"
}

@test "the man page describes every key and every annotation, and is installed" {
    local name
    for name in $(sed -n 's/^    {\(NULL\|"policy"\), "\([a-z_]*\)", .*/\2/p' "$TOP/config/settings.c"); do
        grep -qE "^\.It Cm (policy\.)?$name\$" "$TOP/docs/runuk.json.5"
    done
    run -0 runuk features
    for name in $(jq -r '.runuk.annotations[] | split(".") | last' <<<"$output"); do
        grep -qE "^\.It Cm (.* , )?$name( ,|\$)" "$TOP/docs/runuk.json.5"
    done
    [[ $name ]]
    make -s -C "$TOP" -n install DESTDIR=/dest PREFIX=/usr >install
    file_has install /dest/usr/share/man/man5/runuk.json.5
}

# --- annotations ----------------------------------------------------------------------------------------------------------

@test "an annotation that runuk does not know is an error, of an ordinary container too" {
    annotate org.runuk.kernl /boot/kernel
    try
    ended 1
    said "annotation 'org.runuk.kernl' is not one that runuk knows (known, after org.runuk.: \"network-mode\", "
    linux_bundle web true
    annotate org.runuk.kernl /boot/kernel
    try
    ended 1
    said "annotation 'org.runuk.kernl' is not one that runuk knows"
    annotate org.runuk.memory-mib much
    refused "annotation 'org.runuk.memory-mib': expected a number of MiB, 1 to 1048576, not 'much'"
}

@test "features name every annotation, and that each changes how a container runs" {
    run -0 runuk features
    local name
    for name in network-mode family monitor memory-mib kernel cmdline machine initrd disk rootfs; do
        jq -e --arg name "org.runuk.$name" '(.runuk.annotations | index([$name])) != null and
            (.potentiallyUnsafeConfigAnnotations | index([$name])) != null' <<<"$output" >/dev/null
    done
}

@test "kernel: the unikernel is not the entrypoint, and is told all of the arguments" {
    elsewhere
    config web '.process.args = ["/app", "a b"]'
    delegated
    annotate org.runuk.kernel /boot/kernel
    boots 'cmdline: /app "a b"'
    # Unless the entrypoint is the unikernel itself.
    config web '.process.args = ["/boot/kernel", "x"]'
    boots 'cmdline: x'
    # It is looked for as an entrypoint is: variants, links, volumes.
    mv web/rootfs/boot/kernel web/rootfs/boot/kernel.spt
    boots 'cmdline: x'
    mv web/rootfs/boot/kernel.spt volume
    config web '.mounts = [{destination: "/boot/kernel", type: "bind", source: $source, options: ["bind"]}]' \
        --arg source "$PWD/volume"
    boots 'cmdline: x'
}

@test "kernel: what is not there, or no unikernel, is an error and never an ordinary container" {
    linux_bundle web true
    annotate org.runuk.kernel /boot/kernel
    refused "annotation 'org.runuk.kernel': '/boot/kernel' is no file in the container"
    annotate org.runuk.kernel /bin/busybox
    refused "annotation 'org.runuk.kernel': '/bin/busybox' is no unikernel that runuk knows"
    annotate org.runuk.kernel /bin
    refused "annotation 'org.runuk.kernel': '/bin' is no file in the container"
}

@test "kernel: no path leads out of the container" {
    local path
    mkdir canary
    cp "$GUESTS/exit.spt" canary/image
    linux_bundle web true
    annotate org.runuk.kernel "$PWD/canary/image"
    refused "annotation 'org.runuk.kernel': '$PWD/canary/image' is no file in the container"
    for path in "../../../../../../../../../..$PWD/canary/image" "/..$PWD/canary/image" "/bin/../../canary/image"; do
        annotate org.runuk.kernel "$path"
        try
        ended 1
        said "annotation 'org.runuk.kernel': expected an absolute path inside the container, without \"..\""
    done
    ln -s "$PWD/canary/image" web/rootfs/link
    annotate org.runuk.kernel /link
    refused "annotation 'org.runuk.kernel': '/link' is no file in the container"
    # A device or a FIFO is not even opened.
    mkfifo web/rootfs/fifo
    annotate org.runuk.kernel /fifo
    refused "annotation 'org.runuk.kernel': '/fifo' is no file in the container"
}

@test "cmdline: the guest gets it as it is, instead of process.args" {
    config web '.process.args += ["not", "this"]'
    annotate org.runuk.cmdline '--hello="a b"  c\d {{'\'' --'
    boots 'cmdline: --hello="a b"  c\d {'\'' --'
    annotate org.runuk.cmdline 'at {hostname}'
    boots 'cmdline: at guest'
    annotate org.runuk.cmdline ''
    boots 'Hello from spt'
    said_not 'not this'
    # It survives the state file, and reaches no option of the monitor's.
    annotate org.runuk.cmdline '--mem=1 --net:service=tap0 @3'
    boots 'cmdline: --mem=1 --net:service=tap0 @3'
}

@test "cmdline: a QEMU guest gets it as it is too, and QEMU no option" {
    qemu_guest hello.multiboot
    settings '.accel = "tcg"'
    annotate org.runuk.cmdline '-device help,,x  "y'
    boots 'cmdline: /guest -device help,,x  "y'
}

@test "family: another one than the bytes show, and one that does not exist" {
    annotate org.runuk.family solo5
    boots 'Hello from spt'
    annotate org.runuk.family plan9
    try
    ended 1
    said "annotation 'org.runuk.family': 'plan9' is not a family that runuk knows ("
    said mirage
    annotate org.runuk.family mirage
    create web
    equal "$(jq -r .family "$ROOT/web/runuk.json")" mirage
}

@test "monitor: the one that is asked for, or an error" {
    annotate org.runuk.monitor spt
    boots 'Hello from spt'
    annotate org.runuk.monitor hvt
    refused "annotation 'org.runuk.monitor': 'hvt' does not boot image '/guest', which is for 'spt'"
    annotate org.runuk.monitor /bin/sh
    refused "annotation 'org.runuk.monitor': expected \"hvt\", \"spt\" or \"qemu\", not '/bin/sh'"
    # Even where hvt would be the better one.
    mv web/rootfs/guest web/rootfs/guest.spt
    cp "$GUESTS/hello.hvt" web/rootfs/guest.hvt
    annotate org.runuk.monitor spt
    boots 'Hello from spt'
    annotate org.runuk.monitor hvt
    try
    if kvm_usable; then
        ended 0
        said 'Hello from hvt'
    else
        ended 1
        said "'hvt' does not boot image '/guest.spt'"
    fi
}

@test "memory-mib: in place of the settings' figure, and within a limit" {
    settings '.memory_mib = 256'
    annotate org.runuk.memory-mib 32
    create web
    equal "$(jq .memory "$ROOT/web/runuk.json")" $((32 << 20))
    runuk delete --force web
    config web '.linux.resources.memory.limit = 67108864'
    create web
    equal "$(jq .memory "$ROOT/web/runuk.json")" $((32 << 20))
    runuk delete --force web
    annotate org.runuk.memory-mib 64
    try
    ended 1
    said "annotation 'org.runuk.memory-mib': 64 MiB, and the memory limit leaves at most 6"
    config web 'del(.linux.resources)'
    annotate org.runuk.memory-mib 1
    try
    ended 1
    said "annotation 'org.runuk.memory-mib': guest memory of 1 MiB is too small for the image"
}

@test "disk: files of the container's as block devices, in the manifest's order" {
    bundle web block image
    cp "$GUESTS/block.spt" web/rootfs/guest
    config web '.process.args = ["/guest", "info"]'
    mkdir -p web/rootfs/data
    truncate -s 1M web/rootfs/data/one
    annotate org.runuk.disk /data/one
    boots 'capacity: 1048576'
    truncate -s 2M volume
    config web '.mounts = [{destination: "/data/two", type: "bind", source: $source, options: ["bind"]}]' --arg source "$PWD/volume"
    annotate org.runuk.disk /data/two:ro
    boots 'capacity: 2097152'
    annotate org.runuk.disk /data/none
    refused "annotation 'org.runuk.disk': '/data/none' is no file in the container"
    annotate org.runuk.disk /data
    refused "annotation 'org.runuk.disk': '/data' is no regular file (a block device has to be bind-mounted itself)"
    annotate org.runuk.disk /data/one,/data/two
    refused "annotation 'org.runuk.disk': 2 disks, and the image has 1 block devices"
}

@test "disk: what is read-only is read-only" {
    bundle web block
    config web '.process.args = ["/guest", "write"]'
    truncate -s 1M web/rootfs/data
    local before
    before=$(sha256sum <web/rootfs/data)
    annotate org.runuk.disk /data:ro
    try
    ended 3
    said 'write refused'
    equal "$(sha256sum <web/rootfs/data)" "$before"
    annotate org.runuk.disk /data:rw
    boots 'wrote 1048576 bytes'
    run ! equal "$(sha256sum <web/rootfs/data)" "$before"
}

@test "machine, initrd, rootfs: an error with a monitor whose guests have no use for them" {
    local name value
    while read -r name value; do
        annotate "org.runuk.$name" "$value"
        refused "annotation 'org.runuk.$name': guests of the monitor 'spt' have no use for it"
    done <<<$'machine pc\ninitrd /guest\nrootfs 9p'
    annotate org.runuk.rootfs none
    boots 'Hello from spt'
    config web '.annotations = {"org.runuk.machine": "pc", "org.runuk.monitor": "spt"}'
    refused "annotation 'org.runuk.machine' is for the monitor 'qemu', and annotation 'org.runuk.monitor' is 'spt'"
}

@test "what only a unikernel has use for is an error where there is none" {
    linux_bundle web true
    local name value
    while read -r name value; do
        annotate "org.runuk.$name" "$value"
        refused "annotation 'org.runuk.$name' is for a unikernel, and the entrypoint 'true' is none: name the unikernel with the annotation 'org.runuk.kernel', or leave the annotation out"
    done <<<$'family mirage\nmonitor spt\ncmdline x\nmachine pc\ninitrd /i\ndisk /d\nrootfs 9p'
    # Pods have one set of annotations for all their containers, side-cars too.
    config web '.annotations = {"org.runuk.network-mode": "bridge", "org.runuk.memory-mib": "64"}'
    delegated
    # And for their sandbox, which is never a unikernel.
    config web '.annotations = {"org.runuk.kernel": "/nowhere", "io.kubernetes.cri.container-type": "sandbox"}'
    delegated
}

@test "annotations that are no strings are an error, whatever the container is" {
    linux_bundle web true
    config web '.annotations = {"org.runuk.kernel": 5}'
    try
    ended 1
    said "annotations.org.runuk.kernel: expected a string"
}
