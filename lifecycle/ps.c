/* ps: the processes of a container: its monitor, and what that one needs beside it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lifecycle/call.h"

/* runc's table is that of ps(1); its own arguments may follow the id. */
static int exec_ps(const char *pids, char **args, struct rk_err *err)
{
    rk_autoargv struct rk_argv argv = {0};
    int r = rk_argv_add(&argv, "ps");
    for (; *args && r == 0; args++)
        r = rk_argv_add(&argv, *args);
    if (r == 0 && argv.n == 1)
        r = rk_argv_add(&argv, "-f");
    if (r == 0)
        r = rk_argv_add(&argv, "-p");
    if (r == 0)
        r = rk_argv_add(&argv, pids);
    if (r < 0)
        return rk_fail(err, r, "out of memory");
    execvp("ps", argv.v);
    return rk_fail_errno(err, "execute ps");
}

/* The container's processes, "1,2,3": those of its cgroup, the monitor first; NULL when it has stopped. */
static int list(char **ret_pids, const struct ctr_record *record, struct rk_err *err)
{
    rk_autofree pid_t *pids = NULL;
    size_t count = 0, size;
    *ret_pids = NULL;
    if (ctr_record_status(record) == CTR_STOPPED)
        return 0;
    box_cgroup_processes(&pids, &count, &record->cgroup); /* without them it is the monitor that we know of */
    FILE *out = open_memstream(ret_pids, &size);
    if (!out)
        return rk_fail_errno(err, "out of memory");
    fprintf(out, "%d", (int)record->process.pid);
    for (size_t i = 0; i < count; i++)
        if (pids[i] != record->process.pid)
            fprintf(out, ",%d", (int)pids[i]);
    return fclose(out) != 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* The id is the first argument that is no flag of our own; what follows is for ps(1). */
static int parse(struct ctr_call *call, const struct cfg_flag *flags, const char **ret_id, char ***ret_rest,
                 struct rk_err *err)
{
    int index = 1;
    int r = cfg_flags_parse(flags, call->argc, call->argv, &index, false, err);
    if (r < 0)
        return rk_wrap(err, "%s", call->argv[0]);
    if (index >= call->argc)
        return rk_fail(err, -EINVAL, "runuk: \"ps\" requires a minimum of 1 argument");
    *ret_id = call->argv[index];
    *ret_rest = call->argv + index + 1;
    return 0;
}

int ctr_ps_verb(struct ctr_call *call, struct rk_err *err)
{
    const char *format = "table", *id = NULL;
    char **rest = NULL;
    bool help = false;
    const struct cfg_flag flags[] = {
        {"format", 'f', CFG_STRING, &format, "\"table\" (default) or \"json\""},
        {"help", 'h', CFG_BOOL, &help, NULL},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    int r = parse(call, flags, &id, &rest, err);
    if (help) {
        puts("Usage: runuk [global options] ps [options] ID [options of ps(1)]\n");
        cfg_flags_help(flags);
        return 0;
    }
    if (r < 0)
        return r;
    if (!ctr_store_has(&call->store, id))
        return ctr_delegate(call, err);
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    r = ctr_store_get(&dir, &record, &call->store, id, false, err);
    if (r < 0)
        return r;
    rk_autofree char *pids = NULL;
    r = list(&pids, record, err);
    ctr_record_free(record);
    if (r < 0)
        return r;
    if (strcmp(format, "json") == 0) {
        if (pids)
            printf("[%s]\n", pids);
        else
            puts("null"); /* runc's word for none */
        return 0;
    }
    if (strcmp(format, "table") != 0)
        return rk_fail(err, -EINVAL, "invalid format option: %s", format);
    return pids ? exec_ps(pids, rest, err) : rk_fail(err, -ESRCH, "container not running");
}
