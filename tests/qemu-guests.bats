#!/usr/bin/env bats
# Our guests for bare machines, and runuk-loader, under plain QEMU by hand-written command lines: what later tests of runuk with
# QEMU rely on. Everything is emulated (TCG), so that it is the same with and without KVM.

bats_require_minimum_version 1.5.0

BUILD=${RUNUK_BUILD:-$BATS_TEST_DIRNAME/../build}
GUESTS=$BUILD/guests
LOADER=$BUILD/runuk-loader.elf
# shellcheck source=tests/wait.bash
source "$BATS_TEST_DIRNAME/wait.bash"
load checksum

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    QEMU_PID=
    SPACE=
}

teardown() {
    if [[ -n $QEMU_PID ]]; then
        kill "$QEMU_PID" 2>/dev/null || :
        wait "$QEMU_PID" 2>/dev/null || :
    fi
    [[ -z $SPACE ]] || ip netns del "$SPACE"
    [[ -n ${BATS_TEST_COMPLETED:-} || ! -e console ]] || cat console >&2
}

# qemu MACHINE [OPTION…]: a machine with 64 MiB, a serial port, isa-debug-exit, and nothing else; ends by itself within 30 s. Takes the
# place of its shell: for `run`, or in the background. microvm has the firmware that runuk gives it.
qemu() {
    local machine=$1 serial=(-serial stdio)
    shift
    [[ $* != *-serial* ]] || serial=()
    [[ $machine != microvm* ]] || set -- -bios qboot.rom "$@"
    exec timeout -k 2 $((30 * RUNUK_SLOW)) qemu-system-x86_64 -nodefaults -no-user-config -display none -vga none -accel tcg -m 64 \
        -M "$machine" -no-reboot -device isa-debug-exit "${serial[@]}" "$@"
}

# guest MACHINE FILE ARGUMENTS [OPTION…]: run one, by the loader where it has to be. $status is QEMU's.
guest() {
    local machine=$1 file=$2 arguments=$3 images=(-kernel "$GUESTS/$2")
    shift 3
    if [[ $file == *.linux64 ]]; then images=(-kernel "$LOADER" -initrd "$GUESTS/$file"); fi
    run qemu "$machine" "${images[@]}" -append "$arguments" "$@"
}

