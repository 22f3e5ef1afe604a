/* state: what the specification and runc say of a container, as JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lifecycle/call.h"
#include "lifecycle/summary.h"

json_t *ctr_summary(const struct ctr_record *record, bool with_owner)
{
    char owner[16] = "";
    enum ctr_status status = ctr_record_status(record);
    if (with_owner && record->owner == 0)
        snprintf(owner, sizeof owner, "root");
    else if (with_owner)
        snprintf(owner, sizeof owner, "#%u", (unsigned)record->owner);
    json_t *j = json_pack("{s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:s}", "ociVersion", record->oci_version, "id",
                          record->id, "pid", status == CTR_STOPPED ? 0 : (int)record->process.pid, "status",
                          ctr_status_name(status), "bundle", record->bundle, "rootfs", record->rootfs,
                          "created", record->created, "owner", owner);
    if (j && json_object_size(record->annotations) > 0)
        json_object_set(j, "annotations", record->annotations);
    return j;
}

int ctr_state_verb(struct ctr_call *call, struct rk_err *err)
{
    const char *id;
    const struct cfg_flag flags[] = {{NULL, 0, CFG_BOOL, NULL, NULL}};
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!ctr_store_has(&call->store, id))
        return ctr_known_nowhere(call, id) ? rk_fail(err, -ENOENT, "container '%s' does not exist", id)
                                           : ctr_delegate(call, err);
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    r = ctr_store_get(&dir, &record, &call->store, id, false, err);
    if (r < 0)
        return r;
    rk_autojson json_t *json = ctr_summary(record, false);
    ctr_record_free(record);
    rk_autofree char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    if (!text)
        return rk_fail(err, -ENOMEM, "out of memory");
    puts(text);
    return 0;
}
