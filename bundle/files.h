/* The container's files as its processes would see them, rootfs and bind mounts, without mounting anything.
 */
#ifndef BND_FILES_H
#define BND_FILES_H

#include <stdbool.h>

#include "bundle/spec.h"

/* The rootfs as a descriptor, and the mounts of its spec (borrowed). */
struct bnd_files {
    int root_fd;
    const struct bnd_spec *spec;
};

/* Open the rootfs of `spec`, which must outlive *ret_files. Errors name the path. */
int bnd_files_open(struct bnd_files *ret_files, const struct bnd_spec *spec, struct rk_err *err);
void bnd_files_close(struct bnd_files *files);

/* Open `path` (absolute, inside the container) with `flags` | O_CLOEXEC: below the bind mount that covers it,
 * which the engine's config names and therefore is trusted, else in the rootfs, which is not. Never blocks
 * and never touches a device: FIFOs, sockets and character devices are -ENODEV, so are block devices, but
 * with `devices` one that is itself the source of a bind mount; directories are -EISDIR. *ret_mount (may be
 * NULL) is the mount that the path is on, NULL for the rootfs. Returns a descriptor of a regular file (or
 * block device), or a negative errno, with no text set. */
int bnd_files_lookup(const struct bnd_files *files, const char *path, int flags, bool devices,
                     const struct bnd_mount **ret_mount);

#endif
