/* The container's files as an initial ram disk. */
#ifndef PK_CPIO_H
#define PK_CPIO_H

#include "bundle/pack/pack.h"

/* Write the tree, and the init, to `out` as a cpio archive (newc). */
int pk_cpio_write(const struct pk_content *content, int out, struct rk_err *err);

#endif
