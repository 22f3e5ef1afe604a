/* Is there a unikernel in this bundle? The entrypoint is found as the container would find it, and its bytes
 * decide. */
#ifndef BND_IMAGE_H
#define BND_IMAGE_H

#include <stddef.h>

#include "bundle/boot.h"
#include "bundle/family/family.h"
#include "bundle/files.h"
#include "lib/solo5.h"

/* A unikernel that was found. */
struct bnd_image {
    char *path; /* inside the container */
    int fd;     /* O_RDONLY: the very file whose bytes were judged */
    struct bnd_boot boot;
    struct rk_solo5_image solo5; /* of Solo5 images */
    const struct bnd_family *family;
    struct rk_argv keys; /* of the family: see bnd_family.recognise */
};

#define BND_VARIANTS 2 /* suffixes that are tried: .hvt and .spt */

/* All the forms in which the entrypoint exists: itself, or else its variants. */
struct bnd_images {
    struct bnd_image v[BND_VARIANTS];
    size_t n;
    size_t arg_index; /* process.args[arg_index] is the entrypoint: more than 0 behind an engine's own init
                         ("docker run --init") */
};

/* Look for a unikernel. Returns 1 and fills *ret_images, 0 when the entrypoint is an ordinary program or does
 * not exist, or a negative errno for a unikernel that is malformed or a file that can't be read; errors name
 * the path. */
int bnd_images_find(struct bnd_images *ret_images, const struct bnd_files *files, struct rk_err *err);
void bnd_images_fini(struct bnd_images *images);

#endif
