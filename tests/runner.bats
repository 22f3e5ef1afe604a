#!/usr/bin/env bats
# The runner of the tests: what it counts, and that nothing that went wrong passes for right.

bats_require_minimum_version 1.5.0

setup() {
    unset RUNUK_SUMMARY RUNUK_ALLOWED_SKIPS # of the run that this is a part of
}

# program NAME LINE…: an executable that prints these lines.
program() {
    local file=$BATS_TEST_TMPDIR/$1
    shift
    printf '#!/bin/sh\n' >"$file"
    printf "echo '%s'\n" "$@" >>"$file"
    chmod +x "$file"
}

# summary STATUS TEXT NAME…: the runner ends with this status and this line.
summary() {
    local wanted=$1 text=$2 name files=()
    shift 2
    for name in "$@"; do files+=("$BATS_TEST_TMPDIR/$name"); done
    run "$BATS_TEST_DIRNAME/run" "${files[@]}"
    echo "$output"
    [[ $status == "$wanted" && ${lines[-1]} == "$text" ]]
}

@test "passes, failures and skips of all files are counted" {
    program one 1..2 'ok 1 a' 'ok 2 b'
    program two 'ok 1 - c # skip no such thing here' 1..1
    CI='' summary 0 '2 passed, 0 failed, 1 skipped' one two
    program three 1..2 'not ok 1 d' 'ok 2 e'
    CI='' summary 1 '3 passed, 1 failed, 1 skipped' one two three
    [[ $output == *$'failed:\n    three: d'* ]]
}

@test "bats files are run by bats" {
    printf '@test "a" { true; }\n@test "b" { false; }\n@test "c" { skip why; }\n' >"$BATS_TEST_TMPDIR/some.bats"
    CI='' summary 1 '1 passed, 1 failed, 1 skipped' some.bats
    [[ $output == *'some.bats: b'* ]]
}

@test "in CI a skip fails unless a line with a reason allows it" {
    program one 1..2 'ok 1 a' 'ok 2 needs a thing # skip'
    export RUNUK_ALLOWED_SKIPS=$BATS_TEST_TMPDIR/allowed
    printf '# a comment\none: needs a thing |\nother: * | a reason\n' >"$RUNUK_ALLOWED_SKIPS"
    CI=true summary 1 '1 passed, 1 failed, 0 skipped' one
    printf 'one: needs a * | the thing is missing in CI\n' >"$RUNUK_ALLOWED_SKIPS"
    CI=true summary 0 '1 passed, 0 failed, 1 skipped' one
}

@test "results that did not come are failures" {
    program short 1..3 'ok 1 a' 'ok 2 b'
    summary 1 '2 passed, 1 failed, 0 skipped' short
    program silent 'hello'
    summary 1 '0 passed, 1 failed, 0 skipped' silent
    program status 1..1 'ok 1 a' # and then
    echo 'exit 3' >>"$BATS_TEST_TMPDIR/status"
    summary 1 '1 passed, 1 failed, 0 skipped' status
    summary 1 '0 passed, 1 failed, 0 skipped' missing
}

@test "a file that does not end is ended" {
    program endless 1..1
    echo 'exec sleep 1000' >>"$BATS_TEST_TMPDIR/endless"
    RUNUK_TEST_SECONDS=1 summary 1 '0 passed, 1 failed, 0 skipped' endless
    [[ $output == *'endless: not done after '* ]]
}

@test "a file may say itself how long it takes at most" {
    program endless 1..1
    printf '# It is slow. tests/run: bound 1 seconds\nexec sleep 1000\n' >>"$BATS_TEST_TMPDIR/endless"
    summary 1 '0 passed, 1 failed, 0 skipped' endless
    [[ $output == *'endless: not done after '* ]]
}
