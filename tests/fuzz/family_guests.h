/* How guests read their command line, written again from what their sources do: the other side of each
 * family's quoting. */
#ifndef FUZZ_FAMILY_GUESTS_H
#define FUZZ_FAMILY_GUESTS_H

#include "lib/argv.h"

/* What a guest understood of its command line. */
struct told {
    struct rk_argv args, env; /* the program's name is not among the arguments */
    struct rk_argv others;    /* whatever else: parameters as they were understood */
};

/* Each reads `line`, which it may write to, and promises that the guest would not complain. */
typedef void read_fn(struct told *ret, char *line);

read_fn read_unikraft, read_rumprun, read_linux, read_hermit, read_nanos, read_osv, read_mirage, read_solo5,
    read_blanks;

void told_fini(struct told *told);

#endif
