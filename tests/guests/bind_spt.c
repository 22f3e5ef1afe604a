/* The spt binding: entry inside the monitor's process, system calls on the descriptors that the monitor
 * opened. */
#include "guest.h"

/* struct spt_boot_info */
struct boot_info {
    uint64_t mem_size;
    uint64_t kernel_end;
    const char *cmdline;
    const struct guest_manifest *manifest;
    int32_t epollfd;
    int32_t timerfd;
};

/* Linux, x86-64 */
enum syscall {
    SYS_READ = 0,
    SYS_WRITE = 1,
    SYS_PREAD64 = 17,
    SYS_PWRITE64 = 18,
    SYS_ARCH_PRCTL = 158,
    SYS_CLOCK_GETTIME = 228,
    SYS_EXIT_GROUP = 231,
    SYS_EPOLL_PWAIT = 281,
    SYS_TIMERFD_SETTIME = 286,
};

#define ARCH_SET_FS       0x1002
#define CLOCK_REALTIME    0
#define CLOCK_MONOTONIC   1
#define TFD_TIMER_ABSTIME 1
#define ERR_EINTR         (-4)
#define ERR_EAGAIN        (-11)
#define TIMER_EVENT       0xfffffffeULL
#define EVENTS_MAX        64

struct timespec {
    int64_t sec;
    int64_t nsec;
};

struct itimerspec {
    struct timespec interval;
    struct timespec value;
};

struct epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));

static const struct {
    struct guest_note note;
    uint32_t desc[4]; /* target 2 is spt, ABI version 2, two reserved words */
} abi_note __attribute__((section(".note.solo5.abi"), used, aligned(4))) = {{6, 16, GUEST_NOTE_ABI, "Solo5"},
                                                                            {2, 2, 0, 0}};

static int epollfd;
static int timerfd;

_Noreturn void bind_entry(const struct boot_info *boot);

/* RDI holds the boot information; there is no return address on the stack. */
__asm__(".pushsection .text.start, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "\txorl %ebp, %ebp\n"
        "\tandq $-16, %rsp\n"
        "\tcall bind_entry\n"
        "\tud2\n"
        ".popsection");

static long sys(enum syscall nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    long ret;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"((long)nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

_Noreturn void bind_entry(const struct boot_info *boot)
{
    /* FS still points into the monitor. */
    sys(SYS_ARCH_PRCTL, ARCH_SET_FS, 0, 0, 0, 0);
    guest.target = "spt";
    guest.mem_size = boot->mem_size;
    guest.cmdline = boot->cmdline;
    guest.manifest = boot->manifest;
    epollfd = boot->epollfd;
    timerfd = boot->timerfd;
    guest_run(boot->cmdline);
}

void guest_write(const char *text, size_t len)
{
    while (len > 0) {
        long n = sys(SYS_WRITE, 1, (uintptr_t)text, len, 0, 0);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static uint64_t clock_read(int clock)
{
    struct timespec now = {0, 0};
    sys(SYS_CLOCK_GETTIME, (uint64_t)clock, (uintptr_t)&now, 0, 0, 0);
    return (uint64_t)now.sec * GUEST_NSEC + (uint64_t)now.nsec;
}

uint64_t guest_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t guest_wall(void)
{
    return clock_read(CLOCK_REALTIME);
}

uint64_t guest_wait(uint64_t deadline)
{
    /* A zero would disarm the timer. */
    struct itimerspec timer = {
        .value = {(int64_t)(deadline / GUEST_NSEC), (int64_t)(deadline % GUEST_NSEC) | 1}};
    sys(SYS_TIMERFD_SETTIME, (uint64_t)timerfd, TFD_TIMER_ABSTIME, (uintptr_t)&timer, 0, 0);

    struct epoll_event events[EVENTS_MAX];
    long n;
    do
        n = sys(SYS_EPOLL_PWAIT, (uint64_t)epollfd, (uintptr_t)events, EVENTS_MAX, (uint64_t)-1, 0);
    while (n == ERR_EINTR);

    uint64_t ready = 0;
    for (long i = 0; i < n; i++)
        if (events[i].data != TIMER_EVENT)
            ready |= 1ULL << events[i].data;
    return ready;
}

static uint64_t hostfd(unsigned handle)
{
    return (uint64_t)guest.manifest->device[handle].b.hostfd;
}

enum guest_result guest_net_read(unsigned handle, void *buf, size_t size, size_t *ret_len)
{
    long n = sys(SYS_READ, hostfd(handle), (uintptr_t)buf, size, 0, 0);
    if (n == ERR_EAGAIN || n == 0)
        return GUEST_AGAIN;
    if (n < 0)
        return GUEST_EUNSPEC;
    *ret_len = (size_t)n;
    return GUEST_OK;
}

enum guest_result guest_net_write(unsigned handle, const void *buf, size_t len)
{
    long n = sys(SYS_WRITE, hostfd(handle), (uintptr_t)buf, len, 0, 0);
    if (n == ERR_EAGAIN)
        return GUEST_AGAIN;
    return n == (long)len ? GUEST_OK : GUEST_EUNSPEC;
}

enum guest_result guest_block_raw_read(unsigned handle, uint64_t offset, void *buf, size_t len)
{
    long n = sys(SYS_PREAD64, hostfd(handle), (uintptr_t)buf, len, offset, 0);
    return n == (long)len ? GUEST_OK : GUEST_EUNSPEC;
}

enum guest_result guest_block_raw_write(unsigned handle, uint64_t offset, const void *buf, size_t len)
{
    long n = sys(SYS_PWRITE64, hostfd(handle), (uintptr_t)buf, len, offset, 0);
    return n == (long)len ? GUEST_OK : GUEST_EUNSPEC;
}

_Noreturn void guest_exit(int status)
{
    sys(SYS_EXIT_GROUP, (uint64_t)status, 0, 0, 0, 0);
    __builtin_trap();
}
