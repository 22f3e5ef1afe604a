/* What runuk-qemu may still do once QEMU runs. QEMU has a filter of its own (-sandbox on). */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/qemu/supervisor.h"
#include "lib/bpf.h"

int sup_confine(pid_t qemu, struct rk_err *err)
{
    static const unsigned numbers[] = {SYS_read,     SYS_write,           SYS_poll,          SYS_wait4,
                                       SYS_recvfrom, SYS_sendto,          SYS_close,         SYS_brk,
                                       SYS_munmap,   SYS_restart_syscall, SYS_clock_gettime, SYS_exit_group};
    /* The heap of what reads QEMU's answers. Not by the descriptor, of which the upper half may be anything.
     */
    const struct bpf_arg heap[] = {{.index = 2, .compare = BPF_EQUAL, .value = PROT_READ | PROT_WRITE},
                                   {.index = 3, .compare = BPF_EQUAL, .value = MAP_PRIVATE | MAP_ANONYMOUS}};
    const struct bpf_arg size[] = {{.index = 0, .compare = BPF_EQUAL, .value = STDIN_FILENO},
                                   {.index = 1, .compare = BPF_EQUAL, .value = TIOCGWINSZ}};
    struct bpf_filter filter;
    bpf_begin(&filter);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        bpf_allow_any(&filter, numbers[i]);
    bpf_allow_first(&filter, SYS_kill, (uint64_t)qemu);
    bpf_allow(&filter, SYS_mmap, heap, sizeof heap / sizeof heap[0]);
    bpf_allow(&filter, SYS_ioctl, size, sizeof size / sizeof size[0]);
    return bpf_arm(&filter, err);
}
