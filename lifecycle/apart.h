/* Work that has to be done in namespaces from which there is no way back. */
#ifndef CTR_APART_H
#define CTR_APART_H

#include <stdbool.h>

#include "lifecycle/record.h"

struct rk_err;

typedef int ctr_apart_fn(void *data, struct rk_err *err);

/* Whether this process could enter the container's network namespace and not come back, or not even enter: it
 * has no privileges over the host's namespaces. */
bool ctr_apart_needed(void);

/* Run `fn` in a child that lives only for this, and pass its result on. The child is in the container's user
 * namespace when that is another than the caller's, and so has every privilege in it. What `fn` changes in
 * memory is lost. */
int ctr_apart(const struct ctr_record *record, ctr_apart_fn *fn, void *data, struct rk_err *err);

#endif
