/* The binding for a bare machine: console on COM1, time from the TSC and a timer that ticks, and the ways in
 * which a machine ends. Ports: QEMU's pc, q35 and microvm. */
#include "bare.h"

#if defined(GUEST_MULTIBOOT)
#define TARGET "multiboot"
#elif defined(GUEST_MULTIBOOT64)
#define TARGET "multiboot64"
#elif defined(GUEST_PVH)
#define TARGET "pvh"
#else
#define TARGET "linux64"
#endif

#define PORT_DEBUG_EXIT 0x501
#define PORT_COM1       0x3f8
#define PORT_PM1_STATUS 0x600 /* ACPI's fixed hardware as QEMU's firmware places it on pc and q35 */
#define PORT_PM1_ENABLE 0x602
#define PORT_PM1_CTRL   0x604
#define PM1_BUTTON      0x100
#define PM1_S5          0x2000     /* sleep type 0, enable */
#define GED_EVENTS      0xfea00000 /* microvm's generic event device: what happened, cleared by reading */
#define GED_BUTTON      2
#define GED_SLEEP       0xfea00200
#define GED_S5          0x34 /* sleep type 5, enable */
#define LAPIC_LVT0      0xfee00350
#define LAPIC_SPURIOUS  0xfee000f0
#define PIT_HZ          1193182
#define TICK_HZ         1000
#define DEVICES_MAX     8

struct gate {
    uint16_t low, selector;
    uint8_t stack, type;
    uint16_t middle;
    uint32_t high, reserved;
};

extern char bare_traps[];
void bare_interrupt(void);
_Noreturn void bare_entry(uint32_t magic, uint64_t info, uint64_t cr3);
_Noreturn void bare_trapped(uint64_t vector, uint64_t error, uint64_t rip, uint64_t cr2);

volatile uint64_t bare_interrupts;

static struct gate gates[256];
static uint64_t tsc_hz = GUEST_NSEC;
static uint64_t wall_start;
static bool ticking;
static struct {
    struct guest_manifest head;
    struct guest_device device[DEVICES_MAX];
} manifest;

/* --- console */

void guest_write(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        for (int tries = 0; tries < 100000 && !(bare_in8(PORT_COM1 + 5) & 0x20); tries++)
            __asm__ volatile("pause");
        bare_out8(PORT_COM1, (uint8_t)text[i]);
    }
}

static void init_console(void)
{
    bare_out8(PORT_COM1 + 1, 0);    /* no interrupts */
    bare_out8(PORT_COM1 + 3, 0x80); /* divisor 1: 115200 baud */
    bare_out8(PORT_COM1 + 0, 1);
    bare_out8(PORT_COM1 + 1, 0);
    bare_out8(PORT_COM1 + 3, 3); /* 8n1 */
    bare_out8(PORT_COM1 + 2, 1);
    bare_out8(PORT_COM1 + 4, 3);
}

/* --- ends */

void bare_debug_exit(int status)
{
    bare_out8(PORT_DEBUG_EXIT, (uint8_t)status);
}

void bare_power_off(void)
{
    if (bare_has_pci())
        bare_out16(PORT_PM1_CTRL, PM1_S5);
    else
        *(volatile uint8_t *)bare_reg32(GED_SLEEP) = GED_S5;
    /* A machine that powers off lets its processors run on for a moment. */
    uint64_t end = guest_monotonic() + GUEST_NSEC;
    while (guest_monotonic() < end)
        __asm__ volatile("pause");
}

_Noreturn void bare_triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("lidt %0\n\tud2" : : "m"(none));
    __builtin_unreachable();
}

_Noreturn void bare_halt(void)
{
    for (;;)
        __asm__ volatile("sti\n\thlt" : : : "memory");
}

