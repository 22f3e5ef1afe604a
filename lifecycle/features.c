/* features: what this runuk can do on this host, in the shape of the specification's features.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/family/family.h"
#include "config/annotations.h"
#include "config/flags.h"
#include "config/urunc.h"
#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lifecycle/call.h"
#include "lifecycle/unit.h"

static json_t *kinds(const struct hv_monitor *monitor)
{
    json_t *all = json_array();
    for (int k = 0; k < BND_KIND_COUNT; k++)
        if (monitor->kinds & BND_KIND_BIT(k))
            json_array_append_new(all, json_string(bnd_kind_name((enum bnd_kind)k)));
    return all;
}

/* Every monitor: is it installed, and can it be used here? */
static json_t *monitors(const struct ctr_call *call)
{
    const struct hv_host host = ctr_call_host(call, NULL);
    json_t *all = json_object();
    for (const struct hv_monitor *const *m = hv_monitors; *m; m++) {
        char reason[HV_REASON] = "";
        rk_autofree char *path = NULL;
        if (asprintf(&path, "%s/%s", host.monitor_dir, (*m)->binary) < 0)
            continue;
        bool found = access(path, X_OK) == 0;
        bool usable = found && (*m)->probe(&host, reason) == 0;
        json_t *o =
            json_pack("{s:s,s:b,s:b,s:b,s:o}", "path", path, "found", found, "usable", usable, "allowed",
                      cfg_settings_allow_monitor(&call->settings, (*m)->name), "kinds", kinds(*m));
        if (found && !usable)
            json_object_set_new(o, "reason", json_string(reason));
        json_object_set_new(all, (*m)->name, o);
    }
    return all;
}

static json_t *families(void)
{
    json_t *all = json_array();
    for (const struct bnd_family *const *f = bnd_families; *f; f++)
        json_array_append_new(all, json_string((*f)->name));
    return all;
}

static json_t *annotations(void)
{
    json_t *all = json_array();
    for (const char *const *word = cfg_annotation_words; *word; word++)
        json_array_append_new(all, json_sprintf("%s%s", CFG_ANNOTATION_PREFIX, *word));
    for (const char *const *word = cfg_urunc_words; *word; word++)
        json_array_append_new(all, json_sprintf("%s%s", CFG_URUNC_PREFIX, *word));
    return all;
}

static json_t *cgroups(const struct ctr_call *call)
{
    struct stat st;
    bool v2 = stat("/sys/fs/cgroup/cgroup.controllers", &st) == 0;
    bool systemd = ctr_unit_usable(call);
    return json_pack("{s:b,s:b,s:b,s:b}", "v1", !v2, "v2", v2, "systemd", systemd, "systemdUser",
                     systemd && v2);
}

/* What is said of ordinary containers is said by the runtime that gets them. NULL when there is none that
 * says it. */
static json_t *runc_features(const struct ctr_call *call)
{
    char verb[] = "features";
    char *const args[] = {verb, NULL};
    rk_autofree char *text = NULL;
    struct rk_err ignored;
    if (ctr_runc_output(&text, call, args, &ignored) < 0)
        return NULL;
    json_t *json = json_loads(text, 0, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

/* The same for unikernels alone. */
static json_t *own_features(const struct ctr_call *call)
{
    return json_pack("{s:s,s:s,s:[s,s,s,s,s,s],s:{s:[s,s,s,s,s,s],s:o}}", "ociVersionMin", "1.0.0",
                     "ociVersionMax", "1.0.2", "hooks", "prestart", "createRuntime", "createContainer",
                     "startContainer", "poststart", "poststop", "linux", "namespaces", "cgroup", "ipc",
                     "mount", "network", "pid", "uts", "cgroup", cgroups(call));
}

/* What holds for unikernels, under a key of its own. */
static json_t *unikernel_features(const struct ctr_call *call)
{
    rk_autofree char *runc = NULL;
    struct rk_err ignored;
    ctr_find_runc(&runc, call, &ignored);
    return json_pack("{s:s,s:s,s:o,s:o,s:[s,s],s:o,s:o,s:s?}", "version", RUNUK_VERSION, "commit",
                     RUNUK_COMMIT, "monitors", monitors(call), "families", families(), "networkModes",
                     "redirect", "bridge", "annotations", annotations(), "cgroup", cgroups(call), "runc",
                     runc);
}

/* An annotation, or the beginning of some, that engines should let only those set who may; runc may name it
 * too. */
static void add_unsafe(json_t *json, const char *annotation)
{
    json_t *all = json_object_get(json, "potentiallyUnsafeConfigAnnotations"), *v;
    size_t i;
    if (!json_is_array(all)) {
        json_object_set_new(json, "potentiallyUnsafeConfigAnnotations", json_array());
        all = json_object_get(json, "potentiallyUnsafeConfigAnnotations");
    }
    json_array_foreach(all, i, v)
    {
        if (json_is_string(v) && strcmp(json_string_value(v), annotation) == 0)
            return;
    }
    json_array_append_new(all, json_string(annotation));
}

int ctr_features_verb(struct ctr_call *call, struct rk_err *err)
{
    const struct cfg_flag flags[] = {{NULL, 0, CFG_BOOL, NULL, NULL}};
    int r = ctr_call_parse(call, flags, NULL, 0, 0, err);
    if (r != 0)
        return r < 0 ? r : 0;
    rk_autojson json_t *json = runc_features(call);
    if (!json)
        json = own_features(call);
    json_object_set_new(json, "runuk", unikernel_features(call));
    /* Each of ours changes how a container runs: that is what the specification calls potentially unsafe. */
    json_t *ours = json_object_get(json_object_get(json, "runuk"), "annotations"), *name;
    size_t i;
    json_array_foreach(ours, i, name) add_unsafe(json, json_string_value(name));
    add_unsafe(json, "org.systemd.property.");
    rk_autofree char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    if (!text)
        return rk_fail(err, -ENOMEM, "out of memory");
    puts(text);
    return 0;
}
