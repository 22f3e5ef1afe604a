/* What a program without a libc needs: one line on the serial port, the machine's end, and memory functions.
 */
#include "loader.h"

#define PORT_COM1       0x3f8
#define PORT_DEBUG_EXIT 0x501
#define PORT_PM1_CTRL   0x604 /* ACPI's fixed hardware as QEMU's firmware places it on pc and q35 */
#define PM1_S5          0x2000
#define GED_SLEEP       0xfea00200 /* microvm's generic event device */
#define GED_S5          0x34

static uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %w1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

void ldr_console_init(void)
{
    ldr_out8(PORT_COM1 + 1, 0);    /* no interrupts */
    ldr_out8(PORT_COM1 + 3, 0x80); /* divisor 1: 115200 baud */
    ldr_out8(PORT_COM1 + 0, 1);
    ldr_out8(PORT_COM1 + 1, 0);
    ldr_out8(PORT_COM1 + 3, 3); /* 8n1 */
    ldr_out8(PORT_COM1 + 2, 1);
    ldr_out8(PORT_COM1 + 4, 3);
}

static void print(const char *text)
{
    for (; *text; text++) {
        /* A port that is not there reads as ready; one that is stuck costs no more than this. */
        for (int tries = 0; tries < 100000 && !(in8(PORT_COM1 + 5) & 0x20); tries++)
            __asm__ volatile("pause");
        ldr_out8(PORT_COM1, (uint8_t)*text);
    }
}

static void print_hex(uint64_t value)
{
    char digits[19] = "0x";
    size_t len = 2;
    int shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        digits[len++] = "0123456789abcdef"[value >> shift & 15];
    digits[len] = '\0';
    print(digits);
}

_Noreturn void ldr_fail(const struct ldr_error *error)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) none = {0, 0};
    print("runuk-loader: ");
    print(error->text);
    for (unsigned i = 0; i < error->count; i++) {
        print(i ? ", " : ": ");
        print_hex(error->value[i]);
    }
    print("\n");
    ldr_out8(PORT_DEBUG_EXIT, LDR_STATUS_FAILED);
    __asm__ volatile("outw %w0, %w1" : : "a"(PM1_S5), "Nd"((uint16_t)PORT_PM1_CTRL) : "memory");
    *(volatile uint8_t *)ldr_at(GED_SLEEP) = GED_S5;
    __asm__ volatile("lidt %0\n\tud2" : : "m"(none));
    __builtin_unreachable();
}

/* --- memory; the compiler must not see through a loop, or it turns it into a call of itself */

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *ret = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return ret;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return memcpy(to, from, n);
    uint8_t *to_last = (uint8_t *)to + n - 1;
    const uint8_t *from_last = (const uint8_t *)from + n - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(to_last), "+S"(from_last), "+c"(n) : : "memory");
    return to;
}

void *memset(void *to, int c, size_t n)
{
    void *ret = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int diff = ((const volatile uint8_t *)a)[i] - ((const volatile uint8_t *)b)[i];
        if (diff)
            return diff;
    }
    return 0;
}
