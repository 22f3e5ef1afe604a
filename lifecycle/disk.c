/* Finds what backs a guest's block device: a volume, or a file in the image. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "config/annotations.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lifecycle/plan.h"

#define SECTOR 512 /* bytes: the tenders' default block size */

static const char *const patterns[] = {"/dev/%s", "/%s", "/%s.img"};

static bool is_bind_destination(const struct bnd_spec *spec, const char *path)
{
    for (size_t i = 0; i < spec->mount_count; i++)
        if (spec->mounts[i].bind && strcmp(spec->mounts[i].destination, path) == 0)
            return true;
    return false;
}

/* Refuse a size that a guest could not use: the reference tender does too. */
static int check_size(int fd, const char *path, struct rk_err *err)
{
    struct stat st;
    uint64_t size = 0;
    if (fstat(fd, &st) < 0)
        return rk_fail_errno(err, "'%s'", path);
    if (S_ISREG(st.st_mode))
        size = (uint64_t)st.st_size;
    else if (ioctl(fd, BLKGETSIZE64, &size) < 0)
        return rk_fail_errno(err, "size of '%s'", path);
    if (size < SECTOR || size % SECTOR != 0)
        return rk_fail(err, -EINVAL, "'%s' has %" PRIu64 " bytes, which is no multiple of the sector size %d",
                       path, size, SECTOR);
    return 0;
}

int ctr_disk_open_path(const struct bnd_files *files, const char *path, bool readonly, struct rk_err *err)
{
    const struct bnd_mount *mount = NULL;
    rk_autoclose int fd = bnd_files_lookup(files, path, O_RDONLY | O_NONBLOCK, true, &mount);
    if (fd == -ENOENT || fd == -ENOTDIR)
        return -ENOENT;
    if (fd == -ENODEV || fd == -EISDIR)
        return rk_fail(err, fd, "'%s' is no regular file (a block device has to be bind-mounted itself)",
                       path);
    if (fd < 0) {
        errno = -fd;
        return rk_fail_errno(err, "open '%s'", path);
    }
    readonly = readonly || (mount ? mount->readonly : files->spec->root_readonly);
    int r = check_size(fd, path, err);
    if (r < 0 || readonly)
        return r < 0 ? r : rk_take_fd(&fd);
    int writable = rk_reopen(fd, O_RDWR | O_NONBLOCK);
    if (writable == -EROFS)
        return rk_take_fd(&fd);
    if (writable < 0) {
        errno = -writable;
        return rk_fail_errno(err, "open '%s' for writing", path);
    }
    return writable;
}

int ctr_disk_open(const struct bnd_files *files, const char *name, const struct cfg_disk *given,
                  struct rk_err *err)
{
    char path[RK_SOLO5_NAME_SIZE + 16];
    if (given) {
        int fd = ctr_disk_open_path(files, given->path, given->readonly, err);
        return fd == -ENOENT ? rk_fail(err, fd, "'%s' is no file in the container", given->path) : fd;
    }
    for (int binds = 1; binds >= 0; binds--) {
        for (size_t i = 0; i < RK_COUNT(patterns); i++) {
            const char *pattern = patterns[i];
            snprintf(path, sizeof path, "%.*s%s%s", (int)(strstr(pattern, "%s") - pattern), pattern, name,
                     strstr(pattern, "%s") + 2);
            if (binds && !is_bind_destination(files->spec, path))
                continue;
            int fd = ctr_disk_open_path(files, path, false, err);
            if (fd != -ENOENT)
                return fd < 0 ? rk_wrap(err, "block device '%s'", name) : fd;
        }
    }
    return rk_fail(err, -ENXIO,
                   "block device '%s' has nothing behind it: looked for a volume (-v FILE:DESTINATION) at "
                   "/dev/%s, /%s and "
                   "/%s.img, and for such a file in the image",
                   name, name, name, name);
}
