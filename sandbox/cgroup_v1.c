/* cgroup v1 and hybrid: the container's directory in every mounted hierarchy, and the limits in v1's files.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "sandbox/cgroup_impl.h"

#define MAX_HIERARCHIES 24 /* the kernel has 14 controllers; one hierarchy is systemd's, which has none */
#define MAX_MOUNTINFO   (64 << 20)
#define HYBRID_ROOT     CG_ROOT "/unified"

/* A mounted hierarchy, named as /proc/self/cgroup names it. */
struct hierarchy {
    char controllers[128]; /* "memory", "cpu,cpuacct", "name=systemd" */
    char mount[512];       /* where it is mounted, "" while unknown */
    char root[1024];       /* the cgroup that is visible there, "/" but in containers */
    const char *path;      /* the container's directory, in cgroup->paths */
};

struct v1 {
    struct cg_making *making;
    char *own; /* text of /proc/self/cgroup */
    struct hierarchy h[MAX_HIERARCHIES];
    size_t count;
};

static void v1_free(struct v1 **v1)
{
    if (*v1)
        free((*v1)->own);
    free(*v1);
}

/* Is `name` an item of the comma-separated list? */
static bool has_item(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; *p; p += strspn(p, ",")) {
        size_t item = strcspn(p, ",");
        if (item == len && !memcmp(p, name, len))
            return true;
        p += item;
    }
    return false;
}

static bool is_fs(const char *path, long type)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && (long)fs.f_type == type;
}

/* One line of /proc/self/cgroup, "4:memory:/path". The usual place of its hierarchy is tried first, because
 * /proc/self/mountinfo grows with the number of containers. */
static void add_hierarchy(struct v1 *v1, const char *controllers, size_t len)
{
    struct hierarchy *h = &v1->h[v1->count];
    if (len == 0 || len >= sizeof h->controllers)
        return;
    memcpy(h->controllers, controllers, len);
    h->controllers[len] = '\0';
    const char *name = h->controllers;
    if (!strncmp(name, "name=", 5)) {
        if (strcmp(name, "name=systemd") != 0)
            return; /* somebody's private hierarchy: runc leaves those alone too */
        name += 5;
    }
    snprintf(h->mount, sizeof h->mount, CG_ROOT "/%s", name);
    if (!is_fs(h->mount, CGROUP_SUPER_MAGIC))
        h->mount[0] = '\0';
    strcpy(h->root, "/");
    v1->count++;
}

static void list_hierarchies(struct v1 *v1)
{
    for (const char *line = v1->own; *line && v1->count < MAX_HIERARCHIES;) {
        const char *end = strchrnul(line, '\n');
        const char *name = memchr(line, ':', (size_t)(end - line));
        const char *path = name ? memchr(name + 1, ':', (size_t)(end - name - 1)) : NULL;
        if (path)
            add_hierarchy(v1, name + 1, (size_t)(path - name - 1));
        line = *end ? end + 1 : end;
    }
}

/* Undo mountinfo's octal escapes (\040 is a blank), in place. */
static void unescape(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
            *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
}

/* One cgroup mount: the hierarchy whose controllers are all among the superblock's options has its place
 * here, unless an earlier line gave one; a place under /sys/fs/cgroup is preferred. */
static void place_hierarchy(struct v1 *v1, const char *root, const char *mount, const char *options)
{
    for (size_t i = 0; i < v1->count; i++) {
        struct hierarchy *h = &v1->h[i];
        char first[sizeof h->controllers];
        snprintf(first, sizeof first, "%.*s", (int)strcspn(h->controllers, ","), h->controllers);
        if (!has_item(options, first) || strlen(mount) >= sizeof h->mount || strlen(root) >= sizeof h->root)
            continue;
        bool usual = !strncmp(mount, CG_ROOT "/", sizeof CG_ROOT);
        if (h->mount[0] && !(usual && strncmp(h->mount, CG_ROOT "/", sizeof CG_ROOT) != 0))
            continue;
        strcpy(h->mount, mount);
        strcpy(h->root, root);
    }
}

/* Source of the line format: proc(5), /proc/pid/mountinfo. */
static int read_mountinfo(struct v1 *v1, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    int r = rk_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MAX_MOUNTINFO, &text, NULL);
    if (r < 0)
        return rk_fail(err, r, "read '/proc/self/mountinfo': %s", strerror(-r));
    for (size_t i = 0; i < v1->count; i++)
        v1->h[i].mount[0] = '\0';
    char *next_line = text;
    for (char *line; (line = strsep(&next_line, "\n"));) {
        char *tail = strstr(line, " - cgroup ");
        if (!tail)
            continue;
        *tail = '\0';
        char *options = strrchr(tail + 1, ' ');
        char *field[5] = {0};
        for (size_t i = 0; i < RK_COUNT(field); i++)
            field[i] = strsep(&line, " ");
        if (!options || !field[4])
            continue;
        unescape(field[3]);
        unescape(field[4]);
        place_hierarchy(v1, field[3], field[4], options + 1);
    }
    return 0;
}

