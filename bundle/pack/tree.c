/* Reads a container's tree, which is hostile: by descriptors, nothing followed, nothing opened but
 * directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bundle/pack/pack.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define FILES_MAX (1 << 20) /* in a tree */

/* What is being read, and the files with several names that were met. */
struct reading {
    struct pk_tree tree;
    int root;
    const char *const *skip;
    void *linked; /* tsearch's */
};

struct linked {
    dev_t dev;
    ino_t ino;
    size_t index;
};

static int open_below(int root, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

static int compare_linked(const void *a, const void *b)
{
    const struct linked *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Where the content of a file with several names stands. */
static int find_first(struct reading *r, struct pk_entry *entry)
{
    struct linked *key = malloc(sizeof *key);
    if (!key)
        return -ENOMEM;
    *key = (struct linked){.dev = entry->st.st_dev, .ino = entry->st.st_ino, .index = r->tree.n};
    struct linked **found = tsearch(key, &r->linked, compare_linked);
    if (!found) {
        free(key);
        return -ENOMEM;
    }
    if (*found == key)
        return 0;
    entry->first = (*found)->index + 1;
    free(key);
    return 0;
}

static int read_target(struct pk_entry *entry, int dir, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof target);
    if (n < 0 || n == (ssize_t)sizeof target)
        return n < 0 ? -errno : -ENAMETOOLONG;
    entry->link = strndup(target, (size_t)n);
    return entry->link ? 0 : -ENOMEM;
}

/* Room for one more. */
static int grow(struct pk_tree *t)
{
    if (t->n == FILES_MAX)
        return -EFBIG;
    if (t->n < t->room)
        return 0;
    size_t room = t->room ? 2 * t->room : 256;
    struct pk_entry *v = reallocarray(t->v, room, sizeof *v);
    if (!v)
        return -ENOMEM;
    t->v = v;
    t->room = room;
    return 0;
}

/* Take one name into the tree; the entry's parts are given away or freed. */
static int take(struct reading *r, int dir, const char *name, struct pk_entry *entry)
{
    struct pk_tree *t = &r->tree;
    int code = entry->path ? grow(t) : -ENOMEM;
    if (code == 0 && S_ISLNK(entry->st.st_mode))
        code = read_target(entry, dir, name);
    if (code == 0 && S_ISREG(entry->st.st_mode) && entry->st.st_nlink > 1)
        code = find_first(r, entry);
    if (code < 0) {
        free(entry->path);
        free(entry->link);
        return code;
    }
    t->v[t->n++] = *entry;
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_name(struct reading *r, int dir, const char *parent, const char *name, dev_t dev)
{
    struct pk_entry entry = {.path = NULL};
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (fstatat(dir, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISSOCK(entry.st.st_mode) || (S_ISDIR(entry.st.st_mode) && entry.st.st_dev != dev))
        return 0;
    bool top = strcmp(parent, ".") == 0;
    if (asprintf(&entry.path, "%s%s%s", top ? "" : parent, top ? "" : "/", name) < 0)
        return -ENOMEM;
    for (size_t i = 0; r->skip && r->skip[i]; i++) {
        if (strcmp(entry.path, r->skip[i]) == 0) {
            free(entry.path);
            return 0;
        }
    }
    return take(r, dir, name, &entry);
}

static int read_directory(struct reading *r, const char *path, struct rk_err *err)
{
    struct dirent **names = NULL;
    struct stat st;
    rk_autoclose int dir = open_below(r->root, path, O_RDONLY | O_DIRECTORY);
    if (dir < 0 || fstat(dir, &st) < 0) {
        errno = dir < 0 ? -dir : errno;
        return rk_fail_errno(err, "open directory '%s'", path);
    }
    int n = scandirat(dir, ".", &names, NULL, by_name), code = 0;
    if (n < 0)
        return rk_fail_errno(err, "read directory '%s'", path);
    for (int i = 0; i < n; i++) {
        if (code == 0 && (code = read_name(r, dir, path, names[i]->d_name, st.st_dev)) < 0) {
            errno = -code;
            rk_fail_errno(err, "look at '%s' in directory '%s'", names[i]->d_name, path);
        }
        free(names[i]);
    }
    free(names);
    return code;
}

int pk_tree_read(struct pk_tree *ret_tree, int root, const char *const *skip, struct rk_err *err)
{
    struct reading r = {.root = root, .skip = skip};
    struct pk_entry top = {.path = strdup(".")};
    int code = fstat(root, &top.st) < 0 ? -errno : take(&r, root, ".", &top);
    if (code < 0) {
        errno = -code;
        rk_fail_errno(err, "look at the container's files");
    }
    for (size_t i = 0; i < r.tree.n && code == 0; i++) {
        if (S_ISDIR(r.tree.v[i].st.st_mode))
            code = read_directory(&r, r.tree.v[i].path, err);
    }
    tdestroy(r.linked, free);
    if (code < 0) {
        pk_tree_fini(&r.tree);
        return code;
    }
    *ret_tree = r.tree;
    return 0;
}

int pk_tree_add(struct pk_tree *tree, const char *path, int fd, struct rk_err *err)
{
    size_t len = 0;
    struct pk_entry entry = {.path = strdup(path)};
    int code = entry.path ? grow(tree) : -ENOMEM;
    if (code == 0 && lseek(fd, 0, SEEK_SET) < 0)
        code = -errno;
    if (code == 0)
        code = rk_read_fd(fd, PK_FILE_MAX, &entry.data, &len);
    if (code < 0) {
        free(entry.path);
        errno = -code;
        return rk_fail_errno(err, "read what is to be '%s'", path);
    }
    entry.st.st_mode = S_IFREG | 0644;
    entry.st.st_nlink = 1;
    entry.st.st_size = (off_t)len;
    tree->v[tree->n++] = entry;
    return 0;
}

void pk_tree_fini(struct pk_tree *tree)
{
    for (size_t i = 0; i < tree->n; i++) {
        free(tree->v[i].path);
        free(tree->v[i].link);
        free(tree->v[i].data);
    }
    free(tree->v);
    *tree = (struct pk_tree){.n = 0};
}

/* A text on one line. */
static void print_text(const char *text, size_t len, FILE *out)
{
    for (const char *p = text; p < text + len; p++) {
        if (*p == '\n' || *p == '\\')
            fprintf(out, "\\%02x", (unsigned char)*p);
        else
            fputc(*p, out);
    }
}

static void print_name(const char *name, FILE *out)
{
    print_text(name, strlen(name), out);
}

void pk_tree_print(const struct pk_tree *tree, FILE *out)
{
    for (size_t i = 0; i < tree->n; i++) {
        const struct pk_entry *e = &tree->v[i];
        const struct stat *st = &e->st;
        fprintf(out, "%o %u %u ", (unsigned)st->st_mode, (unsigned)st->st_uid, (unsigned)st->st_gid);
        /* Engines make empty files and directories anew for every container: of them the times say nothing.
         */
        if (e->data)
            fprintf(out, "%lld with ", (long long)st->st_size);
        else if (S_ISREG(st->st_mode) && st->st_size > 0)
            fprintf(out, "%lld %lld.%09ld %lld.%09ld %ju %ju ", (long long)st->st_size,
                    (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec,
                    st->st_ctim.tv_nsec, (uintmax_t)st->st_ino, (uintmax_t)e->first);
        else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
            fprintf(out, "%u:%u ", major(st->st_rdev), minor(st->st_rdev));
        print_name(e->path, out);
        if (e->link) {
            fputs(" -> ", out);
            print_name(e->link, out);
        }
        if (e->data) {
            fputs(" is ", out);
            print_text(e->data, (size_t)st->st_size, out);
        }
        fputc('\n', out);
    }
}
