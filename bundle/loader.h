/* Applications that a loader boots (Hermit's): one image of two files, each of which is found by the other.
 */
#ifndef BND_LOADER_H
#define BND_LOADER_H

#include "bundle/image.h"

/* Find what is missing of each image that is one of the two, and put them together: the image is the
 * application then, and has its loader.
 *
 * An application's loader has one of its family's names, and lies beside it, in /FAMILY or in /. A loader's
 * application is the file that `wanted` names as the initial ram disk, or the guest's first argument, which
 * is none any more then (arg_index moves on, or entry_is_arg goes). What finds nothing keeps its obstacle.
 * What is the initial ram disk by name, and no application of that family, stays that: the loader gets its
 * kinds back, and may know better. Errors, of files that can't be read or are malformed, name the path. */
int bnd_loader_pair(struct bnd_images *images, const struct bnd_files *files,
                    const struct cfg_annotations *wanted, struct rk_err *err);

/* Find the loader of one application in the directory `dir` (a path in the container, without its last slash)
 * alone. 1: it has one, 0: it is no such application, or none is there. */
int bnd_loader_find(struct bnd_image *image, const struct bnd_files *files, const char *dir,
                    struct rk_err *err);

#endif
