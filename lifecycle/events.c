/* events: a guest's statistics as runc prints them, once or at intervals, and a line for every out-of-memory
 * kill. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lifecycle/call.h"
#include "lifecycle/figures.h"

/* A member that this host counts; others are left out, as runc leaves out zeros. */
static void put(json_t *json, const char *key, int64_t value)
{
    if (value >= 0)
        json_object_set_new(json, key, json_integer(value));
}

/* "key value" lines as an object. */
static json_t *raw_stat(const struct box_cgroup *cgroup)
{
    rk_autofree char *text = box_cgroup_memory_stat(cgroup);
    json_t *raw = json_object();
    char *save = NULL;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        char *blank = strchr(line, ' ');
        if (!blank)
            continue;
        *blank = '\0';
        json_object_set_new(raw, line, json_integer(strtoll(blank + 1, NULL, 10)));
    }
    return raw;
}

static json_t *cpu_stats(const struct box_cgroup_stats *s)
{
    json_t *usage = json_object(), *throttling = json_object();
    put(usage, "total", s->cpu_ns);
    put(usage, "user", s->cpu_user_ns);
    put(usage, "kernel", s->cpu_system_ns);
    put(throttling, "periods", s->periods);
    put(throttling, "throttledPeriods", s->throttled_periods);
    put(throttling, "throttledTime", s->throttled_ns);
    return json_pack("{s:o,s:o}", "usage", usage, "throttling", throttling);
}

static json_t *memory_stats(const struct box_cgroup_stats *s, const struct box_cgroup *cgroup)
{
    json_t *usage = json_object(), *raw = raw_stat(cgroup), *memory = json_object();
    json_t *cache = json_object_get(raw, cgroup->unified ? "file" : "cache");
    put(usage, "limit", s->memory_limit);
    put(usage, "usage", s->memory_usage);
    put(usage, "max", s->memory_peak);
    put(usage, "failcnt", s->memory_failures);
    if (cache)
        json_object_set(memory, "cache", cache);
    json_object_set_new(memory, "usage", usage);
    json_object_set_new(memory, "raw", raw);
    return memory;
}

/* One line of runc's shape. What only runuk knows stands under a key of its own. */
static int print_stats(const struct ctr_record *record, int dir, struct rk_err *err)
{
    struct box_cgroup_stats s;
    box_cgroup_stats(&s, &record->cgroup);
    json_t *pids = json_object();
    put(pids, "current", s.pids);
    put(pids, "limit", s.pids_limit == INT64_MAX ? -1 : s.pids_limit);
    rk_autojson json_t *event =
        json_pack("{s:s,s:s,s:{s:o,s:o,s:o,s:{},s:{},s:{},s:n,s:{s:s,s:I}}}", "type", "stats", "id",
                  record->id, "data", "cpu", cpu_stats(&s), "memory", memory_stats(&s, &record->cgroup),
                  "pids", pids, "blkio", "hugetlb", "intel_rdt", "network_interfaces", "runuk", "monitor",
                  record->monitor, "guest_memory", (json_int_t)record->memory);
    if (event)
        ctr_figures_put(json_object_get(json_object_get(event, "data"), "runuk"), record, dir);
    rk_autofree char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    if (!text)
        return rk_fail(err, -ENOMEM, "out of memory");
    puts(text);
    return fflush(stdout) == 0 ? 0 : rk_fail_errno(err, "print");
}

/* Statistics every `interval` seconds, and out-of-memory kills as they are noticed, until the guest has
 * ended. */
static int follow(const struct ctr_record *record, int dir, int interval, struct rk_err *err)
{
    struct box_cgroup_stats before, now;
    rk_autoclose int pidfd = rk_process_open(&record->process);
    int r = pidfd < 0 ? -ESRCH : 0;
    box_cgroup_stats(&before, &record->cgroup);
    while (r == 0) {
        r = rk_process_wait(pidfd, interval * 1000);
        box_cgroup_stats(&now, &record->cgroup);
        if (now.oom_kills > before.oom_kills)
            printf("{\"type\":\"oom\",\"id\":\"%s\"}\n", record->id);
        before = now;
        if (r == 0)
            break;
        r = r == -ETIMEDOUT ? print_stats(record, dir, err)
                            : rk_fail(err, r, "wait for container '%s'", record->id);
    }
    return r == -ESRCH ? 0 : r;
}

int ctr_events_verb(struct ctr_call *call, struct rk_err *err)
{
    bool stats = false;
    const char *interval = "5s", *id = ctr_first_positional(call);
    const struct cfg_flag flags[] = {
        {"stats", 0, CFG_BOOL, &stats, "print statistics once, and end"},
        {"interval", 0, CFG_STRING, &interval, "time between statistics: 5s (default), 1m"},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    if (!id || !ctr_store_has(&call->store, id))
        return ctr_delegate(call, err);
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    char *unit;
    long seconds = strtol(interval, &unit, 10);
    if (strcmp(unit, "m") == 0)
        seconds *= 60;
    else if (strcmp(unit, "s") != 0 || seconds < 1)
        return rk_fail(err, -EINVAL, "invalid value \"%s\" for --interval: expected such as 5s or 1m",
                       interval);
    if (seconds < 1 || seconds > 86400)
        return rk_fail(err, -EINVAL, "value \"%s\" for --interval is out of range", interval);
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    r = ctr_store_get(&dir, &record, &call->store, id, false, err);
    if (r < 0)
        return r;
    if (ctr_record_status(record) == CTR_STOPPED)
        r = rk_fail(err, -ESRCH, "container with id %s is not running", id);
    else
        r = stats ? print_stats(record, dir, err) : follow(record, dir, (int)seconds, err);
    ctr_record_free(record);
    return r;
}
