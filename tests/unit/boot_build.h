/* Files for the test of boot protocols, each as small as its kind can be: they are built in `eb`. */
#ifndef UNIT_BOOT_BUILD_H
#define UNIT_BOOT_BUILD_H

#include <string.h>

#include "tests/unit/elf_build.h"

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

static void pvh_and_multiboot(void)
{
    pvh_elf32();
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
    note(true, EM_X86_64, "GNU", 1, "\0\0\0\0\3\0\0\0\2\0\0\0\0\0\0", 16);
    eb_end(&eb);
    put_multiboot(0x100, 3);
}

static void abi_tag_hermit(void)
{
    note(true, EM_X86_64, "GNU", 1, "\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    eb_end(&eb);
}

static void go_program(void)
{
    note(true, EM_X86_64, "Go", 4, "id0", 4);
    eb_end(&eb);
}

static void go_kernel(void)
{
    note(true, EM_X86_64, "Go", 4, "id0", 4);
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

#endif
