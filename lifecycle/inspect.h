/* What can be told of a running guest from outside: the answers to exec's :info, :net, :stats and :alive, and
 * :console. */
#ifndef CTR_INSPECT_H
#define CTR_INSPECT_H

#include "lifecycle/record.h"

struct ctr_inspection {
    const char *name; /* ":info" */
    const char *help;
    /* Write the answer, as text for people or as JSON, to *ret_text (heap). `dir` is the state directory.
     * Returns the exit status of the command (0 or 1), or a negative errno with a text. NULL: the command
     * goes on until the guest has ended (lifecycle/watch.h). */
    int (*answer)(const struct ctr_record *record, int dir, char **ret_text, struct rk_err *err);
};

/* Ends with a NULL name. */
extern const struct ctr_inspection ctr_inspections[];

#endif
