/* EFI programs, to be told what they are: nothing here boots them. Constants: Microsoft's "PE Format", COFF
 * file header and optional header. */
#include <elf.h>

#include "bundle/boot/protocols.h"

#define PE_OFFSET     0x3c
#define MACHINE       4
#define OPTIONAL_SIZE 20
#define OPTIONAL      24
#define SUBSYSTEM     (OPTIONAL + 68)

static uint16_t machine_of(uint16_t coff)
{
    switch (coff) {
    case 0x14c:
        return EM_386;
    case 0x8664:
        return EM_X86_64;
    case 0xaa64:
        return EM_AARCH64;
    default:
        return EM_NONE;
    }
}

void bnd_boot_efi(struct bnd_boot *boot, const struct bnd_file *file)
{
    uint64_t pe = bnd_file_u32(file, PE_OFFSET);
    if (boot->kinds || !bnd_file_says(file, 0, "MZ") || !bnd_file_says(file, pe, "PE") ||
        bnd_file_u16(file, pe + 2) != 0 || bnd_file_u16(file, pe + OPTIONAL_SIZE) < 70)
        return;
    uint16_t subsystem = bnd_file_u16(file, pe + SUBSYSTEM);
    if (subsystem < 10 || subsystem > 13) /* application, boot driver, runtime driver, ROM */
        return;
    boot->machine = machine_of(bnd_file_u16(file, pe + MACHINE));
    bnd_boot_note(boot, pe, "PE header, EFI subsystem %u, machine %s", (unsigned)subsystem,
                  bnd_machine_name(boot->machine));
    bnd_boot_refuse(boot,
                    "an EFI program, and there is no EFI firmware here: build it for multiboot, PVH or the "
                    "Linux boot protocol");
}
