/* The ELF reader against files of both classes, and every way to spoil them. */
#include "bundle/elf.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/elf_build.h"
#include "tests/unit/seeds.h"
#include "tests/unit/tap.h"

static struct eb eb;
static const char *seeds;
static size_t seed_count;

/* One more file that is there: it is also an input of the fuzz target. */
static void seen(size_t size)
{
    if (seeds)
        seeds_write(seeds, seed_count++, eb.data, size);
    LLVMFuzzerTestOneInput(eb.data, size);
}

/* A program with two segments, three notes and some sections. */
static void build(bool is64)
{
    const uint32_t words[4] = {0x1234, 2, 3, 4};
    eb_begin(&eb, is64, ET_EXEC, is64 ? EM_X86_64 : EM_386);
    eb_segment(&eb, PT_LOAD, 0, 16, 0x100000, 0x2000, 0x1000);
    size_t notes = eb_note(&eb, "GNU", 4, 3, "0123456789abcdef0123", 20, 4);
    eb_note(&eb, "Xen", 4, 18, words, 4, 4);
    eb_segment(&eb, PT_NOTE, notes, eb.size - notes, 0, 0, 4);
    size_t wide = eb_note(&eb, "Odd", 4, 1, "12345", 5, 8);
    eb_note(&eb, "Xen", 4, 6, "osv", 4, 8);
    eb_segment(&eb, PT_NOTE, wide, eb.size - wide, 0, 0, 8);
    size_t apart = eb_note(&eb, "Mini", 5, 7, words, 16, 4);
    eb_section(&eb, ".note.mini", SHT_NOTE, apart, eb.size - apart, 4);
    eb_section(&eb, ".uk_libparam_x", SHT_PROGBITS, 16, 8, 1);
    eb_section(&eb, ".bss", SHT_NOBITS, (size_t)1 << 20, (size_t)1 << 30, 1);
    eb_section(&eb, ".outside", SHT_PROGBITS, EB_SIZE - 1, 8, 1);
    eb_end(&eb);
}

static void test_good(bool is64)
{
    const char *class = is64 ? "64" : "32";
    struct bnd_elf elf;
    struct bnd_segment p;
    struct bnd_span span;
    build(is64);
    seen(eb.size);
    if (!tap_ok(bnd_elf_open(&elf, eb.data, eb.size) && elf.is64 == is64 && elf.phnum == 3 &&
                    elf.shnum == 6 && elf.machine == (is64 ? EM_X86_64 : EM_386) && elf.type == ET_EXEC,
                "elf%s: opened", class))
        return;
    tap_ok(bnd_elf_segment(&elf, 0, &p) && p.type == PT_LOAD && p.flags == PF_R && p.filesz == 16 &&
               p.paddr == 0x100000 && p.memsz == 0x2000 && p.align == 0x1000,
           "elf%s: a segment", class);
    tap_ok(!bnd_elf_segment(&elf, 3, &p) && !bnd_elf_segment(&elf, SIZE_MAX, &p), "elf%s: no more segments",
           class);
    tap_ok(bnd_elf_section(&elf, ".uk_libparam_x", &span) && span.offset == 16 && span.size == 8,
           "elf%s: a section by its name", class);
    tap_ok(bnd_elf_section(&elf, ".uk_lib*", &span) && span.offset == 16, "elf%s: by its beginning", class);
    tap_ok(!bnd_elf_section(&elf, ".uk_lib", NULL) && !bnd_elf_section(&elf, ".uk_libparam_x2", NULL) &&
               !bnd_elf_section(&elf, "uk*", NULL) && !bnd_elf_section(&elf, "", NULL),
           "elf%s: not by a part of it", class);
    tap_ok(bnd_elf_section(&elf, ".bss", &span) && span.size == 0, "elf%s: a section without bytes", class);
    tap_ok(!bnd_elf_section(&elf, ".outside", NULL), "elf%s: a section outside of the file is not there",
           class);
    tap_ok(bnd_elf_note(&elf, "Xen", 18, &span) && span.size == 4 && eb.data[span.offset] == 0x34,
           "elf%s: a note behind another", class);
    tap_ok(bnd_elf_note(&elf, "Xen", 6, &span) && memcmp(eb.data + span.offset, "osv", 4) == 0,
           "elf%s: a note behind one that is padded to 8", class);
    tap_ok(bnd_elf_note(&elf, "Mini", 7, &span) && span.size == 16, "elf%s: a note in a section alone",
           class);
    tap_ok(!bnd_elf_note(&elf, "Xen", 5, &span) && !bnd_elf_note(&elf, "Xe", 18, &span) &&
               !bnd_elf_note(&elf, "Xen2", 18, &span) && !bnd_elf_note(&elf, "", 18, &span),
           "elf%s: another owner or type", class);
}

#define EH(field) offsetof(Elf64_Ehdr, field)

