/* Placing an image's segments in guest memory: mapped from the file where page boundaries allow it, else
 * copied. */
#include "hypervisor/solo5/load.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>

#define PAGE UINT64_C(4096)

static uint64_t align_down(uint64_t x, uint64_t align)
{
    return x & ~(align - 1);
}

/* The reader has made sure that no aligned end overflows. */
static uint64_t align_up(uint64_t x, uint64_t align)
{
    return align_down(x + align - 1, align);
}

static uint8_t *host(const struct ldr_memory *memory, uint64_t address)
{
    return memory->base + (address - memory->start);
}

int ldr_protection(const struct ldr_memory *memory, uint32_t flags)
{
    int protection = PROT_NONE;
    if (flags & PF_R)
        protection |= PROT_READ;
    if (flags & PF_W)
        protection |= PROT_WRITE;
    if (flags & PF_X)
        protection |= memory->executes ? PROT_EXEC : PROT_READ;
    return protection;
}

void ldr_extent(const struct rk_solo5_segment *segment, uint64_t *ret_start, uint64_t *ret_end)
{
    *ret_start = align_down(segment->vaddr, segment->align);
    *ret_end = align_up(segment->vaddr + segment->memsz, segment->align);
}

static int copy(const struct ldr_memory *memory, const struct rk_source *file,
                const struct rk_solo5_segment *segment, uint64_t from, uint64_t to, struct rk_err *err)
{
    if (from >= to)
        return 0;
    int rc = rk_source_read(file, segment->offset + (from - segment->vaddr), host(memory, from),
                            (size_t)(to - from));
    if (rc == -ENODATA)
        return rk_fail(err, rc, "image became shorter while it was read");
    if (rc) {
        errno = -rc;
        return rk_fail_errno(err, "read segment");
    }
    return 0;
}

/* File bytes of one segment. Only whole pages of the segment are mapped: on its first and last page the file
 * holds other things, where the guest must find zeroes. */
static int place(const struct ldr_memory *memory, const struct rk_source *file,
                 const struct rk_solo5_segment *segment, int protection, struct rk_err *err)
{
    uint64_t end = segment->vaddr + segment->filesz;
    uint64_t low = align_up(segment->vaddr, PAGE), high = align_down(end, PAGE);
    bool mappable = !file->mem && low < high && segment->offset % PAGE == segment->vaddr % PAGE;
    if (!mappable)
        return copy(memory, file, segment, segment->vaddr, end, err);
    size_t len = (size_t)(high - low);
    if (mmap(host(memory, low), len, protection, MAP_PRIVATE | MAP_FIXED, file->fd,
             (off_t)(segment->offset + (low - segment->vaddr))) == MAP_FAILED) {
        /* A file system without mmap, or one mounted noexec, is no reason not to run: then all is copied. The
         * failure may have left a hole. */
        if (mmap(host(memory, low), len, PROT_READ | PROT_WRITE, LDR_MAP | MAP_FIXED, -1, 0) == MAP_FAILED)
            return rk_fail_errno(err, "map guest memory");
        return copy(memory, file, segment, segment->vaddr, end, err);
    }
    int rc = copy(memory, file, segment, segment->vaddr, low, err);
    return rc ? rc : copy(memory, file, segment, high, end, err);
}

int ldr_load(const struct ldr_memory *memory, const struct rk_source *file,
             const struct rk_solo5_image *image, uint64_t *ret_end, struct rk_err *err)
{
    uint64_t last = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct rk_solo5_segment *segment = &image->segments[i];
        uint64_t start, end;
        ldr_extent(segment, &start, &end);
        if (end > memory->size)
            return rk_fail(err, -ENOEXEC,
                           "image needs memory up to 0x%" PRIx64 " but the guest has %" PRIu64
                           " bytes: give it more",
                           end, memory->size);
        int protection = ldr_protection(memory, segment->flags);
        int rc = place(memory, file, segment, protection, err);
        if (rc)
            return rk_wrap(err, "load segment at 0x%" PRIx64, segment->vaddr);
        if (protection != memory->protection &&
            mprotect(host(memory, start), (size_t)(end - start), protection))
            return rk_fail_errno(err, "protect segment at 0x%" PRIx64, segment->vaddr);
        last = end;
    }
    *ret_end = last;
    return 0;
}
