/* What files are by their bytes: a table of synthetic ones, each as small as its kind can be. */
#include "bundle/boot.h"

#include <stdio.h>
#include <string.h>

#include "bundle/elf.h"
#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/elf_build.h"
#include "tests/unit/seeds.h"
#include "tests/unit/tap.h"

#define KIND(kind) BND_KIND_BIT(BND_##kind)

static struct eb eb;

static void put16(size_t at, uint16_t v)
{
    memcpy(eb.data + at, &v, sizeof v);
}

static void put32(size_t at, uint32_t v)
{
    memcpy(eb.data + at, &v, sizeof v);
}

static void put64(size_t at, uint64_t v)
{
    memcpy(eb.data + at, &v, sizeof v);
}

static void put_text(size_t at, const char *text)
{
    memcpy(eb.data + at, text, strlen(text));
}

/* A file of zeros. */
static void blank(size_t size)
{
    memset(&eb, 0, sizeof eb);
    eb.size = size;
}

static void put_multiboot(size_t at, uint32_t flags)
{
    put32(at, 0x1BADB002);
    put32(at + 4, flags);
    put32(at + 8, (uint32_t) - (0x1BADB002 + flags));
}

static void put_multiboot2(size_t at, uint32_t arch)
{
    put32(at, 0xE85250D6);
    put32(at + 4, arch);
    put32(at + 8, 16);
    put32(at + 12, (uint32_t) - (0xE85250D6 + arch + 16));
}

/* An ELF kernel with room for a header at 0x100. */
static void kernel(bool is64, uint16_t machine)
{
    eb_begin(&eb, is64, ET_EXEC, machine);
    eb_bytes(&eb, NULL, 0x1000, 16);
    eb_segment(&eb, PT_LOAD, 0, 0x1000, 0x100000, 0x3000, 0x1000);
}

static void multiboot_elf32(void)
{
    kernel(false, EM_386);
    eb_end(&eb);
    put_multiboot(0x100, 3);
}

static void multiboot_elf64(void)
{
    kernel(true, EM_X86_64);
    eb_end(&eb);
    put_multiboot(0x100, 3);
}

/* Address fields: the header at 0x100 is loaded to 0x100100, the file to 0x100000. */
static void put_addresses(uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end, uint32_t entry)
{
    put_multiboot(0x100, 0x10003);
    put32(0x10c, header);
    put32(0x110, load);
    put32(0x114, load_end);
    put32(0x118, bss_end);
    put32(0x11c, entry);
}

static void kludge_elf64(void)
{
    kernel(true, EM_X86_64);
    eb_end(&eb);
    put_addresses(0x100100, 0x100000, 0x101000, 0x180000, 0x100040);
}

static void kludge_flat(void)
{
    blank(0x2000);
    put_addresses(0x100100, 0x100000, 0, 0, 0x100200);
}

static void kludge_header_below(void)
{
    blank(0x2000);
    put_addresses(0xfffff, 0x100000, 0, 0, 0x100200);
}

static void kludge_before_file(void)
{
    blank(0x2000);
    put_addresses(0x100101, 0x100000, 0, 0, 0x100200);
}

static void kludge_beyond_file(void)
{
    blank(0x2000);
    put_addresses(0x100100, 0x100000, 0x102001, 0, 0x100200);
}

static void kludge_ends_before(void)
{
    blank(0x2000);
    put_addresses(0x100100, 0x100000, 0xfffff, 0, 0x100200);
}

static void kludge_bss_before(void)
{
    blank(0x2000);
    put_addresses(0x100100, 0x100000, 0x101000, 0x100fff, 0x100200);
}

static void kludge_entry_outside(void)
{
    blank(0x2000);
    put_addresses(0x100100, 0x100000, 0x101000, 0, 0x101000);
}

static void kludge_at_the_top(void)
{
    blank(0x2000);
    put_addresses(0xfffff100, 0xfffff000, 0, 0, 0xfffff100);
}

static void multiboot_sum(void)
{
    multiboot_elf32();
    eb.data[0x108] ^= 1;
}

static void multiboot_unaligned(void)
{
    kernel(false, EM_386);
    eb_end(&eb);
    put_multiboot(0x102, 3);
}

static void multiboot_last(void)
{
    kernel(false, EM_386);
    eb_bytes(&eb, NULL, 0x2000, 16);
    eb_end(&eb);
    put_multiboot(8192 - 48, 3);
}

static void multiboot_late(void)
{
    kernel(false, EM_386);
    eb_bytes(&eb, NULL, 0x2000, 16);
    eb_end(&eb);
    put_multiboot(8192 - 44, 3);
}

static void multiboot_cut(void)
{
    blank(0x100 + 40);
    put_multiboot(0x100, 0x10003);
}

