/* Reads ELF headers, sections and notes out of hostile bytes. */
#include "bundle/elf.h"

#include <elf.h>
#include <string.h>

/* Notes that one look-up reads at the most: a kernel has a dozen, a hostile file could have its tables name
 * the same hundreds of megabytes of them tens of thousands of times. */
#define NOTES_MAX 4096

#define NOTE_HEADER 12 /* namesz, descsz, type */

static bool fits(uint64_t offset, uint64_t len, uint64_t size)
{
    return offset <= size && len <= size - offset;
}

static bool table_fits(uint64_t offset, uint16_t count, size_t entry, uint64_t size)
{
    return offset != 0 && fits(offset, (uint64_t)count * entry, size);
}

static bool open64(struct bnd_elf *elf)
{
    Elf64_Ehdr h;
    if (elf->size < sizeof h)
        return false;
    memcpy(&h, elf->data, sizeof h);
    elf->is64 = true;
    elf->type = h.e_type;
    elf->machine = h.e_machine;
    elf->entry = h.e_entry;
    elf->phoff = h.e_phoff;
    elf->phnum = h.e_phnum;
    elf->shoff = h.e_shoff;
    elf->shnum = h.e_shentsize == sizeof(Elf64_Shdr) ? h.e_shnum : 0;
    elf->shstrndx = h.e_shstrndx;
    return h.e_phnum == 0 || h.e_phentsize == sizeof(Elf64_Phdr);
}

static bool open32(struct bnd_elf *elf)
{
    Elf32_Ehdr h;
    if (elf->size < sizeof h)
        return false;
    memcpy(&h, elf->data, sizeof h);
    elf->is64 = false;
    elf->type = h.e_type;
    elf->machine = h.e_machine;
    elf->entry = h.e_entry;
    elf->phoff = h.e_phoff;
    elf->phnum = h.e_phnum;
    elf->shoff = h.e_shoff;
    elf->shnum = h.e_shentsize == sizeof(Elf32_Shdr) ? h.e_shnum : 0;
    elf->shstrndx = h.e_shstrndx;
    return h.e_phnum == 0 || h.e_phentsize == sizeof(Elf32_Phdr);
}

bool bnd_elf_open(struct bnd_elf *ret_elf, const uint8_t *data, uint64_t size)
{
    struct bnd_elf elf = {.data = data, .size = size};
    if (size < EI_NIDENT || memcmp(data, ELFMAG, SELFMAG) != 0 || data[EI_DATA] != ELFDATA2LSB)
        return false;
    elf.osabi = data[EI_OSABI];
    if (!(data[EI_CLASS] == ELFCLASS64 && open64(&elf)) && !(data[EI_CLASS] == ELFCLASS32 && open32(&elf)))
        return false;
    if (elf.phnum &&
        !table_fits(elf.phoff, elf.phnum, elf.is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), size))
        return false;
    if (!table_fits(elf.shoff, elf.shnum, elf.is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr), size))
        elf.shnum = 0;
    *ret_elf = elf;
    return true;
}

bool bnd_elf_segment(const struct bnd_elf *elf, size_t i, struct bnd_segment *ret_segment)
{
    if (i >= elf->phnum)
        return false;
    if (elf->is64) {
        Elf64_Phdr p;
        memcpy(&p, elf->data + elf->phoff + i * sizeof p, sizeof p);
        *ret_segment = (struct bnd_segment){p.p_type,  p.p_flags, p.p_offset, p.p_filesz,
                                            p.p_vaddr, p.p_paddr, p.p_memsz,  p.p_align};
    } else {
        Elf32_Phdr p;
        memcpy(&p, elf->data + elf->phoff + i * sizeof p, sizeof p);
        *ret_segment = (struct bnd_segment){p.p_type,  p.p_flags, p.p_offset, p.p_filesz,
                                            p.p_vaddr, p.p_paddr, p.p_memsz,  p.p_align};
    }
    return true;
}

struct section {
    uint32_t name, type;
    uint64_t align;
    struct bnd_span span; /* inside the file */
};

