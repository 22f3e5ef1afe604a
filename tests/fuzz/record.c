/* Whatever runuk.json holds: it is refused with a reason, or it is a record that survives being written and
 * read. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lifecycle/record.h"
#include "tests/fuzz/promise.h"

static void check(const struct ctr_record *r)
{
    PROMISE(r->id && r->oci_version && r->bundle && r->rootfs && r->created);
    PROMISE(r->image && r->monitor && r->family && r->network_mode);
    PROMISE(ctr_status_name(r->status));
    for (size_t i = 0; i < r->device_count; i++)
        PROMISE(memchr(r->devices[i].name, 0, sizeof r->devices[i].name));
    for (size_t i = 0; i < r->wire_count; i++) {
        const struct net_wire *w = &r->wires[i].wire;
        PROMISE(w->fd == -1 && memchr(w->tap, 0, sizeof w->tap) && memchr(w->mode, 0, sizeof w->mode));
        PROMISE(memchr(w->link, 0, sizeof w->link) && memchr(w->bridge, 0, sizeof w->bridge));
    }
}

/* Written once, a record says the same for ever after. NULL when it can't be written (a name cut within a
 * character). */
static json_t *again(const struct ctr_record *record)
{
    struct ctr_record *copy = NULL;
    struct rk_err err = {0};
    json_t *json = ctr_record_to_json(record);
    if (!json)
        return NULL;
    PROMISE(ctr_record_from_json(&copy, json, &err) == 0);
    json_t *twice = ctr_record_to_json(copy);
    PROMISE(twice && json_equal(json, twice));
    json_decref(twice);
    ctr_record_free(copy);
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ctr_record *record = NULL;
    struct rk_err err = {0};
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    if (!json)
        return 0;
    int r = ctr_record_from_json(&record, json, &err);
    PROMISE(r == 0 || r == -EINVAL);
    PROMISE(r == 0 ? record && err.code == 0 : !record && err.code == r && err.text[0]);
    if (record) {
        check(record);
        json_decref(again(record));
        char *state = NULL;
        PROMISE(ctr_record_state(&state, record, record->status, false, &err) == 0 && state);
        free(state);
    }
    ctr_record_free(record);
    json_decref(json);
    return 0;
}
