/* Writes a tree as a cpio archive, by libarchive. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle/pack/cpio.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define CHUNK     (1 << 18) /* bytes at a time */
#define INIT_NAME ".runuk-init"

struct writing {
    struct archive *archive;
    struct archive_entry *entry; /* used again and again */
    const struct pk_content *content;
    char *buffer; /* CHUNK bytes */
};

static int complain(const struct writing *w, const char *path, struct rk_err *err)
{
    const char *text = archive_error_string(w->archive);
    return rk_fail(err, -EIO, "pack '%s': %s", path, text ? text : "out of memory");
}

/* The content of the open file `fd`: exactly `size` bytes. */
static int write_content(const struct writing *w, int fd, uint64_t size, const char *path, struct rk_err *err)
{
    while (size > 0) {
        ssize_t n = read(fd, w->buffer, size < CHUNK ? (size_t)size : CHUNK);
        if (n < 0)
            return rk_fail_errno(err, "read '%s'", path);
        if (n == 0)
            return rk_fail(err, -ESTALE, "'%s' became shorter while it was packed", path);
        if (archive_write_data(w->archive, w->buffer, (size_t)n) != n)
            return complain(w, path, err);
        size -= (uint64_t)n;
    }
    return 0;
}

static int write_entry(const struct writing *w, size_t i, struct rk_err *err)
{
    const struct pk_entry *e = &w->content->tree->v[i];
    bool content = S_ISREG(e->st.st_mode) && !e->first && e->st.st_size > 0;
    rk_autoclose int fd = content && !e->data ? pk_open(w->content->root, e->path, &e->st, err) : -1;
    if (content && !e->data && fd < 0)
        return fd;
    archive_entry_clear(w->entry);
    archive_entry_set_mode(w->entry, e->st.st_mode);
    archive_entry_set_uid(w->entry, e->st.st_uid);
    archive_entry_set_gid(w->entry, e->st.st_gid);
    archive_entry_set_mtime(w->entry, e->st.st_mtim.tv_sec, 0);
    archive_entry_set_size(w->entry, content ? e->st.st_size : 0);
    archive_entry_copy_pathname(w->entry, e->path);
    /* Names of one file have one number; the first one met bears the content. */
    archive_entry_set_ino64(w->entry, (la_int64_t)(e->first ? e->first : i + 1));
    archive_entry_set_nlink(w->entry, S_ISREG(e->st.st_mode) ? (unsigned)e->st.st_nlink : 1);
    if (S_ISCHR(e->st.st_mode) || S_ISBLK(e->st.st_mode))
        archive_entry_set_rdev(w->entry, e->st.st_rdev);
    if (e->link)
        archive_entry_copy_symlink(w->entry, e->link);
    if (archive_write_header(w->archive, w->entry) < ARCHIVE_WARN)
        return complain(w, e->path, err);
    if (!content)
        return 0;
    if (e->data)
        return archive_write_data(w->archive, e->data, (size_t)e->st.st_size) == e->st.st_size
                   ? 0
                   : complain(w, e->path, err);
    return write_content(w, fd, (uint64_t)e->st.st_size, e->path, err);
}

static int write_init(const struct writing *w, struct rk_err *err)
{
    struct stat st;
    int init = w->content->init;
    if (fstat(init, &st) < 0 || lseek(init, 0, SEEK_SET) < 0)
        return rk_fail_errno(err, "look at runuk-init");
    archive_entry_clear(w->entry);
    archive_entry_copy_pathname(w->entry, INIT_NAME);
    archive_entry_set_mode(w->entry, S_IFREG | 0500);
    archive_entry_set_ino64(w->entry, (la_int64_t)w->content->tree->n + 1);
    archive_entry_set_nlink(w->entry, 1);
    archive_entry_set_size(w->entry, st.st_size);
    if (archive_write_header(w->archive, w->entry) < ARCHIVE_WARN)
        return complain(w, INIT_NAME, err);
    return write_content(w, init, (uint64_t)st.st_size, INIT_NAME, err);
}

static int write_all(const struct writing *w, struct rk_err *err)
{
    const struct pk_tree *tree = w->content->tree;
    bool init = w->content->init >= 0;
    for (size_t i = 0; i < tree->n; i++) {
        int r = init && strcmp(tree->v[i].path, INIT_NAME) == 0 ? 0 : write_entry(w, i, err);
        if (r < 0)
            return r;
    }
    return init ? write_init(w, err) : 0;
}

static int open_archive(struct archive *a, int out)
{
    int r = archive_write_set_format_cpio_newc(a);
    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_per_block(a, CHUNK);
    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_in_last_block(a, 1);
    return r == ARCHIVE_OK ? archive_write_open_fd(a, out) : r;
}

int pk_cpio_write(const struct pk_content *content, int out, struct rk_err *err)
{
    struct writing w = {.archive = archive_write_new(),
                        .entry = archive_entry_new(),
                        .content = content,
                        .buffer = malloc(CHUNK)};
    int r = 0;
    if (!w.archive || !w.entry || !w.buffer)
        r = rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0 && open_archive(w.archive, out) != ARCHIVE_OK)
        r = complain(&w, "the archive", err);
    if (r == 0)
        r = write_all(&w, err);
    if (r == 0 && archive_write_close(w.archive) != ARCHIVE_OK)
        r = complain(&w, "the archive", err);
    if (r < 0 && w.archive)
        archive_write_fail(w.archive); /* else it would be completed */
    if (w.archive)
        archive_write_free(w.archive);
    if (w.entry)
        archive_entry_free(w.entry);
    free(w.buffer);
    return r;
}
