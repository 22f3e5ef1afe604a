/* A QEMU guest's disks. */
#include "lifecycle/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/annotations.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lifecycle/shares.h"
#include "lifecycle/storage.h"

#define DISKS_MAX 24 /* letters of /dev/vda … that there are beside a boot disk */

/* What engines put into every container: dockerd, podman, Kubernetes, their inits. */
static const char *const engines_own[] = {"/etc/resolv.conf",
                                          "/etc/hosts",
                                          "/etc/hostname",
                                          "/etc/mtab",
                                          "/dev/init",
                                          "/sbin/docker-init",
                                          "/run/podman-init",
                                          "/run/.containerenv",
                                          "/dev/termination-log",
                                          "/dev/shm",
                                          "/dev/mqueue",
                                          "/proc",
                                          "/sys",
                                          "/run/secrets",
                                          "/var/run/secrets"};

/* Where file systems say what they are: bytes at an offset. */
static const struct {
    const char *name;
    off_t offset;
    const char *bytes;
    size_t len;
} magics[] = {
    {"ext4", 0x438, "\x53\xef", 2}, {"iso9660", 0x8001, "CD001", 5}, {"erofs", 0x400, "\xe2\xe1\xf5\xe0", 4},
    {"squashfs", 0, "hsqs", 4},     {"xfs", 0, "XFSB", 4},           {"btrfs", 0x10040, "_BHRfS_M", 8},
    {"vfat", 0x52, "FAT32", 5},     {"vfat", 0x36, "FAT1", 4},
};

const char *ctr_volume_fstype(int fd)
{
    char found[8];
    for (size_t i = 0; i < RK_COUNT(magics); i++)
        if (pread(fd, found, magics[i].len, magics[i].offset) == (ssize_t)magics[i].len &&
            memcmp(found, magics[i].bytes, magics[i].len) == 0)
            return magics[i].name;
    return NULL;
}

bool ctr_volumes_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool is_engines(const char *path)
{
    for (size_t i = 0; i < RK_COUNT(engines_own); i++)
        if (ctr_volumes_below(path, engines_own[i]))
            return true;
    return false;
}

int ctr_volumes_add(struct ctr_plan *plan, int *fd, const char *destination, struct rk_err *err)
{
    struct ctr_record *record = plan->record;
    const char *fstype = ctr_volume_fstype(*fd);
    struct stat st;
    if (record->device_count == DISKS_MAX)
        return rk_fail(err, -E2BIG, "more than %d disks", DISKS_MAX);
    struct ctr_device *devices = reallocarray(record->devices, record->device_count + 1, sizeof *devices);
    if (!devices)
        return rk_fail(err, -ENOMEM, "out of memory");
    record->devices = devices;
    struct ctr_device *d = &devices[record->device_count];
    *d = (struct ctr_device){.type = RK_SOLO5_BLOCK,
                             .host_device = fstat(*fd, &st) == 0 && S_ISBLK(st.st_mode),
                             .readonly = (fcntl(*fd, F_GETFL) & O_ACCMODE) == O_RDONLY};
    snprintf(d->name, sizeof d->name, "disk%zu", record->device_count);
    snprintf(d->fstype, sizeof d->fstype, "%s", fstype ? fstype : "");
    if (destination && (record->own_init || !ctr_volumes_below(destination, "/dev")) &&
        !(d->destination = strdup(destination)))
        return rk_fail(err, -ENOMEM, "out of memory");
    record->device_count++;
    plan->slots[plan->slot_count++] = rk_take_fd(fd);
    return 0;
}

static int open_asked(struct ctr_plan *plan, const struct cfg_annotations *wishes, struct rk_err *err)
{
    for (size_t i = 0; i < wishes->disk_count; i++) {
        const struct cfg_disk *asked = &wishes->disks[i];
        rk_autoclose int fd = ctr_disk_open(&plan->files, "", asked, err);
        int r = fd < 0 ? fd : ctr_volumes_add(plan, &fd, i == 0 ? wishes->disk_mount : NULL, err);
        if (r < 0)
            return rk_wrap(err, "%s", wishes->source[CFG_DISK]);
    }
    return 0;
}

/* A secret of an engine's, which is a file of its own: a guest that gets the container's files gets it, too.
 */
static bool is_secret(const struct ctr_plan *plan, const struct bnd_mount *mount)
{
    struct stat st;
    return plan->record->own_init &&
           (ctr_volumes_below(mount->destination, "/run/secrets") ||
            ctr_volumes_below(mount->destination, "/var/run/secrets")) &&
           stat(mount->source, &st) == 0 && S_ISREG(st.st_mode);
}

/* Whether the annotation has made a disk of it, or of something in it; or the image, its loader or its ram
 * disk is there.
 */
static bool is_used(const char *destination, const struct bnd_image *image,
                    const struct cfg_annotations *wishes)
{
    for (size_t i = 0; i < wishes->disk_count; i++)
        if (ctr_volumes_below(wishes->disks[i].path, destination))
            return true;
    return (image->path && ctr_volumes_below(image->path, destination)) ||
           (image->loader && ctr_volumes_below(image->loader->path, destination)) ||
           (wishes->initrd && ctr_volumes_below(wishes->initrd, destination));
}

static int open_volume(struct ctr_plan *plan, const struct bnd_mount *mount, struct rk_err *err)
{
    const char *path = mount->destination;
    struct stat st;
    if (stat(mount->source, &st) < 0)
        return rk_fail_errno(err, "volume '%s'", path);
    if (S_ISDIR(st.st_mode))
        return ctr_share_volume(plan, mount, err);
    rk_autoclose int look =
        S_ISREG(st.st_mode) ? bnd_files_lookup(&plan->files, path, O_RDONLY, false, NULL) : -1;
    if (look >= 0 && plan->record->own_init && !ctr_volumes_below(path, "/dev") && !ctr_volume_fstype(look))
        return ctr_storage_add_file(plan, &look, path, err);
    rk_autoclose int fd = ctr_disk_open_path(&plan->files, path, false, err);
    if (fd == -ENOENT)
        return rk_fail(err, fd, "volume '%s' is not there any more", path);
    return fd < 0 ? fd : ctr_volumes_add(plan, &fd, path, err);
}

/* A guest that waits for a disk does so without a word: better an error before. */
static int check_needed(const struct ctr_record *record, const struct bnd_image *image, struct rk_err *err)
{
    const struct bnd_machine *machine = image->family->machine(record->kind);
    if (!machine || !machine->needs_disk || record->device_count > 0)
        return 0;
    return rk_fail(err, -EINVAL,
                   "image '%s' is a kernel of family %s without its disk, on which the program is: give it "
                   "the disk by -v FILE:/NAME, or in the image with the annotation org.runuk.disk",
                   image->path, image->family->name);
}

int ctr_volumes_open(struct ctr_plan *plan, const struct bnd_image *image,
                     const struct cfg_annotations *wishes, struct rk_err *err)
{
    const struct bnd_spec *spec = plan->spec;
    int r = open_asked(plan, wishes, err);
    for (size_t i = 0; i < spec->mount_count && r == 0; i++) {
        const struct bnd_mount *m = &spec->mounts[i];
        if (!m->bind || !m->source || (is_engines(m->destination) && !is_secret(plan, m)))
            continue;
        if (!is_used(m->destination, image, wishes))
            r = open_volume(plan, m, err);
    }
    return r < 0 ? r : check_needed(plan->record, image, err);
}
