#!/usr/bin/env bats
# containerd through its own client: ctr run, with runuk as the OCI runtime of the ordinary shim.
# shellcheck disable=SC2016 # single quotes around what is expanded elsewhere

load containerd.bash

setup_file() {
    containerd_up
    local guest
    for guest in exit web time; do
        guest_image "$CONTAINERD_NAME" "docker.io/local/$guest:1" "$guest"
    done
    for guest in finish.multiboot hello.pvh time.pvh web.pvh; do
        bare_image "$CONTAINERD_NAME" "docker.io/local/$guest:1" "$BUILD/guests/$guest"
    done
    bare_image "$CONTAINERD_NAME" docker.io/local/button:1 "$BUILD/guests/finish.pvh" osv button
    busybox_image "$CONTAINERD_NAME" docker.io/local/busybox:1 '{"Cmd": ["sh"], "Env": ["PATH=/bin"]}'
    hello_from_a_layout
    # What this host can run: the same question that runuk asks.
    if "$BUILD/runuk-hvt" --probe; then export TARGET=hvt; else export TARGET=spt; fi
}

teardown_file() {
    containerd_down
}

teardown() {
    local id
    # The force is in vain for a stopped one, and needless.
    for id in $(ctr task ls -q); do ctr task rm -f "$id" 2>/dev/null || ctr task rm "$id"; done
    for id in $(ctr container ls -q); do ctr container rm "$id"; done
    [[ ! -e $CONTAINERD_DIR/pod ]] || pod_network_down
}

ctr() {
    inside ctr -n "$CONTAINERD_NAME" "$@"
}

# ctr_run [OPTION…] IMAGE ID [ARG…]
ctr_run() {
    ctr run --runc-binary "$CONTAINERD_DIR/runuk" "$@"
}

task_is() {
    local line
    line=$(ctr task ls | grep "^$1 ")
    echo "$line"
    [[ $line == *" $2" ]]
}

# The pid, in the daemon's namespace, of a task.
task_pid() {
    ctr task ls | awk -v id="$1" '$1 == id { print $2 }'
}

# --- images, arguments, output --------------------------------------------------------------------------------------------

# A file of the content store of an OCI image layout; prints its descriptor.
blob() {
    local digest
    digest=$(sha256sum <"$1")
    digest=${digest%% *}
    mkdir -p blobs/sha256
    cp "$1" "blobs/sha256/$digest"
    jq -cn --arg digest "sha256:$digest" --arg type "$2" --argjson size "$(stat -c %s "$1")" \
        '{mediaType: $type, digest: $digest, size: $size}'
}

# The image docker.io/local/hello:1, from an archive of the other kind: an OCI image layout.
hello_from_a_layout() (
    local kind=application/vnd.oci.image layer config manifest
    mkdir "$BATS_FILE_TMPDIR/layout"
    cd "$BATS_FILE_TMPDIR/layout" || exit
    guest_root ../root-hello hello
    tar --owner=0 --group=0 -C ../root-hello -cf ../layer.tar .
    layer=$(blob ../layer.tar $kind.layer.v1.tar)
    jq -n --argjson layer "$layer" --arg arch "$(dpkg --print-architecture)" \
        '{architecture: $arch, os: "linux", config: {Entrypoint: ["/hello"]}, rootfs: {type: "layers", diff_ids: [$layer.digest]}}' \
        >../config.json
    config=$(blob ../config.json $kind.config.v1+json)
    jq -n --argjson layer "$layer" --argjson config "$config" \
        '{schemaVersion: 2, config: $config, layers: [$layer]}' >../manifest.json
    manifest=$(blob ../manifest.json $kind.manifest.v1+json)
    jq -n --argjson manifest "$manifest" '{schemaVersion: 2, manifests: [$manifest +
        {annotations: {"io.containerd.image.name": "docker.io/local/hello:1", "org.opencontainers.image.ref.name": "1"}}]}' >index.json
    echo '{"imageLayoutVersion": "1.0.0"}' >oci-layout
    tar -cf ../layout.tar .
    ctr image import "$BATS_FILE_TMPDIR/layout.tar"
)

