/* What runuk knows of a container, as JSON and back. */
#include "lifecycle/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/spec_json.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lifecycle/record_net.h"

#define RECORD_VERSION 1

static const char *const status_names[] = {
    [CTR_CREATING] = "creating", [CTR_CREATED] = "created", [CTR_RUNNING] = "running",
    [CTR_PAUSED] = "paused",     [CTR_STOPPED] = "stopped",
};

const char *ctr_status_name(enum ctr_status status)
{
    return status_names[status];
}

enum ctr_status ctr_record_status(const struct ctr_record *record)
{
    if (!rk_process_alive(&record->process))
        return CTR_STOPPED;
    return record->status == CTR_RUNNING && box_cgroup_is_frozen(&record->cgroup) ? CTR_PAUSED
                                                                                  : record->status;
}

void ctr_record_free(struct ctr_record *r)
{
    if (!r)
        return;
    char *strings[] = {r->id,          r->oci_version,  r->bundle, r->rootfs,   r->created,
                       r->image,       r->monitor,      r->family, r->hostname, r->resolv_conf,
                       r->netns,       r->network_mode, r->qemu,   r->cwd,      r->machine,
                       r->userns_path, r->image_place,  r->loader};
    for (size_t i = 0; i < RK_COUNT(strings); i++)
        free(strings[i]);
    json_decref(r->annotations);
    rk_argv_fini(&r->keys);
    rk_argv_fini(&r->args);
    rk_argv_fini(&r->env);
    rk_argv_fini(&r->user);
    rk_argv_fini(&r->files);
    rk_argv_fini(&r->tmpfs);
    for (size_t i = 0; i < r->device_count; i++)
        free(r->devices[i].destination);
    free(r->devices);
    for (size_t i = 0; i < r->share_count; i++)
        free(r->shares[i].destination);
    ctr_record_wires_fini(r);
    box_cgroup_fini(&r->cgroup);
    struct bnd_hooks hooks = {.poststart = r->poststart, .poststop = r->poststop};
    bnd_hooks_fini(&hooks);
    free(r);
}

/* A string member, left out when NULL. -1 without memory or for a string that is no UTF-8. */
static int put(json_t *json, const char *key, const char *value)
{
    return value ? json_object_set_new(json, key, json_string(value)) : 0;
}

static json_t *devices_to_json(const struct ctr_record *r)
{
    json_t *array = json_array();
    for (size_t i = 0; i < r->device_count; i++)
        json_array_append_new(array,
                              json_pack("{s:s,s:i,s:b,s:b,s:s,s:s*}", "name", r->devices[i].name, "type",
                                        (int)r->devices[i].type, "readonly", r->devices[i].readonly,
                                        "hostDevice", r->devices[i].host_device, "fstype",
                                        r->devices[i].fstype, "destination", r->devices[i].destination));
    return array;
}

static json_t *shares_to_json(const struct ctr_record *r)
{
    json_t *array = json_array();
    for (size_t i = 0; i < r->share_count; i++)
        json_array_append_new(array, json_pack("{s:s,s:b}", "destination", r->shares[i].destination,
                                               "readonly", r->shares[i].readonly));
    return array;
}

static json_t *unit_to_json(const struct box_unit *unit)
{
    return json_pack("{s:s,s:s,s:s,s:b}", "name", unit->name, "description", unit->description, "program",
                     unit->program, "user", unit->user);
}

