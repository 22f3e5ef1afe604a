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
};

/* A tree as it was read, every directory before what is in it; all zero is an empty one. */
struct pk_tree {
    struct pk_entry *v;
    size_t n, room;
};

/* Read the tree below the directory `root`: no link is followed, no mount crossed, sockets are left out, and
 * so is the file `skip` (relative; NULL: none). On success the tree is the caller's, for pk_tree_fini. Errors
 * name the path. */
int pk_tree_read(struct pk_tree *ret_tree, int root, const char *skip, struct rk_err *err);
void pk_tree_fini(struct pk_tree *tree);

/* All that says whether two trees are the same, a line for each file: names, modes, owners, and of files with
 * content their sizes, times and inode numbers. What the kernel keeps as the time of change can't be set back
 * by whoever may write to the file. */
void pk_tree_print(const struct pk_tree *tree, FILE *out);

/* Write the tree to `out` as a cpio archive (newc), as Linux reads an initial ram disk. `init` is one more
 * file, which becomes "/.runuk-init" (executable); -1: none. A file that is no longer what it was is an
 * error. */
int pk_archive_write(const struct pk_tree *tree, int root, int init, int out, struct rk_err *err);

#endif
