# Loaded by the *-faults.bats files, after oci.bash: a container's life, ended at every fault point of the sources (lib/fault.h) that
# it comes by. The file says what lives there are: life NAME sets `verbs` to the calls that the container goes through, and makes
# what they need.
# shellcheck shell=bash
# shellcheck disable=SC2154 # run sets output, background sets job

FAULTS=$BUILD/faults/runuk

# Who calls, with what global options: a file or a life may change them. APART is not empty where a part of the work is done by
# other processes.
BY=(timeout -k 5 30)
OPTIONS=()
APART=

faults_setup() {
    oci_setup
    mkdir place # where the caller's files go: the pid file
    network=
}

runuk() {
    "${BY[@]}" "$RUNUK" --root "$ROOT" --settings "$SETTINGS" "${OPTIONS[@]}" "$@" 3>&-
}

# --- what lives are made of --------------------------------------------------------------------------------------------------

# One of each kind.
hooks() {
    config web '.hooks = ([$ARGS.positional[] | {key: ., value: [{path: "/bin/true"}]}] | from_entries)' \
        --args prestart createRuntime createContainer poststart poststop
    cp "$(type -P busybox)" web/rootfs/true
    config web '.hooks.startContainer = [{path: "/true"}]'
}

# A network that lives on: `network` is the process that holds it, `links` what is in it.
joined() {
    if [[ -z $network ]]; then
        background unshare -n sleep 600
        network=$job
        eventually 5 own_network "$network"
        furnish
    fi
    config web '(.linux.namespaces[] | select(.type == "network")).path = "/proc/\($pid)/ns/net"' --arg pid "$network"
}

# A link with an address.
furnish() {
    in_network ip link add eth0 type veth peer name far0
    in_network ip addr add 10.9.8.7/24 dev eth0
    in_network ip link set eth0 up
    in_network ip link set far0 up
    eventually 5 settled
    links >links
}

in_network() {
    nsenter -t "$network" -n "$@"
}

own_network() {
    [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]
}

settled() {
    in_network ip -j link show dev eth0 | jq -e '.[0].operstate == "UP"'
}

# Interfaces with their masters, qdiscs, filters; the ports that may be reserved for a relay.
links() {
    in_network ip -j link | jq -c '.[] | [.ifname, .master, .ifalias]'
    in_network tc qdisc show
    in_network tc filter show dev eth0 ingress
    in_network cat /proc/sys/net/ipv4/ip_local_port_range
}

# --- calls ------------------------------------------------------------------------------------------------------------------

# The command line of a verb of `verbs`.
words() {
    case $1 in
        update) echo "update --pids-limit 77 web" ;;
        create | run) echo "$1 --bundle web --pid-file place/pid web" ;;
        kill) echo 'kill web KILL' ;;
        *) echo "$1 web" ;;
    esac
}

# call PROGRAM VERB [VARIABLE…]: bounded; its status is in $status, what it says in the file said. A killed one is not a matter for
# the shell to talk about.
call() {
    local program=$1 words
    read -ra words <<<"$(words "$2")"
    status=0
    {
        "${BY[@]}" env "RUNUK_TEST=$TAG" "${@:3}" "$program" --root "$ROOT" --settings "$SETTINGS" "${OPTIONS[@]}" "${words[@]}" \
            >said 2>&1 </dev/null 3>&- || status=$?
    } 2>/dev/null
    # What a kill does takes a moment, and plain delete wants it done.
    [[ $2 != kill || $status != 0 ]] || becomes web stopped >/dev/null
}

# The points in a log, each once.
passed() {
    tr '\0' '\n' <"$1" | grep -axE '[a-z]+:[A-Za-z-]+' | LC_ALL=C sort -u
}

fired() {
    passed log | grep -qx -- "$1"
}

# points: lines "VERB-INDEX POINT" for all that the life in `verbs` comes by. What the container's process comes by is logged
# where it was made, in create.
points() {
    local i point
    for i in "${!verbs[@]}"; do
        rm -f log
        call "$FAULTS" "${verbs[i]}" RUNUK_FAULT_LOG=log
        mv log "log.$i"
    done
    for i in "${!verbs[@]}"; do
        for point in $(passed "log.$i"); do echo "$i $point"; done
    done
    runuk delete --force web >/dev/null 2>&1 || :
    rm -f place/pid
}

