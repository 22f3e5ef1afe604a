#!/usr/bin/env bats
# The qemu monitor: guests for bare machines from `runuk run` on.

load oci

# Emulated, so that it is the same everywhere; in the Debian machine, on KVM.
ACCEL=${RUNUK_ACCEL:-tcg}

setup() {
    oci_setup
    settings '.accel = $a' --arg a "$ACCEL"
}

teardown() {
    oci_teardown
}

# guest ID FILE [LINE]: a bundle for tests/guests/FILE; LINE is the guest's command line, one argument.
guest() {
    bundle "$1" hello
    rm "$1/rootfs/guest"
    cp "$GUESTS/$2" "$1/rootfs/guest"
    config "$1" '.process.args = ["/guest"] + $ARGS.positional' --args -- "${@:3}"
}

# boots ID FILE [LINE]: run it to its end. $output and $status are the guest's.
boots() {
    guest "$@"
    run runuk run --bundle "$BATS_TEST_TMPDIR/$1" "$1"
}

# The process whose name that is in the container.
process() {
    local pid
    for pid in $(runuk ps "$1" | awk 'NR > 1 { print $2 }'); do
        [[ $(<"/proc/$pid/comm") != "$2"* ]] || echo "$pid"
    done
}

@test "multiboot and PVH guests get their arguments and their memory" {
    boots a hello.multiboot 'one two  "three"'
    ended 0
    said 'Hello from multiboot'
    said $'arg[0]: one\narg[1]: two\n'
    boots b hello.multiboot64 one
    said 'Hello from multiboot64'
    settings '.memory_mib = 64'
    boots c hello.pvh one
    said 'Hello from pvh'
    said $'cmdline: one\n'
    memory=$(sed -n 's/^mem: //p' <<<"$output")
    ((memory > 60 << 20 && memory <= 64 << 20))
}

@test "a multiboot guest sees its own path as word 0, or, where that could be more than a word, /image" {
    guest a hello.multiboot one
    mkdir -p a/rootfs/opt/app
    mv a/rootfs/guest a/rootfs/opt/app/web.elf
    config a '.process.cwd = "/opt" | .process.args[0] = "./app/web.elf"'
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 0
    said $'cmdline: /opt/app/web.elf one\n'
    for name in 'a b' 'a,b' '{' lib; do
        guest b hello.multiboot one
        mv b/rootfs/guest "b/rootfs/$name"
        config b '.process.args[0] = $name' --arg name "/$name"
        run runuk run --bundle "$BATS_TEST_TMPDIR/b" b
        ended 0
        said $'cmdline: /image one\n'
    done
    # What came out of gzip has no name of its own.
    guest c hello.multiboot one
    gzip c/rootfs/guest
    mv c/rootfs/guest.gz c/rootfs/guest
    run runuk run --bundle "$BATS_TEST_TMPDIR/c" c
    ended 0
    said $'cmdline: /guest one\n'
}

@test "a memory limit less QEMU's head-room is the guest's memory" {
    guest a hello.pvh x
    config a '.linux.resources.memory.limit = 134217728'
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 0
    memory=$(sed -n 's/^mem: //p' <<<"$output")
    ((memory > 48 << 20 && memory < 100 << 20))
    config a '.linux.resources.memory.limit = 33554432'
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 1
    said 'raise the limit'
}

@test "the table of exit statuses" {
    boots a finish.pvh '0 x'
    ended 0
    boots b finish.pvh '42 x'
    ended 42
    boots c finish.multiboot power-off
    ended 0
    boots d finish.multiboot triple-fault
    ended 1
    said 'the guest was reset'
}

@test "SIGTERM presses the button, and a guest that does not power off is ended by what follows" {
    guest a finish.multiboot hang
    launch a
    runuk kill a TERM
    becomes a stopped
    guest b finish.multiboot spin
    launch b
    runuk kill b KILL
    becomes b stopped
}

