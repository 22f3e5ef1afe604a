/* The directory in which packed trees are kept. */
#ifndef PK_CACHE_H
#define PK_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct rk_err;

#define PK_NAME 64 /* bytes of a name in the cache */

/* Writes what is to be kept to the descriptor `out`. */
typedef int pk_write_fn(void *data, int out, struct rk_err *err);

/* Find what was written for exactly this `key` (any text) in the directory `dir`, or have `write` write it:
 * ret_name is its name there. Files that nobody has asked for the longest go when all of them have more than
 * `most` bytes, but never this one. Callers at the same time wait for one another only when one of them has
 * to write. A caller that is killed leaves a file that the next one that writes removes. */
int pk_cache_get(char ret_name[PK_NAME], int dir, const char *key, size_t key_len, uint64_t most,
                 pk_write_fn *write, void *data, struct rk_err *err);

#endif
