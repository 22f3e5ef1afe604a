/* Does what no guest may do to its memory and its processor, by name; who comes back says so and exits 0. */
#include "guest.h"

GUEST_MANIFEST();

static uint8_t data_code[16] = {0xc3}; /* ret */

/* Compilers know too much about constant addresses. */
static volatile uint8_t *at(uintptr_t address)
{
    __asm__("" : "+r"(address));
    return (volatile uint8_t *)address;
}

static void crash_null(void)
{
    (void)*at(8);
}

/* The last bytes below what any part of the ABI lets a guest see, where a monitor might keep something of its
 * own. */
static void crash_low(void)
{
    *at(0xfff8) = 1;
}

/* Behind the end of memory; a monitor may keep a ring in the first 2 MiB there. */
static void crash_high(void)
{
    *at(guest.mem_size + 2 * GUEST_MIB) = 1;
}

static void crash_text(void)
{
    *at((uintptr_t)&crash_null) = 0xc3;
}

static void crash_rodata(void)
{
    static const uint8_t constant[8] = {1};
    *at((uintptr_t)constant) = 2;
}

static void crash_exec(void)
{
    __asm__ volatile("call *%0" : : "r"(data_code) : "memory");
}

static void crash_stack(void)
{
    uint8_t code[16] = {0xc3};
    __asm__ volatile("call *%0" : : "r"(code), "m"(code) : "memory");
}

static void crash_ud(void)
{
    __asm__ volatile("ud2");
}

static void crash_halt(void)
{
    __asm__ volatile("hlt");
}

static void crash_int3(void)
{
    __asm__ volatile("int3");
}

static void crash_divide(void)
{
    __asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
}

/* A signal frame or a trap frame has nowhere to go. */
static void crash_sp(void)
{
    __asm__ volatile("xorl %%esp, %%esp\n\tpushq $1" : : : "memory");
}

static const struct {
    const char *name;
    void (*run)(void);
} crashes[] = {
    {"null", crash_null},     {"low", crash_low},   {"high", crash_high},     {"text", crash_text},
    {"rodata", crash_rodata}, {"exec", crash_exec}, {"stack", crash_stack},   {"ud", crash_ud},
    {"halt", crash_halt},     {"int3", crash_int3}, {"divide", crash_divide}, {"sp", crash_sp},
};

int guest_main(int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < sizeof(crashes) / sizeof(crashes[0]); i++) {
        if (!guest_equal(argv[0], crashes[i].name))
            continue;
        guest_print("crash: %s\n", argv[0]);
        crashes[i].run();
        guest_print("survived\n");
        return 0;
    }
    guest_print("crash: one of");
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        guest_print(" %s", crashes[i].name);
    guest_print("\n");
    return 64;
}
