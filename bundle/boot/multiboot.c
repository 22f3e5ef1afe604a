/* Multiboot headers. Constants: the Multiboot Specification 0.6.96 §3.1 and the Multiboot2 Specification 2.0
 * §3.1. */
#include <elf.h>
#include <inttypes.h>

#include "bundle/boot/protocols.h"

#define MAGIC1    UINT32_C(0x1BADB002)
#define SEARCH1   8192                /* the header lies in the first 8192 bytes, on a boundary of 4 */
#define HEADER1   48                  /* bytes, all fields */
#define ADDRS     (UINT32_C(1) << 16) /* the address fields are valid: no ELF header is needed */
#define MAGIC2    UINT32_C(0xE85250D6)
#define SEARCH2   32768 /* the header lies in the first 32768 bytes, on a boundary of 8 */
#define HEADER2   16
#define ARCH_I386 0

/* Where the header is, or -1. QEMU takes no header that is cut off, and the first one alone. */
static int64_t find1(const struct bnd_file *file)
{
    uint64_t end = file->size < SEARCH1 ? file->size : SEARCH1;
    for (uint64_t at = 0; at + HEADER1 <= end; at += 4)
        if (bnd_file_u32(file, at) == MAGIC1 &&
            (uint32_t)(MAGIC1 + bnd_file_u32(file, at + 4) + bnd_file_u32(file, at + 8)) == 0)
            return (int64_t)at;
    return -1;
}

/* Do the address fields of the header at `at` describe bytes that are there? *ret_end: where it ends in
 * memory. */
static bool addresses_fit(const struct bnd_file *file, uint64_t at, uint64_t *ret_end)
{
    uint32_t header = bnd_file_u32(file, at + 12), load = bnd_file_u32(file, at + 16);
    uint32_t load_end = bnd_file_u32(file, at + 20), bss_end = bnd_file_u32(file, at + 24);
    uint32_t entry = bnd_file_u32(file, at + 28);
    if (header < load || header - load > at || (load_end && load_end < load))
        return false;
    uint64_t offset = at - (header - load);
    uint64_t len = load_end ? (uint64_t)load_end - load : file->size - offset;
    if (!bnd_file_has(file, offset, len) || load + len > UINT32_MAX)
        return false;
    *ret_end = bss_end ? bss_end : load + len;
    return (!bss_end || bss_end >= load + len) && entry >= load && entry < load + len;
}

static void multiboot1(struct bnd_boot *boot, const struct bnd_file *file, uint64_t at)
{
    uint32_t flags = bnd_file_u32(file, at + 4);
    const char *how = NULL;
    uint64_t end = 0;
    if (flags & ADDRS)
        how = addresses_fit(file, at, &end) ? "address fields" : NULL;
    else if (file->elf && file->elf->machine == EM_386) /* QEMU looks at the machine, not at the class */
        how = file->elf->is64 ? "ELF64 for a 32-bit machine" : "ELF32";
    if (how) {
        bnd_boot_note(boot, at, "multiboot header, flags 0x%" PRIx32 ", loaded by its %s", flags, how);
        boot->kinds |= BND_KIND_BIT(BND_MULTIBOOT);
        if (end)
            boot->memory = end;
        return;
    }
    bnd_boot_note(boot, at, "multiboot header, flags 0x%" PRIx32 ", which says nothing of where to load",
                  flags);
    if (flags & ADDRS)
        bnd_boot_refuse(boot, "a multiboot kernel whose address fields lie outside of its file");
    else
        bnd_boot_refuse(boot,
                        "a multiboot kernel that is not a 32-bit ELF file and has no address fields: rewrite "
                        "it with objcopy -O elf32-i386, or link it with flag 16 set in its header");
}

void bnd_boot_multiboot(struct bnd_boot *boot, const struct bnd_file *file)
{
    int64_t at = find1(file);
    if (at >= 0)
        multiboot1(boot, file, (uint64_t)at);
    uint64_t end = file->size < SEARCH2 ? file->size : SEARCH2;
    for (uint64_t i = 0; i + HEADER2 <= end; i += 8) {
        if (bnd_file_u32(file, i) != MAGIC2)
            continue;
        uint32_t arch = bnd_file_u32(file, i + 4), len = bnd_file_u32(file, i + 8);
        if ((uint32_t)(MAGIC2 + arch + len + bnd_file_u32(file, i + 12)) != 0 || arch != ARCH_I386)
            continue;
        bnd_boot_note(boot, i, "multiboot2 header, %" PRIu32 " bytes", len);
        boot->kinds |= BND_KIND_BIT(BND_MULTIBOOT2);
        return;
    }
}
