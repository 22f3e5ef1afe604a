/* What files are by their bytes: a table of synthetic ones. */
#include "bundle/boot.h"

#include <stdio.h>
#include <string.h>

#include "bundle/elf.h"
#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/boot_build.h"
#include "tests/unit/seeds.h"
#include "tests/unit/tap.h"

#define KIND(kind) BND_KIND_BIT(BND_##kind)

static const struct {
    const char *name;
    void (*build)(void);
    unsigned kinds;
    uint16_t machine;
    const char *obstacle; /* is part of it; NULL: there is none */
    const char *evidence; /* is part of one; NULL: there is none */
    uint64_t offset;      /* of that one */
    bool ordinary;
} cases[] = {
    {"multiboot in an ELF32", multiboot_elf32, KIND(MULTIBOOT), EM_386, NULL, "multiboot header, flags 0x3",
     0x100, 0},
    {"multiboot in an ELF64", multiboot_elf64, 0, EM_X86_64, "rewrite it with objcopy", "where to load",
     0x100, 0},
    {"multiboot by address fields in an ELF64", kludge_elf64, KIND(MULTIBOOT), EM_X86_64, NULL,
     "address fields", 0x100, 0},
    {"multiboot by address fields, no ELF", kludge_flat, KIND(MULTIBOOT), EM_NONE, NULL, "address fields",
     0x100, 0},
    {"address fields: header below load address", kludge_header_below, 0, 0, "lie outside", "multiboot",
     0x100, 0},
    {"address fields: before the file", kludge_before_file, 0, 0, "lie outside", "multiboot", 0x100, 0},
    {"address fields: beyond the file", kludge_beyond_file, 0, 0, "lie outside", "multiboot", 0x100, 0},
    {"address fields: end before begin", kludge_ends_before, 0, 0, "lie outside", "multiboot", 0x100, 0},
    {"address fields: bss in the text", kludge_bss_before, 0, 0, "lie outside", "multiboot", 0x100, 0},
    {"address fields: entry outside", kludge_entry_outside, 0, 0, "lie outside", "multiboot", 0x100, 0},
    {"address fields: beyond 4 GiB", kludge_at_the_top, 0, 0, "lie outside", "multiboot", 0x100, 0},
    {"multiboot with a wrong sum", multiboot_sum, 0, EM_386, NULL, NULL, 0, 0},
    {"multiboot that is not aligned", multiboot_unaligned, 0, EM_386, NULL, NULL, 0, 0},
    {"multiboot at the last place", multiboot_last, KIND(MULTIBOOT), EM_386, NULL, "multiboot", 8192 - 48, 0},
    {"multiboot behind the last place", multiboot_late, 0, EM_386, NULL, NULL, 0, 0},
    {"multiboot that is cut off", multiboot_cut, 0, 0, NULL, NULL, 0, 0},
    {"multiboot2 at the last place", multiboot2, KIND(MULTIBOOT2), EM_X86_64, NULL,
     "multiboot2 header, 16 bytes", 32752, 0},
    {"multiboot2 of another machine", multiboot2_mips, 0, EM_MIPS, NULL, NULL, 0, 0},
    {"PVH, 4 bytes", pvh4, KIND(PVH), EM_X86_64, NULL, "PHYS32_ENTRY 0x4010c4", 0x1050, 0},
    {"PVH, 8 bytes", pvh8, KIND(PVH), EM_X86_64, NULL, "PHYS32_ENTRY 0x1000850", 0x1050, 0},
    {"PVH in an ELF32", pvh_elf32, KIND(PVH), EM_386, NULL, "PHYS32_ENTRY 0x100000", 0x1050, 0},
    {"PVH with entry 0", pvh_zero, 0, EM_386, "entry address 0", "PHYS32_ENTRY 0x0", 0x1050, 0},
    {"PVH with entry beyond 4 GiB", pvh_far, 0, EM_X86_64, "not of 32 bits", "0x100000000", 0x1050, 0},
    {"PVH with an odd size", pvh_short, 0, EM_X86_64, "of 2 bytes, expected 4 or 8", "2 bytes", 0x1050, 0},
    {"PVH in a section alone", pvh_section_only, 0, EM_X86_64, "no PT_NOTE segment", "PHYS32_ENTRY", 0x1050,
     0},
    {"PVH behind a multiboot header that stops QEMU", pvh_behind_multiboot, 0, EM_X86_64, "objcopy",
     "not booted by PVH", 0x1050, 0},
    {"PVH behind a multiboot header that boots", pvh_and_multiboot, KIND(MULTIBOOT), EM_386, NULL,
     "not booted by PVH", 0x1050, 0},
    {"PVH and Xen", pvh_and_pv, KIND(PVH) | KIND(XEN), EM_X86_64, NULL, "GUEST_OS \"linux\"", 0x1064, 0},
    {"Xen, in a section alone", xen_pv, KIND(XEN), EM_X86_64, NULL, "GUEST_OS \"Mini-OS?[31m\"", 0x1050, 0},
    {"Xen, the old section", xen_old, KIND(XEN), EM_X86_64, NULL, "section __xen_guest", 64, 0},
    {"bzImage", bzimage, KIND(LINUX), EM_X86_64, NULL, "Linux boot protocol 2.15, 64-bit entry", 0x202, 0},
    {"bzImage: the version", bzimage, KIND(LINUX), EM_X86_64, NULL, "\"6.1.0-test (a@b) #1\"", 0x500, 0},
    {"bzImage without 64-bit entry", bzimage32, KIND(LINUX), EM_386, NULL, "Linux boot protocol 2.7", 0x202,
     0},
    {"bzImage that is an EFI program too", bzimage_efi, KIND(LINUX), EM_X86_64, NULL, "Linux boot", 0x202, 0},
    {"bzImage that is cut off", bzimage_cut, 0, 0, "cut off", "Linux boot protocol", 0x202, 0},
    {"bzImage with its version outside", bzimage_text_outside, KIND(LINUX), EM_X86_64, NULL, "Linux boot",
     0x202, 0},
    {"Linux for ARM", arm_image, 0, EM_AARCH64, "a Linux kernel for aarch64: build it for x86-64", "aarch64",
     56, 0},
    {"Linux for RISC-V", riscv_image, 0, EM_RISCV, "a Linux kernel for risc-v", "risc-v", 56, 0},
    {"an EFI program", efi, 0, EM_X86_64, "an EFI program", "EFI subsystem 10, machine x86-64", 0x80, 0},
    {"a Windows program", windows, 0, 0, NULL, NULL, 0, 0},
    {"a PE header outside", pe_outside, 0, 0, NULL, NULL, 0, 0},
    {"a disk", disk, KIND(DISK), 0, NULL, "boot sector, 1 partition, the first of type 0x83", 510, 0},
    {"a disk without partitions", disk_without_table, KIND(DISK), 0, NULL, "no partitions", 510, 0},
    {"a disk that is one file system", disk_fat, KIND(DISK), 0, NULL, "no partitions", 510, 0},
    {"a disk without boot code", disk_without_code, 0, 0, "a disk without a boot sector: install",
     "partition table", 446, 0},
    {"a disk for EFI", disk_gpt, 0, 0, "such as EFI firmware boots", "GUID partition table", 512, 0},
    {"a disk whose partition lies outside", disk_partition_outside, 0, 0, NULL, NULL, 0, 0},
    {"a disk of half a sector", disk_odd_size, 0, 0, NULL, NULL, 0, 0},
    {"a disk without its signature", disk_no_signature, 0, 0, NULL, NULL, 0, 0},
    {"an ISO image", iso, 0, 0, "without anything to boot", "ISO 9660", 0x8001, 0},
    {"an ISO image that boots", iso_torito, 0, 0, "from a CD drive only", "El Torito", 0x8001, 0},
    {"an ISO image that is a disk too", iso_hybrid, KIND(DISK), 0, NULL, "El Torito", 0x8001, 0},
    {"a qcow2 image", qcow2, 0, 0, "qemu-img convert -O raw", "qcow2", 0, 0},
    {"a program with an interpreter, whatever its notes", interpreted, 0, EM_X86_64, NULL,
     "interpreter /lib64/ld-linux", 64, 1},
    {"an interpreter outside", interpreter_outside, 0, EM_X86_64, NULL, "interpreter ", 80, 1},
    {"Solo5's interpreter", solo5_interpreter, 0, EM_X86_64, NULL, NULL, 0, 0},
    {"a static program of Linux, whatever its headers", abi_tag_linux, 0, EM_X86_64, NULL,
     "operating system 0", 0x1050, 1},
    {"Hermit is no system that runs here", abi_tag_hermit, 0, EM_X86_64, NULL, NULL, 0, 0},
    {"a program of Go's", go_program, 0, EM_X86_64, NULL, "a program of Go's", 0x1050, 1},
    {"a kernel of Go's", go_kernel, KIND(PVH), EM_X86_64, NULL, "PHYS32_ENTRY", 0x1064, 0},
    {"a static program without any sign", static_program, 0, EM_X86_64, NULL, NULL, 0, 0},
    {"an object file, whatever its notes", object_file, 0, EM_X86_64, NULL, "an object file", 16, 1},
    {"a core file", core_file, 0, EM_X86_64, NULL, "a core file", 16, 1},
    {"big-endian", big_endian, 0, 0, NULL, "not little-endian", 0, 1},
    {"a script, whatever follows", script, 0, 0, NULL, "a script", 0, 1},
    {"text", text, 0, 0, NULL, NULL, 0, 0},
    {"nothing", empty, 0, 0, NULL, NULL, 0, 0},
    {"another machine's kernel", arm_kernel, 0, EM_AARCH64, NULL, NULL, 0, 0},
};

