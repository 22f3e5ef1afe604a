#!/usr/bin/env bats
# What a guest that broke out of QEMU would find: no privilege, no name but of QEMU's own files, no way to the host's monitor socket,
# nothing but the descriptors of its own devices. Looked at from outside, in /proc, while the guest runs.

load oci

# Emulated, so that it is the same everywhere; in the Debian machine, on KVM.
ACCEL=${RUNUK_ACCEL:-tcg}

setup() {
    oci_setup
    settings '.accel = $a' --arg a "$ACCEL"
}

teardown() {
    oci_teardown
}

# waiting ID: a QEMU guest that runs until it is killed. $supervisor and $qemu are its processes.
waiting() {
    bundle "$1" hello
    cp "$GUESTS/time.pvh" "$1/rootfs/guest"
    config "$1" '.process.args = ["/guest", "wait"]'
    "${LAUNCH:-launch}" "$1"
    processes "$1"
}

processes() {
    supervisor=$(field "$1" .pid)
    qemu=$(pgrep -P "$supervisor")
    equal "$(<"/proc/$supervisor/comm") $(<"/proc/$qemu/comm")" 'runuk-qemu qemu-system-x86'
}

status_is() {
    equal "$2: $(sed -n "s/^$2:\t*//p" "/proc/$1/status" | tr -s '\t ' '  ' | sed 's/ *$//')" "$2: $3"
}

has_no_power() {
    local pid set
    for pid in "$@"; do
        status_is "$pid" Seccomp 2
        status_is "$pid" NoNewPrivs 1
        for set in CapInh CapPrm CapEff CapBnd CapAmb; do status_is "$pid" "$set" 0000000000000000; done
        status_is "$pid" Uid '65534 65534 65534 65534'
        status_is "$pid" Gid '65534 65534 65534 65534'
        status_is "$pid" Groups "$([[ $ACCEL != kvm ]] || stat -c %g /dev/kvm)"
    done
}

@test "no capability in any set, no user, no group, no new privileges, seccomp: QEMU and its supervisor" {
    waiting a
    has_no_power "$supervisor" "$qemu"
    status_is "$supervisor" Threads 1
}

@test "QEMU's own sandbox is on, with every deny" {
    waiting a
    tr '\0' '\n' <"/proc/$qemu/cmdline" >words
    file_has words on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
    # Its filter, and not one that it inherits.
    equal "$(sed -n 's/^Seccomp_filters:\t//p' "/proc/$qemu/status")" 1
}

@test "nobody outside can open QEMU's monitor, and no socket listens" {
    waiting a
    equal "$(nsenter -t "$qemu" -n ss -xlH)" ''
    equal "$(ss -xlpH | grep -c -e "pid=$qemu," -e "pid=$supervisor,")" 0
    run grep -rE -- 'unix:|server' <(tr '\0' '\n' <"/proc/$qemu/cmdline")
    ended 1
}