bool bare_power_button(void)
{
    if (!bare_has_pci())
        return *bare_reg32(GED_EVENTS) & GED_BUTTON;
    /* The status is kept only while the event is enabled. */
    bare_out16(PORT_PM1_ENABLE, PM1_BUTTON);
    if (!(bare_in16(PORT_PM1_STATUS) & PM1_BUTTON))
        return false;
    bare_out16(PORT_PM1_STATUS, PM1_BUTTON);
    return true;
}

/* The status where the machine can tell it, else a power-off; a machine that has neither stands still. */
_Noreturn void guest_exit(int status)
{
    bare_debug_exit(status);
    bare_power_off();
    guest_print("halted with status %d\n", status);
    bare_halt();
}

_Noreturn void bare_trapped(uint64_t vector, uint64_t error, uint64_t rip, uint64_t cr2)
{
    guest_print("trap %lu error %lx at %lx, address %lx\n", vector, error, rip, cr2);
    bare_debug_exit(255);
    bare_triple_fault();
}

/* --- interrupts and time */

static void set_gate(unsigned vector, const void *handler)
{
    uint64_t at = (uint64_t)handler;
    gates[vector] = (struct gate){.low = (uint16_t)at,
                                  .selector = 8,
                                  .type = 0x8e,
                                  .middle = (uint16_t)(at >> 16),
                                  .high = (uint32_t)(at >> 32)};
}

static void init_interrupts(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = {sizeof gates - 1, (uint64_t)gates};
    for (unsigned i = 0; i < 256; i++)
        set_gate(i, i < 32 ? (const void *)(bare_traps + 16 * i) : (const void *)&bare_interrupt);
    __asm__ volatile("lidt %0" : : "m"(idt));

    /* Both 8259s: vectors 32 to 47, cascaded, all masked but the timer. */
    static const uint8_t first[] = {0x11, 0x20, 0x04, 0x01, 0xfe};
    static const uint8_t second[] = {0x11, 0x28, 0x02, 0x01, 0xff};
    for (size_t i = 0; i < sizeof first; i++) {
        bare_out8(i ? 0x21 : 0x20, first[i]);
        bare_out8(i ? 0xa1 : 0xa0, second[i]);
    }
#ifndef GUEST_LINUX64
    /* Who boots by Linux' 64-bit protocol finds this done. */
    *bare_reg32(LAPIC_SPURIOUS) |= 0x1ff;
    *bare_reg32(LAPIC_LVT0) = 0x700;
#endif
}

static uint64_t read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* TSC cycles while channel 2 of the 8254 counts a hundredth of a second; 0 when there is no such timer. */
static uint64_t measure(void)
{
    uint16_t count = PIT_HZ / 100;
    uint8_t gate = (uint8_t)(bare_in8(0x61) & ~3);
    bare_out8(0x61, gate);
    bare_out8(0x43, 0xb0); /* channel 2, both bytes, one shot */
    bare_out8(0x42, (uint8_t)count);
    bare_out8(0x42, (uint8_t)(count >> 8));
    bare_out8(0x61, gate | 1);
    uint64_t start = read_tsc();
    if (bare_in8(0x61) & 0x20)
        return 0;
    while (!(bare_in8(0x61) & 0x20))
        if (read_tsc() - start > 10 * GUEST_NSEC)
            return 0;
    return read_tsc() - start;
}

static unsigned cmos(uint8_t index)
{
    bare_out8(0x70, index);
    unsigned value = bare_in8(0x71);
    return (value >> 4) * 10 + (value & 15);
}

/* Seconds since 1970 of the real-time clock, which QEMU keeps in BCD and UTC. */
static uint64_t read_rtc(void)
{
    for (int tries = 0; tries < 100000; tries++) {
        bare_out8(0x70, 0x0a);
        if (!(bare_in8(0x71) & 0x80))
            break;
    }
    uint64_t year = 2000 + cmos(9), month = cmos(8), day = cmos(7);
    /* Days since 1 March of year 0: then leap days come last. */
    uint64_t m = (month + 9) % 12, y = year - (month < 3);
    uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
    return days * 86400 + cmos(4) * 3600UL + cmos(2) * 60UL + cmos(0);
}