json_t *ctr_record_to_json(const struct ctr_record *r)
{
    json_t *j = json_object();
    int bad = 0;
    if (!j)
        return NULL;
    bad |= json_object_set_new(j, "version", json_integer(RECORD_VERSION));
    bad |= put(j, "id", r->id);
    bad |= put(j, "ociVersion", r->oci_version);
    bad |= put(j, "bundle", r->bundle);
    bad |= put(j, "rootfs", r->rootfs);
    bad |= put(j, "created", r->created);
    bad |= json_object_set_new(j, "owner", json_integer(r->owner));
    if (r->annotations)
        bad |= json_object_set(j, "annotations", r->annotations);
    bad |= put(j, "status", ctr_status_name(r->status));
    bad |= json_object_set_new(j, "pid", json_integer(r->process.pid));
    bad |= json_object_set_new(j, "pidStart", json_integer((json_int_t)r->process.start));
    if (*r->process.boot)
        bad |= put(j, "pidBoot", r->process.boot);
    bad |= put(j, "image", r->image);
    bad |= put(j, "imagePlace", r->image_place);
    bad |= put(j, "loader", r->loader);
    bad |= put(j, "monitor", r->monitor);
    bad |= put(j, "family", r->family);
    bad |= json_object_set_new(j, "keys", rk_json_from_argv(&r->keys));
    bad |= json_object_set_new(j, "args", rk_json_from_argv(&r->args));
    bad |= json_object_set_new(j, "verbatim", json_boolean(r->verbatim));
    bad |= json_object_set_new(j, "env", rk_json_from_argv(&r->env));
    bad |= put(j, "cwd", r->cwd);
    bad |= json_object_set_new(j, "kind", json_integer(r->kind));
    bad |= put(j, "machine", r->machine);
    bad |= put(j, "qemu", r->qemu);
    bad |= json_object_set_new(j, "kvm", json_boolean(r->kvm));
    bad |= json_object_set_new(j, "imageReadonly", json_boolean(r->image_readonly));
    bad |= json_object_set_new(j, "initrd", json_boolean(r->initrd));
    bad |= json_object_set_new(j, "ownInit", json_boolean(r->own_init));
    bad |= json_object_set_new(j, "terminal", json_boolean(r->terminal));
    bad |= json_object_set_new(j, "user", rk_json_from_argv(&r->user));
    bad |= json_object_set_new(j, "files", rk_json_from_argv(&r->files));
    bad |= json_object_set_new(j, "tmpfs", rk_json_from_argv(&r->tmpfs));
    bad |= json_object_set_new(j, "rootReadonly", json_boolean(r->root_readonly));
    bad |= json_object_set_new(j, "anyNet", json_boolean(r->any_net));
    bad |= json_object_set_new(j, "memory", json_integer((json_int_t)r->memory));
    bad |= json_object_set_new(j, "devices", devices_to_json(r));
    bad |= json_object_set_new(j, "shares", shares_to_json(r));
    bad |= json_object_set_new(j, "uid", json_integer(r->uid));
    bad |= json_object_set_new(j, "userns", json_boolean(r->userns));
    bad |= json_object_set_new(j, "tapOwner", json_integer(r->tap_owner));
    bad |= put(j, "hostname", r->hostname);
    bad |= put(j, "resolvConf", r->resolv_conf);
    bad |= put(j, "netns", r->netns);
    bad |= put(j, "usernsPath", r->userns_path);
    bad |= put(j, "networkMode", r->network_mode);
    bad |= json_object_set_new(j, "wires", ctr_record_wires_to_json(r));
    bad |= json_object_set_new(j, "cgroupUnified", json_boolean(r->cgroup.unified));
    bad |= json_object_set_new(j, "cgroups", rk_json_from_argv(&r->cgroup.paths));
    if (r->cgroup.unit.name)
        bad |= json_object_set_new(j, "unit", unit_to_json(&r->cgroup.unit));
    bad |= json_object_set_new(j, "startHooks", json_boolean(r->start_hooks));
    bad |= json_object_set_new(j, "poststart", bnd_hooks_to_json(&r->poststart));
    bad |= json_object_set_new(j, "poststop", bnd_hooks_to_json(&r->poststop));
    if (bad) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static int devices_from_json(struct ctr_record *r, json_t *json, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int code = rk_json_array(json, "", "devices", &array, err);
    if (code < 0 || json_array_size(array) == 0)
        return code;
    r->devices = calloc(json_array_size(array), sizeof *r->devices);
    if (!r->devices)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        struct ctr_device *d = &r->devices[i];
        const char *name = "", *fstype = "";
        int64_t type = 0;
        if ((code = rk_json_string(v, "devices[]", "name", &name, err)) < 0 ||
            (code = rk_json_int(v, "devices[]", "type", &type, err)) < 0 ||
            (code = rk_json_bool(v, "devices[]", "readonly", &d->readonly, err)) < 0 ||
            (code = rk_json_bool(v, "devices[]", "hostDevice", &d->host_device, err)) < 0 ||
            (code = rk_json_string(v, "devices[]", "fstype", &fstype, err)) < 0)
            return code;
        snprintf(d->name, sizeof d->name, "%s", name);
        snprintf(d->fstype, sizeof d->fstype, "%s", fstype);
        d->type = (enum rk_solo5_device)type;
        r->device_count = i + 1;
        if ((code = rk_json_strdup(v, "devices[]", "destination", &d->destination, err)) < 0)
            return code;
    }
    return 0;
}

