/* A mount of a directory, with the rights of its owner for another user. */
#include "sandbox/share.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define PRIVATE (1UL << 18) /* MS_PRIVATE, mount(2) */

/* Write the map that swaps two ids and leaves all others: what is between them, too, in lines "INSIDE OUTSIDE
 * COUNT". */
static int write_map(pid_t pid, const char *name, const uint32_t ids[2])
{
    char path[64], text[256];
    const uint64_t low = ids[0] < ids[1] ? ids[0] : ids[1], high = ids[0] < ids[1] ? ids[1] : ids[0];
    const uint64_t lines[][3] = {{0, 0, low},
                                 {low, high, 1},
                                 {low + 1, low + 1, high > low ? high - low - 1 : 0},
                                 {high, low, high > low},
                                 {high + 1, high + 1, UINT32_MAX - high - 1}}; /* the last id is none */
    size_t len = 0;
    for (size_t i = 0; i < RK_COUNT(lines); i++)
        if (lines[i][2] > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                                    lines[i][0], lines[i][1], lines[i][2]);
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    rk_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, len) != (ssize_t)len ? -errno : 0;
}

/* A user namespace that is nothing but these maps. It needs a process to begin with, which ends with us. */
static int open_swap(const struct box_swap *swap)
{
    char path[64], byte;
    int pair[2], r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        close(pair[0]);
        _exit(read(pair[1], &byte, 1) != 0);
    }
    r = pid < 0 ? -errno : 0;
    close(pair[1]);
    if (r == 0)
        r = write_map(pid, "uid_map", swap->uids);
    if (r == 0)
        r = write_map(pid, "gid_map", swap->gids);
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    if (r == 0 && (r = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        r = -errno;
    close(pair[0]); /* it ends */
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return r;
}

static int set_attributes(int tree, bool recursive, struct mount_attr *attr)
{
    return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attr,
                        sizeof *attr);
}

/* Say why not, when not. */
static void apply_swap(int tree, bool recursive, const struct box_swap *swap, char reason[BOX_SHARE_REASON])
{
    rk_autoclose int namespace = open_swap(swap);
    if (namespace < 0) {
        snprintf(reason, BOX_SHARE_REASON, "no user namespace can be made: %s", strerror(-namespace));
        return;
    }
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)namespace};
    if (set_attributes(tree, recursive, &attr) == 0)
        return;
    /* What is mounted below may be of another kind. */
    if (recursive && set_attributes(tree, false, &attr) == 0)
        return;
    if (errno == EINVAL)
        snprintf(reason, BOX_SHARE_REASON, "its file system has no mounts with other ids");
    else
        snprintf(reason, BOX_SHARE_REASON, "it can't be mounted with other ids: %s", strerror(errno));
}

int box_share_detach(int fd, bool readonly, bool recursive, const struct box_swap *swap,
                     char reason[BOX_SHARE_REASON], struct rk_err *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                                          (readonly ? MOUNT_ATTR_RDONLY : 0),
                              .propagation = PRIVATE};
    rk_autoclose int tree =
        (int)syscall(SYS_open_tree, fd, "",
                     AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
    *reason = '\0';
    if (tree < 0)
        return rk_fail_errno(err, "make a mount of it");
    if (set_attributes(tree, recursive, &attr) < 0)
        return rk_fail_errno(err, "set the attributes of its mount");
    if (swap)
        apply_swap(tree, recursive, swap, reason);
    return rk_take_fd(&tree);
}
