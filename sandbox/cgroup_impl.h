/* What the cgroup files share among themselves: the making, filling and undoing of directories. */
#ifndef BOX_CGROUP_IMPL_H
#define BOX_CGROUP_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/argv.h"
#include "sandbox/cgroup.h"

struct rk_err;
struct bnd_device_rule;
struct bnd_resources;

#define CG_ROOT       "/sys/fs/cgroup"
#define CG_VALUE_SIZE 4096      /* what a cgroup file that we read may hold; cpu lists are the longest */
#define CG_OWN_MAX    (1 << 20) /* /proc/self/cgroup: one path per hierarchy */

/* One box_cgroup_create under way. */
struct cg_making {
    struct box_cgroup *cgroup;
    const struct bnd_resources *resources;
    box_cgroup_planned_fn *planned; /* may be NULL */
    void *data;
    char below[4096];    /* the cleaned cgroupsPath, without a leading slash, never empty */
    bool relative;       /* `below` is below the caller's own cgroup */
    bool shared;         /* systemd may have made the directories, with the container's process in them */
    struct rk_argv made; /* directories that this call made, parents first */
};

/* The paths are complete, and nothing is made yet: tell who wants to know. */
int cg_planned(const struct cg_making *making, struct rk_err *err);

/* Make `path` and what is missing above it, down from `base` (its first base_len bytes, which exist).
 * -EBUSY when it was there already and holds a process. */
int cg_make_path(struct cg_making *making, const char *path, size_t base_len, struct rk_err *err);

/* Open a cgroup directory for cg_write: the descriptor, or a negative errno. */
int cg_open_dir(const char *path, struct rk_err *err);

/* Write a value to a file of the directory: one write. -errno of the kernel, with a text that names both.
 * `path` is the directory's, for the text. */
int cg_write(int dir, const char *path, const char *file, const char *value, struct rk_err *err);

/* cg_write of a decimal number. */
int cg_write_number(int dir, const char *path, const char *file, int64_t value, struct rk_err *err);

/* Read a file into buf (CG_VALUE_SIZE bytes), NUL-terminated, without the last newline. Returns the length or
 * -errno; no error text. A file longer than that is cut. */
int cg_read(int dir, const char *file, char *buf);

/* A number that an engine means: not BND_UNSET, and not the 0 that engines send for "nothing". */
bool cg_given(int64_t value);

/* The path of the caller's own cgroup in the hierarchy that /proc/self/cgroup calls `controllers` ("memory",
 * "cpu,cpuacct", "name=systemd", "" for v2), out of that file's text. Returns its length, *ret_path points
 * into the text; -ENOENT when the hierarchy is not there. */
int cg_own_path(const char *text, const char *controllers, const char **ret_path);

/* Whether the host is v2 only. */
bool cg_is_unified(void);

/* Find the directories' names, and make nothing: one per cgroup version. */
int cg_v1_plan(struct cg_making *making, struct rk_err *err);
int cg_v2_plan(struct cg_making *making, struct rk_err *err);

/* The unit's part of box_cgroup_update and box_cgroup_remove. cg_unit_stop: -EXDEV when unit and directories
 * are another's. */
int cg_unit_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources,
                   struct rk_err *err);
int cg_unit_stop(const struct box_cgroup *cgroup, struct rk_err *err);
void cg_unit_fini(struct box_unit *unit);

/* Plan, make and limit: one per cgroup version. */
int cg_v1_create(struct cg_making *making, struct rk_err *err);
int cg_v2_create(struct cg_making *making, struct rk_err *err);

/* v1's terms in v2's, as runc converts them. Swap: memory_swap is v1's memory plus swap, *ret is swap alone,
 * -1 for no limit and BND_UNSET when nothing is to be set. Weights: 2 … 262144 (CPU) and 10 … 1000 (I/O) onto
 * 1 … 10000. */
int cg_v2_swap(int64_t *ret, int64_t limit, int64_t swap, struct rk_err *err);
int64_t cg_v2_cpu_weight(int64_t shares);
int64_t cg_v2_io_weight(int64_t weight);

/* Write limits to directories that are there: one per cgroup version. */
int cg_v1_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources, struct rk_err *err);
int cg_v2_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources, struct rk_err *err);

/* What a list of device rules comes to: only what follows its last wildcard counts. */
struct cg_rules {
    const struct bnd_device_rule *v; /* borrowed */
    size_t n;
    bool allow; /* what no rule matches */
};

/* -EINVAL for a rule of no type that there is, -E2BIG for too many. */
int cg_effective_rules(struct cg_rules *ret, const struct bnd_device_rule *rules, size_t count,
                       struct rk_err *err);

/* Write the limits of resources->more. Errors name the limit, and its file where there is one. */
int cg_write_more(const struct box_cgroup *cgroup, const struct bnd_resources *resources, struct rk_err *err);

/* Device rules: the last rule that matches decides, and what none matches is denied; no rules, no limits.
 * v1 writes them to devices.allow and devices.deny; -EINVAL for a list that these files cannot express.
 * v2 attaches a BPF program to the directory. */
int cg_v1_devices(int dir, const char *path, const struct bnd_device_rule *rules, size_t count,
                  struct rk_err *err);
int cg_v2_devices(int dir, const char *path, const struct bnd_device_rule *rules, size_t count,
                  struct rk_err *err);

#endif
