#!/usr/bin/env bats
# The systemd cgroup driver: a container is a unit, as it is with runc, limited by properties and files, and nothing of it is
# left.

# shellcheck disable=SC2154 # run sets output and stderr, background sets job

load oci
load systemd

setup_file() {
    systemd_up
}

teardown_file() {
    systemd_down
}

setup() {
    oci_setup
}

teardown() {
    if [[ -n ${other:-} ]]; then inside systemctl stop "$other" || :; fi
    oci_teardown
    if [[ -n ${second:-} ]]; then systemd_down; fi
}

# What a unit says, but for who it is and what it has used; and but for DeviceAllow, to which runc adds the devices that it
# makes for every container.
comparable() {
    inside systemctl show "$1" | LC_ALL=C sort | grep -Ev "^(DeviceAllow|Id|Names|Description|InvocationID|ControlGroup|ControlGroupId|\
FragmentPath|DropInPaths|[A-Za-z]*(Timestamp|TimestampMonotonic)|(Memory|Tasks)(Current|Peak|Available)|CPUUsageNSec|\
IP(Ingress|Egress)(Bytes|Packets)|IO(Read|Write)(Bytes|Operations)|NeedDaemonReload|Transient|Effective[A-Za-z]*)="
}

# everything_limited ID: a limit of every kind, and device rules.
everything_limited() {
    config "$1" '.linux.resources = {
        memory: {limit: 67108864, swap: 100663296, reservation: 50331648},
        cpu: {shares: 512, quota: 50000, period: 100000, cpus: "0", mems: "0"},
        pids: {limit: 50},
        devices: [
            {allow: false, access: "rwm"},
            {allow: true, type: "c", major: 1, minor: 3, access: "rwm"},
            {allow: true, type: "c", major: 136, access: "rw"}
        ]}'
}

# check_files ID MEMORY PIDS WEIGHT SHARES: what the cgroup's files say, in v2's or v1's words.
check_files() {
    if unified; then
        equal "$(limit "$1" memory.max) $(limit "$1" pids.max) $(limit "$1" cpu.weight)" "$2 $3 $4"
    else
        equal "$(limit "$1" memory.limit_in_bytes) $(limit "$1" pids.max) $(limit "$1" cpu.shares)" "$2 $3 $5"
    fi
}

@test "a container is a scope: named, placed, delegated, described, and gone with delete" {
    unit_bundle web time wait
    create web
    equal "$(property web ActiveState) $(property web SubState)" 'active running'
    equal "$(property web Slice) $(property web Delegate)" 'runuk-tests.slice yes'
    equal "$(property web ControlGroup)" "/runuk.slice/runuk-tests.slice/$(unit web)"
    [[ $(property web Description) == 'runuk container web, created 20'* ]]
    equal "$(property web MemoryAccounting) $(property web TasksAccounting) $(property web CPUAccounting)" 'yes yes yes'
    local dir
    unified && dir=$(directory web -) || dir=$(directory web systemd)
    equal "$(inside cat "$dir/cgroup.procs")" "$(field web .pid)"
    runuk start web
    is web running
    run -1 runuk delete web
    said 'not stopped'
    equal "$(property web ActiveState)" active
    runuk kill web KILL
    becomes web stopped
    runuk delete web
    no_traces
}

@test "run, and a guest that ends by itself" {
    unit_bundle web exit 7
    run -7 runuk run --bundle web web
    no_traces
}

@test "the unit says the same as runc's for the same limits, before and after the same update" {
    local name
    unit_bundle web time wait
    linux_bundle linux busybox sleep 600
    config linux '.linux.cgroupsPath = "runuk-tests.slice:\($tag):linux"' --arg tag "$TAG"
    everything_limited web
    everything_limited linux
    create web
    inside runc --root "$ROOT" --systemd-cgroup create --bundle linux linux </dev/null >linux.out 2>&1 || {
        cat linux.out
        return 1
    }
    comparable "$(unit linux)" >theirs
    comparable "$(unit web)" >ours
    diff theirs ours
    # In the same places, under every controller but one that not every runc knows.
    diff <(inside cat "/proc/$(inside runc --root "$ROOT" state linux | jq .pid)/cgroup" | sed 's/-linux/-web/' | grep -v misc) \
        <(inside cat "/proc/$(field web .pid)/cgroup" | grep -v misc)
    for name in web linux; do
        runuk update --memory 96m --memory-swap 128m --pids-limit 60 --cpu-share 1024 --cpu-quota 60001 "$name"
    done
    comparable "$(unit linux)" >theirs
    comparable "$(unit web)" >ours
    diff theirs ours
    runuk delete --force linux
    runuk delete --force web
    no_traces
}

