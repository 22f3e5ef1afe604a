/* What a guest of a bare machine (QEMU's pc, q35 and microvm) has besides guest.h: how it was booted, and the
 * ways in which a machine can end. */
#ifndef GUEST_BARE_H
#define GUEST_BARE_H

#include "guest.h"

#define BARE_RANGES_MAX 64
#define BARE_RAM        1 /* the type of usable memory, the same in every boot protocol */

/* Bytes [start, start + len) of physical memory. */
struct bare_range {
    uint64_t start;
    uint64_t len;
    uint32_t type;
};

/* What the boot protocol said. */
struct bare_boot {
    const char *cmdline;
    const char *arguments; /* what of it was meant for the guest: with multiboot a path stands in front */
    struct bare_range memory[BARE_RANGES_MAX];
    size_t memory_count;
    struct bare_range ramdisk; /* the first module; len 0: none */
    uint64_t cr3;              /* as the guest was entered; 0 without paging */
    uint8_t pic_masks[2];      /* as the guest was entered */
};
extern struct bare_boot bare_boot;

/* --- bare_boot.c: reads what is left at `info` by who entered with `magic` in EAX; NULL, or what is wrong.
 */
const char *bare_boot_read(uint32_t magic, uint64_t info);

/* --- bind_bare.c: ways to end; each returns only when the machine lacks it. */

/* QEMU's isa-debug-exit device: QEMU ends with status * 2 + 1. */
void bare_debug_exit(int status);
/* ACPI's S5. */
void bare_power_off(void);
_Noreturn void bare_triple_fault(void);
/* Wait for interrupts for ever, with interrupts enabled. */
_Noreturn void bare_halt(void);
/* Whether the power button was pressed since the last call. */
bool bare_power_button(void);

/* --- bare_virtio.c */

/* Find the machine's virtio devices and attach them to those of `manifest`, in order, by type. */
void bare_virtio_attach(struct guest_manifest *manifest);
/* Whether the device has something to read. */
bool bare_virtio_readable(unsigned handle);

/* One request to a directory that is shared by 9p, and the answer to it: its length, 0 for none. Both lie in
 * one piece of memory. */
size_t bare_9p_ask(unsigned handle, const void *request, size_t len, void *answer, size_t size);

/* --- ports and registers */

static inline void bare_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void bare_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void bare_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t bare_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %w1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t bare_in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %w1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t bare_in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/* A 32-bit register of a device, or a word of memory that somebody else wrote. */
static inline volatile uint32_t *bare_reg32(uint64_t address)
{
    __asm__("" : "+r"(address));
    return (volatile uint32_t *)address;
}

/* Whether there is a PCI host bridge: pc and q35 have one, microvm has none. */
static inline bool bare_has_pci(void)
{
    bare_out32(0xcf8, 0x80000000);
    return bare_in32(0xcfc) != 0xffffffff;
}

#endif
