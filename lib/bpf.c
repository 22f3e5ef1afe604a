/* Classic BPF for seccomp, written out rule by rule: no library, no heap, nothing to free once the filter is
 * armed. */
#include "lib/bpf.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD  (BPF_LD | BPF_W | BPF_ABS)
#define EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define ABOVE (BPF_JMP | BPF_JGT | BPF_K)
#define RET   (BPF_RET | BPF_K)

/* Instructions that one condition takes at most. */
#define PER_ARG 5

static void put(struct bpf_filter *filter, uint16_t code, uint8_t if_true, uint8_t if_false, uint32_t k)
{
    if (filter->count == BPF_ROOM) {
        filter->overflow = true;
        return;
    }
    filter->insns[filter->count++] =
        (struct sock_filter){.code = code, .jt = if_true, .jf = if_false, .k = k};
}

void bpf_begin(struct bpf_filter *filter)
{
    filter->count = 0;
    filter->overflow = false;
    put(filter, LOAD, 0, 0, offsetof(struct seccomp_data, arch));
    put(filter, EQUAL, 1, 0, ARCH);
    put(filter, RET, 0, 0, SECCOMP_RET_KILL_PROCESS);
}

/* `skip` instructions follow this condition's own until the next rule. */
static void put_condition(struct bpf_filter *filter, const struct bpf_arg *arg, uint8_t skip)
{
    uint32_t low_at = (uint32_t)(offsetof(struct seccomp_data, args) + arg->index * sizeof(uint64_t));
    uint32_t low = (uint32_t)arg->value, high = (uint32_t)(arg->value >> 32);
    put(filter, LOAD, 0, 0, low_at + 4);
    if (arg->compare == BPF_EQUAL) {
        put(filter, EQUAL, 0, (uint8_t)(skip + 2), high);
        put(filter, LOAD, 0, 0, low_at);
        put(filter, EQUAL, 0, skip, low);
    } else {
        put(filter, ABOVE, (uint8_t)(skip + 3), 0, high);
        put(filter, EQUAL, 0, 2, high); /* a smaller high word: the low one does not matter */
        put(filter, LOAD, 0, 0, low_at);
        put(filter, ABOVE, skip, 0, low);
    }
}

/* A rule is complete in itself, so that its jumps are short whatever the number of rules. Calls of x32 carry
 * the architecture of x86-64 and a bit in their number: no number compared for here has it. */
void bpf_allow(struct bpf_filter *filter, unsigned number, const struct bpf_arg *args, size_t count)
{
    uint8_t after[7] = {1}; /* after[n]: instructions behind the n last conditions, the return included */
    for (size_t i = 0; i < count; i++)
        after[i + 1] =
            (uint8_t)(after[i] + (args[count - 1 - i].compare == BPF_EQUAL ? PER_ARG - 1 : PER_ARG));
    put(filter, LOAD, 0, 0, offsetof(struct seccomp_data, nr));
    put(filter, EQUAL, 0, after[count], number);
    for (size_t i = 0; i < count; i++)
        put_condition(filter, &args[i], after[count - 1 - i]);
    put(filter, RET, 0, 0, SECCOMP_RET_ALLOW);
}

void bpf_allow_any(struct bpf_filter *filter, unsigned number)
{
    bpf_allow(filter, number, NULL, 0);
}

void bpf_allow_first(struct bpf_filter *filter, unsigned number, uint64_t first)
{
    const struct bpf_arg arg = {.index = 0, .compare = BPF_EQUAL, .value = first};
    bpf_allow(filter, number, &arg, 1);
}

int bpf_arm(struct bpf_filter *filter, struct rk_err *err)
{
    put(filter, RET, 0, 0, SECCOMP_RET_KILL_PROCESS);
    if (filter->overflow)
        return rk_fail(err, -E2BIG, "seccomp filter: more rules than fit");
    const struct sock_fprog program = {.len = (unsigned short)filter->count, .filter = filter->insns};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return rk_fail_errno(err, "set no_new_privs");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
        return rk_fail_errno(err, "load the seccomp filter");
    return 0;
}
