/* A root of its own: a tmpfs, and in it what was asked for. */
#include "sandbox/root.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

/* <sys/mount.h> and <linux/mount.h> exclude one another before glibc 2.37: the three old names that are
 * needed. */
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);

#define PRIVATE             (1UL << 18)             /* MS_PRIVATE, mount(2) */
#define PROPAGATION_PRIVATE (PRIVATE | (1UL << 14)) /* and MS_REC */
#define PAGE                4096
#define COPY_CHUNK          (1 << 26) /* bytes at a time */
#define DETACH              2         /* MNT_DETACH, umount2(2) */

int box_mounts_private(struct rk_err *err)
{
    if (mount(NULL, "/", NULL, PROPAGATION_PRIVATE, NULL) < 0)
        return rk_fail_errno(err, "make mounts private");
    return 0;
}

/* Set attributes of a mount by its descriptor, and cut it off from the mount that it is a copy of. */
static int set_attributes(int mnt, unsigned attributes)
{
    struct mount_attr attr = {.attr_set = attributes, .propagation = PRIVATE};
    return (int)syscall(SYS_mount_setattr, mnt, "", AT_EMPTY_PATH, &attr, sizeof attr);
}

int box_tree_detach(int fd, struct rk_err *err)
{
    rk_autoclose int tree =
        (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0)
        return rk_fail_errno(err, "make a mount of it");
    if (set_attributes(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) <
        0)
        return rk_fail_errno(err, "make its mount read-only");
    return rk_take_fd(&tree);
}

int box_find_again(int fd)
{
    struct stat opened, found;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return -errno;
    path[len] = '\0';
    rk_autoclose int own = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (own < 0 || fstat(own, &found) < 0 || fstat(fd, &opened) < 0)
        return -errno;
    if (found.st_dev != opened.st_dev || found.st_ino != opened.st_ino)
        return -ESTALE;
    return rk_take_fd(&own);
}

int box_tree_find(int fd)
{
    struct rk_err err;
    rk_autoclose int own = box_find_again(fd);
    return own < 0 ? own : box_tree_detach(own, &err);
}

/* A detached tmpfs with room for `inodes` of them: its descriptor. One for nothing but its root is read-only
 * from the beginning. */
static int make_tmpfs(size_t inodes, uint64_t bytes, struct rk_err *err)
{
    char text[32], size[32];
    unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    rk_autoclose int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0)
        return rk_fail_errno(err, "open a tmpfs");
    snprintf(text, sizeof text, "%zu", inodes);
    snprintf(size, sizeof size, "%" PRIu64, bytes);
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "nr_inodes", text, 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return rk_fail_errno(err, "configure a tmpfs");
    int mnt =
        (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes | (inodes == 1 ? MOUNT_ATTR_RDONLY : 0));
    return mnt < 0 ? rk_fail_errno(err, "make a tmpfs") : mnt;
}

/* A /proc of this PID namespace: "/proc/self/fd/N" is how a program names what it has open. */
static int place_proc(int root, struct rk_err *err)
{
    const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY;
    rk_autoclose int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "hidepid", "ptraceable", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "subset", "pid", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return rk_fail_errno(err, "make '/proc' for the monitor");
    rk_autoclose int mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
    if (mnt < 0 || mkdirat(root, "proc", 0555) < 0 ||
        syscall(SYS_move_mount, mnt, "", root, "proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return rk_fail_errno(err, "mount '/proc' for the monitor");
    return 0;
}

/* An empty file or directory at `target` below `root`, and the directories above it. */
static int make_place(int root, const char *target, bool directory)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", target + 1) >= (int)sizeof path)
        return -ENAMETOOLONG;
    for (char *slash = path; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdirat(root, path, 0555) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    if (directory)
        return mkdirat(root, path, 0555) < 0 ? -errno : 0;
    rk_autoclose int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    return fd < 0 ? -errno : 0;
}

/* Put the content of one file into its place. */
static int copy(int root, const struct box_file *file)
{
    off_t at = 0;
    ssize_t n;
    rk_autoclose int out = openat(root, file->target + 1, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0)
        return -errno;
    while ((n = sendfile(out, file->fd, &at, COPY_CHUNK)) > 0)
        ;
    return n < 0 ? -errno : 0;
}

/* Room in the tmpfs: what is copied into it, in whole pages. */
static int count_bytes(uint64_t *ret_bytes, const struct box_file *files, size_t count)
{
    struct stat st;
    *ret_bytes = PAGE;
    for (size_t i = 0; i < count; i++) {
        if (!files[i].copy || files[i].directory)
            continue;
        if (fstat(files[i].fd, &st) < 0)
            return -errno;
        *ret_bytes += ((uint64_t)st.st_size + PAGE - 1) / PAGE * PAGE;
    }
    return 0;
}

/* Mount a file over one in a directory that somebody else has filled. */
static int place_inside(int root, const struct box_file *file)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    struct stat st;
    rk_autoclose int at = (int)syscall(SYS_openat2, root, file->target + 1, &how, sizeof how);
    if (at < 0 || fstat(at, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    return syscall(SYS_move_mount, file->fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
                   0
               ? -errno
               : 0;
}

/* Mount one file at its place. The process' root is still the old one, in which its source is looked up. */
static int place(int root, const struct box_file *file)
{
    rk_autoclose int own = -1;
    int tree = file->fd;
    if (file->copy)
        return file->directory ? -EPERM : copy(root, file);
    if (file->inside)
        return place_inside(root, file);
    if (file->source) {
        bool device = strncmp(file->target, "/dev/", 5) == 0;
        bool program = !device && strcmp(file->source, file->target) == 0;
        own = (int)syscall(SYS_open_tree, AT_FDCWD, file->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (own < 0 ||
            set_attributes(own, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | (device ? 0 : MOUNT_ATTR_NODEV) |
                                    (program ? 0 : MOUNT_ATTR_NOEXEC)) < 0)
            return -errno;
        tree = own;
    }
    return syscall(SYS_move_mount, tree, "", root, file->target + 1, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
                                                                                                  : 0;
}

int box_root_make(const struct box_file *files, size_t count, bool proc, struct rk_err *err)
{
    uint64_t bytes;
    int counted = count_bytes(&bytes, files, count);
    if (counted < 0)
        return rk_fail(err, counted, "look at what goes into the monitor's root");
    rk_autoclose int root = make_tmpfs(count ? 16 * count + 16 : 1, bytes, err);
    if (root < 0)
        return root;
    for (size_t i = 0; i < count; i++) {
        int r = files[i].inside ? 0 : make_place(root, files[i].target, files[i].directory);
        if (r < 0) {
            errno = -r;
            return rk_fail_errno(err, "make '%s' in the monitor's root", files[i].target);
        }
    }
    /* The new mount covers "/" itself, so that no directory of the host has to serve as a mount point. */
    if (syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return rk_fail_errno(err, "mount the monitor's root");
    for (size_t i = 0; i < count; i++) {
        int r = place(root, &files[i]);
        if (r < 0) {
            errno = -r;
            return rk_fail_errno(err, "put '%s' into the monitor's root",
                                 files[i].source ? files[i].source : files[i].target);
        }
    }
    int made = proc ? place_proc(root, err) : 0;
    if (made < 0)
        return made;
    if (count > 0 && set_attributes(root, MOUNT_ATTR_RDONLY) < 0)
        return rk_fail_errno(err, "make the monitor's root read-only");
    if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return rk_fail_errno(err, "enter the monitor's root");
    if (umount2(".", DETACH) < 0 || chdir("/") < 0)
        return rk_fail_errno(err, "leave the old root");
    return 0;
}
