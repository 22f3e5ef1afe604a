/* Whatever a tree looks like: what is packed of it, as an archive and as the image of a file system, is that
 * tree, name by name, as somebody else's reader finds it; and what was packed twice is the same. */
#include "tests/fuzz/fuzz.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bundle/pack/pack.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "tests/fuzz/promise.h"
#include "tests/fuzz/scratch.h"

/* --- the tree, out of the input
 * ------------------------------------------------------------------------------ */

#define STEPS_MAX 200
#define DEPTH_MAX 24

struct input {
    const uint8_t *data;
    size_t size, at;
};

static uint8_t next(struct input *in)
{
    return in->at < in->size ? in->data[in->at++] : 0;
}

/* A name of any bytes but those that none can have, of up to 253. */
static void make_name(char out[256], struct input *in)
{
    size_t len = 1 + next(in) % (next(in) & 8 ? 253 : 12);
    for (size_t i = 0; i < len; i++) {
        uint8_t c = next(in);
        out[i] = (char)(c == 0 || c == '/' ? 'a' + (char)(i % 26) : c);
    }
    out[len] = '\0';
}

static void make_file(int dir, const char *name, struct input *in)
{
    static const size_t sizes[] = {0, 1, 3, 4, 2047, 2048, 2049, 4096, 70000};
    static uint8_t content[70000];
    size_t size = sizes[next(in) % RK_COUNT(sizes)];
    memset(content, next(in), size);
    rk_autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd >= 0)
        (void)!write(fd, content, size);
}

static void make_link(int dir, const char *name, struct input *in)
{
    char target[4096];
    size_t len = 1 + (size_t)(next(in) << 4) % (next(in) & 4 ? 4094 : 300), every = 1 + next(in) % 64;
    for (size_t i = 0; i < len; i++)
        target[i] = i % every == 0 ? '/' : next(in) & 3 ? 'x' : '.';
    target[len] = '\0';
    (void)!symlinkat(target + (next(in) & 1 && len > 1), dir, name);
}

/* Of files and directories: a link may lead to anywhere. */
static void change_mode(int dir, const char *name, mode_t mode)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        (void)!fchmodat(dir, name, mode, 0);
}

/* One step: something is made, in the directory that is the innermost by now. */
static void step(int *dirs, unsigned *depth, struct input *in)
{
    char name[256], other[256];
    int dir = dirs[*depth];
    uint8_t what = next(in);
    make_name(name, in);
    if (what % 9 == 0 && *depth + 1 < DEPTH_MAX) {
        mkdirat(dir, name, 0755);
        int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub >= 0)
            dirs[++*depth] = sub;
    } else if (what % 9 == 1 && *depth > 0)
        close(dirs[(*depth)--]);
    else if (what % 9 == 2)
        make_link(dir, name, in);
    else if (what % 9 == 3) {
        make_name(other, in);
        (void)!linkat(dirs[next(in) % (*depth + 1)], name, dir, other, 0);
    } else if (what % 9 == 4)
        mknodat(dir, name, (next(in) & 1 ? S_IFCHR : S_IFIFO) | 0600, makedev(next(in), next(in)));
    else if (what % 9 == 5)
        change_mode(dir, name, (mode_t)(next(in) << 4 | next(in)) & 07777);
    else if (what % 9 == 6)
        (void)!fchownat(dir, name, (uid_t)(next(in) << 17 | next(in)), next(in), AT_SYMLINK_NOFOLLOW);
    else
        make_file(dir, name, in);
}

static void make_tree(int top, struct input *in)
{
    int dirs[DEPTH_MAX] = {top};
    unsigned depth = 0;
    for (unsigned i = 0; i < STEPS_MAX && in->at < in->size; i++)
        step(dirs, &depth, in);
    while (depth > 0)
        close(dirs[depth--]);
}

/* --- the tree as it is read back
 * ----------------------------------------------------------------------------- */

/* The entry of that name; each is found once. */
static size_t find(const struct pk_tree *tree, bool *found, const char *path)
{
    size_t i = 0;
    while (i < tree->n && strcmp(tree->v[i].path, path) != 0)
        i++;
    if (i == tree->n || found[i])
        fprintf(stderr, "'%s' is in the tree %d times\n", path, i < tree->n);
    PROMISE(i < tree->n && !found[i]);
    found[i] = true;
    return i;
}

