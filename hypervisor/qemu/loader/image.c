/* Judges the guest's image: a strict reading of its ELF header, its segments, and the trailer behind it. */
#include "loader.h"

/* The ELF-64 object file format; the host's <elf.h> is not to be had without a libc. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t phoff;
    uint64_t shoff;
    uint32_t flags;
    uint16_t ehsize;
    uint16_t phentsize;
    uint16_t phnum;
    uint16_t shentsize;
    uint16_t shnum;
    uint16_t shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");

struct elf_program {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
};
_Static_assert(sizeof(struct elf_program) == 56, "Elf64_Phdr");

#define ELF_EXEC   2
#define ELF_DYN    3
#define ELF_X86_64 62
#define ELF_LOAD   1
#define PHNUM_MAX  128

static int fail(struct ldr_error *ret_error, const char *text)
{
    *ret_error = (struct ldr_error){.text = text};
    return -1;
}

static int fail_range(struct ldr_error *ret_error, const char *text, uint64_t start, uint64_t len)
{
    *ret_error = (struct ldr_error){text, 2, {start, len}};
    return -1;
}

/* Whether [start, start + len) lies within [0, size). */
static bool within(uint64_t start, uint64_t len, uint64_t size)
{
    return start <= size && len <= size - start;
}

bool ldr_memory_usable(const struct ldr_memory *memory, uint64_t start, uint64_t len)
{
    if (len == 0 || start + len < start)
        return false;
    uint64_t end = start + len;
    /* Each round goes on to the end of a range that holds the next byte, so that adjoining ranges count as
     * one. */
    for (bool more = true; more && start < end;) {
        more = false;
        for (size_t i = 0; i < memory->count; i++) {
            const struct ldr_range *range = &memory->range[i];
            if (range->type == LDR_RAM && start >= range->start && start - range->start < range->len) {
                start = range->start + range->len;
                more = true;
            }
        }
    }
    return start >= end;
}

static int read_trailer(const uint8_t *bytes, uint64_t size, struct ldr_image *image,
                        uint64_t *ret_image_size, struct ldr_error *ret_error)
{
    struct ldr_trailer trailer;
    *ret_image_size = size;
    if (size < sizeof trailer)
        return 0;
    uint64_t end = size - sizeof trailer;
    memcpy(&trailer, bytes + end, sizeof trailer);
    if (memcmp(trailer.magic, LDR_TRAILER_MAGIC, sizeof trailer.magic) != 0)
        return 0;
    if (!within(trailer.ramdisk_offset, trailer.ramdisk_size, end) ||
        trailer.image_size > trailer.ramdisk_offset || trailer.ramdisk_offset % LDR_PAGE != 0)
        return fail_range(
            ret_error,
            "the trailer's RAM disk (offset, size) does not lie behind the image, in pages of the file",
            trailer.ramdisk_offset, trailer.ramdisk_size);
    image->ramdisk_offset = trailer.ramdisk_offset;
    image->ramdisk_size = trailer.ramdisk_size;
    *ret_image_size = trailer.image_size;
    return 0;
}

static int read_header(const uint8_t *bytes, uint64_t size, struct elf_header *ret_header,
                       struct ldr_error *ret_error)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */,
                                    1 /* version */};
    if (size < sizeof *ret_header || memcmp(bytes, ident, sizeof ident) != 0)
        return fail(ret_error, "the image is no little-endian ELF64");
    memcpy(ret_header, bytes, sizeof *ret_header);
    if (ret_header->machine != ELF_X86_64 || (ret_header->type != ELF_EXEC && ret_header->type != ELF_DYN))
        return fail(ret_error, "the image is no x86-64 program");
    if (ret_header->phentsize != sizeof(struct elf_program) || ret_header->phnum == 0 ||
        ret_header->phnum > PHNUM_MAX)
        return fail(ret_error, "the image has no program headers, or too many");
    if (!within(ret_header->phoff, (uint64_t)ret_header->phnum * sizeof(struct elf_program), size))
        return fail(ret_error, "the program headers end behind the image's last byte");
    return 0;
}

static int add_segment(const struct elf_program *program, uint64_t size, const struct ldr_memory *memory,
                       struct ldr_image *image, struct ldr_error *ret_error)
{
    if (program->memsz == 0 && program->filesz == 0)
        return 0;
    if (image->count == LDR_SEGMENTS_MAX)
        return fail(ret_error, "the image has too many segments");
    if (program->filesz > program->memsz)
        return fail_range(ret_error, "a segment is larger in the file than in memory", program->filesz,
                          program->memsz);
    if (!within(program->offset, program->filesz, size))
        return fail_range(ret_error, "a segment (offset, size) ends behind the image's last byte",
                          program->offset, program->filesz);
    if (program->paddr < LDR_LOW_END)
        return fail_range(ret_error, "a segment (address, size) begins below 1 MiB", program->paddr,
                          program->memsz);
    if (program->paddr >= LDR_HIGH_END || program->memsz > LDR_HIGH_END - program->paddr ||
        !ldr_memory_usable(memory, program->paddr, program->memsz))
        return fail_range(ret_error,
                          "a segment (address, size) is not in this machine's memory: give it more",
                          program->paddr, program->memsz);
    for (size_t i = 0; i < image->count; i++) {
        const struct ldr_segment *other = &image->segment[i];
        if (program->paddr < other->target + other->memsz && other->target < program->paddr + program->memsz)
            return fail_range(ret_error, "two segments overlap at (addresses)", program->paddr,
                              other->target);
    }
    image->segment[image->count++] =
        (struct ldr_segment){program->offset, program->filesz, program->paddr, program->memsz};
    return 0;
}

int ldr_image_read(const uint8_t *bytes, uint64_t size, const struct ldr_memory *memory,
                   struct ldr_image *ret_image, struct ldr_error *ret_error)
{
    struct elf_header header;
    uint64_t image_size;
    bool entered = false;
    memset(ret_image, 0, sizeof *ret_image);
    if (read_trailer(bytes, size, ret_image, &image_size, ret_error) < 0 ||
        read_header(bytes, image_size, &header, ret_error) < 0)
        return -1;
    for (unsigned i = 0; i < header.phnum; i++) {
        struct elf_program program;
        memcpy(&program, bytes + header.phoff + i * sizeof program, sizeof program);
        if (program.type == ELF_LOAD && add_segment(&program, image_size, memory, ret_image, ret_error) < 0)
            return -1;
    }
    for (size_t i = 0; i < ret_image->count; i++) {
        const struct ldr_segment *segment = &ret_image->segment[i];
        entered =
            entered || (header.entry >= segment->target && header.entry - segment->target < segment->memsz);
    }
    if (!entered || header.entry >= LDR_GUEST_MAPPED) {
        *ret_error = (struct ldr_error){"the entry is in no segment below 1 GiB", 1, {header.entry}};
        return -1;
    }
    ret_image->entry = header.entry;
    return 0;
}