# refused FILE TEXT [OPTION…]: the loader says so, in one line, and the machine ends with its status.
refused() {
    local file=$1 text=$2
    shift 2
    run qemu pc -kernel "$LOADER" -initrd "$file" "$@"
    said "runuk-loader: $text"
    ended 255
    [[ ${#lines[@]} -eq 1 ]]
}

# End the machine in the background.
stop() {
    kill "$QEMU_PID"
    wait "$QEMU_PID" || :
    QEMU_PID=
}

said() {
    [[ $output == *"$1"* ]] || {
        printf 'wanted "%s" in:\n%s\n' "$1" "$output"
        return 1
    }
}

ended() {
    [[ $status -eq $1 ]] || {
        printf 'status %s instead of %s:\n%s\n' "$status" "$1" "$output"
        return 1
    }
}

# raw HEX: the bytes.
raw() {
    # shellcheck disable=SC2059 # the bytes are the format
    printf "$(sed 's/../\\x&/g' <<<"$1")"
}

# bytes OFFSET HEX FILE: write them there.
bytes() {
    raw "$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none
}

# le64 NUMBER: eight bytes in hexadecimal.
le64() {
    local i
    for ((i = 0; i < 8; i++)); do printf %02x $(($1 >> 8 * i & 255)); done
}

# container IMAGE RAMDISK: a file as the loader takes it, on standard output.
container() {
    local size offset
    size=$(stat -c %s "$1")
    offset=$(((size + 4095) / 4096 * 4096))
    cat "$1"
    head -c $((offset - size)) /dev/zero
    cat "$2"
    raw "$(le64 "$size")$(le64 $offset)$(le64 "$(stat -c %s "$2")")"
    printf RUNUKLDR
}

machines=(pc q35 microvm "microvm,acpi=off")

@test "each way of being booted: target, command line, arguments, on each machine" {
    local machine kind
    for machine in "${machines[@]}"; do
        for kind in multiboot multiboot64 pvh linux64; do
            guest "$machine" hello.$kind 'one "two three" x=y,z'
            ended 1
            [[ ${lines[0]} == "Hello from $kind" ]]
            [[ ${lines[1]} =~ ^"mem: "6[67][0-9]{6}$ ]]
            case $kind in
                multi*) [[ ${lines[2]} == "cmdline: $GUESTS/hello.$kind one \"two three\" x=y,z" ]] ;;
                *) [[ ${lines[2]} == 'cmdline: one "two three" x=y,z' ]] ;;
            esac
            [[ ${lines[3]} == "arg[0]: one" && ${lines[4]} == "arg[1]: two three" && ${lines[5]} == "arg[2]: x=y,z" ]]
            [[ ${#lines[@]} -eq 6 ]]
        done
    done
}

@test "statuses: isa-debug-exit makes QEMU's of them, without it the machine powers off" {
    local kind
    for kind in multiboot pvh linux64; do
        guest pc exit.$kind 3
        ended 7
        said "exit: 3"
        guest microvm exit.$kind 3
        ended 7
        guest pc exit.$kind 3 -global isa-debug-exit.iobase=0x700
        ended 0
        said "exit: 3"
    done
}

@test "a machine ends by power-off, triple fault and trap; it goes on with halt, hang and spin" {
    local machine how
    for machine in "${machines[@]}"; do
        if [[ $machine != *acpi=off ]]; then
            guest "$machine" finish.pvh 'power-off good bye'
            ended 0
            [[ $output == "good bye" ]]
        fi
        guest "$machine" finish.pvh triple-fault
        ended 0
        [[ -z $output ]]
        guest "$machine" finish.pvh 'trap'
        ended 255
        said "trap 6 error 0"
    done
    for how in halt hang spin; do
        qemu pc -kernel "$GUESTS/finish.multiboot" -append "$how it goes on" >console 3>&- &
        QEMU_PID=$!
        eventually 20 grep -qx "it goes on" console
        # Who has ended by itself within this is not going on.
        run -124 timeout 0.5 tail -f --pid="$QEMU_PID" /dev/null
        stop
    done
}

@test "the power button ends who waits for it" {
    local machine
    for machine in pc q35 microvm; do
        mkfifo "monitor-$machine"
        qemu "$machine" -serial "file:console-$machine" -monitor stdio -kernel "$GUESTS/finish.pvh" -append button \
            <"monitor-$machine" >/dev/null 3>&- &
        QEMU_PID=$!
        exec 8>"monitor-$machine"
        eventually 20 grep -q "waiting for the power button" "console-$machine"
        echo system_powerdown >&8
        wait "$QEMU_PID"
        QEMU_PID=
        exec 8>&-
        grep -qx "power button" "console-$machine"
    done
}

@test "clocks: a second is a second, with each way of being booted" {
    local kind
    for kind in multiboot pvh linux64; do
        guest pc time.$kind ''
        said SUCCESS
        guest microvm time.$kind ''
        said SUCCESS
    done
}

@test "loader: the guest finds the zero page, its tables and the interrupt controllers as Linux' 64-bit protocol has them" {
    local machine
    for machine in "${machines[@]}"; do
        guest "$machine" machine.linux64 ''
        ended 1
        said "booted as linux64"
        said "memory 0-9fc00 type 1"
        said "no module"
        said "cr3 9000"
        said "pic masks fb ff"
        said "lapic spurious 1ff lint0 700 lint1 400"
    done
}

# high_segment FILE: turn its fourth program header into a segment that ends where 64 MiB of memory do, which is where QEMU puts
# the file; the first page of text is loaded there.
high_segment() {
    bytes 232 01000000 "$1"
    bytes 240 "$(le64 0x1000)" "$1"
    bytes 256 "$(le64 0x3f00000)" "$1"
    bytes 264 "$(le64 0x1000)" "$1"
    bytes 272 "$(le64 0x100000)" "$1"
}

@test "loader: a RAM disk reaches the guest whole, also when the file lies where a segment goes" {
    local mib
    head -c 1200000 /dev/urandom >ramdisk
    container "$GUESTS/machine.linux64" ramdisk >guest
    for mib in 3 4 64; do
        run qemu microvm -m $mib -kernel "$LOADER" -initrd guest
        ended 1
        said "1200000 bytes, sum $(checksum ramdisk)"
    done
    high_segment guest
    run qemu microvm -kernel "$LOADER" -initrd guest
    ended 1
    said "1200000 bytes, sum $(checksum ramdisk)"
    [[ $output =~ "module at 3d"[0-9a-f]{5}, ]]
}

@test "loader: what is no image is refused in one line" {
    local image=$GUESTS/hello.linux64
    run qemu pc -kernel "$LOADER"
    said "runuk-loader: there is no guest: it is to be QEMU's -initrd"
    ended 255
    refused "$BATS_TEST_FILENAME" "the image is no little-endian ELF64"
    head -c 63 "$image" >bad
    refused bad "the image is no little-endian ELF64"
    cp "$image" bad
    bytes 18 2800 bad # e_machine: ARM
    refused bad "the image is no x86-64 program"
    cp "$image" bad
    bytes 56 0000 bad # e_phnum
    refused bad "the image has no program headers, or too many"
    cp "$image" bad
    bytes 32 "$(le64 -8)" bad # e_phoff
    refused bad "the program headers end behind the image's last byte"
    cp "$image" bad
    bytes 24 "$(le64 0x500000)" bad # e_entry
    refused bad "the entry is in no segment below 1 GiB: 0x500000"
}

@test "loader: segments that wrap, overlap, or are not in memory are refused in one line" {
    # The first program header is at 64: offset +8, physical address +24, size in the file +32, in memory +40.
    local image=$GUESTS/hello.linux64 case second
    second=$(od -An -tu8 -j144 -N8 "$image")
    local cases=(
        "72 -4096 a segment (offset, size) ends behind the image's last byte: 0xfffffffffffff000,"
        "88 0x7000 a segment (address, size) begins below 1 MiB: 0x7000,"
        "88 0 a segment (address, size) begins below 1 MiB: 0x0,"
        "88 -4096 a segment (address, size) is not in this machine's memory: give it more: 0xfffffffffffff000,"
        "88 0xfee00000 a segment (address, size) is not in this machine's memory: give it more: 0xfee00000,"
        "88 0x4000000 a segment (address, size) is not in this machine's memory: give it more: 0x4000000,"
        "88 $((second)) two segments overlap at (addresses): $(printf '0x%x, 0x%x' $((second)) $((second)))"
        "96 -1 a segment is larger in the file than in memory: 0xffffffffffffffff,"
        "104 -1 a segment (address, size) is not in this machine's memory: give it more: 0x100000, 0xffffffffffffffff"
        "104 0x5000000 a segment (address, size) is not in this machine's memory: give it more: 0x100000, 0x5000000"
    )
    for case in "${cases[@]}"; do
        read -r offset value text <<<"$case"
        cp "$image" bad
        bytes "$offset" "$(le64 "$value")" bad
        refused bad "$text"
    done
}

@test "loader: a trailer that lies, and too little memory, are refused in one line" {
    head -c 4096 /dev/zero >ramdisk
    container "$GUESTS/hello.linux64" ramdisk >good
    local size
    size=$(stat -c %s good)
    local text="the trailer's RAM disk (offset, size) does not lie behind the image, in pages of the file: "
    local case
    for case in "-32 -1" "-32 $size" "-24 -4096" "-24 0" "-24 1" "-16 -1" "-16 4097"; do
        read -r offset value <<<"$case"
        cp good bad
        bytes $((size + offset)) "$(le64 "$value")" bad
        refused bad "$text"
    done
    # An image that ends where its trailer says, which is too early.
    cp good bad
    bytes $((size - 32)) "$(le64 8)" bad
    refused bad "the image is no little-endian ELF64"

    head -c 1200000 /dev/zero >ramdisk
    container "$GUESTS/hello.linux64" ramdisk >bad
    high_segment bad
    bytes 216 "$(le64 0x3d00000)" bad # what the third segment takes: all that is left is a little less than 1 MiB
    run qemu microvm -kernel "$LOADER" -initrd bad
    said "runuk-loader: no room for the image beside what it is loaded to: give the guest more memory; bytes: 0x"
    ended 255
}

@test "block: a disk is written, read and held to its size, by PCI and by both versions of virtio-mmio" {
    local case machine file device more
    local cases=(
        "pc block.multiboot virtio-blk-pci"
        "q35 block.pvh virtio-blk-pci"
        "pc block.linux64 virtio-blk-pci"
        "microvm block.pvh virtio-blk-device"
        "microvm block.pvh virtio-blk-device -global virtio-mmio.force-legacy=false"
        "microvm,acpi=off block.linux64 virtio-blk-device"
    )
    for case in "${cases[@]}"; do
        read -r machine file device more <<<"$case"
        rm -f disk
        truncate -s 256K disk
        # shellcheck disable=SC2086 # several words, or none
        guest "$machine" "$file" rw -drive file=disk,format=raw,if=none,id=d -device "$device",drive=d $more
        said "capacity: 262144"
        said "SUCCESS"
        ended 1
        # What it wrote is on the disk: the second word follows from its position.
        [[ $(od -An -tx8 -j8 -N8 disk) == *" f1bbcdcbfa53e0a8" ]]
        # shellcheck disable=SC2086
        guest "$machine" "$file" range -drive file=disk,format=raw,if=none,id=d -device "$device",drive=d $more
        said "refused by the monitor"
        # shellcheck disable=SC2086
        guest "$machine" "$file" write -drive file=disk,format=raw,if=none,id=d,readonly=on -device "$device",drive=d $more
        said "write refused"
        ended 7
    done
}

@test "a device that the machine lacks is missed by its name" {
    guest pc block.pvh info
    said "no device called storage"
    ended 3
    guest microvm web.multiboot ''
    said "no network device called service"
    ended 129
}

# --- network: a namespace of the test's own with a tap for each link, 10.99.N.1/24 on our side

inside() {
    timeout -k 2 60 ip netns exec "$SPACE" "$@"
}

links() {
    local i
    SPACE=runuk-qemu-$$-$BATS_TEST_NUMBER
    ip netns add "$SPACE"
    for ((i = 0; i < $1; i++)); do
        ip -n "$SPACE" tuntap add "tap$i" mode tap
        ip -n "$SPACE" address add "10.99.$i.1/24" dev "tap$i"
        ip -n "$SPACE" link set "tap$i" up
    done
}

# serve MACHINE FILE ARGUMENTS [OPTION…]: start it in there, in the background.
serve() {
    local machine=$1 file=$2 arguments=$3 images=(-kernel "$GUESTS/$2")
    shift 3
    if [[ $file == *.linux64 ]]; then images=(-kernel "$LOADER" -initrd "$GUESTS/$file"); fi
    ip netns exec "$SPACE" qemu-system-x86_64 -nodefaults -no-user-config -display none -vga none -accel tcg -m 32 -M "$machine" \
        -no-reboot -serial file:console "${images[@]}" -append "$arguments" "$@" 2>qemu-errors 3>&- &
    QEMU_PID=$!
}

@test "network: ping, UDP, HTTP and five million bytes, by PCI and by both versions of virtio-mmio" {
    local case machine file device more
    local cases=(
        "pc net.multiboot virtio-net-pci"
        "q35 net.pvh virtio-net-pci"
        "q35 net.linux64 virtio-net-pci"
        "microvm net.pvh virtio-net-device"
        "microvm net.pvh virtio-net-device -global virtio-mmio.force-legacy=false"
        "microvm,acpi=off net.linux64 virtio-net-device"
    )
    links 1
    for case in "${cases[@]}"; do
        read -r machine file device more <<<"$case"
        # shellcheck disable=SC2086 # several words, or none
        serve "$machine" "$file" '--ipv4=10.99.0.2/24 --ipv4-gateway=10.99.0.1' \
            -netdev tap,id=n,ifname=tap0,script=no,downscript=no -device "$device",netdev=n,mac=02:00:00:00:00:07 $more
        inside ping -q -i 0.05 -c 1 -w $((20 * RUNUK_SLOW)) 10.99.0.2
        run -0 inside ping -q -i 0.005 -c 100 -w 20 -M 'do' -s 1472 10.99.0.2
        said "100 received, 0% packet loss"
        [[ $(ip -n "$SPACE" -j neighbour show to 10.99.0.2 | jq -r '.[0].lladdr') == 02:00:00:00:00:07 ]]
        run -0 inside bash -c 'exec 3<>/dev/udp/10.99.0.2/7 && echo "over there" >&3 && timeout 10 head -n 1 <&3'
        said "over there"
        run -0 inside curl -sS -m 20 http://10.99.0.2/
        said "Hello from ${file#net.}"
        run -0 inside ab -q -s 20 -n 200 -c 8 http://10.99.0.2/
        [[ $output =~ "Complete requests:"\ +200 && $output =~ "Failed requests:"\ +0 ]]
        run -0 inside curl -sS -m 40 -o big -w '%{http_code} %{size_download}' 'http://10.99.0.2/big?n=5000000'
        said "200 5000000"
        [[ $(head -n 1 big) == "0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_\`abcdefghijklmn" ]]
        stop
    done
}

@test "network: two links come in the order of their -device options" {
    local case machine file device i
    links 2
    for case in "pc net2.multiboot virtio-net-pci" "microvm net2.pvh virtio-net-device" "microvm,acpi=off net2.pvh virtio-net-device"; do
        read -r machine file device <<<"$case"
        local options=()
        for i in 0 1; do
            options+=(-netdev "tap,id=n$i,ifname=tap$i,script=no,downscript=no" -device "$device,netdev=n$i,mac=02:00:00:00:00:0$i")
        done
        serve "$machine" "$file" '--ipv4=10.99.0.2/24 --second-ipv4=10.99.1.2/24' "${options[@]}"
        inside ping -q -i 0.05 -c 1 -w $((20 * RUNUK_SLOW)) 10.99.0.2
        inside ping -q -i 0.05 -c 1 -w $((20 * RUNUK_SLOW)) 10.99.1.2
        grep -q "^service: mac 02:00:00:00:00:00 .*10.99.0.2/24" console
        grep -q "^second: mac 02:00:00:00:00:01 .*10.99.1.2/24" console
        stop
    done
}

@test "network: a guest's MTU is what the device says" {
    links 1
    ip -n "$SPACE" link set tap0 mtu 4000
    serve pc web.multiboot '--ipv4=10.99.0.2/24' -netdev tap,id=n,ifname=tap0,script=no,downscript=no \
        -device virtio-net-pci,netdev=n,host_mtu=4000
    inside ping -q -i 0.05 -c 1 -w $((20 * RUNUK_SLOW)) 10.99.0.2
    run -0 inside ping -q -i 0.005 -c 20 -w 20 -M 'do' -s 3972 10.99.0.2
    said "20 received, 0% packet loss"
    grep -q "mtu 4000" console
    run -0 inside curl -sS -m 20 http://10.99.0.2/
    said "<title>A unikernel</title>"
}
