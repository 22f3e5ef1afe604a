/* runuk-pack: packs the container's files for a guest, or finds them packed. A program of its own, since what
 * it reads is hostile, and libarchive is nothing that every start should have in its process.
 *
 *   runuk-pack --root=FD [WHAT…] --cache=FD --most=BYTES
 *   runuk-pack --root=FD [WHAT…] --out=FD
 *
 *   --init=FD          and runuk-init
 *   --skip=PATH        without this one; as often as there are such
 *   --file=FD:PATH     with this content at PATH; as often as there are such
 *   --modules          nothing but the kernel's modules that lead to a root file system
 *   --format=iso9660   as a file system image; as a cpio archive otherwise
 *   --disk-above=BYTES as such an image when the archive would be larger
 *
 * It prints the format, and the name in the cache. Errors are one line on stderr, and status 1. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bundle/pack/cache.h"
#include "bundle/pack/confine.h"
#include "bundle/pack/pack.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define LIST_MAX 32

struct options {
    int root, init, cache, out;
    uint64_t most, disk_above;
    enum pk_format format;
    bool modules;
    const char *skip[LIST_MAX + 1]; /* ends with NULL */
    size_t skip_count;
    const char *files[LIST_MAX]; /* "FD:PATH" */
    size_t file_count;
};

struct job {
    const struct options *options;
    const struct pk_content *content;
};

/* What comes from elsewhere takes the place of what the tree has there. */
static bool take_file(struct options *o, const char *value)
{
    const char *colon = strchr(value, ':');
    if (!colon || o->file_count == LIST_MAX || o->skip_count == LIST_MAX)
        return false;
    o->files[o->file_count++] = value;
    o->skip[o->skip_count++] = colon + 1;
    return true;
}

static bool take(struct options *o, const char *arg)
{
    const char *value = strchr(arg, '=');
    if (strcmp(arg, "--modules") == 0) {
        o->modules = true;
        return true;
    }
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
    else if (strncmp(arg, "--disk-above=", 13) == 0)
        o->disk_above = strtoull(value, NULL, 10);
    else if (strcmp(arg, "--format=iso9660") == 0)
        o->format = PK_ISO9660;
    else if (strncmp(arg, "--skip=", 7) == 0 && o->skip_count < LIST_MAX)
        o->skip[o->skip_count++] = value;
    else if (strncmp(arg, "--file=", 7) == 0)
        return take_file(o, value);
    else
        return false;
    return true;
}

static int write_archive(void *data, int out, struct rk_err *err)
{
    const struct job *job = data;
    return pk_write(job->content, out, err);
}

/* What the archive is made of, beside the tree: who writes it, as what, what is left out, and the very init.
 */
static int print_key(const struct pk_content *content, FILE *out, struct rk_err *err)
{
    struct stat st;
    fprintf(out, "runuk-pack " RUNUK_COMMIT "\n%s\n", pk_format_names[content->format]);
    if (content->init >= 0 && fstat(content->init, &st) < 0)
        return rk_fail_errno(err, "look at runuk-init");
    if (content->init >= 0)
        fprintf(out, "init %ju %lld %lld.%09ld\n", (uintmax_t)st.st_ino, (long long)st.st_size,
                (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    pk_tree_print(content->tree, out);
    return 0;
}

static int write_cached(const struct options *o, struct job *job, struct rk_err *err)
{
    rk_autofree char *key = NULL;
    char name[PK_NAME];
    size_t len = 0;
    FILE *out = open_memstream(&key, &len);
    int r = out ? print_key(job->content, out, err) : -ENOMEM;
    if (!out || fclose(out) != 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = pk_cache_get(name, o->cache, key, len, o->most, write_archive, job, err);
    if (r == 0)
        printf("%s %s\n", pk_format_names[job->content->format], name);
    return r;
}

static int pack(const struct options *o, struct pk_tree *tree, struct rk_err *err)
{
    struct pk_content content = {.tree = tree, .root = o->root, .init = o->init, .format = o->format};
    struct job job = {.options = o, .content = &content};
    int r = o->modules ? pk_tree_keep_modules(tree, o->root, err) : 0;
    for (size_t i = 0; i < o->file_count && r == 0; i++)
        r = pk_tree_add(tree, strchr(o->files[i], ':') + 1, atoi(o->files[i]), err);
    if (r < 0)
        return r;
    if (o->disk_above > 0 && pk_content_size(&content) > o->disk_above) {
        content.format = PK_ISO9660;
        content.init = -1; /* that is in an initial ram disk anyhow */
    }
    if (o->cache >= 0)
        return write_cached(o, &job, err);
    r = write_archive(&job, o->out, err);
    if (r == 0)
        puts(pk_format_names[content.format]);
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
    tzset(); /* reads a file, which it would do later otherwise */
    int r = pk_drop_capabilities(&err);
    if (r == 0)
        r = pk_confine(o.root, o.cache, &err);
    if (r == 0)
        r = pk_tree_read(&tree, o.root, o.skip, &err);
    if (r == 0) {
        r = pack(&o, &tree, &err);
        pk_tree_fini(&tree);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", err.text);
    return r < 0 || fflush(stdout) != 0;
}
