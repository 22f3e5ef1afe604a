/* runuk-pack: packs the container's files for a guest, or finds them packed. A program of its own, since what
 * it reads is hostile, and libarchive is nothing that every start should have in its process.
 *
 *   runuk-pack --root=FD [--init=FD] [--skip=PATH] --cache=FD --most=BYTES
 *   runuk-pack --root=FD [--init=FD] [--skip=PATH] --out=FD
 *
 * The first prints the name in the cache. Errors are one line on stderr, and status 1. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle/pack/cache.h"
#include "bundle/pack/pack.h"
#include "lib/cleanup.h"
#include "lib/err.h"

struct options {
    int root, init, cache, out;
    uint64_t most;
    const char *skip;
};

struct job {
    const struct options *options;
    const struct pk_tree *tree;
};

static bool take(struct options *o, const char *arg)
{
    const char *value = strchr(arg, '=');
    if (!value++)
        return false;
    if (strncmp(arg, "--root=", 7) == 0)
        o->root = atoi(value);
    else if (strncmp(arg, "--init=", 7) == 0)
        o->init = atoi(value);
    else if (strncmp(arg, "--cache=", 8) == 0)
        o->cache = atoi(value);
    else if (strncmp(arg, "--out=", 6) == 0)
        o->out = atoi(value);
    else if (strncmp(arg, "--most=", 7) == 0)
        o->most = strtoull(value, NULL, 10);
    else if (strncmp(arg, "--skip=", 7) == 0)
        o->skip = value;
    else
        return false;
    return true;
}

static int write_archive(void *data, int out, struct rk_err *err)
{
    const struct job *job = data;
    const struct options *o = job->options;
    return pk_archive_write(job->tree, o->root, o->init, out, err);
}

/* What the archive is made of, beside the tree: who writes it, what is left out, and the very init. */
static int print_key(const struct options *o, const struct pk_tree *tree, FILE *out, struct rk_err *err)
{
    struct stat st;
    fprintf(out, "runuk-pack " RUNUK_COMMIT "\n");
    if (o->init >= 0 && fstat(o->init, &st) < 0)
        return rk_fail_errno(err, "look at runuk-init");
    if (o->init >= 0)
        fprintf(out, "init %ju %lld %lld.%09ld\n", (uintmax_t)st.st_ino, (long long)st.st_size,
                (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    pk_tree_print(tree, out);
    return 0;
}

static int pack(const struct options *o, const struct pk_tree *tree, struct rk_err *err)
{
    rk_autofree char *key = NULL;
    struct job job = {.options = o, .tree = tree};
    char name[PK_NAME];
    size_t len = 0;
    if (o->cache < 0)
        return write_archive(&job, o->out, err);
    FILE *out = open_memstream(&key, &len);
    int r = out ? print_key(o, tree, out, err) : -ENOMEM;
    if (!out || fclose(out) != 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = pk_cache_get(name, o->cache, key, len, o->most, write_archive, &job, err);
    if (r == 0)
        puts(name);
    return r;
}

int main(int argc, char **argv)
{
    struct options o = {.root = -1, .init = -1, .cache = -1, .out = -1};
    struct pk_tree tree;
    struct rk_err err;
    for (int i = 1; i < argc; i++) {
        if (!take(&o, argv[i])) {
            fprintf(stderr, "unknown option '%s'\n", argv[i]);
            return 2;
        }
    }
    if (o.root < 0 || (o.cache < 0) == (o.out < 0)) {
        fprintf(stderr, "give --root, and --cache or --out\n");
        return 2;
    }
    int r = pk_tree_read(&tree, o.root, o.skip, &err);
    if (r == 0) {
        r = pack(&o, &tree, &err);
        pk_tree_fini(&tree);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", err.text);
    return r < 0 || fflush(stdout) != 0;
}
