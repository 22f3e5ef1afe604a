/* Finds the entrypoint, or the forms in which it exists. */
#include "bundle/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Add the entrypoint in one form. 1: found and a unikernel; 0: found and none; -ENOENT: not there; else an
 * error with its text. */
static int try_form(struct bnd_images *images, const struct bnd_files *files, const char *name,
                    const char *suffix, struct rk_err *err)
{
    char path[PATH_MAX];
    rk_autoclose int fd = open_program(files, name, suffix, path);
    if (fd < 0) {
        if (is_missing(fd))
            return -ENOENT;
        errno = -fd;
        return rk_fail_errno(err, "open entrypoint '%s' in the rootfs", name);
    }
    struct bnd_image image;
    int r = bnd_image_read(&image, fd, path, err);
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

/* The entrypoint is missing: is it there under another name? */
static int try_variants(struct bnd_images *images, const struct bnd_files *files, const char *name,
                        struct rk_err *err)
{
    int r = 0;
    for (size_t i = 0; i < RK_COUNT(variants) && r >= 0; i++) {
        r = try_form(images, files, name, variants[i], err);
        if (r == -ENOENT)
            r = 0;
    }
    if (r < 0 || images->n > 0)
        return r;
    r = try_form(images, files, KRAFT_KERNEL, "", err);
    images->entry_is_arg = r > 0;
    return r == -ENOENT ? 0 : r;
}

int bnd_images_find(struct bnd_images *ret_images, const struct bnd_files *files, struct rk_err *err)
{
    struct bnd_images images = {.arg_index = entry_index(files->spec)};
    const char *name = files->spec->args.v[images.arg_index];
    int r = try_form(&images, files, name, "", err);
    if (r == -ENOENT)
        r = try_variants(&images, files, name, err);
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