static bool has_evidence(const struct bnd_boot *boot, const char *what, uint64_t offset)
{
    for (size_t i = 0; i < boot->evidence_count; i++)
        if (strstr(boot->evidence[i].what, what) && boot->evidence[i].offset == offset)
            return true;
    return false;
}

static void run_case(size_t i)
{
    struct bnd_boot boot;
    struct bnd_elf elf;
    bool is_elf = bnd_elf_open(&elf, eb.data, eb.size);
    bnd_boot_read(&boot, eb.data, eb.size, is_elf ? &elf : NULL);
    bool good = boot.kinds == cases[i].kinds && boot.machine == cases[i].machine &&
                boot.ordinary == cases[i].ordinary;
    good = good && (cases[i].obstacle ? strstr(boot.obstacle, cases[i].obstacle) != NULL : !boot.obstacle[0]);
    good = good && (cases[i].evidence ? has_evidence(&boot, cases[i].evidence, cases[i].offset)
                                      : boot.evidence_count == 0);
    if (tap_ok(good, "%s", cases[i].name))
        return;
    printf("# kinds 0x%x, machine %u, ordinary %d, \"%s\"\n", boot.kinds, boot.machine, boot.ordinary,
           boot.obstacle);
    for (size_t e = 0; e < boot.evidence_count; e++)
        printf("# 0x%llx %s\n", (unsigned long long)boot.evidence[e].offset, boot.evidence[e].what);
}

