/* Directories for a QEMU guest, by 9p.
 *
 * Whoever writes is QEMU, which is a user without any power. Where a process in the container would be root,
 * it gets the rights of the directory's owner by a mount in which that one and QEMU's user change places;
 * where it would be somebody else, QEMU is that user, and has what rights that one has. */
#include "lifecycle/shares.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/family/family.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "sandbox/share.h"

#define ANONYMOUS_NAME 64 /* hexadecimal digits: how engines call a volume that nobody has named */

static const char *const share_paths[CTR_SHARES_MAX] = {
    HV_SHARE_PATH "0",  HV_SHARE_PATH "1",  HV_SHARE_PATH "2",  HV_SHARE_PATH "3",
    HV_SHARE_PATH "4",  HV_SHARE_PATH "5",  HV_SHARE_PATH "6",  HV_SHARE_PATH "7",
    HV_SHARE_PATH "8",  HV_SHARE_PATH "9",  HV_SHARE_PATH "10", HV_SHARE_PATH "11",
    HV_SHARE_PATH "12", HV_SHARE_PATH "13", HV_SHARE_PATH "14", HV_SHARE_PATH "15",
};

/* …/volumes/NAME/_data of dockerd and podman, …/volumes/NAME of containerd's CRI plugin. */
static bool is_anonymous(const char *source)
{
    size_t len = strlen(source);
    static const char data[] = "/_data";
    if (len > strlen(data) && strcmp(source + len - strlen(data), data) == 0)
        len -= strlen(data);
    const char *name = source + len;
    while (name > source && name[-1] != '/')
        name--;
    return (size_t)(source + len - name) == ANONYMOUS_NAME &&
           strspn(name, "0123456789abcdef") == ANONYMOUS_NAME;
}

/* Whether the caller's `id` is one of the container's. */
static bool is_inside(const struct bnd_id_maps *maps, uint32_t id)
{
    for (size_t i = 0; i < maps->n; i++)
        if (id >= maps->v[i].outside && id - maps->v[i].outside < maps->v[i].count)
            return true;
    return false;
}

/* An id of the container as the caller sees it. */
static uint32_t outside(const struct ctr_plan *plan, const struct bnd_id_maps *maps, uint32_t id)
{
    if (!plan->ids.inherited)
        box_id_mapped(maps, id, &id);
    return id;
}

/* Whether QEMU has to change places with somebody, and with whom, so that it can do what the container's root
 * could. */
static bool choose_swap(struct box_swap *ret_swap, const struct ctr_plan *plan, const struct stat *st)
{
    const struct box_ids *ids = &plan->ids;
    uint32_t uid = outside(plan, &ids->uids, plan->uid), gid = outside(plan, &ids->gids, plan->gid);
    if (plan->spec->uid != 0)
        return false;
    /* What belongs to nobody in the container is out of its root's power. */
    if (!ids->inherited && (!is_inside(&ids->uids, st->st_uid) || !is_inside(&ids->gids, st->st_gid)))
        return false;
    if (uid == st->st_uid && gid == st->st_gid)
        return false;
    *ret_swap = (struct box_swap){.uids = {st->st_uid, uid}, .gids = {st->st_gid, gid}};
    return true;
}

/* What of `wanted` (4: to read, 2: to write, 1: to look names up) QEMU may not do, when the mount gives it no
 * other rights. Lists of access control are not looked at. */
static unsigned missing_rights(const struct ctr_plan *plan, const struct stat *st, unsigned wanted)
{
    const struct bnd_spec *spec = plan->spec;
    bool in_group = st->st_gid == outside(plan, &plan->ids.gids, plan->gid);
    for (size_t i = 0; spec->uid != 0 && i < spec->group_count; i++)
        in_group = in_group || st->st_gid == outside(plan, &plan->ids.gids, spec->groups[i]);
    unsigned shift = st->st_uid == outside(plan, &plan->ids.uids, plan->uid) ? 6 : in_group ? 3 : 0;
    return wanted & ~(st->st_mode >> shift);
}

static void warn_of_rights(const struct ctr_plan *plan, const struct stat *st, const struct bnd_mount *mount,
                           const char *reason)
{
    unsigned missing = missing_rights(plan, st, mount->readonly ? 5 : 7);
    if (missing == 0)
        return;
    rk_warn("volume '%s': the guest can't %s it, since QEMU runs as user %u%s%s, and the directory belongs "
            "to user %u: let others %s it",
            mount->destination, missing & 5 ? "read" : "write to", (unsigned)plan->uid, *reason ? ", " : "",
            reason, (unsigned)st->st_uid, missing & 5 ? "read" : "write to");
}

/* One more in the record and in the monitor's root: what `fd` is open for, as `as` says. Who may make no
 * mounts here leaves that to the container's process, which may in its own namespaces. */
