#!/usr/bin/env bats
# runuk inspect: what a file, directory or bundle is said to be, why, and what would become of it; and that nothing ordinary is
# taken for a unikernel.

load oci

setup() {
    oci_setup
}

teardown() {
    oci_teardown
}

# look PATH: the report is in report.json.
look() {
    runuk inspect --json "$1" >report.json || return
    jq -e 'type == "object" and (.files | type == "array")' report.json >/dev/null
}

# has FILTER [ARGUMENT…]: jq's FILTER holds for the report.
has() {
    jq -e "$@" report.json >/dev/null || {
        printf 'wanted %s in:\n' "$*"
        cat report.json
        return 1
    }
}

# bytes_at FILE OFFSET COUNT: in hexadecimal.
bytes_at() {
    od -An -v -tx1 -j "$2" -N "$3" "$1" | tr -d ' \n'
}

# offset TEXT: of the evidence that begins so.
offset() {
    jq -r --arg text "$1" '.files[0].evidence[] | select(.what | startswith($text)) | .offset' report.json
}

# pe FILE MACHINE SUBSYSTEM: an EFI program, as far as its headers go.
pe() {
    truncate -s 4096 "$1"
    poke "$1" 0 MZ
    poke "$1" 60 '\x80'
    poke "$1" 128 'PE\0\0'
    poke "$1" 132 "$2"
    poke "$1" 148 '\xf0'
    poke "$1" 220 "$3"
}

@test "each guest of ours: its kind, its family, and evidence that is where it says" {
    local kind
    look "$GUESTS/net.spt"
    has '.type == "file" and .runs == "unikernel" and .files[0].family == "mirage" and .files[0].kinds == ["spt"]'
    has '.files[0].devices == [{name: "service", type: "network"}] and .files[0].architecture == "x86-64"'
    has '.choice.monitor == "spt" and .choice.kind == "spt"'
    equal "$(bytes_at "$GUESTS/net.spt" "$(offset 'note Solo5')" 8)" 0200000002000000
    look "$GUESTS/block.hvt"
    has '.files[0].family == "solo5" and .files[0].kinds == ["hvt"] and .files[0].memory > 1048576'
    has '.files[0].devices == [{name: "storage", type: "block"}]'
    for kind in multiboot multiboot64; do
        look "$GUESTS/hello.$kind"
        has '.files[0].kinds == ["multiboot"] and .choice.monitor == "qemu" and (.files[0] | has("devices") | not)'
        equal "$(bytes_at "$GUESTS/hello.$kind" "$(offset 'multiboot header')" 4)" 02b0ad1b
    done
    look "$GUESTS/hello.pvh"
    has '.files[0].kinds == ["pvh"] and .choice.kind == "pvh" and (.files[0].monitors[] | select(.name == "qemu").machine != null)'
    # The note's type and owner stand right before the entry.
    equal "$(bytes_at "$GUESTS/hello.pvh" $(($(offset 'note Xen type 18') - 8)) 8)" 1200000058656e00
}

@test "a monitor that cannot be used is named with the reason" {
    look "$GUESTS/hello.hvt"
    if "$BUILD/runuk-hvt" --probe 2>/dev/null; then
        has '.runs == "unikernel" and .choice.monitor == "hvt"'
    else
        has '.runs == "nothing" and (.error | test("needs KVM")) and (has("choice") | not)'
        has '.files[0].monitors[] | select(.name == "hvt") | .boots == false and .kind == "hvt" and .reason != ""'
    fi
    settings '.monitors = ["hvt"]'
    look "$GUESTS/hello.spt"
    has '.runs == "nothing" and (.error | test("\"monitors\" in the settings does not allow"))'
}

@test "ordinary programs are runc's, with status 0" {
    run -0 runuk inspect "$(type -P bash)"
    said 'no unikernel'
    said 'a program for the interpreter /lib'
    said 'runc gets it'
    look "$(type -P busybox)"
    has '.runs == "runc" and .files[0].recognised == false and .files[0].evidence != []'
    printf '#!/bin/sh\n' >script
    look script
    has '.runs == "runc" and .files[0].evidence == [{what: "a script", offset: 0}]'
    : >empty
    look empty
    has '.runs == "runc" and .files[0].evidence == []'
}

