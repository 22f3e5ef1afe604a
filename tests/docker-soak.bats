#!/usr/bin/env bats
# Many containers, one after the other and at once, and nothing of them afterwards.

load docker.bash

setup_file() {
    docker_up
    guest_image hello hello
    guest_image web web
    # The first container makes directories that Docker keeps.
    docker run --rm --runtime=runuk hello >/dev/null
    docker run --rm --runtime=runc busybox true
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

@test "200 times run and rm" {
    traces >"$BATS_TEST_TMPDIR/before"
    local n
    for ((n = 0; n < 200; n++)); do
        run -0 docker run --rm --runtime=runuk hello "number $n"
        [[ $output == 'Hello from '*"arg[0]: number $n" ]]
    done
    no_new_traces "$BATS_TEST_TMPDIR/before"
}

@test "30 at once, each with its own address and page" {
    traces >"$BATS_TEST_TMPDIR/before"
    local n pids=() pid addresses
    for ((n = 0; n < 30; n++)); do
        docker run -d --runtime=runuk --name "web$n" web >/dev/null 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    mapfile -t addresses < <(for ((n = 0; n < 30; n++)); do address "web$n"; done)
    [[ $(printf '%s\n' "${addresses[@]}" | sort -u | wc -l) == 30 ]]
    for ((n = 0; n < 30; n++)); do
        run -0 fetch "http://${addresses[n]}/plain"
        [[ $output == *"ipv4: ${addresses[n]}/"* ]]
    done
    pids=()
    for ((n = 0; n < 30; n++)); do
        docker rm -f "web$n" >/dev/null 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
