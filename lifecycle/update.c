/* update: other limits for a running guest. What it was born with, its memory, is not among them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle/spec_json.h"
#include "config/flags.h"
#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lifecycle/call.h"

#define RESOURCES_MAX (1 << 20) /* bytes */

/* The flags of runc's update that have a meaning here, as text. */
struct flags {
    const char *resources, *memory, *reservation, *swap, *shares, *quota, *period, *pids, *weight, *cpus,
        *mems;
};

/* "64m", "67108864", "-1": bytes. */
static int parse_bytes(int64_t *ret, const char *flag, const char *text, struct rk_err *err)
{
    static const char units[] = "bkmgt";
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    const char *unit = *end ? memchr(units, *end | 0x20, sizeof units - 1) : units;
    if (errno || end == text || !unit || (*end && end[1] && strcasecmp(end + 1, "b") != 0))
        return rk_fail(err, -EINVAL, "invalid value \"%s\" for --%s", text, flag);
    int shift = (int)(unit - units) * 10;
    if (n > INT64_MAX >> shift)
        return rk_fail(err, -ERANGE, "value \"%s\" for --%s is too large", text, flag);
    *ret = n < 0 ? n : (int64_t)n << shift;
    return 0;
}

static int parse_number(int64_t *ret, const char *flag, const char *text, struct rk_err *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return rk_fail(err, -EINVAL, "invalid value \"%s\" for --%s", text, flag);
    *ret = n;
    return 0;
}

static int read_flags(struct bnd_resources *res, const struct flags *f, struct rk_err *err)
{
    const struct {
        const char *name, *text;
        int64_t *value;
        int (*parse)(int64_t *, const char *, const char *, struct rk_err *);
    } numbers[] = {
        {"memory", f->memory, &res->memory_limit, parse_bytes},
        {"memory-reservation", f->reservation, &res->memory_reservation, parse_bytes},
        {"memory-swap", f->swap, &res->memory_swap, parse_bytes},
        {"cpu-share", f->shares, &res->cpu_shares, parse_number},
        {"cpu-quota", f->quota, &res->cpu_quota, parse_number},
        {"cpu-period", f->period, &res->cpu_period, parse_number},
        {"pids-limit", f->pids, &res->pids_limit, parse_number},
        {"blkio-weight", f->weight, &res->blkio_weight, parse_number},
    };
    for (size_t i = 0; i < RK_COUNT(numbers); i++) {
        int r =
            numbers[i].text ? numbers[i].parse(numbers[i].value, numbers[i].name, numbers[i].text, err) : 0;
        if (r < 0)
            return r;
    }
    if ((f->cpus && !(res->cpus = strdup(f->cpus))) || (f->mems && !(res->mems = strdup(f->mems))))
        return rk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

/* The LinuxResources of a file, or of standard input for "-". */
static int read_file(struct bnd_resources *res, const char *path, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    size_t len;
    json_error_t where;
    int r = strcmp(path, "-") == 0 ? rk_read_fd(STDIN_FILENO, RESOURCES_MAX, &text, &len)
                                   : rk_read_file_at(AT_FDCWD, path, RESOURCES_MAX, &text, &len);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "read resources '%s'", path);
    }
    rk_autojson json_t *json = rk_json_load(text, len, &where);
    if (!json)
        return rk_fail(err, -EINVAL, "resources '%s', line %d: %s", path, where.line, where.text);
    r = bnd_resources_read(res, json, err);
    return r < 0 ? rk_wrap(err, "resources '%s'", path) : 0;
}

/* The guest's memory is there to be touched, all of it: a limit below it would end the guest later, at a
 * moment of its own. */
static int check_memory(const struct ctr_record *record, const struct bnd_resources *res, struct rk_err *err)
{
    const struct hv_monitor *monitor = hv_monitor_find(record->monitor);
    int64_t least = (int64_t)record->memory + (monitor ? (int64_t)monitor->headroom : 0);
    if (res->memory_limit <= 0 || res->memory_limit >= least)
        return 0;
    return rk_fail(err, -EINVAL,
                   "memory limit of %" PRId64 " KiB is less than guest and monitor need: %" PRId64
                   " KiB, since a guest keeps the memory that it was started with",
                   res->memory_limit / 1024, least / 1024);
}

static int update(struct ctr_call *call, const char *id, const struct bnd_resources *res, struct rk_err *err)
{
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    int r = ctr_store_get(&dir, &record, &call->store, id, true, err);
    if (r < 0)
        return r;
    if (ctr_record_status(record) == CTR_STOPPED)
        r = rk_fail(err, -ESRCH, "container not running");
    else if ((r = check_memory(record, res, err)) == 0)
        r = box_cgroup_update(&record->cgroup, res, err);
    ctr_record_free(record);
    return r < 0 ? rk_wrap(err, "update container '%s'", id) : 0;
}

int ctr_update_verb(struct ctr_call *call, struct rk_err *err)
{
    struct flags f = {.resources = NULL};
    const char *id = NULL;
    const struct cfg_flag flags[] = {
        {"resources", 'r', CFG_STRING, &f.resources,
         "file with the new limits as JSON, \"-\" for standard input"},
        {"memory", 0, CFG_STRING, &f.memory, "memory limit, bytes"},
        {"memory-reservation", 0, CFG_STRING, &f.reservation, "soft memory limit, bytes"},
        {"memory-swap", 0, CFG_STRING, &f.swap, "memory and swap together, bytes"},
        {"cpu-share", 0, CFG_STRING, &f.shares, "weight of the container's CPU time"},
        {"cpu-quota", 0, CFG_STRING, &f.quota, "CPU time in a period, microseconds"},
        {"cpu-period", 0, CFG_STRING, &f.period, "the period, microseconds"},
        {"cpuset-cpus", 0, CFG_STRING, &f.cpus, "CPUs to use"},
        {"cpuset-mems", 0, CFG_STRING, &f.mems, "memory nodes to use"},
        {"pids-limit", 0, CFG_STRING, &f.pids, "processes at the most"},
        {"blkio-weight", 0, CFG_STRING, &f.weight, "weight of the container's block I/O, 10 to 1000"},
        {"kernel-memory", 0, CFG_STRING, NULL, NULL},
        {"kernel-memory-tcp", 0, CFG_STRING, NULL, NULL},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    /* Whose container it is has to be known before standard input is read. */
    if (!(id = ctr_first_positional(call)) || !ctr_store_has(&call->store, id))
        return ctr_delegate(call, err);
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    struct bnd_resources res;
    bnd_resources_init(&res);
    r = f.resources ? read_file(&res, f.resources, err) : read_flags(&res, &f, err);
    if (r == 0)
        r = update(call, id, &res, err);
    bnd_resources_fini(&res);
    return r;
}
