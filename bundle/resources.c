/* linux.resources, of config.json and as update gets it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/spec_json.h"
#include "lib/cleanup.h"
#include "lib/err.h"

static int read_device_rule(struct bnd_device_rule *rule, json_t *json, struct rk_err *err)
{
    const char *where = "linux.resources.devices[]";
    const char *type = "a", *access = "rwm";
    int r;
    *rule = (struct bnd_device_rule){.major = -1, .minor = -1};
    if ((r = rk_json_bool(json, where, "allow", &rule->allow, err)) < 0 ||
        (r = rk_json_string(json, where, "type", &type, err)) < 0 ||
        (r = rk_json_string(json, where, "access", &access, err)) < 0 ||
        (r = rk_json_int(json, where, "major", &rule->major, err)) < 0 ||
        (r = rk_json_int(json, where, "minor", &rule->minor, err)) < 0)
        return r;
    if (!*type)
        type = "a";
    if (!*access)
        access = "rwm";
    if (strlen(type) != 1 || !strchr("acbup", *type))
        return rk_fail(err, -EINVAL, "%s.type: expected a, b or c, not \"%s\"", where, type);
    if (strspn(access, "rwm") != strlen(access))
        return rk_fail(err, -EINVAL, "%s.access: expected letters of \"rwm\", not \"%s\"", where, access);
    rule->type = *type == 'u' ? 'c' : *type;
    rule->read = strchr(access, 'r') != NULL;
    rule->write = strchr(access, 'w') != NULL;
    rule->mknod = strchr(access, 'm') != NULL;
    return 0;
}

static int read_device_rules(struct bnd_resources *res, json_t *json, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(json, "linux.resources", "devices", &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    res->devices = calloc(json_array_size(array), sizeof *res->devices);
    if (!res->devices)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        if ((r = read_device_rule(&res->devices[i], v, err)) < 0)
            return r;
        res->device_count = i + 1;
    }
    return 0;
}

void bnd_resources_init(struct bnd_resources *res)
{
    *res = (struct bnd_resources){.memory_limit = BND_UNSET,
                                  .memory_reservation = BND_UNSET,
                                  .memory_swap = BND_UNSET,
                                  .cpu_shares = BND_UNSET,
                                  .cpu_quota = BND_UNSET,
                                  .cpu_period = BND_UNSET,
                                  .pids_limit = BND_UNSET,
                                  .blkio_weight = BND_UNSET};
}

void bnd_resources_fini(struct bnd_resources *res)
{
    free(res->cpus);
    free(res->mems);
    free(res->devices);
    for (size_t i = 0; i < res->more_count; i++) {
        free(res->more[i].name);
        free(res->more[i].value);
    }
    free(res->more);
    *res = (struct bnd_resources){0};
}

/* Append; `name` may be NULL. */
static int add(struct bnd_resources *res, const char *key, const char *name, const char *value,
               struct rk_err *err)
{
    struct bnd_limit *more = reallocarray(res->more, res->more_count + 1, sizeof *more);
    if (!more)
        return rk_fail(err, -ENOMEM, "out of memory");
    res->more = more;
    struct bnd_limit *l = &more[res->more_count++];
    *l = (struct bnd_limit){.key = key, .name = name ? strdup(name) : NULL, .value = strdup(value)};
    return l->value && (!name || l->name) ? 0 : rk_fail(err, -ENOMEM, "out of memory");
}

static int add_number(struct bnd_resources *res, const char *key, const char *name, int64_t value,
                      struct rk_err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return add(res, key, name, text, err);
}

/* The plain numbers. Engines write 0, some of them -1 or 2⁶⁴ - 1, for "nothing"; only for swappiness 0 is a
 * value. */
