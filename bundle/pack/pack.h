/* runuk-pack: what its parts share. */
#ifndef PK_PACK_H
#define PK_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

struct rk_err;

/* A file of the tree. */
struct pk_entry {
    char *path; /* relative to the root, "etc/passwd"; "." is the root itself */
    char *link; /* of a symbolic link its target, else NULL */
    struct stat st;
    uint64_t first; /* of one with several names: 1 + the index of the entry that has its content, 0 when that
                       is this one */
    char *data;     /* content that is not the tree's own, st.st_size bytes; NULL: the tree's */
};

/* A tree as it was read, every directory before what is in it; all zero is an empty one. */
struct pk_tree {
    struct pk_entry *v;
    size_t n, room;
};

/* Read the tree below the directory `root`: no link is followed, no mount crossed, sockets are left out, and
 * so are the files `skip` (relative; the list ends with NULL). On success the tree is the caller's, for
 * pk_tree_fini. Errors name the path. */
int pk_tree_read(struct pk_tree *ret_tree, int root, const char *const *skip, struct rk_err *err);
void pk_tree_fini(struct pk_tree *tree);

/* One more file, which has the content of the descriptor `fd`, at most PK_FILE_MAX bytes: root's, for all to
 * read. There must be none at `path` (see skip), and its directory must be there. */
#define PK_FILE_MAX (1 << 20)
int pk_tree_add(struct pk_tree *tree, const char *path, int fd, struct rk_err *err);

/* Leave of the tree, read from `root`, only the kernel's modules that a Linux guest needs to get to its
 * root file system on a disk, and what depmod says of them; all versions that there are. */
int pk_tree_keep_modules(struct pk_tree *tree, int root, struct rk_err *err);

/* All that says whether two trees are the same, a line for each file: names, modes, owners, and of files with
 * content their sizes, times and inode numbers. What the kernel keeps as the time of change can't be set back
 * by whoever may write to the file. */
void pk_tree_print(const struct pk_tree *tree, FILE *out);

enum pk_format {
    PK_CPIO,    /* newc, as Linux reads an initial ram disk */
    PK_ISO9660, /* with Rock Ridge: Linux and NetBSD mount it, and only for reading */
};

/* "cpio", "iso9660". */
extern const char *const pk_format_names[];

/* What is packed. `init` is one more file, of PK_CPIO, which becomes "/.runuk-init" (executable); -1: none.
 */
struct pk_content {
    const struct pk_tree *tree;
    int root, init;
    enum pk_format format;
};

/* Bytes that it takes as PK_CPIO, about. */
uint64_t pk_content_size(const struct pk_content *content);

/* Write it to `out`. A file that is no longer what it was is an error, and so is one of 4 GiB or more. The
 * same content gives the same bytes. */
int pk_write(const struct pk_content *content, int out, struct rk_err *err);

/* Write the content of a regular file of the tree, which has some, to `out`: exactly its size. */
int pk_content_write(const struct pk_content *content, size_t entry, int out, struct rk_err *err);

/* Open the regular file `path` of a tree as it was read. A descriptor, or an error that names it. */
int pk_open(int root, const char *path, const struct stat *st, struct rk_err *err);

#endif
