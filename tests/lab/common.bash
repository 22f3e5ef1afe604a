# shellcheck shell=bash
# What tests/lab/build and tests/lab/run agree on: where the images lie, and how either of them gives up.

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
