/* Reads config.json into struct bnd_spec. */
#include "bundle/spec.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle/spec_json.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/json.h"

#define CONFIG_MAX (8 << 20) /* bytes; engines write some 30 kB */

static int out_of_memory(struct rk_err *err)
{
    return rk_fail(err, -ENOMEM, "out of memory");
}

/* `path` as it is when absolute, else below `base`. NULL without memory. */
static char *absolute_path(const char *base, const char *path)
{
    char *out = NULL;
    if (path[0] == '/')
        return strdup(path);
    if (strcmp(path, ".") == 0)
        return strdup(base);
    return asprintf(&out, "%s/%s", base, path) < 0 ? NULL : out;
}

static int read_root(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    json_t *object = NULL;
    const char *path = NULL;
    int r;
    if ((r = rk_json_object(root, "", "root", &object, err)) < 0 ||
        (r = rk_json_string(object, "root", "path", &path, err)) < 0 ||
        (r = rk_json_bool(object, "root", "readonly", &spec->root_readonly, err)) < 0)
        return r;
    if (!path || !*path)
        return rk_fail(err, -EINVAL, "root.path: missing");
    spec->root_path = absolute_path(spec->bundle, path);
    return spec->root_path ? 0 : out_of_memory(err);
}

/* What a tmpfs is to be like. */
static int read_options(struct bnd_mount *mount, const struct rk_argv *options, struct rk_err *err)
{
    size_t size = 0;
    if (!mount->type || strcmp(mount->type, "tmpfs") != 0 || options->n == 0)
        return 0;
    FILE *out = open_memstream(&mount->options, &size);
    for (size_t i = 0; out && i < options->n; i++)
        fprintf(out, "%s%s", i ? "," : "", options->v[i]);
    return out && fclose(out) == 0 ? 0 : out_of_memory(err);
}

static int read_mount(struct bnd_mount *mount, const char *bundle, json_t *json, struct rk_err *err)
{
    rk_autoargv struct rk_argv options = {0};
    const char *source = NULL;
    int r;
    if ((r = rk_json_strdup(json, "mounts[]", "destination", &mount->destination, err)) < 0 ||
        (r = rk_json_strdup(json, "mounts[]", "type", &mount->type, err)) < 0 ||
        (r = rk_json_string(json, "mounts[]", "source", &source, err)) < 0 ||
        (r = rk_json_strings(json, "mounts[]", "options", &options, err)) < 0)
        return r;
    if (!mount->destination || !*mount->destination)
        return rk_fail(err, -EINVAL, "mounts[].destination: missing");
    mount->bind = mount->type && strcmp(mount->type, "bind") == 0;
    for (size_t i = 0; i < options.n; i++) {
        const char *o = options.v[i];
        if (strcmp(o, "bind") == 0 || strcmp(o, "rbind") == 0)
            mount->bind = true;
        if (strcmp(o, "rbind") == 0)
            mount->recursive = true;
        else if (strcmp(o, "ro") == 0 || strcmp(o, "rro") == 0)
            mount->readonly = true;
        else if (strcmp(o, "rw") == 0)
            mount->readonly = false;
    }
    if (source) {
        mount->source = mount->bind ? absolute_path(bundle, source) : strdup(source);
        if (!mount->source)
            return out_of_memory(err);
    }
    return read_options(mount, &options, err);
}

