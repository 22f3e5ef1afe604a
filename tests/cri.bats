#!/usr/bin/env bats
# containerd's CRI plugin, as a kubelet calls it, with runuk as a runtime handler: what a RuntimeClass is.
# shellcheck disable=SC2016 # single quotes around what is expanded elsewhere

load containerd.bash

setup_file() {
    PROTOCOL=$BATS_FILE_TMPDIR/protocol
    export PROTOCOL
    mkdir "$PROTOCOL" "$BATS_FILE_TMPDIR"/{logs,net}
    protoc -I "$TOP/tests/cri" --python_out="$PROTOCOL" cri.proto
    network_config >"$BATS_FILE_TMPDIR/net/10-pods.conflist"
    containerd_up cri_config
    busybox_image k8s.io docker.io/local/pause:1 '{"Entrypoint": ["/bin/sleep", "infinity"]}'
    busybox_image k8s.io docker.io/local/busybox:1 '{"Cmd": ["sh"], "Env": ["PATH=/bin"]}'
    local guest
    for guest in block exit time web; do guest_image k8s.io "docker.io/local/$guest:1" "$guest"; done
    for guest in block.multiboot dns.pvh finish.multiboot web.pvh; do
        bare_image k8s.io "docker.io/local/$guest:1" "$BUILD/guests/$guest"
    done
    bare_image k8s.io docker.io/local/button:1 "$BUILD/guests/finish.pvh" osv button
    # The plugin hears of an import a moment later, and would ask a registry before.
    for guest in pause busybox block exit time web {block,finish}.multiboot {dns,web}.pvh button; do eventually 10 image_known "docker.io/local/$guest:1"; done
    if "$BUILD/runuk-hvt" --probe; then export TARGET=hvt; else export TARGET=spt; fi
}

teardown_file() {
    containerd_down
}

teardown() {
    local pod
    for pod in $(cri ListPodSandbox | jq -r '.items[]?.id'); do remove_pod "$pod"; done
}

# The handler is the file that an operator gets, with the installed runuk replaced by the one under test.
cri_config() {
    local snippet=$TOP/contrib/kubernetes/containerd-runuk.toml
    grep -q '"/usr/local/bin/runuk"' "$snippet"
    cat <<END
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/local/pause:1"
restrict_oom_score_adj = true # a machine may not let even root lower it
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$BATS_FILE_TMPDIR/net"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
END
    sed "s|/usr/local/bin/runuk|$CONTAINERD_DIR/runuk|" "$snippet"
}

network_config() {
    jq -n '{cniVersion: "0.4.0", name: "pods", plugins: [{
        type: "bridge", bridge: "pods0", isGateway: true, ipMasq: false,
        ipam: {type: "host-local", subnet: "10.215.8.0/24", routes: [{dst: "0.0.0.0/0"}]}}]}'
}

# --- calls ----------------------------------------------------------------------------------------------------------------

# cri METHOD [REQUEST]: the answer, as JSON.
cri() {
    inside env PYTHONPATH="$PROTOCOL" /usr/bin/python3 "$TOP/tests/cri/client.py" /run/containerd/containerd.sock "$@"
}

image_known() {
    [[ $(cri ImageStatus "{\"image\": {\"image\": \"$1\"}}" | jq -r .image.id) == sha256:* ]]
}