static void multiboot2(void)
{
    kernel(true, EM_X86_64);
    eb_bytes(&eb, NULL, 32768, 16);
    eb_end(&eb);
    put_multiboot2(32768 - 16, 0);
}

static void multiboot2_mips(void)
{
    kernel(true, EM_MIPS);
    eb_end(&eb);
    put_multiboot2(0x100, 4);
}

static void note(bool is64, uint16_t machine, const char *owner, uint32_t type, const void *desc,
                 uint32_t size)
{
    kernel(is64, machine);
    size_t at = eb_note(&eb, owner, (uint32_t)strlen(owner) + 1, type, desc, size, 4);
    eb_segment(&eb, PT_NOTE, at, eb.size - at, 0, 0, 4);
}

static void pvh4(void)
{
    note(true, EM_X86_64, "Xen", 18, "\xc4\x10\x40", 4);
    eb_end(&eb);
}

static void pvh8(void)
{
    note(true, EM_X86_64, "Xen", 18, "\x50\x08\0\1\0\0\0", 8);
    eb_end(&eb);
}

static void pvh_elf32(void)
{
    note(false, EM_386, "Xen", 18, "\0\0\x10", 4);
    eb_end(&eb);
}

static void pvh_zero(void)
{
    note(false, EM_386, "Xen", 18, "\0\0\0", 4);
    eb_end(&eb);
}

static void pvh_far(void)
{
    note(true, EM_X86_64, "Xen", 18, "\0\0\0\0\1\0\0", 8);
    eb_end(&eb);
}

static void pvh_short(void)
{
    note(true, EM_X86_64, "Xen", 18, "\0", 2);
    eb_end(&eb);
}

static void pvh_section_only(void)
{
    kernel(true, EM_X86_64);
    size_t at = eb_note(&eb, "Xen", 4, 18, "\0\0\x10", 4, 4);
    eb_section(&eb, ".note.Xen", SHT_NOTE, at, eb.size - at, 4);
    eb_end(&eb);
}

static void pvh_behind_multiboot(void)
{
    pvh4();
    put_multiboot(0x100, 3);
}

static void pvh_and_pv(void)
{
    note(true, EM_X86_64, "Xen", 18, "\0\0\0\1", 4);
    size_t at = eb_note(&eb, "Xen", 4, 6, "linux", 6, 4);
    eb_segment(&eb, PT_NOTE, at, eb.size - at, 0, 0, 4);
    eb_end(&eb);
}

static void xen_pv(void)
{
    kernel(true, EM_X86_64);
    size_t at = eb_note(&eb, "Xen", 4, 6, "Mini-OS\x1b[31m", 13, 4);
    eb_section(&eb, ".note", SHT_NOTE, at, eb.size - at, 4);
    eb_end(&eb);
}

static void xen_old(void)
{
    kernel(true, EM_X86_64);
    eb_section(&eb, "__xen_guest", SHT_PROGBITS, 64, 16, 1);
    eb_end(&eb);
}

static void bzimage(void)
{
    blank(0x2000);
    put16(0x1fe, 0xAA55);
    eb.data[0x1f1] = 4;
    put_text(0x202, "HdrS");
    put16(0x206, 0x20f);
    put16(0x20e, 0x300);
    put_text(0x500, "6.1.0-test (a@b) #1");
    put16(0x236, 1);
    put64(0x258, 0x1000000);
    put32(0x260, 0x200000);
}

static void bzimage32(void)
{
    bzimage();
    put16(0x206, 0x207);
}

static void bzimage_efi(void);

static void bzimage_cut(void)
{
    bzimage();
    eb.size = 0x900;
}

static void bzimage_text_outside(void)
{
    bzimage();
    put16(0x20e, 0xffff);
}

static void arm_image(void)
{
    blank(0x1000);
    put_text(56, "ARM\x64");
}

static void riscv_image(void)
{
    blank(0x1000);
    put_text(56, "RSC\x05");
}

static void put_pe(uint16_t machine, uint16_t subsystem)
{
    put_text(0, "MZ");
    put32(0x3c, 0x80);
    put_text(0x80, "PE");
    put16(0x84, machine);
    put16(0x94, 0xf0);
    put16(0x98, 0x20b);
    put16(0x98 + 68, subsystem);
}

static void efi(void)
{
    blank(0x1000);
    put_pe(0x8664, 10);
}

static void windows(void)
{
    blank(0x1000);
    put_pe(0x8664, 3);
}

static void pe_outside(void)
{
    efi();
    put32(0x3c, 0xfffffffe);
}

static void bzimage_efi(void)
{
    bzimage();
    put_pe(0x8664, 10);
}

