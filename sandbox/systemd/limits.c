/* The container's limits and device rules as properties of its unit. */
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
#include "sandbox/systemd/unit.h"

#define MASK_BYTES     1024 /* 8192 CPUs or nodes, the most that any kernel is built for */
#define DEVICES_MAX    (1 << 20)
#define DEFAULT_PERIOD 100000 /* µs, the kernel's */

static int no_memory(struct rk_err *err)
{
    return rk_fail(err, -ENOMEM, "out of memory");
}

static int add(struct rk_argv *words, const char *property, const char *signature, const char *value)
{
    int r = rk_argv_add(words, property);
    if (r == 0)
        r = rk_argv_add(words, signature);
    return r == 0 ? rk_argv_add(words, value) : r;
}

/* -1 is "infinity", the largest number. */
static int add_number(struct rk_argv *words, const char *property, int64_t value, struct rk_err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, (uint64_t)value);
    return add(words, property, "t", text) < 0 ? no_memory(err) : 0;
}

static int set_bits(unsigned char *mask, const char *list)
{
    for (const char *p = list; *p;) {
        char *end;
        p += strspn(p, ", \t\n");
        if (!*p)
            break;
        if (*p < '0' || *p > '9')
            return -EINVAL;
        unsigned long first = strtoul(p, &end, 10), last = first;
        if (*end == '-') {
            p = end + 1;
            if (*p < '0' || *p > '9')
                return -EINVAL;
            last = strtoul(p, &end, 10);
        }
        if (*end != '\0' && !strchr(", \t\n", *end))
            return -EINVAL;
        if (first > last || last >= MASK_BYTES * 8)
            return -ERANGE;
        for (unsigned long i = first; i <= last; i++)
            mask[i / 8] = (unsigned char)(mask[i / 8] | 1u << i % 8);
        p = end;
    }
    return 0;
}

int unit_mask(struct rk_argv *words, const char *property, const char *list, struct rk_err *err)
{
    unsigned char mask[MASK_BYTES] = {0};
    char count[24];
    int r = set_bits(mask, list);
    size_t n = MASK_BYTES;
    while (n > 0 && mask[n - 1] == 0)
        n--;
    if (r < 0 || n == 0)
        return rk_fail(err, r < 0 ? r : -EINVAL, "set %s: '%s' is no list of numbers", property, list);
    snprintf(count, sizeof count, "%zu", n);
    r = add(words, property, "ay", count);
    for (size_t i = 0; i < n && r == 0; i++)
        r = rk_argv_addf(words, "%u", mask[i]);
    return r < 0 ? no_memory(err) : 0;
}

/* systemd counts in whole percents of a CPU; the exact value is written to the cgroup's file afterwards, and
 * needs this one not to be below it. */