static const struct {
    const char *name;
    size_t size; /* 0: all of it */
    size_t at;
    unsigned width;
    uint64_t value;
    bool opened, sections; /* what is left */
} spoiled[] = {
    {"empty", 1, 0, 0, 0, false, false},
    {"shorter than its header", 63, 0, 0, 0, false, false},
    {"nothing but a header, tables cut off", 64, 0, 0, 0, false, false},
    {"no magic", 0, 0, 1, 0, false, false},
    {"big-endian", 0, EI_DATA, 1, ELFDATA2MSB, false, false},
    {"no class", 0, EI_CLASS, 1, 0, false, false},
    {"program headers outside", 0, EH(e_phoff), 8, UINT64_MAX - 64, false, false},
    {"program headers at the end", 0, EH(e_phoff), 8, EB_SIZE, false, false},
    {"program headers of another size", 0, EH(e_phentsize), 2, 32, false, false},
    {"too many program headers", 0, EH(e_phnum), 2, UINT16_MAX, false, false},
    {"no program headers", 0, EH(e_phnum), 2, 0, true, true},
    {"sections outside", 0, EH(e_shoff), 8, UINT64_MAX - 64, true, false},
    {"no sections", 0, EH(e_shoff), 8, 0, true, false},
    {"sections of another size", 0, EH(e_shentsize), 2, 63, true, false},
    {"too many sections", 0, EH(e_shnum), 2, UINT16_MAX, true, false},
    {"no table of names", 0, EH(e_shstrndx), 2, 0, true, false},
    {"a table of names beyond the last section", 0, EH(e_shstrndx), 2, 77, true, false},
    {"a table of names that is none", 0, EH(e_shstrndx), 2, 1, true, false},
};

static void test_spoiled(void)
{
    for (size_t i = 0; i < RK_COUNT(spoiled); i++) {
        struct bnd_elf elf;
        build(true);
        memcpy(eb.data + spoiled[i].at, &spoiled[i].value, spoiled[i].width);
        size_t size = spoiled[i].size ? spoiled[i].size : eb.size;
        seen(size);
        bool opened = bnd_elf_open(&elf, eb.data, size);
        tap_ok(opened == spoiled[i].opened &&
                   (!opened || bnd_elf_section(&elf, ".bss", NULL) == spoiled[i].sections),
               "spoiled: %s", spoiled[i].name);
    }
}

/* Sections' names: at the very end of their table, and beyond. */
static void test_names(void)
{
    struct bnd_elf elf;
    Elf64_Shdr s;
    build(true);
    bnd_elf_open(&elf, eb.data, eb.size);
    size_t at = elf.shoff + elf.shstrndx * sizeof s;
    memcpy(&s, eb.data + at, sizeof s);
    tap_ok(bnd_elf_section(&elf, ".shstrtab", NULL), "names: the last one");
    s.sh_size--; /* without its NUL */
    memcpy(eb.data + at, &s, sizeof s);
    seen(eb.size);
    tap_ok(!bnd_elf_section(&elf, ".shstrtab", NULL) && bnd_elf_section(&elf, ".shstrta*", NULL),
           "names: one that does not end in its table");
    s.sh_name = UINT32_MAX;
    memcpy(eb.data + at, &s, sizeof s);
    seen(eb.size);
    tap_ok(!bnd_elf_section(&elf, ".shstrta*", NULL) && bnd_elf_section(&elf, ".bss", NULL),
           "names: one outside of the table");
}

static const struct {
    const char *name;
    uint32_t namesz, descsz;
    bool found, next; /* it, and the good one behind it */
} notes[] = {
    {"well-formed", 4, 8, true, true},
    {"a name without its NUL", 3, 8, true, true},
    {"no descriptor", 4, 0, true, true},
    {"a name that is longer than the file", UINT32_MAX, 8, false, false},
    {"a name that wraps", UINT32_MAX - 3, 8, false, false},
    {"a descriptor that is longer than the file", 4, UINT32_MAX, false, false},
    {"both", UINT32_MAX, UINT32_MAX, false, false},
};

static void test_notes(void)
{
    for (size_t i = 0; i < RK_COUNT(notes); i++) {
        struct bnd_elf elf;
        eb_begin(&eb, true, ET_EXEC, EM_X86_64);
        size_t at = eb_note(&eb, "One", notes[i].namesz, 1, NULL, notes[i].descsz, 4);
        eb_note(&eb, "Two", 4, 2, "2222", 4, 4);
        eb_segment(&eb, PT_NOTE, at, eb.size - at, 0, 0, 4);
        eb_end(&eb);
        seen(eb.size);
        tap_ok(bnd_elf_open(&elf, eb.data, eb.size) && bnd_elf_note(&elf, "One", 1, NULL) == notes[i].found &&
                   bnd_elf_note(&elf, "Two", 2, NULL) == notes[i].next,
               "notes: %s", notes[i].name);
    }
}

/* What comes behind thousands of notes is not found: whoever has the tables name one run of them again and
 * again pays for it alone. */
static void test_bound(void)
{
    struct bnd_elf elf;
    eb_begin(&eb, true, ET_EXEC, EM_X86_64);
    size_t at = eb.size;
    for (unsigned i = 0; i < 5000; i++)
        eb_note(&eb, "A", 2, 1, NULL, 0, 4);
    size_t last = eb_note(&eb, "Xen", 4, 18, "1234", 4, 4);
    eb_segment(&eb, PT_NOTE, at, eb.size - at, 0, 0, 4);
    eb_end(&eb);
    tap_ok(bnd_elf_open(&elf, eb.data, eb.size) && !bnd_elf_note(&elf, "Xen", 18, NULL),
           "bound: thousands of notes are not all read");
    eb.segments[0].p_offset = last;
    eb.segments[0].p_filesz = 20;
    eb_end(&eb);
    tap_ok(bnd_elf_open(&elf, eb.data, eb.size) && bnd_elf_note(&elf, "Xen", 18, NULL),
           "bound: alone it is found");
}

int main(int argc, char **argv)
{
    seeds = seeds_directory(argc, argv);
    test_good(true);
    test_good(false);
    test_spoiled();
    test_names();
    test_notes();
    test_bound();
    return tap_end();
}
