/* Linux kernel images. Constants: the kernel's Documentation, "The Linux/x86 Boot Protocol", and "Booting
 * AArch64 Linux" and "Boot image header in RISC-V Linux" for what is refused. */
#include <elf.h>
#include <inttypes.h>

#include "bundle/boot/protocols.h"

#define BOOT_FLAG      0x1fe
#define HEADER         0x202
#define VERSION        0x206
#define KERNEL_VERSION 0x20e /* plus 0x200: where the text is */
#define SETUP_SECTS    0x1f1
#define XLOADFLAGS     0x236
#define XLF_KERNEL_64  1
#define PREF_ADDRESS   0x258
#define INIT_SIZE      0x260
#define TEXT_MAX       64

static bool elsewhere(struct bnd_boot *boot, const struct bnd_file *file)
{
    static const struct {
        uint64_t at;
        const char *magic;
        uint16_t machine;
    } images[] = {{56, "ARM\x64", EM_AARCH64}, {56, "RSC\x05", EM_RISCV}};
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
        if (!bnd_file_says(file, images[i].at, images[i].magic))
            continue;
        boot->machine = images[i].machine;
        bnd_boot_note(boot, images[i].at, "Linux kernel image for %s", bnd_machine_name(boot->machine));
        bnd_boot_refuse(boot, "a Linux kernel for %s: build it for x86-64", bnd_machine_name(boot->machine));
        return true;
    }
    return false;
}

void bnd_boot_linux(struct bnd_boot *boot, const struct bnd_file *file)
{
    if (elsewhere(boot, file) || bnd_file_u16(file, BOOT_FLAG) != 0xAA55 ||
        !bnd_file_says(file, HEADER, "HdrS"))
        return;
    unsigned version = bnd_file_u16(file, VERSION), sectors = 4; /* 0 stands for 4 */
    if (file->data[SETUP_SECTS])
        sectors = file->data[SETUP_SECTS];
    bool has64 = version >= 0x20c && (bnd_file_u16(file, XLOADFLAGS) & XLF_KERNEL_64);
    bnd_boot_note(boot, HEADER, "Linux boot protocol %u.%u%s", version >> 8, version & 0xff,
                  has64 ? ", 64-bit entry" : "");
    if (version < 0x200 || !bnd_file_has(file, 0, (sectors + 1) * UINT64_C(512))) {
        bnd_boot_refuse(boot, "a Linux kernel image that is cut off, or of a boot protocol older than 2.00");
        return;
    }
    boot->machine = has64 ? EM_X86_64 : EM_386;
    boot->kinds |= BND_KIND_BIT(BND_LINUX);
    if (version >= 0x20a)
        boot->memory = (uint64_t)bnd_file_u32(file, PREF_ADDRESS) + bnd_file_u32(file, INIT_SIZE);
    uint64_t at = bnd_file_u16(file, KERNEL_VERSION);
    if (at == 0 || at >= sectors * UINT64_C(512) || !bnd_file_has(file, 0x200 + at, TEXT_MAX))
        return;
    const char *text = (const char *)file->data + 0x200 + at;
    bnd_boot_note(boot, 0x200 + at, "kernel version \"%.*s\"", (int)strnlen(text, TEXT_MAX), text);
}
