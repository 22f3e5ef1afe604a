#!/usr/bin/env bats
# runuk-hvt as far as it goes on a host without working KVM: options, images, and a probe that does not believe in a device
# just because it opens. Guests run in hvt-lab.bats.

bats_require_minimum_version 1.5.0

BUILD=${RUNUK_BUILD:-$BATS_TEST_DIRNAME/../build}
HVT=$BUILD/runuk-hvt
GUESTS=$BUILD/guests

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

hvt() {
    run timeout -k 5 30 "$HVT" "$@"
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

@test "--help shows the usage and fails, --version does not" {
    hvt --help
    ended 1
    said "Usage: runuk-hvt"
    said "--probe"
    hvt --version
    ended 0
    said "ABI version 2"
    [ "${#lines[@]}" -eq 2 ]
}

@test "bad options are refused, with the usage" {
    exec 7</dev/null
    for option in --mem=0 --mem=1x --kvm --kvm=7 --kvm= --figures --figures=7 --probe=1 --x-exec-heap --net:nosuch=tap0; do
        hvt --kvm=@7 "$option" "$GUESTS/hello.hvt"
        ended 1
        said "Invalid option"
        said "Usage: runuk-hvt"
    done
    hvt --kvm=@7
    ended 1
    said "no KERNEL given"
}

@test "an image for another target, or none" {
    hvt "$GUESTS/hello.spt"
    ended 1
    said "is not for the solo5-hvt target: it is for solo5-spt"
    hvt /bin/true
    ended 1
    said "is not a Solo5 image"
}

@test "without KVM: an error, of the probe too" {
    mkdir empty
    cp "$HVT" empty/hvt
    exec 7<"$GUESTS/hello.hvt"
    run timeout 20 chroot empty /hvt @7
    ended 1
    said "open '/dev/kvm': No such file or directory"
    run timeout 20 chroot empty /hvt --probe
    ended 1
    said "open '/dev/kvm': No such file or directory"
}

@test "a file of figures that is none is refused, before KVM is asked for anything" {
    exec 7<>/dev/null
    truncate -s 4095 small
    hvt --kvm=@7 --figures=@7 "$GUESTS/hello.hvt"
    ended 1
    said "--figures=@7: a file of figures has 4096 bytes at least"
    hvt --kvm=@7 --figures=@8 "$GUESTS/hello.hvt" 8<>small
    ended 1
    said "--figures=@8: a file of figures has 4096 bytes at least"
    hvt --kvm=@7 --figures=@77 "$GUESTS/hello.hvt"
    ended 1
    said "--figures=@77: descriptor '@77': Bad file descriptor"
    truncate -s 4096 figures
    hvt --kvm=@7 --figures=@8 "$GUESTS/hello.hvt" 8<figures
    ended 1
    said "--figures=@8: map the file of figures: Permission denied"
}

@test "a device that is not KVM is told from one that is" {
    exec 7<>/dev/null
    hvt --probe --kvm=@7
    ended 1
    said "KVM: ask for its version: Inappropriate ioctl for device"
    hvt --kvm=@7 "$GUESTS/hello.hvt"
    ended 1
    said "KVM: ask for its version: Inappropriate ioctl for device"
    hvt --probe --kvm=@77
    ended 1
    said "descriptor '@77': Bad file descriptor"
}

@test "memory that is no whole number of large pages is adjusted, and the user told" {
    exec 7<>/dev/null
    for pair in 1=2097152 3=2097152 513=536870912 5000=4294967296; do
        hvt --kvm=@7 --mem="${pair%=*}" "$GUESTS/hello.hvt"
        said "adjusting memory to ${pair#*=} bytes"
    done
    hvt --kvm=@7 --mem=32 "$GUESTS/hello.hvt"
    [[ $output != *adjusting* ]]
}

@test "the probe and a guest that needs what it probes agree" {
    [ -c /dev/kvm ] || exec 7<>/dev/null
    [ -c /dev/kvm ] && exec 7<>/dev/kvm
    hvt --probe --kvm=@7
    probed=$status
    [ "$probed" -eq 0 ] && [ -z "$output" ] || [ "${#lines[@]}" -eq 1 ]
    hvt --kvm=@7 "$GUESTS/hello.hvt"
    ended "$probed"
}
