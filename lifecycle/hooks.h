/* Hooks: programs that the engine wants run at a point of the container's life, with its state on their
 * standard input. */
#ifndef CTR_HOOKS_H
#define CTR_HOOKS_H

#include "bundle/spec.h"

struct rk_err;

/* Where hooks run, beside the namespaces that the caller is in. */
struct ctr_hook_place {
    const char *kind; /* "prestart", for messages */
    const char *cwd;  /* NULL: stay, or dir_fd */
    int dir_fd;       /* the same as a descriptor; -1: none */
    bool chroot;      /* it becomes the root before the hook's path is resolved */
    char **env;       /* of hooks that bring none; NULL: the caller's */
};

/* Run the hooks in order, each with `state` (JSON text) as its standard input, its timeout enforced by
 * SIGKILL. The first that fails ends the list: the text has its path, how it ended and what it last printed.
 */
int ctr_hooks_run(const struct bnd_hook_list *list, const struct ctr_hook_place *place, const char *state,
                  struct rk_err *err);

/* The same, but failures are only logged, and the next one runs: poststart and poststop (runtime.md,
 * Lifecycle). */
void ctr_hooks_run_all(const struct bnd_hook_list *list, const struct ctr_hook_place *place,
                       const char *state);

#endif