static int read_mounts(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(root, "", "mounts", &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    spec->mounts = calloc(json_array_size(array), sizeof *spec->mounts);
    if (!spec->mounts)
        return out_of_memory(err);
    json_array_foreach(array, i, v)
    {
        spec->mount_count = i + 1;
        if ((r = read_mount(&spec->mounts[i], spec->bundle, v, err)) < 0)
            return r;
    }
    return 0;
}

static int read_annotations(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    json_t *object = NULL, *value;
    const char *key;
    int r = rk_json_object(root, "", "annotations", &object, err);
    if (r < 0 || json_object_size(object) == 0)
        return r;
    spec->annotations = calloc(json_object_size(object), sizeof *spec->annotations);
    if (!spec->annotations)
        return out_of_memory(err);
    json_object_foreach(object, key, value)
    {
        if (!*key)
            return rk_fail(err, -EINVAL, "annotations: an empty key");
        if (!json_is_string(value))
            return rk_fail(err, -EINVAL, "annotations.%s: expected a string", key);
        struct bnd_annotation *a = &spec->annotations[spec->annotation_count++];
        a->key = strdup(key);
        a->value = strdup(json_string_value(value));
        if (!a->key || !a->value)
            return out_of_memory(err);
    }
    return 0;
}

/* What tells a unikernel from other programs. */
static int read_entry(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    int r;
    if (!json_is_object(root))
        return rk_fail(err, -EINVAL, "expected an object");
    if ((r = read_root(spec, root, err)) < 0 || (r = bnd_spec_read_entry(spec, root, err)) < 0)
        return r;
    if ((r = read_mounts(spec, root, err)) < 0)
        return r;
    return read_annotations(spec, root, err);
}

/* SemVer 2.0.0, of which no more than the major version decides: 1 is the specification that this is written
 * for. */
static int check_version(const char *version, struct rk_err *err)
{
    unsigned parts[3];
    int len = 0;
    if (!version)
        return rk_fail(err, -EINVAL, "ociVersion: missing");
    if (sscanf(version, "%3u.%3u.%3u%n", &parts[0], &parts[1], &parts[2], &len) != 3 || !isdigit(*version) ||
        (version[len] && !strchr("-+", version[len])))
        return rk_fail(err, -EINVAL, "ociVersion: \"%s\" is no version like \"1.0.2\"", version);
    if (parts[0] != 1)
        return rk_fail(err, -EINVAL, "ociVersion: \"%s\" is not supported: runuk knows version 1", version);
    return 0;
}

/* Paths in the container are absolute (config.md, Process and Mounts). */
static int check_paths(const struct bnd_spec *spec, struct rk_err *err)
{
    if (spec->cwd[0] != '/')
        return rk_fail(err, -EINVAL, "process.cwd: expected an absolute path, not '%s'", spec->cwd);
    for (size_t i = 0; i < spec->mount_count; i++)
        if (spec->mounts[i].destination[0] != '/')
            return rk_fail(err, -EINVAL, "mounts[].destination: expected an absolute path, not '%s'",
                           spec->mounts[i].destination);
    return 0;
}

static int read_rest(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    int r;
    if ((r = rk_json_strdup(root, "", "ociVersion", &spec->oci_version, err)) < 0 ||
        (r = check_version(spec->oci_version, err)) < 0 ||
        (r = rk_json_strdup(root, "", "hostname", &spec->hostname, err)) < 0 ||
        (r = rk_json_strdup(root, "", "domainname", &spec->domainname, err)) < 0 ||
        (r = bnd_spec_read_process(spec, root, err)) < 0 || (r = bnd_spec_read_hooks(spec, root, err)) < 0 ||
        (r = bnd_spec_read_linux(spec, root, err)) < 0)
        return r;
    return check_paths(spec, err);
}

/* The text of a config.json; what is wrong beside the entry becomes the flaw. */
static int parse(struct bnd_spec **ret_spec, const char *bundle, const char *text, size_t len,
                 struct rk_err *err)
{
    struct bnd_spec *spec = calloc(1, sizeof *spec);
    if (!spec || !(spec->bundle = strdup(bundle))) {
        free(spec);
        return out_of_memory(err);
    }
    spec->oom_score_adj = BND_UNSET;
    bnd_resources_init(&spec->resources);
    rk_autojson json_t *json = rk_json_load(text, len, err);
    int r = json ? read_entry(spec, json, err) : -EINVAL;
    if (r < 0) {
        bnd_spec_free(spec);
        return r;
    }
    read_rest(spec, json, &spec->flaw);
    *ret_spec = spec;
    return 0;
}

int bnd_spec_parse(struct bnd_spec **ret_spec, const char *bundle, const char *text, size_t len,
                   struct rk_err *err)
{
    struct bnd_spec *spec;
    int r = parse(&spec, bundle, text, len, err);
    if (r < 0)
        return r;
    if (spec->flaw.code < 0) {
        *err = spec->flaw;
        bnd_spec_free(spec);
        return err->code;
    }
    *ret_spec = spec;
    return 0;
}

int bnd_spec_load(struct bnd_spec **ret_spec, const char *bundle, struct rk_err *err)
{
    rk_autofree char *path = realpath(bundle, NULL);
    rk_autofree char *file = NULL;
    rk_autofree char *text = NULL;
    size_t len = 0;
    if (!path)
        return rk_fail_errno(err, "bundle '%s'", bundle);
    if (asprintf(&file, "%s/config.json", path) < 0) {
        file = NULL;
        return out_of_memory(err);
    }
    int r = rk_read_file_at(AT_FDCWD, file, CONFIG_MAX, &text, &len);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "read '%s'", file);
    }
    r = parse(ret_spec, path, text, len, err);
    if (r < 0)
        return rk_wrap(err, "'%s'", file);
    if ((*ret_spec)->flaw.code < 0)
        rk_wrap(&(*ret_spec)->flaw, "'%s'", file);
    return 0;
}

void bnd_spec_free(struct bnd_spec *spec)
{
    if (!spec)
        return;
    free(spec->oci_version);
    free(spec->bundle);
    free(spec->root_path);
    rk_argv_fini(&spec->args);
    rk_argv_fini(&spec->env);
    free(spec->cwd);
    free(spec->groups);
    free(spec->rlimits);
    free(spec->apparmor_profile);
    free(spec->selinux_label);
    free(spec->hostname);
    free(spec->domainname);
    for (size_t i = 0; i < spec->mount_count; i++) {
        free(spec->mounts[i].destination);
        free(spec->mounts[i].type);
        free(spec->mounts[i].source);
        free(spec->mounts[i].options);
    }
    free(spec->mounts);
    for (size_t i = 0; i < spec->namespace_count; i++)
        free(spec->namespaces[i].path);
    free(spec->namespaces);
    free(spec->uid_maps.v);
    free(spec->gid_maps.v);
    for (size_t i = 0; i < spec->sysctl_count; i++) {
        free(spec->sysctls[i].key);
        free(spec->sysctls[i].value);
    }
    free(spec->sysctls);
    bnd_hooks_fini(&spec->hooks);
    free(spec->cgroups_path);
    bnd_resources_fini(&spec->resources);
    for (size_t i = 0; i < spec->annotation_count; i++) {
        free(spec->annotations[i].key);
        free(spec->annotations[i].value);
    }
    free(spec->annotations);
    free(spec);
}

const struct bnd_namespace *bnd_spec_namespace(const struct bnd_spec *spec, int flag)
{
    for (size_t i = 0; i < spec->namespace_count; i++)
        if (spec->namespaces[i].flag == flag)
            return &spec->namespaces[i];
    return NULL;
}

const char *bnd_spec_annotation(const struct bnd_spec *spec, const char *key)
{
    for (size_t i = 0; i < spec->annotation_count; i++)
        if (strcmp(spec->annotations[i].key, key) == 0)
            return spec->annotations[i].value;
    return NULL;
}
