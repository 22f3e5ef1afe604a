/* The one place where a guest address becomes a pointer. */
#include "hypervisor/solo5/hvt_mem.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

int hvt_mem_init(struct hvt_mem *mem, uint64_t size, struct rk_err *err)
{
    const int protection = PROT_READ | PROT_WRITE;
    void *base = mmap(NULL, size, protection, LDR_MAP, -1, 0);
    if (base == MAP_FAILED)
        return rk_fail_errno(err, "map %" PRIu64 " bytes of guest memory", size);
    mem->ram = (struct ldr_memory){.base = base, .size = size, .protection = protection};
    mem->range_count = 0;
    return 0;
}

void hvt_mem_protect(struct hvt_mem *mem, const struct rk_solo5_image *image)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct rk_solo5_segment *segment = &image->segments[i];
        int protection = ldr_protection(&mem->ram, segment->flags);
        if (protection == mem->ram.protection)
            continue;
        struct hvt_range *range = &mem->ranges[mem->range_count++];
        ldr_extent(segment, &range->start, &range->end);
        range->readable = protection & PROT_READ;
        range->writable = protection & PROT_WRITE;
    }
}

int hvt_mem_at(const struct hvt_mem *mem, uint64_t gpa, uint64_t len, bool write, void **ret_at,
               struct rk_err *err)
{
    bool good = gpa <= mem->ram.size && len <= mem->ram.size - gpa;
    for (size_t i = 0; good && i < mem->range_count; i++) {
        const struct hvt_range *range = &mem->ranges[i];
        if (gpa < range->end && gpa + len > range->start)
            good = write ? range->writable : range->readable;
    }
    if (!good)
        return rk_fail(err, -EFAULT, "Invalid guest access: gpa=0x%" PRIx64 ", sz=%" PRIu64, gpa, len);
    *ret_at = mem->ram.base + gpa;
    return 0;
}
