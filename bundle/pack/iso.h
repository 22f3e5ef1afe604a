/* The container's files as the image of a file system. */
#ifndef PK_ISO_H
#define PK_ISO_H

#include "bundle/pack/pack.h"

/* Write the tree to `out` as ISO 9660 with Rock Ridge, in sectors of 2048 bytes, from front to back: what the
 * descriptor is may not be able to seek. The init is not in it. Times are whole seconds, from 1900 to 2155.
 */
int pk_iso_write(const struct pk_content *content, int out, struct rk_err *err);

#endif
