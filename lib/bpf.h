/* A seccomp filter that allows listed system calls with pinned arguments and kills the process on anything
 * else. */
#ifndef RK_BPF_H
#define RK_BPF_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* Room for the rules of 63 devices; the kernel takes 4096. */
#define BPF_ROOM 2560

enum bpf_compare {
    BPF_EQUAL,
    BPF_AT_MOST, /* unsigned */
};

/* A condition on one argument, of which all 64 bits are compared. */
struct bpf_arg {
    unsigned index;
    enum bpf_compare compare;
    uint64_t value;
};

/* A filter under construction: what does not fit is noticed by bpf_arm. Put it on the stack; bpf_begin
 * initialises it. */
struct bpf_filter {
    size_t count;
    bool overflow;
    struct sock_filter insns[BPF_ROOM];
};

/* Start: a call made through another ABI than this program's own is killed. */
void bpf_begin(struct bpf_filter *filter);

/* Allow system call `number` when all of the conditions hold. Rules are tried in the order in which they
 * come: put what is called often first. */
void bpf_allow(struct bpf_filter *filter, unsigned number, const struct bpf_arg *args, size_t count);

/* The common cases: any arguments; a first argument of `first`. */
void bpf_allow_any(struct bpf_filter *filter, unsigned number);
void bpf_allow_first(struct bpf_filter *filter, unsigned number, uint64_t first);

/* Set no_new_privs and load the filter: from here on nothing else is possible. Only the calling thread is
 * bound. */
int bpf_arm(struct bpf_filter *filter, struct rk_err *err);

#endif
