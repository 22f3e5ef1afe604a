# shellcheck shell=dash
# A small TAP producer for test scripts inside the lab's machine: each check in a subshell and a folder of its own.

lab_count=0
lab_failed=0

# check NAME FUNCTION: run FUNCTION, print "ok N - NAME" or "not ok N - NAME" with what it said behind "# ".
check() {
    lab_count=$((lab_count + 1))
    lab_dir=$(mktemp -d)
    # Not as a condition: that would turn `set -e` off inside.
    (cd "$lab_dir" && set -e && "$2") >"$lab_dir/.log" 2>&1
    # shellcheck disable=SC2181
    if [ $? -eq 0 ]; then
        echo "ok $lab_count - $1"
    else
        lab_failed=$((lab_failed + 1))
        echo "not ok $lab_count - $1"
        tail -n 40 "$lab_dir/.log" | sed 's/^/# /'
    fi
    rm -rf "$lab_dir"
}

# The plan comes last: it says how many checks were made, not how many were meant to be.
finish_checks() {
    echo "1..$lab_count"
    [ "$lab_failed" -eq 0 ]
}

# run COMMAND…: keep its $output (stdout and stderr) and $status; it has a minute.
run() {
    status=0
    output=$(timeout --kill-after=5 "${RUN_SECONDS:-60}" "$@" 2>&1) || status=$?
    echo "+ $*"
    echo "$output"
    echo "+ status $status"
}

expect_status() {
    [ "$status" -eq "$1" ] || fail "status is $status, not $1"
}

expect_output() {
    case $output in
    *"$1"*) ;;
    *) fail "the output lacks '$1'" ;;
    esac
}

expect_line() {
    echo "$output" | grep -qxF -e "$1" || fail "the output lacks the line '$1'"
}

refuse_output() {
    case $output in
    *"$1"*) fail "the output contains '$1'" ;;
    esac
}

# expect_between WHAT NUMBER LOWEST HIGHEST
expect_between() {
    if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
        fail "$1 $2"
    fi
}

fail() {
    echo "$*"
    exit 1
}

# await SECONDS COMMAND…: try the command until it succeeds.
await() {
    lab_deadline=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -le "$lab_deadline" ] || fail "waited in vain for: $*"
        usleep 20000
    done
}

# await_end SECONDS PID: wait for a child of this shell, keep its $status.
await_end() {
    (await "$1" lab_is_over "$2") || fail "process $2 has not ended after $1 s"
    status=0
    wait "$2" || status=$?
}

# A child that has ended stays a zombie until it is waited for.
lab_is_over() {
    [ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"
}
