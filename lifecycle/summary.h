/* A container in the words of `runc state` and `runc list`. */
#ifndef CTR_SUMMARY_H
#define CTR_SUMMARY_H

#include "lifecycle/record.h"

/* {"ociVersion","id","pid","status","bundle","rootfs","created","annotations","owner"}; pid is 0 when
 * stopped, annotations are left out when empty, owner is the user's name in `list`. NULL without memory. */
json_t *ctr_summary(const struct ctr_record *record);

#endif
