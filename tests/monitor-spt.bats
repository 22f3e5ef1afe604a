#!/usr/bin/env bats
# runuk-spt alone, as anyone may call it: statuses, messages, signals, devices, and what it refuses.

bats_require_minimum_version 1.5.0

# shellcheck disable=SC2030,SC2031 # each test is a process of its own

BUILD=${RUNUK_BUILD:-$BATS_TEST_DIRNAME/../build}
SPT=$BUILD/runuk-spt
GUESTS=$BUILD/guests

setup() {
    job=
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    [[ -n $job ]] || return 0
    kill -KILL "$job" || :
    { wait "$job" || :; } 2>/dev/null
}

# Run the monitor, bounded.
spt() {
    run timeout -k 5 30 "$SPT" "$@"
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

# Start the command in the background and come back when it has printed a line with $1.
start_until() {
    local wanted=$1 line
    shift
    rm -f console
    mkfifo console
    "$@" >console 2>&1 3>&- &
    job=$!
    exec 6<console
    while IFS= read -r -t 20 -u 6 line; do
        [[ $line != *"$wanted"* ]] || return 0
    done
    return 1
}

# Wait for the end of process $1, which is $job or below it; bounded. $status is $job's.
wait_end() {
    timeout 10 tail --pid="$1" -s 0.01 -f /dev/null
    status=0
    wait "$job" || status=$?
    job=
}

# The file offset of the text $2 in the file $1.
offset_of() {
    grep -abo -- "$2" "$1" | head -n 1 | cut -d: -f1
}

# Write the bytes that printf makes of $3 into the file $1 at $2.
poke() {
    # shellcheck disable=SC2059 # the bytes are escapes
    printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "a guest prints, gets its arguments, and ends with status 0" {
    spt "$GUESTS/hello.spt" one "two three" "four"
    ended 0
    said "Hello from spt"
    said "cmdline: one two three four"
    said "mem: $((512 << 20))"
}

@test "the monitor prints nothing of its own" {
    spt "$GUESTS/exit.spt"
    ended 0
    [ "${#lines[@]}" -eq 1 ]
}

@test "the guest's exit status is the process's" {
    for wanted in 0 1 7 126 255; do
        spt "$GUESTS/exit.spt" $wanted
        ended $wanted
    done
}

@test "-- ends the options; later words are the guest's" {
    spt --mem=4 -- "$GUESTS/hello.spt" --mem=9 --help
    ended 0
    said "cmdline: --mem=9 --help"
    said "mem: $((4 << 20))"
}

@test "memory is what --mem says, in MiB, however little or much" {
    spt --mem=2 "$GUESTS/hello.spt"
    ended 0
    said "mem: 2097152"
    spt --mem=65536 "$GUESTS/hello.spt"
    ended 0
    said "mem: 68719476736"
}

@test "memory too small for the image is told" {
    spt --mem=1 "$GUESTS/hello.spt"
    ended 1
    said "image needs memory up to"
}

@test "guest memory is touched by the guest only" {
    start_until waiting "$SPT" --mem=4096 "$GUESTS/time.spt" wait
    rss=$(awk '/^Private_Dirty:/ { print $2 }' "/proc/$job/smaps_rollup")
    echo "private: $rss kB"
    [ "$rss" -lt 1024 ]
}

@test "the image's pages are mapped from the file, its edges are not" {
    start_until waiting "$SPT" "$GUESTS/time.spt" wait
    grep -q 'r-xp .* .*time.spt$' "/proc/$job/maps"
    run ! grep rwx "/proc/$job/maps"
}

@test "clocks and sleep" {
    spt "$GUESTS/time.spt" 1
    ended 0
    said SUCCESS
}

@test "arguments of 8191 bytes fit, one more does not" {
    long=$(head -c 8191 /dev/zero | tr '\0' x)
    spt "$GUESTS/exit.spt" 0 "${long:2}"
    ended 0
    spt "$GUESTS/hello.spt" "$long"
    ended 0
    said "cmdline: $long"
    spt "$GUESTS/hello.spt" "x$long"
    ended 1
    said "guest arguments are longer than 8191 bytes"
}

@test "--help shows the usage and fails, --version does not" {
    spt --help
    ended 1
    said "Usage: runuk-spt"
    spt --version
    ended 0
    said "ABI version 2"
    [ "${#lines[@]}" -eq 2 ]
}

@test "bad options are named, with the usage" {
    for option in --mem=0 --mem= --mem=1x --mem=-1 --mem=99999999999999999999 --mem --memory=3 --nothing -x \
        --x-exec-heap=1 --net=tap0 --net:service --net:nosuch=tap0 --block:nosuch=/dev/null --kvm=@3 --probe; do
        spt "$option" "$GUESTS/hello.spt"
        ended 1
        said "Invalid option"
        said "Usage: runuk-spt"
    done
}

@test "bad device options are refused" {
    for option in --net:service=interfacename016 --net: --net-mac:service=00:11:22:33:44 --net-mac:service=00:11:22:33:44:5g \
        --net-mac:service=00:11:22:33:44:555 --net-mtu:service=0 --net-mtu:service=65536 --net-mtu:service=x; do
        spt "$option" "$GUESTS/net.spt"
        ended 1
        said "Invalid option"
    done
    spt --block:storage=a --block:storage=b "$GUESTS/block.spt"
    ended 1
    said "Invalid option"
}

@test "no image, none such, no regular file, no Solo5 image" {
    spt
    ended 1
    said "no KERNEL given"
    spt ./nosuch
    ended 1
    said "open './nosuch': No such file or directory"
    spt /
    ended 1
    said "not a regular file"
    mkfifo fifo
    spt fifo
    ended 1
    said "not a regular file"
    spt /bin/true
    ended 1
    said "is not a Solo5 image"
    : >empty
    spt empty
    ended 1
    said "is not a Solo5 image"
    spt @77
    ended 1
    said "descriptor '@77': Bad file descriptor"
}

@test "an image for another target" {
    spt "$GUESTS/hello.hvt"
    ended 1
    said "is not for the solo5-spt target"
}

@test "another ABI version" {
    cp "$GUESTS/hello.spt" bad
    at=$(offset_of bad ABI1)
    poke bad $((at + 16)) '\003'
    spt ./bad
    ended 1
    said "unsupported ABI version 3"
    poke bad $((at + 16)) '\001'
    spt ./bad
    ended 0
}

@test "malformed images: truncated, note sizes that lie, too many manifest entries" {
    head -c 100 "$GUESTS/hello.spt" >bad
    spt ./bad
    ended 1
    said "truncated ELF"

    cp "$GUESTS/hello.spt" bad
    at=$(offset_of bad MFT1)
    poke bad $((at - 4)) '\001\000\000\000'
    spt ./bad
    ended 1
    said "note does not fall within valid size"

    cp "$GUESTS/hello.spt" bad
    poke bad $((at + 12 + 4 + 4)) '\101\000\000\000'
    spt ./bad
    ended 1
    said "65 entries"
}

@test "the image as an inherited descriptor, with no file system at all" {
    mkdir empty
    exec 7<"$GUESTS/hello.spt"
    cp "$SPT" empty/spt
    run timeout 20 chroot empty /spt --mem=8 @7 inside
    exec 7<&-
    ended 0
    said "cmdline: inside"
}

@test "an image on a file system that is mounted noexec" {
    mkdir noexec
    # shellcheck disable=SC2016 # for the inner shell
    run timeout 20 unshare --mount sh -c 'mount -t tmpfs -o noexec none noexec && cp "$1" noexec/image && exec "$0" noexec/image' \
        "$SPT" "$GUESTS/hello.spt"
    ended 0
    said "Hello from spt"
}

@test "a guest that touches what it must not dies by SIGSEGV" {
    for how in null low high text rodata exec stack sp; do
        spt "$GUESTS/crash.spt" $how
        ended 139
        said "crash: $how"
    done
}

@test "--x-exec-heap makes the stack executable, and only that option does" {
    spt --x-exec-heap "$GUESTS/crash.spt" stack
    ended 0
    said survived
}

@test "a guest that asks the kernel for more than its own dies by SIGSYS" {
    for how in dup stderr stdin high x32 int80 mprotect gs cputime exit sigreturn; do
        spt "$GUESTS/forbidden.spt" $how
        ended 159
        said "forbidden: $how"
        [[ $output != *returned* ]]
    done
}

@test "of the system calls 0 to 460 only the ABI's are there" {
    for nr in {0..460}; do
        case $nr in
        1) continue ;;   # write to the console
        228) continue ;; # clock_gettime of the monotonic clock
        231) continue ;; # exit_group
        335 | 336) continue ;; # uretprobe and uprobe, which the kernel lets past every filter
        esac
        run timeout 20 "$SPT" --mem=4 "$GUESTS/forbidden.spt" "$nr"
        ended 159
    done
}