@test "limits stand in the cgroup's files too, change with update, and survive a daemon-reload" {
    unit_bundle web time wait
    everything_limited web
    create web
    check_files web 67108864 50 20 512
    runuk start web
    runuk update --memory 96m --memory-swap 128m --pids-limit 60 --cpu-share 1024 web
    check_files web 100663296 60 39 1024
    inside systemctl daemon-reload
    check_files web 100663296 60 39 1024
    equal "$(property web TasksMax)" 60
    run -1 runuk update --memory 1m web
    said 'is less than guest and monitor need'
    equal "$(property web TasksMax)" 60
    runuk delete --force web
    no_traces
}

@test "device rules: systemd knows them, and what it cannot know holds all the same" {
    unit_bundle web time wait
    everything_limited web
    create web
    equal "$(property web DevicePolicy)" strict
    [[ $(property web DeviceAllow) == *'/dev/char/1:3 rwm'* && $(property web DeviceAllow) == *'char-pts rw'* ]]
    runuk delete --force web
    # All but one device: no property says that.
    config web '.linux.resources.devices = [{allow: true, access: "rwm"}, {allow: false, type: "c", major: 1, minor: 5, access: "r"}]
        | .hooks.startContainer = [{path: "/bin/busybox", args: ["sh", "-c", "true </dev/full && ! true </dev/zero && true >/dev/zero"]}]
        | .mounts = []'
    mkdir -p web/rootfs/bin web/rootfs/dev
    cp "$(type -P busybox)" web/rootfs/bin/busybox
    mknod web/rootfs/dev/full c 1 7
    mknod web/rootfs/dev/zero c 1 5
    create web
    if unified; then equal "$(property web DevicePolicy)" auto; else equal "$(property web DevicePolicy)" strict; fi
    runuk start web
    runuk delete --force web
    no_traces
}

@test "without a cgroupsPath it is runc-ID.scope in system.slice; '-' is the root slice; a prefix may be empty" {
    unit_bundle web time wait
    config web 'del(.linux.cgroupsPath)'
    runuk create --bundle web "$TAG" >web.out 2>&1 </dev/null
    equal "$(inside systemctl show --value -p ControlGroup "runc-$TAG.scope")" "/system.slice/runc-$TAG.scope"
    runuk delete --force "$TAG"
    config web '.linux.cgroupsPath = "-:\($tag):web"' --arg tag "$TAG"
    create web
    equal "$(property web ControlGroup) $(property web Slice)" "/$(unit web) -.slice"
    runuk delete --force web
    config web '.linux.cgroupsPath = "system.slice::\($tag)"' --arg tag "$TAG"
    create web
    equal "$(inside systemctl show --value -p ControlGroup -- "-$TAG.scope")" "/system.slice/-$TAG.scope"
    runuk delete --force web
    equal "$(inside systemctl list-units --all --plain --no-legend "*$TAG*")" ''
    no_traces
}

@test "a name that ends in .slice is a slice unit, with the guest in it" {
    local slice=runuk-${TAG//-/_}.slice
    unit_bundle web time wait
    config web '.linux.cgroupsPath = ":ignored:\($slice)" | .linux.resources.pids.limit = 50' --arg slice "$slice"
    create web
    runuk start web
    equal "$(inside systemctl show --value -p ControlGroup "$slice")" "/runuk.slice/$slice"
    equal "$(inside systemctl show --value -p TasksMax "$slice")" 50
    local dir=/sys/fs/cgroup/pids
    if unified; then dir=/sys/fs/cgroup; fi
    equal "$(inside cat "$dir/runuk.slice/$slice/cgroup.procs")" "$(field web .pid)"
    runuk delete --force web
    equal "$(inside systemctl list-units --all --plain --no-legend "$slice")" ''
    inside test ! -e "$dir/runuk.slice/$slice"
    no_traces
}

@test "what is no unit's path is one line, and nothing is left" {
    local path
    unit_bundle web time wait
    while IFS='|' read -r path text; do
        config web '.linux.cgroupsPath = $path' --arg path "$path"
        run -1 create web
        equal "${#lines[@]}" 1
        said "runuk: create container 'web': $text"
        no_traces
    done <<'PATHS'
/docker/web|use cgroupsPath '/docker/web': with the systemd cgroup driver it is "slice:prefix:name"
a:b:c:d|use cgroupsPath 'a:b:c:d'
system:p:web|use slice 'system': it is not called NAME.slice
a--b.slice:p:web|use slice 'a--b.slice': a level of it has no name
a.slice:p:../web|use unit name 'p-../web.scope': systemd allows no '/' in it
a.slice:p:b-c.slice|use cgroupsPath: the slice 'b-c.slice' lies in 'b.slice', not in 'a.slice'
PATHS
}

@test "annotations set what restricts the unit; any other is refused by name" {
    unit_bundle web time wait
    config web '.annotations = {
        "org.systemd.property.TimeoutStopUSec": "uint64 123456789",
        "org.systemd.property.RuntimeMaxSec": "600",
        "org.systemd.property.CollectMode": "'"'inactive-or-failed'"'",
        "org.systemd.property.After": "['"'basic.target'"']"}'
    create web
    equal "$(property web TimeoutStopUSec) $(property web RuntimeMaxUSec) $(property web CollectMode)" \
        '2min 3.456789s 10min inactive-or-failed'
    [[ $(property web After) == *basic.target* ]]
    runuk delete --force web
    config web '.annotations = {"org.systemd.property.FailureAction": "'"'reboot'"'"}'
    run -1 create web
    said "annotation 'org.systemd.property.FailureAction': no annotation may set that property of a unit"
    config web '.annotations = {"org.systemd.property.TimeoutStopUSec": "soon"}'
    run -1 create web
    said "annotation 'org.systemd.property.TimeoutStopUSec': 'soon' is no GVariant text of the type 't'"
    config web '.annotations = {"org.systemd.property.CollectMode": "'"'never'"'"}'
    run -1 create web
    equal "${#lines[@]}" 1
    said "start unit '$(unit web)': "
    no_traces
}

