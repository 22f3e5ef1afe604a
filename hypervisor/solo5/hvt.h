/* The parts of runuk-hvt: a virtual machine of one vCPU, its run loop, its hypercalls, its confinement. */
#ifndef HVT_HVT_H
#define HVT_HVT_H

#include <linux/kvm.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/solo5/hvt_mem.h"
#include "hypervisor/solo5/tender.h"
#include "lib/figures.h"

/* Guest-physical map that every architecture shares (Solo5's hvt_abi.h). */
#define HVT_BOOT_INFO UINT64_C(0x10000)
#define HVT_IMAGE     UINT64_C(0x100000)
#define HVT_MEM_UNIT  (2 * TDR_MIB) /* guest memory is a whole number of large pages */
#define HVT_MEM_MAX   (4096 * TDR_MIB)

/* What lies at HVT_BOOT_INFO (hvt_abi.h, version 2, with the fields that release 0.11 appended). 56 bytes. */
struct hvt_boot_info {
    uint64_t mem_size;
    uint64_t kernel_end;
    uint64_t cpu_cycle_freq; /* Hz */
    uint64_t cmdline;
    uint64_t mft;
    uint32_t host_features; /* 0: no rings */
    uint32_t guest_features;
    uint64_t net_ring;
};

/* One virtual machine. Owned by main; nothing of it is given back before the process ends. */
struct hvt {
    const struct tender *tender;
    struct hvt_mem mem;
    int kvm_fd, vm_fd, vcpu_fd;
    struct kvm_run *run;
    uint64_t cpu_hz;
    struct rk_figures *figures;    /* never NULL while the guest runs */
    struct rk_figures own_figures; /* counted in when nobody asks for them */
    bool has_net, has_block;       /* which hypercalls exist */
    size_t poll_count;
    struct pollfd polls[RK_SOLO5_MFT_ENTRIES];
    uint8_t poll_handles[RK_SOLO5_MFT_ENTRIES]; /* of the descriptor at the same index */
};

/* What the guest did when it left the virtual machine. */
enum hvt_exit {
    HVT_EXIT_CALL,  /* a hypercall */
    HVT_EXIT_FAULT, /* touched memory in a way that the image's protection forbids */
    HVT_EXIT_OTHER, /* anything that a Solo5 guest does not do */
};

/* --- hvt_run.c --- */

/* Make the virtual machine over hvt->mem, which must hold the guest, with the vCPU at `entry`. hvt->kvm_fd is
 * the open KVM device; it is closed with every other descriptor that running does not need. */
int hvt_vm_make(struct hvt *hvt, uint64_t entry, struct rk_err *err);

/* Run until the guest halts; *ret_status is its exit status. An error means that the guest did what no guest
 * may, or that the host failed it. */
int hvt_run(struct hvt *hvt, int *ret_status, struct rk_err *err);

/* --- hvt_call.c --- */

/* Serve hypercall `nr` with its argument structure at `gpa`. 0: the guest goes on; 1: it halts with
 * *ret_status. */
int hvt_call(struct hvt *hvt, unsigned nr, uint64_t gpa, int *ret_status, struct rk_err *err);

/* --- hvt_filter.c --- */

/* Confine this process to what hvt_run and hvt_call do, each call pinned to its descriptor. */
int hvt_confine(const struct hvt *hvt, struct rk_err *err);

/* --- hvt_probe.c --- */

/* Does KVM really run a guest? 0 when a built-in one that uses vector registers has run. Ends the process
 * with 1 when that has not ended within two seconds of a processor's time, with EX_TEMPFAIL (sysexits.h) when
 * this process was not given as much within twelve. */
int hvt_probe(struct hvt *hvt, struct rk_err *err);

/* --- hvt_<arch>.c --- */

/* Write what the vCPU finds below HVT_BOOT_INFO: page tables, segment descriptors. */
void hvt_arch_write_tables(const struct hvt_mem *mem);

/* Give the vCPU its features and its first state, and learn the frequency of its clock. */
int hvt_arch_vcpu_init(struct hvt *hvt, uint64_t entry, struct rk_err *err);

/* Understand the exit that hvt->run describes; for HVT_EXIT_CALL *ret_nr and *ret_gpa. -EINVAL, with a text,
 * for an access to a port that no hypercall has. */
int hvt_arch_exit(const struct hvt *hvt, enum hvt_exit *ret_exit, unsigned *ret_nr, uint64_t *ret_gpa,
                  struct rk_err *err);

/* The vCPU's program counter, after KVM_RUN has come back. Makes no system call but KVM_RUN itself. */
uint64_t hvt_arch_pc(const struct hvt *hvt);

/* Machine code that checks vector arithmetic and halts with status 0 when it was right. To be loaded at
 * HVT_IMAGE, which is also its entry. In hvt_probe_<arch>.S. */
extern const uint8_t hvt_probe_code[];
extern const uint64_t hvt_probe_code_size; /* bytes */

#endif
