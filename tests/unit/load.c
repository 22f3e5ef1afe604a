/* The loader: however segments lie in the file, guest memory ends up as plain copying would have made it. */
#include "hypervisor/solo5/load.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/tap.h"

#define FILE_SIZE 0x8345
#define START     0x10000
#define MEM_SIZE  0x140000
#define R         PF_R
#define RX        (PF_R | PF_X)
#define RW        (PF_R | PF_W)

static const struct {
    const char *name;
    struct rk_solo5_segment segments[3]; /* offset, filesz, vaddr, memsz, align, flags */
} cases[] = {
    {"whole pages", {{0x1000, 0x3000, 0x100000, 0x3000, 0x1000, RX}}},
    {"last page in part", {{0x1000, 0x2fff, 0x100000, 0x3000, 0x1000, RX}}},
    {"one byte on the last page", {{0x1000, 0x2001, 0x100000, 0x2001, 0x1000, R}}},
    {"first page in part", {{0x1123, 0x2edd, 0x100123, 0x2edd, 0x1000, RX}}},
    {"first and last page in part", {{0x1123, 0x2000, 0x100123, 0x2000, 0x1000, R}}},
    {"two half pages", {{0x1800, 0x1000, 0x100800, 0x1000, 0x1000, RW}}},
    {"less than a page", {{0x1123, 0x10, 0x100123, 0x10, 0x1000, RW}}},
    {"not congruent", {{0x1001, 0x3000, 0x100000, 0x3000, 0x1000, RX}}},
    {"not congruent, address odd", {{0x1000, 0x3000, 0x100001, 0x3000, 0x1000, RW}}},
    {"to the end of the file", {{0x5000, FILE_SIZE - 0x5000, 0x100000, 0x4000, 0x1000, RW}}},
    {"zeroes behind", {{0x1000, 0x1800, 0x100000, 0x5678, 0x1000, RW}}},
    {"large alignment", {{0x1000, 0x1800, 0x104000, 0x1800, 0x8000, R}}},
    {"the file's order is not the memory's",
     {{0x5000, 0x1800, 0x100000, 0x1800, 0x1000, RX}, {0x1000, 0x2100, 0x102000, 0x2100, 0x1000, RW}}},
    {"pages next to each other, and in the file on the same one",
     {{0x1000, 0x1800, 0x100000, 0x1800, 0x1000, RX},
      {0x2800, 0x0900, 0x102800, 0x0900, 0x1000, R},
      {0x3100, 0x1010, 0x104100, 0x3333, 0x1000, RW}}},
    {"the same bytes twice",
     {{0x1000, 0x2000, 0x100000, 0x2000, 0x1000, RX}, {0x1000, 0x2000, 0x102000, 0x2000, 0x1000, RW}}},
};

static uint8_t bytes[FILE_SIZE];

static struct rk_solo5_image *make_image(size_t i)
{
    static struct rk_solo5_image image;
    image.segment_count = 0;
    while (image.segment_count < RK_COUNT(cases[i].segments) &&
           cases[i].segments[image.segment_count].filesz) {
        image.segments[image.segment_count] = cases[i].segments[image.segment_count];
        image.segment_count++;
    }
    return &image;
}

static struct ldr_memory make_memory(bool executes)
{
    const int protection = PROT_READ | PROT_WRITE;
    void *base = mmap(NULL, MEM_SIZE - START, protection, LDR_MAP, -1, 0);
    if (base == MAP_FAILED)
        abort();
    return (struct ldr_memory){
        .base = base, .start = START, .size = MEM_SIZE, .protection = protection, .executes = executes};
}

/* Does the kernel find the page writable? Asked by reading nothing but a zero into it. */
static bool writable(uint8_t *at, int zero)
{
    return read(zero, at, 1) == 1;
}

