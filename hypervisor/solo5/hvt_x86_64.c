/* x86-64: page tables and segments as the Solo5 hvt ABI lays them out, the vCPU's first state, its exits. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hypervisor/solo5/hvt.h"

/* Guest-physical addresses of what the vCPU needs before the guest brings its own. */
#define GDT   0x1000
#define PML4  0x2000
#define PDPT  0x3000
#define PD    0x4000 /* four of them: 4 GiB */
#define PT0   0x8000 /* the first 2 MiB in small pages */
#define PDS   4
#define ENTRY sizeof(uint64_t)

#define PAGE_SMALL    UINT64_C(0x1000)
#define PAGE_LARGE    UINT64_C(0x200000)
#define PTE_PRESENT   UINT64_C(0x01)
#define PTE_WRITE     UINT64_C(0x02)
#define PTE_LARGE     UINT64_C(0x80)
#define TABLE_ENTRIES 512

/* Descriptors of flat segments: present, accessed; 64-bit execute-only code, read-write data. */
#define GDT_CODE UINT64_C(0x00af99000000ffff)
#define GDT_DATA UINT64_C(0x00cf93000000ffff)
#define SEL_CODE 0x08
#define SEL_DATA 0x10

#define CR0_FIRST    UINT64_C(0x80010021) /* PE, NE, WP, PG */
#define CR4_FIRST    UINT64_C(0x620)      /* PAE, OSFXSR, OSXMMEXCPT */
#define EFER_FIRST   UINT64_C(0x500)      /* LME, LMA */
#define RFLAGS_FIRST UINT64_C(0x2)

/* A hypercall is a 32-bit `out` of its structure's address to this port plus its number. */
#define PORT_BASE  0x500
#define PORT_COUNT 0x100

#define CPUID_ROOM 256

static void put(const struct hvt_mem *mem, uint64_t gpa, uint64_t value)
{
    memcpy(mem->ram.base + gpa, &value, sizeof value);
}

void hvt_arch_write_tables(const struct hvt_mem *mem)
{
    put(mem, GDT + SEL_CODE, GDT_CODE);
    put(mem, GDT + SEL_DATA, GDT_DATA);
    put(mem, PML4, PDPT | PTE_PRESENT | PTE_WRITE);
    for (uint64_t i = 0; i < PDS; i++)
        put(mem, PDPT + i * ENTRY, (PD + i * PAGE_SMALL) | PTE_PRESENT | PTE_WRITE);
    put(mem, PD, PT0 | PTE_PRESENT | PTE_WRITE);
    for (uint64_t i = 1; i < mem->ram.size / PAGE_LARGE; i++)
        put(mem, PD + i * ENTRY, i * PAGE_LARGE | PTE_PRESENT | PTE_WRITE | PTE_LARGE);
    /* Nothing is mapped below the boot info, so that null pointers fault; what the host wrote is read-only.
     */
    for (uint64_t i = HVT_BOOT_INFO / PAGE_SMALL; i < TABLE_ENTRIES; i++) {
        uint64_t page = i * PAGE_SMALL;
        put(mem, PT0 + i * ENTRY, page | PTE_PRESENT | (page < HVT_IMAGE ? 0 : PTE_WRITE));
    }
}

/* All that KVM can give, but for what would let the guest run guests of its own, and what KVM offers beyond
 * hardware: no Solo5 guest uses either. */
static void mask_cpuid(struct kvm_cpuid_entry2 *entry)
{
    const uint32_t vmx = 1U << 5, svm = 1U << 2;
    switch (entry->function) {
    case 1:
        entry->ecx &= ~vmx;
        break;
    case 0x80000001:
        entry->ecx &= ~svm;
        break;
    case 0x40000001:
        entry->eax = 0;
        break;
    default:
        break;
    }
}

