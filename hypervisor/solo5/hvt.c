/* runuk-hvt: runs a Solo5 unikernel as a KVM virtual machine. */
#include "hypervisor/solo5/hvt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct hvt_boot_info) == 56, "the boot info has 56 bytes");

/* Whole large pages, at least one, at most what the page tables cover. */
static uint64_t round_memory(const struct tender *tender)
{
    uint64_t size = tender->mem - tender->mem % HVT_MEM_UNIT;
    if (size == 0)
        size = HVT_MEM_UNIT;
    if (size > HVT_MEM_MAX)
        size = HVT_MEM_MAX;
    if (size != tender->mem) {
        char text[64];
        snprintf(text, sizeof text, "adjusting memory to %" PRIu64 " bytes", size);
        tdr_say(tender, text);
    }
    return size;
}

static int open_kvm(struct hvt *hvt, struct rk_err *err)
{
    hvt->kvm_fd =
        hvt->tender->kvm ? tdr_inherited_fd(hvt->tender->kvm, err) : open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (hvt->kvm_fd < 0)
        return hvt->tender->kvm ? hvt->kvm_fd : rk_fail_errno(err, "open '/dev/kvm'");
    return 0;
}

static void list_devices(struct hvt *hvt)
{
    const struct rk_solo5_mft *mft = &hvt->tender->image.mft;
    for (uint32_t i = 1; i < mft->entries; i++) {
        if (mft->e[i].type == RK_SOLO5_BLOCK)
            hvt->has_block = true;
        if (mft->e[i].type != RK_SOLO5_NET)
            continue;
        hvt->has_net = true;
        hvt->poll_handles[hvt->poll_count] = (uint8_t)i;
        hvt->polls[hvt->poll_count++] = (struct pollfd){.fd = hvt->tender->devices[i].fd, .events = POLLIN};
    }
}

/* Boot info, manifest and command line, one behind the other, below the image. The manifest is a copy: what
 * the guest does to it concerns nobody. */
static int tell_guest(struct hvt *hvt, uint64_t kernel_end, struct rk_err *err)
{
    const struct rk_solo5_mft *mft = &hvt->tender->image.mft;
    size_t mft_size = offsetof(struct rk_solo5_mft, e) + mft->entries * sizeof mft->e[0];
    const struct hvt_boot_info info = {
        .mem_size = hvt->mem.ram.size,
        .kernel_end = kernel_end,
        .cpu_cycle_freq = hvt->cpu_hz,
        .mft = HVT_BOOT_INFO + sizeof info,
        .cmdline = HVT_BOOT_INFO + sizeof info + mft_size,
    };
    memcpy(hvt->mem.ram.base + HVT_BOOT_INFO, &info, sizeof info);
    memcpy(hvt->mem.ram.base + info.mft, mft, mft_size);
    return tdr_write_cmdline((char *)hvt->mem.ram.base + info.cmdline, hvt->tender->args, err);
}

/* Where to count. Without the option it is all the same, so that the counting needs no condition. */
static int open_figures(struct hvt *hvt, struct rk_err *err)
{
    if (!hvt->tender->figures)
        return 0;
    int fd = tdr_inherited_fd(hvt->tender->figures, err);
    int rc = fd < 0 ? fd : rk_figures_map(&hvt->figures, fd, err);
    if (rc)
        return rk_wrap(err, "--figures=%s", hvt->tender->figures);
    close(fd);
    return 0;
}

/* Everything that comes before the guest's first instruction. */
static int prepare(struct hvt *hvt, struct tender *tender, struct rk_err *err)
{
    uint64_t kernel_end = 0;
    int rc = open_figures(hvt, err);
    if (!rc)
        rc = tdr_attach(tender, err);
    if (!rc)
        rc = hvt_mem_init(&hvt->mem, round_memory(tender), err);
    if (!rc)
        rc = ldr_load(&hvt->mem.ram, &tender->file, &tender->image, &kernel_end, err);
    if (rc)
        return rc;
    close(tender->file.fd);
    hvt_mem_protect(&hvt->mem, &tender->image);
    list_devices(hvt);
    rc = hvt_vm_make(hvt, tender->image.entry, err);
    if (!rc)
        rc = tell_guest(hvt, kernel_end, err);
    return rc ? rc : hvt_confine(hvt, err);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct tender tender = {0};
    struct hvt hvt = {.tender = &tender, .kvm_fd = -1, .vm_fd = -1, .vcpu_fd = -1};
    hvt.figures = &hvt.own_figures;
    struct rk_err err;
    err.code = 0;
    int status = 0, rc = tdr_hide(&err);
    if (!rc)
        rc = tdr_handle_signals(&err);
    if (!rc)
        rc = tdr_parse(&tender, RK_SOLO5_HVT, argv, &err);
    if (!rc && (tender.action == TDR_HELP || tender.action == TDR_VERSION))
        _exit(tdr_finish(&tender, &err));
    if (!rc)
        rc = open_kvm(&hvt, &err);
    if (!rc && tender.action == TDR_PROBE) {
        rc = hvt_probe(&hvt, &err);
    } else if (!rc) {
        rc = prepare(&hvt, &tender, &err);
        if (!rc)
            rc = hvt_run(&hvt, &status, &err);
    }
    /* Under the filter nothing but this way out is left. */
    _exit(rc ? tdr_finish(&tender, &err) : status);
}
