/* Finds the entrypoint, or the forms in which it exists. */
#include "bundle/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/loader.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define DEFAULT_PATH                                                                                         \
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" /* runc's, when env has none */

/* What build systems call the forms of one unikernel. */
static const char *const variants[] = {".hvt", ".spt", ".virtio", ".elf", ".bin", ".kernel", ".img"};

/* Where images of the Unikraft project's tool have the kernel; all of process.args are its arguments. */
#define KRAFT_KERNEL "/unikraft/bin/kernel"

/* Where docker and podman bind the init program that they put in front of the entrypoint ("--init"). */
static const char *const engine_inits[] = {"/sbin/docker-init", "/run/podman-init", "/dev/init"};

static const char *search_path(const struct bnd_spec *spec)
{
    for (size_t i = 0; i < spec->env.n; i++)
        if (strncmp(spec->env.v[i], "PATH=", 5) == 0)
            return spec->env.v[i] + 5;
    return DEFAULT_PATH;
}

/* The index of the entrypoint in process.args: 0, or behind "INIT --". A unikernel needs no init: it has no
 * children to reap. */
static size_t entry_index(const struct bnd_spec *spec)
{
    if (spec->args.n < 3 || strcmp(spec->args.v[1], "--") != 0)
        return 0;
    for (size_t i = 0; i < RK_COUNT(engine_inits); i++) {
        if (strcmp(spec->args.v[0], engine_inits[i]) != 0)
            continue;
        for (size_t m = 0; m < spec->mount_count; m++)
            if (spec->mounts[m].bind && strcmp(spec->mounts[m].destination, engine_inits[i]) == 0)
                return 2;
    }
    return 0;
}

/* Open DIR/NAMEsuffix; `out` becomes that path. A descriptor or a negative errno. */
static int open_candidate(const struct bnd_files *files, const char *dir, int dir_len, const char *name,
                          const char *suffix, char out[PATH_MAX])
{
    if (snprintf(out, PATH_MAX, "%.*s%s%s%s", dir_len, dir, dir_len ? "/" : "", name, suffix) >= PATH_MAX)
        return -ENAMETOOLONG;
    return bnd_files_lookup(files, out, O_RDONLY | O_NONBLOCK, false, NULL);
}

static bool is_missing(int r)
{
    return r == -ENOENT || r == -ENOTDIR || r == -EISDIR || r == -ENODEV || r == -ELOOP;
}

/* Open `name`+`suffix` as execvp would find it in the container. */
static int open_program(const struct bnd_files *files, const char *name, const char *suffix,
                        char out[PATH_MAX])
{
    if (name[0] == '/')
        return open_candidate(files, "", 0, name, suffix, out);
    if (strchr(name, '/'))
        return open_candidate(files, files->spec->cwd, (int)strlen(files->spec->cwd), name, suffix, out);
    int r = -ENOENT;
    for (const char *dir = search_path(files->spec); *dir;) {
        int len = (int)strcspn(dir, ":");
        if (len > 0 && dir[0] == '/') {
            r = open_candidate(files, dir, len, name, suffix, out);
            if (r >= 0 || !is_missing(r))
                return r;
        }
        dir += len;
        dir += *dir == ':';
    }
    return r;
}

/* What is looked for. */
struct search {
    const struct bnd_files *files;
    const char *name;                /* a kernel that was named, or the entrypoint */
    bool named;                      /* the former */
    const struct bnd_family *family; /* NULL: by the bytes */
};

/* Add one form of it. 1: found and a unikernel; 0: found and none; -ENOENT: not there; else an error with its
 * text. */