static bool protected_right(const struct ldr_memory *memory, const struct rk_solo5_image *image)
{
    rk_autoclose int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    bool good = zero >= 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        uint64_t start, end;
        ldr_extent(&image->segments[i], &start, &end);
        bool want = image->segments[i].flags & PF_W;
        good = good && writable(memory->base + (start - START), zero) == want;
        good = good && writable(memory->base + (end - 1 - START), zero) == want;
    }
    return good;
}

static void run_case(size_t i, const struct rk_source *source, const char *from)
{
    static uint8_t expected[MEM_SIZE - START];
    const struct rk_solo5_image *image = make_image(i);
    struct ldr_memory memory = make_memory(!source->mem);
    struct rk_err err = {0};
    uint64_t end = 0, start = 0, last = 0;
    memset(expected, 0, sizeof expected);
    for (size_t s = 0; s < image->segment_count; s++) {
        const struct rk_solo5_segment *segment = &image->segments[s];
        memcpy(expected + (segment->vaddr - START), bytes + segment->offset, segment->filesz);
        ldr_extent(segment, &start, &last);
    }
    int rc = ldr_load(&memory, source, image, &end, &err);
    bool good = rc == 0 && end == last && memcmp(memory.base, expected, sizeof expected) == 0;
    tap_ok(good && protected_right(&memory, image), "%s, %s", cases[i].name, from);
    if (rc)
        printf("# %s\n", err.text);
    munmap(memory.base, MEM_SIZE - START);
}

static void test_private(const struct rk_source *file)
{
    struct ldr_memory memory = make_memory(true);
    struct rk_err err = {0};
    uint64_t end;
    uint8_t byte = 0;
    struct rk_solo5_image *image = make_image(0);
    image->segments[0].flags = RW;
    bool good = ldr_load(&memory, file, image, &end, &err) == 0;
    memory.base[0x100000 - START] = (uint8_t)~bytes[0x1000];
    good = good && pread(file->fd, &byte, 1, 0x1000) == 1 && byte == bytes[0x1000];
    tap_ok(good, "what a guest writes does not reach the file");
    munmap(memory.base, MEM_SIZE - START);
}

static void test_too_large(const struct rk_source *file)
{
    struct ldr_memory memory = make_memory(true);
    struct rk_err err = {0};
    uint64_t end;
    struct rk_solo5_image *image = make_image(0);
    image->segments[0].vaddr = MEM_SIZE - 0x2000;
    tap_ok(ldr_load(&memory, file, image, &end, &err) == -ENOEXEC && strstr(err.text, "give it more"),
           "a segment that ends behind the memory");
    image->segments[0].vaddr = MEM_SIZE - 0x3000;
    tap_ok(ldr_load(&memory, file, image, &end, &err) == 0 && end == MEM_SIZE, "one that ends with it");
    image->segments[0].vaddr = UINT64_C(1) << 60;
    tap_ok(ldr_load(&memory, file, image, &end, &err) == -ENOEXEC, "one that lies far away");
    munmap(memory.base, MEM_SIZE - START);
}

static void test_shrunk(const struct rk_source *file)
{
    struct ldr_memory memory = make_memory(true);
    struct rk_err err = {0};
    uint64_t end;
    struct rk_source longer = *file;
    longer.size += 0x1000;
    struct rk_solo5_image *image = make_image(0);
    image->segments[0].offset = 0x7000;
    image->segments[0].filesz = 0x1400;
    tap_ok(ldr_load(&memory, &longer, image, &end, &err) == -ENODATA,
           "a file that became shorter is noticed");
    munmap(memory.base, MEM_SIZE - START);
}

int main(void)
{
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(1 + (i * 2654435761U >> 13) % 255);
    rk_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
        return 1;
    const struct rk_source file = {.fd = fd, .size = sizeof bytes};
    const struct rk_source copy = {.fd = -1, .mem = bytes, .size = sizeof bytes};
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        run_case(i, &file, "from a file");
        run_case(i, &copy, "from memory");
    }
    test_private(&file);
    test_too_large(&file);
    test_shrunk(&file);
    return tap_end();
}
