/* The linux object of config.json: namespaces, id maps, kernel parameters, cgroup path. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/spec_json.h"
#include "lib/cleanup.h"
#include "lib/err.h"

static const struct {
    const char *name;
    int flag;
} namespace_types[] = {
    {"mount", CLONE_NEWNS}, {"network", CLONE_NEWNET}, {"uts", CLONE_NEWUTS},       {"ipc", CLONE_NEWIPC},
    {"pid", CLONE_NEWPID},  {"user", CLONE_NEWUSER},   {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

static int read_namespace(struct bnd_namespace *ns, json_t *json, struct rk_err *err)
{
    const char *type = NULL;
    int r;
    if ((r = rk_json_string(json, "linux.namespaces[]", "type", &type, err)) < 0 ||
        (r = rk_json_strdup(json, "linux.namespaces[]", "path", &ns->path, err)) < 0)
        return r;
    for (size_t i = 0; type && i < RK_COUNT(namespace_types); i++)
        if (strcmp(namespace_types[i].name, type) == 0)
            ns->flag = namespace_types[i].flag;
    if (!ns->flag)
        return rk_fail(err, -EINVAL, "linux.namespaces[].type: unknown type \"%s\"", type ? type : "");
    if (ns->path && !*ns->path) {
        free(ns->path);
        ns->path = NULL;
    }
    if (ns->path && ns->path[0] != '/')
        return rk_fail(err, -EINVAL, "linux.namespaces[].path: expected an absolute path, not '%s'",
                       ns->path);
    return 0;
}

static int read_namespaces(struct bnd_spec *spec, json_t *linux_object, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(linux_object, "linux", "namespaces", &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    spec->namespaces = calloc(json_array_size(array), sizeof *spec->namespaces);
    if (!spec->namespaces)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        struct bnd_namespace ns = {0};
        r = read_namespace(&ns, v, err);
        if (r == 0 && bnd_spec_namespace(spec, ns.flag))
            r = rk_fail(err, -EINVAL, "linux.namespaces: the same type twice");
        if (r < 0) {
            free(ns.path);
            return r;
        }
        spec->namespaces[spec->namespace_count++] = ns;
    }
    return 0;
}

static int read_id_map(struct bnd_id_map *map, const char *where, json_t *json, struct rk_err *err)
{
    int64_t inside = -1, outside = -1, count = 0;
    int r;
    if ((r = rk_json_int(json, where, "containerID", &inside, err)) < 0 ||
        (r = rk_json_int(json, where, "hostID", &outside, err)) < 0 ||
        (r = rk_json_int(json, where, "size", &count, err)) < 0)
        return r;
    if (inside < 0 || outside < 0 || count < 1 || count > UINT32_MAX || inside > UINT32_MAX - count ||
        outside > UINT32_MAX - count)
        return rk_fail(err, -EINVAL, "%s: expected containerID, hostID and a size within 32 bits", where);
    *map = (struct bnd_id_map){(uint32_t)inside, (uint32_t)outside, (uint32_t)count};
    return 0;
}

static int read_id_maps(struct bnd_id_maps *maps, const char *key, json_t *linux_object, struct rk_err *err)
{
    char where[64];
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(linux_object, "linux", key, &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    maps->v = calloc(json_array_size(array), sizeof *maps->v);
    if (!maps->v)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        snprintf(where, sizeof where, "linux.%s[%zu]", key, i);
        if ((r = read_id_map(&maps->v[i], where, v, err)) < 0)
            return r;
        maps->n = i + 1;
    }
    return 0;
}

/* Mappings without the namespace that they are for, or the other way round, are half a wish. */
static int check_id_maps(const struct bnd_spec *spec, struct rk_err *err)
{
    const struct bnd_namespace *user = bnd_spec_namespace(spec, CLONE_NEWUSER);
    bool made = user && !user->path;
    if (made && (spec->uid_maps.n == 0 || spec->gid_maps.n == 0))
        return rk_fail(err, -EINVAL, "linux.%s: missing: a new user namespace needs it",
                       spec->uid_maps.n ? "gidMappings" : "uidMappings");
    if (!user && spec->uid_maps.n + spec->gid_maps.n > 0)
        return rk_fail(err, -EINVAL, "linux.%s: given without a user namespace to make",
                       spec->uid_maps.n ? "uidMappings" : "gidMappings");
    return 0;
}

static int read_sysctls(struct bnd_spec *spec, json_t *linux_object, struct rk_err *err)
{
    json_t *object = NULL, *value;
    const char *key;
    int r = rk_json_object(linux_object, "linux", "sysctl", &object, err);
    if (r < 0 || json_object_size(object) == 0)
        return r;
    spec->sysctls = calloc(json_object_size(object), sizeof *spec->sysctls);
    if (!spec->sysctls)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return rk_fail(err, -EINVAL, "linux.sysctl.%s: expected a string", key);
        if (!*key || *key == '.' || *key == '/')
            return rk_fail(err, -EINVAL, "linux.sysctl: \"%s\" is no name of a kernel parameter", key);
        struct bnd_sysctl *s = &spec->sysctls[spec->sysctl_count++];
        s->key = strdup(key);
        s->value = strdup(json_string_value(value));
        if (!s->key || !s->value)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

int bnd_spec_read_linux(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    json_t *linux_object = NULL, *resources = NULL;
    int r;
    if ((r = rk_json_object(root, "", "linux", &linux_object, err)) < 0 ||
        (r = rk_json_strdup(linux_object, "linux", "cgroupsPath", &spec->cgroups_path, err)) < 0 ||
        (r = read_namespaces(spec, linux_object, err)) < 0 ||
        (r = read_id_maps(&spec->uid_maps, "uidMappings", linux_object, err)) < 0 ||
        (r = read_id_maps(&spec->gid_maps, "gidMappings", linux_object, err)) < 0 ||
        (r = check_id_maps(spec, err)) < 0 || (r = read_sysctls(spec, linux_object, err)) < 0 ||
        (r = rk_json_object(linux_object, "linux", "resources", &resources, err)) < 0)
        return r;
    if ((r = bnd_resources_read(&spec->resources, resources, err)) < 0)
        return r;
    if (json_object_get(linux_object, "intelRdt") && !json_is_null(json_object_get(linux_object, "intelRdt")))
        return rk_fail(err, -EINVAL,
                       "linux.intelRdt: cache and bandwidth allocation is not supported for unikernels");
    return 0;
}
