/* What runuk-pack may do once it has its options. */
#ifndef PK_CONFINE_H
#define PK_CONFINE_H

struct rk_err;

/* Give up every capability but the one that reads whatever is there (CAP_DAC_READ_SEARCH), of those that
 * there are. */
int pk_drop_capabilities(struct rk_err *err);

/* Allow what reading the tree `root` and writing to the open directory `cache` (-1: none) takes, and nothing
 * else from here on. All names are looked up below these two. */
int pk_confine(int root, int cache, struct rk_err *err);

#endif
