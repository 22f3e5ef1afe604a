/* The Solo5 image format: ELF header and segments, ABI note, application manifest; nothing but libc.
 *
 * Source of every constant: the Solo5 project's elf_abi.h, mft_abi.h and hvt_abi.h, as its tenders 0.6 to
 * 0.12 use them. The reader takes hostile bytes: all it hands out has been bounds-checked and copied. */
#ifndef RK_SOLO5_H
#define RK_SOLO5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rk_err;

enum rk_solo5_target {
    RK_SOLO5_HVT = 1,
    RK_SOLO5_SPT = 2,
    RK_SOLO5_VIRTIO = 3,
    RK_SOLO5_MUEN = 4,
    RK_SOLO5_GENODE = 5,
    RK_SOLO5_XEN = 6,
};

enum rk_solo5_device {
    RK_SOLO5_BLOCK = 1,
    RK_SOLO5_NET = 2,
    RK_SOLO5_RESERVED_FIRST = 0x40000000,
};

#define RK_SOLO5_MFT_ENTRIES 64 /* the reserved first one included: at most 63 devices */
#define RK_SOLO5_NAME_SIZE   68 /* with the NUL */
#define RK_SOLO5_SEGMENTS    32 /* program headers of a PT_LOAD with file bytes that we accept */

/* One manifest entry as it lies in the note and in guest memory (104 bytes, little-endian). */
struct rk_solo5_entry {
    char name[RK_SOLO5_NAME_SIZE];
    uint32_t type; /* enum rk_solo5_device */
    union {
        struct {
            uint64_t capacity; /* bytes */
            uint16_t block_size;
        } block;
        struct {
            uint8_t mac[6];
            uint16_t mtu;
        } net;
    } u;
    union {
        int32_t hostfd;
        uint64_t data;
    } b;
    bool attached;
};

/* The manifest; `entries` counts e[0], which is the reserved one: devices are e[1] … e[entries - 1], and
 * their index is the handle that the guest uses. */
struct rk_solo5_mft {
    uint32_t version;
    uint32_t entries;
    struct rk_solo5_entry e[RK_SOLO5_MFT_ENTRIES];
};

/* A PT_LOAD segment that has file bytes. Sizes and offsets in bytes; flags are PF_R, PF_W, PF_X. */
struct rk_solo5_segment {
    uint64_t offset;
    uint64_t filesz;
    uint64_t vaddr;
    uint64_t memsz;
    uint64_t align;
    uint32_t flags;
};

struct rk_solo5_image {
    uint16_t machine; /* EM_X86_64, EM_AARCH64, … */
    enum rk_solo5_target target;
    uint32_t abi_version;
    uint64_t entry;
    size_t segment_count;
    struct rk_solo5_segment segments[RK_SOLO5_SEGMENTS]; /* ascending by vaddr, not overlapping */
    struct rk_solo5_mft mft;
};

/* Where bytes come from: a descriptor (mem NULL), or memory (unit tests, fuzzing). */
struct rk_source {
    int fd;
    const uint8_t *mem;
    uint64_t size; /* bytes */
};

/* Fill a source from an open regular file. -EINVAL when fd is anything else. The descriptor stays the
 * caller's. */
int rk_source_from_fd(struct rk_source *ret_source, int fd, struct rk_err *err);

/* Copy exactly `len` bytes at `off` out of the source. -ENODATA when the source ends before, with no text
 * set. */
int rk_source_read(const struct rk_source *source, uint64_t off, void *buf, size_t len);

/* Read a Solo5 image.
 * Returns 1 and fills *ret_image for a well-formed one, whatever its target, machine and ABI version;
 * 0 when the bytes are no Solo5 image (no ELF, an ordinary ELF, an ELF of a class that Solo5 does not know);
 * -ENOEXEC with a text for a malformed ELF64 file, Solo5 note or manifest. A text about a note whose lengths
 * lie contains "note does not fall within valid size", which the reference test suite looks for. */
int rk_solo5_read(struct rk_solo5_image *ret_image, const struct rk_source *source, struct rk_err *err);

/* May a tender of target `want` on this machine run the image? 0, or -ENOEXEC with a text: another target, an
 * ABI version other than 1 and 2, another machine. */
int rk_solo5_check(const struct rk_solo5_image *image, enum rk_solo5_target want, struct rk_err *err);

/* The manifest entry called `name` of type `type`, or NULL. *ret_handle (may be NULL) is its index. */
struct rk_solo5_entry *rk_solo5_find(struct rk_solo5_mft *mft, const char *name, enum rk_solo5_device type,
                                     size_t *ret_handle);

/* "hvt", "spt", "virtio", …; "unknown" for a number that is none. */
const char *rk_solo5_target_name(uint32_t target);

/* "NET_BASIC" or "BLOCK_BASIC". */
const char *rk_solo5_device_name(uint32_t type);

#endif
