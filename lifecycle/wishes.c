/* Annotations: read, held against the settings, and turned into what the plan needs. */
#include "lifecycle/wishes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "config/urunc.h"
#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define URUNC_MAX (64 << 10) /* bytes of a /urunc.json */

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

/* The file in the container, if it is there and says anything. */
static int read_urunc_file(struct cfg_urunc *ret_urunc, const struct bnd_files *files, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    size_t len;
    rk_autoclose int fd = bnd_files_lookup(files, CFG_URUNC_FILE, O_RDONLY | O_NONBLOCK, false, NULL);
    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    int r = fd < 0 ? fd : rk_read_fd(fd, URUNC_MAX, &text, &len);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "read '%s' in the container", CFG_URUNC_FILE);
    }
    return cfg_urunc_parse(ret_urunc, text, len, err);
}

/* What an image made for urunc says: as with urunc, annotations that say all they must are all there is, and
 * else the file is. */
static int read_urunc(struct cfg_annotations *wishes, const struct bnd_files *files, struct rk_err *err)
{
    const struct bnd_spec *spec = files->spec;
    struct cfg_urunc annotations = {.file = false}, file = {.file = true};
    int r = 0;
    for (size_t i = 0; i < spec->annotation_count && r == 0; i++)
        r = cfg_urunc_add(&annotations, spec->annotations[i].key, spec->annotations[i].value, err);
    bool complete = cfg_urunc_is_complete(&annotations);
    if (r == 0 && !complete)
        r = read_urunc_file(&file, files, err);
    if (r == 0 && cfg_urunc_is_given(&file))
        r = cfg_urunc_apply(&file, wishes, err);
    else if (r == 0 && cfg_urunc_is_given(&annotations))
        r = cfg_urunc_apply(&annotations, wishes, err);
    cfg_urunc_fini(&annotations);
    cfg_urunc_fini(&file);
    return r;
}

static int read_all(struct cfg_annotations *wishes, const struct bnd_files *files, struct rk_err *err)
{
    const struct bnd_spec *spec = files->spec;
    for (size_t i = 0; i < spec->annotation_count; i++) {
        int r = cfg_annotations_add(wishes, spec->annotations[i].key, spec->annotations[i].value, err);
        if (r < 0)
            return r;
    }
    int r = read_urunc(wishes, files, err);
    return r < 0 ? r : cfg_annotations_check(wishes, err);
}

int ctr_wishes_read(struct cfg_annotations *ret_wishes, const struct bnd_files *files,
                    const struct cfg_settings *settings, struct rk_err *err)
{
    struct cfg_annotations wishes = {.monitor = NULL};
    int r = ctr_is_sandbox(files->spec) ? 0 : read_all(&wishes, files, err);
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
                      uint64_t held, int64_t limit, struct rk_err *err)
{
    int64_t headroom = settings->memory_headroom_kib < 0 ? -1 : settings->memory_headroom_kib * 1024;
    uint64_t most = (uint64_t)settings->memory_mib << 20, wanted = (uint64_t)wishes->memory_mib << 20;
    int r = 0;
    /* Without a limit nothing but the monitor's own bound stands against what is wanted. */
    if (!wanted || limit > 0)
        r = hv_memory_size(&most, monitor, least, held, limit, most, headroom, err);
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
    r = hv_memory_size(ret_memory, monitor, least, held, 0, wanted, headroom, err);
    return r < 0 ? rk_wrap(err, "%s", wishes->source[CFG_MEMORY_MIB]) : 0;
}