static int read_numbers(struct bnd_resources *res, json_t *json, struct rk_err *err)
{
    static const struct {
        const char *object, *member, *key;
        int64_t least;
    } numbers[] = {
        {"memory", "swappiness", BND_MEMORY_SWAPPINESS, 0},
        {"cpu", "burst", BND_CPU_BURST, 1},
        {"cpu", "idle", BND_CPU_IDLE, 1},
        /* The kernel wants the runtime within the period: the period comes first. */
        {"cpu", "realtimePeriod", BND_CPU_RT_PERIOD, 1},
        {"cpu", "realtimeRuntime", BND_CPU_RT_RUNTIME, 1},
        {"blockIO", "leafWeight", BND_BLKIO_LEAF_WEIGHT, 1},
    };
    for (size_t i = 0; i < RK_COUNT(numbers); i++) {
        int64_t value = -1;
        char where[48];
        snprintf(where, sizeof where, "linux.resources.%s", numbers[i].object);
        int r = rk_json_int(json_object_get(json, numbers[i].object), where, numbers[i].member, &value, err);
        if (r == 0 && value >= numbers[i].least && value != INT64_MAX)
            r = add_number(res, numbers[i].key, NULL, value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A list of objects with major, minor and a number. */
static int read_block_devices(struct bnd_resources *res, json_t *block, const char *list, const char *member,
                              const char *key, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(block, "linux.resources.blockIO", list, &array, err);
    if (r < 0)
        return r;
    json_array_foreach(array, i, v)
    {
        char device[48];
        int64_t major = -1, minor = -1, value = -1;
        if ((r = rk_json_int(v, key, "major", &major, err)) < 0 ||
            (r = rk_json_int(v, key, "minor", &minor, err)) < 0 ||
            (r = rk_json_int(v, key, member, &value, err)) < 0)
            return r;
        if (major < 0 || minor < 0)
            return rk_fail(err, -EINVAL, "%s[%zu]: expected major and minor of a device", key, i);
        snprintf(device, sizeof device, "%" PRId64 ":%" PRId64, major, minor);
        if (value >= 0 && (r = add_number(res, key, device, value, err)) < 0)
            return r;
    }
    return 0;
}

static int read_block(struct bnd_resources *res, json_t *json, struct rk_err *err)
{
    static const struct {
        const char *list, *member, *key;
    } lists[] = {
        {"weightDevice", "weight", BND_BLKIO_WEIGHT_DEVICE},
        {"weightDevice", "leafWeight", BND_BLKIO_LEAF_WEIGHT_DEVICE},
        {"throttleReadBpsDevice", "rate", BND_BLKIO_READ_BPS},
        {"throttleWriteBpsDevice", "rate", BND_BLKIO_WRITE_BPS},
        {"throttleReadIOPSDevice", "rate", BND_BLKIO_READ_IOPS},
        {"throttleWriteIOPSDevice", "rate", BND_BLKIO_WRITE_IOPS},
    };
    int r = 0;
    for (size_t i = 0; i < RK_COUNT(lists) && r == 0; i++)
        r = read_block_devices(res, json_object_get(json, "blockIO"), lists[i].list, lists[i].member,
                               lists[i].key, err);
    return r;
}

static int read_huge_pages(struct bnd_resources *res, json_t *json, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(json, "linux.resources", "hugepageLimits", &array, err);
    if (r < 0)
        return r;
    json_array_foreach(array, i, v)
    {
        const char *size = "";
        int64_t limit = -1;
        if ((r = rk_json_string(v, BND_HUGE_PAGES, "pageSize", &size, err)) < 0 ||
            (r = rk_json_int(v, BND_HUGE_PAGES, "limit", &limit, err)) < 0)
            return r;
        if (!*size || strspn(size, "0123456789KMGTB") != strlen(size) || limit < 0)
            return rk_fail(err, -EINVAL, "%s[%zu]: expected a pageSize like \"2MB\" and a limit",
                           BND_HUGE_PAGES, i);
        if ((r = add_number(res, BND_HUGE_PAGES, size, limit, err)) < 0)
            return r;
    }
    return 0;
}

/* Files of cgroup v2 as they are called there: never a path. */
static int read_unified(struct bnd_resources *res, json_t *json, struct rk_err *err)
{
    json_t *object = NULL, *value;
    const char *file;
    int r = rk_json_object(json, "linux.resources", "unified", &object, err);
    if (r < 0)
        return r;
    json_object_foreach(object, file, value)
    {
        if (!json_is_string(value))
            return rk_fail(err, -EINVAL, "%s.%s: expected a string", BND_UNIFIED, file);
        if (strchr(file, '/') || !strchr(file, '.') || *file == '.' || strncmp(file, "cgroup.", 7) == 0)
            return rk_fail(err, -EINVAL, "%s: \"%s\" is no file of a cgroup controller", BND_UNIFIED, file);
        if ((r = add(res, BND_UNIFIED, file, json_string_value(value), err)) < 0)
            return r;
    }
    return 0;
}

static int read_more(struct bnd_resources *res, json_t *json, struct rk_err *err)
{
    bool no_oom_killer = false;
    json_t *memory = json_object_get(json, "memory");
    int r;
    if ((r = rk_json_bool(memory, "linux.resources.memory", "disableOOMKiller", &no_oom_killer, err)) < 0 ||
        (no_oom_killer && (r = add(res, BND_MEMORY_NO_OOM_KILLER, NULL, "1", err)) < 0) ||
        (r = read_numbers(res, json, err)) < 0 || (r = read_block(res, json, err)) < 0 ||
        (r = read_huge_pages(res, json, err)) < 0)
        return r;
    return read_unified(res, json, err);
}

int bnd_resources_read(struct bnd_resources *res, json_t *json, struct rk_err *err)
{
    json_t *memory = NULL, *cpu = NULL, *pids = NULL, *blkio = NULL;
    const char *where = "linux.resources";
    int r;
    if ((r = rk_json_object(json, where, "memory", &memory, err)) < 0 ||
        (r = rk_json_object(json, where, "cpu", &cpu, err)) < 0 ||
        (r = rk_json_object(json, where, "pids", &pids, err)) < 0 ||
        (r = rk_json_object(json, where, "blockIO", &blkio, err)) < 0 ||
        (r = rk_json_int(memory, "linux.resources.memory", "limit", &res->memory_limit, err)) < 0 ||
        (r = rk_json_int(memory, "linux.resources.memory", "reservation", &res->memory_reservation, err)) <
            0 ||
        (r = rk_json_int(memory, "linux.resources.memory", "swap", &res->memory_swap, err)) < 0 ||
        (r = rk_json_int(cpu, "linux.resources.cpu", "shares", &res->cpu_shares, err)) < 0 ||
        (r = rk_json_int(cpu, "linux.resources.cpu", "quota", &res->cpu_quota, err)) < 0 ||
        (r = rk_json_int(cpu, "linux.resources.cpu", "period", &res->cpu_period, err)) < 0 ||
        (r = rk_json_strdup(cpu, "linux.resources.cpu", "cpus", &res->cpus, err)) < 0 ||
        (r = rk_json_strdup(cpu, "linux.resources.cpu", "mems", &res->mems, err)) < 0 ||
        (r = rk_json_int(pids, "linux.resources.pids", "limit", &res->pids_limit, err)) < 0 ||
        (r = rk_json_int(blkio, "linux.resources.blockIO", "weight", &res->blkio_weight, err)) < 0)
        return r;
    if ((r = read_device_rules(res, json, err)) < 0)
        return r;
    return read_more(res, json, err);
}

int bnd_resources_allow(struct bnd_resources *res, const struct bnd_device_rule *rule, struct rk_err *err)
{
    if (res->device_count == 0) /* without rules everything is allowed */
        return 0;
    struct bnd_device_rule *rules = reallocarray(res->devices, res->device_count + 1, sizeof *rules);
    if (!rules)
        return rk_fail(err, -ENOMEM, "out of memory");
    res->devices = rules;
    rules[res->device_count++] = *rule;
    return 0;
}
