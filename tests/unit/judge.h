/* What the kernel would do with a system call under a seccomp filter of the instructions that bpf.c writes.
 */
#ifndef UNIT_JUDGE_H
#define UNIT_JUDGE_H

#include <linux/seccomp.h>
#include <string.h>

#include "lib/bpf.h"

/* True for "allow". Falling off the end, a bad jump or an unknown instruction is "kill". */
static inline bool judge_allows(const struct bpf_filter *filter, const struct seccomp_data *data)
{
    uint32_t a = 0;
    for (size_t pc = 0; pc < filter->count; pc++) {
        const struct sock_filter *insn = &filter->insns[pc];
        switch (insn->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (insn->k > sizeof *data - sizeof a || insn->k % sizeof a)
                return false;
            memcpy(&a, (const char *)data + insn->k, sizeof a);
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == insn->k ? insn->jt : insn->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > insn->k ? insn->jt : insn->jf;
            break;
        case BPF_RET | BPF_K:
            return insn->k == SECCOMP_RET_ALLOW;
        default:
            return false;
        }
    }
    return false;
}

#endif
