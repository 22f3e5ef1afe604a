/* The container's systemd unit, when the caller wants one (--systemd-cgroup). */
#ifndef CTR_UNIT_H
#define CTR_UNIT_H

#include "lifecycle/plan.h"

/* Name the unit and its directories in the plan's record; nothing is made (see box_cgroup_plan_unit). */
int ctr_unit_plan(struct ctr_plan *plan, const struct ctr_call *call, struct rk_err *err);

/* Whether the systemd driver can be used for unikernels here: the program is installed, and systemd runs. */
bool ctr_unit_usable(const struct ctr_call *call);

#endif
