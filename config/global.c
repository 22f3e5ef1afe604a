/* The global options. */
#include "config/global.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"

/* The table is filled in per call: its values point into *g. */
#define GLOBAL_FLAGS(g, how)                                                                                 \
    {                                                                                                        \
        {"root", 0, CFG_STRING, &(g)->root, "directory for the state of containers (default /run/runuk)"},   \
            {"log", 0, CFG_STRING, &(g)->log, "file to append log lines to"},                                \
            {"log-format", 0, CFG_STRING, &(g)->log_format, "\"text\" (default) or \"json\""},               \
            {"debug", 0, CFG_BOOL, &(g)->debug, "write debug lines to the log"},                             \
            {"systemd-cgroup", 0, CFG_BOOL, &(g)->systemd_cgroup, "cgroupsPath is \"slice:prefix:name\""},   \
            {"criu", 0, CFG_STRING, NULL, "accepted for runc's sake"},                                       \
            {"rootless", 0, CFG_STRING, how,                                                                 \
             "true, false or auto (default; true unless root): go without a cgroup that may not be made"},   \
            {"settings", 0, CFG_STRING, &(g)->settings,                                                      \
             "settings file instead of " RUNUK_SYSCONFDIR "/runuk.json"},                                    \
            {"version", 'v', CFG_BOOL, &(g)->version, "print the version"},                                  \
            {"help", 'h', CFG_BOOL, &(g)->help, "print this help"}, {NULL, 0, CFG_BOOL, NULL, NULL},         \
    }

/* As runc reads it: a Go boolean, or "auto" in whatever case. */
static int read_rootless(enum cfg_rootless *ret, const char *text, struct rk_err *err)
{
    static const char *const words[][6] = {
        [CFG_ROOTLESS_NO] = {"0", "f", "F", "false", "FALSE", "False"},
        [CFG_ROOTLESS_YES] = {"1", "t", "T", "true", "TRUE", "True"},
    };
    *ret = CFG_ROOTLESS_AUTO;
    if (!*text || strcasecmp(text, "auto") == 0)
        return 0;
    for (size_t w = 0; w < RK_COUNT(words[0]); w++) {
        if (strcmp(words[CFG_ROOTLESS_NO][w], text) == 0)
            *ret = CFG_ROOTLESS_NO;
        if (strcmp(words[CFG_ROOTLESS_YES][w], text) == 0)
            *ret = CFG_ROOTLESS_YES;
    }
    return *ret == CFG_ROOTLESS_AUTO
               ? rk_fail(err, -EINVAL, "invalid --rootless: %s: expected true, false or auto", text)
               : 0;
}

int cfg_global_parse(struct cfg_global *ret_global, int argc, char **argv, struct rk_err *err)
{
    struct cfg_global g = {.log_format = "text", .argv = argv, .argc = argc};
    const char *rootless = "";
    const struct cfg_flag flags[] = GLOBAL_FLAGS(&g, &rootless);
    int index = 1;
    int r = cfg_flags_parse(flags, argc, argv, &index, false, err);
    if (r < 0 || (r = read_rootless(&g.rootless, rootless, err)) < 0)
        return r;
    if (strcmp(g.log_format, "text") != 0 && strcmp(g.log_format, "json") != 0)
        return rk_fail(err, -EINVAL, "invalid log-format: %s", g.log_format);
    g.verb = index;
    *ret_global = g;
    return 0;
}

void cfg_global_help(void)
{
    struct cfg_global g;
    const struct cfg_flag flags[] = GLOBAL_FLAGS(&g, NULL);
    cfg_flags_help(flags);
}

/* How many of argv's strings the option argv[0] takes, itself included; *ret_ours: runc does not know it. */
static int option_length(const struct cfg_flag *flags, char *const *argv, bool *ret_ours)
{
    const char *name = argv[0] + (argv[0][1] == '-' ? 2 : 1);
    size_t len = strcspn(name, "=");
    *ret_ours = len == strlen("settings") && strncmp(name, "settings", len) == 0;
    for (const struct cfg_flag *f = flags; f->name; f++)
        if (strlen(f->name) == len && strncmp(f->name, name, len) == 0 && f->kind != CFG_BOOL &&
            name[len] != '=')
            return 2;
    return 1;
}

char **cfg_global_runc_argv(const struct cfg_global *global)
{
    struct cfg_global g;
    const struct cfg_flag flags[] = GLOBAL_FLAGS(&g, NULL);
    char **out = calloc((size_t)global->argc + 1, sizeof *out);
    if (!out)
        return NULL;
    int n = 0;
    for (int i = 0; i < global->argc;) {
        bool ours = false;
        int count = i > 0 && i < global->verb ? option_length(flags, global->argv + i, &ours) : 1;
        for (; count > 0 && i < global->argc; count--, i++)
            if (!ours)
                out[n++] = global->argv[i];
    }
    return out;
}
