#!/usr/bin/env bats
# Many calls at once, and calls that are killed at any point: ids stay unique, and delete --force leaves nothing.

# shellcheck disable=SC2154 # run sets stderr, background sets job

load oci

setup() {
    oci_setup
}

teardown() {
    oci_teardown
}

# The system calls of a file made by strace that change something, one line "NAME COUNT" each, from the first that makes a
# directory of the store on.
changing_calls() {
    awk -F'(' '/^mkdirat|^openat.*runuk.json|^openat.*'"$TAG"'/ { on = 1 } on { print $1 }' "$1" |
        grep -E '^(mkdirat|mkdir|openat|open|write|rename|renameat|renameat2|unlink|unlinkat|rmdir|socket|bind|listen|connect|sendmsg|recvmsg|clone|clone3|fork|vfork|setns|ioctl|sendto|flock|pidfd_open|pidfd_send_signal)$' |
        LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }'
}

# Bounded. A leak checker could not work in a traced process, and would fail it.
traced() {
    ASAN_OPTIONS=detect_leaks=0 timeout -k 5 60 strace "$@"
}

# killed_at NAME N WORD…: the call of runuk, killed when it makes its N-th system call NAME.
killed_at() {
    local name=$1 n=$2
    shift 2
    traced -o /dev/null -e "trace=$name" -e "inject=$name:signal=SIGKILL:when=$n" \
        "$RUNUK" --root "$ROOT" --settings "$SETTINGS" "$@" >/dev/null 2>&1 </dev/null 3>&-
}

# sweep PREPARE WORD…: the call WORD…, killed once at each system call that changes something. PREPARE makes what it needs
# before each.
sweep() {
    local prepare=$1 name count n killed=0 all=0 status
    shift
    "$prepare"
    traced -o calls "$RUNUK" --root "$ROOT" --settings "$SETTINGS" "$@" >/dev/null 2>&1 </dev/null 3>&-
    runuk delete --force web
    no_traces
    while read -r name count; do
        for ((n = 1; n <= count; n++)); do
            all=$((all + 1))
            "$prepare"
            status=0
            { killed_at "$name" "$n" "$@" || status=$?; } 2>/dev/null
            ((status != 137)) || killed=$((killed + 1))
            run -0 runuk delete --force web
            equal "$name $n: $output" "$name $n: "
            eventually 5 all_gone || {
                echo "killed at $name $n"
                return 1
            }
        done
    done < <(changing_calls calls)
    echo "# $killed of $all calls were killed" >&3
    ((killed > 5 && killed * 10 >= all * 9))
}

# Is no process left with the command line $1?
ended_all() {
    ! pgrep -x -f "$1"
}

in_network() {
    nsenter -t "$1" -n "${@:2}"
}

own_network() {
    [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]
}

# The interfaces in the network of process $1, and the filters on them.
links() {
    local link
    in_network "$1" ip -o link | awk '{ print $2, $3 }'
    for link in eth0 far0; do
        in_network "$1" tc filter show dev "$link" ingress
    done
}

# Nothing is left here, nor in the network that the test uses.
all_gone() {
    no_traces && { [[ -z ${network:-} ]] || diff links <(links "$network"); }
}

nothing() {
    :
}

created() {
    create web
}

running() {
    launch web
}

@test "fifty creates of one id at once: one wins, the others say why, and it works" {
    local i pids=() won=0
    bundle web exit 0
    for i in {1..50}; do
        background runuk create --bundle web --pid-file "pid.$i" web >"out.$i" 2>&1 </dev/null
        pids+=("$job")
    done
    for i in {1..50}; do
        wait_job "${pids[i - 1]}"
        if ((status == 0)); then
            won=$((won + 1))
            equal "$(cat "pid.$i")" "$(field web .pid)"
            equal "$(cat "out.$i")" ''
        else
            equal "$status $(cat "out.$i")" "1 runuk: container with given ID already exists: 'web'"
            [[ ! -e pid.$i ]]
        fi
    done
    equal "$won" 1
    equal "$(runuk list -q)" web
    runuk start web
    becomes web stopped
    runuk delete web
    no_traces
}