@test "an image without label or annotation, from an OCI layout, boots what this host can run" {
    run -0 ctr_run --rm docker.io/local/hello:1 one
    [[ ${lines[0]} == "Hello from $TARGET" ]]
}

@test "arguments reach the guest whole" {
    run -0 ctr_run --rm docker.io/local/hello:1 one /hello first 'two words' 'a "quote"'
    [[ $output == *$'\narg[0]: first\narg[1]: two words\narg[2]: a "quote"'* ]]
}

@test "the guest's exit status is that of ctr run" {
    run -42 ctr_run --rm docker.io/local/exit:1 one /exit 42
}

@test "a terminal" {
    local entry
    printf -v entry '%q ' "$OWN_CONTAINERD" exec "$CONTAINERD_DIR" ctr -n "$CONTAINERD_NAME" run --rm -t \
        --runc-binary "$CONTAINERD_DIR/runuk" docker.io/local/hello:1 one
    run -0 timeout 60 script -qec "$entry" /dev/null
    [[ $output == *"Hello from $TARGET"$'\r'* ]]
}

@test "an ordinary image gets runc, with the same runtime name" {
    run -0 ctr_run --rm docker.io/local/busybox:1 one sh -c 'echo "process $$ of $(uname -s)"'
    [[ $output == 'process 1 of Linux' ]]
}

@test "why a container cannot be is what ctr prints" {
    run ! ctr_run --rm --annotation org.runuk.nonsense=1 docker.io/local/hello:1 one
    [[ $output == *"org.runuk.nonsense"* ]]
    run -0 ctr task ls -q
    [[ -z $output ]]
}

# --- life -----------------------------------------------------------------------------------------------------------------

