/* The seccomp filters of both monitors and of runuk-pack against a list for human readers: of all system
 * calls, these with these arguments are allowed, and no other. */
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "bundle/pack/confine.h"
#include "hypervisor/solo5/hvt.h"
#include "hypervisor/solo5/spt.h"
#include "lib/bpf.h"
#include "lib/cleanup.h"
#include "tests/unit/judge.h"
#include "tests/unit/tap.h"

/* The guest: a network device, a disk of a MiB in blocks of 512 bytes, and one that is read-only. */
#define NET       41
#define DISK      42
#define READ_ONLY 43
#define BLOCK     512
#define CAPACITY  (UINT64_C(1) << 20)
/* And what the monitors have beside the devices. */
#define EVENTS 44
#define TIMER  45
#define VCPU   46
#define POLLS  ((uint64_t)(uintptr_t)machine.polls)
#define STDOUT 1
#define STDERR 2

static struct tender tender;
static struct hvt machine = {.tender = &tender};

/* Arguments that are not named may be anything. */
#define IS(index, value)                                                                                     \
    {                                                                                                        \
        index, BPF_EQUAL, value                                                                              \
    }
#define AT_MOST(index, value)                                                                                \
    {                                                                                                        \
        index, BPF_AT_MOST, value                                                                            \
    }

struct rule {
    const char *text;
    unsigned number;
    size_t count;
    struct bpf_arg args[3];
};

static const struct rule spt_rules[] = {
    {"read(NET, …)", SYS_read, 1, {IS(0, NET)}},
    {"write(NET, …)", SYS_write, 1, {IS(0, NET)}},
    {"write(STDOUT, …)", SYS_write, 1, {IS(0, STDOUT)}},
    {"clock_gettime(CLOCK_MONOTONIC, …)", SYS_clock_gettime, 1, {IS(0, CLOCK_MONOTONIC)}},
    {"clock_gettime(CLOCK_REALTIME, …)", SYS_clock_gettime, 1, {IS(0, CLOCK_REALTIME)}},
    {"epoll_pwait(EVENTS, …)", SYS_epoll_pwait, 1, {IS(0, EVENTS)}},
    {"timerfd_settime(TIMER, …)", SYS_timerfd_settime, 1, {IS(0, TIMER)}},
    {"pread64(DISK, …, BLOCK, within)",
     SYS_pread64,
     3,
     {IS(0, DISK), IS(2, BLOCK), AT_MOST(3, CAPACITY - BLOCK)}},
    {"pwrite64(DISK, …, BLOCK, within)",
     SYS_pwrite64,
     3,
     {IS(0, DISK), IS(2, BLOCK), AT_MOST(3, CAPACITY - BLOCK)}},
    {"pread64(READ_ONLY, …, BLOCK, within)",
     SYS_pread64,
     3,
     {IS(0, READ_ONLY), IS(2, BLOCK), AT_MOST(3, CAPACITY - BLOCK)}},
    /* The kernel refuses it. */
    {"pwrite64(READ_ONLY, …, BLOCK, within)",
     SYS_pwrite64,
     3,
     {IS(0, READ_ONLY), IS(2, BLOCK), AT_MOST(3, CAPACITY - BLOCK)}},
    {"arch_prctl(ARCH_SET_FS, …)", SYS_arch_prctl, 1, {IS(0, ARCH_SET_FS)}},
    {"exit_group(…)", SYS_exit_group, 0, {{0}}},
};

static const struct rule hvt_rules[] = {
    {"ioctl(VCPU, KVM_RUN, …)", SYS_ioctl, 2, {IS(0, VCPU), IS(1, KVM_RUN)}},
    {"read(NET, …)", SYS_read, 1, {IS(0, NET)}},
    {"write(NET, …)", SYS_write, 1, {IS(0, NET)}},
    {"write(STDOUT, …)", SYS_write, 1, {IS(0, STDOUT)}},
    {"write(STDERR, …)", SYS_write, 1, {IS(0, STDERR)}},
    {"pread64(DISK, …)", SYS_pread64, 1, {IS(0, DISK)}},
    {"pwrite64(DISK, …)", SYS_pwrite64, 1, {IS(0, DISK)}},
    {"pread64(READ_ONLY, …)", SYS_pread64, 1, {IS(0, READ_ONLY)}},
    {"ppoll(POLLS, 1, …)", SYS_ppoll, 2, {IS(0, POLLS), IS(1, 1)}},
    {"clock_gettime(CLOCK_REALTIME, …)", SYS_clock_gettime, 1, {IS(0, CLOCK_REALTIME)}},
    {"exit_group(…)", SYS_exit_group, 0, {{0}}},
};

