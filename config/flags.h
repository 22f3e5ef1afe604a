/* Command-line flags as runc's users and engines write them: "--flag v", "--flag=v", one dash or two. */
#ifndef CFG_FLAGS_H
#define CFG_FLAGS_H

#include <stdbool.h>

struct rk_err;

enum cfg_flag_kind { CFG_BOOL, CFG_STRING, CFG_INT };

/* One flag of a verb. `value` points to a bool, a const char * or an int. */
struct cfg_flag {
    const char *name; /* "pid-file" */
    char letter;      /* 'b' for -b, 0 for none */
    enum cfg_flag_kind kind;
    void *value;      /* NULL: accepted and ignored */
    const char *help; /* one line; NULL hides the flag from --help */
};

/* Parse argv[*index …] up to the first argument that is no flag, or behind "--"; *index is moved there.
 * With `mixed`, flags may also stand behind positional arguments: these are then moved to the front of what
 * remains. `flags` ends with a NULL name. -EINVAL with "flag provided but not defined: -x" or "flag needs an
 * argument: --x". */
int cfg_flags_parse(const struct cfg_flag *flags, int argc, char **argv, int *index, bool mixed,
                    struct rk_err *err);

/* Print the flags, one a line, in two columns. */
void cfg_flags_help(const struct cfg_flag *flags);

#endif
