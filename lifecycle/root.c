/* The container's files, packed for a guest in QEMU: as what, and what of them. */
#include "lifecycle/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/family/family.h"
#include "config/annotations.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lifecycle/pack.h"
#include "lifecycle/storage.h"
#include "lifecycle/volumes.h"
#include "netplumb/relay/address.h"

#define PACKED "the container's files" /* in errors */

int ctr_root_add_way_in(struct ctr_plan *plan, const struct hv_host *host, struct rk_err *err)
{
    const struct ctr_pack what = {.with_init = true, .modules = true};
    bool disk;
    rk_autoclose int fd = ctr_pack_rootfs(&disk, &what, &plan->files, host, err);
    return fd < 0 ? fd : ctr_storage_add_initrd(plan, &fd, "the initial ram disk", err);
}

int ctr_root_pack(struct ctr_plan *plan, const struct bnd_image *image, const struct hv_host *host,
                  const struct cfg_annotations *wishes, struct rk_err *err)
{
    bool own = plan->record->initrd, disk = wishes->rootfs == CFG_ROOTFS_DISK;
    /* What is unpacked takes as much once more, until it is. */
    uint64_t most = wishes->rootfs == CFG_ROOTFS_INITRD ? 0 : plan->record->memory / 2;
    const struct ctr_pack what = {.with_init = !disk, .disk = disk, .disk_above = most, .skip = image->path};
    rk_autoclose int fd = ctr_pack_rootfs(&disk, &what, &plan->files, host, err);
    if (fd < 0)
        return fd;
    int r = disk ? ctr_volumes_add(plan, &fd, "/", err) : ctr_storage_add_initrd(plan, &fd, PACKED, err);
    if (r < 0 || own)
        return r;
    if (disk && (r = ctr_root_add_way_in(plan, host, err)) < 0)
        return r;
    return ctr_storage_add_init(plan, err);
}

/* --- disks for directories
 * ---------------------------------------------------------------------------------- */

#define LOOK_MAX 4096 /* names that are looked at for a file among them */

/* What engines put into every rootfs, relative to its /etc. */
static const char *const engine_files[] = {"resolv.conf", "hosts", "hostname", "mtab"};

/* Directories that are the guest's own. */
static const char *const guests_own[] = {"dev", "proc", "sys", "tmp"};

static bool is_among(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* What is looked for: anything but directories, the image itself, and what engines put there. */
struct looking {
    ino_t image;
    dev_t image_dev;
    bool etc;
    unsigned left;
};

static bool has_files(struct looking *l, int parent, const char *name, unsigned depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool found = false;
    struct stat st;
    if (!dir && fd >= 0)
        close(fd);
    for (struct dirent *e; dir && !found && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (l->left == 0 || depth == 32) {
            found = true; /* whatever it is, it is none that engines have made */
            break;
        }
        l->left--;
        if (l->etc && depth == 0 && is_among(e->d_name, engine_files, RK_COUNT(engine_files)))
            continue;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        found = S_ISDIR(st.st_mode) ? has_files(l, dirfd(dir), e->d_name, depth + 1)
                                    : st.st_ino != l->image || st.st_dev != l->image_dev;
    }
    if (dir)
        closedir(dir);
    return found;
}

/* Whether something else is to be there, or in it. */
static bool is_covered(const struct ctr_plan *plan, const char *path, const struct cfg_annotations *wishes)
{
    const struct bnd_spec *spec = plan->spec;
    for (size_t i = 0; i < spec->mount_count; i++)
        if (strcmp(spec->mounts[i].destination, path) == 0)
            return true;
    return wishes->disk_mount && strcmp(wishes->disk_mount, path) == 0;
}

/* The container's resolv.conf as the guest needs it: what is on the container's loopback it reaches by the
 * relay. A file in memory. */
static int adapt_resolv_conf(int fd, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    bool relayed = false;
    int r = rk_read_fd(fd, 65536, &text, NULL);
    rk_autoclose int out = r < 0 ? -1 : memfd_create("resolv.conf", MFD_CLOEXEC);
    if (out < 0) {
        errno = r < 0 ? -r : errno;
        return rk_fail_errno(err, "read '/etc/resolv.conf'");
    }
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        bool local = strncmp(line, "nameserver 127.", 15) == 0 || strncmp(line, "nameserver ::1", 14) == 0;
        if (local && relayed)
            continue;
        relayed = relayed || local;
        if (dprintf(out, "%s\n", local ? "nameserver " RLY_ADDRESS_TEXT : line) < 0)
            return rk_fail_errno(err, "write '/etc/resolv.conf'");
    }
    return rk_take_fd(&out);
}

