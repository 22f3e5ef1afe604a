/* runuk-pack's privileges: the right to read, and the system calls that reading and writing take. */
#include "bundle/pack/confine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/bpf.h"
#include "lib/cleanup.h"
#include "lib/err.h"

/* How the C library lists an open directory. */
#define LISTING (O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_DIRECTORY)

int pk_drop_capabilities(struct rk_err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[2], kept[2];
    memset(kept, 0, sizeof kept);
    if (syscall(SYS_capget, &header, now) < 0)
        return rk_fail_errno(err, "look at capabilities");
    /* The cache is root's own: nothing has to be overridden for it. */
    kept[0].permitted = now[0].permitted & CAP_TO_MASK(CAP_DAC_READ_SEARCH);
    kept[0].effective = kept[0].permitted;
    if (syscall(SYS_capset, &header, kept) < 0)
        return rk_fail_errno(err, "give up capabilities");
    return 0;
}

#define IS(i, what)                                                                                          \
    {                                                                                                        \
        .index = (i), .compare = BPF_EQUAL, .value = (what)                                                  \
    }

/* Files of the cache: they are found, made, named, dated and removed, and it is locked. */
static void allow_cache(struct bpf_filter *filter, uint64_t cache)
{
    static const unsigned numbers[] = {SYS_openat, SYS_unlinkat, SYS_utimensat, SYS_flock};
    const struct bpf_arg from_to[] = {IS(0, cache), IS(2, cache)}, to[] = {IS(2, cache)};
    for (size_t i = 0; i < RK_COUNT(numbers); i++)
        bpf_allow_first(filter, numbers[i], cache);
    bpf_allow(filter, SYS_renameat, from_to, RK_COUNT(from_to));
    /* A file that has no name yet gets one. */
    bpf_allow(filter, SYS_linkat, to, RK_COUNT(to));
    bpf_allow_any(filter, SYS_fchmod);
    bpf_allow_any(filter, SYS_getpid);
    bpf_allow_any(filter, SYS_geteuid);
}

int pk_confine(int root, int cache, struct rk_err *err)
{
    static const unsigned numbers[] = {SYS_read,  SYS_write,      SYS_close,      SYS_newfstatat,
                                       SYS_fstat, SYS_readlinkat, SYS_getdents64, SYS_lseek,
                                       SYS_brk,   SYS_munmap,     SYS_mremap,     SYS_exit_group};
    const struct bpf_arg listing[] = {IS(2, LISTING)};
    const struct bpf_arg heap[] = {IS(2, PROT_READ | PROT_WRITE), IS(3, MAP_PRIVATE | MAP_ANONYMOUS)};
    struct bpf_filter filter;
    bpf_begin(&filter);
    for (size_t i = 0; i < RK_COUNT(numbers); i++)
        bpf_allow_any(&filter, numbers[i]);
    bpf_allow_any(&filter, SYS_sysinfo); /* so that qsort knows how much memory it may take */
    bpf_allow_first(&filter, SYS_openat2, (uint64_t)root);
    bpf_allow(&filter, SYS_openat, listing, RK_COUNT(listing));
    bpf_allow(&filter, SYS_mmap, heap, RK_COUNT(heap));
    if (cache >= 0)
        allow_cache(&filter, (uint64_t)cache);
    return bpf_arm(&filter, err);
}
