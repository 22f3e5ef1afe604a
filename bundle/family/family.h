/* The families of unikernels: how each is recognised, and how its guests are told their arguments and
 * network. */
#ifndef BND_FAMILY_H
#define BND_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundle/guest.h"
#include "lib/solo5.h"

struct rk_err;

/* The image as a family sees it: what was read of it, and its bytes (a private read-only map; of a huge file
 * only the beginning). */
struct bnd_bytes {
    const struct rk_solo5_image *solo5;
    const uint8_t *data;
    size_t size; /* bytes */
};

struct bnd_family {
    const char *name;
    /* Whether the image is of this family. Appends to *ret_keys the option names that its guests take and
     * that this image contains; cmdline gets them back in guest->keys. */
    bool (*recognise)(const struct bnd_bytes *image, struct rk_argv *ret_keys);
    /* Append the guest's arguments, quoted as this family reads them, to *ret_args: the monitor joins them
     * with blanks. */
    int (*cmdline)(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err);
};

/* In the order in which they are asked; the last one takes every image. Ends with NULL. */
extern const struct bnd_family *const bnd_families[];

/* The family of that name, or NULL. */
const struct bnd_family *bnd_family_find(const char *name);

extern const struct bnd_family bnd_family_mirage, bnd_family_solo5;

/* Append `arg`, its placeholders filled and quoted for guests that split their command line as MirageOS does
 * (blanks separate, double quotes group, a backslash takes the next character as it is). */
int bnd_family_add_quoted(struct rk_argv *ret_args, const char *arg, const struct bnd_guest *guest,
                          struct rk_err *err);

#endif
