# Loaded by systemd.bats, after oci.bash: runuk and everything else beside a systemd, the machine's own if that is its init, else
# one of the file's own (systemd-space); what a unit says; and the search for what is left.
# shellcheck shell=bash

OWN_SYSTEMD=$TOP/tests/systemd-space

# systemd_up [--v1]: for setup_file, or a test that needs another one than its file.
systemd_up() {
    SYSTEMD_DIR=
    if [[ ! -d /run/systemd/system || $# -gt 0 ]]; then
        SYSTEMD_DIR=$(mktemp -d "${TMPDIR:-/tmp}/runuk-systemd.XXXXXX")
        "$OWN_SYSTEMD" run "$SYSTEMD_DIR" --owner $$ "$@" >"$BATS_FILE_TMPDIR/space" 2>&1 3>&- &
        SYSTEMD_PID=$!
        "$OWN_SYSTEMD" wait "$SYSTEMD_DIR" || cat "$BATS_FILE_TMPDIR/space"
    fi
    export SYSTEMD_DIR SYSTEMD_PID
}

systemd_down() {
    [[ -n $SYSTEMD_DIR ]] || return 0
    kill -TERM "$SYSTEMD_PID" 2>/dev/null || :
    timeout 60 tail --pid="$SYSTEMD_PID" -s 0.1 -f /dev/null
    rm -rf "$SYSTEMD_DIR"
}

# Run a command where systemd is, bounded.
inside() {
    if [[ -n $SYSTEMD_DIR ]]; then set -- "$OWN_SYSTEMD" exec "$SYSTEMD_DIR" "$@"; fi
    timeout -k 5 60 "$@" 3>&-
}

# As in oci.bash, with the systemd driver.
runuk() {
    inside "$RUNUK" --root "$ROOT" --settings "$SETTINGS" --systemd-cgroup "$@"
}

# unit_bundle ID GUEST [ARGUMENT…]: a bundle whose unit is $TAG-ID.scope in runuk-tests.slice.
unit_bundle() {
    bundle "$@"
    config "$1" '.linux.cgroupsPath = $path' --arg path "runuk-tests.slice:$TAG:$1"
}

unit() {
    echo "$TAG-$1.scope"
}

# property ID NAME: what systemd says of the container's unit.
property() {
    inside systemctl show --value -p "$2" "$(unit "$1")"
}

# Is v2 all that there is?
unified() {
    inside test -e /sys/fs/cgroup/cgroup.controllers
}

# directory ID CONTROLLER [SLICES]: of the container's cgroup.
directory() {
    local top=/sys/fs/cgroup/$2
    if unified; then top=/sys/fs/cgroup; fi
    echo "$top/${3:-runuk.slice/runuk-tests.slice}/$(unit "$1")"
}

# limit ID FILE: the content of a file of the cgroup, whose name begins with its controller.
limit() {
    inside cat "$(directory "$1" "${2%%.*}")/$2"
}

# Beside what oci.bash looks for: units, in any state, and cgroups, the tags in their names.
traces() {
    find "$ROOT" -mindepth 1 -maxdepth 1 -not -name ".runuk-*" -printf 'state %f\n' 2>/dev/null
    inside systemctl list-units --all --plain --no-legend "$TAG*" | sed 's/^/unit /'
    inside find /sys/fs/cgroup -type d -name "$TAG*" -printf 'cgroup %p\n'
    inside pgrep -f "$BATS_TEST_TMPDIR" -l | grep -Ev ' (bash|bats|bats-.*|timeout|tail|pgrep)$' | sed 's/^/process /'
    return 0
}
