/* The hvt binding: entry in long mode, hypercalls by port I/O, time from the TSC. */
#include "guest.h"

/* struct hvt_boot_info; the ring fields behind are not used by these guests. */
struct boot_info {
    uint64_t mem_size;
    uint64_t kernel_end;
    uint64_t cpu_cycle_freq;
    const char *cmdline;
    const struct guest_manifest *manifest;
};

enum hypercall {
    CALL_WALLTIME = 1,
    CALL_PUTS = 2,
    CALL_POLL = 3,
    CALL_BLOCK_WRITE = 4,
    CALL_BLOCK_READ = 5,
    CALL_NET_WRITE = 6,
    CALL_NET_READ = 7,
    CALL_HALT = 8,
};

#define CALL_PORT   0x500
#define MSR_FS_BASE 0xc0000100

struct call_puts {
    const void *data;
    uint64_t len;
};

struct call_poll {
    uint64_t timeout_ns;
    uint64_t ready_set;
    int32_t ret;
};

struct call_block {
    uint64_t handle;
    uint64_t offset;
    const void *data;
    uint64_t len;
    int32_t ret;
};

struct call_net {
    uint64_t handle;
    const void *data;
    uint64_t len;
    int32_t ret;
};

struct call_halt {
    uint64_t cookie;
    int32_t status;
};

static const struct {
    struct guest_note note;
    uint32_t desc[4]; /* target 1 is hvt, ABI version 2, two reserved words */
} abi_note __attribute__((section(".note.solo5.abi"), used, aligned(4))) = {{6, 16, GUEST_NOTE_ABI, "Solo5"},
                                                                            {1, 2, 0, 0}};

static uint64_t tsc_hz;

_Noreturn void bind_entry(const struct boot_info *boot);

/* RDI holds the boot information. The stack pointer is 8 below the end of memory, which is where a call
 * leaves it. */
__asm__(".pushsection .text.start, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "\txorl %ebp, %ebp\n"
        "\tandq $-16, %rsp\n"
        "\tcall bind_entry\n"
        "\tud2\n"
        ".popsection");

static void hypercall(enum hypercall nr, const volatile void *arg)
{
    __asm__ volatile("outl %0, %w1" : : "a"((uint32_t)(uintptr_t)arg), "Nd"(CALL_PORT + nr) : "memory");
}

_Noreturn void bind_entry(const struct boot_info *boot)
{
    /* As language run-times do first: thread-local storage of one's own, and a known floating-point state. */
    __asm__ volatile("wrmsr" : : "c"(MSR_FS_BASE), "a"(0), "d"(0));
#ifdef __SSE2__
    uint32_t mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0\n\tpxor %%xmm0, %%xmm0" : : "m"(mxcsr) : "xmm0");
#endif
    guest.target = "hvt";
    guest.mem_size = boot->mem_size;
    guest.cmdline = boot->cmdline;
    guest.manifest = boot->manifest;
    tsc_hz = boot->cpu_cycle_freq;
    guest_run(boot->cmdline);
}

void guest_write(const char *text, size_t len)
{
    struct call_puts call = {text, len};
    hypercall(CALL_PUTS, &call);
}

uint64_t guest_monotonic(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    uint64_t tsc = (uint64_t)high << 32 | low;
    /* Two steps, since tsc * 1e9 overflows after seconds. */
    return tsc / tsc_hz * GUEST_NSEC + tsc % tsc_hz * GUEST_NSEC / tsc_hz;
}

uint64_t guest_wall(void)
{
    volatile uint64_t nsecs = 0;
    hypercall(CALL_WALLTIME, &nsecs);
    return nsecs;
}

uint64_t guest_wait(uint64_t deadline)
{
    uint64_t now = guest_monotonic();
    struct call_poll call = {.timeout_ns = deadline > now ? deadline - now : 0};
    hypercall(CALL_POLL, &call);
    return call.ready_set;
}

enum guest_result guest_net_read(unsigned handle, void *buf, size_t size, size_t *ret_len)
{
    struct call_net call = {.handle = handle, .data = buf, .len = size};
    hypercall(CALL_NET_READ, &call);
    if (call.ret == GUEST_OK)
        *ret_len = call.len;
    return (enum guest_result)call.ret;
}

enum guest_result guest_net_write(unsigned handle, const void *buf, size_t len)
{
    struct call_net call = {.handle = handle, .data = buf, .len = len};
    hypercall(CALL_NET_WRITE, &call);
    return (enum guest_result)call.ret;
}

enum guest_result guest_block_raw_read(unsigned handle, uint64_t offset, void *buf, size_t len)
{
    struct call_block call = {.handle = handle, .offset = offset, .data = buf, .len = len};
    hypercall(CALL_BLOCK_READ, &call);
    return (enum guest_result)call.ret;
}

enum guest_result guest_block_raw_write(unsigned handle, uint64_t offset, const void *buf, size_t len)
{
    struct call_block call = {.handle = handle, .offset = offset, .data = buf, .len = len};
    hypercall(CALL_BLOCK_WRITE, &call);
    return (enum guest_result)call.ret;
}

_Noreturn void guest_exit(int status)
{
    struct call_halt call = {.cookie = 0, .status = status};
    hypercall(CALL_HALT, &call);
    for (;;)
        __asm__ volatile("hlt");
}
