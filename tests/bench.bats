#!/usr/bin/env bats
# The bench itself, with a few containers and rounds: it measures, and leaves nothing. What it measures is not judged here.

load oci

crowd() {
    timeout -k 5 120 "$BUILD/bench/crowd" "$BUILD" "$@" 3>&-
}

# Is there a container of that number?
gathered() {
    compgen -G "/sys/fs/cgroup/*/runuk-bench-*/unikernel-$1" || compgen -G "/sys/fs/cgroup/runuk-bench-*/unikernel-$1"
}

# Everything that a bench makes is called so; a cgroup that is gone held no process.
bench_traces() {
    find /run /sys/fs/cgroup -maxdepth 3 -name 'runuk-bench-*' -o -maxdepth 3 -name 'runuk-bench.*'
    return 0
}

no_bench_traces() {
    equal "$(bench_traces)" ''
}

@test "crowd: times every verb of both runtimes, and takes its containers away" {
    local title
    run -0 crowd 3 2
    said '3 containers of each, median of 2 rounds'
    for title in state ps 'ps --format json' list 'list --format json' 'list --quiet' 'kill CONT'; do
        grep -qE "^$title +[0-9.]+ ms +[0-9.]+ ms +[0-9.]+ +aim: at most 1.00$" <<<"$output"
    done
    jq -e '.containers == 3 and ([.[] | objects | select(.n == 2 and .ratio > 0)] | length == 7)' "$BUILD/crowd.json"
    eventually 5 no_bench_traces
}

@test "crowd: interrupted, it takes away what there is by then" {
    background timeout -k 5 120 "$BUILD/bench/crowd" "$BUILD" 10000 >said 2>&1
    eventually 20 gathered 3
    kill -TERM "$job" # timeout passes it on
    wait_job "$job"
    ((status != 0))
    equal "$(cat said)" ''
    eventually 5 no_bench_traces
}

@test "crowd: wrong arguments are refused" {
    run -2 crowd 0
    said 'usage: crowd BUILD-DIRECTORY'
    run -1 timeout 10 "$BUILD/bench/crowd" /nowhere
    said '/nowhere: No such file or directory'
}
