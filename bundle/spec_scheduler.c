/* process.scheduler and process.ioPriority of config.json, which came with version 1.1 of the specification.
 */
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <string.h>

#include "bundle/spec_json.h"
#include "lib/cleanup.h"
#include "lib/err.h"

/* The names of config.md, Linux process: scheduler, as sched_setattr(2) has them. SCHED_ISO, which Linux
 * never had, is not among them. */
static const struct {
    const char *name;
    unsigned policy;
} policies[] = {
    {"SCHED_OTHER", SCHED_NORMAL}, {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH},  {"SCHED_IDLE", SCHED_IDLE}, {"SCHED_DEADLINE", SCHED_DEADLINE},
};

/* Those of utilisation clamps are not among them: the specification has no member for their values. */
static const struct {
    const char *name;
    uint64_t flag;
} scheduler_flags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
    {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
    {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
    {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
    {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
};

/* The same section: ioPriority, as ioprio_set(2) has them. */
static const struct {
    const char *name;
    int io_class;
} io_classes[] = {
    {"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
    {"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
    {"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
};

static int read_policy(struct bnd_scheduler *s, json_t *json, struct rk_err *err)
{
    const char *name = "";
    int r = rk_json_string(json, "process.scheduler", "policy", &name, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < RK_COUNT(policies); i++) {
        if (strcmp(policies[i].name, name) == 0) {
            s->policy = policies[i].policy;
            s->name = policies[i].name;
            return 0;
        }
    }
    return rk_fail(err, -EINVAL, "process.scheduler.policy: Linux has no policy \"%s\"", name);
}

static int read_flags(struct bnd_scheduler *s, json_t *json, struct rk_err *err)
{
    rk_autoargv struct rk_argv names = {0};
    int r = rk_json_strings(json, "process.scheduler", "flags", &names, err);
    for (size_t n = 0; n < names.n && r == 0; n++) {
        size_t i = 0;
        while (i < RK_COUNT(scheduler_flags) && strcmp(scheduler_flags[i].name, names.v[n]) != 0)
            i++;
        if (i == RK_COUNT(scheduler_flags))
            return rk_fail(err, -EINVAL, "process.scheduler.flags: unknown flag \"%s\"", names.v[n]);
        s->flags |= scheduler_flags[i].flag;
    }
    return r;
}

/* A number of one policy only. */
static int read_number(json_t *json, const char *key, const char *of, bool wanted, int64_t max, uint64_t *ret,
                       struct rk_err *err)
{
    int64_t n = 0;
    int r = rk_json_int(json, "process.scheduler", key, &n, err);
    if (r < 0)
        return r;
    if (n < 0 || n > max)
        return rk_fail(err, -EINVAL, "process.scheduler.%s: expected a number from 0 to %lld", key,
                       (long long)max);
    if (n != 0 && !wanted)
        return rk_fail(err, -EINVAL, "process.scheduler.%s: only for %s", key, of);
    *ret = (uint64_t)n;
    return 0;
}

static int read_scheduler(struct bnd_scheduler *s, json_t *json, struct rk_err *err)
{
    int64_t nice = 0;
    int r = read_policy(s, json, err);
    if (r < 0 || (r = read_flags(s, json, err)) < 0 ||
        (r = rk_json_int(json, "process.scheduler", "nice", &nice, err)) < 0)
        return r;
    bool shares = s->policy == SCHED_NORMAL || s->policy == SCHED_BATCH;
    bool fixed = s->policy == SCHED_FIFO || s->policy == SCHED_RR, dated = s->policy == SCHED_DEADLINE;
    if (nice < -20 || nice > 19)
        return rk_fail(err, -EINVAL, "process.scheduler.nice: expected a number from -20 to 19");
    if (nice != 0 && !shares)
        return rk_fail(err, -EINVAL, "process.scheduler.nice: only for SCHED_OTHER and SCHED_BATCH");
    s->nice = (int32_t)nice;
    if ((r = read_number(json, "priority", "SCHED_FIFO and SCHED_RR", fixed, 99, &s->priority, err)) < 0 ||
        (r = read_number(json, "runtime", "SCHED_DEADLINE", dated, INT64_MAX, &s->runtime, err)) < 0 ||
        (r = read_number(json, "deadline", "SCHED_DEADLINE", dated, INT64_MAX, &s->deadline, err)) < 0 ||
        (r = read_number(json, "period", "SCHED_DEADLINE", dated, INT64_MAX, &s->period, err)) < 0)
        return r;
    if (fixed && s->priority == 0)
        return rk_fail(err, -EINVAL, "process.scheduler.priority: %s needs one from 1 to 99", s->name);
    return 0;
}

static int read_io_priority(struct bnd_io_priority *p, json_t *json, struct rk_err *err)
{
    const char *name = "";
    int64_t level = 0;
    int r = rk_json_string(json, "process.ioPriority", "class", &name, err);
    if (r < 0 || (r = rk_json_int(json, "process.ioPriority", "priority", &level, err)) < 0)
        return r;
    if (level < 0 || level >= IOPRIO_BE_NR)
        return rk_fail(err, -EINVAL, "process.ioPriority.priority: expected a number from 0 to %d",
                       IOPRIO_BE_NR - 1);
    for (size_t i = 0; i < RK_COUNT(io_classes); i++) {
        if (strcmp(io_classes[i].name, name) == 0) {
            *p = (struct bnd_io_priority){io_classes[i].name, io_classes[i].io_class, (int)level};
            return 0;
        }
    }
    return rk_fail(err, -EINVAL, "process.ioPriority.class: unknown class \"%s\"", name);
}

int bnd_spec_read_scheduler(struct bnd_spec *spec, json_t *process, struct rk_err *err)
{
    json_t *scheduler = NULL, *io = NULL;
    int r;
    if ((r = rk_json_object(process, "process", "scheduler", &scheduler, err)) < 0 ||
        (r = rk_json_object(process, "process", "ioPriority", &io, err)) < 0)
        return r;
    if (scheduler && (r = read_scheduler(&spec->scheduler, scheduler, err)) < 0)
        return r;
    return io ? read_io_priority(&spec->io_priority, io, err) : 0;
}
