/* Xen's ELF notes. Constants: Xen's public header elfnote.h. */
#include <elf.h>
#include <inttypes.h>

#include "bundle/boot/protocols.h"

#define XEN_ENTRY        1
#define XEN_VERSION      5
#define XEN_GUEST_OS     6
#define XEN_LOADER       8
#define XEN_PHYS32_ENTRY 18

/* QEMU reads program headers only. */
static bool in_segment(const struct bnd_elf *elf, const struct bnd_span *span)
{
    struct bnd_segment p;
    for (size_t i = 0; bnd_elf_segment(elf, i, &p); i++)
        if (p.type == PT_NOTE && span->offset >= p.offset && span->offset - p.offset < p.filesz)
            return true;
    return false;
}

static void pvh(struct bnd_boot *boot, const struct bnd_file *file, const struct bnd_span *desc)
{
    uint64_t entry = bnd_file_u32(file, desc->offset);
    if (desc->size == 8)
        entry |= (uint64_t)bnd_file_u32(file, desc->offset + 4) << 32;
    if (desc->size != 4 && desc->size != 8) {
        bnd_boot_note(boot, desc->offset, "note Xen type 18, PHYS32_ENTRY of %" PRIu64 " bytes", desc->size);
        bnd_boot_refuse(boot, "a PVH kernel whose entry address is of %" PRIu64 " bytes, expected 4 or 8",
                        desc->size);
        return;
    }
    bnd_boot_note(boot, desc->offset, "note Xen type 18, PHYS32_ENTRY 0x%" PRIx64, entry);
    if (entry == 0)
        bnd_boot_refuse(boot,
                        "a PVH kernel with the entry address 0, which only Xen boots: link it elsewhere");
    else if (entry > UINT32_MAX)
        bnd_boot_refuse(boot, "a PVH kernel whose entry address is not of 32 bits");
    else if (!in_segment(file->elf, desc))
        bnd_boot_refuse(boot, "a PVH kernel whose note is in no PT_NOTE segment: link it with one");
    else if (boot->obstacle[0] || (boot->kinds & BND_KIND_BIT(BND_MULTIBOOT)))
        bnd_boot_note(boot, desc->offset, "not booted by PVH: QEMU takes the multiboot header first");
    else
        boot->kinds |= BND_KIND_BIT(BND_PVH);
}

void bnd_boot_xen(struct bnd_boot *boot, const struct bnd_file *file)
{
    static const uint32_t types[] = {XEN_GUEST_OS, XEN_VERSION, XEN_LOADER, XEN_ENTRY};
    struct bnd_span desc;
    if (!file->elf)
        return;
    if (bnd_elf_note(file->elf, "Xen", XEN_PHYS32_ENTRY, &desc))
        pvh(boot, file, &desc);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!bnd_elf_note(file->elf, "Xen", types[i], &desc))
            continue;
        if (types[i] == XEN_GUEST_OS)
            bnd_boot_note(
                boot, desc.offset, "note Xen type 6, GUEST_OS \"%.*s\"",
                (int)strnlen((const char *)file->data + desc.offset, desc.size > 32 ? 32 : desc.size),
                (const char *)file->data + desc.offset);
        else
            bnd_boot_note(boot, desc.offset, "note Xen type %" PRIu32, types[i]);
        boot->kinds |= BND_KIND_BIT(BND_XEN);
        return;
    }
    struct bnd_span section;
    if (bnd_elf_section(file->elf, "__xen_guest", &section)) {
        bnd_boot_note(boot, section.offset, "section __xen_guest");
        boot->kinds |= BND_KIND_BIT(BND_XEN);
    }
}