# What the root may hold beside directories: QEMU, its libraries, its module, its firmware, and the image.
@test "the root holds QEMU's files and the image, all read-only, and nothing of the image's file system or the host" {
    local pid file line options
    waiting a
    echo secret >a/rootfs/secret
    for pid in "$supervisor" "$qemu"; do
        while read -r file; do
            case $file in
                /image | /firmware/*.bin | /firmware/*.rom | /usr/bin/qemu-system-x86_64 | *.so | *.so.[0-9]*) ;;
                /dev/kvm) equal "$ACCEL" kvm ;;
                *) equal "$file" '' ;;
            esac
        done < <(find "/proc/$pid/root/" -mindepth 1 -not -type d | sed "s|^/proc/$pid/root||")
        while read -r line; do
            options=$(cut -d ' ' -f 6 <<<"$line")
            [[ ,$options, == *,ro,* && ,$options, == *,nosuid,* ]] || equal "$line" ''
            [[ ,$options, == *,nodev,* || $line == *' /dev/kvm '*,noexec* ]] || equal "$line" ''
        done <"/proc/$pid/mountinfo"
        run touch "/proc/$pid/root/file"
        ended 1
        said 'Read-only file system'
        equal "$(readlink "/proc/$pid/cwd")" /
    done
    equal "$(stat -Lc %d:%i "/proc/$qemu/root/image")" "$(stat -c %d:%i a/rootfs/guest)"
    run grep -c -e shared: -e master: "/proc/$qemu/mountinfo"
    said 0
}

# What guests do with names and links is in ninep.bats.
@test "a shared directory: no power, no file of another place, and of /proc nothing but what the monitor is itself" {
    local processes
    mkdir data readonly
    chown 1234:1234 data
    bundle a hello
    cp "$GUESTS/files.pvh" a/rootfs/guest
    config a '.process.args = ["/guest", "create=new=x", "mode=new=4777", "node=null", "own=new=0", "wait"]
        | .annotations = {"org.runuk.family": "linux", "org.runuk.rootfs": "none"}
        | .mounts = [{destination: "/data", type: "bind", source: "\($dir)/data", options: ["rbind"]},
            {destination: "/ro", type: "bind", source: "\($dir)/readonly", options: ["rbind", "ro"]}]' --arg dir "$PWD"
    launch a
    processes a
    eventually 30 file_has a.out own=new=0
    output=$(<a.out)
    said 'create=new=x: error 0'
    said 'node=null: error 1'
    said 'own=new=0: error 1'
    # The owner's file, that the owner may make whatever he likes of; no other user's.
    equal "$(stat -c '%u:%g %a' data/new)" '1234:1234 4777'
    has_no_power "$supervisor" "$qemu"
    grep ' /share0 rw,nosuid,nodev,noexec' "/proc/$qemu/mountinfo"
    grep ' /share1 ro,nosuid,nodev,noexec' "/proc/$qemu/mountinfo"
    grep ' /proc ro,nosuid,nodev,noexec.* - proc .*hidepid=\(4\|ptraceable\),subset=pid' "/proc/$qemu/mountinfo"
    # Processes of this container, and no file of the kernel's.
    processes=$(find "/proc/$qemu/root/proc" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)
    [[ $processes =~ ^'1 '([0-9]+' ')?'self thread-self'$ ]] || equal "$processes" '1 2 self thread-self'
    run grep -c -e shared: -e master: "/proc/$qemu/mountinfo"
    said 0
    run touch "/proc/$qemu/root/file"
    ended 1
    said 'Read-only file system'
}

@test "what may not be executed can't be: the image and the firmware" {
    waiting a
    local mount
    for mount in /image /firmware/bios-256k.bin; do
        grep " $mount ro,nosuid,nodev,noexec" "/proc/$qemu/mountinfo" || equal "$mount" ''
    done
}

leak() {
    (
        cd / || exit
        exec 3</ 4</etc/passwd 5</proc/self/ns/net 6<>"$BATS_TEST_TMPDIR/secret" 7<"$BATS_TEST_TMPDIR" 8</dev/zero 9</etc
        exec 10<&3 11<&3 12<&3
        timeout -k 5 60 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" "$@" </dev/null >"$BATS_TEST_TMPDIR/a.out" 2>&1
    )
}

leaked_launch() {
    leak create --bundle "$BATS_TEST_TMPDIR/$1" "$1" && leak start "$1"
}

@test "descriptors: pipes, events, its monitor's socket, its devices; none that the caller leaks, none of a file" {
    local pid fd target
    LAUNCH=leaked_launch waiting a
    for pid in "$supervisor" "$qemu"; do
        for fd in "/proc/$pid/fd"/*; do
            target=$(readlink "$fd")
            case $target in
                /dev/null | "$BATS_TEST_TMPDIR/a.out" | pipe:* | socket:* | anon_inode:* | /dev/net/tun | /memfd:*) ;;
                /dev/kvm) equal "$ACCEL" kvm ;;
                *) equal "$(basename "$fd") $target" '' ;;
            esac
        done
    done
    # Of the two ends of QEMU's monitor each has one.
    equal "$(find "/proc/$supervisor/fd" -lname 'socket:*' | wc -l)" 1
}

@test "namespaces: the container's, for both" {
    local ns
    waiting a
    for ns in mnt pid ipc uts net; do
        equal "$(readlink "/proc/$qemu/ns/$ns")" "$(readlink "/proc/$supervisor/ns/$ns")"
        [[ $(readlink "/proc/$qemu/ns/$ns") != "$(readlink "/proc/self/ns/$ns")" ]]
    done
}

@test "limits: no core file, few descriptors; QEMU ends with its supervisor" {
    waiting a
    grep -Eq '^Max core file size +0 +0 ' "/proc/$qemu/limits"
    (($(awk '/^Max open files/ { print $5 }' "/proc/$qemu/limits") <= 512))
    kill -KILL "$supervisor"
    eventually 10 eval '! lives "$qemu"'
}

@test "QEMU ends with its supervisor in the host's own pid namespace, too" {
    bundle a hello
    cp "$GUESTS/time.pvh" a/rootfs/guest
    config a '.process.args = ["/guest", "wait"] | .linux.namespaces |= map(select(.type != "pid"))'
    launch a
    processes a
    kill -KILL "$supervisor"
    eventually 10 eval '! lives "$qemu"'
}

@test "words of the user's are one word to QEMU, whatever they look like" {
    local count word
    bundle a hello
    cp "$GUESTS/time.pvh" a/rootfs/guest
    config a '.process.args = ["/guest", "wait"]'
    launch a
    processes a
    count=$(tr '\0' '\n' <"/proc/$qemu/cmdline" | wc -l)
    runuk delete --force a
    for word in 'wait -monitor stdio' 'wait ,,file=/etc/passwd' 'wait %n%s'; do
        config a '.process.args = ["/guest", $word]' --arg word "$word"
        launch a
        processes a
        equal "$(tr '\0' '\n' <"/proc/$qemu/cmdline" | wc -l)" "$count"
        tr '\0' '\n' <"/proc/$qemu/cmdline" | grep -Fx -- "$word"
        runuk delete --force a
    done
    cp "$GUESTS/hello.pvh" a/rootfs/guest
    for word in -S '-drive file=/etc/passwd' -; do
        config a '.process.args = ["/guest", $word]' --arg word "$word"
        run runuk run --bundle "$BATS_TEST_TMPDIR/a" a
        ended 0
        said "cmdline: $word"
    done
}