/* The engine's files that belong into /etc. Their number, for which *files are to be closed. */
static int open_engine_files(const struct ctr_plan *plan, struct ctr_pack_file *files, struct rk_err *err)
{
    char path[64];
    int n = 0;
    for (size_t i = 0; i < RK_COUNT(engine_files); i++) {
        const struct bnd_mount *mount = NULL;
        snprintf(path, sizeof path, "/etc/%s", engine_files[i]);
        rk_autoclose int fd = bnd_files_lookup(&plan->files, path, O_RDONLY, false, &mount);
        if (fd < 0 || !mount)
            continue; /* the image's own */
        if (i == 0) {
            int adapted = adapt_resolv_conf(fd, err);
            if (adapted < 0)
                return adapted;
            close(fd);
            fd = adapted;
        }
        files[n++] = (struct ctr_pack_file){.fd = rk_take_fd(&fd), .path = engine_files[i]};
    }
    return n;
}

static int pack_directory(struct ctr_plan *plan, const char *name, const struct bnd_image *image,
                          const struct hv_host *host, struct rk_err *err)
{
    struct ctr_pack_file files[CTR_PACK_FILES];
    struct ctr_pack what = {.disk = true, .below = name, .files = files};
    char path[NAME_MAX + 2];
    int n = strcmp(name, "etc") == 0 ? open_engine_files(plan, files, err) : 0;
    if (n < 0)
        return n;
    snprintf(path, sizeof path, "/%s", name);
    if (ctr_volumes_below(image->path, path))
        what.skip = image->path + strlen(path);
    what.file_count = (size_t)n;
    bool disk;
    rk_autoclose int fd = ctr_pack_rootfs(&disk, &what, &plan->files, host, err);
    for (int i = 0; i < n; i++)
        close(files[i].fd);
    int r = fd < 0 ? fd : ctr_volumes_add(plan, &fd, path, err);
    return r < 0 ? rk_wrap(err, "'%s'", path) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_packed(const struct ctr_plan *plan, const char *name, const struct bnd_image *image,
                      const struct cfg_annotations *wishes)
{
    struct looking looking = {.etc = strcmp(name, "etc") == 0, .left = LOOK_MAX};
    char path[NAME_MAX + 2];
    struct stat st;
    snprintf(path, sizeof path, "/%s", name);
    if (name[0] == '.' && (!name[1] || strcmp(name, "..") == 0))
        return false;
    if (is_among(name, guests_own, RK_COUNT(guests_own)) || is_covered(plan, path, wishes))
        return false;
    rk_autoclose int fd = bnd_files_lookup(&plan->files, image->path, O_PATH, false, NULL);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        looking.image = st.st_ino;
        looking.image_dev = st.st_dev;
    }
    return has_files(&looking, plan->files.root_fd, name, 0);
}

int ctr_root_pack_directories(struct ctr_plan *plan, const struct bnd_image *image,
                              const struct hv_host *host, const struct cfg_annotations *wishes,
                              struct rk_err *err)
{
    struct dirent **names = NULL;
    int n = scandirat(plan->files.root_fd, ".", &names, NULL, by_name), r = 0;
    if (n < 0)
        return rk_fail_errno(err, "read the container's root");
    for (int i = 0; i < n; i++) {
        if (r == 0 && is_packed(plan, names[i]->d_name, image, wishes))
            r = pack_directory(plan, names[i]->d_name, image, host, err);
        free(names[i]);
    }
    free(names);
    return r;
}
