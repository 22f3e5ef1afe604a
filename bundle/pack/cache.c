/* Keeps packed trees: NAME holds one, NAME.key what it was made of, word for word, and how many bytes it has.
 * The name is a digest that only has to be seldom the same for two: the key is compared as a whole. The size
 * is there for machines that lose their power before everything is written. */
#include "bundle/pack/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define UNFINISHED ".new"
#define KEY        ".key"

#define END_MAX 32 /* bytes of the line behind the key */

/* FNV-1a with 64 bits (RFC draft-eastlake-fnv). */
static uint64_t digest(const char *data, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return h;
}

static bool has_end(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);
    return len > n && strcmp(name + len - n, end) == 0;
}

/* What stands behind the key. */
static int print_end(char out[END_MAX], uint64_t size)
{
    return snprintf(out, END_MAX, "bytes %" PRIu64 "\n", size);
}

/* Whether it is there, whole; then it is the one that was asked for last. */
static bool find(int dir, const char *name, const char *key, size_t key_len)
{
    char key_name[PK_NAME + 8], end[END_MAX];
    rk_autofree char *text = NULL;
    size_t len = 0;
    struct stat st;
    const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    snprintf(key_name, sizeof key_name, "%s" KEY, name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return false;
    size_t end_len = (size_t)print_end(end, (uint64_t)st.st_size);
    if (rk_read_file_at(dir, key_name, key_len + end_len, &text, &len) < 0 || len != key_len + end_len ||
        memcmp(text, key, key_len) != 0 || memcmp(text + key_len, end, end_len) != 0)
        return false;
    return utimensat(dir, name, now, AT_SYMLINK_NOFOLLOW) == 0;
}

static void forget(int dir, const char *name)
{
    char key_name[PK_NAME + 8];
    snprintf(key_name, sizeof key_name, "%s" KEY, name);
    unlinkat(dir, key_name, 0);
    unlinkat(dir, name, 0);
}

/* What is in the cache beside `keep`: the bytes of all, and the name of the oldest. Unfinished ones are
 * removed. */
static uint64_t survey(int dir, const char *keep, char oldest[PK_NAME])
{
    struct dirent **names = NULL;
    struct timespec least = {0};
    uint64_t bytes = 0;
    int n = scandirat(dir, ".", &names, NULL, NULL);
    *oldest = '\0';
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        struct stat st;
        if (has_end(name, UNFINISHED))
            unlinkat(dir, name, 0);
        else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            bytes += (uint64_t)st.st_blocks * 512;
            bool older = !*oldest || st.st_mtim.tv_sec < least.tv_sec ||
                         (st.st_mtim.tv_sec == least.tv_sec && st.st_mtim.tv_nsec < least.tv_nsec);
            if (older && !has_end(name, KEY) && strcmp(name, keep) != 0 && strlen(name) < PK_NAME) {
                snprintf(oldest, PK_NAME, "%s", name);
                least = st.st_mtim;
            }
        }
        free(names[i]);
    }
    free(names);
    return bytes;
}

static void make_room(int dir, const char *keep, uint64_t most)
{
    char oldest[PK_NAME];
    while (survey(dir, keep, oldest) > most && *oldest)
        forget(dir, oldest);
}

static int write_key(int dir, const char *name, const char *key, size_t key_len, uint64_t size)
{
    char key_name[PK_NAME + 8], end[END_MAX];
    int end_len = print_end(end, size);
    rk_autofree char *text = malloc(key_len + sizeof end);
    if (!text)
        return -ENOMEM;
    snprintf(key_name, sizeof key_name, "%s" KEY, name);
    memcpy(text, key, key_len);
    memcpy(text + key_len, end, (size_t)end_len);
    return rk_write_file_atomic(dir, key_name, text, key_len + (size_t)end_len, 0600);
}

static int make(int dir, const char *name, const char *key, size_t key_len, pk_write_fn *write, void *data,
                struct rk_err *err)
{
    char unfinished[PK_NAME + 8];
    struct stat st;
    snprintf(unfinished, sizeof unfinished, "%s" UNFINISHED, name);
    forget(dir, name);
    rk_autoclose int out =
        openat(dir, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return rk_fail_errno(err, "make a file in the cache");
    int r = write(data, out, err);
    /* QEMU reads it as another user, by a mount of its own; nobody else gets through the directory. */
    if (r == 0 && (fchmod(out, 0444) < 0 || fstat(out, &st) < 0 || renameat(dir, unfinished, dir, name) < 0))
        r = rk_fail_errno(err, "make a file in the cache");
    if (r == 0 && (r = write_key(dir, name, key, key_len, (uint64_t)st.st_size)) < 0) {
        errno = -r;
        rk_fail_errno(err, "make a file in the cache");
    }
    if (r < 0)
        unlinkat(dir, unfinished, 0);
    return r;
}

int pk_cache_get(char ret_name[PK_NAME], int dir, const char *key, size_t key_len, uint64_t most,
                 pk_write_fn *write, void *data, struct rk_err *err)
{
    snprintf(ret_name, PK_NAME, "%016" PRIx64 "-%zx", digest(key, key_len), key_len);
    if (flock(dir, LOCK_SH) < 0)
        return rk_fail_errno(err, "lock the cache");
    if (find(dir, ret_name, key, key_len))
        return 0;
    if (flock(dir, LOCK_EX) < 0)
        return rk_fail_errno(err, "lock the cache");
    if (find(dir, ret_name, key, key_len)) /* somebody was faster */
        return 0;
    make_room(dir, ret_name, most);
    int r = make(dir, ret_name, key, key_len, write, data, err);
    if (r == 0)
        make_room(dir, ret_name, most);
    return r;
}
