/* Makes ELF files for tests: bytes, notes and names first, the tables at the end. */
#ifndef UNIT_ELF_BUILD_H
#define UNIT_ELF_BUILD_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EB_SIZE  (256 << 10)
#define EB_PARTS 16

struct eb {
    uint8_t data[EB_SIZE];
    size_t size;
    bool is64;
    size_t segment_count, section_count, names_size;
    Elf64_Phdr segments[EB_PARTS];
    Elf64_Shdr sections[EB_PARTS]; /* the first stays empty */
    char names[1024];
};

static inline void eb_begin(struct eb *eb, bool is64, uint16_t type, uint16_t machine)
{
    memset(eb, 0, sizeof *eb);
    eb->is64 = is64;
    eb->size = is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    eb->section_count = 1;
    eb->names_size = 1;
    memcpy(eb->data, ELFMAG, SELFMAG);
    eb->data[EI_CLASS] = is64 ? ELFCLASS64 : ELFCLASS32;
    eb->data[EI_DATA] = ELFDATA2LSB;
    eb->data[EI_VERSION] = EV_CURRENT;
    memcpy(eb->data + 16, &type, sizeof type);
    memcpy(eb->data + 18, &machine, sizeof machine);
}

/* Append bytes, or zeros for NULL; where they are. */
static inline size_t eb_bytes(struct eb *eb, const void *bytes, size_t len, size_t align)
{
    size_t at = (eb->size + align - 1) / align * align;
    if (at + len > EB_SIZE)
        abort();
    if (bytes)
        memcpy(eb->data + at, bytes, len);
    eb->size = at + len;
    return at;
}

/* Append a note, padded to `align`; where it begins. `namesz` and `descsz` can lie. */
static inline size_t eb_note(struct eb *eb, const char *owner, uint32_t namesz, uint32_t type,
                             const void *desc, uint32_t descsz, size_t align)
{
    const uint32_t words[3] = {namesz, descsz, type};
    size_t at = eb_bytes(eb, words, sizeof words, align);
    eb_bytes(eb, owner, strlen(owner) + 1, 1);
    eb_bytes(eb, desc, descsz < 4096 ? descsz : 0, 4);
    eb_bytes(eb, NULL, 0, align);
    return at;
}

static inline void eb_segment(struct eb *eb, uint32_t type, size_t offset, size_t filesz, uint64_t addr,
                              uint64_t memsz, uint64_t align)
{
    if (eb->segment_count == EB_PARTS)
        abort();
    eb->segments[eb->segment_count++] = (Elf64_Phdr){.p_type = type,
                                                     .p_flags = PF_R,
                                                     .p_offset = offset,
                                                     .p_filesz = filesz,
                                                     .p_vaddr = addr,
                                                     .p_paddr = addr,
                                                     .p_memsz = memsz,
                                                     .p_align = align};
}

static inline void eb_section(struct eb *eb, const char *name, uint32_t type, size_t offset, size_t size,
                              uint64_t align)
{
    if (eb->section_count == EB_PARTS || eb->names_size + strlen(name) + 1 > sizeof eb->names)
        abort();
    eb->sections[eb->section_count++] = (Elf64_Shdr){.sh_name = (uint32_t)eb->names_size,
                                                     .sh_type = type,
                                                     .sh_offset = offset,
                                                     .sh_size = size,
                                                     .sh_addralign = align};
    memcpy(eb->names + eb->names_size, name, strlen(name) + 1);
    eb->names_size += strlen(name) + 1;
}

static inline void eb_tables64(struct eb *eb, size_t first_segment, size_t first_section)
{
    Elf64_Ehdr h;
    memcpy(&h, eb->data, sizeof h);
    h.e_phoff = eb->segment_count ? first_segment : 0;
    h.e_phnum = (uint16_t)eb->segment_count;
    h.e_phentsize = sizeof(Elf64_Phdr);
    h.e_shoff = first_section;
    h.e_shnum = (uint16_t)eb->section_count;
    h.e_shentsize = sizeof(Elf64_Shdr);
    h.e_shstrndx = (uint16_t)(eb->section_count - 1);
    memcpy(eb->data, &h, sizeof h);
    memcpy(eb->data + first_segment, eb->segments, eb->segment_count * sizeof eb->segments[0]);
    memcpy(eb->data + first_section, eb->sections, eb->section_count * sizeof eb->sections[0]);
}

static inline void eb_tables32(struct eb *eb, size_t first_segment, size_t first_section)
{
    Elf32_Ehdr h;
    memcpy(&h, eb->data, sizeof h);
    h.e_phoff = eb->segment_count ? (uint32_t)first_segment : 0;
    h.e_phnum = (uint16_t)eb->segment_count;
    h.e_phentsize = sizeof(Elf32_Phdr);
    h.e_shoff = (uint32_t)first_section;
    h.e_shnum = (uint16_t)eb->section_count;
    h.e_shentsize = sizeof(Elf32_Shdr);
    h.e_shstrndx = (uint16_t)(eb->section_count - 1);
    memcpy(eb->data, &h, sizeof h);
    for (size_t i = 0; i < eb->segment_count; i++) {
        const Elf64_Phdr *p = &eb->segments[i];
        const Elf32_Phdr p32 = {.p_type = p->p_type,
                                .p_flags = p->p_flags,
                                .p_offset = (uint32_t)p->p_offset,
                                .p_filesz = (uint32_t)p->p_filesz,
                                .p_vaddr = (uint32_t)p->p_vaddr,
                                .p_paddr = (uint32_t)p->p_paddr,
                                .p_memsz = (uint32_t)p->p_memsz,
                                .p_align = (uint32_t)p->p_align};
        memcpy(eb->data + first_segment + i * sizeof p32, &p32, sizeof p32);
    }
    for (size_t i = 0; i < eb->section_count; i++) {
        const Elf64_Shdr *s = &eb->sections[i];
        const Elf32_Shdr s32 = {.sh_name = s->sh_name,
                                .sh_type = s->sh_type,
                                .sh_offset = (uint32_t)s->sh_offset,
                                .sh_size = (uint32_t)s->sh_size,
                                .sh_addralign = (uint32_t)s->sh_addralign};
        memcpy(eb->data + first_section + i * sizeof s32, &s32, sizeof s32);
    }
}

/* Append the names and the tables, and fill the header in. */
static inline void eb_end(struct eb *eb)
{
    static const char name[] = ".shstrtab";
    memcpy(eb->names + eb->names_size, name, sizeof name);
    size_t names = eb_bytes(eb, eb->names, eb->names_size + sizeof name, 1);
    eb_section(eb, name, SHT_STRTAB, names, eb->names_size + sizeof name, 1);
    size_t segments = eb_bytes(eb, NULL, eb->segment_count * sizeof(Elf64_Phdr), 8);
    size_t sections = eb_bytes(eb, NULL, eb->section_count * sizeof(Elf64_Shdr), 8);
    (eb->is64 ? eb_tables64 : eb_tables32)(eb, segments, sections);
}

#endif