static int shares_from_json(struct ctr_record *r, json_t *json, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int code = rk_json_array(json, "", "shares", &array, err);
    if (code == 0 && json_array_size(array) > CTR_SHARES_MAX)
        return rk_fail(err, -EINVAL, "shares: more than %d", CTR_SHARES_MAX);
    if (code < 0 || !array)
        return code;
    json_array_foreach(array, i, v)
    {
        struct ctr_share *s = &r->shares[i];
        if ((code = rk_json_bool(v, "shares[]", "readonly", &s->readonly, err)) < 0 ||
            (code = rk_json_strdup(v, "shares[]", "destination", &s->destination, err)) < 0)
            return code;
        r->share_count = i + 1;
        if (!s->destination)
            return rk_fail(err, -EINVAL, "shares[].destination: missing");
    }
    return 0;
}

static int status_from_json(struct ctr_record *r, json_t *json, struct rk_err *err)
{
    const char *status = "";
    int code = rk_json_string(json, "", "status", &status, err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < RK_COUNT(status_names); i++) {
        if (strcmp(status_names[i], status) == 0) {
            r->status = (enum ctr_status)i;
            return 0;
        }
    }
    return rk_fail(err, -EINVAL, "status: unknown value \"%s\"", status);
}

static int strings_from_json(struct ctr_record *r, json_t *j, struct rk_err *err)
{
    const struct {
        const char *key;
        char **value;
        bool needed;
    } strings[] = {
        {"id", &r->id, true},
        {"ociVersion", &r->oci_version, true},
        {"bundle", &r->bundle, true},
        {"rootfs", &r->rootfs, true},
        {"created", &r->created, true},
        {"image", &r->image, true},
        {"loader", &r->loader, false},
        {"monitor", &r->monitor, true},
        {"family", &r->family, true},
        {"networkMode", &r->network_mode, true},
        {"hostname", &r->hostname, false},
        {"resolvConf", &r->resolv_conf, false},
        {"netns", &r->netns, false},
        {"usernsPath", &r->userns_path, false},
        {"imagePlace", &r->image_place, false},
        {"machine", &r->machine, false},
        {"qemu", &r->qemu, false},
        {"cwd", &r->cwd, false},
    };
    for (size_t i = 0; i < RK_COUNT(strings); i++) {
        int code = rk_json_strdup(j, "", strings[i].key, strings[i].value, err);
        if (code < 0)
            return code;
        if (strings[i].needed && !*strings[i].value)
            return rk_fail(err, -EINVAL, "%s: missing", strings[i].key);
    }
    return 0;
}

static int numbers_from_json(struct ctr_record *r, json_t *j, struct rk_err *err)
{
    int64_t owner = 0, pid = 0, start = 0, memory = 0, uid = 0, tap_owner = 0, kind = 0;
    const char *boot = "";
    int code;
    if ((code = rk_json_int(j, "", "owner", &owner, err)) < 0 ||
        (code = rk_json_int(j, "", "pid", &pid, err)) < 0 ||
        (code = rk_json_int(j, "", "pidStart", &start, err)) < 0 ||
        (code = rk_json_string(j, "", "pidBoot", &boot, err)) < 0 ||
        (code = rk_json_int(j, "", "memory", &memory, err)) < 0 ||
        (code = rk_json_int(j, "", "kind", &kind, err)) < 0 ||
        (code = rk_json_int(j, "", "uid", &uid, err)) < 0 ||
        (code = rk_json_int(j, "", "tapOwner", &tap_owner, err)) < 0)
        return code;
    if (*boot && strlen(boot) != RK_BOOT_SIZE - 1)
        return rk_fail(err, -EINVAL, "pidBoot: \"%.64s\" is no boot id", boot);
    r->owner = (uid_t)owner;
    r->process = (struct rk_process){.pid = (pid_t)pid, .start = (uint64_t)start};
    snprintf(r->process.boot, sizeof r->process.boot, "%s", boot);
    r->memory = (uint64_t)memory;
    r->kind = (enum bnd_kind)kind;
    r->uid = (uid_t)uid;
    r->tap_owner = (uid_t)tap_owner;
    return 0;
}

/* All of it or nothing. */
static int unit_from_json(struct box_unit *unit, json_t *j, struct rk_err *err)
{
    json_t *json = NULL;
    int code = rk_json_object(j, "", "unit", &json, err);
    if (code < 0 || !json)
        return code;
    if ((code = rk_json_strdup(json, "unit", "name", &unit->name, err)) < 0 ||
        (code = rk_json_strdup(json, "unit", "description", &unit->description, err)) < 0 ||
        (code = rk_json_strdup(json, "unit", "program", &unit->program, err)) < 0 ||
        (code = rk_json_bool(json, "unit", "user", &unit->user, err)) < 0)
        return code;
    if (!unit->name || !unit->description || !unit->program)
        return rk_fail(err, -EINVAL, "unit: name, description or program is missing");
    return 0;
}

