/* User namespaces: whose ids are whose. */
#ifndef BOX_USERNS_H
#define BOX_USERNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundle/spec.h"

struct rk_err;

/* The mappings that the container's process will have: those of the specification for a new user namespace,
 * those of the namespace for a joined one, else the caller's own. `inherited` tells the last. */
struct box_ids {
    struct bnd_id_maps uids, gids;
    bool inherited;
    bool whole; /* all ids are mapped to themselves: the host's own */
};

/* Find them out; `user_fd` is the namespace to join, -1 for none. *ret_ids is the caller's, to be given back
 * with box_ids_fini. */
int box_ids_read(struct box_ids *ret_ids, const struct bnd_spec *spec, int user_fd, struct rk_err *err);
void box_ids_fini(struct box_ids *ids);

/* Whether the caller lives in the host's own user namespace, and whether it may administer its own one. Who
 * is not both can enter network namespaces that it owns, but not come back. */
bool box_userns_is_initial(void);
bool box_is_privileged(void);

/* Whether `id` is one inside; *ret_outside (may be NULL) is what it is outside. */
bool box_id_mapped(const struct bnd_id_maps *maps, uint32_t id, uint32_t *ret_outside);

/* Give the new user namespace of process `pid` its mappings: as is allowed to a privileged caller; for
 * another the one mapping to itself that the kernel allows it, else through newuidmap and newgidmap (shadow's
 * uidmap package), whose errors say what /etc/subuid lacks. */
int box_userns_map(pid_t pid, const struct bnd_spec *spec, struct rk_err *err);

/* In a process that has just come into a user namespace: take the identity of its root (or of its first
 * user). */
int box_userns_become_root(const struct box_ids *ids, struct rk_err *err);

#endif
