/* Whatever the bytes are: the loader's reader of images gives an answer, and what it lets pass can be loaded:
 * every segment and the file itself in memory, and none in the way of another. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "hypervisor/qemu/loader/loader.h"
#include "tests/fuzz/promise.h"

/* A machine with 64 MiB, in two ranges that adjoin each other, and a hole. */
static const struct ldr_memory memory = {{{0, 0x9fc00, LDR_RAM},
                                          {0xf0000, 0x10000, 2},
                                          {0x2000000, 0x1fe0000, LDR_RAM},
                                          {0x100000, 0x1f00000, LDR_RAM},
                                          {0x3fe0000, 0x20000, 2},
                                          {0xfffc0000, 0x40000, 2}},
                                         6};

static bool usable(uint64_t start, uint64_t len)
{
    return start >= 0x100000 && start < 0x3fe0000 && len <= 0x3fe0000 - start;
}

static bool apart(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a + a_len <= b || b + b_len <= a;
}

static void check_image(const struct ldr_image *image, uint64_t size)
{
    bool entered = false;
    PROMISE(image->count >= 1 && image->count <= LDR_SEGMENTS_MAX);
    for (size_t i = 0; i < image->count; i++) {
        const struct ldr_segment *segment = &image->segment[i];
        PROMISE(segment->memsz > 0 && segment->filesz <= segment->memsz);
        PROMISE(segment->offset <= size && segment->filesz <= size - segment->offset);
        PROMISE(usable(segment->target, segment->memsz));
        for (size_t j = 0; j < i; j++)
            PROMISE(
                apart(segment->target, segment->memsz, image->segment[j].target, image->segment[j].memsz));
        entered =
            entered || (image->entry >= segment->target && image->entry - segment->target < segment->memsz);
    }
    PROMISE(entered && image->entry < LDR_GUEST_MAPPED);
    PROMISE(image->ramdisk_offset % LDR_PAGE == 0);
    PROMISE(image->ramdisk_offset <= size && image->ramdisk_size <= size - image->ramdisk_offset);
}

static void check_place(const struct ldr_image *image, uint64_t module, uint64_t size)
{
    struct ldr_error error = {0};
    uint64_t placed = 0;
    if (ldr_place(image, &memory, module, size, &placed, &error) < 0) {
        PROMISE(error.text && error.count <= 2);
        return;
    }
    PROMISE(usable(placed, size));
    PROMISE(image->ramdisk_size == 0 || placed % LDR_PAGE == 0);
    for (size_t i = 0; i < image->count; i++)
        PROMISE(apart(placed, size, image->segment[i].target, image->segment[i].memsz));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ldr_image image;
    struct ldr_error error = {0};
    /* A copy of exactly that size: a sanitizer then sees any byte read behind it. */
    uint8_t *copy = malloc(size ? size : 1);
    PROMISE(copy);
    if (size)
        memcpy(copy, data, size);
    memset(&image, 0xa5, sizeof image);
    if (ldr_image_read(copy, size, &memory, &image, &error) < 0) {
        PROMISE(error.text && error.count <= 2);
    } else {
        check_image(&image, size);
        check_place(&image, (0x3fe0000 - size) & ~0xfffULL, size);
        check_place(&image, 0x100000, size);
        check_place(&image, 0x234567, size);
    }
    free(copy);
    return 0;
}
