#!/bin/sh
# What runuk-hvt promises, checked with real KVM inside the lab's machine; speaks TAP.
#
# The emulation is slow: a guest takes a tenth of a second to start, a ping a few milliseconds.
# shellcheck shell=dash
set -u
# shellcheck disable=SC1091 # its place inside the machine
. /lab/tests/tap.sh

guests=/runuk/guests

# --- starting, memory, arguments, ending --------------------------------------------------------------------------------

test_probe() {
    run runuk-hvt --probe
    expect_status 0
    [ -z "$output" ] || fail "the probe is not silent"
}

test_probe_without_kvm() {
    # A tap's device opens, and is no KVM.
    run runuk-hvt --probe --kvm=@3 3<>/dev/net/tun
    expect_status 1
    expect_output "runuk-hvt: "
    run runuk-hvt --kvm=@3 "$guests/hello.hvt" 3<>/dev/net/tun
    expect_status 1
    refuse_output "Hello"
}

test_hello() {
    run runuk-hvt --mem=64 "$guests/hello.hvt" one 'two three'
    expect_status 0
    expect_line "Hello from hvt"
    expect_line "mem: 67108864"
    expect_line "cmdline: one two three"
    # Nothing of the monitor's own is mixed in.
    [ "$(echo "$output" | head -n 1)" = "Hello from hvt" ] || fail "the monitor talks"
}

test_options_end() {
    run runuk-hvt --mem=64 -- "$guests/hello.hvt" --mem=2 --net:service=tap9
    expect_status 0
    expect_line "cmdline: --mem=2 --net:service=tap9"
    expect_line "mem: 67108864"
}

test_default_memory() {
    run runuk-hvt "$guests/hello.hvt"
    expect_status 0
    expect_line "mem: 536870912"
}

test_memory_rounding() {
    run runuk-hvt --mem=15 "$guests/hello.hvt"
    expect_status 0
    expect_output "adjusting memory to 14680064 bytes"
    expect_line "mem: 14680064"
    run runuk-hvt --mem=16 "$guests/hello.hvt"
    refuse_output "adjusting"
}

test_memory_is_the_guests() {
    run runuk-hvt --mem=64 "$guests/hog.hvt"
    expect_status 0
    expect_output "touched 60 MiB"
    expect_output "of 64 MiB"
}

test_no_general_sse() {
    run runuk-hvt --mem=16 "$guests/hello-nosse.hvt"
    expect_status 0
    expect_line "Hello from hvt"
}

test_exit_status() {
    for wanted in 0 1 7 255; do
        run runuk-hvt --mem=16 "$guests/exit.hvt" "$wanted"
        expect_status "$wanted"
        expect_line "exit: $wanted"
    done
}

test_time() {
    run runuk-hvt --mem=16 "$guests/time.hvt" 1
    expect_status 0
    expect_line "SUCCESS"
    # The guest's wall clock is the host's.
    wall=$(echo "$output" | sed -n 's/^wall clock: \([0-9]*\)\..*/\1/p')
    now=$(date +%s)
    expect_between "the guest's clock is behind the host's by seconds:" $((now - wall)) 0 20
}

# --- signals, console, confinement --------------------------------------------------------------------------------------

# The monitor with a guest that waits for ever: $pid is the process started here, $out what it prints.
start_waiting() {
    out=out.$1
    shift
    "$@" --mem=256 "$guests/time.hvt" wait >"$out" 2>&1 &
    pid=$!
    await 30 grep -q '^waiting$' "$out"
}

signal_as_first_process() {
    start_waiting "$1" unshare --pid --fork --kill-child runuk-hvt
    inner=$(cat "/proc/$pid/task/$pid/children")
    # shellcheck disable=SC2086 # trailing blank
    kill -s "$1" $inner
    await_end 5 "$pid"
    expect_status "$2"
}

test_signals() {
    signal_as_first_process TERM 143
    signal_as_first_process INT 130
    signal_as_first_process HUP 129
    signal_as_first_process QUIT 131
}

test_signals_while_computing() {
    runuk-hvt --mem=900 "$guests/hog.hvt" >out 2>&1 &
    pid=$!
    await 30 grep -q '^touched 8 MiB$' out
    kill -s TERM "$pid"
    await_end 5 "$pid"
    expect_status 143
    tail -n 1 out
    [ "$(grep -c '^done' out)" -eq 0 ] || fail "the guest had ended before"
}

