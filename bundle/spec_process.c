/* The process object of config.json: what to run, as whom, within which limits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bundle/spec_json.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

/* The names of config.md, POSIX process. */
static const struct {
    const char *name;
    int resource;
} rlimit_types[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

int bnd_spec_read_entry(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    json_t *process = NULL;
    int r;
    if ((r = rk_json_object(root, "", "process", &process, err)) < 0)
        return r;
    if (!process)
        return rk_fail(err, -EINVAL, "process: missing");
    if ((r = rk_json_strings(process, "process", "args", &spec->args, err)) < 0 ||
        (r = rk_json_strings(process, "process", "env", &spec->env, err)) < 0 ||
        (r = rk_json_strdup(process, "process", "cwd", &spec->cwd, err)) < 0)
        return r;
    if (spec->args.n == 0)
        return rk_fail(err, -EINVAL, "process.args: must not be empty");
    if (!spec->cwd && !(spec->cwd = strdup("/")))
        return rk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

static int read_groups(struct bnd_spec *spec, json_t *user, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(user, "process.user", "additionalGids", &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    if (json_array_size(array) > GROUPS_MAX)
        return rk_fail(err, -EINVAL, "process.user.additionalGids: more than %d", GROUPS_MAX);
    spec->groups = calloc(json_array_size(array), sizeof *spec->groups);
    if (!spec->groups)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        int64_t gid;
        if (!rk_json_number(v, &gid) || gid < 0 || gid >= UINT32_MAX)
            return rk_fail(err, -EINVAL, "process.user.additionalGids[%zu]: expected a group id", i);
        spec->groups[spec->group_count++] = (gid_t)gid;
    }
    return 0;
}

static int read_user(struct bnd_spec *spec, json_t *process, struct rk_err *err)
{
    json_t *user = NULL;
    int64_t uid = 0, gid = 0;
    int r;
    if ((r = rk_json_object(process, "process", "user", &user, err)) < 0 ||
        (r = rk_json_int(user, "process.user", "uid", &uid, err)) < 0 ||
        (r = rk_json_int(user, "process.user", "gid", &gid, err)) < 0)
        return r;
    if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
        return rk_fail(err, -EINVAL, "process.user: uid or gid out of range");
    spec->uid = (uid_t)uid;
    spec->gid = (gid_t)gid;
    return read_groups(spec, user, err);
}

/* What is larger than half of the possible is "none" (2⁶⁴ - 1) as engines write it. */
static int read_limit(json_t *json, size_t i, const char *key, uint64_t *ret, struct rk_err *err)
{
    int64_t n;
    if (!rk_json_number(json_object_get(json, key), &n) || n < -1)
        return rk_fail(err, -EINVAL, "process.rlimits[%zu].%s: expected a limit", i, key);
    *ret = n < 0 || n == INT64_MAX ? RLIM_INFINITY : (uint64_t)n;
    return 0;
}

static int read_rlimit(struct bnd_spec *spec, json_t *json, size_t i, struct rk_err *err)
{
    struct bnd_rlimit limit = {.name = NULL};
    const char *type = "";
    int r = rk_json_string(json, "process.rlimits[]", "type", &type, err);
    if (r < 0)
        return r;
    for (size_t t = 0; t < RK_COUNT(rlimit_types); t++)
        if (strcmp(rlimit_types[t].name, type) == 0)
            limit = (struct bnd_rlimit){.resource = rlimit_types[t].resource, .name = rlimit_types[t].name};
    if (!limit.name)
        return rk_fail(err, -EINVAL, "process.rlimits[%zu].type: unknown limit \"%s\"", i, type);
    for (size_t l = 0; l < spec->rlimit_count; l++)
        if (spec->rlimits[l].resource == limit.resource)
            return rk_fail(err, -EINVAL, "process.rlimits: %s twice", limit.name);
    if ((r = read_limit(json, i, "soft", &limit.soft, err)) < 0 ||
        (r = read_limit(json, i, "hard", &limit.hard, err)) < 0)
        return r;
    if (limit.soft > limit.hard)
        return rk_fail(err, -EINVAL, "process.rlimits: the soft %s is above the hard one", limit.name);
    spec->rlimits[spec->rlimit_count++] = limit;
    return 0;
}

static int read_rlimits(struct bnd_spec *spec, json_t *process, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(process, "process", "rlimits", &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    spec->rlimits = calloc(json_array_size(array), sizeof *spec->rlimits);
    if (!spec->rlimits)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        if ((r = read_rlimit(spec, v, i, err)) < 0)
            return r;
    }
    return 0;
}

/* Without a terminal its size is ignored, as the specification demands. */
static int read_console_size(struct bnd_spec *spec, json_t *process, struct rk_err *err)
{
    json_t *size = NULL;
    int64_t rows = 0, columns = 0;
    int r;
    if (!spec->terminal)
        return 0;
    if ((r = rk_json_object(process, "process", "consoleSize", &size, err)) < 0 ||
        (r = rk_json_int(size, "process.consoleSize", "height", &rows, err)) < 0 ||
        (r = rk_json_int(size, "process.consoleSize", "width", &columns, err)) < 0)
        return r;
    if (rows < 0 || rows > UINT16_MAX || columns < 0 || columns > UINT16_MAX)
        return rk_fail(err, -EINVAL, "process.consoleSize: expected numbers of at most %d", UINT16_MAX);
    spec->console_rows = (unsigned short)rows;
    spec->console_columns = (unsigned short)columns;
    return 0;
}

int bnd_spec_read_process(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    json_t *process = json_object_get(root, "process");
    int r;
    if ((r = rk_json_bool(process, "process", "terminal", &spec->terminal, err)) < 0 ||
        (r = rk_json_int(process, "process", "oomScoreAdj", &spec->oom_score_adj, err)) < 0 ||
        (r = rk_json_strdup(process, "process", "apparmorProfile", &spec->apparmor_profile, err)) < 0 ||
        (r = rk_json_strdup(process, "process", "selinuxLabel", &spec->selinux_label, err)) < 0 ||
        (r = read_user(spec, process, err)) < 0 || (r = read_rlimits(spec, process, err)) < 0 ||
        (r = bnd_spec_read_scheduler(spec, process, err)) < 0)
        return r;
    return read_console_size(spec, process, err);
}