static void init_time(void)
{
    /* The shortest of three: who is interrupted while measuring measures too much. */
    uint64_t best = measure();
    for (int i = 0; i < 2 && best; i++) {
        uint64_t again = measure();
        best = again && again < best ? again : best;
    }
    if (best)
        tsc_hz = best * 100;
    wall_start = read_rtc() * GUEST_NSEC - guest_monotonic();

    uint16_t count = PIT_HZ / TICK_HZ;
    bare_out8(0x43, 0x34); /* channel 0, both bytes, again and again */
    bare_out8(0x40, (uint8_t)count);
    bare_out8(0x40, (uint8_t)(count >> 8));
    uint64_t end = guest_monotonic() + 200 * GUEST_MSEC;
    __asm__ volatile("sti");
    while (!bare_interrupts && guest_monotonic() < end)
        __asm__ volatile("pause");
    __asm__ volatile("cli");
    ticking = bare_interrupts > 0;
}

uint64_t guest_monotonic(void)
{
    uint64_t tsc = read_tsc();
    return tsc / tsc_hz * GUEST_NSEC + tsc % tsc_hz * GUEST_NSEC / tsc_hz;
}

uint64_t guest_wall(void)
{
    return wall_start + guest_monotonic();
}

uint64_t guest_wait(uint64_t deadline)
{
    for (;;) {
        uint64_t ready = 0;
        for (unsigned i = 1; i < manifest.head.entries; i++)
            if (manifest.device[i].type == GUEST_NET_BASIC && bare_virtio_readable(i))
                ready |= 1ULL << i;
        if (ready || guest_monotonic() >= deadline)
            return ready;
        if (ticking)
            __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
        else
            __asm__ volatile("pause");
    }
}

/* --- entry */

static void init_manifest(void)
{
    manifest.head.version = guest_wanted->version;
    manifest.head.entries = guest_wanted->entries;
    if (manifest.head.entries > DEVICES_MAX) {
        guest_print("more than %d devices\n", DEVICES_MAX - 1);
        guest_exit(255);
    }
    memcpy(manifest.device, guest_wanted->device, manifest.head.entries * sizeof manifest.device[0]);
    bare_virtio_attach(&manifest.head);
    guest.manifest = &manifest.head;
}

/* The end of the memory that begins at 1 MiB, below 4 GiB and below the first module, unless that lies right
 * behind the program, as QEMU has it with multiboot: then the heap begins behind it. */
static uint64_t memory_end(void)
{
    const struct bare_range *module = &bare_boot.ramdisk;
    for (size_t i = 0; i < bare_boot.memory_count; i++) {
        const struct bare_range *range = &bare_boot.memory[i];
        uint64_t end = range->start + range->len;
        if (range->type != BARE_RAM || range->start > GUEST_MIB || end <= GUEST_MIB)
            continue;
        if (module->len && module->start > GUEST_MIB && module->start < end / 2)
            guest.heap_start = (module->start + module->len + 4095) & ~4095ULL;
        else if (module->len && module->start > GUEST_MIB && module->start < end)
            end = module->start;
        return end < 0xc0000000 ? end : 0xc0000000;
    }
    return 0;
}

_Noreturn void bare_entry(uint32_t magic, uint64_t info, uint64_t cr3)
{
    init_console();
    guest.target = TARGET;
    bare_boot.cr3 = cr3;
    bare_boot.pic_masks[0] = bare_in8(0x21);
    bare_boot.pic_masks[1] = bare_in8(0xa1);
    const char *wrong = bare_boot_read(magic, info);
    if (wrong) {
        guest_print("boot: %s\n", wrong);
        guest_exit(255);
    }
    init_interrupts();
    init_time();
    guest.cmdline = bare_boot.cmdline;
    guest.mem_size = memory_end();
    init_manifest();
    guest_run(bare_boot.arguments);
}
