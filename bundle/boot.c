/* Names of image kinds and machines, and the list of what was seen. */
#include "bundle/boot.h"

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>

const char *bnd_kind_name(enum bnd_kind kind)
{
    static const char *const names[BND_KIND_COUNT] = {
        [BND_HVT] = "hvt",
        [BND_SPT] = "spt",
        [BND_MULTIBOOT] = "multiboot",
        [BND_MULTIBOOT2] = "multiboot2",
        [BND_PVH] = "pvh",
        [BND_LINUX] = "linux",
        [BND_LINUX64] = "linux64",
        [BND_DISK] = "disk",
        [BND_XEN] = "xen",
    };
    return (unsigned)kind < BND_KIND_COUNT ? names[kind] : "unknown";
}

const char *bnd_machine_name(uint16_t machine)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } names[] = {
        {EM_386, "x86"},      {EM_X86_64, "x86-64"}, {EM_ARM, "arm"},       {EM_AARCH64, "aarch64"},
        {EM_RISCV, "risc-v"}, {EM_PPC, "ppc"},       {EM_PPC64, "ppc64"},   {EM_S390, "s390"},
        {EM_MIPS, "mips"},    {EM_SPARCV9, "sparc"}, {EM_IA_64, "itanium"}, {EM_LOONGARCH, "loongarch"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].machine == machine)
            return names[i].name;
    return "unknown";
}

/* Texts of the file go into messages: nothing may come with them that a terminal or a log would act on. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

void bnd_boot_note(struct bnd_boot *boot, uint64_t offset, const char *fmt, ...)
{
    if (boot->evidence_count == BND_EVIDENCE_MAX)
        return;
    struct bnd_evidence *e = &boot->evidence[boot->evidence_count++];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->what, sizeof e->what, fmt, ap);
    va_end(ap);
    make_printable(e->what);
    e->offset = offset;
}

void bnd_boot_refuse(struct bnd_boot *boot, const char *fmt, ...)
{
    if (boot->obstacle[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(boot->obstacle, sizeof boot->obstacle, fmt, ap);
    va_end(ap);
    make_printable(boot->obstacle);
}