/* runuk-pack: the tree, and the cache. */
#define TREE  47
#define CACHE 48
#define LIST  (O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC)

static const struct rule pack_rules[] = {
    {"read(…)", SYS_read, 0, {{0}}},
    {"write(…)", SYS_write, 0, {{0}}},
    {"close(…)", SYS_close, 0, {{0}}},
    {"newfstatat(…)", SYS_newfstatat, 0, {{0}}},
    {"fstat(…)", SYS_fstat, 0, {{0}}},
    {"readlinkat(…)", SYS_readlinkat, 0, {{0}}},
    {"getdents64(…)", SYS_getdents64, 0, {{0}}},
    {"lseek(…)", SYS_lseek, 0, {{0}}},
    {"sysinfo(…)", SYS_sysinfo, 0, {{0}}},
    {"openat2(TREE, …)", SYS_openat2, 1, {IS(0, TREE)}},
    {"openat(…, to list a directory)", SYS_openat, 1, {IS(2, LIST)}},
    {"openat(CACHE, …)", SYS_openat, 1, {IS(0, CACHE)}},
    {"unlinkat(CACHE, …)", SYS_unlinkat, 1, {IS(0, CACHE)}},
    {"utimensat(CACHE, …)", SYS_utimensat, 1, {IS(0, CACHE)}},
    {"flock(CACHE, …)", SYS_flock, 1, {IS(0, CACHE)}},
    {"renameat(CACHE, …, CACHE, …)", SYS_renameat, 2, {IS(0, CACHE), IS(2, CACHE)}},
    {"linkat(…, CACHE, …)", SYS_linkat, 1, {IS(2, CACHE)}},
    {"fchmod(…)", SYS_fchmod, 0, {{0}}},
    {"getpid()", SYS_getpid, 0, {{0}}},
    {"geteuid()", SYS_geteuid, 0, {{0}}},
    {"mmap(…, PROT_READ | PROT_WRITE, no file, …)",
     SYS_mmap,
     2,
     {IS(2, PROT_READ | PROT_WRITE), IS(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
    {"mremap(…)", SYS_mremap, 0, {{0}}},
    {"munmap(…)", SYS_munmap, 0, {{0}}},
    {"brk(…)", SYS_brk, 0, {{0}}},
    {"exit_group(…)", SYS_exit_group, 0, {{0}}},
};

/* All numbers that the kernel has or will have for a while, of this ABI and of x32 (its bit in the number).
 */
#define NUMBERS 1024
#define X32_BIT 0x40000000

/* --- the filter: taken where it would be loaded
 * --------------------------------------------------------------------- */

static struct bpf_filter taken;

int __wrap_bpf_arm(struct bpf_filter *filter, struct rk_err *err);

int __wrap_bpf_arm(struct bpf_filter *filter, struct rk_err *err)
{
    (void)err;
    taken = *filter;
    return 0;
}

/* --- what is tried with every number: arguments that a rule allows, and such that are off in one of them
 * ------------------- */

#define TRIES_MAX 512

static uint64_t tries[TRIES_MAX][6];
static size_t try_count;

static void add_try(const struct rule *rule, size_t off, uint64_t value)
{
    uint64_t *args = tries[try_count++];
    for (size_t i = 0; i < 6; i++)
        args[i] = UINT64_C(0x1234567890) + i;
    for (size_t i = 0; i < rule->count; i++)
        args[rule->args[i].index] = rule->args[i].value;
    if (off < rule->count)
        args[rule->args[off].index] = value;
}

static void make_tries(const struct rule *rules, size_t count)
{
    try_count = 2; /* all zero, all one */
    memset(tries[1], 0xff, sizeof tries[1]);
    for (size_t r = 0; r < count; r++) {
        add_try(&rules[r], SIZE_MAX, 0);
        for (size_t i = 0; i < rules[r].count; i++) {
            uint64_t right = rules[r].args[i].value;
            add_try(&rules[r], i, right + 1);
            add_try(&rules[r], i, right - 1);
            add_try(&rules[r], i, right + (UINT64_C(1) << 32));
            add_try(&rules[r], i, right | (UINT64_C(1) << 63));
            add_try(&rules[r], i, 0);
        }
    }
}

static bool fits(const struct rule *rule, unsigned number, const uint64_t args[6])
{
    bool fit = number == rule->number;
    for (size_t i = 0; i < rule->count && fit; i++) {
        const struct bpf_arg *a = &rule->args[i];
        fit = a->compare == BPF_EQUAL ? args[a->index] == a->value : args[a->index] <= a->value;
    }
    return fit;
}

/* --- the comparison
 * ------------------------------------------------------------------------------------------------------ */

/* One try of one number: is it judged as the list has it? */
static bool agrees(const struct rule *rules, size_t count, unsigned number, const uint64_t args[6])
{
    struct seccomp_data data = {.nr = (int)number, .arch = AUDIT_ARCH_X86_64};
    memcpy(data.args, args, sizeof data.args);
    bool listed = false;
    for (size_t r = 0; r < count; r++)
        listed = listed || fits(&rules[r], number, args);
    bool allowed = judge_allows(&taken, &data);
    data.arch = AUDIT_ARCH_I386;
    bool other = judge_allows(&taken, &data);
    if (allowed != listed || other)
        printf("# number %u, first argument %#llx: %s\n", number, (unsigned long long)args[0],
               other     ? "allowed to 32-bit programs"
               : allowed ? "allowed, and not listed"
                         : "listed, and not allowed");
    return allowed == listed && !other;
}

/* How many rules the filter has: a rule that no try meets would still be one too many. */
static size_t count_allowing(void)
{
    size_t n = 0;
    for (size_t i = 0; i < taken.count; i++)
        n += taken.insns[i].code == (BPF_RET | BPF_K) && taken.insns[i].k == SECCOMP_RET_ALLOW;
    return n;
}

static void compare(const char *monitor, const struct rule *rules, size_t count)
{
    unsigned wrong = 0;
    make_tries(rules, count);
    for (size_t r = 0; r < count; r++) {
        uint64_t args[6] = {0};
        for (size_t i = 0; i < rules[r].count; i++)
            args[rules[r].args[i].index] = rules[r].args[i].value;
        tap_ok(agrees(rules, count, rules[r].number, args), "%s may %s", monitor, rules[r].text);
    }
    for (unsigned number = 0; number < NUMBERS; number++)
        for (size_t t = 0; t < try_count; t++)
            wrong +=
                !agrees(rules, count, number, tries[t]) || !agrees(rules, count, number | X32_BIT, tries[t]);
    tap_ok(wrong == 0, "%s: all %d numbers, %zu ways to call each, also of x32 and 32-bit programs", monitor,
           NUMBERS, try_count);
    tap_ok(count_allowing() == count, "%s: its filter has %zu rules", monitor, count);
}

static void describe_guest(void)
{
    struct rk_solo5_mft *mft = &tender.image.mft;
    mft->entries = 4;
    mft->e[1].type = RK_SOLO5_NET;
    tender.devices[1].fd = NET;
    for (size_t i = 2; i < 4; i++) {
        mft->e[i].type = RK_SOLO5_BLOCK;
        mft->e[i].u.block.block_size = BLOCK;
        mft->e[i].u.block.capacity = CAPACITY;
    }
    tender.devices[2].fd = DISK;
    tender.devices[2].writable = true;
    tender.devices[3].fd = READ_ONLY;
    machine.vcpu_fd = VCPU;
    machine.poll_count = 1;
}

int main(void)
{
    const struct spt_boot_info info = {.epollfd = EVENTS, .timerfd = TIMER};
    struct rk_err err = {0};
    describe_guest();
    tap_ok(spt_confine(&tender, &info, &err) == 0 && !taken.overflow, "a filter for an spt guest");
    compare("runuk-spt", spt_rules, RK_COUNT(spt_rules));
    tap_ok(hvt_confine(&machine, &err) == 0 && !taken.overflow, "a filter for an hvt guest");
    compare("runuk-hvt", hvt_rules, RK_COUNT(hvt_rules));
    tap_ok(pk_confine(TREE, CACHE, &err) == 0 && !taken.overflow, "a filter for what packs");
    compare("runuk-pack", pack_rules, RK_COUNT(pack_rules));
    return tap_end();
}