/* The container's directory there: mount point, for a relative path the caller's own cgroup as far as it is
 * below what is mounted, and the path. */
static int target_path(const struct v1 *v1, const struct hierarchy *h, char **ret_path)
{
    const char *own = "";
    int own_len = 0;
    if (v1->making->relative) {
        own_len = cg_own_path(v1->own, h->controllers, &own);
        if (own_len < 0)
            return own_len;
        size_t root_len = strcmp(h->root, "/") != 0 ? strlen(h->root) : 0;
        if ((size_t)own_len >= root_len && !memcmp(own, h->root, root_len)) {
            own += root_len;
            own_len -= (int)root_len;
        }
        while (own_len > 0 && own[own_len - 1] == '/')
            own_len--;
    }
    const char *slash = own_len > 0 && own[0] != '/' ? "/" : "";
    if (asprintf(ret_path, "%s%s%.*s/%s", h->mount, slash, own_len, own, v1->making->below) < 0)
        return -ENOMEM;
    return 0;
}

/* Find the directory in that hierarchy, and add it to the cgroup's. */
static int plan_path(const struct v1 *v1, struct hierarchy *h, struct rk_err *err)
{
    struct rk_argv *paths = &v1->making->cgroup->paths;
    rk_autofree char *path = NULL;
    int r = target_path(v1, h, &path);
    if (r < 0)
        return rk_fail(err, r, "find the caller's cgroup in '%s': %s", h->mount, strerror(-r));
    if (rk_argv_add(paths, path) < 0)
        return rk_fail(err, -ENOMEM, "make cgroup '%s': out of memory", path);
    h->path = paths->v[paths->n - 1];
    return 0;
}

/* A new cpuset has no CPUs and no memory nodes, and no process can enter it: give it its parent's, all the
 * way down. `path` is a scratch copy that ends at path_len; buf gets the value. */
static int inherit_cpuset(char *path, size_t path_len, size_t base_len, const char *file, char *buf,
                          struct rk_err *err)
{
    path[path_len] = '\0';
    rk_autoclose int dir = cg_open_dir(path, err);
    if (dir < 0)
        return dir;
    int n = cg_read(dir, file, buf);
    if (n < 0)
        return rk_fail(err, n, "read '%s/%s': %s", path, file, strerror(-n));
    if (n > 0)
        return 0;
    if (path_len <= base_len)
        return rk_fail(err, -ENODATA, "read '%s/%s': it is empty", path, file);
    char *slash = memrchr(path, '/', path_len);
    int r = inherit_cpuset(path, (size_t)(slash - path), base_len, file, buf, err);
    *slash = '/';
    if (r < 0)
        return r;
    path[path_len] = '\0';
    return cg_write(dir, path, file, buf, err);
}