static int add(struct ctr_plan *plan, int *fd, const struct bnd_mount *as, struct rk_err *err)
{
    struct ctr_record *record = plan->record;
    char reason[BOX_SHARE_REASON];
    struct box_swap swap;
    struct stat st;
    if (record->share_count == CTR_SHARES_MAX)
        return rk_fail(err, -E2BIG, "more than %d directories", CTR_SHARES_MAX);
    if (fstat(*fd, &st) < 0)
        return rk_fail_errno(err, "look at it");
    bool swaps = choose_swap(&swap, plan, &st);
    rk_autoclose int tree =
        box_share_detach(*fd, as->readonly, as->recursive, swaps ? &swap : NULL, reason, err);
    if (tree < 0 && tree != -EPERM)
        return tree;
    struct box_file directory = {.fd = tree < 0 ? *fd : tree,
                                 .copy = tree < 0,
                                 .directory = true,
                                 .readonly = as->readonly,
                                 .recursive = as->recursive,
                                 .target = share_paths[record->share_count]};
    struct ctr_share share = {.destination = strdup(as->destination), .readonly = as->readonly};
    int r = share.destination ? ctr_plan_add_directory(plan, &directory, as->destination, err)
                              : rk_fail(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(share.destination);
        return r;
    }
    rk_take_fd(tree < 0 ? fd : &tree);
    record->shares[record->share_count++] = share;
    if (!swaps || *reason)
        warn_of_rights(plan, &st, as, reason);
    return 0;
}

/* The guest can't mount it. */
static int refuse(const struct ctr_plan *plan, const struct bnd_family *family, const struct bnd_mount *mount,
                  struct rk_err *err)
{
    char why[64] = "";
    if (family->share_tag)
        snprintf(why, sizeof why, " (it is built without %s)", family->share_key);
    if (is_anonymous(mount->source)) {
        rk_warn("container '%s': a guest of family %s can't mount directories%s, so it does without the "
                "volume that its image has at '%s'",
                plan->record->id, family->name, why, mount->destination);
        return 0;
    }
    return rk_fail(
        err, -ENOTSUP,
        "volume '%s' is a directory, which a guest of family %s can't mount%s: give it a file or a "
        "block device, which becomes a disk",
        mount->destination, family->name, why);
}

/* What stands in the way of a directory that the guest could mount. */
static int check(const struct ctr_plan *plan, const struct bnd_family *family, const struct bnd_mount *mount,
                 struct rk_err *err)
{
    const struct bnd_namespace *pids = bnd_spec_namespace(plan->spec, CLONE_NEWPID);
    if (mount->readonly && family->share_writes)
        return rk_fail(err, -ENOTSUP,
                       "volume '%s' is a directory that is mounted read-only, and a guest of family %s opens "
                       "whatever it reads for writing, too: mount it writable, or give it a disk",
                       mount->destination, family->name);
    if (!mount->readonly && (!pids || pids->path))
        return rk_fail(
            err, -ENOTSUP,
            "volume '%s' is a directory, which a guest can write to only in a PID namespace of the "
            "container's own: mount it read-only, or leave the namespace to the container",
            mount->destination);
    return 0;
}

int ctr_share_volume(struct ctr_plan *plan, const struct bnd_mount *mount, struct rk_err *err)
{
    const struct bnd_family *family = bnd_family_find(plan->record->family);
    if (!family)
        return rk_fail(err, -EINVAL, "unknown family '%s'", plan->record->family);
    if (!bnd_family_shares(family, &plan->record->keys))
        return refuse(plan, family, mount, err);
    int r = check(plan, family, mount, err);
    if (r < 0)
        return r;
    rk_autoclose int fd = open(mount->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return rk_fail_errno(err, "volume '%s'", mount->destination);
    r = add(plan, &fd, mount, err);
    return r < 0 ? rk_wrap(err, "volume '%s'", mount->destination) : 0;
}

/* The engine's files, for a guest that finds them in its root. Those that the image has no file for stay out.
 */
static int add_engine_files(struct ctr_plan *plan, struct rk_err *err)
{
    static const struct {
        const char *path, *target;
    } files[] = {{"/etc/resolv.conf", HV_SHARE_PATH "0/etc/resolv.conf"},
                 {"/etc/hosts", HV_SHARE_PATH "0/etc/hosts"},
                 {"/etc/hostname", HV_SHARE_PATH "0/etc/hostname"}};
    for (size_t i = 0; i < RK_COUNT(files); i++) {
        const struct bnd_mount *mount = NULL;
        rk_autoclose int fd = bnd_files_lookup(&plan->files, files[i].path, O_RDONLY, false, &mount);
        int r = fd < 0 || !mount ? 0 : ctr_plan_add_inside(plan, fd, files[i].path, files[i].target, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int ctr_share_rootfs(struct ctr_plan *plan, bool own_init, struct rk_err *err)
{
    char root[] = "/";
    const struct bnd_mount as = {.destination = root, .readonly = true};
    rk_autoclose int fd = openat(plan->files.root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? rk_fail_errno(err, "open it") : add(plan, &fd, &as, err);
    if (r < 0)
        return rk_wrap(err, "the container's files");
    return own_init ? 0 : add_engine_files(plan, err);
}