static int set_cpuid(const struct hvt *hvt, struct rk_err *err)
{
    _Alignas(struct kvm_cpuid2)
        uint8_t room[sizeof(struct kvm_cpuid2) + CPUID_ROOM * sizeof(struct kvm_cpuid_entry2)];
    struct kvm_cpuid2 *cpuid = (struct kvm_cpuid2 *)room;
    cpuid->nent = CPUID_ROOM;
    cpuid->padding = 0;
    if (ioctl(hvt->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
        return rk_fail_errno(err, "KVM: ask for the CPU features that it supports");
    for (uint32_t i = 0; i < cpuid->nent && i < CPUID_ROOM; i++)
        mask_cpuid(&cpuid->entries[i]);
    if (ioctl(hvt->vcpu_fd, KVM_SET_CPUID2, cpuid))
        return rk_fail_errno(err, "KVM: set the CPU features");
    return 0;
}

static int set_registers(const struct hvt *hvt, uint64_t entry, struct rk_err *err)
{
    const struct kvm_segment code = {
        .limit = 0xffffffff, .selector = SEL_CODE, .type = 9, .present = 1, .s = 1, .l = 1, .g = 1};
    const struct kvm_segment data = {
        .limit = 0xffffffff, .selector = SEL_DATA, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    struct kvm_sregs sregs = {
        .cs = code,
        .ds = data,
        .es = data,
        .fs = data,
        .gs = data,
        .ss = data,
        .tr = {.type = 11, .present = 1},
        .ldt = {.unusable = 1},
        .gdt = {.base = GDT, .limit = 3 * ENTRY - 1},
        .cr0 = CR0_FIRST,
        .cr3 = PML4,
        .cr4 = CR4_FIRST,
        .efer = EFER_FIRST,
    };
    if (ioctl(hvt->vcpu_fd, KVM_SET_SREGS, &sregs))
        return rk_fail_errno(err, "KVM: set the system registers");
    struct kvm_regs regs = {
        .rip = entry,
        .rflags = RFLAGS_FIRST,
        .rsp = hvt->mem.ram.size - 8,
        .rdi = HVT_BOOT_INFO,
    };
    if (ioctl(hvt->vcpu_fd, KVM_SET_REGS, &regs))
        return rk_fail_errno(err, "KVM: set the registers");
    return 0;
}

int hvt_arch_vcpu_init(struct hvt *hvt, uint64_t entry, struct rk_err *err)
{
    int rc = set_cpuid(hvt, err);
    if (!rc)
        rc = set_registers(hvt, entry, err);
    if (rc)
        return rc;
    /* The guest reads the raw counter and must know its pace. */
    int khz = ioctl(hvt->vcpu_fd, KVM_GET_TSC_KHZ, 0UL);
    if (khz <= 0)
        return rk_fail(err, -ENOTSUP, "KVM: does not know the frequency of the time-stamp counter");
    hvt->cpu_hz = (uint64_t)khz * 1000;
    return 0;
}

int hvt_arch_exit(const struct hvt *hvt, enum hvt_exit *ret_exit, unsigned *ret_nr, uint64_t *ret_gpa,
                  struct rk_err *err)
{
    const struct kvm_run *run = hvt->run;
    /* Some software KVMs report a write to read-only memory as one to a device. */
    if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr < hvt->mem.ram.size) {
        *ret_exit = HVT_EXIT_FAULT;
        return 0;
    }
    *ret_exit = HVT_EXIT_OTHER;
    if (run->exit_reason != KVM_EXIT_IO)
        return 0;
    if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 || run->io.count != 1 ||
        run->io.port < PORT_BASE || run->io.port >= PORT_BASE + PORT_COUNT)
        return rk_fail(err, -EINVAL, "Invalid guest port access: port=0x%x", run->io.port);
    uint32_t gpa;
    memcpy(&gpa, (const uint8_t *)run + run->io.data_offset, sizeof gpa);
    *ret_exit = HVT_EXIT_CALL;
    *ret_nr = run->io.port - PORT_BASE;
    *ret_gpa = gpa;
    return 0;
}

/* KVM_RUN copies the registers to the shared area when asked to, which would cost every exit a little: so
 * they are asked for now, by a run that ends before the guest does anything. */
uint64_t hvt_arch_pc(const struct hvt *hvt)
{
    struct kvm_run *run = hvt->run;
    uint32_t reason = run->exit_reason;
    run->kvm_valid_regs = KVM_SYNC_X86_REGS;
    run->immediate_exit = 1;
    int rc = ioctl(hvt->vcpu_fd, KVM_RUN, 0UL);
    run->exit_reason = reason;
    return rc < 0 && errno == EINTR ? run->s.regs.regs.rip : 0;
}
