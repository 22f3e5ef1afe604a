/* What a file is by its bytes: an ordinary program, or what boot protocols it speaks. */
#include <elf.h>
#include <inttypes.h>

#include "bundle/boot/protocols.h"

#define TEXT_MAX     64
#define ABI_TAG      1                     /* note "GNU": the operating system */
#define OS_LAST      3                     /* Linux, Hurd, Solaris, FreeBSD; others have other numbers */
#define GO_BUILD_ID  4                     /* note "Go" */
#define SOLO5_INTERP "/nonexistent/solo5/" /* so that no operating system runs it */

static const char *printable_type(uint16_t type)
{
    return type == ET_REL ? "an object file" : type == ET_CORE ? "a core file" : "no executable";
}

/* An ELF file that an operating system runs, or nobody: the signs lie in the first pages. */
static bool is_ordinary_elf(struct bnd_boot *boot, const struct bnd_file *file)
{
    const struct bnd_elf *elf = file->elf;
    struct bnd_segment p;
    struct bnd_span desc;
    if (elf->type != ET_EXEC && elf->type != ET_DYN) {
        bnd_boot_note(boot, 16, "%s: ELF type %u", printable_type(elf->type), (unsigned)elf->type);
        return true;
    }
    for (size_t i = 0; bnd_elf_segment(elf, i, &p); i++) {
        if (p.type != PT_INTERP)
            continue;
        uint64_t len = bnd_file_has(file, p.offset, p.filesz) ? p.filesz : 0;
        const char *name = len ? (const char *)file->data + p.offset : "";
        if (bnd_file_says(file, p.offset, SOLO5_INTERP))
            continue;
        bnd_boot_note(boot, len ? p.offset : elf->phoff, "a program for the interpreter %.*s",
                      (int)strnlen(name, len > TEXT_MAX ? TEXT_MAX : len), name);
        return true;
    }
    if (bnd_elf_note(elf, "GNU", ABI_TAG, &desc) && desc.size >= 4 &&
        bnd_file_u32(file, desc.offset) <= OS_LAST) {
        bnd_boot_note(boot, desc.offset, "note GNU type 1, a program for operating system %" PRIu32,
                      bnd_file_u32(file, desc.offset));
        return true;
    }
    return false;
}

/* What says a little less: it counts when no boot protocol does. */
static bool has_program_sign(struct bnd_boot *boot, const struct bnd_file *file)
{
    struct bnd_span desc;
    if (bnd_elf_note(file->elf, "Go", GO_BUILD_ID, &desc)) {
        bnd_boot_note(boot, desc.offset, "note Go type 4, a program of Go's");
        return true;
    }
    return false;
}

/* Where the last segment ends in guest memory. */
static uint64_t end_of_segments(const struct bnd_elf *elf)
{
    struct bnd_segment p;
    uint64_t end = 0;
    for (size_t i = 0; bnd_elf_segment(elf, i, &p); i++)
        if (p.type == PT_LOAD && p.memsz > 0 && p.paddr + p.memsz >= p.paddr && p.paddr + p.memsz > end)
            end = p.paddr + p.memsz;
    return end;
}

void bnd_boot_read(struct bnd_boot *ret_boot, const uint8_t *data, uint64_t size, const struct bnd_elf *elf)
{
    struct bnd_boot boot = {.machine = elf ? elf->machine : EM_NONE};
    const struct bnd_file file = {.data = data, .size = size, .elf = elf};
    if (elf)
        boot.memory = end_of_segments(elf);
    if (bnd_file_says(&file, 0, "#!")) {
        bnd_boot_note(&boot, 0, "a script");
        boot.ordinary = true;
    } else if (elf && is_ordinary_elf(&boot, &file)) {
        boot.ordinary = true;
    } else if (!elf && bnd_file_says(&file, 0, ELFMAG)) {
        bnd_boot_note(&boot, 0, "an ELF file that is damaged, or not little-endian");
        boot.ordinary = true;
    } else {
        bnd_boot_multiboot(&boot, &file);
        bnd_boot_xen(&boot, &file);
        if (!elf)
            bnd_boot_linux(&boot, &file);
        bnd_boot_efi(&boot, &file);
        bnd_boot_disk(&boot, &file);
        if (elf && !bnd_boot_recognised(&boot))
            boot.ordinary = has_program_sign(&boot, &file);
    }
    *ret_boot = boot;
}
