#!/usr/bin/env bats
# The systemd cgroup driver of an ordinary user: the unit is one of the user's own service manager, in the cgroups that this was
# given. For the Debian machine, whose user "lab" has such a manager.

# shellcheck disable=SC2154 # run sets output

load ../../oci

setup_file() {
    systemctl start "user@$(id -u lab).service"
}

setup() {
    oci_setup
    local dir=$BATS_TEST_TMPDIR
    ROOT=/run/user/$(id -u lab)/$TAG
    while [[ $dir != / ]]; do
        chmod a+x "$dir"
        dir=$(dirname "$dir")
    done
    as_user mkdir -m 0700 "$ROOT"
    bundle web time wait
    config web --argjson id "$(id -u lab)" '.linux.cgroupsPath = "a-b.slice:\($tag):web"
        | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: $id, size: 1}]
        | .linux.gidMappings = .linux.uidMappings' --arg tag "$TAG"
}

teardown() {
    runuk delete --force web || :
    as_user rm -rf "$ROOT"
}

# as_user COMMAND…: with the session's directory, as a login has it.
as_user() {
    timeout -k 5 120 setpriv --reuid lab --regid lab --init-groups --inh-caps=-all --bounding-set=-all \
        env XDG_RUNTIME_DIR="/run/user/$(id -u lab)" "$@" 3>&-
}

runuk() {
    as_user "$RUNUK" --root "$ROOT" --settings "$SETTINGS" --systemd-cgroup "$@"
}

property() {
    as_user systemctl --user show --value -p "$1" "$TAG-web.scope"
}

directory() {
    echo "/sys/fs/cgroup/user.slice/user-$(id -u lab).slice/user@$(id -u lab).service/$1/$TAG-web.scope"
}

gone() {
    equal "$(as_user systemctl --user list-units --all --plain --no-legend "$TAG*")" ''
    equal "$(find /sys/fs/cgroup -name "$TAG*")" ''
    equal "$(as_user find "$ROOT" -mindepth 1 -not -name ".runuk-*")" ''
}

@test "a scope of the user's own service manager, with limits, gone with delete" {
    local dir
    dir=$(directory a.slice/a-b.slice)
    config web '.linux.resources = {memory: {limit: 134217728}, pids: {limit: 50}}'
    create web
    equal "$(property Slice) $(property ActiveState) $(property MemoryMax) $(property TasksMax)" 'a-b.slice active 134217728 50'
    equal "$(property ControlGroup)" "${dir#/sys/fs/cgroup}"
    equal "$(cat "$dir/cgroup.procs")" "$(field web .pid)"
    equal "$(cat "$dir/memory.max") $(cat "$dir/pids.max")" '134217728 50'
    runuk start web
    runuk pause web
    is web paused
    runuk resume web
    runuk update --memory 192m --pids-limit 60 web
    equal "$(property MemoryMax) $(cat "$dir/memory.max") $(property TasksMax)" '201326592 201326592 60'
    runuk kill web KILL
    becomes web stopped
    runuk delete web
    gone
}

@test "without a slice it is user.slice; an annotation; delete --force" {
    config web '.linux.cgroupsPath = ":\($tag):web" | .annotations = {"org.systemd.property.RuntimeMaxSec": "600"}' --arg tag "$TAG"
    launch web
    equal "$(property Slice) $(property RuntimeMaxUSec)" 'user.slice 10min'
    equal "$(cat "$(directory user.slice)/cgroup.procs")" "$(field web .pid)"
    runuk delete --force web
    gone
}

@test "root of a user namespace has the user's service manager too" {
    config web 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))'
    local inside=(as_user unshare -r "$RUNUK" --root "$ROOT" --settings "$SETTINGS" --systemd-cgroup)
    "${inside[@]}" create --bundle web web >web.out 2>&1 </dev/null
    equal "$(property Slice) $(property ActiveState)" 'a-b.slice active'
    "${inside[@]}" delete --force web
    gone
}

@test "no session: one line that says so" {
    run -1 as_user env -u DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR=/nowhere "$RUNUK" --root "$ROOT" --settings "$SETTINGS" \
        --systemd-cgroup create --bundle web web
    equal "${#lines[@]}" 1
    said "create container 'web': connect to the user's service manager: "
    gone
}
