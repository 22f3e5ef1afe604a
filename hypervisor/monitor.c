/* The monitor table, the choice among it, and how much memory a guest gets. */
#include "hypervisor/monitor.h"

#include <elf.h>
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
    .takes = 1u << CFG_DISK,
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
    .takes = 1u << CFG_DISK,
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
    &hv_monitor_qemu,
    NULL,
};

const struct hv_monitor *hv_monitor_find(const char *name)
{
    for (const struct hv_monitor *const *m = hv_monitors; *m; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}

/* The kinds in the order in which they are preferred where an image is of several. */
static const enum bnd_kind preference[] = {BND_HVT,     BND_SPT,  BND_PVH,        BND_LINUX, BND_MULTIBOOT,
                                           BND_LINUX64, BND_DISK, BND_MULTIBOOT2, BND_XEN};

static bool is_tender_kind(enum bnd_kind kind)
{
    return kind == BND_HVT || kind == BND_SPT;
}

static bool is_foreign(uint16_t machine)
{
    return machine != EM_NONE && machine != EM_X86_64 && machine != EM_386;
}

/* The best kind of the image that this monitor boots: true, *ret_kind. */
static bool find_kind(enum bnd_kind *ret_kind, const struct hv_monitor *m, const struct bnd_image *image)
{
    for (size_t i = 0; i < RK_COUNT(preference); i++) {
        enum bnd_kind kind = preference[i];
        const struct bnd_family *family = image->family;
        if (!(m->kinds & image->boot.kinds & BND_KIND_BIT(kind)))
            continue;
        if (is_tender_kind(kind) || (family && family->machine && family->machine(kind))) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

/* What helps with an image of these kinds alone. */
static const struct {
    enum bnd_kind kind;
    const char *what;
} refused_kinds[] = {
    {BND_MULTIBOOT2, "a multiboot2 kernel, which no monitor here loads: build it for multiboot or PVH"},
    {BND_XEN, "a guest for Xen's paravirtualisation, which only Xen boots: build it for PVH or multiboot, or "
              "with Solo5 for hvt or spt"},
};

/* An image that no monitor of ours boots, on any host. */
static int refuse_kind(const struct bnd_image *image, struct rk_err *err)
{
    const struct bnd_boot *boot = &image->boot;
    char kinds[128] = "";
    if (is_foreign(boot->machine))
        return rk_fail(err, -ENOTSUP, "image '%s' is built for another machine (%s): build it for x86-64",
                       image->path, bnd_machine_name(boot->machine));
    if (boot->obstacle[0])
        return rk_fail(err, -ENOTSUP, "image '%s' is %s", image->path, boot->obstacle);
    for (size_t i = 0; i < RK_COUNT(refused_kinds); i++)
        if (boot->kinds == BND_KIND_BIT(refused_kinds[i].kind))
            return rk_fail(err, -ENOTSUP, "image '%s' is %s", image->path, refused_kinds[i].what);
    for (int k = 0; k < BND_KIND_COUNT; k++)
        if (boot->kinds & BND_KIND_BIT(k))
            snprintf(kinds + strlen(kinds), sizeof kinds - strlen(kinds), "%s%s", *kinds ? ", " : "",
                     bnd_kind_name((enum bnd_kind)k));
    return rk_fail(err, -ENOTSUP, "image '%s' is a unikernel (family %s, %s) that no monitor here boots",
                   image->path, image->family ? image->family->name : "unknown",
                   *kinds ? kinds : "no boot protocol");
}

/* Whether annotations and settings let this monitor be taken. */
static int check_allowed(const struct hv_monitor *m, const struct bnd_image *image,
                         const struct hv_host *host, struct rk_err *err)
{
    const char *asked = host->wanted ? host->wanted->monitor : NULL;
    if (asked && strcmp(asked, m->name) != 0)
        return rk_fail(err, -ENOTSUP, "%s: '%s' does not boot image '%s', which is for '%s'",
                       host->wanted->source[CFG_MONITOR], asked, image->path, m->name);
    if (host->settings && !cfg_settings_allow_monitor(host->settings, m->name))
        return rk_fail(
            err, -EPERM,
            "image '%s' is for the monitor '%s', which \"monitors\" in the settings does not allow",
            image->path, m->name);
    return 0;
}

enum hv_verdict hv_monitor_judge(enum bnd_kind *ret_kind, const struct hv_monitor *monitor,
                                 const struct bnd_image *image, const struct hv_host *host,
                                 char reason[HV_REASON])
{
    struct rk_err err;
    enum bnd_kind kind;
    *reason = '\0';
    if (is_foreign(image->boot.machine) || !find_kind(&kind, monitor, image))
        return HV_NEVER;
    *ret_kind = kind;
    if (is_tender_kind(kind) && rk_solo5_check(&image->solo5, monitor->target, &err) < 0) {
        snprintf(reason, HV_REASON, "%.*s", HV_REASON - 1, err.text);
        return HV_NEVER;
    }
    if (check_allowed(monitor, image, host, &err) < 0) {
        snprintf(reason, HV_REASON, "%.*s", HV_REASON - 1, err.text);
        return HV_DENIED;
    }
    return monitor->probe(host, reason) < 0 ? HV_NOT_HERE : HV_BOOTS;
}

/* Whether some monitor boots this form here. 1: yes, the best one; 0: not on this host, `reason`; negative:
 * never, with a text. */
static int judge(struct hv_choice *ret_choice, const struct bnd_image *image, const struct hv_host *host,
                 char reason[HV_REASON], struct rk_err *err)
{
    struct hv_choice best = {.monitor = NULL};
    char why[HV_REASON], never[HV_REASON] = "";
    bool possible = false;
    int denied = 0;
    for (const struct hv_monitor *const *m = hv_monitors; *m; m++) {
        enum bnd_kind kind;
        if (best.monitor && (*m)->score <= best.monitor->score)
            continue;
        enum hv_verdict verdict = hv_monitor_judge(&kind, *m, image, host, why);
        possible = possible || verdict == HV_BOOTS || verdict == HV_NOT_HERE;
        if (verdict == HV_BOOTS)
            best = (struct hv_choice){.monitor = *m, .kind = kind};
        else if (verdict == HV_DENIED)
            denied = rk_fail(err, -EPERM, "%s", why);
        else if (*why)
            memcpy(verdict == HV_NEVER ? never : reason, why, HV_REASON);
    }
    if (best.monitor) {
        *ret_choice = best;
        return 1;
    }
    if (possible)
        return 0;
    if (denied < 0)
        return denied;
    if (*never)
        return rk_fail(err, -ENOTSUP, "image '%s': %s", image->path, never);
    return refuse_kind(image, err);
}

/* Name what would help: "/web.hvt" and "/web" both have the variant "/web.spt". */
static int refuse_here(const struct bnd_image *image, const char *reason, struct rk_err *err)
{
    const char *path = image->path;
    if (!(image->boot.kinds & BND_KIND_BIT(BND_HVT)))
        return rk_fail(err, -ENOTSUP,
                       "image '%s' is a %s unikernel that needs QEMU, which can't be used here: %s", path,
                       image->family->name, reason);
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, ".hvt") == 0)
        len -= 4;
    return rk_fail(
        err, -ENOTSUP,
        "image '%s' needs KVM, which this host cannot use (%s): run it on a host with working KVM, or add a "
        "variant built for the spt target ('%.*s.spt')",
        path, reason, (int)len, path);
}

int hv_monitor_choose(struct hv_choice *ret_choice, const struct bnd_images *images,
                      const struct hv_host *host, struct rk_err *err)
{
    struct hv_choice best = {.monitor = NULL};
    const struct bnd_image *elsewhere = NULL; /* another host would boot this form */
    char reason[HV_REASON] = "";
    int failed = 0;
    for (size_t i = 0; i < images->n; i++) {
        struct hv_choice c = {.monitor = NULL};
        struct rk_err one;
        int r = judge(&c, &images->v[i], host, reason, &one);
        if (r < 0 && failed != -EPERM) { /* what is denied is the first thing to tell */
            *err = one;
            failed = r;
        }
        if (r == 0 && !elsewhere)
            elsewhere = &images->v[i];
        c.form = i;
        if (r > 0 && (!best.monitor || c.monitor->score > best.monitor->score))
            best = c;
    }
    if (best.monitor) {
        *ret_choice = best;
        return 0;
    }
    return elsewhere && failed != -EPERM ? refuse_here(elsewhere, reason, err) : failed;
}

uint64_t hv_image_memory(const struct bnd_image *image)
{
    uint64_t end = image->solo5.segment_count > 0 ? 0 : image->boot.memory;
    for (size_t i = 0; i < image->solo5.segment_count; i++)
        if (image->solo5.segments[i].vaddr + image->solo5.segments[i].memsz > end)
            end = image->solo5.segments[i].vaddr + image->solo5.segments[i].memsz;
    return end;
}

/* NULL for our own monitors' kinds: there is nothing that a family knows of their memory. */
static const struct bnd_machine *machine_of(const struct bnd_image *image, enum bnd_kind kind)
{
    bool asked = !is_tender_kind(kind) && image->family && image->family->machine;
    return asked ? image->family->machine(kind) : NULL;
}

uint64_t hv_memory_least(const struct bnd_image *image, enum bnd_kind kind)
{
    const struct bnd_machine *machine = machine_of(image, kind);
    uint64_t least = hv_image_memory(image), known = machine ? machine->memory_min * MIB : 0;
    return least > known ? least : known;
}

uint64_t hv_memory_most(const struct bnd_image *image, enum bnd_kind kind)
{
    const struct bnd_machine *machine = machine_of(image, kind);
    return machine && machine->memory_max ? machine->memory_max * MIB : UINT64_MAX;
}

int hv_memory_size(uint64_t *ret_memory, const struct hv_monitor *monitor, uint64_t least, uint64_t held,
                   int64_t limit, uint64_t fallback, int64_t headroom, struct rk_err *err)
{
    uint64_t memory = fallback, taken = 0;
    if (limit > 0) {
        taken = headroom >= 0 ? (uint64_t)headroom
                              : monitor->headroom + held + ((uint64_t)limit >> monitor->headroom_shift);
        memory = (uint64_t)limit > taken ? (uint64_t)limit - taken : 0;
    }
    if (memory > monitor->memory_max)
        memory = monitor->memory_max;
    memory -= memory % monitor->memory_unit;
    if (memory >= least && memory > 0) {
        *ret_memory = memory;
        return 0;
    }
    if (limit > 0)
        return rk_fail(err, -EINVAL,
                       "memory limit of %" PRId64 " KiB leaves the guest %" PRIu64 " KiB (%" PRIu64
                       " KiB are head-room), but this image needs %" PRIu64 " KiB: raise the limit",
                       limit / 1024, memory / 1024, taken / 1024, (least + 1023) / 1024);
    return rk_fail(err, -EINVAL,
                   "guest memory of %" PRIu64 " MiB is too small for the image, which takes %" PRIu64 " KiB",
                   memory / MIB, (least + 1023) / 1024);
}
