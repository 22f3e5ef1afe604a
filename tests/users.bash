# Loaded by the files about user namespaces, after oci.bash: bundles that have one, and an ordinary user who calls.
# shellcheck shell=bash

USER_ID=12345

users_setup() {
    export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/xdg
    mkdir -m 0700 "$XDG_RUNTIME_DIR"
}

# mapped ID INSIDE OUTSIDE SIZE: the bundle gets a user namespace with that mapping, of users and groups alike.
mapped() {
    config "$1" --argjson inside "$2" --argjson outside "$3" --argjson size "$4" \
        '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: $inside, hostID: $outside, size: $size}]
        | .linux.gidMappings = .linux.uidMappings'
}

# Anybody may come to the test's folder.
passable() {
    local dir=$BATS_TEST_TMPDIR
    while [[ $dir != / && $dir != /tmp ]]; do
        chmod a+x "$dir"
        dir=$(dirname "$dir")
    done
}

# by_user COMMAND…: as an ordinary user, who may open /dev/net/tun as on every distribution, and has no cgroup. USER_GROUPS: the
# groups, with commas between them; none of them without.
by_user() {
    timeout -k 5 60 unshare -m --propagation private bash -c '
        tun=$1 uid=$2 groups=$3
        shift 3
        [[ -e $tun ]] || { mknod "$tun" c 10 200 && chmod 0666 "$tun"; }
        mount --bind "$tun" /dev/net/tun
        exec setpriv --reuid "$uid" --regid "$uid" "${groups:---clear-groups}" --inh-caps=-all --bounding-set=-all "$@"' \
        - "$BATS_TEST_TMPDIR/tun" "$USER_ID" "${USER_GROUPS:+--groups=$USER_GROUPS}" "$@" 3>&-
}

# A folder that the ordinary user may use, with the programs in it.
for_user() {
    mkdir -p programs
    cp "$BUILD"/runuk "$BUILD"/runuk-* programs/
    settings --arg dir "$PWD/programs" '.monitor_dir = $dir'
    chmod 0755 "$BATS_TEST_TMPDIR" programs
    passable
    chown "$USER_ID" "$XDG_RUNTIME_DIR"
}
