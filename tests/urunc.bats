#!/usr/bin/env bats
# Images made for urunc: its annotations, and its file.

load oci
load config

# urunc_image [KEY VALUE…]: the unikernel of web is /boot/kernel, and web says what urunc must know, as annotations; more of them.
urunc_image() {
    [[ -e web/rootfs/boot/kernel ]] || elsewhere
    config web '.annotations = ($ARGS.positional | [range(0; length; 2) as $i | {key: ("com.urunc.unikernel." + .[$i]), value: .[$i + 1]}]
        | from_entries)' --args -- unikernelType mirage hypervisor spt binary /boot/kernel "$@"
}

# to_file: what the annotations say, in base64 in /urunc.json, beside a label of the image's.
to_file() {
    jq '.annotations | map_values(@base64) | .["org.opencontainers.image.title"] = "a title"' web/config.json >web/rootfs/urunc.json
    config web 'del(.annotations)'
}

@test "urunc: its annotations, plain or in base64, and its file boot the same guest" {
    urunc_image
    config web '.process.args = ["one", "two three"]'
    boots 'cmdline: one "two three"'
    config web '.annotations |= map_values(@base64)'
    boots 'cmdline: one "two three"'
    urunc_image
    to_file
    boots 'cmdline: one "two three"'
    create web
    equal "$(jq -c '[.image, .family, .monitor]' "$ROOT/web/runuk.json")" '["/boot/kernel","mirage","spt"]'
}

@test "urunc: a command line is for containers that have none" {
    urunc_image cmdline 'from  "the image"'
    config web '.process.args = ["unikernel"]'
    boots 'cmdline: from  "the image"'
    config web '.process.args = ["/boot/kernel"]'
    boots 'cmdline: from  "the image"'
    config web '.process.args = ["/boot/kernel", "x"]'
    boots 'cmdline: x'
    config web '.process.args = ["x"]'
    boots 'cmdline: x'
    to_file
    config web '.process.args = ["unikernel"]'
    boots 'cmdline: from  "the image"'
}

@test "urunc: annotations that say enough go before the file, which goes before those that do not" {
    urunc_image cmdline 'of the file'
    to_file
    config web '.process.args = ["unikernel"]'
    boots 'cmdline: of the file'
    urunc_image cmdline 'of the annotations'
    boots 'cmdline: of the annotations'
    config web 'del(.annotations["com.urunc.unikernel.binary"])'
    boots 'cmdline: of the file'
}

@test "urunc: what runuk's own annotations say goes before all, key by key" {
    urunc_image cmdline 'of urunc' hypervisor hvt
    config web '.process.args = ["unikernel"] | .annotations += {"org.runuk.monitor": "spt", "org.runuk.cmdline": "of runuk"}'
    boots 'cmdline: of runuk'
    cp web/rootfs/boot/kernel web/rootfs/other
    config web '.annotations["org.runuk.kernel"] = "/other"'
    create web
    equal "$(jq -r .image "$ROOT/web/runuk.json")" /other
}

@test "urunc: what is half specified is an error, and never an ordinary container" {
    local key
    for key in unikernelType hypervisor binary; do
        linux_bundle web true
        mkdir -p web/rootfs/boot && cp "$GUESTS/hello.spt" web/rootfs/boot/kernel
        urunc_image
        config web 'del(.annotations[$key])' --arg key "com.urunc.unikernel.$key"
        refused "annotation 'com.urunc.unikernel.$key' is missing, which makes the rest of com.urunc.unikernel.* nothing"
        to_file
        refused "'/urunc.json': 'com.urunc.unikernel.$key' is missing, which makes the rest of com.urunc.unikernel.* nothing"
        rm -r web
    done
    linux_bundle web true
    annotate com.urunc.unikernel.cmdline x
    refused "annotation 'com.urunc.unikernel.unikernelType' is missing, which makes the rest of com.urunc.unikernel.* nothing"
    # A file that says nothing of unikernels is an ordinary container's.
    config web 'del(.annotations)'
    printf '{"org.opencontainers.image.title": "a title"}' >web/rootfs/urunc.json
    delegated
}