static void put_partition(unsigned i, uint8_t status, uint8_t type, uint32_t first, uint32_t count)
{
    eb.data[446 + i * 16] = status;
    eb.data[446 + i * 16 + 4] = type;
    put32(446 + i * 16 + 8, first);
    put32(446 + i * 16 + 12, count);
}

static void disk(void)
{
    blank(0x10000);
    put16(0, 0x58eb);
    put16(510, 0xAA55);
    put_partition(0, 0x80, 0x83, 2, 100);
}

static void disk_without_table(void)
{
    blank(0x10000);
    eb.data[0] = 0xfa;
    put16(510, 0xAA55);
}

static void disk_fat(void)
{
    disk_without_table();
    put_text(0, "\xeb\x3c\x90mkfs.fat");
    put16(11, 512);
    memset(eb.data + 446, 'x', 64); /* code, where others have a table */
}

static void disk_without_code(void)
{
    disk();
    put16(0, 0);
}

static void disk_gpt(void)
{
    disk();
    put16(0, 0);
    put_partition(0, 0, 0xee, 1, 0xffffffff);
    put_text(512, "EFI PART");
}

static void disk_partition_outside(void)
{
    disk();
    put_partition(1, 0, 0x83, 0x80, 1);
}

static void disk_odd_size(void)
{
    disk();
    eb.size--;
}

static void disk_no_signature(void)
{
    disk();
    put16(510, 0);
}

static void iso(void)
{
    blank(0x12000);
    put_text(0x8001, "CD001");
}

static void iso_torito(void)
{
    iso();
    put_text(0x8807, "EL TORITO SPECIFICATION");
}

static void iso_hybrid(void)
{
    iso_torito();
    put16(0, 0x58eb);
    put16(510, 0xAA55);
    put_partition(0, 0x80, 0x17, 0, 100);
}

static void qcow2(void)
{
    blank(0x1000);
    put_text(0, "QFI\xfb");
}

static void interpreted(void)
{
    pvh4();
    eb_begin(&eb, true, ET_DYN, EM_X86_64);
    size_t at = eb_bytes(&eb, "/lib64/ld-linux-x86-64.so.2", 28, 1);
    eb_segment(&eb, PT_INTERP, at, 28, 0, 28, 1);
    at = eb_note(&eb, "Xen", 4, 18, "\0\0\x10", 4, 4);
    eb_segment(&eb, PT_NOTE, at, eb.size - at, 0, 0, 4);
    eb_end(&eb);
}

static void interpreter_outside(void)
{
    eb_begin(&eb, true, ET_DYN, EM_X86_64);
    eb_segment(&eb, PT_INTERP, EB_SIZE, 28, 0, 28, 1);
    eb_end(&eb);
}

static void solo5_interpreter(void)
{
    eb_begin(&eb, true, ET_EXEC, EM_X86_64);
    size_t at = eb_bytes(&eb, "/nonexistent/solo5/", 20, 1);
    eb_segment(&eb, PT_INTERP, at, 20, 0, 20, 1);
    eb_end(&eb);
}

static void abi_tag_linux(void)
{
    note(true, EM_X86_64, "GNU", 1, "\0\0\0\0\3\0\0\0\2\0\0", 16);
    eb_end(&eb);
    put_multiboot(0x100, 3);
}

static void abi_tag_hermit(void)
{
    note(true, EM_X86_64, "GNU", 1, "\6\0\0\0\0\0\0\0\0\0\0", 16);
    eb_end(&eb);
}

static void go_program(void)
{
    note(true, EM_X86_64, "Go", 4, "id", 4);
    eb_end(&eb);
}

static void go_kernel(void)
{
    note(true, EM_X86_64, "Go", 4, "id", 4);
    size_t at = eb_note(&eb, "Xen", 4, 18, "\0\0\x10", 4, 4);
    eb_segment(&eb, PT_NOTE, at, eb.size - at, 0, 0, 4);
    eb_end(&eb);
}

static void static_program(void)
{
    kernel(true, EM_X86_64);
    eb_end(&eb);
}

static void object_file(void)
{
    pvh4();
    put16(16, ET_REL);
}

static void core_file(void)
{
    pvh4();
    put16(16, ET_CORE);
}

static void big_endian(void)
{
    multiboot_elf32();
    eb.data[EI_DATA] = ELFDATA2MSB;
}

static void script(void)
{
    kludge_flat();
    put_text(0, "#!/bin/sh");
}

static void text(void)
{
    blank(0);
    eb.size = 64;
    memset(eb.data, 'a', 64);
}

static void empty(void)
{
    blank(0);
}

static void arm_kernel(void)
{
    kernel(true, EM_AARCH64);
    eb_end(&eb);
}

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
