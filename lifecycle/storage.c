/* What a QEMU guest gets of the container's files. */
#include "lifecycle/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle/family/family.h"
#include "config/annotations.h"
#include "hypervisor/loader_file.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lifecycle/root.h"
#include "lifecycle/shares.h"

/* Where the engine's files are in the monitor's root. */
static const char *const file_paths[] = {
    HV_FILE_PATH "0",  HV_FILE_PATH "1",  HV_FILE_PATH "2",  HV_FILE_PATH "3",
    HV_FILE_PATH "4",  HV_FILE_PATH "5",  HV_FILE_PATH "6",  HV_FILE_PATH "7",
    HV_FILE_PATH "8",  HV_FILE_PATH "9",  HV_FILE_PATH "10", HV_FILE_PATH "11",
    HV_FILE_PATH "12", HV_FILE_PATH "13", HV_FILE_PATH "14", HV_FILE_PATH "15",
};

/* The files that engines put into every container. */
static const char *const engine_files[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/hostname"};

/* Where an initial ram disk is by convention of the family; also beside the kernel, as KERNEL.initrd. Not the
 * names with a version that distributions' packages give those that look for a root on some disk. */
static const struct {
    const char *family, *name;
} initrd_names[] = {
    {"linux", "/initrd"},
    {"linux", "/initrd.img"},
    {"linux", "/boot/initrd"},
    {"linux", "/boot/initrd.img"},
    {"unikraft", "/unikraft/bin/initrd"},
    {"unikraft", "/initrd"},
};

/* For a guest that our loader boots: the image, which is in the plan already, and the ram disk in one file.
 */
static int join_image(const struct ctr_plan *plan, int initrd, struct rk_err *err)
{
    rk_autoclose int image = -1;
    for (size_t i = 0; i < plan->tree_count && image < 0; i++)
        if (strcmp(plan->trees[i].target, plan->record->image_place) == 0)
            image = rk_reopen(plan->trees[i].fd, O_RDONLY);
    if (image < 0) {
        errno = -image;
        return rk_fail_errno(err, "open '%s'", plan->record->image);
    }
    return hv_loader_file(image, initrd, err);
}

int ctr_storage_add_initrd(struct ctr_plan *plan, int *fd, const char *name, struct rk_err *err)
{
    bool joined = plan->record->kind == BND_LINUX64;
    struct stat st;
    if (plan->record->kind == BND_DISK)
        return rk_fail(err, -ENOTSUP,
                       "'%s': a guest that is booted as '%s' is can't be given an initial ram disk", name,
                       plan->record->image);
    if (fstat(*fd, &st) < 0)
        return rk_fail_errno(err, "'%s'", name);
    if (!joined && !(st.st_mode & S_IROTH))
        return rk_fail(err, -EACCES,
                       "'%s' can be read by its owner only, and QEMU runs as another user: chmod a+r it in "
                       "the image",
                       name);
    if ((uint64_t)st.st_size > plan->record->memory / 2)
        return rk_fail(err, -EFBIG,
                       "'%s' has %" PRIu64 " KiB, too much for an initial ram disk of a guest with %" PRIu64
                       " MiB: give it more memory, or a smaller image",
                       name, (uint64_t)st.st_size >> 10, plan->record->memory >> 20);
    plan->record->initrd = true;
    if (!joined)
        return ctr_plan_add_tree(plan, fd, name, HV_INITRD_PATH, err);
    rk_autoclose int both = join_image(plan, *fd, err);
    return both < 0 ? both : ctr_plan_add_tree(plan, &both, name, HV_INITRD_PATH, err);
}

/* Open `name`: 1, and *ret_name is a copy. What is not there is 0, or, when it has to be, an error. */
static int try_initrd(int *ret_fd, char **ret_name, const struct bnd_files *files, const char *name,
                      const char *must, struct rk_err *err)
{
    rk_autoclose int fd = bnd_files_lookup(files, name, O_RDONLY, false, NULL);
    if (fd < 0 && !must)
        return 0;
    if (fd < 0) {
        errno = -fd;
        return rk_fail_errno(err, "%s: '%s'", must, name);
    }
    *ret_name = strdup(name);
    if (!*ret_name)
        return rk_fail(err, -ENOMEM, "out of memory");
    *ret_fd = rk_take_fd(&fd);
    return 1;
}

/* That of an annotation, or one where the family's users have theirs. 1: there is one. */
static int find_initrd(int *ret_fd, char **ret_name, const struct bnd_files *files,
                       const struct bnd_image *image, enum bnd_kind kind,
                       const struct cfg_annotations *wishes, struct rk_err *err)
{
    rk_autofree char *beside = NULL;
    const char *family = image->family->name;
    int r = 0;
    if (wishes->initrd)
        return try_initrd(ret_fd, ret_name, files, wishes->initrd, wishes->source[CFG_INITRD], err);
    if (wishes->rootfs == CFG_ROOTFS_INITRD || wishes->rootfs == CFG_ROOTFS_DISK ||
        wishes->rootfs == CFG_ROOTFS_9P || kind == BND_DISK)
        return 0;
    if (asprintf(&beside, "%s.initrd", image->path) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < RK_COUNT(initrd_names) && r == 0; i++)
        if (strcmp(family, initrd_names[i].family) == 0)
            r = try_initrd(ret_fd, ret_name, files, initrd_names[i].name, NULL, err);
    return r != 0 || strcmp(family, "linux") != 0 ? r
                                                  : try_initrd(ret_fd, ret_name, files, beside, NULL, err);
}

/* process.user, for the guest's process. */
static int note_user(struct ctr_record *record, const struct bnd_spec *spec, struct rk_err *err)
{
    int r = rk_argv_addf(&record->user, "%u", (unsigned)spec->uid);
    if (r == 0)
        r = rk_argv_addf(&record->user, "%u", (unsigned)spec->gid);
    for (size_t i = 0; i < spec->group_count && r == 0; i++)
        r = rk_argv_addf(&record->user, "%u", (unsigned)spec->groups[i]);
    return r < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

int ctr_storage_add_file(struct ctr_plan *plan, int *fd, const char *path, struct rk_err *err)
{
    struct rk_argv *files = &plan->record->files;
    struct stat st;
    if (files->n == RK_COUNT(file_paths))
        return rk_fail(err, -E2BIG, "'%s': a guest gets at most %zu single files", path,
                       RK_COUNT(file_paths));
    if (fstat(*fd, &st) < 0)
        return rk_fail_errno(err, "'%s'", path);
    if (!(st.st_mode & S_IROTH))
        return rk_fail(err, -EACCES,
                       "volume '%s' can be read by its owner only, and QEMU runs as another user: chmod a+r "
                       "it",
                       path);
    int r = ctr_plan_add_tree(plan, fd, path, file_paths[files->n], err);
    return r < 0 ? r : rk_argv_add(files, path) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* What is to be in the guest's memory. Below these it has its own. */
static int note_tmpfs(struct ctr_record *record, const struct bnd_spec *spec, struct rk_err *err)
{
    record->root_readonly = spec->root_readonly;
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct bnd_mount *m = &spec->mounts[i];
        if (!m->type || strcmp(m->type, "tmpfs") != 0 || m->bind || is_below(m->destination, "/dev") ||
            is_below(m->destination, "/proc") || is_below(m->destination, "/sys"))
            continue;
        if (rk_argv_addf(&record->tmpfs, "%s %s", m->options ? m->options : "-", m->destination) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static int add_engine_files(struct ctr_plan *plan, struct rk_err *err)
{
    for (size_t i = 0; i < RK_COUNT(engine_files); i++) {
        const struct bnd_mount *mount = NULL;
        rk_autoclose int fd = bnd_files_lookup(&plan->files, engine_files[i], O_RDONLY, false, &mount);
        if (fd < 0 || !mount)
            continue; /* the image's own, which is packed */
        int r = ctr_storage_add_file(plan, &fd, engine_files[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

int ctr_storage_add_init(struct ctr_plan *plan, struct rk_err *err)
{
    plan->record->own_init = true;
    plan->record->terminal = plan->spec->terminal;
    int r = note_user(plan->record, plan->spec, err);
    if (r == 0)
        r = note_tmpfs(plan->record, plan->spec, err);
    return r < 0 ? r : add_engine_files(plan, err);
}

/* An application is its loader's initial ram disk, and there is room for one. */
static int check_application(const struct bnd_image *image, const struct cfg_annotations *wishes,
                             struct rk_err *err)
{
    if (!wishes->initrd || strcmp(wishes->initrd, image->path) == 0)
        return 0;
    return rk_fail(err, -ENOTSUP,
                   "%s: '%s' is itself the initial ram disk of its loader '%s': there can be no other",
                   wishes->source[CFG_INITRD], image->path, image->loader->path);
}

/* What the family does not do, in the words of who asked. */
static int check_wish(const struct bnd_image *image, const struct cfg_annotations *wishes, bool packs,
                      struct rk_err *err)
{
    const char *who = wishes->source[CFG_ROOTFS], *family = image->family->name;
    if (wishes->rootfs == CFG_ROOTFS_9P && image->family->share_writes)
        return rk_fail(err, -ENOTSUP, "%s: a guest of family %s has its root file system on its own disk",
                       who, family);
    if (wishes->rootfs == CFG_ROOTFS_9P && !image->family->share_tag)
        return rk_fail(err, -ENOTSUP, "%s: a guest of family %s can't mount directories by 9p", who, family);
    if (wishes->rootfs == CFG_ROOTFS_INITRD && !packs)
        return rk_fail(err, -ENOTSUP,
                       "%s: guests of family %s that are booted as this image is don't read the container's "
                       "files from an initial ram disk",
                       who, family);
    if (wishes->rootfs == CFG_ROOTFS_DISK && !packs && !image->family->root_disks)
        return rk_fail(err, -ENOTSUP,
                       "%s: guests of family %s that are booted as this image is don't read the container's "
                       "files from a disk",
                       who, family);
    return 0;
}

int ctr_storage_choose(struct ctr_initrd *ret, const struct bnd_files *files, const struct bnd_image *image,
                       enum bnd_kind kind, const struct cfg_annotations *wishes, struct rk_err *err)
{
    const struct bnd_family *family = image->family;
    *ret = (struct ctr_initrd){.fd = -1};
    int r = image->loader ? check_application(image, wishes, err)
            : files       ? find_initrd(&ret->fd, &ret->name, files, image, kind, wishes, err)
                          : 0;
    if (r < 0 || (r > 0 && wishes->rootfs != CFG_ROOTFS_DISK && wishes->rootfs != CFG_ROOTFS_9P))
        return r < 0 ? r : 0;
    bool packs = family->init_machine && family->init_machine(kind);
    bool root_disk = wishes->disk_mount && strcmp(wishes->disk_mount, "/") == 0;
    if (check_wish(image, wishes, packs, err) < 0) {
        ctr_initrd_fini(ret);
        return err->code;
    }
    bool wanted = wishes->rootfs != CFG_ROOTFS_NONE && !root_disk;
    ret->shared = wanted && wishes->rootfs == CFG_ROOTFS_9P;
    ret->packed = packs && wanted && ret->fd < 0;
    ret->beside = packs && wanted && ret->fd >= 0 && !ret->shared;
    ret->directories = family->root_disks && wanted && !ret->shared;
    return 0;
}

void ctr_initrd_fini(struct ctr_initrd *initrd)
{
    rk_close(&initrd->fd);
    free(initrd->name);
    initrd->name = NULL;
}

/* The container's files as they lie on the host; with an init of ours in a small initial ram disk. */
static int share_rootfs(struct ctr_plan *plan, bool own_init, const struct hv_host *host,
                        const struct cfg_annotations *wishes, struct rk_err *err)
{
    const struct bnd_family *family = bnd_family_find(plan->record->family);
    if (!family || !bnd_family_shares(family, &plan->record->keys))
        return rk_fail(err, -ENOTSUP,
                       "%s: a guest of family %s can't mount directories by 9p: it is built without %s",
                       wishes->source[CFG_ROOTFS], plan->record->family, family ? family->share_key : "it");
    int r = ctr_share_rootfs(plan, own_init, err);
    if (r < 0 || !own_init)
        return r;
    r = ctr_root_add_way_in(plan, host, err);
    return r < 0 ? r : ctr_storage_add_init(plan, err);
}

int ctr_storage_plan(struct ctr_plan *plan, struct bnd_image *image, const struct hv_host *host,
                     const struct cfg_annotations *wishes, struct rk_err *err)
{
    struct ctr_initrd initrd;
    int r = ctr_storage_choose(&initrd, &plan->files, image, plan->record->kind, wishes, err);
    if (r == 0 && image->loader)
        r = ctr_storage_add_initrd(plan, &image->fd, image->path, err);
    else if (r == 0 && initrd.fd >= 0)
        r = ctr_storage_add_initrd(plan, &initrd.fd, initrd.name, err);
    if (r == 0 && initrd.shared)
        r = share_rootfs(plan, initrd.packed, host, wishes, err);
    else if (r == 0 && (initrd.packed || initrd.beside))
        r = ctr_root_pack(plan, image, host, wishes, err);
    if (r == 0 && initrd.directories)
        r = ctr_root_pack_directories(plan, image, host, wishes, err);
    ctr_initrd_fini(&initrd);
    return r;
}
