/* What the container's first process does to itself before it becomes the monitor: no identity, no
 * power, and the descriptors that it is given. */
#ifndef BOX_CONFINE_H
#define BOX_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rk_err;

/* Move fds[i] to the number first + i, for all of them, without O_CLOEXEC; fds are closed at their old
 * numbers. Everything else from `first` on gets O_CLOEXEC. Standard input, output and error stay. */
int box_fds_arrange(const int *fds, size_t count, int first, struct rk_err *err);

/* Who the monitor is. */
struct box_identity {
    uid_t uid;
    gid_t gid;
    const gid_t *groups; /* supplementary ones; NULL when there are none */
    size_t group_count;
    bool groups_fixed; /* a user namespace that does not let groups be dropped: those that are there stay */
};

/* Whether this process' user namespace forbids setgroups (user_namespaces(7)). Needs /proc. */
bool box_groups_fixed(void);

/* No capabilities in any of the five sets, `identity` and no other ids, no_new_privs, no core file, at most
 * `files` descriptors, and no more than were allowed before. The last step before exec. */
int box_drop_privileges(const struct box_identity *identity, unsigned files, struct rk_err *err);

#endif