static int add_quota(struct rk_argv *words, const struct bnd_resources *res, struct rk_err *err)
{
    bool has_quota = cg_given(res->cpu_quota), has_period = cg_given(res->cpu_period);
    int64_t period = has_period ? res->cpu_period : DEFAULT_PERIOD, per_second = -1;
    int r = 0;
    if (!has_quota && !has_period)
        return 0;
    if (period <= 0)
        return rk_fail(err, -EINVAL, "limit CPU time: a period of %" PRId64 " µs", period);
    if (has_quota && res->cpu_quota > 0) {
        if (res->cpu_quota > INT64_MAX / 1000000)
            return rk_fail(err, -ERANGE, "limit CPU time: a quota of %" PRId64 " µs", res->cpu_quota);
        per_second = res->cpu_quota * 1000000 / period;
        per_second += (10000 - per_second % 10000) % 10000;
    }
    if (has_period)
        r = add_number(words, "CPUQuotaPeriodUSec", period, err);
    return r == 0 ? add_number(words, "CPUQuotaPerSecUSec", per_second, err) : r;
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int add_memory(struct rk_argv *words, const struct bnd_resources *res, bool unified,
                      struct rk_err *err)
{
    int64_t swap = 0;
    int r = 0;
    if (cg_given(res->memory_limit))
        r = add_number(words, unified ? "MemoryMax" : "MemoryLimit", res->memory_limit, err);
    if (r < 0 || !unified)
        return r;
    if (cg_given(res->memory_reservation))
        r = add_number(words, "MemoryLow", res->memory_reservation, err);
    if (r == 0)
        r = cg_v2_swap(&swap, res->memory_limit, res->memory_swap, err);
    if (r == 0 && swap != BND_UNSET)
        r = add_number(words, "MemorySwapMax", swap, err);
    return r;
}

static int add_weights(struct rk_argv *words, const struct bnd_resources *res, bool unified,
                       struct rk_err *err)
{
    int r = 0;
    if (cg_given(res->cpu_shares)) {
        int64_t shares = clamp(res->cpu_shares, 2, 262144);
        r = unified ? add_number(words, "CPUWeight", cg_v2_cpu_weight(shares), err)
                    : add_number(words, "CPUShares", shares, err);
    }
    if (r == 0 && cg_given(res->blkio_weight)) {
        int64_t weight = clamp(res->blkio_weight, 10, 1000);
        r = unified ? add_number(words, "IOWeight", cg_v2_io_weight(weight), err)
                    : add_number(words, "BlockIOWeight", weight, err);
    }
    return r;
}

int unit_limits(struct rk_argv *words, const struct bnd_resources *res, bool unified, struct rk_err *err)
{
    int r = add_memory(words, res, unified, err);
    if (r == 0)
        r = add_weights(words, res, unified, err);
    if (r == 0)
        r = add_quota(words, res, err);
    if (r == 0 && cg_given(res->pids_limit))
        r = add_number(words, "TasksMax", res->pids_limit < 0 ? -1 : res->pids_limit, err);
    if (r == 0 && res->cpus && *res->cpus)
        r = unit_mask(words, "AllowedCPUs", res->cpus, err);
    if (r == 0 && res->mems && *res->mems)
        r = unit_mask(words, "AllowedMemoryNodes", res->mems, err);
    return r;
}

/* --- devices ---------------------------------------------------------------------------------------------
 */

/* The name that /proc/devices has for a major number, as DeviceAllow= takes it for "all of its minors". 1, or
 * 0 when there is none; the file has a paragraph for either type. */
static int device_group(char *ret, size_t size, const char *text, char type, int64_t major)
{
    const char *line = strstr(text, type == 'b' ? "Block devices:\n" : "Character devices:\n");
    long long number;
    char name[64];
    while (line && (line = strchr(line, '\n')) && line[1] && line[1] != '\n') {
        line++;
        if (sscanf(line, "%lld %63s", &number, name) == 2 && number == major) {
            snprintf(ret, size, "%s-%s", type == 'b' ? "block" : "char", name);
            return 1;
        }
    }
    return 0;
}

/* One rule as DeviceAllow= has it. 1, or 0 for what it cannot say. */
static int device_path(char *ret, size_t size, const char *groups, const struct bnd_device_rule *rule)
{
    const char *type = rule->type == 'b' ? "block" : "char";
    if (rule->major < 0 && rule->minor >= 0)
        return 0;
    if (rule->major < 0)
        snprintf(ret, size, "%s-*", type);
    else if (rule->minor < 0)
        return device_group(ret, size, groups, rule->type, rule->major);
    else
        snprintf(ret, size, "/dev/%s/%" PRId64 ":%" PRId64, type, rule->major, rule->minor);
    return 1;
}

/* Append path and access of every rule of a list that allows by exception. The count, or -EOPNOTSUPP when a
 * rule cannot be said and none may be left out, or -ENOMEM. */
static int add_rules(struct rk_argv *list, const struct cg_rules *rules, bool skip, const char *groups)
{
    int count = 0;
    for (size_t i = 0; i < rules->n; i++) {
        const struct bnd_device_rule *rule = &rules->v[i];
        char path[96];
        if (!rule->read && !rule->write && !rule->mknod)
            continue;
        if (!rule->allow || !device_path(path, sizeof path, groups, rule)) {
            if (!skip)
                return -EOPNOTSUPP;
            continue;
        }
        if (rk_argv_add(list, path) < 0 || rk_argv_addf(list, "%s%s%s", rule->read ? "r" : "",
                                                        rule->write ? "w" : "", rule->mknod ? "m" : "") < 0)
            return -ENOMEM;
        count++;
    }
    return count;
}

/* The cgroup's own rules are always written after these. On v1 they replace systemd's, so what properties
 * cannot say may be missing here. On v2 both are in force at once: there systemd is told all of it or to
 * allow everything. */
int unit_devices(struct rk_argv *words, const struct bnd_resources *res, bool unified, struct rk_err *err)
{
    rk_autoargv struct rk_argv list = {0};
    rk_autofree char *groups = NULL;
    struct cg_rules rules;
    char count[24];
    if (res->device_count == 0)
        return 0;
    int r = cg_effective_rules(&rules, res->devices, res->device_count, err);
    if (r < 0)
        return r;
    r = rk_read_file_at(AT_FDCWD, "/proc/devices", DEVICES_MAX, &groups, NULL);
    if (r < 0)
        return rk_fail(err, r, "read '/proc/devices': %s", strerror(-r));
    int n = rules.allow ? -EOPNOTSUPP : add_rules(&list, &rules, !unified, groups);
    if (n == -ENOMEM)
        return no_memory(err);
    bool strict = n >= 0 || (!unified && !(rules.allow && rules.n == 0));
    snprintf(count, sizeof count, "%d", n > 0 ? n : 0);
    if (add(words, "DevicePolicy", "s", strict ? "strict" : "auto") < 0 ||
        add(words, "DeviceAllow", "a(ss)", count) < 0)
        return no_memory(err);
    for (size_t i = 0; n > 0 && i < list.n; i++)
        if (rk_argv_add(words, list.v[i]) < 0)
            return no_memory(err);
    return 0;
}
