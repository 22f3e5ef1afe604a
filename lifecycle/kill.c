/* kill: a signal to the container's process, which is the monitor. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lifecycle/call.h"

/* "15", "TERM", "SIGTERM", "term". -EINVAL. */
static int parse_signal(const char *text, struct rk_err *err)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (isdigit((unsigned char)text[0]) && *end == '\0' && n >= 0 && n < NSIG)
        return (int)n;
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (int sig = 1; sig < NSIG; sig++) {
        const char *abbreviation = sigabbrev_np(sig);
        if (abbreviation && strcasecmp(abbreviation, name) == 0)
            return sig;
    }
    return rk_fail(err, -EINVAL, "unknown signal \"%s\"", text);
}

int ctr_signal(const struct ctr_record *record, int sig)
{
    rk_autoclose int pidfd = rk_process_open(&record->process);
    int r = pidfd < 0 ? pidfd : rk_process_signal(pidfd, sig);
    RK_FAULT("kill:signalled");
    /* A frozen guest would die of it only when somebody thaws it. */
    if (r == 0 && sig == SIGKILL && box_cgroup_is_frozen(&record->cgroup))
        box_cgroup_freeze(&record->cgroup, false, NULL);
    return r;
}

static int kill_container(struct ctr_call *call, const char *id, int sig, bool all, struct rk_err *err)
{
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    /* Without the lock: a start that waits for its hooks must not keep anyone from ending the container. */
    int r = ctr_store_get(&dir, &record, &call->store, id, false, err);
    if (r < 0)
        return r;
    RK_FAULT("kill:found");
    r = ctr_signal(record, sig);
    RK_FAULT("kill:done");
    ctr_record_free(record);
    if (r == -ESRCH)
        /* `kill --all` is also how engines sweep up behind a container that has ended: nothing left is what
         * they want. */
        return all ? 0 : rk_fail(err, -ESRCH, "container not running");
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "signal container '%s'", id);
    }
    return 0;
}

int ctr_kill_verb(struct ctr_call *call, struct rk_err *err)
{
    bool all = false;
    const char *args[2];
    const struct cfg_flag flags[] = {
        {"all", 'a', CFG_BOOL, &all, "the whole container: its monitor is all there is"},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    int r = ctr_call_parse(call, flags, args, 1, 2, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!ctr_store_has(&call->store, args[0]))
        return ctr_known_nowhere(call, args[0])
                   ? rk_fail(err, -ENOENT, "container '%s' does not exist", args[0])
                   : ctr_delegate(call, err);
    int sig = args[1] ? parse_signal(args[1], err) : SIGTERM;
    return sig < 0 ? sig : kill_container(call, args[0], sig, all, err);
}
