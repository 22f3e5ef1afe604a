/* cgroup v2: controllers enabled along the path, and the limits, converted from v1's terms, in v2's files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "sandbox/cgroup_impl.h"

/* Absolute: from the mount point. Relative: beside the caller's own cgroup, as runc has it, since below it no
 * controller can be enabled while the caller is in it. */
static int target_path(const struct cg_making *making, char **ret_path, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    const char *own = "";
    int len = 0;
    if (making->relative) {
        int r = rk_read_file_at(AT_FDCWD, "/proc/self/cgroup", CG_OWN_MAX, &text, NULL);
        if (r == 0)
            len = r = cg_own_path(text, "", &own);
        if (r < 0)
            return rk_fail(err, r, "find the caller's cgroup in '/proc/self/cgroup': %s", strerror(-r));
        while (len > 0 && own[len - 1] != '/')
            len--;
        while (len > 0 && own[len - 1] == '/')
            len--;
    }
    if (asprintf(ret_path, CG_ROOT "%.*s/%s", len, own, making->below) < 0)
        return rk_fail(err, -ENOMEM, "make cgroup '%s': out of memory", making->below);
    return 0;
}

/* Write "+a +b" to dir's cgroup.subtree_control; when the kernel takes not all of them, one by one as many as
 * it takes: what a limit then misses is said where that limit is written. Not in a directory that holds
 * processes itself: taking some there would turn it into a threaded domain, and no container could live
 * below. */
static void enable_in(const char *path, const char *controllers)
{
    rk_autoclose int dir = cg_open_dir(path, NULL);
    char all[2 * CG_VALUE_SIZE], one[64];
    size_t used = 0;
    if (dir < 0)
        return;
    for (const char *p = controllers; *p; p += strspn(p, " ")) {
        int len = (int)strcspn(p, " ");
        used += (size_t)snprintf(all + used, sizeof all - used, "%s+%.*s", used ? " " : "", len, p);
        p += len;
    }
    int r = used > 0 ? cg_write(dir, path, "cgroup.subtree_control", all, NULL) : 0;
    if (r == 0 || r == -EBUSY)
        return;
    for (const char *p = controllers; *p; p += strspn(p, " ")) {
        int len = (int)strcspn(p, " ");
        snprintf(one, sizeof one, "+%.*s", len, p);
        cg_write(dir, path, "cgroup.subtree_control", one, NULL);
        p += len;
    }
}

/* All controllers of the root, not only those with a limit: engines' statistics read the files of all. */
static int enable_controllers(int leaf, const char *path, struct rk_err *err)
{
    char wanted[CG_VALUE_SIZE], have[CG_VALUE_SIZE];
    rk_autoclose int root = cg_open_dir(CG_ROOT, err);
    if (root < 0)
        return root;
    int r = cg_read(root, "cgroup.controllers", wanted);
    if (r >= 0)
        r = cg_read(leaf, "cgroup.controllers", have);
    if (r < 0)
        return rk_fail(err, r, "read '%s/cgroup.controllers': %s", path, strerror(-r));
    if (!strcmp(wanted, have))
        return 0; /* the usual case: an engine's parent has them from the container before */
    rk_autofree char *parent = strdup(path);
    if (!parent)
        return rk_fail(err, -ENOMEM, "make cgroup '%s': out of memory", path);
    for (char *slash = parent + sizeof CG_ROOT - 1; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enable_in(parent, wanted);
        *slash = '/';
    }
    return 0;
}

/* A limit's file is not there: say why. */
static int fail_missing(const char *path, const char *file, struct rk_err *err)
{
    char procs[CG_VALUE_SIZE];
    int controller = (int)strcspn(file, "."), parent_len = (int)(strrchr(path, '/') - path);
    rk_autofree char *parent = strndup(path, (size_t)parent_len);
    rk_autoclose int dir = parent ? cg_open_dir(parent, NULL) : -1;
    bool busy = dir >= 0 && parent_len > (int)sizeof CG_ROOT - 1 && cg_read(dir, "cgroup.procs", procs) > 0;
    return rk_fail(
        err, -ENOENT, "write '%s/%s': controller '%.*s' is not enabled in '%.*s/cgroup.subtree_control'%s",
        path, file, controller, file, parent_len, path,
        busy ? ": that cgroup holds processes itself, and v2 then gives none below it; use another "
               "parent"
             : "");
}

static int set_text(int dir, const char *path, const char *file, const char *value, struct rk_err *err)
{
    int r = cg_write(dir, path, file, value, err);
    return r == -ENOENT ? fail_missing(path, file, err) : r;
}

/* A number, or "max" for -1. */
static int set_number(int dir, const char *path, const char *file, int64_t value, struct rk_err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return set_text(dir, path, file, value < 0 ? "max" : text, err);
}

