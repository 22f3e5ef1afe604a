/* A verb's own part of the command line: its flags, its positional arguments. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/flags.h"
#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lifecycle/call.h"

/* Flags of runc's verbs that take no value: all others do, unless written with '='. */
static const char *const bool_flags[] = {
    "tty",
    "t",
    "detach",
    "d",
    "no-new-privs",
    "ignore-paused",
    "all",
    "a",
    "force",
    "f",
    "stats",
    "leave-running",
    "tcp-established",
    "ext-unix-sk",
    "shell-job",
    "lazy-pages",
    "file-locks",
    "pre-dump",
    "auto-dedup",
    "no-pivot",
    "no-new-keyring",
    "no-subreaper",
    "keep",
    "help",
    "h",
    "quiet",
    "q",
    "rootless",
    "force-dump",
};

const char *ctr_first_positional(const struct ctr_call *call)
{
    for (int i = 1; i < call->argc; i++) {
        const char *arg = call->argv[i];
        if (strcmp(arg, "--") == 0)
            return call->argv[i + 1];
        if (arg[0] != '-' || arg[1] == '\0')
            return arg;
        const char *name = arg + (arg[1] == '-' ? 2 : 1);
        bool takes_value = !strchr(name, '=');
        for (size_t b = 0; b < RK_COUNT(bool_flags); b++)
            if (strcmp(name, bool_flags[b]) == 0)
                takes_value = false;
        i += takes_value;
    }
    return NULL;
}

int ctr_call_parse(struct ctr_call *call, const struct cfg_flag *flags, const char **positional, int min,
                   int max, struct rk_err *err)
{
    for (int i = 1; i < call->argc; i++) {
        if (strcmp(call->argv[i], "--help") == 0 || strcmp(call->argv[i], "-h") == 0) {
            printf("Usage: runuk [global options] %s [options] %s\n\n", call->argv[0],
                   strcmp(call->argv[0], "inspect") == 0 ? "FILE|DIRECTORY|BUNDLE"
                   : max == 2                            ? "ID [SIGNAL]"
                   : max == 1                            ? "ID"
                                                         : "");
            cfg_flags_help(flags);
            return 1;
        }
    }
    /* Of a copy: parsing moves arguments, and runc may yet have to get them as they came. */
    rk_autofree char **argv = calloc((size_t)call->argc + 1, sizeof *argv);
    if (!argv)
        return rk_fail(err, -ENOMEM, "out of memory");
    memcpy(argv, call->argv, (size_t)call->argc * sizeof *argv);
    int index = 1;
    int r = cfg_flags_parse(flags, call->argc, argv, &index, true, err);
    if (r < 0)
        return rk_wrap(err, "%s", call->argv[0]);
    int count = 0;
    while (argv[index + count])
        count++;
    if (count < min || count > max)
        return rk_fail(err, -EINVAL, "%s: \"%s\" requires %s %d argument%s", "runuk", call->argv[0],
                       min == max    ? "exactly"
                       : count < min ? "a minimum of"
                                     : "a maximum of",
                       count < min ? min : max, (count < min ? min : max) == 1 ? "" : "s");
    for (int i = 0; i < max; i++)
        positional[i] = i < count ? argv[index + i] : NULL;
    return 0;
}

struct hv_host ctr_call_host(const struct ctr_call *call, const struct cfg_annotations *wanted)
{
    return (struct hv_host){.monitor_dir = call->settings.monitor_dir,
                            .qemu = call->settings.qemu,
                            .accel = call->settings.accel,
                            .settings = &call->settings,
                            .wanted = wanted,
                            .state_root = ctr_store_trusted(&call->store)};
}
