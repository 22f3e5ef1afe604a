/* Finds the place from which the image is loaded: where its own segments do not overwrite it. */
#include "loader.h"

static bool in_the_way(const struct ldr_image *image, uint64_t start, uint64_t len)
{
    for (size_t i = 0; i < image->count; i++) {
        const struct ldr_segment *segment = &image->segment[i];
        if (start < segment->target + segment->memsz && segment->target < start + len)
            return true;
    }
    return false;
}

/* Takes the last page before `end` from which on `size` bytes fit, when they may and it is higher than *best.
 */
static void consider(const struct ldr_image *image, const struct ldr_memory *memory, uint64_t end,
                     uint64_t size, uint64_t *best)
{
    if (end > LDR_HIGH_END)
        end = LDR_HIGH_END;
    if (end < size)
        return;
    uint64_t start = (end - size) / LDR_PAGE * LDR_PAGE;
    if (start >= LDR_LOW_END && start > *best && ldr_memory_usable(memory, start, size) &&
        !in_the_way(image, start, size))
        *best = start;
}

int ldr_place(const struct ldr_image *image, const struct ldr_memory *memory, uint64_t module, uint64_t size,
              uint64_t *ret_module, struct ldr_error *ret_error)
{
    if (!in_the_way(image, module, size) && (module % LDR_PAGE == 0 || image->ramdisk_size == 0)) {
        *ret_module = module;
        return 0;
    }
    /* The highest place ends where usable memory ends, or where a segment begins. */
    uint64_t best = 0;
    for (size_t i = 0; i < memory->count; i++)
        consider(image, memory, memory->range[i].start + memory->range[i].len, size, &best);
    for (size_t i = 0; i < image->count; i++)
        consider(image, memory, image->segment[i].target, size, &best);
    if (best == 0) {
        *ret_error = (struct ldr_error){
            "no room for the image beside what it is loaded to: give the guest more memory; bytes",
            1,
            {size}};
        return -1;
    }
    *ret_module = best;
    return 0;
}