static void check_content(struct archive *a, int top, const struct pk_entry *e)
{
    static uint8_t wanted[70000], got[70001];
    rk_autoclose int fd = openat(top, e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    size_t size = (size_t)e->st.st_size;
    PROMISE(fd >= 0 && read(fd, wanted, sizeof wanted) == e->st.st_size);
    PROMISE(archive_read_data(a, got, sizeof got) == e->st.st_size);
    PROMISE(memcmp(wanted, got, size) == 0);
}

static void check_entry(struct archive *a, struct archive_entry *entry, int top, const struct pk_tree *tree,
                        bool *found)
{
    size_t i = find(tree, found, archive_entry_pathname(entry));
    const struct pk_entry *e = &tree->v[i];
    const char *same = archive_entry_hardlink(entry);
    if (same) {
        size_t first = 0;
        while (first < tree->n && strcmp(tree->v[first].path, same) != 0)
            first++;
        PROMISE(first < tree->n && tree->v[first].st.st_ino == e->st.st_ino);
        return;
    }
    PROMISE(archive_entry_mode(entry) == e->st.st_mode);
    PROMISE(archive_entry_uid(entry) == e->st.st_uid && archive_entry_gid(entry) == e->st.st_gid);
    PROMISE(archive_entry_mtime(entry) == e->st.st_mtim.tv_sec);
    if (e->link)
        PROMISE(strcmp(archive_entry_symlink(entry), e->link) == 0);
    if (S_ISCHR(e->st.st_mode))
        PROMISE(archive_entry_rdev(entry) == e->st.st_rdev);
    if (S_ISREG(e->st.st_mode))
        check_content(a, top, e);
}

static void check(int file, int top, const struct pk_tree *tree)
{
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    bool *found = calloc(tree->n, sizeof *found);
    size_t n = 0;
    int r;
    PROMISE(a && found && lseek(file, 0, SEEK_SET) == 0);
    archive_read_support_format_iso9660(a);
    archive_read_support_format_cpio(a);
    PROMISE(archive_read_open_fd(a, file, 65536) == ARCHIVE_OK);
    while ((r = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
        check_entry(a, entry, top, tree, found);
        n++;
    }
    if (r != ARCHIVE_EOF)
        fprintf(stderr, "%s\n", archive_error_string(a));
    PROMISE(r == ARCHIVE_EOF && n == tree->n);
    free(found);
    archive_read_free(a);
}

/* --- packing
 * ------------------------------------------------------------------------------------------------ */

static void check_same(int a, int b)
{
    static uint8_t x[65536], y[65536];
    ssize_t n, m;
    PROMISE(lseek(a, 0, SEEK_SET) == 0 && lseek(b, 0, SEEK_SET) == 0);
    do {
        n = read(a, x, sizeof x);
        m = read(b, y, sizeof y);
        PROMISE(n >= 0 && n == m && memcmp(x, y, (size_t)n) == 0);
    } while (n > 0);
}

static void pack(int top, const struct pk_tree *tree, enum pk_format format)
{
    const struct pk_content content = {.tree = tree, .root = top, .init = -1, .format = format};
    struct rk_err err;
    rk_autoclose int one = memfd_create("one", MFD_CLOEXEC);
    rk_autoclose int two = memfd_create("two", MFD_CLOEXEC);
    PROMISE(one >= 0 && two >= 0);
    if (pk_write(&content, one, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    PROMISE(pk_write(&content, two, &err) == 0);
    check_same(one, two);
    check(one, top, tree);
}

/* The kernel's modules of a tree are a part of it, and a tree themselves. */
static void pack_modules(int top)
{
    struct pk_tree tree;
    struct rk_err err;
    PROMISE(pk_tree_read(&tree, top, NULL, &err) == 0);
    size_t all = tree.n;
    if (pk_tree_keep_modules(&tree, top, &err) == 0) {
        PROMISE(tree.n >= 1 && tree.n <= all);
        pack(top, &tree, PK_CPIO);
    }
    pk_tree_fini(&tree);
}

/* "lib/modules/1/modules.dep" with a text of the input's, and some files that it may name. */
static void make_modules(int top, struct input *in)
{
    static const char *const files[] = {"lib/modules/1/a/virtio_blk.ko", "lib/modules/1/a/isofs.ko.xz",
                                        "lib/modules/1/x.ko"};
    mkdirat(top, "lib", 0755);
    mkdirat(top, "lib/modules", 0755);
    mkdirat(top, "lib/modules/1", 0755);
    mkdirat(top, "lib/modules/1/a", 0755);
    for (size_t i = 0; i < RK_COUNT(files); i++)
        make_file(top, files[i], in);
    size_t len = next(in);
    len = len < in->size - in->at ? len : in->size - in->at;
    rk_autoclose int fd = openat(top, "lib/modules/1/modules.dep", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0)
        (void)!write(fd, in->data + in->at, len);
    in->at += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.data = data, .size = size};
    struct pk_tree tree;
    struct rk_err err;
    int top = scratch_open();
    bool modules = next(&in) & 1;
    if (modules)
        make_modules(top, &in);
    make_tree(top, &in);
    PROMISE(pk_tree_read(&tree, top, NULL, &err) == 0);
    pack(top, &tree, PK_CPIO);
    pack(top, &tree, PK_ISO9660);
    pk_tree_fini(&tree);
    if (modules)
        pack_modules(top);
    PROMISE(rk_remove_children(top) == 0);
    return 0;
}