static int set_cpuset(const struct hierarchy *h, const struct bnd_resources *resources, struct rk_err *err)
{
    const struct {
        const char *file, *value;
    } files[] = {{"cpuset.cpus", resources->cpus}, {"cpuset.mems", resources->mems}};
    char buf[CG_VALUE_SIZE];
    size_t base_len = strlen(h->mount);
    rk_autoclose int dir = cg_open_dir(h->path, err);
    if (dir < 0)
        return dir;
    rk_autofree char *scratch = strdup(h->path);
    if (!scratch)
        return rk_fail(err, -ENOMEM, "limit cgroup '%s': out of memory", h->path);
    for (size_t i = 0; i < RK_COUNT(files); i++) {
        bool given = files[i].value && *files[i].value;
        strcpy(scratch, h->path);
        size_t len = given ? (size_t)(strrchr(h->path, '/') - h->path) : strlen(h->path);
        int r = inherit_cpuset(scratch, len, base_len, files[i].file, buf, err);
        if (r == 0 && given)
            r = cg_write(dir, h->path, files[i].file, files[i].value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_memory(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int64_t limit = resources->memory_limit, swap = resources->memory_swap;
    bool unlimited = limit == -1 && !cg_given(swap); /* then swap is not limited either */
    if (unlimited)
        swap = -1;
    int r = 0;
    if (cg_given(limit)) {
        r = cg_write_number(dir, path, "memory.limit_in_bytes", limit, err);
        /* The kernel keeps limit <= memory + swap at every moment: in a directory that was there already,
         * raising needs the other order. */
        if (r == -EINVAL && cg_given(swap) &&
            cg_write_number(dir, path, "memory.memsw.limit_in_bytes", swap, NULL) == 0)
            r = cg_write_number(dir, path, "memory.limit_in_bytes", limit, err);
        if (r == -EBUSY)
            return rk_fail(err, r, "limit memory of '%s': it already uses more than %" PRId64 " bytes", path,
                           limit);
    }
    if (r == 0 && cg_given(swap)) {
        r = cg_write_number(dir, path, "memory.memsw.limit_in_bytes", swap, err);
        if (r == -ENOENT)
            r = 0; /* a kernel that does not account swap */
    }
    if (r == 0 && cg_given(resources->memory_reservation))
        r = cg_write_number(dir, path, "memory.soft_limit_in_bytes", resources->memory_reservation, err);
    return r;
}

static int set_cpu(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int64_t quota = resources->cpu_quota, period = resources->cpu_period;
    int r = 0;
    if (cg_given(resources->cpu_shares))
        r = cg_write_number(dir, path, "cpu.shares", resources->cpu_shares, err);
    bool period_later = false;
    if (r == 0 && cg_given(period)) {
        r = cg_write_number(dir, path, "cpu.cfs_period_us", period, err);
        /* The ratio must fit the parent's at every moment: a shorter period may have to wait for the smaller
         * quota. */
        period_later = r == -EINVAL && cg_given(quota);
        if (period_later)
            r = 0;
    }
    if (r == 0 && cg_given(quota))
        r = cg_write_number(dir, path, "cpu.cfs_quota_us", quota, err);
    if (r == 0 && period_later)
        r = cg_write_number(dir, path, "cpu.cfs_period_us", period, err);
    return r;
}

static int set_pids(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    if (resources->pids_limit < 0)
        return cg_write(dir, path, "pids.max", "max", err);
    return cg_write_number(dir, path, "pids.max", resources->pids_limit, err);
}

/* blkio.weight belongs to an I/O scheduler that few kernels still have; its successor has another name. */
static int set_blkio(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int r = cg_write_number(dir, path, "blkio.weight", resources->blkio_weight, err);
    return r == -ENOENT ? cg_write_number(dir, path, "blkio.bfq.weight", resources->blkio_weight, err) : r;
}

static int set_devices(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    return cg_v1_devices(dir, path, resources->devices, resources->device_count, err);
}

static int set_limits(struct v1 *v1, struct rk_err *err)
{
    const struct bnd_resources *r = v1->making->resources;
    const struct {
        const char *controller;
        bool wanted;
        int (*set)(int, const char *, const struct bnd_resources *, struct rk_err *);
    } limits[] = {
        {"memory", cg_given(r->memory_limit) || cg_given(r->memory_swap) || cg_given(r->memory_reservation),
         set_memory},
        {"cpu", cg_given(r->cpu_shares) || cg_given(r->cpu_quota) || cg_given(r->cpu_period), set_cpu},
        {"pids", cg_given(r->pids_limit), set_pids},
        {"blkio", cg_given(r->blkio_weight), set_blkio},
        {"devices", r->device_count > 0, set_devices},
    };
    for (size_t i = 0; i < RK_COUNT(limits); i++) {
        const struct hierarchy *h = v1->h, *end = v1->h + v1->count;
        while (h < end && !(h->path && has_item(h->controllers, limits[i].controller)))
            h++;
        if (!limits[i].wanted)
            continue;
        if (h == end)
            return rk_fail(err, -ENOENT, "limit the container: cgroup controller '%s' is not mounted",
                           limits[i].controller);
        rk_autoclose int dir = cg_open_dir(h->path, err);
        int e = dir < 0 ? dir : limits[i].set(dir, h->path, r, err);
        if (e < 0)
            return e;
    }
    return 0;
}

/* The v2 hierarchy of a hybrid host has no controllers, but systemd and eBPF look there: runc makes a
 * directory there as well, and shims read it from /proc/PID/cgroup. It comes last. */
static int plan_hybrid(struct v1 *v1, struct hierarchy *ret_hybrid, struct rk_err *err)
{
    *ret_hybrid = (struct hierarchy){.mount = HYBRID_ROOT, .root = "/"};
    if (!is_fs(HYBRID_ROOT, CGROUP2_SUPER_MAGIC))
        return 0;
    v1->making->cgroup->hybrid = true;
    return plan_path(v1, ret_hybrid, err);
}

/* Every directory's name, before any of them is made. */
static int plan_paths(struct v1 *v1, struct hierarchy *ret_hybrid, struct rk_err *err)
{
    for (size_t i = 0; i < v1->count; i++) {
        /* Without a mount point it is active in the kernel, but not mounted where we are. */
        int r = v1->h[i].mount[0] ? plan_path(v1, &v1->h[i], err) : 0;
        if (r < 0)
            return r;
    }
    if (v1->making->cgroup->paths.n == 0)
        return rk_fail(err, -ENOENT, "make cgroup '%s': no cgroup hierarchy is mounted under " CG_ROOT,
                       v1->making->below);
    return plan_hybrid(v1, ret_hybrid, err);
}

static int find_hierarchies(struct v1 *v1, struct rk_err *err)
{
    int r = rk_read_file_at(AT_FDCWD, "/proc/self/cgroup", CG_OWN_MAX, &v1->own, NULL);
    if (r < 0)
        return rk_fail(err, r, "read '/proc/self/cgroup': %s", strerror(-r));
    list_hierarchies(v1);
    bool all = true;
    for (size_t i = 0; i < v1->count; i++)
        all = all && v1->h[i].mount[0];
    return all && !v1->making->relative ? 0 : read_mountinfo(v1, err);
}

/* *ret_v1 is the caller's to free, on failure as well. */
static int plan(struct v1 **ret_v1, struct cg_making *making, struct hierarchy *ret_hybrid,
                struct rk_err *err)
{
    struct v1 *v1 = *ret_v1 = calloc(1, sizeof *v1);
    if (!v1)
        return rk_fail(err, -ENOMEM, "make cgroup '%s': out of memory", making->below);
    v1->making = making;
    int r = find_hierarchies(v1, err);
    return r < 0 ? r : plan_paths(v1, ret_hybrid, err);
}

int cg_v1_plan(struct cg_making *making, struct rk_err *err)
{
    __attribute__((cleanup(v1_free))) struct v1 *v1 = NULL;
    struct hierarchy hybrid;
    return plan(&v1, making, &hybrid, err);
}

int cg_v1_create(struct cg_making *making, struct rk_err *err)
{
    __attribute__((cleanup(v1_free))) struct v1 *v1 = NULL;
    struct hierarchy hybrid = {.path = NULL};
    int r = plan(&v1, making, &hybrid, err);
    if (r == 0)
        r = cg_planned(making, err);
    for (size_t i = 0; i < v1->count && r == 0; i++) {
        const struct hierarchy *h = &v1->h[i];
        if (h->path)
            r = cg_make_path(making, h->path, strlen(h->mount), err);
        if (r == 0 && h->path && has_item(h->controllers, "cpuset"))
            r = set_cpuset(h, making->resources, err);
    }
    if (r == 0)
        r = set_limits(v1, err);
    if (r == 0 && hybrid.path)
        r = cg_make_path(making, hybrid.path, strlen(hybrid.mount), err);
    return r < 0 ? r : cg_write_more(making->cgroup, making->resources, err);
}

static int update_cpuset(int dir, const char *path, const struct bnd_resources *resources, struct rk_err *err)
{
    int r = 0;
    if (resources->cpus && *resources->cpus)
        r = cg_write(dir, path, "cpuset.cpus", resources->cpus, err);
    if (r == 0 && resources->mems && *resources->mems)
        r = cg_write(dir, path, "cpuset.mems", resources->mems, err);
    return r;
}

int cg_v1_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources, struct rk_err *err)
{
    const struct bnd_resources *r = resources;
    const struct {
        const char *file; /* tells the hierarchy of the controller */
        bool wanted;
        int (*set)(int, const char *, const struct bnd_resources *, struct rk_err *);
    } limits[] = {
        {"memory.limit_in_bytes",
         cg_given(r->memory_limit) || cg_given(r->memory_swap) || cg_given(r->memory_reservation),
         set_memory},
        {"cpu.shares", cg_given(r->cpu_shares) || cg_given(r->cpu_quota) || cg_given(r->cpu_period), set_cpu},
        {"cpuset.cpus", (r->cpus && *r->cpus) || (r->mems && *r->mems), update_cpuset},
        {"pids.max", cg_given(r->pids_limit), set_pids},
        {"blkio.throttle.read_bps_device", cg_given(r->blkio_weight), set_blkio},
    };
    for (size_t i = 0; i < RK_COUNT(limits); i++) {
        int e = limits[i].wanted ? -ENOENT : 0;
        for (size_t p = 0; p < cgroup->paths.n && e == -ENOENT; p++) {
            const char *path = cgroup->paths.v[p];
            rk_autoclose int dir = cg_open_dir(path, err);
            if (dir < 0)
                return dir;
            if (faccessat(dir, limits[i].file, F_OK, 0) == 0 && (e = limits[i].set(dir, path, r, err)) < 0)
                return e;
        }
        if (e == -ENOENT)
            return rk_fail(err, -ENOENT, "no cgroup of the container has '%s'", limits[i].file);
    }
    return cg_write_more(cgroup, resources, err);
}
