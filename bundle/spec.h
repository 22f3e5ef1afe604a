/* The parts of an OCI config.json that runuk uses, as plain C: nothing here but types and their reader.
 *
 * Source: the OCI runtime specification 1.0.2/1.1, config.md and config-linux.md. */
#ifndef BND_SPEC_H
#define BND_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/argv.h"
#include "lib/err.h"

#define BND_UNSET INT64_MIN /* a number that config.json does not give */

struct bnd_mount {
    char *destination;
    char *type;   /* NULL when not given */
    char *source; /* NULL when not given; absolute for binds (made so against the bundle) */
    bool bind;
    bool recursive; /* of a bind: with what is mounted below the source */
    bool readonly;
    char *options; /* of a tmpfs, with commas between them; NULL when there are none */
};

struct bnd_namespace {
    int flag;   /* CLONE_NEW… */
    char *path; /* NULL: a new one */
};

struct bnd_hook {
    char *path;
    struct rk_argv args; /* empty: the path alone */
    struct rk_argv env;
    bool env_given; /* false: the hook gets the caller's environment, as with runc */
    int timeout_s;  /* 0: none */
};

struct bnd_hook_list {
    struct bnd_hook *v;
    size_t n;
};

struct bnd_hooks {
    struct bnd_hook_list prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct bnd_device_rule {
    bool allow;
    char type;            /* 'a' all, 'c', 'b' */
    int64_t major, minor; /* -1: any */
    bool read, write, mknod;
};

/* The limits that are written to a cgroup file as they are, by their names in the specification. */
#define BND_MEMORY_SWAPPINESS        "linux.resources.memory.swappiness"
#define BND_MEMORY_NO_OOM_KILLER     "linux.resources.memory.disableOOMKiller"
#define BND_CPU_BURST                "linux.resources.cpu.burst"
#define BND_CPU_IDLE                 "linux.resources.cpu.idle"
#define BND_CPU_RT_PERIOD            "linux.resources.cpu.realtimePeriod"
#define BND_CPU_RT_RUNTIME           "linux.resources.cpu.realtimeRuntime"
#define BND_BLKIO_LEAF_WEIGHT        "linux.resources.blockIO.leafWeight"
#define BND_BLKIO_WEIGHT_DEVICE      "linux.resources.blockIO.weightDevice"
#define BND_BLKIO_LEAF_WEIGHT_DEVICE "linux.resources.blockIO.weightDevice.leafWeight"
#define BND_BLKIO_READ_BPS           "linux.resources.blockIO.throttleReadBpsDevice"
#define BND_BLKIO_WRITE_BPS          "linux.resources.blockIO.throttleWriteBpsDevice"
#define BND_BLKIO_READ_IOPS          "linux.resources.blockIO.throttleReadIOPSDevice"
#define BND_BLKIO_WRITE_IOPS         "linux.resources.blockIO.throttleWriteIOPSDevice"
#define BND_HUGE_PAGES               "linux.resources.hugepageLimits"
#define BND_UNIFIED                  "linux.resources.unified"

struct bnd_limit {
    const char *key; /* one of the above */
    char *name;      /* the device "8:0", the page size "2MB", the file; else NULL */
    char *value;     /* a decimal number; of unified any text */
};

struct bnd_resources {
    int64_t memory_limit, memory_reservation,
        memory_swap; /* bytes, memory_swap counts memory too; -1 unlimited */
    int64_t cpu_shares;
    int64_t cpu_quota, cpu_period; /* µs */
    int64_t pids_limit;            /* -1 unlimited */
    int64_t blkio_weight;          /* 10 … 1000 */
    char *cpus, *mems;             /* NULL: not given */
    struct bnd_device_rule *devices;
    size_t device_count;
    struct bnd_limit *more;
    size_t more_count;
};

struct bnd_annotation {
    char *key, *value;
};

struct bnd_sysctl {
    char *key, *value; /* "net.ipv4.ip_forward": dots between the parts */
};

struct bnd_rlimit {
    int resource;     /* RLIMIT_… */
    const char *name; /* the same as text */
    uint64_t soft, hard;
};

/* For sched_setattr(2). */
struct bnd_scheduler {
    const char *name; /* the policy's; NULL: not given */
    unsigned policy;  /* SCHED_… */
    int nice;
    uint64_t flags;                     /* SCHED_FLAG_… */
    uint64_t priority;                  /* 1 … 99 of real-time policies, else 0 */
    uint64_t runtime, deadline, period; /* ns */
};

/* For ioprio_set(2). */
struct bnd_io_priority {
    const char *name; /* the class'; NULL: not given */
    int io_class;     /* IOPRIO_CLASS_… */
    int level;        /* 0 (first) … 7 */
};

/* Ids of a user namespace: `count` of them from `inside` are those from `outside` in the caller's. */
struct bnd_id_map {
    uint32_t inside, outside, count;
};

struct bnd_id_maps {
    struct bnd_id_map *v;
    size_t n;
};

struct bnd_spec {
    char *oci_version;
    char *bundle;    /* absolute */
    char *root_path; /* absolute */
    bool root_readonly;
    bool terminal;
    struct rk_argv args, env;
    char *cwd;
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* process.user.additionalGids */
    size_t group_count;
    struct bnd_rlimit *rlimits;
    size_t rlimit_count;
    struct bnd_scheduler scheduler;
    struct bnd_io_priority io_priority;
    char *apparmor_profile, *selinux_label;       /* NULL when not given */
    unsigned short console_rows, console_columns; /* 0 when not given */
    char *hostname, *domainname;                  /* NULL when not given */
    struct bnd_mount *mounts;
    size_t mount_count;
    struct bnd_namespace *namespaces;
    size_t namespace_count;
    struct bnd_id_maps uid_maps, gid_maps; /* of a new user namespace */
    struct bnd_sysctl *sysctls;
    size_t sysctl_count;
    struct bnd_hooks hooks;
    char *cgroups_path; /* NULL when not given */
    struct bnd_resources resources;
    struct bnd_annotation *annotations;
    size_t annotation_count;
    int64_t oom_score_adj; /* BND_UNSET when not given */
    struct rk_err flaw;    /* code 0: none; see bnd_spec_load */
};

/* Read <bundle>/config.json. `bundle` may be relative. On success *ret_spec is the caller's, to be given back
 * with bnd_spec_free. Errors name the file and the key: -ENOENT without a config.json, -EINVAL for one in
 * which the root, the process' arguments, the mounts or the annotations are not valid: what tells a unikernel
 * from other programs. What is wrong elsewhere is kept as the spec's flaw and is an error for a unikernel
 * only: an ordinary container's runtime may know more of the specification than we do. */
int bnd_spec_load(struct bnd_spec **ret_spec, const char *bundle, struct rk_err *err);

/* The same from the text of a config.json; `bundle` is the absolute path that it is relative to. Errors name
 * the key or the line. */
int bnd_spec_parse(struct bnd_spec **ret_spec, const char *bundle, const char *text, size_t len,
                   struct rk_err *err);

/* One more device for the container, where its devices are limited at all. -ENOMEM. */
int bnd_resources_allow(struct bnd_resources *res, const struct bnd_device_rule *rule, struct rk_err *err);

/* Accepts NULL. */
void bnd_spec_free(struct bnd_spec *spec);

/* The namespace of that CLONE_NEW… flag, or NULL when the spec does not name it. */
const struct bnd_namespace *bnd_spec_namespace(const struct bnd_spec *spec, int flag);

/* The annotation's value, or NULL. */
const char *bnd_spec_annotation(const struct bnd_spec *spec, const char *key);

#endif
