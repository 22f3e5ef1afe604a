/* A container in the words of `runc state` and `runc list`. */
#ifndef CTR_SUMMARY_H
#define CTR_SUMMARY_H

#include "lifecycle/record.h"

/* {"ociVersion","id","pid","status","bundle","rootfs","created","annotations","owner"}; pid is 0 when
 * stopped, annotations are left out when empty. `owner` is empty unless `with_owner`: "root", or "#uid" (a
 * name would need the host's user database). NULL without memory. */
json_t *ctr_summary(const struct ctr_record *record, bool with_owner);

#endif
