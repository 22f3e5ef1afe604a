/* The filter builder: every rule judged by an interpreter of the instructions that it writes, at the edges of
 * each word. */
#include "lib/bpf.h"

#include <linux/audit.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tests/unit/judge.h"
#include "tests/unit/tap.h"

#define ARCH_OWN   AUDIT_ARCH_X86_64
#define HIGH       (UINT64_C(1) << 32)
#define RULE_READ  0
#define RULE_PREAD 17
#define RULE_EXIT  231

static const struct {
    const char *name;
    bool allowed;
    uint32_t arch;
    int nr;
    uint64_t args[6];
} cases[] = {
    {"a first argument that is listed", true, ARCH_OWN, RULE_READ, {7}},
    {"one that another rule lists", true, ARCH_OWN, RULE_READ, {9 + HIGH}},
    {"one that is not listed", false, ARCH_OWN, RULE_READ, {8}},
    {"its low word alone", false, ARCH_OWN, RULE_READ, {9}},
    {"its high word beside", false, ARCH_OWN, RULE_READ, {7 + HIGH}},
    {"its high word wrong", false, ARCH_OWN, RULE_READ, {9 + 2 * HIGH}},
    {"a number that no rule has", false, ARCH_OWN, 1, {7}},
    {"x32", false, ARCH_OWN, 0x40000000 | RULE_READ, {7}},
    {"a 32-bit program's numbers", false, AUDIT_ARCH_I386, RULE_READ, {7}},
    {"any arguments", true, ARCH_OWN, RULE_EXIT, {~UINT64_C(0)}},
    {"three conditions that hold", true, ARCH_OWN, RULE_PREAD, {5, 123, 512, 0}},
    {"at most: equal", true, ARCH_OWN, RULE_PREAD, {5, 0, 512, 3 * HIGH + 1}},
    {"at most: low word smaller", true, ARCH_OWN, RULE_PREAD, {5, 0, 512, 3 * HIGH}},
    {"at most: high word smaller, low word larger",
     true,
     ARCH_OWN,
     RULE_PREAD,
     {5, 0, 512, 2 * HIGH + 0xffffffff}},
    {"at most: one too many", false, ARCH_OWN, RULE_PREAD, {5, 0, 512, 3 * HIGH + 2}},
    {"at most: high word larger, low word smaller", false, ARCH_OWN, RULE_PREAD, {5, 0, 512, 4 * HIGH}},
    {"at most: as if negative", false, ARCH_OWN, RULE_PREAD, {5, 0, 512, ~UINT64_C(0)}},
    {"first condition broken", false, ARCH_OWN, RULE_PREAD, {6, 0, 512, 0}},
    {"second condition broken", false, ARCH_OWN, RULE_PREAD, {5, 0, 511, 0}},
    {"second condition broken in the high word", false, ARCH_OWN, RULE_PREAD, {5, 0, 512 + HIGH, 0}},
};

static void build(struct bpf_filter *filter)
{
    const struct bpf_arg args[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = 5},
        {.index = 2, .compare = BPF_EQUAL, .value = 512},
        {.index = 3, .compare = BPF_AT_MOST, .value = 3 * HIGH + 1},
    };
    bpf_begin(filter);
    bpf_allow_first(filter, RULE_READ, 7);
    bpf_allow(filter, RULE_PREAD, args, RK_COUNT(args));
    bpf_allow_first(filter, RULE_READ, 9 + HIGH);
    bpf_allow_any(filter, RULE_EXIT);
}

/* The same call must be judged alike wherever its rule stands: 63 devices, four rules each, still fit. */
static void test_many(void)
{
    static struct bpf_filter filter;
    bpf_begin(&filter);
    for (uint64_t fd = 3; fd < 3 + 63; fd++) {
        const struct bpf_arg args[] = {
            {.index = 0, .compare = BPF_EQUAL, .value = fd},
            {.index = 2, .compare = BPF_EQUAL, .value = 512},
            {.index = 3, .compare = BPF_AT_MOST, .value = 512 * fd},
        };
        bpf_allow(&filter, RULE_PREAD, args, RK_COUNT(args));
        bpf_allow(&filter, RULE_PREAD + 1, args, RK_COUNT(args));
    }
    bool good = true;
    for (uint64_t fd = 2; fd < 3 + 64; fd++) {
        const struct seccomp_data last = {
            .nr = RULE_PREAD + 1, .arch = ARCH_OWN, .args = {fd, 0, 512, 512 * fd}};
        const struct seccomp_data beyond = {
            .nr = RULE_PREAD + 1, .arch = ARCH_OWN, .args = {fd, 0, 512, 512 * fd + 1}};
        good = good && judge_allows(&filter, &last) == (fd >= 3 && fd < 3 + 63) &&
               !judge_allows(&filter, &beyond);
    }
    tap_ok(good && !filter.overflow, "the disks of the largest manifest");
    for (int i = 0; i < BPF_ROOM; i++)
        bpf_allow_any(&filter, 1);
    struct rk_err err = {0};
    tap_ok(bpf_arm(&filter, &err) < 0 && strstr(err.text, "more rules than fit"),
           "too many rules are an error");
}

int main(void)
{
    static struct bpf_filter filter;
    build(&filter);
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        struct seccomp_data data = {.nr = cases[i].nr, .arch = cases[i].arch};
        memcpy(data.args, cases[i].args, sizeof data.args);
        tap_ok(judge_allows(&filter, &data) == cases[i].allowed, "%s", cases[i].name);
    }
    test_many();
    return tap_end();
}