# upto INDEX POINT ACTION: the calls before INDEX, then that one with the fault, and when the point is one that the container's
# process comes by later, the calls after it until then. Fails when the point is never come by.
upto() {
    local i
    rm -f log
    for ((i = 0; i < $1; i++)); do call "$RUNUK" "${verbs[i]}"; done
    call "$FAULTS" "${verbs[$1]}" "RUNUK_FAULT=$2" "RUNUK_FAULT_ACTION=$3" RUNUK_FAULT_LOG=log
    for ((i = $1 + 1; i < ${#verbs[@]}; i++)); do
        ! fired "$2" || return 0
        call "$RUNUK" "${verbs[i]}"
    done
    fired "$2"
}

# The processes that a call has made and that have not become something else: they have its environment.
made() {
    local file pid
    for file in $(grep -lasF "RUNUK_TEST=$TAG" /proc/[0-9]*/environ); do
        pid=${file#/proc/}
        pid=${pid%/environ}
        if lives "$pid"; then echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"; fi
    done
}

# Nothing of the container is left anywhere, hooks and the caller's directory included.
all_gone() {
    no_traces
    equal "$(made)" ''
    if [[ -n $network ]]; then diff links <(links); fi
    equal "$(find place -mindepth 1 -not -name pid)" ''
}

# cleared WHAT: delete --force makes it so, without a word.
cleared() {
    run runuk delete --force web
    equal "$1: $status $output" "$1: 0 "
    eventually 5 all_gone || {
        echo "left behind by: $1"
        return 1
    }
    rm -f place/pid
}

# sources PATTERN: the points of the sources that the expression fits, as a list.
sources() {
    (cd "$TOP" && grep -ohE 'RK_FAULT\("[^"]*"\)' -- */*.c */*/*.c) | cut -d'"' -f2 | grep -E -- "$1" | LC_ALL=C sort
}

# covered PATTERN LIFE…: those of the sources are those that the lives come by.
covered() {
    local name
    : >all
    for name in "${@:2}"; do
        life "$name"
        points >>all
        cleared "$name without a fault"
    done
    diff <(sources "$1") <(cut -d' ' -f2 all | grep -E -- "$1" | LC_ALL=C sort -u)
}

# sweep LIFE ACTION [PATTERN]: every point of that life, or those that the pattern fits.
sweep() {
    local index point count=0
    life "$1"
    [[ -e points.$1 ]] || {
        points >"points.$1"
        cleared "$1 without a fault"
    }
    while read -r index point; do
        # shellcheck disable=SC2053 # it is a pattern
        [[ $point == ${3:-*} ]] || continue
        count=$((count + 1))
        upto "$index" "$point" "$2" || {
            echo "$1, ${verbs[index]}: $point is not come by"
            return 1
        }
        "after_$2" "$1, ${verbs[index]}, $point"
        cleared "$1, ${verbs[index]}, $point ($2)"
    done <"points.$1"
    echo "# $1${3:+, $3}: $count points" >&3
    ((count > 0))
}

# Whoever came by has been killed: runuk itself, or the first process, which runuk then reports in a line.
after_kill() {
    case $1 in
        *' init:'* | *' middle:'* | *' visitor:'*) ((status < 2)) || equal "$1: $status" "$1: 137" ;;
        *)
            [[ -n $APART && $status == 1 ]] || equal "$1: $status" "$1: 137"
            ;;
    esac
}

# The container's process ended under runuk's hands: a verb fails in a line of its own, or has done its work.
after_process() {
    ((status == 0)) || {
        equal "$1: $status $(wc -l <said)" "$1: 1 1"
        grep -q '^runuk: ' said
    }
}

# until_waiting POINT: the calls up to the one at which the first process comes to POINT and stays; it is in $job.
until_waiting() {
    local i armed words
    rm -f log
    for i in "${!verbs[@]}"; do
        armed=()
        ((i > 0)) || armed=("RUNUK_FAULT=$1" RUNUK_FAULT_ACTION=wait RUNUK_FAULT_LOG=log)
        read -ra words <<<"$(words "${verbs[i]}")"
        background env "RUNUK_TEST=$TAG" "${armed[@]}" "$FAULTS" --root "$ROOT" --settings "$SETTINGS" "${words[@]}" >said 2>&1 </dev/null
        eventually 10 fired_or_ended "$1" "$job"
        ! fired "$1" || return 0
        wait "$job" || :
    done
    return 1
}

fired_or_ended() {
    fired "$1" || ! lives "$2"
}

# stays LIFE: runuk is killed while the first process is at any point, and stays there.
stays() {
    local point count=0
    life "$1"
    points >every
    cut -d' ' -f2 every | grep '^init:' | LC_ALL=C sort -u >all
    cleared "$1 without a fault"
    while read -r point; do
        until_waiting "$point"
        kill -KILL "$job" 2>/dev/null || : # at some points nobody waits for the first process any more
        { wait "$job" || :; } 2>/dev/null
        cleared "$1, $point (wait)"
        count=$((count + 1))
    done <all
    echo "# $1, init: $count points" >&3
    ((count > 8))
}
