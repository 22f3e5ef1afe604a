/* The virtual machine: made from three ioctls and a mapping, then run until the guest halts. */
#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/solo5/hvt.h"
#include "lib/cleanup.h"

static int create_vm(struct hvt *hvt, struct rk_err *err)
{
    int version = ioctl(hvt->kvm_fd, KVM_GET_API_VERSION, 0UL);
    if (version != KVM_API_VERSION)
        return version < 0 ? rk_fail_errno(err, "KVM: ask for its version")
                           : rk_fail(err, -ENOSYS, "KVM: version %d, expected %d", version, KVM_API_VERSION);
    /* A signal without effect, such as that of a stop and continue, is no reason to give up. */
    do
        hvt->vm_fd = ioctl(hvt->kvm_fd, KVM_CREATE_VM, 0UL);
    while (hvt->vm_fd < 0 && errno == EINTR);
    if (hvt->vm_fd < 0)
        return rk_fail_errno(err, "KVM: create a virtual machine");
    struct kvm_userspace_memory_region region = {
        .memory_size = hvt->mem.ram.size,
        .userspace_addr = (uint64_t)(uintptr_t)hvt->mem.ram.base,
    };
    if (ioctl(hvt->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
        return rk_fail_errno(err, "KVM: give memory to the virtual machine");
    return 0;
}

static int create_vcpu(struct hvt *hvt, struct rk_err *err)
{
    hvt->vcpu_fd = ioctl(hvt->vm_fd, KVM_CREATE_VCPU, 0UL);
    if (hvt->vcpu_fd < 0)
        return rk_fail_errno(err, "KVM: create a vCPU");
    int size = ioctl(hvt->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0UL);
    if (size < (int)sizeof *hvt->run)
        return rk_fail(err, -ENOSYS, "KVM: the vCPU's shared area is too small");
    void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, hvt->vcpu_fd, 0);
    if (run == MAP_FAILED)
        return rk_fail_errno(err, "KVM: map the vCPU's shared area");
    hvt->run = run;
    return 0;
}

int hvt_vm_make(struct hvt *hvt, uint64_t entry, struct rk_err *err)
{
    int rc = create_vm(hvt, err);
    if (!rc)
        rc = create_vcpu(hvt, err);
    if (!rc)
        rc = hvt_arch_vcpu_init(hvt, entry, err);
    if (rc)
        return rc;
    hvt_arch_write_tables(&hvt->mem);
    /* The vCPU keeps the machine, and the machine KVM. */
    rk_close(&hvt->vm_fd);
    rk_close(&hvt->kvm_fd);
    return 0;
}

static int fail_exit(const struct hvt *hvt, struct rk_err *err)
{
    const struct kvm_run *run = hvt->run;
    if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
        return rk_fail(err, -EIO, "KVM: entry failure: hw_entry_failure_reason=0x%llx",
                       (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        return rk_fail(err, -EIO, "KVM: internal error exit: suberror=%u, rip=0x%" PRIx64,
                       run->internal.suberror, hvt_arch_pc(hvt));
    /* A guest that faults before it has set up fault handlers, or in them. */
    const char *note = run->exit_reason == KVM_EXIT_SHUTDOWN ? " (guest crashed: triple fault)" : "";
    return rk_fail(err, -EIO, "KVM: unhandled exit: exit_reason=0x%x, rip=0x%" PRIx64 "%s", run->exit_reason,
                   hvt_arch_pc(hvt), note);
}

static int fail_fault(const struct hvt *hvt, struct rk_err *err)
{
    return rk_fail(err, -EFAULT, "KVM: host/guest translation fault: rip=0x%" PRIx64, hvt_arch_pc(hvt));
}

int hvt_run(struct hvt *hvt, int *ret_status, struct rk_err *err)
{
    for (;;) {
        if (ioctl(hvt->vcpu_fd, KVM_RUN, 0UL)) {
            if (errno == EINTR || errno == EAGAIN) {
                rk_figures_add(&hvt->figures->interrupted, 1);
                continue;
            }
            rk_figures_add(&hvt->figures->other, 1);
            /* The nested page tables carry the host's protection: the guest wrote to what the host maps
             * read-only. */
            if (errno == EFAULT)
                return fail_fault(hvt, err);
            return rk_fail_errno(err, "KVM: run");
        }
        enum hvt_exit what;
        unsigned nr;
        uint64_t gpa;
        int rc = hvt_arch_exit(hvt, &what, &nr, &gpa, err);
        if (rc || what != HVT_EXIT_CALL)
            rk_figures_add(&hvt->figures->other, 1);
        if (rc)
            return rc;
        if (what == HVT_EXIT_FAULT)
            return fail_fault(hvt, err);
        if (what == HVT_EXIT_OTHER)
            return fail_exit(hvt, err);
        rc = hvt_call(hvt, nr, gpa, ret_status, err);
        if (rc)
            return rc < 0 ? rc : 0;
    }
}
