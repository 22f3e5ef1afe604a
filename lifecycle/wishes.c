/* Annotations: read, held against the settings, and turned into what the plan needs. */
#include "lifecycle/wishes.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"

/* What engines call a pod's sandbox: containerd's CRI plugin and cri-dockerd, CRI-O. */
static const char *const sandbox_marks[][2] = {
    {"io.kubernetes.cri.container-type", "sandbox"},
    {"io.kubernetes.cri-o.ContainerType", "sandbox"},
};

bool ctr_is_sandbox(const struct bnd_spec *spec)
{
    for (size_t i = 0; i < RK_COUNT(sandbox_marks); i++) {
        const char *type = bnd_spec_annotation(spec, sandbox_marks[i][0]);
        if (type && strcmp(type, sandbox_marks[i][1]) == 0)
            return true;
    }
    return false;
}

/* Whether the settings let them ask for that. */
static int check_policy(const struct cfg_annotations *wishes, const struct cfg_settings *settings,
                        struct rk_err *err)
{
    for (size_t i = 0; i < CFG_ANNOTATIONS; i++)
        if (wishes->source[i] && !cfg_settings_allow_annotation(settings, cfg_annotation_words[i]))
            return rk_fail(err, -EPERM, "%s: \"annotations\" in the settings does not allow '%s'",
                           wishes->source[i], cfg_annotation_words[i]);
    if (wishes->monitor && !cfg_settings_allow_monitor(settings, wishes->monitor))
        return rk_fail(err, -EPERM, "%s: \"monitors\" in the settings does not allow '%s'",
                       wishes->source[CFG_MONITOR], wishes->monitor);
    if (settings->memory_max_mib && wishes->memory_mib > settings->memory_max_mib)
        return rk_fail(err, -EPERM,
                       "%s: %" PRId64 " MiB, and \"memory_max_mib\" in the settings allows at most %" PRId64,
                       wishes->source[CFG_MEMORY_MIB], wishes->memory_mib, settings->memory_max_mib);
    return 0;
}

int ctr_wishes_read(struct cfg_annotations *ret_wishes, const struct bnd_files *files,
                    const struct cfg_settings *settings, struct rk_err *err)
{
    const struct bnd_spec *spec = files->spec;
    struct cfg_annotations wishes = {.monitor = NULL};
    int r = 0;
    bool sandbox = ctr_is_sandbox(spec);
    for (size_t i = 0; i < spec->annotation_count && r == 0 && !sandbox; i++)
        r = cfg_annotations_add(&wishes, spec->annotations[i].key, spec->annotations[i].value, err);
    if (r == 0)
        r = cfg_annotations_check(&wishes, err);
    if (r == 0)
        r = check_policy(&wishes, settings, err);
    if (r < 0) {
        cfg_annotations_fini(&wishes);
        return r;
    }
    *ret_wishes = wishes;
    return 0;
}

int ctr_wishes_check_ordinary(const struct cfg_annotations *wishes, const struct bnd_spec *spec,
                              struct rk_err *err)
{
    const char *source = cfg_annotations_for_unikernel(wishes);
    if (!source)
        return 0;
    return rk_fail(err, -EINVAL,
                   "%s is for a unikernel, and the entrypoint '%s' is none: name the unikernel with the "
                   "annotation '" CFG_ANNOTATION_PREFIX "kernel', or leave the annotation out",
                   source, spec->args.v[0]);
}

int ctr_wishes_check_monitor(const struct cfg_annotations *wishes, const struct hv_monitor *monitor,
                             struct rk_err *err)
{
    static const enum cfg_annotation extras[] = {CFG_MACHINE, CFG_INITRD, CFG_DISK, CFG_ROOTFS};
    bool rootfs = wishes->rootfs != CFG_ROOTFS_NONE && wishes->rootfs != CFG_ROOTFS_ANY;
    for (size_t i = 0; i < RK_COUNT(extras); i++)
        if (wishes->source[extras[i]] && !(monitor->takes & 1u << extras[i]) &&
            (extras[i] != CFG_ROOTFS || rootfs))
            return rk_fail(err, -ENOTSUP, "%s: guests of the monitor '%s' have no use for it",
                           wishes->source[extras[i]], monitor->name);
    return 0;
}

int ctr_wishes_memory(uint64_t *ret_memory, const struct cfg_annotations *wishes,
                      const struct cfg_settings *settings, const struct hv_monitor *monitor, uint64_t least,
                      int64_t limit, struct rk_err *err)
{
    int64_t headroom = settings->memory_headroom_kib < 0 ? -1 : settings->memory_headroom_kib * 1024;
    uint64_t most = (uint64_t)settings->memory_mib << 20, wanted = (uint64_t)wishes->memory_mib << 20;
    int r = 0;
    /* Without a limit nothing but the monitor's own bound stands against what is wanted. */
    if (!wanted || limit > 0)
        r = hv_memory_size(&most, monitor, least, limit, most, headroom, err);
    else
        most = monitor->memory_max;
    if (r < 0 || !wanted) {
        if (r == 0)
            *ret_memory = most;
        return r;
    }
    if (wanted > most)
        return rk_fail(err, -EINVAL,
                       "%s: %" PRId64 " MiB, and %s leaves at most %" PRIu64 " KiB for the guest",
                       wishes->source[CFG_MEMORY_MIB], wishes->memory_mib,
                       limit > 0 ? "the memory limit" : "the monitor", most / 1024);
    r = hv_memory_size(ret_memory, monitor, least, 0, wanted, headroom, err);
    return r < 0 ? rk_wrap(err, "%s", wishes->source[CFG_MEMORY_MIB]) : 0;
}
