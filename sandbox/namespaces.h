/* Namespaces: made together with the container's first process, or joined by it. */
#ifndef BOX_NAMESPACES_H
#define BOX_NAMESPACES_H

#include <sys/types.h>

#include "bundle/spec.h"

struct rk_err;

#define BOX_NAMESPACES_MAX 8

/* What the specification asks for, opened and checked. */
struct box_namespaces {
    int make;                         /* CLONE_NEW… of the new ones, but for CLONE_NEWCGROUP */
    bool make_cgroup;                 /* made by the process itself, once it is in its cgroup */
    int join_fds[BOX_NAMESPACES_MAX]; /* to be joined by the process itself, in this order */
    int join_flags[BOX_NAMESPACES_MAX];
    size_t join_count;
    int pid_fd;  /* pid namespace to be born into; -1 */
    int user_fd; /* user namespace to be born into; -1: the caller's, or a new one */
};

/* Open the namespaces that `spec` names. Each path must be a namespace of its type (nsfs and NS_GET_NSTYPE).
 * A mount namespace is always a new one: the monitor's root is made in it. Time namespaces are refused. */
int box_namespaces_open(struct box_namespaces *ret_ns, const struct bnd_spec *spec, struct rk_err *err);
void box_namespaces_close(struct box_namespaces *ns);

/* fork into the new namespaces, and into `cgroup_fd` (a cgroup v2 directory; -1: none). Returns as fork does:
 * the pid with *ret_pidfd (O_CLOEXEC) in the caller, 0 in the child; or a negative errno with a text. In a
 * new user namespace the child has no ids before box_userns_map. */
pid_t box_clone(const struct box_namespaces *ns, int cgroup_fd, int *ret_pidfd, struct rk_err *err);

/* In the child: join what is to be joined and is not yet. */
int box_namespaces_join(const struct box_namespaces *ns, struct rk_err *err);

/* Open a namespace file and check that it is one of type `flag`. The descriptor or a negative errno with a
 * text. */
int box_namespace_open(const char *path, int flag, struct rk_err *err);

#endif
