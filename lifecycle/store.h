/* The state root: <root>/<id>/ with runuk.json in it, one directory per container.
 *
 * runc keeps its own containers as <root>/<id>/state.json, and engines give every runtime the same --root.
 * The directory is therefore shared ground on which an id can exist once only, and the file in it tells whose
 * container it is. */
#ifndef CTR_STORE_H
#define CTR_STORE_H

#include <stdbool.h>

#include "lifecycle/record.h"

struct ctr_store {
    char *path;         /* absolute or as given */
    int fd;             /* -1 while the root does not exist */
    struct rk_err flaw; /* code 0: none; see ctr_store_open */
};

#define CTR_RECORD_FILE  "runuk.json"
#define CTR_GATE_SOCKET  "gate"
#define CTR_RUNC_STATE   "state.json" /* what makes a directory a container of runc's */
#define CTR_FIGURES_FILE "figures"    /* lib/figures.h; only where the monitor counts */

/* Open the root: `path` (--root), or NULL for /run/runuk, for ordinary users $XDG_RUNTIME_DIR/runuk. With
 * `make` it is created (0700) when missing; else a missing one is an empty store. A root that is a link or
 * that others could write to has a flaw: what is in it can be looked for, as runc does, which has the other
 * containers; but none of ours is made, opened or removed there. */
int ctr_store_open(struct ctr_store *ret_store, const char *path, bool make, struct rk_err *err);
void ctr_store_close(struct ctr_store *store);

/* Its descriptor, for files of ours beside the containers; -1 when there is none, or nothing in it can be
 * trusted. */
int ctr_store_trusted(const struct ctr_store *store);

/* 0 when `id` is one that runc takes too: letters, digits, "_+-.", not "." or "..", not with a leading dot,
 * at most 1024 bytes. Else -EINVAL "invalid container ID format". */
int ctr_id_check(const char *id, struct rk_err *err);

/* Whether `id` is a container of ours. */
bool ctr_store_has(const struct ctr_store *store, const char *id);

/* Make <root>/<id> and lock it. *ret_dir is its descriptor, which holds the lock. -EEXIST "container with
 * given ID already exists": whoever's it is. */
int ctr_store_add(int *ret_dir, const struct ctr_store *store, const char *id, struct rk_err *err);

/* Open the container, with its lock held when `lock` (waits for the verb that holds it). -ENOENT "container
 * does not exist". */
int ctr_store_get(int *ret_dir, struct ctr_record **ret_record, const struct ctr_store *store, const char *id,
                  bool lock, struct rk_err *err);

/* Write the record, atomically. */
int ctr_store_save(int dir, const struct ctr_record *record, struct rk_err *err);

/* Remove a directory with no record in it, ours or runc's: what a create leaves that was killed in its first
 * moments. */
void ctr_store_remove_stillborn(const struct ctr_store *store, const char *id);

/* Remove the directory and what is in it. */
int ctr_store_remove(const struct ctr_store *store, const char *id, int dir, struct rk_err *err);

#endif
