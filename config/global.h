/* The global options: runc's own, and --settings. */
#ifndef CFG_GLOBAL_H
#define CFG_GLOBAL_H

#include <stdbool.h>

struct rk_err;

/* --rootless: whether a cgroup that may not be made is done without. */
enum cfg_rootless { CFG_ROOTLESS_AUTO, CFG_ROOTLESS_NO, CFG_ROOTLESS_YES };

struct cfg_global {
    const char *root;       /* --root; NULL when not given */
    const char *log;        /* --log; NULL when not given */
    const char *log_format; /* "text" or "json" */
    const char *settings;   /* --settings; NULL when not given */
    enum cfg_rootless rootless;
    bool debug, systemd_cgroup, version, help;
    char **argv; /* the whole command line, as it came, for runc */
    int verb;    /* index in argv of the verb; argc when there is none */
    int argc;
};

/* Parse what stands before the verb, in any order and both spellings. -EINVAL names the flag
 * or its value. */
int cfg_global_parse(struct cfg_global *ret_global, int argc, char **argv, struct rk_err *err);

/* Print usage of the global options to stdout. */
void cfg_global_help(void);

/* The command line for runc: as it came, without the options that runc does not know (--settings). The array
 * is heap memory, its strings are borrowed. NULL without memory. */
char **cfg_global_runc_argv(const struct cfg_global *global);

#endif