int cg_v2_swap(int64_t *ret, int64_t limit, int64_t swap, struct rk_err *err)
{
    *ret = BND_UNSET;
    if (!cg_given(swap)) {
        /* Unlimited memory with nothing said of swap: v1 does not limit swap either. */
        *ret = limit == -1 ? -1 : BND_UNSET;
        return 0;
    }
    if (swap > 0) {
        if (!cg_given(limit) || limit < 0)
            return rk_fail(err, -EINVAL, "limit swap: a swap limit needs a memory limit");
        if (swap < limit)
            return rk_fail(err, -EINVAL,
                           "limit swap: memory plus swap (%" PRId64 ") is less than memory (%" PRId64 ")",
                           swap, limit);
        swap -= limit;
    }
    *ret = swap;
    return 0;
}

static int set_swap(int dir, const char *path, int64_t limit, int64_t memory_swap, struct rk_err *err)
{
    int64_t swap = 0;
    int r = cg_v2_swap(&swap, limit, memory_swap, err);
    if (r < 0)
        return rk_wrap(err, "cgroup '%s'", path);
    if (swap == BND_UNSET)
        return 0;
    r = set_number(dir, path, "memory.swap.max", swap, err);
    return r == -ENOENT && swap <= 0 ? 0 : r; /* a kernel without swap has nothing to limit */
}

int64_t cg_v2_cpu_weight(int64_t shares)
{
    return 1 + (shares - 2) * 9999 / 262142;
}

int64_t cg_v2_io_weight(int64_t weight)
{
    return 1 + (weight - 10) * 9999 / 990;
}

static int set_memory(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int r = set_swap(dir, path, resources->memory_limit, resources->memory_swap, err);
    if (r == 0 && cg_given(resources->memory_limit))
        r = set_number(dir, path, "memory.max", resources->memory_limit, err);
    if (r == 0 && cg_given(resources->memory_reservation))
        r = set_number(dir, path, "memory.low", resources->memory_reservation, err);
    return r;
}

static int set_cpu(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int r = 0;
    if (cg_given(resources->cpu_shares)) {
        int64_t shares = resources->cpu_shares;
        shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
        r = set_number(dir, path, "cpu.weight", cg_v2_cpu_weight(shares), err);
    }
    if (r == 0 && (cg_given(resources->cpu_quota) || cg_given(resources->cpu_period))) {
        char text[64];
        int64_t period = cg_given(resources->cpu_period) ? resources->cpu_period : 100000;
        if (cg_given(resources->cpu_quota) && resources->cpu_quota > 0)
            snprintf(text, sizeof text, "%" PRId64 " %" PRId64, resources->cpu_quota, period);
        else
            snprintf(text, sizeof text, "max %" PRId64, period);
        r = set_text(dir, path, "cpu.max", text, err);
    }
    return r;
}

/* io.weight where the scheduler's own file is not there. */
static int set_blkio(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int64_t weight = resources->blkio_weight;
    int r = cg_write_number(dir, path, "io.bfq.weight", weight, NULL);
    return r == -ENOENT ? set_number(dir, path, "io.weight", cg_v2_io_weight(weight), err) : r;
}

static int set_limits(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int r = set_memory(dir, path, resources, err);
    if (r == 0)
        r = set_cpu(dir, path, resources, err);
    if (r == 0 && resources->cpus && *resources->cpus)
        r = set_text(dir, path, "cpuset.cpus", resources->cpus, err);
    if (r == 0 && resources->mems && *resources->mems)
        r = set_text(dir, path, "cpuset.mems", resources->mems, err);
    if (r == 0 && cg_given(resources->pids_limit))
        r = set_number(dir, path, "pids.max", resources->pids_limit, err);
    if (r == 0 && cg_given(resources->blkio_weight))
        r = set_blkio(dir, path, resources, err);
    return r;
}

int cg_v2_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources, struct rk_err *err)
{
    const char *path = cgroup->paths.v[0];
    rk_autoclose int dir = cg_open_dir(path, err);
    int r = dir < 0 ? dir : set_limits(dir, path, resources, err);
    return r < 0 ? r : cg_write_more(cgroup, resources, err);
}

int cg_v2_plan(struct cg_making *making, struct rk_err *err)
{
    rk_autofree char *path = NULL;
    int r = target_path(making, &path, err);
    if (r == 0 && rk_argv_add(&making->cgroup->paths, path) < 0)
        return rk_fail(err, -ENOMEM, "make cgroup '%s': out of memory", path);
    return r;
}

int cg_v2_create(struct cg_making *making, struct rk_err *err)
{
    int r = cg_v2_plan(making, err);
    if (r < 0)
        return r;
    const char *path = making->cgroup->paths.v[0];
    r = cg_planned(making, err);
    if (r == 0)
        r = cg_make_path(making, path, sizeof CG_ROOT - 1, err);
    if (r < 0)
        return r;
    rk_autoclose int dir = cg_open_dir(path, err);
    if (dir < 0)
        return dir;
    r = enable_controllers(dir, path, err);
    if (r == 0)
        r = set_limits(dir, path, making->resources, err);
    if (r == 0)
        r = cg_v2_devices(dir, path, making->resources->devices, making->resources->device_count, err);
    return r < 0 ? r : cg_write_more(making->cgroup, making->resources, err);
}
