/* runuk-loader: boots an ELF64 guest that has only the Linux 64-bit entry, on any machine where QEMU loads
 * PVH kernels.
 *
 * The order: start.S (32-bit entry, long mode) → main.c (copy what QEMU says, move out of the way, load) →
 * boot.c (what the guest finds) → start.S (enter it). The guest's image is hostile: image.c judges all of it
 * before a byte is moved. */
#ifndef QEMU_LOADER_H
#define QEMU_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format.h"

#define LDR_SEGMENTS_MAX 64
#define LDR_RANGES_MAX   128
#define LDR_CMDLINE_MAX  4096 /* bytes with the NUL; what QEMU's PVH firmware keeps */
#define LDR_LOW_END      0x100000ULL
#define LDR_HIGH_END     0x100000000ULL /* behind what the loader's own tables map */
#define LDR_GUEST_MAPPED 0x40000000ULL  /* behind what the guest's first tables map: 1 GiB */
#define LDR_RAM          1              /* the type of usable memory in hvm_memmap_table_entry and e820 */

/* What went wrong, without a heap or a format: `text`, and the numbers that `count` says, in hexadecimal. */
struct ldr_error {
    const char *text;
    unsigned count;
    uint64_t value[2];
};

/* Bytes [start, start + len) of physical memory. */
struct ldr_range {
    uint64_t start;
    uint64_t len;
    uint32_t type;
};

struct ldr_memory {
    struct ldr_range range[LDR_RANGES_MAX];
    size_t count;
};

/* A part of the image: `filesz` bytes from `offset` on go to `target`, zeroes follow up to `memsz`. */
struct ldr_segment {
    uint64_t offset;
    uint64_t filesz;
    uint64_t target;
    uint64_t memsz;
};

struct ldr_image {
    struct ldr_segment segment[LDR_SEGMENTS_MAX];
    size_t count;
    uint64_t entry;
    uint64_t ramdisk_offset; /* in the file, a multiple of LDR_PAGE */
    uint64_t ramdisk_size;   /* 0: none */
};

/* What QEMU said, copied before anything is overwritten. */
struct ldr_start {
    struct ldr_memory memory;
    uint64_t module; /* the file of format.h */
    uint64_t module_size;
    uint64_t rsdp; /* 0: no ACPI */
    char cmdline[LDR_CMDLINE_MAX];
    size_t cmdline_size; /* with the NUL */
};

/* --- image.c and place.c: pure, and also compiled for the unit test. Both return 0, or -1 with *ret_error
 * set. */

/* Judge the `size` bytes of a file of format.h: image and trailer. Segments are in range of the file, above
 * LDR_LOW_END, apart from each other, and in usable memory; the entry is in one of them and below
 * LDR_GUEST_MAPPED. */
int ldr_image_read(const uint8_t *bytes, uint64_t size, const struct ldr_memory *memory,
                   struct ldr_image *ret_image, struct ldr_error *ret_error);

/* Whether [start, start + len) is usable memory from end to end. */
bool ldr_memory_usable(const struct ldr_memory *memory, uint64_t start, uint64_t len);

/* Where the file of `size` bytes, now at `module`, does not lie in the way of the image's segments: where it
 * is, or the highest page of usable memory below LDR_HIGH_END from which on it fits. */
int ldr_place(const struct ldr_image *image, const struct ldr_memory *memory, uint64_t module, uint64_t size,
              uint64_t *ret_module, struct ldr_error *ret_error);

/* --- boot.c */

/* Write tables, zero page and command line of the guest into low memory, and set up the local APIC. `ramdisk`
 * is its address. */
void ldr_boot_prepare(const struct ldr_start *start, uint64_t ramdisk, uint64_t ramdisk_size);

/* Where the guest finds it: the addresses that Firecracker gives its guests. */
#define LDR_GDT       0x500
#define LDR_ZERO_PAGE 0x7000
#define LDR_STACK     0x8ff0
#define LDR_TABLES    0x9000
#define LDR_CMDLINE   0x20000
#define LDR_OWN       0x40000 /* where the loader moves to */
#define LDR_LOW_USED  0x80000 /* behind all of that */

/* --- console.c */

void ldr_console_init(void);

/* Print the error, end the machine. */
_Noreturn void ldr_fail(const struct ldr_error *error);

/* --- start.S */

/* Go on in `function`, which the stack that begins at `stack` (its end) serves from now on. */
_Noreturn void ldr_go_on(uint64_t stack, uint64_t function);

/* Leave for the guest: its descriptor table, page tables, stack, and RSI. */
_Noreturn void ldr_enter(uint64_t entry);

/* --- memory, as the compiler expects it (console.c) */

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* Memory at an address; compilers know too much about constant ones. */
static inline void *ldr_at(uint64_t address)
{
    __asm__("" : "+r"(address));
    return (void *)address;
}

static inline void ldr_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

#endif
