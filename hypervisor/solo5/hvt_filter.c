/* The system calls of runuk-hvt while its guest runs: eight names, pinned to descriptors and addresses. */
#include <linux/kvm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hypervisor/solo5/hvt.h"
#include "lib/bpf.h"

static void allow_devices(struct bpf_filter *filter, const struct tender *tender)
{
    for (uint32_t i = 1; i < tender->image.mft.entries; i++) {
        const struct tdr_device *device = &tender->devices[i];
        switch (tender->image.mft.e[i].type) {
        case RK_SOLO5_NET:
            bpf_allow_first(filter, SYS_read, (uint64_t)device->fd);
            bpf_allow_first(filter, SYS_write, (uint64_t)device->fd);
            break;
        case RK_SOLO5_BLOCK:
            bpf_allow_first(filter, SYS_pread64, (uint64_t)device->fd);
            if (device->writable)
                bpf_allow_first(filter, SYS_pwrite64, (uint64_t)device->fd);
            break;
        default:
            break;
        }
    }
}

int hvt_confine(const struct hvt *hvt, struct rk_err *err)
{
    const struct bpf_arg run[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = (uint64_t)hvt->vcpu_fd},
        {.index = 1, .compare = BPF_EQUAL, .value = KVM_RUN},
    };
    const struct bpf_arg wait[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = (uint64_t)(uintptr_t)hvt->polls},
        {.index = 1, .compare = BPF_EQUAL, .value = hvt->poll_count},
    };
    struct bpf_filter filter;
    bpf_begin(&filter);
    bpf_allow(&filter, SYS_ioctl, run, 2);
    allow_devices(&filter, hvt->tender);
    bpf_allow(&filter, SYS_ppoll, wait, 2);
    /* Only where the C library cannot read the clock without a call. */
    bpf_allow_first(&filter, SYS_clock_gettime, CLOCK_REALTIME);
    /* The guest's console, and this program's last words. */
    bpf_allow_first(&filter, SYS_write, STDOUT_FILENO);
    bpf_allow_first(&filter, SYS_write, STDERR_FILENO);
    /* Also the way out for end_by_signal. */
    bpf_allow_any(&filter, SYS_exit_group);
    return bpf_arm(&filter, err);
}
