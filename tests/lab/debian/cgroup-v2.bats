#!/usr/bin/env bats
# The promises of tests/cgroup.bats for cgroup v2, in a tree that systemd shares. For the Debian machine.

bats_require_minimum_version 1.5.0

PROMISES=$BATS_TEST_DIRNAME/../../unit/cgroup_v2.sh

@test "every promise of cgroup v2 holds beside systemd" {
    PATH=${RUNUK_BUILD:-$BATS_TEST_DIRNAME/../../../build}/unit:$PATH run timeout -k 5 200 sh "$PROMISES"
    printf '%s\n' "$output"
    ((status == 0))
    # None is left out because the script ended early.
    [[ $(grep -c '^ok ' <<<"$output") == "$(grep -c '^promise "' "$PROMISES")" ]]
}