@test "fifty creates of one id, starts and forced deletes of it, all at once: each ends in its own words, and nothing is left" {
    local i job pids=() round
    bundle web time wait
    for round in {1..3}; do
        pids=()
        for i in {1..50}; do
            background runuk create --bundle web web >"create.$round.$i" 2>&1 </dev/null
            pids+=("$job")
            if ((i % 3 == 0)); then
                background runuk start web >"start.$round.$i" 2>&1 </dev/null
                pids+=("$job")
            fi
            if ((i % 5 == 0)); then
                background runuk delete --force web >"delete.$round.$i" 2>&1 </dev/null
                pids+=("$job")
            fi
        done
        for job in "${pids[@]}"; do
            wait_job "$job"
            ((status < 2))
        done
        run -0 runuk delete --force web
        equal "$output" ''
        eventually 5 no_traces
    done
    equal "$(cat delete.*)" ''
    run grep -hvxE "waiting|runuk: container with given ID already exists: 'web'" create.* # of the guest, and of those who came late
    equal "$output" ''
    run grep -hvxE "((runuk: |time=.*msg=\")container.* does not exist.*|runuk: start container 'web': (cannot start a.*|the container's .*|reach the .*))" start.*
    equal "$output" ''
    bundle web exit 0
    launch web
    becomes web stopped
}

@test "thirty containers created, started and deleted at once" {
    local i jobs=()
    bundle web exit 0
    for i in {1..30}; do
        cp -r web "web$i"
        config "web$i" '.linux.cgroupsPath += $i' --arg i "$i"
        background launch "web$i"
        jobs+=("$job")
    done
    for i in "${jobs[@]}"; do
        wait_job "$i"
        equal "$status" 0
    done
    equal "$(runuk list -q | wc -l)" 30
    jobs=()
    for i in {1..30}; do
        background runuk delete --force "web$i"
        jobs+=("$job")
    done
    for i in "${jobs[@]}"; do
        wait_job "$i"
        equal "$status" 0
    done
    no_traces
}

@test "a create killed while a hook runs: state says so, the hook ends, delete --force clears" {
    local long=600.$$
    bundle web exit 0
    mkfifo told
    # A hook that says so and then waits for ever; the container's own process waits for it.
    config web '.hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "echo >\($fifo); exec sleep \($long)"]}]' \
        --arg fifo "$PWD/told" --arg long "$long"
    "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle web web >out 2>&1 </dev/null 3>&- &
    job=$!
    read -r -t 10 <told
    is web creating
    kill -KILL "$job"
    { wait "$job" || :; } 2>/dev/null
    run -0 runuk delete --force web
    eventually 5 no_traces
    eventually 5 ended_all "sleep $long"
}

@test "a create killed at any system call leaves nothing behind delete --force" {
    bundle web exit 0
    sweep nothing create --bundle web web
}

@test "a create with a user namespace killed at any system call leaves nothing behind delete --force" {
    bundle web exit 0
    config web '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
        | .linux.gidMappings = .linux.uidMappings'
    sweep nothing create --bundle web web
}

@test "a start killed at any system call leaves no tap and no filter in a network that lives on" {
    local holder
    bundle web net
    background unshare -n sleep 600
    holder=$job
    eventually 5 own_network "$holder"
    in_network "$holder" ip link add eth0 type veth peer name far0
    in_network "$holder" ip addr add 10.9.8.7/24 dev eth0
    in_network "$holder" ip link set eth0 up
    in_network "$holder" ip link set far0 up
    config web '(.linux.namespaces[] | select(.type == "network")).path = "/proc/\($pid)/ns/net"' --arg pid "$holder"
    links "$holder" >links
    network=$holder
    sweep created start web
}

@test "a delete killed at any system call is finished by the next one" {
    bundle web time wait
    sweep running delete --force web
}
