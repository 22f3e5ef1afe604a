/* Files judged through their descriptors: gzip, sparse ones, ones that shrink, and what becomes of the
 * descriptor.
 */
#include "bundle/image.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "bundle/gzip.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/elf_build.h"
#include "tests/unit/seeds.h"
#include "tests/unit/tap.h"

static struct eb eb;
static struct bnd_image image;
static struct rk_err err;

static int file_of(const void *data, size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return -1;
    return fd;
}

/* bnd_image_read of these bytes; the descriptor's number in *ret_fd (it is open or not). */
static int judge(const void *data, size_t size, int *ret_fd)
{
    int fd = file_of(data, size);
    err.code = 0;
    int r = bnd_image_read(&image, fd, "/x", NULL, &err);
    if (ret_fd)
        *ret_fd = fd;
    else if (r <= 0)
        close(fd);
    return r;
}

/* A multiboot kernel with `more` zeros behind it. */
static void kernel(size_t more)
{
    const uint32_t header[3] = {0x1BADB002, 3, (uint32_t) - (0x1BADB002 + 3)};
    eb_begin(&eb, false, ET_EXEC, EM_386);
    eb_bytes(&eb, header, sizeof header, 16);
    eb_bytes(&eb, NULL, 0x1000 + more, 16);
    eb_segment(&eb, PT_LOAD, 0, 0x1000, 0x100000, 0x1000, 0x1000);
    eb_end(&eb);
}

