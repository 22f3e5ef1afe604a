/* Limits that are a file and its value: which file, on which version of cgroups. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/cgroup_impl.h"

/* File names hold %s where the limit's name goes; what is written is the value, with the device in front of
 * it, and on v2 the key of io.max. */
static const struct row {
    const char *key;
    const char *v1, *v1_else; /* NULL: v1 has none; the other name that some kernels have */
    const char *v2, *v2_key;
} rows[] = {
    {BND_MEMORY_SWAPPINESS, "memory.swappiness", NULL, NULL, NULL},
    {BND_MEMORY_NO_OOM_KILLER, "memory.oom_control", NULL, NULL, NULL},
    {BND_CPU_BURST, "cpu.cfs_burst_us", NULL, "cpu.max.burst", NULL},
    {BND_CPU_IDLE, "cpu.idle", NULL, "cpu.idle", NULL},
    {BND_CPU_RT_PERIOD, "cpu.rt_period_us", NULL, NULL, NULL},
    {BND_CPU_RT_RUNTIME, "cpu.rt_runtime_us", NULL, NULL, NULL},
    {BND_BLKIO_LEAF_WEIGHT, "blkio.leaf_weight", NULL, NULL, NULL},
    {BND_BLKIO_WEIGHT_DEVICE, "blkio.weight_device", "blkio.bfq.weight_device", "io.bfq.weight", ""},
    {BND_BLKIO_LEAF_WEIGHT_DEVICE, "blkio.leaf_weight_device", NULL, NULL, NULL},
    {BND_BLKIO_READ_BPS, "blkio.throttle.read_bps_device", NULL, "io.max", "rbps="},
    {BND_BLKIO_WRITE_BPS, "blkio.throttle.write_bps_device", NULL, "io.max", "wbps="},
    {BND_BLKIO_READ_IOPS, "blkio.throttle.read_iops_device", NULL, "io.max", "riops="},
    {BND_BLKIO_WRITE_IOPS, "blkio.throttle.write_iops_device", NULL, "io.max", "wiops="},
    {BND_HUGE_PAGES, "hugetlb.%s.limit_in_bytes", NULL, "hugetlb.%s.max", NULL},
    {BND_UNIFIED, NULL, NULL, "%s", NULL},
};

static const struct row *find_row(const char *key)
{
    for (size_t i = 0; i < RK_COUNT(rows); i++)
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
    abort(); /* the table has every key of bundle/spec.h */
}

/* `pattern` with its %s, if it has one, replaced. */
static void fill_in(char *out, size_t size, const char *pattern, const char *name)
{
    const char *place = strstr(pattern, "%s");
    if (place)
        snprintf(out, size, "%.*s%s%s", (int)(place - pattern), pattern, name, place + 2);
    else
        snprintf(out, size, "%s", pattern);
}

/* The directory of the container's that has the file: a descriptor, *ret_path its path; -ENOENT when none
 * has. */
static int find_dir(const struct box_cgroup *cgroup, const char *file, const char **ret_path)
{
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        rk_autoclose int dir = cg_open_dir(cgroup->paths.v[i], NULL);
        if (dir >= 0 && faccessat(dir, file, F_OK, 0) == 0) {
            *ret_path = cgroup->paths.v[i];
            return rk_take_fd(&dir);
        }
    }
    return -ENOENT;
}

static int write_one(const struct box_cgroup *cgroup, const struct bnd_limit *limit, struct rk_err *err)
{
    const struct row *row = find_row(limit->key);
    const char *pattern = cgroup->unified ? row->v2 : row->v1, *path = NULL;
    const char *key = cgroup->unified && row->v2_key ? row->v2_key : "";
    char file[256];
    rk_autofree char *text = NULL;
    if (!pattern)
        return rk_fail(err, -ENOTSUP, "%s: cgroup %s has no such limit", limit->key,
                       cgroup->unified ? "v2" : "v1");
    fill_in(file, sizeof file, pattern, limit->name);
    rk_autoclose int dir = find_dir(cgroup, file, &path);
    if (dir < 0 && !cgroup->unified && row->v1_else) {
        fill_in(file, sizeof file, row->v1_else, limit->name);
        dir = find_dir(cgroup, file, &path);
    }
    if (dir < 0)
        return rk_fail(err, -ENOENT, "%s: this host's cgroups have no '%s'", limit->key, file);
    bool named = limit->name && !strstr(pattern, "%s");
    /* A rate of 0 is none; v2 has a word for it. */
    const char *value = *key && strcmp(limit->value, "0") == 0 ? "max" : limit->value;
    if (asprintf(&text, "%s%s%s%s", named ? limit->name : "", named ? " " : "", key, value) < 0) {
        text = NULL;
        return rk_fail(err, -ENOMEM, "out of memory");
    }
    int r = cg_write(dir, path, file, text, err);
    return r < 0 ? rk_wrap(err, "%s", limit->key) : 0;
}

int cg_write_more(const struct box_cgroup *cgroup, const struct bnd_resources *resources, struct rk_err *err)
{
    int r = 0;
    for (size_t i = 0; i < resources->more_count && r == 0; i++)
        r = write_one(cgroup, &resources->more[i], err);
    return r;
}
