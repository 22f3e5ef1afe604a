# Loaded by docker.bash when RUNUK_DOCKER_DRIVER names a cgroup driver: the machine's own dockerd, run by systemd, with that driver,
# instead of one in namespaces of its own. Only for a machine that may be changed (tests/lab/debian-run): it writes /etc/docker.
# shellcheck shell=bash

# docker_up [--default-runtime NAME]: the daemon goes on from file to file, and is started anew only when its settings change.
docker_up() {
    local default=runc
    if [[ ${1:-} == --default-runtime ]]; then default=$2; fi
    DOCKER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/runuk-docker.XXXXXX")
    export DOCKER_DIR DOCKER_HOST=unix:///run/docker.sock DOCKER_CONFIG=$DOCKER_DIR/client
    system_settings "$default" >"$DOCKER_DIR/daemon.json"
    if ! cmp -s "$DOCKER_DIR/daemon.json" /etc/docker/daemon.json || ! systemctl is-active -q docker; then
        cp "$DOCKER_DIR/daemon.json" /etc/docker/daemon.json
        systemctl unmask docker.service docker.socket containerd.service 2>/dev/null
        if ! timeout $((60 * RUNUK_SLOW)) systemctl restart docker; then
            journalctl -u docker --no-pager -n 20 >&2
            return 1
        fi
    fi
    SYSTEM_IMAGES=" $(docker images --format '{{.Repository}}' | paste -sd ' ') "
    busybox_image
}

docker_down() {
    rm -rf "$DOCKER_DIR"
}

# Print the daemon's settings, and write the settings of the three ways to be runuk that they name (see contrib/demo/dockerd).
system_settings() {
    mkdir -p /etc/docker /etc/runuk
    jq -n --arg m "$BUILD" '{monitor_dir: $m}' >/etc/runuk/runuk.json
    jq '. + {memory_mib: 600}' /etc/runuk/runuk.json >/etc/runuk/runuk-large.json
    jq '. + {network_mode: "bridge"}' /etc/runuk/runuk.json >/etc/runuk/runuk-bridge.json
    jq -n --arg runuk "${RUNUK:-$BUILD/runuk}" --arg driver "$RUNUK_DOCKER_DRIVER" --arg default "$1" '
        def runtime($name): {($name): {path: $runuk, runtimeArgs: ["--settings", "/etc/runuk/\($name).json"]}};
        {
            "bip": "10.213.0.1/20",
            "default-address-pools": [{base: "10.214.0.0/16", size: 24}],
            "exec-opts": ["native.cgroupdriver=\($driver)"],
            "default-runtime": $default,
            "runtimes": (runtime("runuk") + runtime("runuk-large") + runtime("runuk-bridge")),
            "log-level": "warn"
        }'
}

# The engine's own interface, for what is no test: a client takes a second to start in an emulated machine.
engine() {
    curl -fsS --max-time $((60 * RUNUK_SLOW)) --unix-socket /run/docker.sock -X "$1" "${@:3}" "http://engine$2"
}

docker_clear() {
    local id
    for id in $(engine GET '/containers/json?all=1' | jq -r '.[].Id'); do
        engine DELETE "/containers/$id?force=1"
    done
    engine POST /networks/prune >/dev/null
}

inside() {
    timeout -k 5 $((60 * RUNUK_SLOW)) "$@"
}

# import_image IMAGE DIR CHANGE...: an image of one layer, with the files in DIR, unless it is there already. What `docker build` makes
# of the same is no different, and takes several times as long.
import_image() {
    local image=$1 dir=$2 changes=
    shift 2
    [[ ${SYSTEM_IMAGES:-} != *" $image "* ]] || return 0
    while (($#)); do changes+="&changes=$(jq -rn --arg line "$1" '$line | @uri')" && shift; done
    # What goes wrong once the engine has begun to answer stands in its answer.
    tar -C "$dir" --owner=0 --group=0 -c . |
        engine POST "/images/create?fromSrc=-&repo=$image$changes" -H 'Content-Type: application/x-tar' --data-binary @- |
        jq -es 'length > 0 and all(has("status"))' >/dev/null
}

busybox_image() {
    local root=$DOCKER_DIR/busybox applet
    mkdir -p "$root/bin"
    cp /bin/busybox "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do
        [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
    done
    import_image busybox "$root" 'ENV PATH=/bin' 'CMD ["sh"]'
    rm -rf "$root"
}

image_of() {
    import_image "$@"
}

guest_image() {
    local root=$DOCKER_DIR/image-$1
    mkdir -p "$root"
    cp "$BUILD/guests/$2".{hvt,spt} "$root/"
    import_image "$1" "$root" "ENTRYPOINT [\"/$2\"]"
}

# --- what is left behind --------------------------------------------------------------------------------------------------

# As traces of docker.bash, on a machine that does other things too; and systemd's units.
traces() {
    ps -eo comm= | grep -E '^(containerd-shim|runuk|runc|docker-proxy|qemu-system)' | LC_ALL=C sort
    ip -o link | sed 's/^[0-9]*: \([^:@]*\)[@:].*/link \1/' | LC_ALL=C sort
    tc qdisc | sed 's/^/tc /' | LC_ALL=C sort
    find /run/docker /run/containerd /run/runc /run/runuk -not -path '/run/docker/netns/*' 2>/dev/null | LC_ALL=C sort
    find /var/lib/docker -maxdepth 2 -not -path '*/tmp/*' | LC_ALL=C sort
    sed 's/^[0-9]* [0-9]* [^ ]* [^ ]* \([^ ]*\) .* - \([^ ]*\) .*/mount \1 \2/' /proc/1/mountinfo | LC_ALL=C sort
    find /sys/fs/cgroup/ -type d -path '*docker[-/]*' | LC_ALL=C sort
    systemctl list-units --all --plain --no-legend 'docker-*' | sed 's/^/unit /'
}

# small_cgroup NAME: a cgroup with 64 MiB and no swap, under which Docker can be told to put a container; prints how Docker calls it.
small_cgroup() {
    if [[ $RUNUK_DOCKER_DRIVER == systemd ]]; then
        systemctl start "$1.slice" >&2
        systemctl set-property --runtime "$1.slice" MemoryMax=64M MemorySwapMax=0 >&2
        echo "$1.slice"
    else
        small_cgroup_files "/$1"
    fi
}
