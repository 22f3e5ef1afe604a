/* What gzip holds: kernels come wrapped in it. */
#ifndef BND_GZIP_H
#define BND_GZIP_H

#include <stdbool.h>
#include <stdint.h>

struct rk_err;

#define BND_GZIP_MAX (UINT64_C(512) << 20) /* bytes that are taken out of it at the most */

/* Whether these bytes, the first of a file, are the beginning of what gzip has made. */
bool bnd_gzip_is(const uint8_t *data, uint64_t size);

/* Take out what the first gzip member of data[0 … size) holds, when its beginning looks like something that
 * boots. 1: *ret_fd, the caller's, is sealed memory with it (O_RDWR, but nothing can be changed any more); 0:
 * no gzip, damaged, or nothing that boots; or a negative errno: what boots, but is larger than BND_GZIP_MAX,
 * or packed beyond what kernels and disks are, or no memory. */
int bnd_gzip_open(int *ret_fd, const uint8_t *data, uint64_t size, struct rk_err *err);

#endif