@test "a name that is taken: its owner goes on, whatever becomes of the newcomer" {
    unit_bundle web time wait
    other=$(unit web)
    inside systemd-run --scope --unit="$other" --slice=runuk-tests.slice --description=another sleep 600 </dev/null >scope.out 2>&1 &
    eventually 10 is_active "$other"
    run -1 create web
    said "start unit '$other': "
    equal "$(property web ActiveState) $(property web Description)" 'active another'
    equal "$(find "$ROOT" -mindepth 1 -maxdepth 1 -not -name ".runuk-*")" ''
    # A create that was killed between its record and the refusal leaves just that record.
    mkdir -p "$ROOT"
    chmod 700 "$ROOT"
    config web '.linux.cgroupsPath = "runuk-tests.slice:\($tag):mine"' --arg tag "$TAG"
    create web
    runuk kill web KILL
    becomes web stopped
    jq --arg unit "$other" '.unit.name as $own | .unit.name = $unit | .cgroups |= map(sub($own; $unit))' \
        "$ROOT/web/runuk.json" >record
    local own
    own=$(jq -r .unit.name "$ROOT/web/runuk.json")
    cp record "$ROOT/web/runuk.json"
    runuk delete --force web
    equal "$(property web ActiveState) $(property web Description)" 'active another'
    inside systemctl stop "$other" "$own" || :
    other=
    # The directories of the made-up record are those of hierarchies that systemd does not keep.
    inside find /sys/fs/cgroup -depth -type d -name "$TAG*" -exec rmdir {} +
}

is_active() {
    inside systemctl is-active "$1"
}

@test "a failed unit of that name is in nobody's way, and delete leaves none" {
    unit_bundle web time wait
    config web '.annotations = {"org.systemd.property.RuntimeMaxUSec": "uint64 300000"}'
    create web
    becomes web stopped # systemd has ended it
    eventually 10 unit_is web failed
    rm -rf "${ROOT:?}/web"
    config web 'del(.annotations)'
    create web
    unit_is web active
    runuk delete --force web
    config web '.annotations = {"org.systemd.property.RuntimeMaxUSec": "uint64 300000"}'
    create web
    eventually 10 unit_is web failed
    runuk delete web
    no_traces
}

unit_is() {
    local state
    state=$(property "$1" ActiveState)
    echo "$1 is $state"
    [[ $state == "$2" ]]
}

@test "pause, resume, ps, events, kill, and delete --force of a paused one" {
    unit_bundle web time wait
    launch web
    runuk pause web
    is web paused
    equal "$(property web ActiveState)" active
    runuk resume web
    is web running
    equal "$(runuk ps --format json web)" "[$(field web .pid)]"
    equal "$(runuk events --stats web | jq -r '.type, (.data.memory.usage.usage > 0)' | paste -sd ' ')" 'stats true'
    runuk pause web
    runuk delete --force web
    no_traces
}

@test "hooks find the process in its unit" {
    unit_bundle web exit 0
    config web '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "cat /proc/$(jq .pid)/cgroup >\($out)"], env: ["PATH=/bin:/usr/bin"]}]' \
        --arg out "$PWD/seen"
    create web
    file_has seen "/runuk.slice/runuk-tests.slice/$(unit web)"
    runuk delete --force web
    no_traces
}

