/* delete: end what still runs if told so, and take away all that create and start made. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "lifecycle/call.h"
#include "lifecycle/hooks.h"
#include "lifecycle/network.h"

#define END_MS 10000 /* a killed process that has not ended by then hangs in the kernel */

static void run_poststop(const struct ctr_record *record)
{
    if (record->poststop.n == 0)
        return;
    rk_autofree char *text = NULL;
    struct rk_err ignored;
    const struct ctr_hook_place place = {.kind = "poststop", .cwd = record->bundle, .dir_fd = -1};
    if (ctr_record_state(&text, record, CTR_STOPPED, false, &ignored) == 0)
        ctr_hooks_run_all(&record->poststop, &place, text);
}

int ctr_dismantle(const struct ctr_store *store, struct ctr_record *record, int dir, struct rk_err *err)
{
    struct rk_err later;
    /* A namespace that was made for this container ended with its process, taps and all. */
    int r = record->netns ? ctr_network_undo(record, record->netns, err) : 0;
    RK_FAULT("delete:network");
    int r2 = box_cgroup_remove(&record->cgroup, r < 0 ? &later : err);
    RK_FAULT("delete:cgroup");
    if (r < 0 || r2 < 0)
        return r < 0 ? r : r2; /* the record stays: another delete tries again */
    if ((r = ctr_store_remove(store, record->id, dir, err)) < 0)
        return r;
    RK_FAULT("delete:removed");
    run_poststop(record);
    return 0;
}

/* SIGKILL, and wait for the end. */
static int end_process(const struct ctr_record *record, struct rk_err *err)
{
    rk_autoclose int pidfd = rk_process_open(&record->process);
    if (pidfd == -ESRCH)
        return 0;
    if (pidfd < 0) {
        errno = -pidfd;
        return rk_fail_errno(err, "open process %d", (int)record->process.pid);
    }
    RK_FAULT("delete:opened");
    int r = rk_process_signal(pidfd, SIGKILL);
    RK_FAULT("delete:killed");
    if (r == 0 && box_cgroup_is_frozen(&record->cgroup))
        box_cgroup_freeze(&record->cgroup, false, NULL); /* or it would not get to die */
    if (r == 0)
        r = rk_process_wait(pidfd, END_MS);
    if (r < 0 && r != -ESRCH) {
        errno = -r;
        return rk_fail_errno(err, "end process %d", (int)record->process.pid);
    }
    return 0;
}

int ctr_delete(struct ctr_call *call, const char *id, bool force, struct rk_err *err)
{
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    int r = ctr_store_get(&dir, &record, &call->store, id, true, err);
    if (r < 0)
        return r;
    RK_FAULT("delete:locked");
    enum ctr_status status = ctr_record_status(record);
    /* As with runc, a container that was created and never started may be deleted without force. */
    if (status != CTR_STOPPED && status != CTR_CREATED && !force)
        r = rk_fail(err, -EBUSY, "cannot delete container %s that is not stopped: %s", id,
                    ctr_status_name(status));
    else if ((r = end_process(record, err)) == 0) {
        RK_FAULT("delete:ended");
        r = ctr_dismantle(&call->store, record, dir, err);
    }
    if (r < 0)
        rk_wrap(err, "delete container '%s'", id);
    ctr_record_free(record);
    return r;
}

/* Whether runc is to delete it. runc sweeps away a directory in which it finds no state: under a common root
 * that may be the one of a create of ours that is under way. */
static bool is_runcs(const struct ctr_call *call, const char *id)
{
    rk_autofree char *state = NULL;
    if (ctr_id_check(id, NULL) < 0)
        return true; /* runc's to judge */
    if (!call->global->root)
        return ctr_runc_has(call, id);
    return call->store.fd >= 0 && asprintf(&state, "%s/" CTR_RUNC_STATE, id) > 0 &&
           faccessat(call->store.fd, state, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int ctr_delete_verb(struct ctr_call *call, struct rk_err *err)
{
    bool force = false;
    const char *id;
    const struct cfg_flag flags[] = {
        {"force", 'f', CFG_BOOL, &force, "kill the container first if it is still running"},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (ctr_store_has(&call->store, id)) {
        r = ctr_delete(call, id, force, err);
        return r == -ENOENT && force ? 0 : r; /* another delete was faster */
    }
    if (force)
        ctr_store_remove_stillborn(&call->store, id);
    if (is_runcs(call, id))
        return ctr_delegate(call, err);
    return force ? 0 : rk_fail(err, -ENOENT, "container '%s' does not exist", id);
}