# A boot sector that says R, waits for the power button, as a PC of 1997 has it at 0x600, and powers off.
boot_sector() {
    truncate -s 1M "$1" # a BIOS wants a whole cylinder
    poke "$1" 0 '\x31\xc0\xba\x02\x06\xb8\x00\x01\xef\xba\xf8\x03\xb0\x52\xee\xb0\x0a\xee'
    poke "$1" 18 '\xfb\xf4\xba\x00\x06\xed\xf6\xc4\x01\x74\xf5\xba\x04\x06\xb8\x00\x20\xef\xf4\xeb\xfd'
    poke "$1" 510 '\x55\xaa'
}

@test "a disk of no known family boots, and SIGTERM presses its button" {
    guest a hello.pvh
    rm a/rootfs/guest
    boot_sector a/rootfs/guest
    run -0 runuk inspect a/rootfs/guest
    said 'family: generic'
    background runuk run --bundle "$BATS_TEST_TMPDIR/a" a >a.out 2>&1
    prints a R
    runuk kill a TERM
    wait_job "$job"
    ended 0
}

@test "start tells why QEMU does not start, and leaves nothing" {
    guest a hello.pvh x
    create a
    # The firmware that QEMU looks for is gone from its root only by then; a size that it refuses is simpler.
    runuk delete --force a
    settings '.memory_mib = 1048576'
    boots a hello.pvh x
    ended 1
    said "start container 'a': QEMU does not start: "
    no_traces
}

@test "without QEMU or its supervisor: an error that says so" {
    settings '.qemu = "/nonexistent/qemu"'
    boots a hello.pvh x
    ended 1
    said "needs QEMU, which can't be used here: there is no '/nonexistent/qemu'"
    settings 'del(.qemu) | .accel = "kvm"'
    mkdir no-kvm
    cp "$BUILD/runuk-qemu" no-kvm/
    settings '.monitor_dir = $d' --arg d "$PWD/no-kvm"
    boots b hello.pvh x
    ended 1
    said '"accel": "kvm"'
    settings '.monitors = ["hvt", "spt"]' 
    boots c hello.pvh x
    ended 1
}

@test "emulation is warned of, once, in the log" {
    settings 'del(.accel) | .monitor_dir = $d' --arg d "$PWD/dir"
    mkdir dir
    cp "$BUILD/runuk-qemu" "$BUILD/runuk-relay" dir/
    guest a hello.pvh x
    run runuk --log "$PWD/log" --log-format json run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 0
    equal "$(grep -c 'the guest is emulated, which is slow' log)" 1
}

@test "another machine than the family's, by annotation" {
    guest b hello.multiboot x
    config b '.annotations["org.runuk.machine"] = "q35"'
    run runuk run --bundle "$BATS_TEST_TMPDIR/b" b
    ended 0
    said 'Hello from multiboot'
    guest c hello.pvh x
    config c '.annotations["org.runuk.machine"] = "microvm"'
    run runuk run --bundle "$BATS_TEST_TMPDIR/c" c
    ended 0
    said 'Hello from pvh'
    # Whoever built QEMU: a firmware that keeps none of the memory from 1 MiB on, at whose end QEMU puts RAM disks.
    settings '.memory_mib = 64'
    guest d machine.pvh x
    config d '.annotations["org.runuk.machine"] = "microvm"'
    run runuk run --bundle "$BATS_TEST_TMPDIR/d" d
    said $'memory 100000-4000000 type 1\n'
    config c '.annotations["org.runuk.machine"] = "isapc"'
    run runuk run --bundle "$BATS_TEST_TMPDIR/c" c
    ended 1
    said org.runuk.machine
}

@test "an image that others may not read is an error" {
    guest a hello.pvh x
    chmod 0700 a/rootfs/guest
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
    ended 1
    said 'chmod a+r'
}

@test "pause, resume, ps, info, console" {
    guest a time.pvh 'tick 200'
    launch a
    prints a 'tick '
    [[ -n $(process a runuk-qemu) && -n $(process a qemu-system) ]]
    runuk pause a
    is a paused
    runuk resume a
    is a running
    run runuk exec a :info
    said 'monitor: qemu'
    background runuk exec a :console >shown 2>&1
    eventually 10 file_has shown 'tick '
    runuk kill a KILL
}

@test "20 times run and delete, and nothing is left" {
    guest a hello.pvh x
    for _ in {1..20}; do
        run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
        ended 0
    done
    no_traces
}