@test "under the filter: no new privileges, one thread, seccomp" {
    start_until waiting "$SPT" "$GUESTS/time.spt" wait
    grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$job/status"
    grep -q '^Seccomp:[[:space:]]*2$' "/proc/$job/status"
    grep -q '^Threads:[[:space:]]*1$' "/proc/$job/status"
    run readlink "/proc/$job/fd/"*
    [[ $output != *time.spt* ]]
}

@test "signals end the guest at once with 128 + signal" {
    for signal in TERM INT QUIT HUP; do
        # A shell starts background jobs with INT and QUIT ignored, as other callers may.
        start_until waiting "$SPT" "$GUESTS/time.spt" wait
        kill -$signal "$job"
        wait_end "$job"
        [ "$status" -eq $((128 + $(kill -l $signal))) ]
    done
}

@test "signals end it as the first process of a pid namespace too" {
    for signal in TERM INT; do
        start_until waiting unshare --pid --fork --kill-child "$SPT" "$GUESTS/time.spt" wait
        pid=$(pgrep -P "$job")
        kill -$signal "$pid"
        wait_end "$pid"
        [ "$status" -eq $((128 + $(kill -l $signal))) ]
    done
}

@test "a signal that was blocked or ignored before still ends it" {
    cat >blocked.py <<'PY'
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
PY
    run timeout 20 python3 blocked.py "$SPT" "$GUESTS/time.spt" wait
    ended 143
}

