/* The parts of runuk-spt: what the guest is told, what it may do, how it is entered. */
#ifndef SPT_SPT_H
#define SPT_SPT_H

#include <stdint.h>

#include "hypervisor/solo5/tender.h"

#define SPT_START     UINT64_C(0x10000) /* lowest mapped address; needs vm.mmap_min_addr at or below */
#define SPT_BOOT_INFO UINT64_C(0x11000)

/* What lies at SPT_BOOT_INFO (Solo5's spt_abi.h, version 2); 40 bytes. */
struct spt_boot_info {
    uint64_t mem_size;
    uint64_t kernel_end;
    uint64_t cmdline;
    uint64_t mft;
    int32_t epollfd;
    int32_t timerfd;
};

/* Confine this process to the calls that an spt guest makes, each pinned to its descriptor. */
int spt_confine(const struct tender *tender, const struct spt_boot_info *info, struct rk_err *err);

/* Become the guest: jump to `entry` with the stack pointer and the boot info's address where the ABI wants
 * them, every other register cleared. In spt_<arch>.S. */
_Noreturn void spt_enter(uint64_t entry, uint64_t stack, uint64_t boot_info);

/* The stack pointer at entry, for guest memory that ends at `mem_size`. */
#if defined(__x86_64__)
#define SPT_STACK(mem_size) ((mem_size)-8)
#elif defined(__aarch64__)
#define SPT_STACK(mem_size) ((mem_size)-16)
#endif

#endif
