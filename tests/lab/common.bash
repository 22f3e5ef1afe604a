# shellcheck shell=bash
# What the lab's programs agree on: where the images lie, how each of them gives up, how a machine ends.

lab_here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
lab_top=$(cd -- "$lab_here/../.." && pwd)
# shellcheck disable=SC2034 # used by run
lab_build=${RUNUK_BUILD:-$lab_top/build}
# shellcheck disable=SC2034 # used by build
lab_cache=${RUNUK_LAB_CACHE:-$lab_top/build/lab}

lab_die() {
    echo "${0##*/}: $*" >&2
    exit "${lab_die_status:-1}"
}

lab_need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || lab_die "'$tool' is not installed (contrib/install-packages check installs it)"
    done
}

# Pack the directory $1 as an initramfs segment: names sorted, owners root, so that the same files give the same bytes.
lab_pack() {
    (cd -- "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
        cpio --null --create --format=newc --owner=+0:+0 --reproducible --quiet)
}

# --- for run and debian-run: $work is their folder, $machine QEMU's process while it runs -------------------------------------

# shellcheck disable=SC2154 # work is whose file this is read by
# What the machine and QEMU had to say. QEMU names each feature of the processor model that it does not emulate: no news.
lab_console() {
    grep -v "TCG doesn't support requested feature" "$work/qemu" >&2 || true
    [ ! -s "$work/console" ] || tail -n 300 "$work/console" | tr -d '\r' | sed 's/^/console: /' >&2
}

# For the trap. By its own number: this is what was started here, and nothing else.
lab_finish() {
    if [ -n "$machine" ]; then
        kill "$machine" 2>/dev/null || true
        wait "$machine" || true
    fi
    rm -rf "$work"
}

# End with the status that the job in the machine had.
lab_end() {
    local status
    status=$(tr -d '\r' <"$work/console" | sed -n 's/^.*lab-status \([0-9]\{1,3\}\)$/\1/p' | tail -n 1)
    if [ -z "$status" ]; then
        lab_console
        lab_die "the machine ended before the script did"
    fi
    exit "$status"
}