static int fill_from_json(struct ctr_record *r, json_t *j, struct rk_err *err)
{
    int64_t version = 0;
    int code;
    if ((code = rk_json_int(j, "", "version", &version, err)) < 0)
        return code;
    if (version != RECORD_VERSION)
        return rk_fail(err, -EINVAL, "version %lld is not one that this runuk knows", (long long)version);
    if ((code = strings_from_json(r, j, err)) < 0 || (code = numbers_from_json(r, j, err)) < 0 ||
        (code = status_from_json(r, j, err)) < 0 ||
        (code = rk_json_strings(j, "", "keys", &r->keys, err)) < 0 ||
        (code = rk_json_strings(j, "", "args", &r->args, err)) < 0 ||
        (code = rk_json_bool(j, "", "verbatim", &r->verbatim, err)) < 0 ||
        (code = rk_json_strings(j, "", "env", &r->env, err)) < 0 ||
        (code = rk_json_bool(j, "", "kvm", &r->kvm, err)) < 0 ||
        (code = rk_json_bool(j, "", "anyNet", &r->any_net, err)) < 0 ||
        (code = rk_json_bool(j, "", "imageReadonly", &r->image_readonly, err)) < 0 ||
        (code = rk_json_bool(j, "", "initrd", &r->initrd, err)) < 0 ||
        (code = rk_json_bool(j, "", "ownInit", &r->own_init, err)) < 0 ||
        (code = rk_json_bool(j, "", "terminal", &r->terminal, err)) < 0 ||
        (code = rk_json_strings(j, "", "user", &r->user, err)) < 0 ||
        (code = rk_json_strings(j, "", "files", &r->files, err)) < 0 ||
        (code = rk_json_strings(j, "", "tmpfs", &r->tmpfs, err)) < 0 ||
        (code = rk_json_bool(j, "", "rootReadonly", &r->root_readonly, err)) < 0 ||
        (code = devices_from_json(r, j, err)) < 0 || (code = shares_from_json(r, j, err)) < 0 ||
        (code = ctr_record_wires_from_json(r, j, err)) < 0 ||
        (code = rk_json_bool(j, "", "cgroupUnified", &r->cgroup.unified, err)) < 0 ||
        (code = rk_json_strings(j, "", "cgroups", &r->cgroup.paths, err)) < 0 ||
        (code = rk_json_bool(j, "", "userns", &r->userns, err)) < 0 ||
        (code = unit_from_json(&r->cgroup.unit, j, err)) < 0 ||
        (code = rk_json_bool(j, "", "startHooks", &r->start_hooks, err)) < 0 ||
        (code = bnd_hooks_read_list(&r->poststart, j, "poststart", err)) < 0 ||
        (code = bnd_hooks_read_list(&r->poststop, j, "poststop", err)) < 0 ||
        (code = rk_json_object(j, "", "annotations", &r->annotations, err)) < 0)
        return code;
    if (r->annotations)
        json_incref(r->annotations);
    return 0;
}

int ctr_record_from_json(struct ctr_record **ret_record, json_t *json, struct rk_err *err)
{
    struct ctr_record *r = calloc(1, sizeof *r);
    if (!r)
        return rk_fail(err, -ENOMEM, "out of memory");
    int code = fill_from_json(r, json, err);
    if (code < 0) {
        ctr_record_free(r);
        return code;
    }
    *ret_record = r;
    return 0;
}

int ctr_record_state(char **ret_text, const struct ctr_record *r, enum ctr_status status, bool inside,
                     struct rk_err *err)
{
    int pid = inside ? rk_process_inner_pid(&r->process) : status == CTR_STOPPED ? 0 : (int)r->process.pid;
    if (pid < 0) {
        errno = -pid;
        return rk_fail_errno(err, "look at process %d", (int)r->process.pid);
    }
    rk_autojson json_t *j = json_pack("{s:s,s:s,s:s,s:i,s:s}", "ociVersion", r->oci_version, "id", r->id,
                                      "status", ctr_status_name(status), "pid", pid, "bundle", r->bundle);
    if (j && json_object_size(r->annotations) > 0)
        json_object_set(j, "annotations", r->annotations);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    if (!text)
        return rk_fail(err, -ENOMEM, "out of memory");
    *ret_text = text;
    return 0;
}
