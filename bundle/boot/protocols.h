/* The boot protocols, one file each: every function adds what it sees in a file to its bnd_boot. */
#ifndef BND_BOOT_PROTOCOLS_H
#define BND_BOOT_PROTOCOLS_H

#include <string.h>

#include "bundle/boot.h"
#include "bundle/elf.h"

/* A file that is read. Little-endian fields of it: 0 when they lie outside. */
struct bnd_file {
    const uint8_t *data;
    uint64_t size;             /* bytes */
    const struct bnd_elf *elf; /* NULL: no ELF file */
};

static inline bool bnd_file_has(const struct bnd_file *file, uint64_t at, uint64_t len)
{
    return at <= file->size && len <= file->size - at;
}

static inline uint16_t bnd_file_u16(const struct bnd_file *file, uint64_t at)
{
    uint16_t v = 0;
    if (bnd_file_has(file, at, sizeof v))
        memcpy(&v, file->data + at, sizeof v);
    return v;
}

static inline uint32_t bnd_file_u32(const struct bnd_file *file, uint64_t at)
{
    uint32_t v = 0;
    if (bnd_file_has(file, at, sizeof v))
        memcpy(&v, file->data + at, sizeof v);
    return v;
}

/* Whether the text (without its NUL) stands at `at`. */
static inline bool bnd_file_says(const struct bnd_file *file, uint64_t at, const char *text)
{
    return bnd_file_has(file, at, strlen(text)) && memcmp(file->data + at, text, strlen(text)) == 0;
}

/* Multiboot 1 and 2. */
void bnd_boot_multiboot(struct bnd_boot *boot, const struct bnd_file *file);

/* Xen's notes: PVH and paravirtualisation. After multiboot, which can stand in their way. */
void bnd_boot_xen(struct bnd_boot *boot, const struct bnd_file *file);

/* The Linux boot protocol of x86, and images of Linux for other machines. */
void bnd_boot_linux(struct bnd_boot *boot, const struct bnd_file *file);

/* EFI programs. After Linux, whose images can be such programs, too. */
void bnd_boot_efi(struct bnd_boot *boot, const struct bnd_file *file);

/* Disks that a BIOS boots, and images of disks that it does not. */
void bnd_boot_disk(struct bnd_boot *boot, const struct bnd_file *file);

#endif
