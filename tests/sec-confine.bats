#!/usr/bin/env bats
# What a guest that broke out of its monitor would find: no privilege, no file, no name, nothing but the descriptors that the
# guest has anyway. Looked at from outside, in /proc, while the guest runs.

load oci

setup() {
    oci_setup
    MADE_NETNS=
}

teardown() {
    local status=0
    oci_teardown || status=$?
    [[ -z $MADE_NETNS ]] || ip netns del "$MADE_NETNS"
    return "$status"
}

# waiting ID: a guest without devices that runs. serving ID: one with a network device.
waiting() {
    bundle "$1" time wait
    launch "$1"
    prints "$1" waiting
}

serving() {
    bundle "$1" net
    launch "$1"
    prints "$1" ready
}

pid_of() {
    field "$1" .pid
}

# status_is PID KEY VALUE: of /proc/PID/status, with blanks squeezed.
status_is() {
    equal "$2: $(sed -n "s/^$2:\t*//p" "/proc/$1/status" | tr -s '\t ' '  ' | sed 's/ *$//')" "$2: $3"
}

# What is behind each descriptor, sorted by number: "0 /dev/null", …
descriptors() {
    local fd
    for fd in $(cd "/proc/$1/fd" && printf '%s\n' * | sort -n); do
        echo "$fd $(readlink "/proc/$1/fd/$fd")"
    done
}

ns_of() {
    readlink "/proc/$1/ns/$2"
}

has_no_power() {
    local pid=$1 uid=$2 gid=$3 set
    status_is "$pid" Seccomp 2
    status_is "$pid" NoNewPrivs 1
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do status_is "$pid" "$set" 0000000000000000; done
    status_is "$pid" Uid "$uid $uid $uid $uid"
    status_is "$pid" Gid "$gid $gid $gid $gid"
    status_is "$pid" Groups ''
    status_is "$pid" Threads 1
}

@test "no capability in any set, no user, no group, no new privileges, seccomp" {
    local guest
    for guest in waiting serving; do
        "$guest" "$guest"
        has_no_power "$(pid_of "$guest")" 65534 65534
    done
}

@test "the user of the spec counts, and instead of root that of the settings" {
    bundle a time wait
    config a '.process.user = {uid: 1234, gid: 5678}'
    # The caller's groups are none of the guest's.
    timeout -k 5 60 setpriv --groups 0,10,20 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --detach \
        --bundle "$BATS_TEST_TMPDIR/a" a </dev/null >a.out 2>&1 3>&-
    prints a waiting
    has_no_power "$(pid_of a)" 1234 5678
    settings '.uid = 4242 | .gid = 2424'
    waiting b
    has_no_power "$(pid_of b)" 4242 2424
}

@test "namespaces: new ones where the spec says so, the one that it names, and always new mounts" {
    local pid ns
    MADE_NETNS=$TAG
    ip netns add "$MADE_NETNS"
    bundle a time wait
    config a '(.linux.namespaces[] | select(.type == "network")).path = $path
        | .linux.namespaces += [{type: "cgroup"}]' --arg path "/run/netns/$MADE_NETNS"
    launch a
    prints a waiting
    pid=$(pid_of a)
    for ns in mnt pid ipc uts cgroup; do [[ $(ns_of "$pid" "$ns") != "$(ns_of self "$ns")" ]]; done
    equal "$(ns_of "$pid" net)" "net:[$(stat -Lc %i "/run/netns/$MADE_NETNS")]"
    # None asked for: the host's, but never the host's mounts.
    bundle b time wait
    config b '.linux.namespaces = []'
    launch b
    prints b waiting
    pid=$(pid_of b)
    for ns in pid ipc uts net cgroup; do equal "$(ns_of "$pid" "$ns")" "$(ns_of self "$ns")"; done
    [[ $(ns_of "$pid" mnt) != "$(ns_of self mnt)" ]]
}

root_is_empty() {
    equal "$(find "/proc/$1/root/" -mindepth 1)" ''
    equal "$(readlink "/proc/$1/cwd")" /
    equal "$(wc -l <"/proc/$1/mountinfo")" 1
}

@test "the root is empty, read-only and the only mount, and nothing propagates to it" {
    local pid
    waiting a
    pid=$(pid_of a)
    root_is_empty "$pid"
    run cat "/proc/$pid/mountinfo"
    said ' / / ro,nosuid,nodev,noexec'
    said ' - tmpfs '
    said_not shared:
    said_not master:
    run touch "/proc/$pid/root/file"
    ended 1
    said 'Read-only file system'
    [[ $(stat -Lc '%d' "/proc/$pid/root") != "$(stat -c '%d' a/rootfs)" ]]
}

@test "the root is as empty when the host's mounts are shared" {
    bundle a time wait
    timeout 60 unshare -m --propagation shared bash -c '
        "$2" --root "$3" --settings "$4" run --detach --bundle "$1" a </dev/null >a.out 2>&1
        wc -l </proc/self/mountinfo >mounts.after' bash "$BATS_TEST_TMPDIR/a" "$RUNUK" "$ROOT" "$SETTINGS" 3>&-
    prints a waiting
    root_is_empty "$(pid_of a)"
    equal "$(<mounts.after)" "$(wc -l </proc/self/mountinfo)"
}

