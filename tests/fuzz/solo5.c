/* Whatever the bytes are: the Solo5 reader gives an answer, and what it hands out keeps the promises of its
 * header. */
#include "tests/fuzz/fuzz.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/solo5.h"
#include "tests/fuzz/promise.h"

static void check_segments(const struct rk_solo5_image *image, size_t size)
{
    uint64_t before = 0x100000;
    PROMISE(image->segment_count >= 1 && image->segment_count <= RK_SOLO5_SEGMENTS);
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct rk_solo5_segment *segment = &image->segments[i];
        PROMISE(segment->filesz > 0 && segment->memsz >= segment->filesz);
        PROMISE(segment->offset <= size && segment->filesz <= size - segment->offset);
        PROMISE(segment->align && !(segment->align & (segment->align - 1)));
        uint64_t mask = segment->align - 1;
        PROMISE(segment->vaddr + segment->memsz >= segment->vaddr);
        PROMISE(segment->vaddr + segment->memsz + mask >= segment->vaddr + segment->memsz);
        PROMISE((segment->vaddr & ~mask) >= before);
        before = (segment->vaddr + segment->memsz + mask) & ~mask;
        PROMISE((segment->vaddr & ~mask) % 4096 == 0 && before % 4096 == 0);
        PROMISE((segment->flags & (PF_W | PF_X)) != (PF_W | PF_X));
    }
    PROMISE(image->entry >= 0x100000 && image->entry < before);
}

static void check_manifest(struct rk_solo5_mft *mft)
{
    PROMISE(mft->version == 1 && mft->entries >= 1 && mft->entries <= RK_SOLO5_MFT_ENTRIES);
    PROMISE(mft->e[0].type == RK_SOLO5_RESERVED_FIRST && !mft->e[0].name[0]);
    for (uint32_t i = 0; i < mft->entries; i++) {
        struct rk_solo5_entry *entry = &mft->e[i];
        PROMISE(memchr(entry->name, 0, sizeof entry->name));
        PROMISE(!entry->attached && !entry->b.data);
        if (i == 0 || entry->type >= RK_SOLO5_RESERVED_FIRST)
            continue;
        PROMISE(entry->type == RK_SOLO5_NET || entry->type == RK_SOLO5_BLOCK);
        size_t handle = 0;
        PROMISE(rk_solo5_find(mft, entry->name, entry->type, &handle) == entry && handle == i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly that size: a sanitizer then sees any byte read behind it. */
    uint8_t *copy = malloc(size ? size : 1);
    PROMISE(copy);
    if (size)
        memcpy(copy, data, size);
    const struct rk_source source = {.fd = -1, .mem = copy, .size = size};
    struct rk_solo5_image image;
    struct rk_err err;
    memset(&image, 0xa5, sizeof image);
    err.code = 0;
    int rc = rk_solo5_read(&image, &source, &err);
    PROMISE(rc == 1 || rc == 0 || rc == -ENOEXEC);
    PROMISE(rc < 0 ? err.code == rc && err.text[0] : err.code == 0);
    if (rc == 1) {
        check_manifest(&image.mft);
        PROMISE(rk_solo5_target_name(image.target)[0]);
        if (image.target == RK_SOLO5_HVT || image.target == RK_SOLO5_SPT)
            check_segments(&image, size);
        else
            PROMISE(image.segment_count == 0);
        int verdict = rk_solo5_check(&image, RK_SOLO5_SPT, &err);
        PROMISE(verdict == 0 || verdict == -ENOEXEC);
        PROMISE(verdict || image.target == RK_SOLO5_SPT);
    }
    free(copy);
    return 0;
}