@test "no program of this machine is taken for a unikernel" {
    local dir count=0
    for dir in /usr/bin /usr/sbin /usr/local/bin "$BUILD/unit"; do
        [[ -d $dir ]] || continue
        look "$dir"
        has '.runs == "runc" and .files == []'
        count=$((count + $(jq .ordinary report.json)))
    done
    echo "# $count files"
    ((count > 300))
    # Static ones of this compiler: with its C library's note, and without any.
    printf 'int main(void) { return 0; }\n' >a.c
    printf 'void _start(void) { for (;;) ; }\n' >b.c
    mkdir static
    gcc -static a.c -o static/libc
    gcc -static-pie -fPIE a.c -o static/pie
    gcc -static -nostdlib -Wl,--build-id=none b.c -o static/bare
    gcc -m64 -shared -fPIC b.c -o static/shared -nostdlib
    gcc -c a.c -o static/object
    look static
    has '.runs == "runc" and .files == [] and .ordinary == 5'
    for dir in runuk runuk-spt runuk-hvt runuk-qemu; do
        look "$BUILD/$dir"
        has '.runs == "runc"'
    done
}

@test "a program for Rumprun that is not baked is refused in words, and never runc's; another object file is runc's" {
    printf 'int main(void) { return 0; }\n' >a.c
    gcc -c a.c -o object
    printf 'rumprun-netbsd' >recipe
    objcopy --add-section .note.rumprun.bakerecipe=recipe object unbaked
    look unbaked
    has '.runs == "nothing" and .files[0].family == "rumprun" and .files[0].kinds == []'
    has '.files[0].obstacle | test("rumprun-bake hw_virtio")'
    equal "$(bytes_at unbaked "$(offset 'section .note.rumprun')" 14)" "$(printf rumprun-netbsd | od -An -tx1 | tr -d ' \n')"
    run -0 runuk inspect unbaked
    said 'unbaked: not bootable'
    said "image 'unbaked' is a program of Rumprun's that is not baked"
    bundle a hello
    cp unbaked a/rootfs/guest
    run create a
    ended 1
    said "image '/guest' is a program of Rumprun's that is not baked: make the unikernel of it with rumprun-bake hw_virtio"
    look object
    has '.runs == "runc"'
}

@test "a Linux kernel is one, modules and initrds are not" {
    local kernel
    truncate -s 8K bzimage
    poke bzimage 497 '\x04'
    poke bzimage 510 '\x55\xaa'
    poke bzimage 514 'HdrS\x0f\x02'
    poke bzimage 526 '\x00\x03'
    poke bzimage 566 '\x01'
    poke bzimage 1280 '6.1.0-test (a@b) #1'
    look bzimage
    has '.files[0].kinds == ["linux"] and .files[0].architecture == "x86-64"'
    has '.files[0].evidence[] | select(.what | test("6.1.0-test")).offset == 1280'
    for kernel in /boot/vmlinuz-*; do
        [[ -e $kernel ]] || continue
        look "$kernel"
        has '.files[0].kinds == ["linux"] and .files[0].family == "linux"'
    done
}

@test "what is recognised and cannot be booted says what it is and what would help, and never goes to runc" {
    local name
    printf '#!/bin/sh\necho delegated\nexit 42\n' >runc
    chmod 755 runc
    settings '.runc = $runc' --arg runc "$PWD/runc"
    mkdir -p kinds
    pe kinds/efi '\x64\x86' '\x0a'
    truncate -s 4K kinds/arm kinds/qcow2
    poke kinds/arm 56 'ARM\x64'
    poke kinds/qcow2 0 'QFI\xfb'
    truncate -s 64K kinds/gpt kinds/iso
    poke kinds/gpt 510 '\x55\xaa'
    poke kinds/gpt 450 '\xee\xff\xff\xff\x01\x00\x00\x00\xff\xff'
    poke kinds/gpt 512 'EFI PART'
    poke kinds/iso 32769 'CD001'
    cp "$GUESTS/hello.spt" kinds/muen
    poke kinds/muen $(($(offset_of kinds/muen ABI1Solo5) + 12)) '\x04'
    cp "$GUESTS/hello.spt" kinds/arm-solo5
    poke kinds/arm-solo5 18 '\xb7\x00'
    declare -A words=(
        [efi]='an EFI program, and there is no EFI firmware here: build it for'
        [arm]='built for another machine (aarch64): build it for x86-64'
        [qcow2]='a qcow2 disk image: convert it with qemu-img convert -O raw'
        [gpt]='such as EFI firmware boots: install a boot loader for BIOS'
        [iso]='an ISO image without anything to boot: make a disk image'
        [muen]='built for the Solo5 target muen, which has no monitor here: build it for hvt or spt'
        [arm-solo5]='built for another machine (aarch64): build it for x86-64'
    )
    bundle a hello
    for name in "${!words[@]}"; do
        look "kinds/$name"
        has '.runs == "nothing" and (.error | contains($text))' --arg text "${words[$name]}"
        has '.files[0].recognised and .files[0].evidence != []'
        cp "kinds/$name" a/rootfs/guest
        run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
        ended 1
        said "${words[$name]}"
    done
    # Other programs of that format are none of ours.
    pe windows '\x64\x86' '\x03'
    look windows
    has '.runs == "runc"'
}

