/* Writes what a guest finds when it is entered by Linux' 64-bit boot protocol: page tables, zero page,
 * command line, local APIC.
 *
 * Sources: Linux' Documentation/arch/x86/boot.rst and zero-page.rst; the addresses and the state of the local
 * APIC are those that Firecracker gives, on which guests made for it rely. */
#include "loader.h"

#define ZERO_RSDP         0x070
#define ZERO_E820_COUNT   0x1e8
#define ZERO_BOOT_FLAG    0x1fe
#define ZERO_HEADER       0x202
#define ZERO_VERSION      0x206
#define ZERO_LOADER       0x210
#define ZERO_LOADFLAGS    0x211
#define ZERO_RAMDISK      0x218
#define ZERO_RAMDISK_SIZE 0x21c
#define ZERO_CMDLINE      0x228
#define ZERO_ALIGNMENT    0x230
#define ZERO_CMDLINE_SIZE 0x238
#define ZERO_E820         0x2d0
#define E820_LEN          20
#define E820_MAX          128

#define PORT_PIC1_MASK 0x21
#define PORT_PIC2_MASK 0xa1
#define PIC1_CASCADE   0x04

#define LAPIC_SPURIOUS 0xfee000f0
#define LAPIC_LINT0    0xfee00350
#define LAPIC_LINT1    0xfee00360
#define LAPIC_ENABLED  0x100
#define LAPIC_EXTINT   0x700
#define LAPIC_NMI      0x400

static void put(uint64_t offset, uint64_t value, size_t size)
{
    memcpy(ldr_at(LDR_ZERO_PAGE + offset), &value, size);
}

/* The first 1 GiB one to one, in pages of 2 MiB, and no more: a guest takes an entry that is there for its
 * own. */
static void write_tables(void)
{
    uint64_t *tables = ldr_at(LDR_TABLES);
    memset(tables, 0, 3 * (size_t)LDR_PAGE);
    tables[0] = (LDR_TABLES + LDR_PAGE) | 3;
    tables[512] = (LDR_TABLES + 2 * LDR_PAGE) | 3;
    for (uint64_t i = 0; i < 512; i++)
        tables[1024 + i] = i << 21 | 0x83;
}

static void write_memory_map(const struct ldr_memory *memory)
{
    size_t count = 0;
    for (size_t i = 0; i < memory->count && count < E820_MAX; i++) {
        uint64_t at = ZERO_E820 + E820_LEN * count++;
        put(at, memory->range[i].start, 8);
        put(at + 8, memory->range[i].len, 8);
        put(at + 16, memory->range[i].type, 4);
    }
    put(ZERO_E820_COUNT, count, 1);
}

void ldr_boot_prepare(const struct ldr_start *start, uint64_t ramdisk, uint64_t ramdisk_size)
{
    write_tables();
    memcpy(ldr_at(LDR_CMDLINE), start->cmdline, start->cmdline_size);

    memset(ldr_at(LDR_ZERO_PAGE), 0, LDR_PAGE);
    put(ZERO_RSDP, start->rsdp, 8);
    put(ZERO_BOOT_FLAG, 0xaa55, 2);
    put(ZERO_HEADER, 0x53726448, 4); /* "HdrS" */
    put(ZERO_VERSION, 0x20f, 2);
    put(ZERO_LOADER, 0xff, 1); /* none that has a number */
    put(ZERO_LOADFLAGS, 1, 1); /* loaded high */
    put(ZERO_ALIGNMENT, 0x1000000, 4);
    put(ZERO_CMDLINE, LDR_CMDLINE, 4);
    put(ZERO_CMDLINE_SIZE, start->cmdline_size, 4);
    if (ramdisk_size) {
        put(ZERO_RAMDISK, ramdisk, 4);
        put(ZERO_RAMDISK_SIZE, ramdisk_size, 4);
    }
    write_memory_map(&start->memory);

    /* What firmware left to tick stays silent until the guest opens it: an interrupt that waits while a guest
     * closes LINT0 is delivered as vector -1 by QEMU's emulated processor. The cascade is open, since there
     * are guests that keep the masks that they find and open single lines of the second controller. */
    ldr_out8(PORT_PIC1_MASK, 0xff & ~PIC1_CASCADE);
    ldr_out8(PORT_PIC2_MASK, 0xff);
    volatile uint32_t *spurious = ldr_at(LAPIC_SPURIOUS);
    *spurious |= LAPIC_ENABLED;
    *(volatile uint32_t *)ldr_at(LAPIC_LINT0) = LAPIC_EXTINT;
    *(volatile uint32_t *)ldr_at(LAPIC_LINT1) = LAPIC_NMI;
}