@test "the descriptors are those of the guest: console, event set, timer, devices" {
    waiting a
    equal "$(descriptors "$(pid_of a)")" "0 /dev/null
1 $BATS_TEST_TMPDIR/a.out
2 $BATS_TEST_TMPDIR/a.out
4 anon_inode:[eventpoll]
5 anon_inode:[timerfd]"
    serving b
    equal "$(descriptors "$(pid_of b)")" "0 /dev/null
1 $BATS_TEST_TMPDIR/b.out
2 $BATS_TEST_TMPDIR/b.out
4 /dev/net/tun
5 anon_inode:[eventpoll]
6 anon_inode:[timerfd]"
}

# leak COMMAND…: with descriptors 3 to 20 open on things that nobody should get, and a directory as the cwd.
leak() {
    (
        cd / || exit
        exec 3</ 4</etc/passwd 5</proc/self/ns/net 6<>"$BATS_TEST_TMPDIR/secret" 7<"$BATS_TEST_TMPDIR" 8</dev/zero 9</etc
        exec 10<&3 11<&3 12<&3 13<&3 14<&3 15<&3 16<&3 17<&3 18<&3 19<&3 20<&3
        timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" "$@" </dev/null >"$BATS_TEST_TMPDIR/a.out" 2>&1
    )
}

@test "descriptors that the caller leaks reach neither the waiting process nor the monitor" {
    local pid line
    bundle a time wait
    leak create --bundle "$BATS_TEST_TMPDIR/a" a
    pid=$(pid_of a)
    while read -r line; do
        case ${line#* } in
            /dev/null | "$BATS_TEST_TMPDIR/a.out" | socket:* | "$BUILD/runuk-spt" | "$BATS_TEST_TMPDIR/a/rootfs/guest") ;;
            "$BATS_TEST_TMPDIR/a/rootfs" | /) false ;;
            *) equal "$line" '' ;;
        esac
    done < <(descriptors "$pid")
    leak start a
    prints a waiting
    equal "$(descriptors "$pid" | cut -d ' ' -f 1 | tr '\n' ' ')" '0 1 2 4 5 '
    equal "$(readlink "/proc/$pid/cwd")" /
}

@test "a caller that has closed its standard descriptors does not make files of ours the guest's" {
    local pid
    bundle a time wait
    timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle "$BATS_TEST_TMPDIR/a" a 0<&- 1>&- 2>&- 3>&-
    runuk start a
    pid=$(pid_of a)
    eventually 10 eval '[[ $(descriptors "$pid" | wc -l) == 5 ]]'
    equal "$(descriptors "$pid" | head -n 3)" $'0 /dev/null\n1 /dev/null\n2 /dev/null'
}

@test "before start, the waiting process has an empty root, too" {
    bundle a time wait
    create a
    eventually 10 root_is_empty "$(pid_of a)"
}

@test "environment and arguments carry nothing of the host's" {
    local pid
    bundle a net word
    config a '.process.env = ["SECRET=x", "LD_PRELOAD=/x.so", "PATH=/"]'
    SECRET=of-the-host launch a
    pid=$(pid_of a)
    prints a ready
    equal "$(wc -c <"/proc/$pid/environ")" 0
    run tr '\0' '\n' <"/proc/$pid/cmdline"
    equal "${lines[0]}" runuk-spt
    equal "$(printf '%s\n' "${lines[@]:1}" | sed -E 's/=[0-9a-f:]+$/=/' | tr '\n' ' ')" \
        '--mem= --net:service=@4 --net-mac:service= --net-mtu:service= -- @3 word '
    equal "$(readlink "/proc/$pid/exe")" "$BUILD/runuk-spt"
}

@test "no memory is both writable and executable, the guest's text is not writable" {
    local guest pid
    for guest in waiting serving; do
        "$guest" "$guest"
        pid=$(pid_of "$guest")
        run ! grep -E '^[0-9a-f]+-[0-9a-f]+ .w.?x' "/proc/$pid/maps"
        # Text at 1 MiB, and what is not the image's text is not executable.
        run -0 grep -E '^00100000-' "/proc/$pid/maps"
        said ' r-xp '
        run -0 grep -E '^[0-9a-f]{8}-20000000 ' "/proc/$pid/maps"
        said ' rw-p '
        run ! grep -E '^00000000-' "/proc/$pid/maps"
    done
}

@test "no core dump, and few descriptors" {
    local pid
    serving a
    pid=$(pid_of a)
    run cat "/proc/$pid/limits"
    [[ $output =~ "Max core file size"\ +0\ +0 ]]
    [[ $output =~ "Max open files"\ +([0-9]+)\ +([0-9]+) ]]
    ((BASH_REMATCH[1] <= 32 && BASH_REMATCH[2] <= 32))
}

