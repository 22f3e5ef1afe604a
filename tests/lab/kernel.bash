# shellcheck shell=bash
# The distribution's kernel, for the machines of the lab: its package downloaded and unpacked, its modules in loading order.

# From small and made for virtual machines to large and general.
METAPACKAGES=(linux-image-cloud-amd64 linux-image-virtual linux-image-amd64 linux-image-generic)

apt_get() {
    # Without this, root's downloads are handed to a user who can't write into the cache directory.
    apt-get -qq -o APT::Sandbox::User=root "$@"
}

# Print the name of the real package behind the first metapackage that this distribution has.
kernel_package() {
    local meta package
    for meta in "${METAPACKAGES[@]}"; do
        package=$(apt-cache depends "$meta" 2>/dev/null |
            sed -n 's/^ *Depends: \(linux-image-[^ ]*[0-9][^ ]*\)$/\1/p' | head -n 1)
        if [ -n "$package" ]; then
            echo "$package"
            return 0
        fi
    done
    return 1
}

# Print "PACKAGE VERSION" for each package that the kernel comes in: Ubuntu keeps the modules in packages of their own, of
# which the second one is huge and seldom needed.
kernel_parts() {
    local release=${1#linux-image-}
    release=${release#unsigned-}
    apt-cache policy "$1" "linux-modules-$release" "linux-modules-extra-$release" 2>/dev/null |
        awk '/^[^ ]/ { sub(/:$/, ""); name = $0 } $1 == "Candidate:" && $2 != "(none)" { print name, $2 }'
}

# Download package $2 and unpack it into $1/tree.
unpack_package() {
    mkdir -p "$1/deb" "$1/tree"
    # The package lists may be older than the archive.
    (cd "$1/deb" && { apt_get download "$2" || { apt_get update && apt_get download "$2"; }; }) ||
        lab_die "cannot download '$2'"
    dpkg-deb -x "$1"/deb/*.deb "$1/tree"
    rm -r "$1/deb"
    # depmod and modprobe look under lib/; a merged-usr package has usr/lib/ only.
    [ -e "$1/tree/lib" ] || [ ! -d "$1/tree/usr/lib" ] || ln -s usr/lib "$1/tree/lib"
}

# Print the files of tree $1 (kernel release $2) to load for the modules $3…, in order; fails when one is neither there nor
# built in.
module_files() {
    local tree=$1 release=$2 module
    shift 2
    depmod -b "$tree" "$release" || return
    for module in "$@"; do
        modprobe -d "$tree" -S "$release" --show-depends "$module" || return
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'
}

# Copy the modules named on stdin into the segment $1, uncompressed (not every insmod can unpack), and write the order in
# which to load them.
collect_modules() {
    local path plain
    mkdir -p "$1/lab/modules"
    while read -r path; do
        plain=$(basename "$path" | sed 's/\.\(xz\|zst\|gz\)$//')
        case $path in
        *.xz) xz -dc "$path" ;;
        *.zst) zstd -qdc "$path" ;;
        *.gz) gzip -dc "$path" ;;
        *) cat "$path" ;;
        esac >"$1/lab/modules/$plain"
        echo "$plain" >>"$1/lab/modules/order"
    done
    # Debug information is nine tenths of a module, and all of it would go through the emulated machine.
    strip --strip-debug "$1"/lab/modules/*.ko
}

# unpack_kernel WORK PARTS MODULE…: unpack the first of PARTS (what kernel_parts said), and the next ones as far as the modules
# need them, into WORK/tree. Sets $kernel_release, and $kernel_modules, the files to load, in order.
unpack_kernel() {
    local work=$1 parts=$2 package files=
    shift 2
    while read -r package _; do
        unpack_package "$work" "$package" </dev/null
        kernel_release=$(basename "$work"/tree/boot/vmlinuz-*)
        kernel_release=${kernel_release#vmlinuz-}
        [ -d "$work/tree/lib/modules/$kernel_release" ] || continue
        if files=$(module_files "$work/tree" "$kernel_release" "$@"); then
            break
        fi
        files=
    done <<<"$parts"
    [ -n "$files" ] || lab_die "the kernel's packages ($(cut -d ' ' -f 1 <<<"$parts" | xargs)) lack a module: needed are $*"
    # shellcheck disable=SC2034 # for the caller
    kernel_modules=$files
}

# The kernel to use: sets $kernel_image, its package, and $kernel_packages, the lines of kernel_parts.
find_kernel() {
    # A machine that was made of an image may have no package lists at all.
    kernel_image=$(kernel_package) || { apt_get update && kernel_image=$(kernel_package); } ||
        lab_die "no kernel package found: none of ${METAPACKAGES[*]}"
    # shellcheck disable=SC2034 # for the caller
    kernel_packages=$(kernel_parts "$kernel_image")
}
