/* Applications that a loader boots: finds the loader beside the application, or the application that a loader
 * is to boot. */
#include "bundle/loader.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"

/* What stands before an initial ram disk can be of these kinds. */
#define LOADER_KINDS (BND_KIND_BIT(BND_MULTIBOOT) | BND_KIND_BIT(BND_PVH) | BND_KIND_BIT(BND_LINUX))

static bool is_application(const struct bnd_image *image)
{
    const struct bnd_boot *boot = &image->boot;
    bool ours = boot->machine == EM_X86_64 || boot->machine == EM_NONE;
    return image->family && image->family->loaders && ours && !boot->kinds && !boot->loads && !image->loader;
}

/* The image becomes the application, with what the loader's family knows of that, and takes both over;
 * without memory it stays as it is. */
static int join(struct bnd_image *image, struct bnd_image *app, struct bnd_image *loader, struct rk_err *err)
{
    struct bnd_image *kept = malloc(sizeof *kept);
    if (!kept)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < loader->keys.n; i++)
        if (rk_argv_add(&app->keys, loader->keys.v[i]) < 0) {
            free(kept);
            return rk_fail(err, -ENOMEM, "out of memory");
        }
    *kept = *loader;
    *image = *app;
    image->loader = kept;
    image->boot.kinds = kept->boot.loads;
    image->boot.memory = kept->boot.memory;
    image->boot.obstacle[0] = '\0';
    return 1;
}

/* Which kinds of a file with a loader's name can boot the application: it may be one that the family does not
 * know by its bytes. */
static unsigned loads_of(const struct bnd_image *loader, const struct bnd_family *family)
{
    unsigned kinds = (loader->boot.loads ? loader->boot.loads : loader->boot.kinds) & LOADER_KINDS, loads = 0;
    for (int k = 0; k < BND_KIND_COUNT; k++)
        if (kinds & BND_KIND_BIT(k) && family->machine((enum bnd_kind)k))
            loads |= BND_KIND_BIT(k);
    return loads;
}

/* Take `path` for the loader, if it is there. 1: it is; 0: no such file, or one that does not boot here. */
static int try_loader(struct bnd_image *image, const struct bnd_files *files, const char *path,
                      struct rk_err *err)
{
    struct bnd_image loader;
    rk_autoclose int fd = bnd_files_lookup(files, path, O_RDONLY | O_NONBLOCK, false, NULL);
    if (fd < 0)
        return 0;
    int r = bnd_image_read(&loader, fd, path, NULL, err);
    if (r < 0)
        return rk_wrap(err, "loader '%s'", path);
    if (r > 0) {
        rk_take_fd(&fd);
        loader.boot.loads = loads_of(&loader, image->family);
        if (loader.boot.loads)
            r = join(image, image, &loader, err);
        if (r < 0 || !loader.boot.loads)
            bnd_image_fini(&loader);
    }
    if (r < 0 || image->loader)
        return r;
    image->boot.obstacle[0] = '\0';
    bnd_boot_refuse(&image->boot,
                    "an application of %s, whose loader '%.48s' is not one that QEMU boots: take the loader "
                    "that is built for multiboot",
                    image->family->name, path);
    return 0;
}

int bnd_loader_find(struct bnd_image *image, const struct bnd_files *files, const char *dir,
                    struct rk_err *err)
{
    char path[PATH_MAX];
    int r = 0;
    if (!is_application(image))
        return 0;
    for (const char *const *name = image->family->loaders; *name && r == 0; name++)
        if (snprintf(path, sizeof path, "%s/%s", dir, *name) < (int)sizeof path)
            r = try_loader(image, files, path, err);
    return r;
}

/* The loader lies beside it, or where the family has its files. */
static int find_loader(struct bnd_image *image, const struct bnd_files *files, struct rk_err *err)
{
    const char *slash = strrchr(image->path, '/');
    rk_autofree char *beside = strndup(image->path, slash ? (size_t)(slash - image->path) : 0);
    rk_autofree char *own = NULL;
    if (!beside || asprintf(&own, "/%s", image->family->name) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = bnd_loader_find(image, files, beside, err);
    if (r == 0 && strcmp(beside, own) != 0)
        r = bnd_loader_find(image, files, own, err);
    return r == 0 && *beside ? bnd_loader_find(image, files, "", err) : r;
}

/* Make the file the application of the loader `image`. 1: it is one, 0: not there, or none. */
static int try_application(struct bnd_image *image, const struct bnd_files *files, const char *path,
                           struct rk_err *err)
{
    struct bnd_image app;
    rk_autoclose int fd = bnd_files_lookup(files, path, O_RDONLY | O_NONBLOCK, false, NULL);
    if (fd < 0)
        return 0;
    int r = bnd_image_read(&app, fd, path, NULL, err);
    if (r < 0)
        return rk_wrap(err, "image '%s'", path);
    if (r == 0)
        return 0;
    rk_take_fd(&fd);
    r = is_application(&app) && app.family == image->family ? join(image, &app, image, err) : 0;
    if (r <= 0)
        bnd_image_fini(&app);
    return r;
}

/* The application that is the guest's first argument. */
static int take_argument(struct bnd_images *images, struct bnd_image *image, const struct bnd_files *files,
                         struct rk_err *err)
{
    const struct bnd_spec *spec = files->spec;
    size_t first = images->arg_index + !images->entry_is_arg;
    char path[PATH_MAX];
    if (first >= spec->args.n)
        return 0;
    const char *word = spec->args.v[first];
    int len =
        snprintf(path, sizeof path, "%s%s%s", *word == '/' ? "" : spec->cwd, *word == '/' ? "" : "/", word);
    int r = len < (int)sizeof path ? try_application(image, files, path, err) : 0;
    if (r > 0 && !images->entry_is_arg)
        images->arg_index++;
    else if (r > 0)
        images->entry_is_arg = false;
    return r;
}

static int find_application(struct bnd_images *images, struct bnd_image *image, const struct bnd_files *files,
                            const struct cfg_annotations *wanted, struct rk_err *err)
{
    if (!wanted->initrd)
        return take_argument(images, image, files, err);
    int r = try_application(image, files, wanted->initrd, err);
    if (r != 0)
        return r;
    image->boot.kinds = image->boot.loads;
    image->boot.loads = 0;
    image->boot.obstacle[0] = '\0';
    return 0;
}

int bnd_loader_pair(struct bnd_images *images, const struct bnd_files *files,
                    const struct cfg_annotations *wanted, struct rk_err *err)
{
    int r = 0;
    for (size_t i = 0; i < images->n && r >= 0; i++) {
        struct bnd_image *image = &images->v[i];
        if (image->boot.loads)
            r = find_application(images, image, files, wanted, err);
        else if (is_application(image))
            r = find_loader(image, files, err);
    }
    return r < 0 ? r : 0;
}