# as_user COMMAND…: as the user that the monitors run as, without any privilege.
as_user() {
    timeout 20 setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all "$@"
}

# May a process of the same user look into the process $1?
open_to_its_user() {
    as_user head -c 1 "/proc/$1/maps" | wc -c
    as_user readlink "/proc/$1/cwd" || echo no cwd
    as_user cat "/proc/$1/environ" >/dev/null && echo environment
}

@test "another process of the monitor's user may not look into it, root may" {
    local pid
    waiting a
    pid=$(pid_of a)
    run open_to_its_user "$pid"
    equal "$(grep -v 'Permission denied' <<<"$output" | xargs)" '0 no cwd'
    equal "$(stat -c %u "/proc/$pid/mem")" 0
    run as_user strace -qq -p "$pid"
    said 'Operation not permitted'
    # An ordinary one of that user is open.
    background setpriv --reuid 65534 --regid 65534 --clear-groups sleep 600
    eventually 5 grep -q sleep "/proc/$job/comm"
    run open_to_its_user "$job"
    equal "$(xargs <<<"$output")" "1 $PWD environment"
    equal "$(head -c 1 "/proc/$pid/maps" | wc -c)" 1
}

@test "a container can neither see nor signal another one" {
    local a b
    waiting a
    waiting b
    a=$(pid_of a)
    b=$(pid_of b)
    status_is "$a" NSpid "$a 1"
    status_is "$b" NSpid "$b 1"
    [[ $(ns_of "$a" pid) != "$(ns_of "$b" pid)" && $(ns_of "$a" ipc) != "$(ns_of "$b" ipc)" ]]
    # In the one's namespace the other has no number.
    run timeout 20 nsenter --pid="/proc/$a/ns/pid" bash -c 'kill -0 1 && ! kill -0 "$1"' bash "$b"
    ended 0
    said 'No such process'
}

@test "each monitor leads a session of its own, without a terminal" {
    local pid
    waiting a
    pid=$(pid_of a)
    status_is "$pid" NSsid "$pid 1"
    # Field 7 of stat: the controlling terminal.
    equal "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 5)" 0
}

@test "a guest that asks the kernel for more is killed on the spot" {
    local deed
    for deed in 2 41 56 59 101 257; do # open, socket, clone, execve, ptrace, openat
        bundle "f$deed" forbidden "$deed"
        run runuk run --bundle "$BATS_TEST_TMPDIR/f$deed" "f$deed" </dev/null
        ended 159
    done
}

@test "the monitors and the relay are static, position-independent, hardened, and hold no parser of the host's" {
    local monitor
    for monitor in runuk-spt runuk-hvt runuk-relay; do
        run -0 readelf -hldW "$BUILD/$monitor"
        [[ $output =~ Type:\ +DYN ]]
        said_not INTERP
        said_not '(NEEDED)'
        said_not 'TEXTREL'
        said GNU_RELRO
        said BIND_NOW
        [[ $output =~ GNU_STACK\ +0x0+\ 0x0+\ 0x0+\ 0x0+\ 0x0+\ RW\ +0x ]]
        [[ ! $output =~ LOAD[^$'\n']*\ RWE ]]
        run -0 readelf -sW "$BUILD/$monitor"
        said ' __stack_chk_fail'
        run ! grep -E ' (json_[a-z]+|nl_[a-z_]+|cap_[a-z_]+|seccomp_[a-z_]+|system|popen)$' <<<"$output"
    done
    # A static C library has a loader for its own use; nothing of ours asks for it.
    run -0 nm -A -u "$BUILD"/monitor/*/*.o "$BUILD"/monitor/*/*/*.o
    said rk_fail
    run ! grep -E ' (dlopen|dlsym|getaddrinfo|getpwnam|iconv_open)$' <<<"$output"
}

@test "runuk itself is position-independent and hardened, and static but for a sanitizer" {
    run -0 readelf -hldW "$RUNUK"
    [[ $output =~ Type:\ +DYN ]]
    if [[ $output == *libasan* ]]; then return; fi
    said_not INTERP
    said GNU_RELRO
    said BIND_NOW
    [[ $output =~ GNU_STACK\ +0x0+\ 0x0+\ 0x0+\ 0x0+\ 0x0+\ RW\ +0x ]]
}

@test "the tap lives in the container's namespace, and is removed even after SIGKILL" {
    MADE_NETNS=$TAG
    ip netns add "$MADE_NETNS"
    bundle a net
    config a '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/run/netns/$MADE_NETNS"
    launch a
    prints a ready
    equal "$(sed -n 's/^iff:[[:space:]]*//p' "/proc/$(pid_of a)/fdinfo/4")" tap0
    run -0 ip -n "$MADE_NETNS" -d link show tap0
    said 'tun type tap'
    said 'persist on'
    said 'user nobody'
    runuk kill a KILL
    becomes a stopped
    runuk delete a
    run ip -n "$MADE_NETNS" link show tap0
    ended 1
}