@test "an ordinary container goes to runc, with its driver" {
    linux_bundle linux busybox cat /proc/self/cgroup
    config linux '.linux.cgroupsPath = "runuk-tests.slice:\($tag):linux"' --arg tag "$TAG"
    run -0 runuk run --bundle linux linux
    said "/runuk.slice/runuk-tests.slice/$(unit linux)"
    no_traces
}

@test "twenty at once" {
    local i jobs=()
    unit_bundle web exit 0
    for i in {1..20}; do
        cp -r web "web$i"
        config "web$i" '.linux.cgroupsPath += $i' --arg i "$i"
        background launch "web$i"
        jobs+=("$job")
    done
    for i in "${jobs[@]}"; do
        wait_job "$i"
        equal "$status" 0
    done
    jobs=()
    for i in {1..20}; do
        background runuk delete --force "web$i"
        jobs+=("$job")
    done
    for i in "${jobs[@]}"; do
        wait_job "$i"
        equal "$status" 0
    done
    no_traces
}

# hidden COMMAND…: where /run/systemd is empty.
hidden() {
    # shellcheck disable=SC2016 # the inner shell's
    inside unshare -m sh -c 'mount -t tmpfs none /run/systemd && exec "$@"' sh "$@"
}

@test "no systemd, no runuk-scope, no answer: one line each, and nothing is left" {
    unit_bundle web time wait
    local call=("$RUNUK" --root "$ROOT" --settings "$SETTINGS" --systemd-cgroup)
    run -1 hidden "${call[@]}" create --bundle web web
    equal "${#lines[@]}" 1
    said "runuk: create container 'web': use the systemd cgroup driver: systemd is not this host's init"
    equal "$(hidden "${call[@]}" features | jq -c '[.runuk.cgroup.systemd, .runuk.cgroup.systemdUser]')" '[false,false]'
    no_traces
    # A folder with monitors and nothing else.
    mkdir monitors
    ln "$BUILD/runuk-spt" monitors/ 2>/dev/null || cp "$BUILD/runuk-spt" monitors/
    settings '.monitor_dir = $dir' --arg dir "$PWD/monitors"
    run -1 runuk create --bundle web web
    equal "${#lines[@]}" 1
    said "there is no '$PWD/monitors/runuk-scope': install runuk, or set \"monitor_dir\" in its settings"
    equal "$(runuk features | jq .runuk.cgroup.systemd)" false
    no_traces
    settings '.monitor_dir = $dir' --arg dir "$BUILD"
    runuk features | jq -e '.runuk.cgroup.systemd and
        (.potentiallyUnsafeConfigAnnotations | contains(["org.runuk.network-mode", "org.systemd.property."]))' >/dev/null
    # Signs of a systemd that is not there.
    # shellcheck disable=SC2016 # the inner shell's
    run -1 inside unshare -m sh -c 'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$@"' sh \
        "${call[@]}" create --bundle web web
    said 'connect to systemd: '
    no_traces
}

@test "an ordinary user needs cgroup v2 for it, and is told" {
    if unified; then skip "this machine's controllers are all in cgroup v2"; fi
    unit_bundle web hello
    mkdir -m 0777 users
    chmod a+x "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
    run -1 inside setpriv --reuid 12345 --regid 12345 --clear-groups --inh-caps=-all --bounding-set=-all \
        "$RUNUK" --root "$PWD/users/root" --settings "$SETTINGS" --systemd-cgroup create --bundle web web
    equal "${#lines[@]}" 1
    said "use the systemd cgroup driver without privileges: it needs cgroup v2, and this host has v1"
    equal "$(find users/root -mindepth 1 -not -name ".runuk-*")" ''
}

@test "cgroup v1 alone" {
    if unified; then skip "this machine's controllers are all in cgroup v2"; fi
    if [[ -z $SYSTEMD_DIR ]]; then skip "the machine's own systemd was told at boot which cgroups to use"; fi
    second=yes
    systemd_up --v1 # beside the file's own, which other tests still need
    inside test ! -e /sys/fs/cgroup/unified
    unit_bundle web time wait
    everything_limited web
    create web
    check_files web 67108864 50 20 512
    equal "$(property web MemoryLimit) $(property web TasksMax) $(property web CPUShares)" '67108864 50 512'
    runuk start web
    runuk pause web
    is web paused
    runuk resume web
    runuk update --pids-limit 60 web
    equal "$(property web TasksMax) $(limit web pids.max)" '60 60'
    runuk delete --force web
    no_traces
}
