/* The monitor's root: empty, or with the files that it opens by name, and nothing else. */
#ifndef BOX_ROOT_H
#define BOX_ROOT_H

#include <stdbool.h>
#include <stddef.h>

struct rk_err;

/* Make mount propagation private, so that nothing here is seen outside. Needs a mount namespace of its own.
 */
int box_mounts_private(struct rk_err *err);

/* A file in the root: one of the host by its path, or what `fd` is. What is below /dev is a device, and
 * nothing else can be one; only what keeps its
 * own path can be executed. */
struct box_file {
    const char *source; /* NULL: `fd` */
    int fd; /* a mount of box_tree_detach or box_share_detach, or with `copy` a file whose content goes into
               the root */
    bool copy;
    bool directory; /* `fd` is one; with `copy` it is to be mounted by who makes the root (box_share_detach) …
                     */
    bool readonly, recursive; /* … like that */
    bool inside; /* `target` is in a directory that stands before it; left out when there is no such file */
    const char *target; /* absolute, without links and dots */
};

/* A detached, read-only mount of the open file `fd`, whatever its name is by now. The descriptor, or an
 * error. Linux 5.12 (mount_setattr). */
int box_tree_detach(int fd, struct rk_err *err);

/* The same for a file that was opened in another mount namespace, or by somebody who may not make mounts
 * there: found again by its name, and negative when what has that name by now is another file. Needs /proc.
 */
int box_tree_find(int fd);

/* And that file alone, as an O_PATH descriptor. */
int box_find_again(int fd);

/* Swap the root for a new, read-only tmpfs with these files in it, all of them read-only (directories as
 * box_share_detach has them), and drop every other mount. Without files nothing can be opened by name
 * afterwards. Needs box_mounts_private before; Linux 5.2 (fsopen, fsmount, move_mount), with files 5.12. With
 * `proc`, which needs a PID namespace of the container's own, there is a read-only /proc with nothing but
 * processes, of which the monitor sees its own. Errors name the file. */
int box_root_make(const struct box_file *files, size_t count, bool proc, struct rk_err *err);

#endif
