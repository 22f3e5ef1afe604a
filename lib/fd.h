/* Descriptors and paths: everything below a directory is reached from its descriptor. */
#ifndef RK_FD_H
#define RK_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rk_err;

/* open `path` with `flags` | O_CLOEXEC, resolved as if `dirfd` were the root of the file system: "..",
 * absolute paths and symbolic links stay below it, magic links are refused (openat2, RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS). Returns the descriptor or a negative errno, with no text set. */
int rk_open_in_root(int dirfd, const char *path, int flags);

/* Open the file that `fd` (O_PATH will do) refers to once more, with `flags` | O_CLOEXEC | O_NOCTTY: that
 * very inode, whatever its name says by now. A descriptor or a negative errno, with no text set. */
int rk_reopen(int fd, int flags);

/* The same as rk_open_in_root, but for regular files only: anything else is -ENODEV (a directory -EISDIR) and
 * is not opened, since opening a FIFO can block and opening a device can do anything. */
int rk_open_regular_in_root(int dirfd, const char *path, int flags);

/* Read a whole file of at most `max` bytes. *ret_data is NUL-terminated heap memory, *ret_len (may be NULL)
 * its length without the NUL. Returns 0 or a negative errno (-EFBIG beyond max), with no text set. */
int rk_read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len);
int rk_read_fd(int fd, size_t max, char **ret_data, size_t *ret_len);

/* Write everything, whatever the kernel takes at a time. 0 or a negative errno. */
int rk_write_all(int fd, const void *data, size_t len);

/* Replace `name` in `dirfd` by a new file with this content, so that readers see the old or the new content
 * and links at `name` are replaced, never followed. A caller that is killed leaves nothing else when there is
 * no old file; beside an old one a temporary neighbour, ".NAME.PID". 0 or a negative errno. */
int rk_write_file_atomic(int dirfd, const char *name, const void *data, size_t len, mode_t mode);

/* mkdir -p with `mode` for the directories that are missing. 0 or a negative errno. */
int rk_mkdir_parents(const char *path, mode_t mode);

/* Remove everything below the directory `fd` (no link is followed, no mount crossed). 0 or the first negative
 * errno. */
int rk_remove_children(int fd);

/* Whether both descriptors are the same file. */
int rk_same_file(int a, int b);

#endif