@test "a disk is written and read back" {
    truncate -s 1M disk
    spt --block:storage=disk "$GUESTS/block.spt" rw
    ended 0
    said SUCCESS
    spt --block:storage=disk --block-sector-size:storage=4096 "$GUESTS/block.spt" verify
    said "block size: 4096"
}

@test "a disk as an inherited descriptor" {
    truncate -s 64K disk
    exec 7<>disk
    spt --block:storage=@7 "$GUESTS/block.spt" rw
    exec 7>&-
    ended 0
    said "capacity: 65536"
}

@test "a read-only disk can be read, and refuses writes" {
    head -c 8192 /dev/zero >disk
    exec 7<disk
    spt --block:storage=@7 "$GUESTS/block.spt" write
    exec 7<&-
    ended 3
    said "write refused"
}

@test "an offset past the end of the disk is forbidden" {
    truncate -s 64K disk
    spt --block:storage=disk "$GUESTS/block.spt" range
    ended 159
}

@test "disks that no guest can use" {
    head -c 1000 /dev/zero >odd
    head -c 100 /dev/zero >small
    head -c 4096 /dev/zero >disk
    spt --block:storage=odd "$GUESTS/block.spt"
    ended 1
    said "Backing storage size must be block aligned"
    spt --block:storage=small "$GUESTS/block.spt"
    ended 1
    said "Backing storage size must be at least one block"
    for size in 0 256 511 513 1000 65536 4294967295; do
        spt --block:storage=disk --block-sector-size:storage=$size "$GUESTS/block.spt"
        ended 1
        said "Block size must be a multiple of 2 greater than or equal 512"
    done
    spt --block:storage=nosuch "$GUESTS/block.spt"
    ended 1
    said "device 'storage': open 'nosuch': No such file or directory"
    exec 7>disk
    spt --block:storage=@7 "$GUESTS/block.spt"
    exec 7>&-
    ended 1
    said "not open for reading"
}

@test "a device that the manifest declares must be attached" {
    spt "$GUESTS/block.spt"
    ended 1
    said "Device 'storage' of type BLOCK_BASIC declared but not attached."
    spt --net-mac:service=02:00:00:00:00:01 "$GUESTS/net.spt"
    ended 1
    said "Device 'service' of type NET_BASIC declared but not attached."
}

@test "a tap that is not there, or not up" {
    run timeout 20 unshare --net "$SPT" --net:service=tap9 "$GUESTS/net.spt"
    ended 1
    said "device 'service': interface 'tap9': No such device"
    # shellcheck disable=SC2016 # for the inner shell
    run timeout 20 unshare --net sh -c 'ip tuntap add tap9 mode tap && exec "$0" --net:service=tap9 "$1"' "$SPT" "$GUESTS/net.spt"
    ended 1
    said "interface 'tap9' is not up"
}

@test "a network device by descriptor needs neither a socket nor a tap when its MTU is given" {
    cat >pair.py <<'PY'
import os, resource, socket, subprocess, sys
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
ours.settimeout(20)
guest = subprocess.Popen([sys.argv[1], "--net:service=@%d" % theirs.fileno(), "--net-mtu:service=1400",
                          "--net-mac:service=02:00:00:00:00:07", sys.argv[2], "--ipv4=10.0.0.2/24"],
                         pass_fds=[theirs.fileno()])
theirs.close()
mac = bytes.fromhex("020000000007")
arp = (b"\xff" * 6 + bytes.fromhex("020000000001") + bytes.fromhex("08060001080006040001")
       + bytes.fromhex("020000000001") + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 2]))
ours.send(arp.ljust(60, b"\0"))
while True:
    frame = ours.recv(2000)
    if frame[:6] == bytes.fromhex("020000000001") and frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2":
        break
guest.terminate()
print("answer from", frame[6:12].hex(), "status", guest.wait(10))
sys.exit(frame[6:12] != mac)
PY
    run timeout 30 python3 pair.py "$SPT" "$GUESTS/net.spt"
    ended 0
    said "answer from 020000000007 status 143"
}

@test "the console is written in order, whole, to a pipe that is read slowly" {
    "$SPT" --mem=64 "$GUESTS/hog.spt" 32 >out
    [ "$(grep -c '^touched' out)" -ge 8 ]
    "$SPT" --mem=64 "$GUESTS/hog.spt" 32 | while IFS= read -r line; do printf '%s\n' "$line"; done >piped
    cmp out piped
}

@test "the program is static, position-independent, with read-only relocations and no executable stack" {
    for program in runuk-spt runuk-hvt; do
        readelf -hlW "$BUILD/$program" >elf
        grep -q 'Type:.*DYN' elf
        run ! grep -q INTERP elf
        grep -q GNU_RELRO elf
        grep -q 'GNU_STACK.* RW ' elf
        readelf -dW "$BUILD/$program" >dynamic
        run ! grep -q NEEDED dynamic
        grep -q BIND_NOW dynamic
    done
}
