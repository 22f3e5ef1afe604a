/* The monitor table, the choice among it, and how much memory a guest gets. */
#include "hypervisor/monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define MIB (UINT64_C(1) << 20)

static int spt_probe(const struct hv_host *host, char reason[HV_REASON])
{
    (void)host;
    (void)reason;
    return 0; /* a process with a seccomp filter: every kernel that runuk runs on has that */
}

static int spt_prepare(const struct hv_launch *launch, struct rk_argv *ret_argv)
{
    const char *const none[] = {NULL};
    return hv_solo5_prepare("runuk-spt", none, launch, ret_argv);
}

static const struct hv_monitor spt = {
    .name = "spt",
    .binary = "runuk-spt",
    .kinds = BND_KIND_BIT(BND_SPT),
    .target = RK_SOLO5_SPT,
    .score = 1,
    .headroom = 2 * MIB,
    .headroom_shift = 8,
    .memory_max = UINT64_C(1) << 40,
    .memory_unit = MIB,
    .probe = spt_probe,
    .prepare = spt_prepare,
};

static int hvt_probe(const struct hv_host *host, char reason[HV_REASON])
{
    return hv_kvm_probe(host, "runuk-hvt", reason);
}

static int hvt_prepare(const struct hv_launch *launch, struct rk_argv *ret_argv)
{
    char kvm[32], figures[32];
    const char *const extra[] = {kvm, launch->figures_fd < 0 ? NULL : figures, NULL};
    snprintf(kvm, sizeof kvm, "--kvm=@%d", launch->kvm_fd);
    snprintf(figures, sizeof figures, "--figures=@%d", launch->figures_fd);
    return hv_solo5_prepare("runuk-hvt", extra, launch, ret_argv);
}

static const struct hv_monitor hvt = {
    .name = "hvt",
    .binary = "runuk-hvt",
    .kinds = BND_KIND_BIT(BND_HVT),
    .target = RK_SOLO5_HVT,
    .score = 2, /* a VM boundary is the better one */
    .needs_kvm = true,
    .counts = true,
    .headroom = 4 * MIB,
    .headroom_shift = 8,
    .memory_max = 4096 * MIB, /* four page directories of 2 MiB pages */
    .memory_unit = 2 * MIB,
    .probe = hvt_probe,
    .prepare = hvt_prepare,
};

const struct hv_monitor *const hv_monitors[] = {
    &hvt,
    &spt,
    NULL,
};

const struct hv_monitor *hv_monitor_find(const char *name)
{
    for (const struct hv_monitor *const *m = hv_monitors; *m; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}

static const struct hv_monitor *for_target(enum rk_solo5_target target)
{
    for (const struct hv_monitor *const *m = hv_monitors; *m; m++)
        if ((*m)->target == target)
            return *m;
    return NULL;
}

/* Whether some monitor boots this form here. 1: yes, *ret_monitor; 0: not on this host, `reason`; negative:
 * never, with a text. */
static int judge(const struct hv_monitor **ret_monitor, const struct bnd_image *image,
                 const struct hv_host *host, char reason[HV_REASON], struct rk_err *err)
{
    const char *target = rk_solo5_target_name(image->solo5.target);
    const struct hv_monitor *m = for_target(image->solo5.target);
    if (!m)
        return rk_fail(
            err, -ENOTSUP,
            "image '%s' is built for the Solo5 target %s, which has no monitor here: build it for hvt or spt",
            image->path, target);
    int r = rk_solo5_check(&image->solo5, m->target, err);
    if (r < 0)
        return rk_wrap(err, "image '%s'", image->path);
    if (m->probe(host, reason) < 0)
        return 0;
    *ret_monitor = m;
    return 1;
}

/* Name what would help: "/web.hvt" and "/web" both have the variant "/web.spt". */
static int refuse_without_kvm(const char *path, const char *reason, struct rk_err *err)
{
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, ".hvt") == 0)
        len -= 4;
    return rk_fail(
        err, -ENOTSUP,
        "image '%s' needs KVM, which this host cannot use (%s): run it on a host with working KVM, or add a "
        "variant built for the spt target ('%.*s.spt')",
        path, reason, (int)len, path);
}

int hv_monitor_choose(const struct hv_monitor **ret_monitor, size_t *ret_index,
                      const struct bnd_images *images, const struct hv_host *host, struct rk_err *err)
{
    const struct hv_monitor *best = NULL;
    char reason[HV_REASON] = "";
    int failed = 0;
    for (size_t i = 0; i < images->n; i++) {
        const struct hv_monitor *m = NULL;
        int r = judge(&m, &images->v[i], host, reason, err);
        if (r < 0)
            failed = r;
        if (r > 0 && (!best || m->score > best->score)) {
            best = m;
            *ret_index = i;
        }
    }
    if (best) {
        *ret_monitor = best;
        return 0;
    }
    if (failed < 0)
        return failed;
    return refuse_without_kvm(images->v[0].path, reason, err);
}

int hv_memory_size(uint64_t *ret_memory, const struct hv_monitor *monitor, const struct rk_solo5_image *image,
                   int64_t limit, uint64_t fallback, int64_t headroom, struct rk_err *err)
{
    uint64_t memory = fallback, taken = 0;
    if (limit > 0) {
        taken = headroom >= 0 ? (uint64_t)headroom
                              : monitor->headroom + ((uint64_t)limit >> monitor->headroom_shift);
        memory = (uint64_t)limit > taken ? (uint64_t)limit - taken : 0;
    }
    if (memory > monitor->memory_max)
        memory = monitor->memory_max;
    memory -= memory % monitor->memory_unit;
    uint64_t end = 0;
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].vaddr + image->segments[i].memsz > end)
            end = image->segments[i].vaddr + image->segments[i].memsz;
    if (memory >= end && memory > 0) {
        *ret_memory = memory;
        return 0;
    }
    if (limit > 0)
        return rk_fail(err, -EINVAL,
                       "memory limit of %" PRId64 " KiB leaves the guest %" PRIu64 " KiB (%" PRIu64
                       " KiB are head-room), but the image alone takes %" PRIu64 " KiB: raise the limit",
                       limit / 1024, memory / 1024, taken / 1024, (end + 1023) / 1024);
    return rk_fail(err, -EINVAL,
                   "guest memory of %" PRIu64 " MiB is too small for the image, which takes %" PRIu64 " KiB",
                   memory / MIB, (end + 1023) / 1024);
}
