/* The container's systemd unit: what create says to plan it. */
#include "lifecycle/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/userns.h"

#define PROGRAM "runuk-scope"

/* Whose service manager: root's is the host's. Root of a user namespace is an ordinary user whose session's
 * runtime directory tells, unless a whole systemd, root's, runs in there. */
static bool is_user(void)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    if (geteuid() != 0)
        return true;
    return !box_userns_is_initial() && run && *run && strcmp(run, "/run/user/0") != 0;
}

int ctr_unit_plan(struct ctr_plan *plan, const struct ctr_call *call, struct rk_err *err)
{
    struct ctr_record *record = plan->record;
    rk_autofree char *program = NULL, *description = NULL;
    /* The time makes it this container's, whatever others call theirs. */
    if (asprintf(&program, "%s/" PROGRAM, call->settings.monitor_dir) < 0 ||
        asprintf(&description, "runuk container %s, created %s", record->id, record->created) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    if (access(program, X_OK) < 0)
        return rk_fail(err, -ENOENT,
                       "there is no '%s': install runuk, or set \"monitor_dir\" in its settings", program);
    return box_cgroup_plan_unit(&record->cgroup, plan->spec, record->id, description, program, is_user(),
                                err);
}

bool ctr_unit_usable(const struct ctr_call *call)
{
    rk_autofree char *program = NULL;
    return asprintf(&program, "%s/" PROGRAM, call->settings.monitor_dir) >= 0 && access(program, X_OK) == 0 &&
           box_systemd_runs();
}
