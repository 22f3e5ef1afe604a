/* Directories of the host that a monitor hands on to its guest. */
#ifndef BOX_SHARE_H
#define BOX_SHARE_H

#include <stdbool.h>
#include <sys/types.h>

struct rk_err;

/* Two users and two groups, as the caller sees their numbers. */
struct box_swap {
    uid_t uids[2];
    gid_t gids[2];
};

#define BOX_SHARE_REASON 128 /* bytes */

/* A detached mount of the open directory `fd`, whatever its name is by now, without set-user-id, devices and
 * execution; with `recursive` also of what is mounted below it. With `swap` (NULL: none) what belongs to one
 * of the two users on the file system belongs to the other in the mount, and the other way round, what is
 * made there included; groups likewise, all other ids stay. Where that can't be done, the mount is as it
 * would be without, and `reason` says why; else that is empty. The descriptor, or an error. Linux 5.12. */
int box_share_detach(int fd, bool readonly, bool recursive, const struct box_swap *swap,
                     char reason[BOX_SHARE_REASON], struct rk_err *err);

#endif