/* Section header `i`; false beyond the last and when its bytes do not lie in the file. */
static bool get_section(const struct bnd_elf *elf, size_t i, struct section *ret_section)
{
    struct section s;
    if (i >= elf->shnum)
        return false;
    if (elf->is64) {
        Elf64_Shdr h;
        memcpy(&h, elf->data + elf->shoff + i * sizeof h, sizeof h);
        s = (struct section){h.sh_name, h.sh_type, h.sh_addralign, {h.sh_offset, h.sh_size}};
    } else {
        Elf32_Shdr h;
        memcpy(&h, elf->data + elf->shoff + i * sizeof h, sizeof h);
        s = (struct section){h.sh_name, h.sh_type, h.sh_addralign, {h.sh_offset, h.sh_size}};
    }
    if (s.type == SHT_NULL)
        return false;
    if (s.type == SHT_NOBITS)
        s.span = (struct bnd_span){s.span.offset < elf->size ? s.span.offset : elf->size, 0};
    if (!fits(s.span.offset, s.span.size, elf->size))
        return false;
    *ret_section = s;
    return true;
}

bool bnd_elf_section(const struct bnd_elf *elf, const char *name, struct bnd_span *ret_span)
{
    struct section names, s;
    size_t len = strlen(name), want = len + 1; /* the NUL is compared too, but for a beginning */
    if (len > 0 && name[len - 1] == '*')
        want = len - 1;
    if (!get_section(elf, elf->shstrndx, &names) || names.type != SHT_STRTAB)
        return false;
    const uint8_t *texts = elf->data + names.span.offset;
    for (size_t i = 1; i < elf->shnum; i++) {
        if (!get_section(elf, i, &s) || !fits(s.name, want, names.span.size) ||
            memcmp(texts + s.name, name, want) != 0)
            continue;
        if (ret_span)
            *ret_span = s.span;
        return true;
    }
    return false;
}

struct note_search {
    const char *owner;
    uint32_t type;
    unsigned left; /* notes that may still be read */
    struct bnd_span desc;
};

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Look through one run of notes. Names are padded to 4 bytes, and so are descriptors, but where the run is
 * aligned to 8. Nothing here can overflow: the lengths are of 32 bits, the run lies in the file. */
static bool find_in_run(const struct bnd_elf *elf, struct bnd_span run, uint64_t align,
                        struct note_search *search)
{
    const uint64_t unit = align == 8 ? 8 : 4;
    size_t owner_len = strlen(search->owner);
    for (uint64_t at = 0; fits(at, NOTE_HEADER, run.size) && search->left > 0; search->left--) {
        uint32_t words[3];
        memcpy(words, elf->data + run.offset + at, sizeof words);
        uint64_t name = at + NOTE_HEADER, desc = name + round_up(words[0], 4);
        if (!fits(desc, words[1], run.size))
            return false;
        /* With and without the NUL that belongs to it. */
        bool same = words[0] == owner_len + 1 || words[0] == owner_len;
        if (same && words[2] == search->type &&
            memcmp(elf->data + run.offset + name, search->owner, words[0]) == 0) {
            search->desc = (struct bnd_span){run.offset + desc, words[1]};
            return true;
        }
        at = round_up(desc + words[1], unit);
    }
    return false;
}

bool bnd_elf_note(const struct bnd_elf *elf, const char *owner, uint32_t type, struct bnd_span *ret_desc)
{
    struct note_search search = {.owner = owner, .type = type, .left = NOTES_MAX};
    struct bnd_segment p;
    struct section s;
    bool found = false;
    for (size_t i = 0; !found && bnd_elf_segment(elf, i, &p); i++)
        found = p.type == PT_NOTE && fits(p.offset, p.filesz, elf->size) &&
                find_in_run(elf, (struct bnd_span){p.offset, p.filesz}, p.align, &search);
    for (size_t i = 1; !found && i < elf->shnum; i++)
        found = get_section(elf, i, &s) && s.type == SHT_NOTE && find_in_run(elf, s.span, s.align, &search);
    if (found && ret_desc)
        *ret_desc = search.desc;
    return found;
}
