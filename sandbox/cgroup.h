/* The container's cgroup: made, limited, joined, counted and removed, on cgroup v1, v2 and hybrid hosts, by
 * our own hands (the cgroupfs driver) or as a systemd unit (the systemd driver). */
#ifndef BOX_CGROUP_H
#define BOX_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/argv.h"

struct rk_err;
struct bnd_resources;
struct bnd_spec;

/* The systemd unit that a cgroup belongs to. All zero: none, the cgroupfs driver's. */
struct box_unit {
    char *name;        /* "docker-1234.scope" */
    char *description; /* bears what makes it this container's and no other's */
    char *program;     /* path of runuk-scope */
    bool user;         /* of the caller's own service manager, not of the host's */

    /* Only between box_cgroup_plan_unit and box_cgroup_start_unit. */
    char *below; /* its cgroup, from a hierarchy's root, without a leading slash */
    struct rk_argv properties;
};

/* Absolute directories, one per v1 hierarchy or a single one on v2: `paths` is all that later verbs need
 * (state.json keeps it). All zero is a valid, empty value. */
struct box_cgroup {
    bool unified; /* v2: paths.v[0] is the only one */
    bool hybrid;  /* v1 with a v2 hierarchy beside it, whose directory is the last path; only between create
                     and join */
    struct rk_argv paths;
    struct box_unit unit;
};

/* Told of all directories before the first of them is made, so that whoever removes them knows of them even
 * when this process is killed meanwhile. A negative errno ends box_cgroup_create with it. */
typedef int box_cgroup_planned_fn(void *data, const struct box_cgroup *cgroup, struct rk_err *err);

/* Make the container's cgroup in every hierarchy and write the limits.
 * `cgroups_path` is the specification's linux.cgroupsPath, with runc's meaning: absolute is from each
 * hierarchy's mount point, relative is below the caller's own cgroup (v2: beside it, since a cgroup with
 * processes gives no limits), NULL or empty is the relative "<id>". Directories that are there already and
 * hold a process are refused (-EBUSY); empty ones are taken over. On failure nothing that this call made is
 * left. Errors name the file and the value that the kernel refused. `planned` may be NULL. */
int box_cgroup_create(struct box_cgroup *ret_cgroup, const char *cgroups_path, const char *id,
                      const struct bnd_resources *resources, box_cgroup_planned_fn *planned, void *data,
                      struct rk_err *err);

/* The systemd driver, in two steps, because a scope is made around a process that is there already.
 *
 * box_cgroup_plan_unit: name the unit that linux.cgroupsPath ("slice:prefix:name", as runc reads it) asks
 * for, its properties (limits, device rules, annotations "org.systemd.property.*") and its directories, and
 * make nothing. `program` is runuk-scope's path; `description` becomes the unit's, and must be no other
 * unit's; `user`: of the caller's own service manager, which only cgroup v2 allows. -ENOTSUP where systemd is
 * not the init.
 *
 * box_cgroup_start_unit: start the unit with the process `pid` in it, make the directories that systemd does
 * not make, and write the limits to their files, which are more exact than properties. The process must still
 * join (box_cgroup_join_self), and touch nothing limited before. On failure what is there stays, for
 * box_cgroup_remove once the process is gone. */
int box_cgroup_plan_unit(struct box_cgroup *ret_cgroup, const struct bnd_spec *spec, const char *id,
                         const char *description, const char *program, bool user, struct rk_err *err);
int box_cgroup_start_unit(struct box_cgroup *cgroup, const struct bnd_resources *resources, pid_t pid,
                          struct rk_err *err);

/* Whether systemd is the init of this host. */
bool box_systemd_runs(void);

/* The fast way in, 0.3 ms for ten hierarchies: the child is born in its v2 cgroup and moves itself into the
 * v1 ones. The kernel then stops nobody's forks; any other migration waits for an RCU grace period, 6 to 10
 * ms.
 *
 * box_cgroup_open_v2: a descriptor (O_CLOEXEC, the caller's) of the v2 directory for clone3's
 * CLONE_INTO_CGROUP, on v2 and on hybrid hosts; -1 on v1 and when it cannot be opened. box_cgroup_join_self:
 * put the calling process, which must have one thread only, into every directory; into the v2 one only when
 * it was not born there (`born_in_v2`). Needs the host's /sys/fs/cgroup: before the mounts or the root
 * change. */
int box_cgroup_open_v2(const struct box_cgroup *cgroup);
int box_cgroup_join_self(const struct box_cgroup *cgroup, bool born_in_v2, struct rk_err *err);

/* Put process `pid` into every directory: for a process that cannot do it itself. */
int box_cgroup_join(const struct box_cgroup *cgroup, pid_t pid, struct rk_err *err);

/* The processes in the cgroup, as this process' pid namespace has them: heap memory, *ret_count of them; 0
 * when there are none to be named. -ENOMEM, or -errno when the cgroup can't be read. */
int box_cgroup_processes(pid_t **ret_pids, size_t *ret_count, const struct box_cgroup *cgroup);

/* Send SIGKILL to every process in the cgroup (cgroup.kill on v2 where it is, else cgroup.procs until empty).
 * A cgroup that is gone is no error. Only for `kill --all` and `delete --force`. */
int box_cgroup_kill(const struct box_cgroup *cgroup, struct rk_err *err);

/* Stop the unit if there is one, which ends what is still in it; then remove the directories, with empty
 * sub-cgroups; those that are gone are no error, parents stay. When another container has a unit of that name
 * (a create that found it taken and was killed), unit and directories are that one's and stay. A directory
 * whose last process is just dying (EBUSY) is waited for, at most two seconds in all. */
int box_cgroup_remove(const struct box_cgroup *cgroup, struct rk_err *err);

/* Write limits to a cgroup that is there, and set them as its unit's properties: memory, cpu, cpuset, pids
 * and blkio weight; what is BND_UNSET or 0 stays as it is, and device rules are not looked at. Errors name
 * the file and the value that the kernel refused; limits written before it stay. */
int box_cgroup_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources,
                      struct rk_err *err);

/* What the cgroup has used; -1 for what this host does not count. A limit that is none is the largest number
 * that the kernel shows. */
struct box_cgroup_stats {
    int64_t memory_usage, memory_limit, memory_peak,
        memory_failures;                              /* bytes, bytes, bytes, times that the limit was met */
    int64_t cpu_ns, cpu_user_ns, cpu_system_ns;       /* ns, of all CPUs together */
    int64_t periods, throttled_periods, throttled_ns; /* of the CPU quota */
    int64_t pids, pids_limit;
    int64_t oom_kills;
};

void box_cgroup_stats(struct box_cgroup_stats *ret_stats, const struct box_cgroup *cgroup);

/* The text of memory.stat, lines of "key value", as heap memory; NULL where there is none. */
char *box_cgroup_memory_stat(const struct box_cgroup *cgroup);

/* Freeze every process in the cgroup, or let them go on, and wait until that is so (two seconds at most).
 * -ENOTSUP without a freezer. A frozen process of v1 takes no signal, SIGKILL included, until it is thawed.
 */
int box_cgroup_freeze(const struct box_cgroup *cgroup, bool frozen, struct rk_err *err);
bool box_cgroup_is_frozen(const struct box_cgroup *cgroup);

void box_cgroup_fini(struct box_cgroup *cgroup);

#endif