static int try_form(struct bnd_images *images, const struct search *search, const char *name,
                    const char *suffix, struct rk_err *err)
{
    char path[PATH_MAX];
    rk_autoclose int fd = open_program(search->files, name, suffix, path);
    if (fd < 0) {
        if (is_missing(fd))
            return -ENOENT;
        errno = -fd;
        return rk_fail_errno(err, "open %s '%s' in the rootfs", search->named ? "kernel" : "entrypoint",
                             name);
    }
    struct bnd_image image;
    int r = bnd_image_read(&image, fd, path, search->family, err);
    if (r < 0)
        return rk_wrap(err, "image '%s'", path);
    if (r == 0)
        return 0;
    rk_take_fd(&fd);
    struct bnd_image *v = realloc(images->v, (images->n + 1) * sizeof *v);
    if (!v) {
        bnd_image_fini(&image);
        return rk_fail(err, -ENOMEM, "out of memory");
    }
    images->v = v;
    images->v[images->n++] = image;
    return 1;
}

/* It is missing: is it there under another name? -ENOENT when it is not. */
static int try_variants(struct bnd_images *images, const struct search *search, struct rk_err *err)
{
    int found = -ENOENT;
    for (size_t i = 0; i < RK_COUNT(variants); i++) {
        int r = try_form(images, search, search->name, variants[i], err);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r >= 0)
            found = 0;
    }
    if (search->named || images->n > 0)
        return images->n > 0 ? 1 : found;
    int r = try_form(images, search, KRAFT_KERNEL, "", err);
    images->entry_is_arg = r > 0;
    return r;
}

/* What was named must be there, and must be a unikernel: it never becomes an ordinary container. */
static int refuse_kernel(const struct cfg_annotations *wanted, int r, struct rk_err *err)
{
    return rk_fail(err, r < 0 ? -ENOENT : -ENOEXEC, "%s: '%s' %s", wanted->source[CFG_KERNEL], wanted->kernel,
                   r < 0 ? "is no file in the container" : "is no unikernel that runuk knows");
}

static int find_family(const struct bnd_family **ret_family, const struct cfg_annotations *wanted,
                       struct rk_err *err)
{
    char list[512] = "";
    *ret_family = wanted->family ? bnd_family_find(wanted->family) : NULL;
    if (!wanted->family || *ret_family)
        return 0;
    for (const struct bnd_family *const *f = bnd_families; *f; f++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "", (*f)->name);
    return rk_fail(err, -EINVAL, "%s: '%s' is not a family that runuk knows (%s)", wanted->source[CFG_FAMILY],
                   wanted->family, list);
}

/* Whether process.args begins with the unikernel itself. */
static bool names_kernel(const struct bnd_images *images, const char *kernel, const char *entry)
{
    bool is_form = strcmp(entry, kernel) == 0;
    for (size_t i = 0; i < images->n && !is_form; i++)
        is_form = strcmp(entry, images->v[i].path) == 0;
    return is_form;
}

int bnd_images_find(struct bnd_images *ret_images, const struct bnd_files *files,
                    const struct cfg_annotations *wanted, struct rk_err *err)
{
    struct bnd_images images = {.arg_index = entry_index(files->spec)};
    const char *entry = files->spec->args.v[images.arg_index];
    struct search search = {
        .files = files, .name = wanted->kernel ? wanted->kernel : entry, .named = wanted->kernel != NULL};
    int r = find_family(&search.family, wanted, err);
    if (r < 0)
        return r;
    r = try_form(&images, &search, search.name, "", err);
    if (r == -ENOENT)
        r = try_variants(&images, &search, err);
    if (wanted->kernel && (r == 0 || r == -ENOENT))
        r = refuse_kernel(wanted, r, err);
    else if (r == -ENOENT)
        r = 0;
    if (r >= 0 && wanted->kernel)
        images.entry_is_arg = !names_kernel(&images, wanted->kernel, entry);
    if (r >= 0)
        r = bnd_loader_pair(&images, files, wanted, err);
    if (r < 0) {
        bnd_images_fini(&images);
        return r;
    }
    *ret_images = images;
    return images.n > 0;
}

void bnd_images_fini(struct bnd_images *images)
{
    for (size_t i = 0; i < images->n; i++)
        bnd_image_fini(&images->v[i]);
    free(images->v);
    *images = (struct bnd_images){0};
}