/* gzip's bytes of `len` bytes at `data` and then `zeros` zeros; *ret is heap memory. */
static size_t pack(uint8_t **ret, const uint8_t *data, size_t len, uint64_t zeros)
{
    static uint8_t nothing[1 << 20];
    size_t room = len + (size_t)(zeros / 500) + 4096;
    uint8_t *out = malloc(room);
    z_stream z = {.next_out = out, .avail_out = (uInt)room};
    union {
        const uint8_t *in;
        uint8_t *z;
    } input = {.in = data};
    if (!out || deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = input.z;
    z.avail_in = (uInt)len;
    deflate(&z, Z_NO_FLUSH);
    for (; zeros > 0; zeros -= z.avail_in == 0 ? (zeros < sizeof nothing ? zeros : sizeof nothing) : 0) {
        z.next_in = nothing;
        z.avail_in = (uInt)(zeros < sizeof nothing ? zeros : sizeof nothing);
        deflate(&z, Z_NO_FLUSH);
    }
    deflate(&z, Z_FINISH);
    size_t size = z.total_out;
    deflateEnd(&z);
    *ret = out;
    return size;
}

static void test_descriptor(void)
{
    int fd;
    kernel(0);
    tap_ok(judge(eb.data, eb.size, &fd) == 1 && image.fd == fd && strcmp(image.path, "/x") == 0 &&
               image.boot.kinds == BND_KIND_BIT(BND_MULTIBOOT) && image.solo5.target == 0,
           "descriptor: of a kernel it is taken over");
    bnd_image_fini(&image);
    tap_ok(fcntl(fd, F_GETFD) < 0 && !image.path, "descriptor: and closed at the end");
    tap_ok(judge("#!/bin/sh\n", 10, &fd) == 0 && image.fd == -1 && fcntl(fd, F_GETFD) >= 0 &&
               image.boot.evidence_count == 1,
           "descriptor: of a script it stays the caller's");
    close(fd);
    tap_ok(judge("", 0, &fd) == 0, "an empty file");
    close(fd);
}

static void test_gzip(void)
{
    rk_autofree uint8_t *packed = NULL;
    uint8_t byte;
    int fd;
    kernel(0);
    size_t size = pack(&packed, eb.data, eb.size, 0);
    tap_ok(judge(packed, size, &fd) == 1 && image.boot.kinds == BND_KIND_BIT(BND_MULTIBOOT) && image.fd >= 0,
           "gzip: a kernel in it");
    uint8_t *back = malloc(eb.size);
    tap_ok(lseek(image.fd, 0, SEEK_END) == (off_t)eb.size && back &&
               pread(image.fd, back, eb.size, 0) == (ssize_t)eb.size && memcmp(back, eb.data, eb.size) == 0,
           "gzip: the descriptor is what it holds");
    free(back);
    tap_ok(fcntl(fd, F_GETFD) < 0 || image.fd == fd, "gzip: the file's own is closed");
    tap_ok(pwrite(image.fd, "x", 1, 0) < 0 && errno == EPERM && ftruncate(image.fd, 1) < 0, "gzip: sealed");
    tap_ok(strstr(image.boot.evidence[image.boot.evidence_count - 1].what, "gzip") != NULL,
           "gzip: it is said");
    bnd_image_fini(&image);
    byte = packed[size - 5];
    packed[size - 5] ^= 1; /* the check sum */
    tap_ok(judge(packed, size, NULL) == 0, "gzip: damaged");
    packed[size - 5] = byte;
    tap_ok(judge(packed, size / 2, NULL) == 0, "gzip: cut off");
    tap_ok(judge(packed, 12, NULL) == 0, "gzip: nothing but its header");
}

static void test_gzip_in_gzip(void)
{
    rk_autofree uint8_t *once = NULL, *twice = NULL, *text = NULL;
    kernel(0);
    size_t size = pack(&once, eb.data, eb.size, 0);
    size = pack(&twice, once, size, 0);
    tap_ok(judge(twice, size, NULL) == 0, "gzip: in gzip is not looked into");
    size = pack(&text, (const uint8_t *)"nothing that boots", 18, 1 << 20);
    tap_ok(judge(text, size, NULL) == 0, "gzip: of text");
}

static void test_gzip_bombs(void)
{
    rk_autofree uint8_t *mild = NULL, *bomb = NULL, *text = NULL;
    kernel(0);
    size_t size = pack(&mild, eb.data, eb.size, UINT64_C(32) << 20);
    tap_ok(judge(mild, size, NULL) == 1 && lseek(image.fd, 0, SEEK_END) > (off_t)32 << 20,
           "gzip: a kernel with much nothing behind it");
    bnd_image_fini(&image);
    size = pack(&bomb, eb.data, eb.size, UINT64_C(80) << 20);
    tap_ok(judge(bomb, size, NULL) == -EFBIG && strstr(err.text, "unpack it in the image"), "gzip: a bomb");
    size = pack(&text, (const uint8_t *)"", 0, UINT64_C(80) << 20);
    tap_ok(judge(text, size, NULL) == 0, "gzip: a bomb of nothing is not even unpacked");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A file of a tebibyte, of which only the first bytes are there. */
static void test_sparse(void)
{
    static const struct {
        const char *name;
        bool kernel, boots;
        uint16_t signature;
    } files[] = {{"nothing", false, false, 0}, {"a kernel", true, true, 0}, {"a disk", false, true, 0xAA55}};
    for (size_t i = 0; i < RK_COUNT(files); i++) {
        kernel(0);
        int fd = files[i].kernel ? file_of(eb.data, eb.size) : file_of("\xfa", 1);
        double start = now();
        bool good = pwrite(fd, &files[i].signature, files[i].kernel ? 0 : 2, 510) >= 0 &&
                    ftruncate(fd, (off_t)1 << 40) == 0;
        int r = bnd_image_read(&image, fd, "/x", NULL, &err);
        tap_ok(good && r == files[i].boots && now() - start < 1, "sparse: %s", files[i].name);
        if (r > 0)
            bnd_image_fini(&image);
        else
            close(fd);
    }
}

struct shrinker {
    int fd;
    off_t size;
    atomic_bool done;
};

/* By turns: the file is there, and is not. */
static void *shrink(void *data)
{
    struct shrinker *s = data;
    while (!s->done) {
        if (ftruncate(s->fd, 0) < 0 || ftruncate(s->fd, s->size) < 0 ||
            pwrite(s->fd, eb.data, eb.size, 0) < 0)
            break;
    }
    return NULL;
}

/* A file that becomes shorter while it is looked at: any answer will do, but there is one. */
static void test_shrinking(void)
{
    pthread_t thread;
    kernel(0x20000);
    eb.data[100] = 0;
    struct shrinker s = {.fd = file_of(eb.data, eb.size), .size = (off_t)eb.size};
    if (pthread_create(&thread, NULL, shrink, &s) != 0) {
        tap_ok(false, "shrinking: no thread");
        return;
    }
    int lost = 0, unexpected = 0;
    double start = now();
    for (int i = 0; i < 200000 && !lost && now() - start < 20; i++) {
        int fd = dup(s.fd);
        int r = bnd_image_read(&image, fd, "/x", NULL, &err);
        if (r > 0)
            bnd_image_fini(&image);
        else
            close(fd);
        lost += r == -EIO && strstr(err.text, "became shorter");
        unexpected += r < 0 && r != -EIO && r != -ENOEXEC;
    }
    s.done = true;
    pthread_join(thread, NULL);
    close(s.fd);
    tap_ok(lost > 0 && !unexpected, "shrinking: an error");
}

static int write_seeds(const char *directory)
{
    rk_autofree uint8_t *packed = NULL;
    kernel(0);
    seeds_write(directory, 0, eb.data, eb.size);
    size_t size = pack(&packed, eb.data, eb.size, 0);
    seeds_write(directory, 1, packed, size);
    return 0;
}

int main(int argc, char **argv)
{
    const char *seeds = seeds_directory(argc, argv);
    if (seeds)
        return write_seeds(seeds);
    kernel(0);
    LLVMFuzzerTestOneInput(eb.data, eb.size);
    test_descriptor();
    test_gzip();
    test_gzip_in_gzip();
    test_gzip_bombs();
    test_sparse();
    test_shrinking();
    return tap_end();
}
