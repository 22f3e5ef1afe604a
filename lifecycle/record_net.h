/* The wires of a record, as JSON and back. */
#ifndef CTR_RECORD_NET_H
#define CTR_RECORD_NET_H

#include "lifecycle/record.h"

json_t *ctr_record_wires_to_json(const struct ctr_record *record);
int ctr_record_wires_from_json(struct ctr_record *record, json_t *json, struct rk_err *err);

/* Close and free record->wires. */
void ctr_record_wires_fini(struct ctr_record *record);

/* A deep copy of a surveyed link. -ENOMEM. */
int ctr_link_copy(struct net_link *ret_link, const struct net_link *link);

#endif