@test "urunc: a file that cannot be read is an error" {
    linux_bundle web true
    printf '{\n"com.urunc.unikernel.binary": }\n' >web/rootfs/urunc.json
    try
    ended 1
    said "'/urunc.json': line 2: "
    printf '{"com.urunc.unikernel.binary": "/app"}' >web/rootfs/urunc.json
    refused "'/urunc.json': 'com.urunc.unikernel.binary': expected text in base64"
    truncate -s 1T web/rootfs/urunc.json
    refused "read '/urunc.json' in the container: File too large"
    rm web/rootfs/urunc.json
    mkfifo web/rootfs/urunc.json
    refused "read '/urunc.json' in the container: No such device"
    rm web/rootfs/urunc.json
    # Nothing outside of the container is read, whatever it links to.
    printf '{' >secret
    ln -s "$PWD/secret" web/rootfs/urunc.json
    delegated
}

@test "urunc: paths stay in the container, and the policy holds" {
    mkdir canary
    cp "$GUESTS/exit.spt" canary/image
    urunc_image binary "$PWD/canary/image"
    refused "annotation 'com.urunc.unikernel.binary': '$PWD/canary/image' is no file in the container"
    urunc_image binary "../../../../../../../../..$PWD/canary/image"
    try
    ended 1
    said "annotation 'com.urunc.unikernel.binary': expected an absolute path inside the container, without \"..\""
    # Without its first slash it is one all the same.
    urunc_image binary boot/kernel
    boots 'Hello from spt'
    settings '.monitors = ["hvt", "qemu"]'
    refused "annotation 'com.urunc.unikernel.hypervisor': \"monitors\" in the settings does not allow 'spt'"
    settings 'del(.monitors) | .annotations = ["family", "monitor"]'
    refused "annotation 'com.urunc.unikernel.binary': \"annotations\" in the settings does not allow 'kernel'"
    to_file
    refused "'/urunc.json': 'com.urunc.unikernel.binary': \"annotations\" in the settings does not allow 'kernel'"
    settings 'del(.annotations)'
    boots 'Hello from spt'
}

@test "urunc: hypervisors, and what runuk does not have" {
    urunc_image hypervisor hvt
    refused "annotation 'com.urunc.unikernel.hypervisor': 'hvt' does not boot image '/boot/kernel', which is for 'spt'"
    urunc_image hypervisor firecracker
    refused "annotation 'com.urunc.unikernel.hypervisor': 'qemu' does not boot image '/boot/kernel', which is for 'spt'"
    urunc_image hypervisor hyperlight
    refused "annotation 'com.urunc.unikernel.hypervisor': expected \"hvt\", \"spt\" or \"qemu\", not 'hyperlight'"
    urunc_image unikernelType plan9
    try
    ended 1
    said "annotation 'com.urunc.unikernel.unikernelType': 'plan9' is not a family that runuk knows ("
    urunc_image bootKernel /boot/vmlinuz
    refused "annotation 'com.urunc.unikernel.bootKernel' is not one that runuk supports"
    urunc_image initrd /boot/kernel
    refused "annotation 'com.urunc.unikernel.initrd': guests of the monitor 'spt' have no use for it"
    # Where it was only asked for if possible, it is no matter.
    urunc_image mountRootfs true
    boots 'Hello from spt'
    urunc_image mountRootfs false useDMBlock true solo5NetDev service unikernelVersion 0.9.0
    boots 'Hello from spt'
    urunc_image mountRootfs perhaps
    refused "annotation 'com.urunc.unikernel.mountRootfs': expected \"true\" or \"false\""
}

@test "urunc: what it gives to firecracker is booted by QEMU" {
    qemu_guest hello.multiboot
    urunc_image hypervisor firecracker unikernelType unikraft
    settings '.accel = "tcg"'
    config web '.process.args = ["one"]'
    boots 'Hello from multiboot'
    said 'arg[0]: one'
    urunc_image hypervisor cloud-hypervisor unikernelType unikraft cmdline 'a "b c"'
    config web '.process.args = ["unikernel"]'
    boots 'cmdline: /boot/kernel a "b c"'
}

@test "urunc: a block image of the container's" {
    cp "$GUESTS/block.spt" web/rootfs/guest
    urunc_image block /data.img blkMntPoint /data
    truncate -s 1M web/rootfs/data.img
    config web '.process.args = ["info"]'
    boots 'capacity: 1048576'
    rm web/rootfs/data.img
    refused "annotation 'com.urunc.unikernel.block': '/data.img' is no file in the container"
}

@test "urunc: the sandbox of a pod has its pod's annotations, and is none" {
    linux_bundle web true
    config web '.annotations = {"com.urunc.unikernel.unikernelType": "mirage", "io.kubernetes.cri.container-type": "sandbox"}'
    delegated
}