# The configuration of the pod called $1, with the annotations $2 and the shared namespaces $3.
pod_config() {
    jq -cn --arg name "$1" --argjson annotations "${2:-null}" --argjson namespaces "${3:-null}" \
        --arg logs "$BATS_FILE_TMPDIR/logs" --arg parent "/$CONTAINERD_NAME" '{
            metadata: {name: $name, uid: "uid-\($name)", namespace: "default"},
            hostname: $name,
            log_directory: $logs,
            annotations: ($annotations // {}),
            dns_config: {servers: ["10.215.8.1"]},
            linux: {
                cgroup_parent: $parent,
                security_context: {namespace_options: ($namespaces // {pid: "CONTAINER"})}
            }
        }'
}

# run_pod NAME [ANNOTATIONS [NAMESPACES]]: prints its id.
run_pod() {
    cri RunPodSandbox "{\"config\": $(pod_config "$@"), \"runtime_handler\": \"runuk\"}" | jq -r .pod_sandbox_id
}

# create_container POD NAME IMAGE [CONFIG]: CONFIG (JSON) is what the container's configuration has more. Prints its id.
create_container() {
    local config
    config=$(jq -cn --arg name "$2" --arg image "docker.io/local/$3:1" --argjson more "${4:-null}" \
        '{metadata: {name: $name}, image: {image: $image}, log_path: "\($name).log",
            linux: {security_context: {namespace_options: {pid: "CONTAINER"}}}} * ($more // {})')
    cri CreateContainer "{\"pod_sandbox_id\": \"$1\", \"config\": $config, \"sandbox_config\": $(pod_config pod)}" |
        jq -r .container_id
}

# start_container POD NAME IMAGE [CONFIG]: prints its id.
start_container() {
    local id
    id=$(create_container "$@")
    on StartContainer "$id" >/dev/null
    echo "$id"
}

# on METHOD CONTAINER [MORE]: a call whose request is a container and more.
on() {
    cri "$1" "$(jq -cn --arg id "$2" --argjson more "${3:-null}" '{container_id: $id} + $more')"
}

# exec_sync CONTAINER COMMAND…: its output, stderr last, and its status; 99 when there was none to run.
exec_sync() {
    local answer id=$1
    shift
    answer=$(on ExecSync "$id" "$(jq -cn '{cmd: $ARGS.positional, timeout: 20}' --args -- "$@")") || return 99
    jq -r '(.stdout // "" | @base64d), (.stderr // "" | @base64d)' <<<"$answer"
    return "$(jq '.exit_code // 0' <<<"$answer")"
}

remove_pod() {
    cri StopPodSandbox "{\"pod_sandbox_id\": \"$1\"}" >/dev/null
    cri RemovePodSandbox "{\"pod_sandbox_id\": \"$1\"}" >/dev/null
}

pod_field() {
    cri PodSandboxStatus "{\"pod_sandbox_id\": \"$1\"}" | jq -r ".status$2"
}

# "STATE EXITCODE" of a container.
container_state() {
    on ContainerStatus "$1" | jq -r '.status | "\(.state // "CONTAINER_CREATED") \(.exit_code // 0)"'
}

container_is() {
    local state
    state=$(container_state "$1")
    echo "$state"
    [[ $state == "$2" ]]
}

# --- pods -----------------------------------------------------------------------------------------------------------------

@test "the plugin is ready, with its network" {
    run -0 cri Version
    [[ $output == *'"runtime_name": "containerd"'* ]]
    run -0 eventually 10 network_ready
}

# Newer ones have another condition, about words in their settings.
network_ready() {
    cri Status | jq -e '.status.conditions | map(select(.type | IN("RuntimeReady", "NetworkReady"))) | length == 2 and all(.status)'
}

@test "a pod: its pause container is an ordinary one, its unikernel answers at the pod's address" {
    local pod web address
    pod=$(run_pod pod)
    [[ $(pod_field "$pod" .runtime_handler) == runuk ]]
    address=$(pod_field "$pod" .network.ip)
    [[ $address == 10.215.8.* ]]
    web=$(start_container "$pod" web web)
    run -0 fetch "http://$address/plain"
    [[ $output == *"target: $TARGET"*"ipv4: $address/24"*'gateway: 10.215.8.1'* ]]
    container_is "$web" 'CONTAINER_RUNNING 0'
    [[ $(inside cat "/proc/$(container_pid "$pod")/comm") == sleep ]]
    [[ $(inside cat "/proc/$(container_pid "$web")/comm") == "runuk-$TARGET" ]]
    # What the kubelet reads as the container's log.
    run -0 cat "$BATS_FILE_TMPDIR/logs/web.log"
    [[ $output == *'stdout F ready'* ]]
}

@test "a Linux container in the same pod; a client in another pod" {
    local pod web side client_pod client address
    pod=$(run_pod pod)
    address=$(pod_field "$pod" .network.ip)
    side=$(start_container "$pod" side busybox '{"command": ["sleep", "infinity"]}')
    web=$(start_container "$pod" web web)
    fetch "http://$address/plain"
    # One network namespace, one host name.
    run -0 exec_sync "$side" ip addr show eth0
    [[ $output == *"inet $address/24"* ]]
    run -0 exec_sync "$side" hostname
    [[ ${lines[0]} == pod ]]
    client_pod=$(run_pod client)
    client=$(start_container "$client_pod" client busybox '{"command": ["sleep", "infinity"]}')
    run -0 exec_sync "$client" timeout 10 wget -q -O - "http://$address/plain"
    [[ $output == *"program: web"*"target: $TARGET"* ]]
    # The end of the unikernel leaves the other one its network.
    on StopContainer "$web" '{"timeout": 5}'
    container_is "$web" 'CONTAINER_EXITED 143'
    on RemoveContainer "$web"
    run -0 exec_sync "$side" ping -c 1 -W 5 10.215.8.1
    [[ $output == *' 0% packet loss'* ]]
}

@test "exec tells about the guest, and refuses a program with its reason" {
    local pod time
    pod=$(run_pod pod)
    time=$(start_container "$pod" time time '{"args": ["wait"]}')
    run -0 exec_sync "$time" :info
    [[ $output == *"monitor: $TARGET"* ]]
    # As with runc and a program that is not there, it is the call that fails.
    run -99 exec_sync "$time" ls
    [[ $output == *"failed to start exec"*"is a unikernel: it has no processes to exec"* ]]
}

@test "stats, and update of what can change" {
    local pod time
    pod=$(run_pod pod)
    time=$(start_container "$pod" time time \
        '{"args": ["wait"], "linux": {"resources": {"memory_limit_in_bytes": 67108864, "cpu_shares": 512}}}')
    run -0 on ContainerStats "$time"
    [[ $(jq -r .stats.memory.working_set_bytes.value <<<"$output") -gt 0 ]]
    [[ $(jq -r .stats.cpu.usage_core_nano_seconds.value <<<"$output") -gt 0 ]]
    on UpdateContainerResources "$time" '{"linux": {"memory_limit_in_bytes": 100663296, "cpu_shares": 256}}'
    run -0 cgroup_value "$time" memory memory.limit_in_bytes memory.max
    [[ $output == 100663296 ]]
    run ! on UpdateContainerResources "$time" '{"linux": {"memory_limit_in_bytes": 33554432}}'
    [[ $output == *'is less than guest and monitor need'* ]]
    container_is "$time" 'CONTAINER_RUNNING 0'
}

# cgroup_value CONTAINER CONTROLLER FILE1 FILE2: what a container's cgroup says; FILE1 in version 1, FILE2 in version 2.
cgroup_value() {
    local dir=/sys/fs/cgroup/$2/$CONTAINERD_NAME/$1
    if [[ -d $dir ]]; then cat "$dir/$3"; else cat "/sys/fs/cgroup/$CONTAINERD_NAME/$1/$4"; fi
}

@test "annotations of the pod and of the container, as far as the handler lets them through" {
    local pod web
    pod=$(run_pod pod '{"org.runuk.network-mode": "bridge", "other.example/key": "not passed"}')
    web=$(start_container "$pod" web web '{"annotations": {"org.runuk.network-mode": "bridge"}}')
    fetch "http://$(pod_field "$pod" .network.ip)/plain"
    run -0 exec_sync "$web" :info
    [[ $output == *bridge* ]]
}

# The pid, in the daemon's namespace, of a container.
container_pid() {
    inside ctr -n k8s.io task ls | awk -v id="$1" '$1 == id { print $2 }'
}

@test "a pod that the restricted standard allows: the monitor is that user, with nothing more" {
    local pod web pid
    pod=$(run_pod pod)
    web=$(start_container "$pod" web web '{"linux": {"security_context": {"run_as_user": {"value": 1234},
        "run_as_group": {"value": 2345}, "supplemental_groups": [3456], "no_new_privs": true, "readonly_rootfs": true,
        "capabilities": {"drop_capabilities": ["ALL"]}}}}')
    fetch "http://$(pod_field "$pod" .network.ip)/plain"
    pid=$(container_pid "$web")
    run -0 inside cat "/proc/$pid/status"
    [[ $output == *$'\nUid:\t1234\t1234\t1234\t1234\nGid:\t2345\t2345\t2345\t2345\n'* ]]
    [[ $output == *$'\nCapBnd:\t0000000000000000\n'*$'\nNoNewPrivs:\t1\n'* ]]
}

@test "a pod whose containers share one process namespace: they see the monitor, and can end it" {
    local pod web side
    pod=$(run_pod pod null '{"pid": "POD"}')
    side=$(start_container "$pod" side busybox '{"command": ["sleep", "infinity"],
        "linux": {"security_context": {"namespace_options": {"pid": "POD"}}}}')
    web=$(start_container "$pod" web web '{"linux": {"security_context": {"namespace_options": {"pid": "POD"}}}}')
    fetch "http://$(pod_field "$pod" .network.ip)/plain"
    run -0 exec_sync "$side" pidof "runuk-$TARGET"
    run -0 exec_sync "$side" kill -KILL "${lines[0]}"
    eventually 10 container_is "$web" 'CONTAINER_EXITED 137'
    container_is "$side" 'CONTAINER_RUNNING 0'
}

@test "a volume that is a file is a guest's disk" {
    local pod disk=$BATS_TEST_TMPDIR/disk block
    truncate -s 1M "$disk"
    chmod 666 "$disk"
    pod=$(run_pod pod)
    block=$(start_container "$pod" block block "$(jq -cn --arg disk "$disk" \
        '{args: ["write"], mounts: [{container_path: "/dev/storage", host_path: $disk}]}')")
    eventually 10 container_is "$block" 'CONTAINER_EXITED 0'
    run -0 sha256sum "$disk"
    [[ $output != 30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58* ]] # a mebibyte of zeros
}

@test "exit codes, and a container that is started anew in its pod" {
    local pod bye
    pod=$(run_pod pod)
    bye=$(start_container "$pod" bye exit '{"args": ["42"]}')
    eventually 10 container_is "$bye" 'CONTAINER_EXITED 42'
    on RemoveContainer "$bye"
    bye=$(start_container "$pod" bye exit '{"args": ["0"], "metadata": {"name": "bye", "attempt": 1}}')
    eventually 10 container_is "$bye" 'CONTAINER_EXITED 0'
}

@test "why a container cannot start is what the kubelet hears" {
    local pod web
    pod=$(run_pod pod)
    web=$(create_container "$pod" web web '{"annotations": {"org.runuk.network-mode": "nonsense"}}')
    run ! on StartContainer "$web"
    [[ $output == *nonsense* ]]
    # And what it reads later, for the container's state in the pod.
    run -0 on ContainerStatus "$web"
    [[ $(jq -r '.status | "\(.state) \(.exit_code) \(.reason) \(.message)"' <<<"$output") == \
        'CONTAINER_EXITED 128 StartError '*nonsense* ]]
    [[ $(pod_field "$pod" '.state // "SANDBOX_READY"') == SANDBOX_READY ]]
}

@test "containerd ends and comes back: the pod has not noticed, and can be used and ended" {
    local pod web side address signal
    pod=$(run_pod pod)
    address=$(pod_field "$pod" .network.ip)
    web=$(start_container "$pod" web web)
    side=$(start_container "$pod" side busybox '{"command": ["sleep", "infinity"]}')
    fetch "http://$address/plain"
    for signal in TERM KILL; do
        "$OWN_CONTAINERD" restart "$CONTAINERD_DIR" $signal
        eventually 10 container_is "$web" 'CONTAINER_RUNNING 0'
        container_is "$side" 'CONTAINER_RUNNING 0'
        run -0 exec_sync "$web" :alive
        fetch "http://$address/plain"
    done
    run -0 fetch "http://$address/plain"
    [[ $output == *'requests: 4'* ]]
    on StopContainer "$web" '{"timeout": 5}'
    container_is "$web" 'CONTAINER_EXITED 143'
    on RemoveContainer "$web"
    remove_pod "$pod"
}

process_ended() {
    inside sh -c "! test -e /proc/$1"
}

# One shim has the whole pod. The pod's sandbox is runc's, its guest runuk's: both are taken along.
@test "the pod's shim is killed: its containers have ended, the pod can be removed, and another one made" {
    local pod web side pid
    pod=$(run_pod pod)
    web=$(start_container "$pod" web web)
    side=$(start_container "$pod" side busybox '{"command": ["sleep", "infinity"]}')
    fetch "http://$(pod_field "$pod" .network.ip)/plain"
    pid=$(container_pid "$web")
    inside kill -KILL "$(inside ps -o ppid= -p "$pid" | tr -d ' ')"
    # 255: nobody was there to hear its exit status.
    eventually 20 container_is "$web" 'CONTAINER_EXITED 255'
    eventually 20 container_is "$side" 'CONTAINER_EXITED 255'
    eventually 10 process_ended "$pid"
    remove_pod "$pod"
    pod=$(run_pod pod)
    web=$(start_container "$pod" web web)
    fetch "http://$(pod_field "$pod" .network.ip)/plain"
}

@test "stats of all containers of a pod, and logs that are opened anew" {
    local pod web side
    pod=$(run_pod pod)
    web=$(start_container "$pod" web web)
    side=$(start_container "$pod" side busybox '{"command": ["sh", "-c", "while :; do echo alive; sleep 0.1; done"]}')
    fetch "http://$(pod_field "$pod" .network.ip)/plain"
    eventually 10 all_counted "$web" "$side"
    # As the kubelet turns logs: away with the old file, and another one is begun.
    mv "$BATS_FILE_TMPDIR/logs/side.log" "$BATS_FILE_TMPDIR/logs/side.old"
    on ReopenContainerLog "$side"
    on ReopenContainerLog "$web"
    eventually 10 grep -q 'stdout F alive' "$BATS_FILE_TMPDIR/logs/side.log"
    container_is "$web" 'CONTAINER_RUNNING 0'
}

# Does ListContainerStats count memory and CPU of each of these containers?
all_counted() {
    local id stats
    stats=$(cri ListContainerStats)
    for id in "$@"; do
        jq -e --arg id "$id" '.stats[] | select(.attributes.id == $id) |
            (.memory.working_set_bytes.value | tonumber) > 0 and (.cpu.usage_core_nano_seconds.value | tonumber) > 0' <<<"$stats"
    done
}

# start_web POD NAME: a web server in QEMU, with its address.
start_web() {
    start_container "$1" "$2" web.pvh '{"args": ["--ipv4={ipv4.cidr}", "--ipv4-gateway={ipv4.gateway}"]}'
}

@test "QEMU: a guest and a Linux container in one pod, its end, and another one after it" {
    local pod web side address pid
    pod=$(run_pod pod)
    address=$(pod_field "$pod" .network.ip)
    side=$(start_container "$pod" side busybox '{"command": ["sleep", "infinity"]}')
    web=$(start_web "$pod" web)
    run -0 fetch "http://$address/plain"
    [[ $output == *'target: pvh'*"ipv4: $address/24"*'gateway: 10.215.8.1'* ]]
    [[ $(inside cat "/proc/$(container_pid "$web")/comm") == runuk-qemu ]]
    run -0 cat "$BATS_FILE_TMPDIR/logs/web.log"
    [[ $output == *'stdout F ready'* ]]
    # The link is the guest's for as long as it lives.
    run -0 exec_sync "$side" ip addr show eth0
    [[ $output == *"inet $address/24"* ]]
    run -1 exec_sync "$side" ping -c 1 -W 1 10.215.8.1
    run -0 exec_sync "$web" :info
    [[ $output == *'monitor: qemu, emulated'* ]]
    run -0 on ContainerStats "$web"
    [[ $(jq -r .stats.memory.working_set_bytes.value <<<"$output") -gt 0 ]]
    on UpdateContainerResources "$web" '{"linux": {"cpu_shares": 256}}'
    run -0 cgroup_value "$web" cpu cpu.shares cpu.weight
    [[ $output == 256 || $output == 10 ]]
    on StopContainer "$web" '{"timeout": 5}'
    container_is "$web" 'CONTAINER_EXITED 143'
    on RemoveContainer "$web"
    run -0 exec_sync "$side" ping -c 1 -W 5 10.215.8.1
    web=$(start_web "$pod" again)
    run -0 fetch "http://$address/plain"
    [[ $output == *'requests: 1'* ]]
    pid=$(container_pid "$web")
    remove_pod "$pod"
    process_ended "$pid"
    run ! inside pgrep '^(qemu|runuk)'
}

@test "QEMU: the power button within the grace period, exit codes, a disk, the pod's name server and annotations" {
    local pod guest disk=$BATS_TEST_TMPDIR/disk
    truncate -s 64K "$disk"
    chmod 666 "$disk"
    pod=$(run_pod pod)
    guest=$(start_container "$pod" button button)
    eventually 20 grep -q 'waiting for the power button' "$BATS_FILE_TMPDIR/logs/button.log"
    on StopContainer "$guest" '{"timeout": 20}'
    container_is "$guest" 'CONTAINER_EXITED 0'
    guest=$(start_container "$pod" finish finish.multiboot '{"args": ["7"]}')
    eventually 20 container_is "$guest" 'CONTAINER_EXITED 7'
    guest=$(start_container "$pod" block block.multiboot "$(jq -cn --arg disk "$disk" \
        '{args: ["rw"], mounts: [{container_path: "/data", host_path: $disk}]}')")
    eventually 20 container_is "$guest" 'CONTAINER_EXITED 0'
    grep -q SUCCESS "$BATS_FILE_TMPDIR/logs/block.log"
    guest=$(start_container "$pod" dns dns.pvh '{"args": ["--ipv4={ipv4.cidr}", "{dns}", "wait"],
        "annotations": {"org.runuk.network-mode": "bridge"}}')
    eventually 20 grep -q 'name server 10.215.8.1' "$BATS_FILE_TMPDIR/logs/dns.log"
    run -0 exec_sync "$guest" :info
    [[ $output == *bridge* ]]
}

@test "nothing is left behind" {
    local pod web
    pod=$(run_pod first) # the bridge of the pods stays for the next one, and the plugin's folders
    start_container "$pod" first time '{"args": ["wait"]}'
    remove_pod "$pod"
    traces >"$BATS_TEST_TMPDIR/before"
    pod=$(run_pod pod)
    web=$(start_container "$pod" web web)
    start_container "$pod" side busybox '{"command": ["sleep", "infinity"]}'
    start_container "$pod" time time '{"args": ["wait"]}'
    fetch "http://$(pod_field "$pod" .network.ip)/plain"
    run ! traces_equal "$BATS_TEST_TMPDIR/before"
    on StopContainer "$web" '{"timeout": 0}'
    remove_pod "$pod"
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