@test "a bundle: the entrypoint's forms, the choice, and what the guest would be told" {
    bundle a net --hello 'two words' '{ipv4.cidr}'
    look a
    has '.type == "bundle" and .runs == "unikernel" and .files[0].path == "/guest" and .choice.path == "/guest"'
    has '.commandLine == "--ipv4=192.0.2.2/24 --ipv4-gateway=192.0.2.1 --hello \"two words\" 192.0.2.2/24"'
    has '.examples["192.0.2.2"] == "the container'\''s IPv4 address"'
    run -0 runuk inspect a
    said 'boots: /guest by spt, as spt'
    said 'command line: --ipv4=192.0.2.2/24'
    mv a/rootfs/guest a/rootfs/guest.spt
    cp "$GUESTS/net.hvt" a/rootfs/guest.hvt
    look a
    has '[.files[].path] == ["/guest.hvt", "/guest.spt"]'
    config a '.process.args = ["/guest", "{nothing}", "{ipv6.cidr}"]'
    look a
    has '.runs == "unikernel" and (.commandLine | endswith(" {nothing} 2001:db8::2/64"))'
    config a '.process.args = ["/guest", "{service.dns}", "{hostname}"] | del(.hostname)'
    look a
    has '.runs == "nothing" and (.error | test("{hostname} has no value"))'
    config a '.process.args = ["/missing"]'
    look a
    has '.runs == "runc" and .files == []'
    config a '.process.args = ["/guest"] | .annotations = {"org.runuk.monitor": "hvt"}'
    look a
    "$BUILD/runuk-hvt" --probe 2>/dev/null || has '.runs == "nothing" and .error != ""'
    linux_bundle b /bin/sh -c true
    look b
    has '.runs == "runc" and .files == []'
}

@test "the forms NAME.virtio, .elf, .bin, .kernel and .img are looked for when NAME is missing" {
    local suffix
    bundle a hello
    rm a/rootfs/guest
    for suffix in virtio elf bin kernel img; do
        cp "$GUESTS/hello.multiboot" "a/rootfs/guest.$suffix"
        look a
        has '[.files[].path] == [$path] and .choice.path == $path' --arg path "/guest.$suffix"
        rm "a/rootfs/guest.$suffix"
    done
    # A disk of data beside the unikernel is none of its forms.
    cp "$GUESTS/hello.spt" a/rootfs/guest.spt
    truncate -s 1M a/rootfs/guest.img
    look a
    has '[.files[].path] == ["/guest.spt"]'
}

@test "an image that has its kernel at /unikraft/bin/kernel: every argument is the guest's" {
    bundle a hello
    mkdir -p a/rootfs/unikraft/bin
    mv a/rootfs/guest a/rootfs/unikraft/bin/kernel
    config a '.process.args = ["-c", "/etc/conf"]'
    look a
    has '.choice.path == "/unikraft/bin/kernel" and .commandLine == "-c /etc/conf"'
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 0
    said 'cmdline: -c /etc/conf'
    # The entrypoint comes first.
    cp "$GUESTS/exit.spt" a/rootfs/guest
    config a '.process.args = ["/guest", "3"]'
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 3
}

@test "what gzip holds is looked into, and boots" {
    bundle a hello x
    gzip -c "$GUESTS/hello.spt" >a/rootfs/guest
    look a/rootfs/guest
    has '.files[0].kinds == ["spt"] and (.files[0].evidence[-1].what | test("gzip"))'
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 0
    said 'Hello from spt'
    gzip -c "$GUESTS/hello.pvh" >a/rootfs/guest
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 0
    said 'Hello from pvh'
    gzip -c "$GUESTS/hello.spt" >a/rootfs/guest
    gzip -c "$(type -P bash)" >packed
    look packed
    has '.runs == "runc" and .files[0].evidence == []'
    head -c 1000 a/rootfs/guest >cut.gz
    look cut.gz
    has '.runs == "runc"'
}

