/* Whatever lies in the cache, whoever made it and however much of it got lost: what is asked for is what was
 * written for exactly this key, whole, or there is an error; never a file that is none, and no waiting. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/pack/cache.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "tests/fuzz/promise.h"
#include "tests/fuzz/scratch.h"

static const char key[] = "what is packed\n";
static const char content[] = "the packed files";

/* The name that the cache has for the key, once it is known. */
static char own_name[PK_NAME];

static int write_content(void *data, int out, struct rk_err *err)
{
    bool *failing = data;
    (void)err;
    if (*failing)
        return rk_fail(err, -EIO, "it can't be written");
    return rk_write_all(out, content, sizeof content - 1);
}

/* A file of the right size beside the right key is taken for the one that was written: only root, whose cache
 * it is, can put another there. */
static size_t other_size(size_t size)
{
    return size == sizeof content - 1 ? size - 1 : size;
}

/* One name in the cache out of two bytes: what it is called, and what it is. */
static void plant(int dir, uint8_t which, uint8_t what, const uint8_t *data, size_t size)
{
    static const char *const ends[] = {"", ".key", ".new", ".old"};
    char name[PK_NAME + 8];
    if (which & 0x80)
        snprintf(name, sizeof name, "%02x%s", which & 0x1f, ends[which >> 5 & 3]);
    else
        snprintf(name, sizeof name, "%s%s", own_name, ends[which & 3]);
    unlinkat(dir, name, 0);
    if (what % 8 == 1)
        mkdirat(dir, name, 0755);
    else if (what % 8 == 2)
        (void)!symlinkat("/dev/zero", dir, name);
    else if (what % 8 == 3)
        mkfifoat(dir, name, 0644);
    else if (what % 8 == 4)
        (void)!symlinkat(own_name, dir, name);
    else {
        rk_autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd >= 0)
            (void)!write(fd, data, other_size(size));
    }
}

/* What is there as it should be loses its end, or a byte changes. */
static void damage(int dir, uint8_t which, uint8_t at)
{
    char name[PK_NAME + 8];
    snprintf(name, sizeof name, "%s%s", own_name, which & 1 ? ".key" : "");
    rk_autoclose int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (which & 1 && which & 2)
        (void)!pwrite(fd, &at, 1, at);
    else
        (void)!ftruncate(fd, (off_t)other_size(at));
}

/* What was found: a file with the content, and a cache that finds it again. */
static void check(int dir, const char *name)
{
    char found[sizeof content];
    struct stat st;
    rk_autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    PROMISE(fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
    PROMISE(read(fd, found, sizeof found) == sizeof content - 1);
    PROMISE(memcmp(found, content, sizeof content - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_err err;
    char name[PK_NAME];
    bool failing = false;
    int dir = scratch_open();
    uint64_t most = size > 0 && data[0] & 1 ? 0 : 1 << 20;
    PROMISE(pk_cache_get(own_name, dir, key, sizeof key - 1, most, write_content, &failing, &err) == 0);
    check(dir, own_name);
    for (size_t i = 1; i + 3 < size && i < 64; i += 4) {
        if (data[i] & 0x40)
            damage(dir, data[i + 1], data[i + 2]);
        else
            plant(dir, data[i + 1], data[i + 2], data + i, size - i);
    }
    failing = size > 0 && data[0] & 2;
    int r = pk_cache_get(name, dir, key, sizeof key - 1, most, write_content, &failing, &err);
    if (r == 0)
        check(dir, name);
    else
        PROMISE(*err.text);
    PROMISE(rk_remove_children(dir) == 0);
    return 0;
}
