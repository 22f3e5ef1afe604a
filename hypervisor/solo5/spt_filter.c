/* The system calls of an spt guest: nine names, each pinned to the descriptors that the guest was given. */
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hypervisor/solo5/spt.h"
#include "lib/bpf.h"

/* A whole block at a time, and none that begins behind the last one. The guest gives the offset in bytes. */
static void allow_block(struct bpf_filter *filter, unsigned number, int fd,
                        const struct rk_solo5_entry *entry)
{
    const struct bpf_arg args[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = (uint64_t)fd},
        {.index = 2, .compare = BPF_EQUAL, .value = entry->u.block.block_size},
        {.index = 3, .compare = BPF_AT_MOST, .value = entry->u.block.capacity - entry->u.block.block_size},
    };
    bpf_allow(filter, number, args, sizeof args / sizeof args[0]);
}

int spt_confine(const struct tender *tender, const struct spt_boot_info *info, struct rk_err *err)
{
    const struct rk_solo5_mft *mft = &tender->image.mft;
    struct bpf_filter filter;
    bpf_begin(&filter);
    for (uint32_t i = 1; i < mft->entries; i++) {
        if (mft->e[i].type != RK_SOLO5_NET)
            continue;
        bpf_allow_first(&filter, SYS_read, (uint64_t)tender->devices[i].fd);
        bpf_allow_first(&filter, SYS_write, (uint64_t)tender->devices[i].fd);
    }
    bpf_allow_first(&filter, SYS_clock_gettime, CLOCK_MONOTONIC);
    bpf_allow_first(&filter, SYS_epoll_pwait, (uint64_t)info->epollfd);
    bpf_allow_first(&filter, SYS_timerfd_settime, (uint64_t)info->timerfd);
    bpf_allow_first(&filter, SYS_clock_gettime, CLOCK_REALTIME);
    for (uint32_t i = 1; i < mft->entries; i++) {
        if (mft->e[i].type != RK_SOLO5_BLOCK)
            continue;
        allow_block(&filter, SYS_pread64, tender->devices[i].fd, &mft->e[i]);
        /* On a read-only disk the kernel refuses, and the guest sees an error instead of its death. */
        allow_block(&filter, SYS_pwrite64, tender->devices[i].fd, &mft->e[i]);
    }
    bpf_allow_first(&filter, SYS_write, STDOUT_FILENO);
#if defined(__x86_64__)
    bpf_allow_first(&filter, SYS_arch_prctl, ARCH_SET_FS);
#endif
    /* Also the way out for end_by_signal. */
    bpf_allow_any(&filter, SYS_exit_group);
    return bpf_arm(&filter, err);
}