test_console_order() {
    run runuk-hvt --mem=64 "$guests/hog.hvt" 40
    expect_status 0
    echo "$output" | sed -n 's/^touched \([0-9]*\) MiB$/\1/p' >got
    seq 4 4 40 | cmp - got || fail "lines are lost or out of order"
}

test_console_unbuffered() {
    # start_waiting sees the guest's line while the guest runs, although stdout is a file.
    start_waiting TERM runuk-hvt
    [ -e "/proc/$pid" ] || fail "the guest has ended"
    kill -s TERM "$pid"
    await_end 5 "$pid"
}

test_lazy_memory() {
    start_waiting TERM runuk-hvt
    rss=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$pid/status")
    kill -s TERM "$pid"
    await_end 5 "$pid"
    expect_between "resident memory in KiB with a guest that touched nothing:" "$rss" 1 4096
}

test_confined() {
    start_waiting TERM runuk-hvt
    cat "/proc/$pid/status"
    ls -l "/proc/$pid/fd"
    grep -qx 'Seccomp:.2' "/proc/$pid/status" || fail "no seccomp filter"
    grep -qx 'NoNewPrivs:.1' "/proc/$pid/status" || fail "new privileges are possible"
    for fd in "/proc/$pid/fd"/*; do
        case $(readlink "$fd") in
        /dev/kvm | *kvm-vm | *.hvt) fail "$fd is still open: $(readlink "$fd")" ;;
        esac
    done
    kill -s TERM "$pid"
    await_end 5 "$pid"
}

test_descriptors_alone() {
    mkdir jail
    cp "$(command -v runuk-hvt)" jail/
    dd if=/dev/zero of=disk bs=64k count=1 2>/dev/null
    run chroot jail /runuk-hvt --mem=16 --kvm=@3 --block:storage=@4 @5 rw 3<>/dev/kvm 4<>disk 5<"$guests/block.hvt"
    expect_status 0
    expect_line "SUCCESS"
}

# --- disks --------------------------------------------------------------------------------------------------------------

test_disk() {
    dd if=/dev/zero of=disk bs=64k count=8 2>/dev/null
    run runuk-hvt --mem=16 --block:storage=disk "$guests/block.hvt" info
    expect_line "capacity: 524288"
    expect_line "block size: 512"
    run runuk-hvt --mem=16 --block:storage=disk "$guests/block.hvt" rw
    expect_status 0
    expect_line "limits hold"
    expect_line "SUCCESS"
    # It is on the disk, not in the guest's memory.
    run runuk-hvt --mem=16 --block:storage=disk "$guests/block.hvt" verify
    expect_status 0
    expect_line "verified 524288 bytes"
    printf 'x' | dd of=disk bs=1 seek=262144 conv=notrunc 2>/dev/null
    run runuk-hvt --mem=16 --block:storage=disk "$guests/block.hvt" verify
    expect_status 1
    expect_line "wrong bytes at 262144"
}

test_disk_sectors() {
    dd if=/dev/zero of=disk bs=64k count=8 2>/dev/null
    run runuk-hvt --mem=16 --block-sector-size:storage=4096 --block:storage=disk "$guests/block.hvt" rw
    expect_status 0
    expect_line "block size: 4096"
    expect_line "SUCCESS"
}

test_disk_device() {
    dd if=/dev/zero of=disk bs=64k count=8 2>/dev/null
    loop=$(losetup -f)
    losetup "$loop" disk
    run runuk-hvt --mem=16 --block:storage="$loop" "$guests/block.hvt" rw
    losetup -d "$loop"
    expect_status 0
    expect_line "capacity: 524288"
    expect_line "SUCCESS"
}

test_disk_read_only() {
    dd if=/dev/zero of=disk bs=64k count=1 2>/dev/null
    run runuk-hvt --mem=16 --block:storage=disk "$guests/block.hvt" write
    expect_status 0
    before=$(sha256sum <disk)
    run runuk-hvt --mem=16 --block:storage=@3 "$guests/block.hvt" write 3<disk
    expect_status 3
    expect_line "write refused"
    run runuk-hvt --mem=16 --block:storage=@3 "$guests/block.hvt" verify 3<disk
    expect_status 0
    [ "$(sha256sum <disk)" = "$before" ] || fail "the disk has changed"
}

test_disk_range() {
    dd if=/dev/zero of=disk bs=64k count=1 2>/dev/null
    run runuk-hvt --mem=16 --block:storage=disk "$guests/block.hvt" range
    expect_status 0
    expect_line "refused by the monitor"
    [ "$(wc -c <disk)" -eq 65536 ] || fail "the disk has grown"
}

# disk_refused BYTES SECTOR TEXT
disk_refused() {
    dd if=/dev/zero of=disk bs="$1" count=1 2>/dev/null
    run runuk-hvt --mem=16 --block:storage=disk --block-sector-size:storage="$2" "$guests/block.hvt" info
    expect_status 1
    expect_output "$3"
    refuse_output "capacity:"
}

test_disk_sizes() {
    disk_refused 6144 4096 "Backing storage size must be block aligned"
    disk_refused 1563 521 "Block size must be a multiple of 2 greater than or equal 512"
    disk_refused 256 256 "Block size must be a multiple of 2 greater than or equal 512"
}

test_devices_declared() {
    run runuk-hvt --mem=16 "$guests/block.hvt" info
    expect_status 1
    expect_output "Device 'storage' of type BLOCK_BASIC declared but not attached."
    dd if=/dev/zero of=disk bs=64k count=1 2>/dev/null
    run runuk-hvt --mem=16 --block:storage=disk --block:other=disk "$guests/block.hvt" info
    expect_status 1
    expect_output "Invalid option"
    expect_output "Usage:"
    run runuk-hvt --mem=16 --net:service=tap100 "$guests/hello.hvt"
    expect_status 1
    expect_output "Invalid option"
}

# --- figures ------------------------------------------------------------------------------------------------------------

# expect_figure NAME OFFSET NUMBER: the 64-bit number at OFFSET of the file `figures` (struct rk_figures).
expect_figure() {
    number=$(od -A n -t u8 -j "$2" -N 8 figures | tr -d ' ')
    echo "figure $1: $number"
    [ "$number" = "$3" ] || fail "the figure $1 is $number, not $3"
}

# Hypercalls by number from byte 16 on, then exits by a signal and others, then 32 bytes for every device.
test_figures() {
    truncate -s 4096 figures
    dd if=/dev/zero of=disk bs=64k count=1 2>/dev/null
    run runuk-hvt --mem=16 --figures=@3 --block:storage=disk "$guests/block.hvt" rw 3<>figures
    expect_status 0
    expect_line "SUCCESS"
    [ "$(head -c 8 figures)" = rkfigure ] || fail "the file is not one of figures"
    expect_figure "puts" $((16 + 8 * 2)) "$(echo "$output" | grep -c -e wrote -e verified -e limits -e SUCCESS -e capacity)"
    expect_figure "block_write" $((16 + 8 * 4)) 128
    expect_figure "block_read" $((16 + 8 * 5)) 128
    expect_figure "net_write" $((16 + 8 * 6)) 0
    expect_figure "halt" $((16 + 8 * 8)) 1
    expect_figure "other" 152 0
    expect_figure "reads" $((160 + 32)) 128
    expect_figure "bytes read" $((160 + 32 + 8)) 65536
    expect_figure "writes" $((160 + 32 + 16)) 128
    expect_figure "bytes written" $((160 + 32 + 24)) 65536
    # Refused ones are calls, too, but move no block; and another monitor begins anew.
    run runuk-hvt --mem=16 --figures=@3 --block:storage=disk "$guests/block.hvt" range 3<>figures
    expect_status 0
    expect_figure "block_write" $((16 + 8 * 4)) 1
    expect_figure "block_read" $((16 + 8 * 5)) 1
    expect_figure "bytes read" $((160 + 32 + 8)) 0
    run runuk-hvt --mem=16 --figures=@3 "$guests/crash.hvt" ud 3<>figures
    expect_status 1
    expect_figure "other" 152 1
    expect_figure "halt" $((16 + 8 * 8)) 0
}

# A stop and continue takes the vCPU out of the guest.
test_figures_interrupted() {
    truncate -s 4096 figures
    runuk-hvt --mem=900 --figures=@3 "$guests/hog.hvt" >out 2>&1 3<>figures &
    pid=$!
    await 30 grep -q '^touched 8 MiB$' out
    kill -s STOP "$pid"
    await 5 grep -q '^State:.T' "/proc/$pid/status"
    kill -s CONT "$pid"
    await 5 sh -c "[ \"\$(od -A n -t u8 -j 144 -N 8 figures)\" -gt 0 ]"
    kill -s TERM "$pid"
    await_end 5 "$pid"
    expect_status 143
}

# --- network ------------------------------------------------------------------------------------------------------------

# A tap NAME with the host's ADDRESS/24 in a network namespace of this test's own, where this shell continues to be root.
make_tap() {
    ip tuntap add "$1" mode tap
    ip addr add "$2/24" dev "$1"
    ip link set "$1" up ${3:+mtu "$3"}
}

drop_tap() {
    ip link del "$1"
}

# Start the network guest with the arguments given; $pid is its monitor. Ended when the test ends, however it ends.
start_guest() {
    "$@" >guest.log 2>&1 &
    pid=$!
    trap 'cat guest.log; kill "$pid" 2>/dev/null' EXIT
}

stop_guest() {
    kill -s TERM "$pid"
    await_end 5 "$pid"
    trap - EXIT
    expect_status 143
}

fetch() {
    run wget -q -O - "$1"
    expect_status 0
}

test_net() {
    make_tap tapa 10.77.0.1
    start_guest runuk-hvt --mem=32 --net:service=tapa "$guests/net.hvt" --ipv4=10.77.0.2/24
    await 30 ping -c 1 -W 1 10.77.0.2
    run ping -c 5 -A -W 5 10.77.0.2
    expect_output "5 packets transmitted, 5 packets received"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        fetch http://10.77.0.2/
    done
    stop_guest
    drop_tap tapa
}

test_net_large() {
    make_tap tapb 10.77.1.1
    start_guest runuk-hvt --mem=32 --net:service=tapb "$guests/web.hvt" --ipv4=10.77.1.2/24
    await 30 ping -c 1 -W 1 10.77.1.2
    run wget -q -O page 'http://10.77.1.2/big?n=300000'
    expect_status 0
    [ "$(wc -c <page)" -eq 300000 ] || fail "got $(wc -c <page) bytes instead of 300000"
    stop_guest
    drop_tap tapb
}

test_net_options() {
    make_tap tapc 10.77.2.1 1400
    start_guest runuk-hvt --mem=32 --net:service=tapc --net-mac:service=02:11:22:33:44:55 "$guests/web.hvt" \
        --ipv4=10.77.2.2/24
    await 30 ping -c 1 -W 1 10.77.2.2
    fetch http://10.77.2.2/plain
    expect_output "hvt"
    expect_output "02:11:22:33:44:55"
    expect_output "1400"
    expect_output "33554432"
    ip neigh show dev tapc | grep -q '10.77.2.2 .*02:11:22:33:44:55' || fail "another MAC on the wire"
    stop_guest
    drop_tap tapc
}

test_net_two() {
    make_tap tapd 10.77.3.1
    make_tap tape 10.77.4.1
    start_guest runuk-hvt --mem=32 --net:service=tapd --net:second=tape "$guests/net2.hvt" \
        --ipv4=10.77.3.2/24 --second-ipv4=10.77.4.2/24
    await 30 ping -c 1 -W 1 10.77.3.2
    await 30 ping -c 1 -W 1 10.77.4.2
    stop_guest
    drop_tap tapd
    drop_tap tape
}

test_net_refused() {
    run runuk-hvt --mem=16 --net:service=nosuchtap "$guests/net.hvt"
    expect_status 1
    expect_output "nosuchtap"
    ip tuntap add tapf mode tap
    run runuk-hvt --mem=16 --net:service=tapf "$guests/net.hvt"
    expect_status 1
    expect_output "not up"
    drop_tap tapf
}

# --- hostile guests -----------------------------------------------------------------------------------------------------

crash() {
    run runuk-hvt --mem=16 "$guests/crash.hvt" "$1"
    expect_line "crash: $1"
    expect_status 1
    expect_output "$2"
    refuse_output "survived"
}

test_write_protection() {
    crash text "KVM: host/guest translation fault: rip=0x"
    crash rodata "KVM: host/guest translation fault: rip=0x"
}

test_unmapped() {
    # Without a handler of its own, the guest's fault becomes the processor's shutdown.
    crash null "KVM: unhandled exit: exit_reason=0x8"
    crash low "KVM: unhandled exit: exit_reason=0x8"
    crash high "KVM: unhandled exit: exit_reason=0x8"
}

test_traps() {
    crash ud "KVM: unhandled exit: exit_reason=0x8"
    crash divide "KVM: unhandled exit: exit_reason=0x8"
    crash halt "KVM: unhandled exit: exit_reason=0x5"
}

forbidden() {
    run runuk-hvt --mem=16 "$guests/forbidden.hvt" "$1"
    expect_line "forbidden: $1"
    expect_status 1
    expect_output "$2"
    refuse_output "survived"
}

test_ports() {
    forbidden port "Invalid guest port access"
    forbidden in "Invalid guest port access"
    forbidden size "Invalid guest port access"
}

test_hypercall_numbers() {
    forbidden nr "Invalid guest hypercall: num=9"
    forbidden nr0 "Invalid guest hypercall: num=0"
}

test_hypercalls_without_device() {
    forbidden net "Invalid guest hypercall: num=7"
    forbidden block "Invalid guest hypercall: num=5"
}

test_guest_addresses() {
    forbidden gpa "Invalid guest access: gpa=0xfffffff0"
    forbidden edge "Invalid guest access: gpa=0xfffffc"
    forbidden data "Invalid guest access: gpa=0x1000000, sz=16"
    forbidden len "Invalid guest access: gpa=0x100000"
    forbidden wrap "Invalid guest access: gpa=0xfffffffffffffff8"
}

test_images_refused() {
    run runuk-hvt --mem=16 "$guests/hello.spt"
    expect_status 1
    expect_output "is not for the solo5-hvt target"
    run runuk-hvt --mem=16 /bin/busybox
    expect_status 1
    expect_output "not a Solo5 image"
    head -c 3000 "$guests/hello.hvt" >truncated
    run runuk-hvt --mem=16 truncated
    expect_status 1
    run runuk-hvt --mem=16 no-such-file
    expect_status 1
    expect_output "No such file or directory"
}

check "the probe finds KVM usable" test_probe
check "what is no KVM fails the probe and starts no guest" test_probe_without_kvm
check "hello sees its memory and its arguments" test_hello
check "options end at the image" test_options_end
check "the default memory is 512 MiB" test_default_memory
check "memory is rounded down to 2 MiB, with a message" test_memory_rounding
check "all of its memory is the guest's, and zero" test_memory_is_the_guests
check "a guest without SSE runs too" test_no_general_sse
check "the guest's exit status is the monitor's" test_exit_status
check "clocks agree" test_time
check "signals end the guest at once, as PID 1 of a namespace" test_signals
check "a signal ends a guest that computes" test_signals_while_computing
check "console lines come in order" test_console_order
check "the console is not buffered" test_console_unbuffered
check "memory that the guest has not touched costs nothing" test_lazy_memory
check "the running monitor is confined" test_confined
check "descriptors alone are enough, in an empty root" test_descriptors_alone
check "a disk is written, read back and keeps its bytes" test_disk
check "a disk with blocks of 4096 bytes" test_disk_sectors
check "a block device as disk" test_disk_device
check "a read-only disk refuses writes" test_disk_read_only
check "the monitor refuses access past the end of a disk" test_disk_range
check "disks of impossible sizes are refused" test_disk_sizes
check "devices undeclared or not attached are refused" test_devices_declared
check "exits and blocks are counted" test_figures
check "an exit by a signal is counted as such" test_figures_interrupted
check "ping and fetch through a tap" test_net
check "a large page arrives whole" test_net_large
check "the guest has the MAC and the MTU that it was given" test_net_options
check "two network devices" test_net_two
check "a tap that is missing or down is refused" test_net_refused
check "a write to text or constants is a translation fault" test_write_protection
check "what is not mapped can't be touched" test_unmapped
check "traps end the guest" test_traps
check "ports that are no hypercall end the guest" test_ports
check "hypercall numbers that do not exist end the guest" test_hypercall_numbers
check "hypercalls of devices that are not attached end the guest" test_hypercalls_without_device
check "addresses outside of the guest end the guest" test_guest_addresses
check "images that are not for this monitor are refused" test_images_refused
finish_checks
