/* Is there a unikernel in this bundle? The entrypoint is found as the container would find it, and its bytes
 * decide. */
#ifndef BND_IMAGE_H
#define BND_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "bundle/boot.h"
#include "bundle/family/family.h"
#include "bundle/files.h"
#include "config/annotations.h"
#include "lib/solo5.h"

/* A file that was judged: a unikernel, or something else that can boot or was made to. */
struct bnd_image {
    char *path; /* inside the container */
    int fd;     /* O_RDONLY: the very file whose bytes were judged; of gzip what it holds, in sealed memory */
    struct bnd_boot boot;
    struct rk_solo5_image solo5; /* of Solo5 images; of others target is 0 and the manifest has no entries */
    const struct bnd_family *family; /* NULL: none knows it (it has no kinds then) */
    struct rk_argv keys;             /* of the family: see bnd_family.recognise */
    struct bnd_image *loader; /* what boots it, with this as the initial ram disk: boot.kinds are that one's;
                                 NULL: nothing does, or nothing has to (bundle/loader.h) */
};

/* All the forms in which the entrypoint exists: itself, or else its variants (NAME.hvt, NAME.spt, …). */
struct bnd_images {
    struct bnd_image *v;
    size_t n;
    size_t arg_index;  /* process.args[arg_index] is the entrypoint: more than 0 behind an engine's own init
                          ("docker run --init") */
    bool entry_is_arg; /* the kernel lies at a place of its own: that word is the guest's first argument */
};

/* Judge the regular file `fd` (open for reading), which is called `path` in messages. What is a unikernel is
 * one of `family`, or, when that is NULL, of the first that recognises it. Returns 1 for what can
 * boot or was made to, bootable here or not, and takes `fd` over; 0 for anything else, an ordinary program
 * above all: then only ret_image->boot is filled; or a negative errno for a unikernel that is malformed or a
 * file that can't be read. */
int bnd_image_read(struct bnd_image *ret_image, int fd, const char *path, const struct bnd_family *family,
                   struct rk_err *err);
void bnd_image_fini(struct bnd_image *image);

/* Look for a unikernel: where `wanted` names one (kernel), else at the entrypoint; of the family that it
 * names, else of the one that the bytes show. Returns 1 and fills *ret_images, 0 when the entrypoint is an
 * ordinary program or does not exist, or a negative errno for a unikernel that is malformed, a file that
 * can't be read, or a kernel that is named and is not there or none; errors name the path. */
int bnd_images_find(struct bnd_images *ret_images, const struct bnd_files *files,
                    const struct cfg_annotations *wanted, struct rk_err *err);
void bnd_images_fini(struct bnd_images *images);

#endif