@test "a disk is an entrypoint, by its own name or another" {
    bundle a hello
    rm a/rootfs/guest
    # A boot sector: a text to the serial port, then the machine's power is switched off (PM1a_CNT of QEMU's pc).
    truncate -s 1M a/rootfs/disk.img
    poke a/rootfs/disk.img 0 '\xfa\x31\xc0\x8e\xd8\xfc\xbe\x1e\x7c\xac\x84\xc0\x74\x06\xba\xf8\x03\xee\xeb\xf5'
    poke a/rootfs/disk.img 20 '\xba\x04\x06\xb8\x00\x20\xef\xf4\xeb\xfdHello from a disk\r\n\0'
    poke a/rootfs/disk.img 446 '\x80\0\0\0\x83\0\0\0\x02\0\0\0\x10\0\0\0'
    poke a/rootfs/disk.img 510 '\x55\xaa'
    local entry
    for entry in /disk.img /disk; do
        config a '.process.args = [$entry]' --arg entry "$entry"
        look a
        has '.choice == {path: "/disk.img", monitor: "qemu", kind: "disk"}'
        run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
        ended 0
        said 'Hello from a disk'
    done
}

@test "a directory: everything in it, one level, and what is malformed is told" {
    mkdir -p dir/below
    cp "$GUESTS/hello.spt" dir/b.spt
    cp "$GUESTS/hello.pvh" dir/a.pvh
    cp "$GUESTS/hello.spt" dir/broken
    poke dir/broken $(($(offset_of dir/broken ABI1Solo5) - 4)) '\xff'
    cp "$GUESTS/hello.spt" dir/below/c
    mkfifo dir/fifo
    ln -s /dev/zero dir/device
    ln -s b.spt dir/link
    printf text >dir/text
    look dir
    has '.type == "directory" and .runs == "unikernel" and .ordinary == 4'
    has '[.files[].path] == ["dir/a.pvh", "dir/b.spt", "dir/broken", "dir/link"]'
    has '.files[2].obstacle | test("malformed Solo5 image")'
    run -0 runuk inspect dir
    said '4 other names: no unikernel'
}

@test "texts of an image reach neither terminal nor report as they are" {
    cp "$GUESTS/hello.pvh" image
    local note
    note=$(($(offset_of image 'Xen') + 4))
    # GUEST_OS, with what a terminal would act on.
    poke image $((note - 16)) '\x04\x00\x00\x00\x04\x00\x00\x00\x06\x00\x00\x00Xen\0\x1b[3m'
    look image
    has '.files[0].evidence[] | select(.what | test("GUEST_OS \"\\?\\[3m\""))'
    run -0 runuk inspect image
    said_not $'\x1b'
}

@test "it needs no privileges and makes nothing" {
    cp "$GUESTS/hello.spt" image
    cp "$BUILD/runuk" .
    chmod 755 runuk . && chmod 644 image settings.json
    run -0 env -u XDG_RUNTIME_DIR setpriv --reuid 65534 --regid 65534 --clear-groups ./runuk --root "$ROOT" inspect image
    said 'kinds: spt'
    [[ ! -e $ROOT ]]
    # Nor does a state root that is closed to the user matter.
    mkdir -m 0700 closed
    run -0 setpriv --reuid 65534 --regid 65534 --clear-groups ./runuk --root "$PWD/closed" inspect image
    said 'kinds: spt'
    equal "$(ls -A closed)" ''
}

@test "errors name the path" {
    run -1 runuk inspect nowhere
    said "runuk: open 'nowhere': No such file or directory"
    mkfifo fifo
    run -1 runuk inspect fifo
    said "'fifo' is no regular file and no directory"
    run -1 runuk inspect /dev/null
    said "'/dev/null' is no regular file and no directory"
    mkdir bundle
    printf '{' >bundle/config.json
    run -1 runuk inspect bundle
    said 'config.json'
    run -1 runuk inspect
    said 'requires exactly 1 argument'
    run -0 runuk inspect --help
    said '--json'
}