static uint64_t memory_of(void (*build)(void))
{
    struct bnd_boot boot;
    struct bnd_elf elf;
    build();
    bool is_elf = bnd_elf_open(&elf, eb.data, eb.size);
    bnd_boot_read(&boot, eb.data, eb.size, is_elf ? &elf : NULL);
    return boot.memory;
}

static void test_memory(void)
{
    tap_ok(memory_of(pvh4) == 0x103000, "memory: an ELF file's segments");
    tap_ok(memory_of(kludge_elf64) == 0x180000, "memory: a multiboot header's address fields");
    tap_ok(memory_of(kludge_flat) == 0x102000, "memory: the same without bss");
    tap_ok(memory_of(bzimage) == 0x1200000, "memory: a Linux kernel says it");
    tap_ok(memory_of(disk) == 0, "memory: a disk does not");
}

static void test_names(void)
{
    bool good = true;
    for (int k = 0; k < BND_KIND_COUNT; k++)
        good = good && strcmp(bnd_kind_name((enum bnd_kind)k), "unknown") != 0;
    tap_ok(good && strcmp(bnd_kind_name(BND_KIND_COUNT), "unknown") == 0, "names: every kind has one");
    tap_ok(strcmp(bnd_machine_name(EM_X86_64), "x86-64") == 0 &&
               strcmp(bnd_machine_name(0xffff), "unknown") == 0,
           "names: machines");
}

/* More evidence than there is room for, and longer; reasons: the first stays. */
static void test_bounds(void)
{
    static struct bnd_boot boot;
    char longer[512];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    for (size_t i = 0; i < BND_EVIDENCE_MAX + 5; i++)
        bnd_boot_note(&boot, i, "%s", longer);
    tap_ok(boot.evidence_count == BND_EVIDENCE_MAX &&
               strlen(boot.evidence[0].what) == sizeof boot.evidence[0].what - 1,
           "bounds: evidence");
    bnd_boot_refuse(&boot, "first\n");
    bnd_boot_refuse(&boot, "%s", longer);
    tap_ok(strcmp(boot.obstacle, "first?") == 0, "bounds: the first reason stays, and is one line");
}

int main(int argc, char **argv)
{
    const char *seeds = seeds_directory(argc, argv);
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        cases[i].build();
        if (seeds) {
            seeds_write(seeds, i, eb.data, eb.size);
            continue;
        }
        LLVMFuzzerTestOneInput(eb.data, eb.size);
        run_case(i);
    }
    if (seeds)
        return 0;
    test_memory();
    test_names();
    test_bounds();
    return tap_end();
}
