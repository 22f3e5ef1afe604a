# Loaded by containerd.bats and cri.bats: a containerd of its own per file, images packed by hand from local files, and the
# search for what a container leaves behind.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

# shellcheck source=wait.bash
source "$(dirname "${BASH_SOURCE[0]}")/wait.bash"

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${RUNUK_BUILD:-$TOP/build}
OWN_CONTAINERD=$TOP/tests/own-containerd

# containerd_up [COMMAND]: start the daemon for this file; what COMMAND prints, added to its configuration, is about the CRI
# plugin, which is off without it. For setup_file.
containerd_up() {
    CONTAINERD_DIR=$(mktemp -d "${TMPDIR:-/tmp}/runuk-containerd.XXXXXX")
    # Containers, and with them their cgroups, are below this name, which is also a namespace of containerd's.
    CONTAINERD_NAME=$(basename "$CONTAINERD_DIR")
    export CONTAINERD_DIR CONTAINERD_NAME
    # The name that containerd calls. Its only option for an OCI runtime is the program: settings need one around it.
    jq -n --arg dir "$BUILD" '{monitor_dir: $dir, accel: "tcg"}' >"$CONTAINERD_DIR/settings.json"
    printf '#!/bin/sh\nexec "%s" --settings "%s" "$@"\n' "$BUILD/runuk" "$CONTAINERD_DIR/settings.json" \
        >"$CONTAINERD_DIR/runuk"
    chmod 755 "$CONTAINERD_DIR" "$CONTAINERD_DIR/runuk"
    if (($#)); then
        { containerd_config && "$1"; } >"$CONTAINERD_DIR/config.toml"
    else
        containerd_config ', "io.containerd.grpc.v1.cri"' >"$CONTAINERD_DIR/config.toml"
    fi
    "$OWN_CONTAINERD" run "$CONTAINERD_DIR" --owner $$ >/dev/null 2>&1 3>&- &
    export CONTAINERD_UP_PID=$!
    if ! "$OWN_CONTAINERD" wait "$CONTAINERD_DIR" 60; then
        tail -n 20 "$CONTAINERD_DIR/containerd.log" >&2
        return 1
    fi
}

# End the daemon and all that is its own. For teardown_file.
containerd_down() {
    [[ -n ${CONTAINERD_UP_PID:-} ]] || return 0
    kill -TERM "$CONTAINERD_UP_PID" 2>/dev/null || :
    timeout 60 tail --pid="$CONTAINERD_UP_PID" -s 0.1 -f /dev/null
    rm -rf "$CONTAINERD_DIR"
}

# What every daemon of these tests is told: nothing of it is outside its folder and its namespaces. $1: what else is off.
containerd_config() {
    cat <<END
version = 2
root = "$CONTAINERD_DIR/data"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"${1:-}]
[grpc]
address = "/run/containerd/containerd.sock"
[debug]
level = "warn"
[plugins."io.containerd.internal.v1.opt"]
path = "$CONTAINERD_DIR/opt"
END
}

# Run a command, bounded, in the daemon's network, process and mount namespaces.
inside() {
    "$OWN_CONTAINERD" exec "$CONTAINERD_DIR" timeout -k 5 60 "$@"
}

# --- images ---------------------------------------------------------------------------------------------------------------

# image_import NAMESPACE NAME ROOT CONFIG: pack what is in ROOT, with the image's configuration CONFIG (JSON), as an archive of
# the kind that `docker save` writes, and import it as NAME.
image_import() {
    local work=$BATS_FILE_TMPDIR/archive-$RANDOM digest
    mkdir "$work"
    tar --sort=name --owner=0 --group=0 --numeric-owner -C "$3" -cf "$work/layer.tar" .
    digest=$(sha256sum <"$work/layer.tar")
    jq -n --arg layer "sha256:${digest%% *}" --arg arch "$(dpkg --print-architecture)" --argjson config "$4" \
        '{architecture: $arch, os: "linux", config: $config, rootfs: {type: "layers", diff_ids: [$layer]}}' \
        >"$work/config.json"
    jq -n --arg name "$2" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$work/manifest.json"
    tar -C "$work" -cf "$work/image.tar" manifest.json config.json layer.tar
    inside ctr -n "$1" image import "$work/image.tar" >/dev/null
    rm -rf "$work"
}

# busybox_image NAMESPACE NAME CONFIG: the static busybox of this machine under all its names.
busybox_image() {
    local root=$BATS_FILE_TMPDIR/root-$RANDOM applet
    mkdir -p "$root/bin" "$root"/{etc,proc,sys,dev,tmp}
    cp "$(type -P busybox)" "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do
        [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
    done
    image_import "$1" "$2" "$root" "$3"
    rm -rf "$root"
}

# guest_root DIR GUEST: GUEST.hvt and GUEST.spt, as far as they are built, and nothing else.
guest_root() {
    local file
    mkdir -p "$1"
    for file in "$BUILD/guests/$2".{hvt,spt}; do
        if [[ -e $file ]]; then cp "$file" "$1/"; fi
    done
}

# guest_image NAMESPACE NAME GUEST: an image of that name with the guest alone, whose entrypoint is /GUEST.
guest_image() {
    local root=$BATS_FILE_TMPDIR/root-$RANDOM
    guest_root "$root" "$3"
    image_import "$1" "$2" "$root" "$(jq -cn --arg entry "/$3" '{Entrypoint: [$entry]}')"
    rm -rf "$root"
}

# bare_image NAMESPACE NAME FILE [FAMILY LINE]: an image of that name with FILE alone, for a guest in QEMU; with what makes it one
# for urunc when the family is given.
bare_image() {
    local root=$BATS_FILE_TMPDIR/root-$RANDOM
    mkdir "$root"
    cp "$3" "$root/guest"
    [[ -z ${4:-} ]] || jq -n --arg family "$4" --arg line "$5" '
        {unikernelType: $family, hypervisor: "qemu", binary: "/guest", cmdline: $line} |
        with_entries(.key |= "com.urunc.unikernel.\(.)" | .value |= @base64)' >"$root/urunc.json"
    image_import "$1" "$2" "$root" '{"Entrypoint": ["/guest"]}'
    rm -rf "$root"
}

# --- what is left behind --------------------------------------------------------------------------------------------------

# Everything that a container could leave, one line each: processes, mounts, cgroups, links and qdiscs (here and in the
# daemon's network), network namespaces with a name, and the state files of daemon, shims and runtimes.
traces() {
    # Descendants of process 1 only: what looks from outside (nsenter, ps) has no parent in there.
    inside ps -eo pid=,ppid=,comm= | awk '
        { parent[$1] = $2; name[$1] = $3 }
        END {
            for (p in parent) {
                for (a = p; a > 1; a = parent[a]);
                if (a == 1) print "process", name[p]
            }
        }' | LC_ALL=C sort
    inside ip -o link | sed 's/^[0-9]*: \([^:@]*\)[@:].*/link \1/' | LC_ALL=C sort
    inside tc qdisc | sed 's/^/tc /' | LC_ALL=C sort
    ip -o link | sed 's/^[0-9]*: \([^:@]*\)[@:].*/outer link \1/' | LC_ALL=C sort
    # What runuk has learned of the host, once for all containers, is no trace.
    inside find /run -path '/run/containerd/fifo/*' -prune -o -not -name '.runuk-*' -print | LC_ALL=C sort
    inside sed 's/^[0-9]* [0-9]* [^ ]* [^ ]* \([^ ]*\) .* - \([^ ]*\) .*/mount \1 \2/' /proc/self/mountinfo | LC_ALL=C sort
    # Its own name, which the daemon never makes, stays until the end.
    find /sys/fs/cgroup/ -type d -path "*/$CONTAINERD_NAME/*" | LC_ALL=C sort
}

traces_equal() {
    diff "$1" <(traces)
}

# Fail, and show the difference, unless what `traces` finds is within ten seconds again what the file $1 says.
no_new_traces() {
    eventually 10 traces_equal "$1"
}
