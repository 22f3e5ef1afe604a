/* What is packed: its size, its files' content, and how it is written. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bundle/pack/cpio.h"
#include "bundle/pack/iso.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define CHUNK    (1 << 18)  /* bytes at a time */
#define FILE_MAX UINT32_MAX /* bytes: both formats have 32 bits for a file's size */

const char *const pk_format_names[] = {[PK_CPIO] = "cpio", [PK_ISO9660] = "iso9660"};

int pk_open(int root, const char *path, const struct stat *was, struct rk_err *err)
{
    struct open_how how = {.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    struct stat st;
    rk_autoclose int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0 || fstat(fd, &st) < 0)
        return rk_fail_errno(err, "open '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_ino != was->st_ino || st.st_size != was->st_size)
        return rk_fail(err, -ESTALE, "'%s' changed while it was packed", path);
    return rk_take_fd(&fd);
}

int pk_content_write(const struct pk_content *content, size_t entry, int out, struct rk_err *err)
{
    const struct pk_entry *e = &content->tree->v[entry];
    rk_autofree char *buffer = e->data ? NULL : malloc(CHUNK);
    rk_autoclose int fd = e->data ? -1 : pk_open(content->root, e->path, &e->st, err);
    int r = 0;
    if (!e->data && fd < 0)
        return fd;
    if (!e->data && !buffer)
        return rk_fail(err, -ENOMEM, "out of memory");
    if (e->data)
        r = rk_write_all(out, e->data, (size_t)e->st.st_size);
    for (uint64_t left = e->data ? 0 : (uint64_t)e->st.st_size; left > 0 && r == 0;) {
        ssize_t n = read(fd, buffer, left < CHUNK ? (size_t)left : CHUNK);
        if (n < 0)
            return rk_fail_errno(err, "read '%s'", e->path);
        if (n == 0)
            return rk_fail(err, -ESTALE, "'%s' became shorter while it was packed", e->path);
        r = rk_write_all(out, buffer, (size_t)n);
        left -= (uint64_t)n;
    }
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "pack '%s'", e->path);
    }
    return 0;
}

uint64_t pk_content_size(const struct pk_content *content)
{
    const struct pk_tree *tree = content->tree;
    struct stat st = {.st_size = 0};
    uint64_t bytes = 1024; /* its end, and the init's header */
    if (content->init >= 0 && fstat(content->init, &st) == 0)
        bytes += (uint64_t)st.st_size;
    for (size_t i = 0; i < tree->n; i++) {
        const struct pk_entry *e = &tree->v[i];
        bytes += 116 + strlen(e->path) + (e->link ? strlen(e->link) : 0);
        if (S_ISREG(e->st.st_mode) && !e->first)
            bytes += (uint64_t)e->st.st_size + 3;
    }
    return bytes;
}

int pk_write(const struct pk_content *content, int out, struct rk_err *err)
{
    const struct pk_tree *tree = content->tree;
    for (size_t i = 0; i < tree->n; i++)
        if (S_ISREG(tree->v[i].st.st_mode) && (uint64_t)tree->v[i].st.st_size > FILE_MAX)
            return rk_fail(err, -EFBIG, "'%s' has %lld MiB, and a guest can be given files of at most 4095",
                           tree->v[i].path, (long long)tree->v[i].st.st_size >> 20);
    return content->format == PK_ISO9660 ? pk_iso_write(content, out, err) : pk_cpio_write(content, out, err);
}
