/* runuk-spt: runs a Solo5 unikernel as a process that can make nine system calls. */
#include "hypervisor/solo5/spt.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "hypervisor/solo5/load.h"

/* The guest's own mark for a timer event (Solo5's spt_abi.h), out of the way of every handle. */
#define TIMER_EVENT UINT64_C(0xfffffffe)

_Static_assert(sizeof(struct spt_boot_info) == 40, "the boot info has 40 bytes");

static int map_memory(struct ldr_memory *ret_memory, const struct tender *tender, struct rk_err *err)
{
    int protection = PROT_READ | PROT_WRITE | (tender->exec_heap ? PROT_EXEC : 0);
    if (tender->mem <= SPT_START)
        return rk_fail(err, -EINVAL, "guest memory is too small");
    /* Guest addresses are host addresses. Should anything of this program lie there, it must not be
     * overwritten. */
    void *want = (void *)(uintptr_t)SPT_START; // NOLINT(performance-no-int-to-ptr)
    void *base = mmap(want, tender->mem - SPT_START, protection, LDR_MAP | MAP_FIXED_NOREPLACE, -1, 0);
    if (base == MAP_FAILED)
        return rk_fail_errno(err, "map %llu bytes of guest memory at 0x%llx", (unsigned long long)tender->mem,
                             (unsigned long long)SPT_START);
    if (base != want)
        return rk_fail(err, -EEXIST,
                       "map guest memory: this kernel does not give the address that the guest needs");
    *ret_memory = (struct ldr_memory){
        .base = base, .start = SPT_START, .size = tender->mem, .protection = protection, .executes = true};
    return 0;
}

static int add_event(int epollfd, int fd, uint64_t mark, struct rk_err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = mark};
    if (epoll_ctl(epollfd, EPOLL_CTL_ADD, fd, &event))
        return rk_fail_errno(err, "wait for descriptor %d", fd);
    return 0;
}

/* The descriptors behind the guest's sleep: one timer and every network device. */
static int make_events(const struct tender *tender, struct spt_boot_info *info, struct rk_err *err)
{
    info->epollfd = epoll_create1(EPOLL_CLOEXEC);
    if (info->epollfd < 0)
        return rk_fail_errno(err, "create the guest's event set");
    info->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (info->timerfd < 0)
        return rk_fail_errno(err, "create the guest's timer");
    int rc = add_event(info->epollfd, info->timerfd, TIMER_EVENT, err);
    for (uint32_t i = 1; !rc && i < tender->image.mft.entries; i++)
        if (tender->image.mft.e[i].type == RK_SOLO5_NET)
            rc = add_event(info->epollfd, tender->devices[i].fd, i, err);
    return rc;
}

/* Boot info, manifest and command line, one behind the other. All fits below the image, which begins at 1
 * MiB. */
static int tell_guest(struct tender *tender, const struct ldr_memory *memory, struct spt_boot_info *info,
                      struct rk_err *err)
{
    struct rk_solo5_mft *mft = &tender->image.mft;
    size_t mft_size = offsetof(struct rk_solo5_mft, e) + mft->entries * sizeof mft->e[0];
    for (uint32_t i = 1; i < mft->entries; i++)
        if (mft->e[i].attached)
            mft->e[i].b.hostfd = tender->devices[i].fd;
    info->mem_size = memory->size;
    info->mft = SPT_BOOT_INFO + sizeof *info;
    info->cmdline = info->mft + mft_size;
    // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): mapped, as every caller has made sure
    memcpy(memory->base + (SPT_BOOT_INFO - SPT_START), info, sizeof *info);
    memcpy(memory->base + (info->mft - SPT_START), mft, mft_size);
    return tdr_write_cmdline((char *)memory->base + (info->cmdline - SPT_START), tender->args, err);
}

/* All that comes before the guest's first instruction. */
static int prepare(struct tender *tender, struct spt_boot_info *info, struct rk_err *err)
{
    struct ldr_memory memory = {0};
    int rc = tdr_attach(tender, err);
    if (!rc)
        rc = map_memory(&memory, tender, err);
    if (!rc)
        rc = ldr_load(&memory, &tender->file, &tender->image, &info->kernel_end, err);
    if (!rc)
        rc = make_events(tender, info, err);
    if (!rc)
        rc = tell_guest(tender, &memory, info, err);
    close(tender->file.fd);
    return rc ? rc : spt_confine(tender, info, err);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct tender tender = {0};
    struct spt_boot_info info = {0};
    struct rk_err err;
    err.code = 0;
    int rc = tdr_hide(&err);
    if (!rc)
        rc = tdr_handle_signals(&err);
    if (!rc)
        rc = tdr_parse(&tender, RK_SOLO5_SPT, argv, &err);
    if (!rc && tender.action == TDR_RUN)
        rc = prepare(&tender, &info, &err);
    if (rc || tender.action != TDR_RUN)
        return tdr_finish(&tender, &err);
    spt_enter(tender.image.entry, SPT_STACK(info.mem_size), SPT_BOOT_INFO);
}