@test "run -d, task ls, task ps, kill, delete" {
    ctr_run -d docker.io/local/time:1 one /time wait
    task_is one RUNNING
    run -0 ctr task ps one
    [[ ${#lines[@]} == 2 && ${lines[1]} == "$(task_pid one) "* ]]
    [[ $(inside cat "/proc/$(task_pid one)/comm") == "runuk-$TARGET" ]]
    ctr task kill -s SIGTERM one
    eventually 10 task_is one STOPPED
    run -0 ctr task rm one
    [[ $output == *'exit code 143'* ]]
    ctr container rm one
}

@test "kill --all, and deletion by force" {
    ctr_run -d docker.io/local/time:1 one /time wait
    ctr task kill --all -s SIGKILL one
    eventually 10 task_is one STOPPED
    ctr_run -d docker.io/local/time:1 two /time wait
    run -0 ctr task rm -f two
    [[ $output == *'exit code 137'* ]]
    run -0 ctr task ls -q
    [[ $output == one ]]
}

@test "pause and resume" {
    ctr_run -d docker.io/local/time:1 one /time wait
    ctr task pause one
    task_is one PAUSED
    ctr task resume one
    task_is one RUNNING
    # A paused one can be ended too.
    ctr task pause one
    ctr task kill -s SIGKILL one
    eventually 10 task_is one STOPPED
}

@test "metrics tell what the guest uses of its limit" {
    ctr_run -d --memory-limit $((64 << 20)) docker.io/local/time:1 one /time wait
    run -0 ctr task metrics --format json one
    # The two versions of cgroups have figures of their own.
    run -0 jq -c '.memory | if (.usage | type) == "object" then .usage | [.limit, .usage] else [.usage_limit, .usage] end' <<<"$output"
    [[ $output =~ ^\[67108864,[1-9][0-9]*\]$ ]]
}

@test "exec tells about the guest, and runs nothing else" {
    ctr_run -d docker.io/local/time:1 one /time wait
    run -0 ctr task exec --exec-id e1 one :info
    [[ $output == *"monitor: $TARGET"* ]]
    run ! ctr task exec --exec-id e2 one ls
    [[ $output == *'it has no processes to exec'* ]]
}

@test "checkpoint is refused in a sentence" {
    ctr_run -d docker.io/local/time:1 one /time wait
    run ! ctr task checkpoint one
    [[ $output == *"container 'one' is a unikernel: 'checkpoint' is not supported"* ]]
    task_is one RUNNING
}

# --- network --------------------------------------------------------------------------------------------------------------

# A network namespace made beforehand, as other tools make them, whose link's other end is with the daemon.
pod_network_up() {
    touch "$CONTAINERD_DIR/pod"
    inside sh -c 'ip netns add pod && ip link add toward type veth peer name eth0 netns pod &&
        ip addr add 10.215.1.1/24 dev toward && ip link set toward up &&
        ip -n pod addr add 10.215.1.2/24 dev eth0 && ip -n pod link set eth0 up && ip -n pod link set lo up'
}

pod_network_down() {
    inside ip netns del pod
    rm "$CONTAINERD_DIR/pod"
}

@test "in a network namespace that was there before, the page comes, by either wiring" {
    local mode
    pod_network_up
    for mode in redirect bridge; do
        ctr_run -d --with-ns network:/run/netns/pod --annotation org.runuk.network-mode=$mode docker.io/local/web:1 web
        run -0 fetch http://10.215.1.2/plain
        [[ $output == *"target: $TARGET"*'ipv4: 10.215.1.2/24'* ]]
        run -0 ctr task exec --exec-id e1 web :info
        [[ $output == *$mode* ]]
        ctr task kill -s SIGTERM web
        eventually 10 task_is web STOPPED
        ctr task rm web
        ctr container rm web
        # As it was: nothing but the link with its address.
        run -0 inside ip -n pod -o -4 addr show dev eth0
        [[ $output == *10.215.1.2/24* ]]
        run -0 inside ip -n pod -o link
        [[ ${#lines[@]} == 2 ]]
    done
}

@test "on the host's own network there is no place for a guest's" {
    run ! ctr_run --rm --net-host docker.io/local/web:1 web
    [[ $output == *"the container is on the host's own network"* ]]
}

# --- guests in QEMU -------------------------------------------------------------------------------------------------------

@test "QEMU: arguments, exit status, and why a container cannot be" {
    run -0 ctr_run --rm docker.io/local/hello.pvh:1 one /guest first second
    [[ $output == 'Hello from pvh'*$'\narg[0]: first\narg[1]: second'* ]]
    run -7 ctr_run --rm docker.io/local/finish.multiboot:1 one /guest 7
    run ! ctr_run --rm --memory-limit $((40 << 20)) docker.io/local/hello.pvh:1 one
    [[ $output == *'raise the limit'* ]]
    run ! ctr_run --rm --net-host docker.io/local/hello.pvh:1 one
    [[ $output == *"the container is on the host's own network"* ]]
}

@test "QEMU: task ps, pause, metrics, exec, kill, the power button" {
    ctr_run -d --memory-limit $((128 << 20)) docker.io/local/time.pvh:1 one /guest wait
    run -0 ctr task ps one
    [[ ${#lines[@]} == 3 && ${lines[1]} == "$(task_pid one) "* ]]
    [[ $(inside cat "/proc/$(task_pid one)/comm") == runuk-qemu ]]
    ctr task pause one
    task_is one PAUSED
    ctr task resume one
    task_is one RUNNING
    run -0 ctr task metrics --format json one
    run -0 jq -c '.memory | if (.usage | type) == "object" then .usage | [.limit, .usage] else [.usage_limit, .usage] end' <<<"$output"
    [[ $output =~ ^\[134217728,[1-9][0-9]*\]$ ]]
    run -0 ctr task exec --exec-id e1 one :info
    [[ $output == *'monitor: qemu, emulated'* ]]
    ctr task kill -s SIGTERM one
    eventually 10 task_is one STOPPED
    run -0 ctr task rm one
    [[ $output == *'exit code 143'* ]]
    ctr_run -d docker.io/local/button:1 two
    ctr task kill -s SIGTERM two
    eventually 20 task_is two STOPPED
    run -0 ctr task rm two
    [[ $output != *'exit code'* ]]
}

@test "QEMU: in a network namespace that was there before, the page comes; a killed shim takes all of the guest with it" {
    local mode pid
    pod_network_up
    for mode in bridge redirect; do
        ctr_run -d --with-ns network:/run/netns/pod --annotation org.runuk.network-mode=$mode docker.io/local/web.pvh:1 web \
            /guest '--ipv4={ipv4.cidr}'
        run -0 fetch http://10.215.1.2/plain
        [[ $output == *'target: pvh'*'ipv4: 10.215.1.2/24'* ]]
        [[ $mode == bridge ]] || break
        ctr task rm -f web
        ctr container rm web
        run -0 inside ip -n pod -o link
        [[ ${#lines[@]} == 2 ]]
    done
    pid=$(task_pid web)
    inside kill -KILL "$(inside ps -o ppid= -p "$pid" | tr -d ' ')"
    eventually 10 process_ended "$pid"
    run ! inside pgrep '^(qemu|runuk)'
    eventually 10 no_task web
    run -0 inside ip -n pod -o link
    [[ ${#lines[@]} == 2 ]]
    # Another one by the same name, which also takes away what is left of that shim.
    ctr container rm web
    run -7 ctr_run --rm docker.io/local/finish.multiboot:1 web /guest 7
}

# --- the daemon's end ------------------------------------------------------------------------------------------------------

@test "containerd is killed and comes back: the guest has not noticed" {
    pod_network_up
    ctr_run -d --with-ns network:/run/netns/pod docker.io/local/web:1 web
    fetch http://10.215.1.2/plain
    local before
    before=$(task_pid web)
    "$OWN_CONTAINERD" restart "$CONTAINERD_DIR" KILL
    task_is web RUNNING
    [[ $(task_pid web) == "$before" ]]
    run -0 fetch http://10.215.1.2/plain
    [[ $output == *'requests: 2'* ]]
    ctr task kill -s SIGTERM web
    eventually 10 task_is web STOPPED
}

process_ended() {
    inside sh -c "! test -e /proc/$1"
}

@test "a killed shim takes its guest with it, and what is left of the task can be removed" {
    local pid
    ctr_run -d docker.io/local/time:1 one /time wait
    pid=$(task_pid one)
    inside kill -KILL "$(inside ps -o ppid= -p "$pid" | tr -d ' ')"
    eventually 10 process_ended "$pid"
    eventually 10 no_task one
    ctr container rm one
    run -0 ctr_run --rm docker.io/local/exit:1 one /exit 0
}

no_task() {
    ! ctr task ls -q | grep -qx "$1"
}

@test "nothing is left behind" {
    ctr_run --rm docker.io/local/hello:1 zero
    traces >"$BATS_TEST_TMPDIR/before"
    pod_network_up
    ctr_run -d --with-ns network:/run/netns/pod docker.io/local/web:1 web
    fetch http://10.215.1.2/plain
    ctr_run -d docker.io/local/time:1 one /time wait
    ctr_run -d docker.io/local/busybox:1 two sleep infinity
    ctr_run -d docker.io/local/time.pvh:1 three /guest wait
    run ! traces_equal "$BATS_TEST_TMPDIR/before"
    local id
    for id in web one two three; do
        ctr task kill -s SIGKILL "$id"
        eventually 10 task_is "$id" STOPPED
        run -0 ctr task rm "$id"
        [[ $output == *'exit code 137'* ]]
        ctr container rm "$id"
    done
    pod_network_down
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
