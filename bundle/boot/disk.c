/* Disk images: a BIOS boots one whose first sector is a boot sector.
 *
 * Constants: the partition table of a PC's disk at 446, its signature at 510; the UEFI Specification §5 for
 * GPT; ECMA-119 and the El Torito specification for ISO images; the file formats of QEMU, VMware and Hyper-V.
 */
#include <inttypes.h>

#include "bundle/boot/protocols.h"

#define SECTOR     512
#define TABLE      446
#define ENTRY      16
#define SIGNATURE  510
#define GPT_TYPE   0xee
#define ISO_SECTOR 2048

/* Formats that hold a disk in some other way than byte by byte. They can name other files, of the host:
 * nobody but their owner should open them. */
static const struct {
    const char *magic, *name;
} formats[] = {
    {"QFI\xfb", "qcow2"}, {"KDMV", "VMDK"},    {"vhdxfile", "VHDX"},
    {"QED", "QED"},       {"conectix", "VHD"}, {"# Disk DescriptorFile", "VMDK"},
};

static bool wrapped(struct bnd_boot *boot, const struct bnd_file *file)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (!bnd_file_says(file, 0, formats[i].magic))
            continue;
        bnd_boot_note(boot, 0, "%s disk image", formats[i].name);
        bnd_boot_refuse(boot, "a %s disk image: convert it with qemu-img convert -O raw", formats[i].name);
        return true;
    }
    return false;
}

/* Entries in use; -1 for bytes that are no partition table. *ret_type: of the first one. */
static int partitions(const struct bnd_file *file, uint8_t *ret_type)
{
    int used = 0;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *entry = file->data + TABLE + i * ENTRY;
        if (entry[0] != 0 && entry[0] != 0x80)
            return -1;
        /* OSv's loader names one of no sectors when its file system is elsewhere. */
        if (!entry[4] || !bnd_file_u32(file, TABLE + i * ENTRY + 12))
            continue;
        uint64_t first = bnd_file_u32(file, TABLE + i * ENTRY + 8);
        if (first * SECTOR >= file->size)
            return -1;
        if (used++ == 0)
            *ret_type = entry[4];
    }
    return used;
}

/* The beginning of what a BIOS jumps to: a jump over a file system's parameters, or the first instruction of
 * the loaders that there are (cli, cld, xor, jmp far, mov, nop, push). */
static bool is_code(const uint8_t *sector)
{
    static const uint8_t first[] = {0xeb, 0xe9, 0xfa, 0xfc, 0x31, 0x33, 0xea, 0x8c,
                                    0x90, 0xb8, 0x0e, 0x0f, 0x29, 0x2b, 0x66};
    return memchr(first, sector[0], sizeof first) != NULL;
}

static void iso(struct bnd_boot *boot, const struct bnd_file *file, bool boots)
{
    if (!bnd_file_says(file, UINT64_C(16) * ISO_SECTOR + 1, "CD001"))
        return;
    bool torito = bnd_file_says(file, UINT64_C(17) * ISO_SECTOR + 7, "EL TORITO SPECIFICATION");
    bnd_boot_note(boot, UINT64_C(16) * ISO_SECTOR + 1, "ISO 9660 file system%s",
                  torito ? ", El Torito boot record" : "");
    if (!boots)
        bnd_boot_refuse(boot, "%s: make a disk image, or one that is both with isohybrid",
                        torito ? "an ISO image that boots from a CD drive only"
                               : "an ISO image without anything to boot");
}

void bnd_boot_disk(struct bnd_boot *boot, const struct bnd_file *file)
{
    bool boots = false;
    uint8_t type = 0;
    if (file->elf || boot->kinds || wrapped(boot, file))
        return;
    if (file->size >= SECTOR && file->size % SECTOR == 0 && bnd_file_u16(file, SIGNATURE) == 0xAA55) {
        int used = partitions(file, &type);
        bool fat = bnd_file_u16(file, 11) == SECTOR; /* bytes per sector: a disk that is one file system */
        boots = is_code(file->data) && (used >= 0 || fat);
        if (boots && used > 0)
            bnd_boot_note(boot, SIGNATURE, "boot sector, %d partition%s, the first of type 0x%02x", used,
                          used == 1 ? "" : "s", type);
        else if (boots)
            bnd_boot_note(boot, SIGNATURE, "boot sector, no partitions");
        if (boots)
            boot->kinds |= BND_KIND_BIT(BND_DISK);
        if (used > 0 && type == GPT_TYPE && bnd_file_says(file, SECTOR, "EFI PART"))
            bnd_boot_note(boot, SECTOR, "GUID partition table");
        if (used > 0 && !boots)
            bnd_boot_refuse(boot, "a disk without a boot sector%s: install a boot loader for BIOS on it",
                            type == GPT_TYPE ? ", such as EFI firmware boots" : "");
        if (used > 0 && !boots)
            bnd_boot_note(boot, TABLE, "partition table, no boot sector");
    }
    iso(boot, file, boots);
}
