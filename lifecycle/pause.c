/* pause and resume: a guest's cgroup frozen, and let go on. */
#include <errno.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lifecycle/call.h"

/* Freeze or thaw a container that is in the right status for it. */
static int set_frozen(struct ctr_call *call, bool frozen, struct rk_err *err)
{
    const char *id;
    const struct cfg_flag flags[] = {{NULL, 0, CFG_BOOL, NULL, NULL}};
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!ctr_store_has(&call->store, id))
        return ctr_delegate(call, err);
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    r = ctr_store_get(&dir, &record, &call->store, id, true, err);
    if (r < 0)
        return r;
    enum ctr_status status = ctr_record_status(record);
    RK_FAULT("pause:judged");
    if (frozen && status == CTR_STOPPED)
        r = rk_fail(err, -ESRCH, "container not running");
    else if (frozen && status != CTR_RUNNING)
        r = rk_fail(err, -EINVAL, "container not running: %s", ctr_status_name(status));
    else if (!frozen && status != CTR_PAUSED)
        r = rk_fail(err, -EINVAL, "container not paused");
    else
        r = box_cgroup_freeze(&record->cgroup, frozen, err);
    RK_FAULT("pause:done");
    ctr_record_free(record);
    return r < 0 ? rk_wrap(err, "%s container '%s'", call->argv[0], id) : 0;
}

int ctr_pause_verb(struct ctr_call *call, struct rk_err *err)
{
    return set_frozen(call, true, err);
}

int ctr_resume_verb(struct ctr_call *call, struct rk_err *err)
{
    return set_frozen(call, false, err);
}
