/* The container's cgroup, what v1 and v2 share: path rules, making and undoing directories, writing values,
 * joining. */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "sandbox/cgroup_impl.h"

bool cg_given(int64_t value)
{
    return value != BND_UNSET && value != 0;
}

int cg_open_dir(const char *path, struct rk_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? rk_fail_errno(err, "open cgroup '%s'", path) : fd;
}

int cg_write(int dir, const char *path, const char *file, const char *value, struct rk_err *err)
{
    rk_autoclose int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return rk_fail_errno(err, "write '%s' to '%s/%s'", value, path, file);
    ssize_t n;
    do
        n = write(fd, value, strlen(value));
    while (n < 0 && errno == EINTR);
    return n < 0 ? rk_fail_errno(err, "write '%s' to '%s/%s'", value, path, file) : 0;
}

int cg_write_number(int dir, const char *path, const char *file, int64_t value, struct rk_err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return cg_write(dir, path, file, text, err);
}

int cg_read(int dir, const char *file, char *buf)
{
    rk_autoclose int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, buf, CG_VALUE_SIZE - 1);
    if (n < 0)
        return -errno;
    while (n > 0 && buf[n - 1] == '\n')
        n--;
    buf[n] = '\0';
    return (int)n;
}

int cg_own_path(const char *text, const char *controllers, const char **ret_path)
{
    size_t len = strlen(controllers);
    for (const char *line = text; *line;) {
        const char *end = strchrnul(line, '\n');
        const char *name = memchr(line, ':', (size_t)(end - line));
        const char *path = name ? memchr(name + 1, ':', (size_t)(end - name - 1)) : NULL;
        if (path && (size_t)(path - name - 1) == len && !memcmp(name + 1, controllers, len)) {
            *ret_path = path + 1;
            return (int)(end - path - 1);
        }
        line = *end ? end + 1 : end;
    }
    return -ENOENT;
}

/* runc's rule: "." and ".." are resolved lexically, and nothing climbs above the root. */
static int clean_path(struct cg_making *making, const char *path, struct rk_err *err)
{
    size_t used = 0;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && !memcmp(p, "..", 2)) {
            while (used > 0 && making->below[--used] != '/')
                ;
        } else if (len > 0 && !(len == 1 && *p == '.')) {
            if (used + len + 2 > sizeof making->below)
                return rk_fail(err, -ENAMETOOLONG, "use cgroupsPath '%.64s…': path is too long", path);
            if (used > 0)
                making->below[used++] = '/';
            memcpy(making->below + used, p, len);
            used += len;
        }
        p += len;
        p += strspn(p, "/");
    }
    making->below[used] = '\0';
    if (used == 0)
        return rk_fail(err, -EINVAL, "use cgroupsPath '%s': a container cannot live in the root cgroup",
                       path);
    return 0;
}

/* Make one directory. 1 when it is new, 0 when it was there, -errno. */
static int make_dir(struct cg_making *making, const char *path)
{
    if (mkdir(path, 0755) < 0)
        return errno == EEXIST ? 0 : -errno;
    RK_FAULT("cgroup:made-one");
    if (rk_argv_add(&making->made, path) < 0) {
        rmdir(path);
        return -ENOMEM;
    }
    return 1;
}

static int check_empty(const char *path, struct rk_err *err)
{
    char buf[CG_VALUE_SIZE];
    rk_autoclose int dir = cg_open_dir(path, err);
    if (dir < 0)
        return dir;
    int n = cg_read(dir, "cgroup.procs", buf);
    if (n == 0 ||
        n == -EOPNOTSUPP) /* EOPNOTSUPP: a threaded v2 cgroup, whose own error at joining says more */
        return 0;
    if (n < 0)
        return rk_fail(err, n, "read '%s/cgroup.procs': %s", path, strerror(-n));
    return rk_fail(err, -EBUSY, "use cgroup '%s': it exists and holds process %.*s", path,
                   (int)strcspn(buf, "\n"), buf);
}

