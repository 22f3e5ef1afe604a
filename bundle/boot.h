/* How an image can be booted, by its bytes: the boot protocols that it speaks, and where in the file that is
 * seen. */
#ifndef BND_BOOT_H
#define BND_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An image kind: how its bytes are loaded and entered. One image may be of several. */
enum bnd_kind {
    BND_HVT,        /* Solo5 for its hvt tender */
    BND_SPT,        /* Solo5 for its spt tender */
    BND_MULTIBOOT,  /* multiboot 1: an ELF32, or any file with the address fields of its header */
    BND_MULTIBOOT2, /* multiboot 2 */
    BND_PVH,        /* ELF with the note "Xen" of type 18, XEN_ELFNOTE_PHYS32_ENTRY */
    BND_LINUX,      /* Linux boot protocol: a bzImage */
    BND_LINUX64,    /* ELF64 entered by the 64-bit Linux protocol; no byte says so: its family does */
    BND_DISK,       /* a disk that a BIOS boots */
    BND_XEN,        /* Xen paravirtualisation */
    BND_KIND_COUNT
};

#define BND_KIND_BIT(kind) (1u << (kind))

/* "hvt", "spt", "multiboot", "multiboot2", "pvh", "linux", "linux64", "disk", "xen". */
const char *bnd_kind_name(enum bnd_kind kind);

#define BND_EVIDENCE_MAX 32

/* One thing that was seen. */
struct bnd_evidence {
    char what[96]; /* "note Xen type 18, PHYS32_ENTRY 0x1000850" */
    uint64_t
        offset; /* bytes from the beginning of the file (of what gzip holds, when that was looked into) */
};

struct bnd_boot {
    unsigned kinds;   /* BND_KIND_BIT of each */
    unsigned loads;   /* of a loader: the kinds in which it boots an application that is its initial ram disk;
                         alone it boots nothing, and has no kinds */
    uint16_t machine; /* EM_X86_64, EM_386, …, of an ELF or implied by the protocol; 0: unknown */
    uint64_t memory;  /* bytes of guest memory from 0 on that loading it takes; 0: not known */
    struct bnd_evidence evidence[BND_EVIDENCE_MAX];
    size_t evidence_count; /* what is more than fits is left out */
    bool ordinary;         /* a program for an operating system, whatever else the bytes look like */
    /* Why what was recognised can't be booted, and what would be needed: "an EFI program: …". Empty: nothing
     * is known to be in the way. Kinds may be there none the less, and may boot. */
    char obstacle[192];
};

struct bnd_elf;

/* Fill *ret_boot by the bytes of a file, of which a private read-only map is enough: looks at headers, tables
 * and notes, so that neither the size of the file nor holes in it matter. `elf` is NULL for what is no ELF
 * file. What gzip holds is not looked into (bundle/gzip.h). An ordinary program has no kinds and no obstacle.
 */
void bnd_boot_read(struct bnd_boot *ret_boot, const uint8_t *data, uint64_t size, const struct bnd_elf *elf);

/* Whether this is more than an ordinary file: something that boots, or is made to. */
static inline bool bnd_boot_recognised(const struct bnd_boot *boot)
{
    return boot->kinds || boot->obstacle[0];
}

/* Note that something was seen. */
void bnd_boot_note(struct bnd_boot *boot, uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Say why it can't be booted, and what would be needed; the first reason stays. */
void bnd_boot_refuse(struct bnd_boot *boot, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "x86-64", "aarch64", …: an ELF machine (EM_…) as people call it; "unknown" for what is not in the list. */
const char *bnd_machine_name(uint16_t machine);

#endif
