/* Asks the monitor for what the ABI does not offer: system calls (spt), ports, hypercalls and addresses
 * (hvt). */
#include "guest.h"

GUEST_MANIFEST();

struct deed {
    const char *name;
    void (*run)(void);
};

#ifdef GUEST_HVT

#define PORT_PUTS 0x502

static void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static void put(uint64_t data, uint64_t len)
{
    volatile uint64_t call[2] = {data, len};
    out32(PORT_PUTS, (uint32_t)(uintptr_t)call);
}

static void deed_port(void)
{
    out32(0x80, 0);
}

static void deed_nr(void)
{
    out32(0x500 + 9, 0x100000);
}

static void deed_nr0(void)
{
    out32(0x500, 0x100000);
}

static void deed_in(void)
{
    uint32_t value;
    __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(PORT_PUTS));
}

static void deed_size(void)
{
    __asm__ volatile("outb %0, %w1" : : "a"((uint8_t)1), "Nd"(PORT_PUTS));
}

/* The structure itself outside, at the edge, and wrapped. */
static void deed_gpa(void)
{
    out32(PORT_PUTS, 0xfffffff0);
}

static void deed_edge(void)
{
    out32(PORT_PUTS, (uint32_t)(guest.mem_size - 4));
}

/* The data that it names. */
static void deed_data(void)
{
    put(guest.mem_size, 16);
}

static void deed_len(void)
{
    put(0x100000, ~0ULL);
}

static void deed_wrap(void)
{
    put(~0ULL - 7, 16);
}

/* Without a device, its hypercalls are not there either. */
static void deed_net(void)
{
    static volatile uint64_t call[4];
    out32(0x507, (uint32_t)(uintptr_t)call);
}

static void deed_block(void)
{
    static volatile uint64_t call[5];
    out32(0x505, (uint32_t)(uintptr_t)call);
}

static const struct deed deeds[] = {
    {"port", deed_port}, {"nr", deed_nr},     {"nr0", deed_nr0},   {"in", deed_in},
    {"size", deed_size}, {"gpa", deed_gpa},   {"edge", deed_edge}, {"data", deed_data},
    {"len", deed_len},   {"wrap", deed_wrap}, {"net", deed_net},   {"block", deed_block},
};

static bool do_number(uint64_t number)
{
    out32((uint16_t)(0x500 + number), 0x100000);
    return true;
}

#define DEFAULT_DEED "port"

#else

static long sys(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    long ret;
    register uint64_t r10 __asm__("r10") = 0;
    register uint64_t r8 __asm__("r8") = 0;
    register uint64_t r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

static void report(long ret)
{
    guest_print("it returned %ld\n", ret);
}

static void deed_dup(void)
{
    report(sys(32, 1, 0, 0));
}

static void deed_stderr(void)
{
    report(sys(1, 2, (uintptr_t) "x\n", 2));
}

static void deed_stdin(void)
{
    char c;
    report(sys(0, 0, (uintptr_t)&c, 1));
}

/* A descriptor whose low 32 bits are the console's: the kernel ignores the high ones, a filter must not be
 * fooled. */
static void deed_high(void)
{
    report(sys(1, (1ULL << 32) | 1, (uintptr_t) "x\n", 2));
}

/* The x32 table. */
static void deed_x32(void)
{
    report(sys(0x40000000 + 1, 1, (uintptr_t) "x\n", 2));
}

/* The 32-bit table: 1 is exit there. */
static void deed_int80(void)
{
    long ret;
    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(1L), "b"(0L) : "memory");
    report(ret);
}

/* Code of one's own making: memory both writable and executable. */
static void deed_mprotect(void)
{
    report(sys(10, guest.heap_start, 4096, 7));
}

static void deed_gs(void)
{
    report(sys(158, 0x1001, 0, 0));
}

static void deed_cputime(void)
{
    uint64_t now[2];
    report(sys(228, 2, (uintptr_t)now, 0));
}

static void deed_exit(void)
{
    report(sys(60, 0, 0, 0));
}

static void deed_sigreturn(void)
{
    report(sys(15, 0, 0, 0));
}

static const struct deed deeds[] = {
    {"dup", deed_dup},         {"stderr", deed_stderr}, {"stdin", deed_stdin},         {"high", deed_high},
    {"x32", deed_x32},         {"int80", deed_int80},   {"mprotect", deed_mprotect},   {"gs", deed_gs},
    {"cputime", deed_cputime}, {"exit", deed_exit},     {"sigreturn", deed_sigreturn},
};

static bool do_number(uint64_t number)
{
    report(sys(number, 1, 0, 0));
    return true;
}

#define DEFAULT_DEED "dup"

#endif

static bool do_named(const char *name)
{
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (guest_equal(name, deeds[i].name)) {
            deeds[i].run();
            return true;
        }
    }
    return false;
}

int guest_main(int argc, char **argv)
{
    const char *name = argc > 0 ? argv[0] : DEFAULT_DEED;
    uint64_t number = 0;
    guest_print("forbidden: %s\n", name);
    if (guest_number(name, &number, NULL) ? do_number(number) : do_named(name)) {
        guest_print("survived\n");
        return 0;
    }
    guest_print("forbidden: one of");
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        guest_print(" %s", deeds[i].name);
    guest_print("\n");
    return 64;
}