int cg_make_path(struct cg_making *making, const char *path, size_t base_len, struct rk_err *err)
{
    /* The usual case is one system call: engines' own parents exist. More rounds only when another
     * container's failed create removes a parent at this very moment. */
    for (int round = 0;; round++) {
        int r = make_dir(making, path);
        if (r > 0)
            return 0;
        if (r == 0)
            return making->shared ? 0 : check_empty(path, err);
        if (r != -ENOENT || round == 3)
            return rk_fail(err, r, "make cgroup '%s': %s", path, strerror(-r));

        rk_autofree char *parent = strdup(path);
        if (!parent)
            return rk_fail(err, -ENOMEM, "make cgroup '%s': out of memory", path);
        for (char *slash = strchr(parent + base_len + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            r = make_dir(making, parent);
            if (r < 0 && r != -ENOENT)
                return rk_fail(err, r, "make cgroup '%s': %s", parent, strerror(-r));
            *slash = '/';
        }
    }
}

int cg_planned(const struct cg_making *making, struct rk_err *err)
{
    return making->planned ? making->planned(making->data, making->cgroup, err) : 0;
}

bool cg_is_unified(void)
{
    struct statfs fs;
    return statfs(CG_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int box_cgroup_create(struct box_cgroup *ret_cgroup, const char *cgroups_path, const char *id,
                      const struct bnd_resources *resources, box_cgroup_planned_fn *planned, void *data,
                      struct rk_err *err)
{
    struct box_cgroup cgroup = {0};
    struct cg_making making = {.cgroup = &cgroup, .resources = resources, .planned = planned, .data = data};
    bool given = cgroups_path && *cgroups_path;
    making.relative = !given || cgroups_path[0] != '/';
    int r = clean_path(&making, given ? cgroups_path : id, err);
    if (r < 0)
        return r;

    cgroup.unified = cg_is_unified();
    r = cgroup.unified ? cg_v2_create(&making, err) : cg_v1_create(&making, err);
    if (r < 0) {
        for (size_t i = making.made.n; i-- > 0;)
            rmdir(making.made
                      .v[i]); /* fails for a parent that another container uses by now: it is theirs then */
        box_cgroup_fini(&cgroup);
    } else {
        *ret_cgroup = cgroup;
    }
    rk_argv_fini(&making.made);
    return r;
}

int box_cgroup_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources,
                      struct rk_err *err)
{
    int r = cgroup->unit.name ? cg_unit_update(cgroup, resources, err) : 0;
    if (r < 0)
        return r;
    return cgroup->unified ? cg_v2_update(cgroup, resources, err) : cg_v1_update(cgroup, resources, err);
}

static int join_one(const char *path, const char *file, const char *who, struct rk_err *err)
{
    rk_autoclose int dir = cg_open_dir(path, err);
    if (dir < 0)
        return dir;
    int r = cg_write(dir, path, file, who, err);
    if (r == -EOPNOTSUPP)
        return rk_fail(err, r, "join cgroup '%s': it is below a threaded cgroup, which holds no container",
                       path);
    return r;
}

int box_cgroup_join(const struct box_cgroup *cgroup, pid_t pid, struct rk_err *err)
{
    char who[24];
    snprintf(who, sizeof who, "%d", (int)pid);
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        int r = join_one(cgroup->paths.v[i], "cgroup.procs", who, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Index of the path in the v2 hierarchy; paths.n when there is none. */
static size_t v2_index(const struct box_cgroup *cgroup)
{
    bool has = (cgroup->unified || cgroup->hybrid) && cgroup->paths.n > 0;
    return has ? cgroup->paths.n - 1 : cgroup->paths.n;
}

int box_cgroup_join_self(const struct box_cgroup *cgroup, bool born_in_v2, struct rk_err *err)
{
    size_t v2 = v2_index(cgroup);
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        if (i == v2 && born_in_v2)
            continue;
        /* "0" is the writer. `tasks` moves one thread and so needs no lock against forks (v1 only). */
        int r = join_one(cgroup->paths.v[i], i == v2 ? "cgroup.procs" : "tasks", "0", err);
        if (r < 0)
            return r;
    }
    return 0;
}

int box_cgroup_open_v2(const struct box_cgroup *cgroup)
{
    size_t v2 = v2_index(cgroup);
    return v2 < cgroup->paths.n ? open(cgroup->paths.v[v2], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
}

void box_cgroup_fini(struct box_cgroup *cgroup)
{
    rk_argv_fini(&cgroup->paths);
    cg_unit_fini(&cgroup->unit);
    *cgroup = (struct box_cgroup){0};
}
