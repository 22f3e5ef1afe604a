/* ELF files of hostile origin, 32 and 64 bits, little-endian, over a read-only map: every look-up is
 * bounds-checked and answers "not there" for what lies outside the file. */
#ifndef BND_ELF_H
#define BND_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bnd_elf {
    const uint8_t *data; /* the file */
    uint64_t size;       /* bytes */
    bool is64;
    uint8_t osabi;          /* e_ident[EI_OSABI] */
    uint16_t type, machine; /* ET_…, EM_… */
    uint64_t entry;
    uint64_t phoff, shoff;
    uint16_t phnum, shnum, shstrndx;
};

/* A program header. Sizes, offsets and addresses in bytes; type PT_…, flags PF_…. */
struct bnd_segment {
    uint32_t type, flags;
    uint64_t offset, filesz, vaddr, paddr, memsz, align;
};

/* A part of the file, inside it. */
struct bnd_span {
    uint64_t offset, size;
};

/* Fill *ret_elf from the file header. False when these bytes are no little-endian ELF file, or its program
 * headers do not lie in the file; a section table that does not is none. Borrows `data`. */
bool bnd_elf_open(struct bnd_elf *ret_elf, const uint8_t *data, uint64_t size);

/* Program header `i`; false beyond the last. Its fields are as they stand in the file: unchecked. */
bool bnd_elf_segment(const struct bnd_elf *elf, size_t i, struct bnd_segment *ret_segment);

/* The section called `name`, or, when that ends with "*", the first one that begins like it. *ret_span may be
 * NULL; a section without bytes in the file (SHT_NOBITS) has size 0. */
bool bnd_elf_section(const struct bnd_elf *elf, const char *name, struct bnd_span *ret_span);

/* The note of that owner and type, in PT_NOTE segments and in SHT_NOTE sections: mini-os has its notes in
 * sections alone. *ret_desc (may be NULL) is its descriptor. What comes behind thousands of notes is not
 * found. */
bool bnd_elf_note(const struct bnd_elf *elf, const char *owner, uint32_t type, struct bnd_span *ret_desc);

#endif
