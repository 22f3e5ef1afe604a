#!/usr/bin/env bats
# runuk-hvt, and runuk with it, on real KVM: the lab's machine is booted once per script, each test is one of its checks.

bats_require_minimum_version 1.5.0

LAB=$BATS_TEST_DIRNAME/lab

# A check that fails is the affair of its own test, and so is one that was never made.
setup_file() {
    local script status
    for script in hvt runuk; do
        status=0
        "$LAB/run" --timeout 300 "$LAB/$script.sh" >"$BATS_FILE_TMPDIR/$script.tap" \
            2>"$BATS_FILE_TMPDIR/$script.err" || status=$?
        echo "$status" >"$BATS_FILE_TMPDIR/$script.status"
    done
}

# The check of SCRIPT that has the running test's name must have been made once, and have passed.
checked_in() {
    local tap=$BATS_FILE_TMPDIR/$1.tap
    # The check's line, and what it said behind it.
    run awk -v name="$BATS_TEST_DESCRIPTION" '
        /^(not )?ok / { text = $0; sub(/^(not )?ok [0-9]+ - /, "", text); mine = (text == name) }
        /^1\.\./ { mine = 0 }
        mine' "$tap"
    printf '%s\n' "$output"
    if [[ -z $output ]]; then
        echo "the lab's machine has made no such check; it said:"
        tail -n 20 "$tap" "$BATS_FILE_TMPDIR/$1.err"
    fi
    [[ $output =~ ^ok\ [0-9]+\ -\  && $output != *$'\n'* ]]
}

# No check without its test, and all were made: the plan is the script's last line.
all_checked_in() {
    local script=$1 tap=$BATS_FILE_TMPDIR/$1.tap
    cat "$BATS_FILE_TMPDIR/$script.err"
    diff <(sed -nE 's/^(not )?ok [0-9]+ - //p' "$tap" | sort) \
        <(grep -B 1 "^    checked_in $script\$" "$BATS_TEST_FILENAME" | sed -n 's/^@test "\(.*\)" {$/\1/p' | sort)
    [[ $(tail -n 1 "$tap") == "1..$(grep -c "^    checked_in $script\$" "$BATS_TEST_FILENAME")" ]]
    [[ $(<"$BATS_FILE_TMPDIR/$script.status") -le 1 ]]
}

@test "the lab made every check of runuk-hvt and turned itself off" {
    all_checked_in hvt
}

@test "the lab made every check of runuk and turned itself off" {
    all_checked_in runuk
}

@test "the probe finds KVM usable" {
    checked_in hvt
}

@test "what is no KVM fails the probe and starts no guest" {
    checked_in hvt
}

@test "hello sees its memory and its arguments" {
    checked_in hvt
}

@test "options end at the image" {
    checked_in hvt
}

@test "the default memory is 512 MiB" {
    checked_in hvt
}

@test "memory is rounded down to 2 MiB, with a message" {
    checked_in hvt
}

@test "all of its memory is the guest's, and zero" {
    checked_in hvt
}

@test "a guest without SSE runs too" {
    checked_in hvt
}

@test "the guest's exit status is the monitor's" {
    checked_in hvt
}

@test "clocks agree" {
    checked_in hvt
}

@test "signals end the guest at once, as PID 1 of a namespace" {
    checked_in hvt
}

@test "a signal ends a guest that computes" {
    checked_in hvt
}

@test "console lines come in order" {
    checked_in hvt
}

@test "the console is not buffered" {
    checked_in hvt
}

@test "memory that the guest has not touched costs nothing" {
    checked_in hvt
}

@test "the running monitor is confined" {
    checked_in hvt
}

@test "descriptors alone are enough, in an empty root" {
    checked_in hvt
}

@test "a disk is written, read back and keeps its bytes" {
    checked_in hvt
}

@test "a disk with blocks of 4096 bytes" {
    checked_in hvt
}

@test "a block device as disk" {
    checked_in hvt
}

@test "a read-only disk refuses writes" {
    checked_in hvt
}

@test "the monitor refuses access past the end of a disk" {
    checked_in hvt
}

@test "disks of impossible sizes are refused" {
    checked_in hvt
}

@test "devices undeclared or not attached are refused" {
    checked_in hvt
}

@test "exits and blocks are counted" {
    checked_in hvt
}

@test "an exit by a signal is counted as such" {
    checked_in hvt
}

@test "ping and fetch through a tap" {
    checked_in hvt
}

@test "a large page arrives whole" {
    checked_in hvt
}

@test "the guest has the MAC and the MTU that it was given" {
    checked_in hvt
}

@test "two network devices" {
    checked_in hvt
}

@test "a tap that is missing or down is refused" {
    checked_in hvt
}

@test "a write to text or constants is a translation fault" {
    checked_in hvt
}

@test "what is not mapped can't be touched" {
    checked_in hvt
}

@test "traps end the guest" {
    checked_in hvt
}

@test "ports that are no hypercall end the guest" {
    checked_in hvt
}

@test "hypercall numbers that do not exist end the guest" {
    checked_in hvt
}

@test "hypercalls of devices that are not attached end the guest" {
    checked_in hvt
}

@test "addresses outside of the guest end the guest" {
    checked_in hvt
}

@test "images that are not for this monitor are refused" {
    checked_in hvt
}

@test "create, start, ping, fetch, kill, delete, and nothing is left" {
    checked_in runuk
}

@test "the guest has the link's MAC, MTU and address, and less memory than the limit" {
    checked_in runuk
}

@test "the container's monitor is confined" {
    checked_in runuk
}

@test "the guest as a port of a bridge" {
    checked_in runuk
}

@test "run ends with the guest's exit status" {
    checked_in runuk
}

@test "run ends with 128 + the signal that ended the guest" {
    checked_in runuk
}

@test "arguments reach the guest, placeholders filled" {
    checked_in runuk
}

@test "a bind mount is the guest's disk, read-only too" {
    checked_in runuk
}

@test "events and :stats tell what the monitor counted" {
    checked_in runuk
}

@test "figures that are none are left out" {
    checked_in runuk
}

@test "exec :console shows what the guest prints" {
    checked_in runuk
}

@test "a guest under load is watched and left twenty times" {
    checked_in runuk
}

@test "delete --force ends a running guest" {
    checked_in runuk
}

@test "ten times create, start, kill and delete leave nothing" {
    checked_in runuk
}

@test "without KVM the spt variant is taken, and an image for KVM alone is refused" {
    checked_in runuk
}
