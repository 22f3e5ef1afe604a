/* Fault points, for tests: named moments at which a test lets a runtime, or the container's process, end.
 *
 * Only the build that `make test-programs` makes in faults/ has them (RK_FAULTS); in any other these are no
 * code at all. The environment tells that build what to do:
 *
 *   RUNUK_FAULT=POINT          what happens there: the process that gets there ends as if by SIGKILL, or with
 *   RUNUK_FAULT_ACTION=…       "process": the container's process does, and the caller goes on;
 *                              "wait":    it stays there until it is killed
 *   RUNUK_FAULT_LOG=FILE       gets the points that are passed, a line each, between NULs */
#ifndef RK_FAULT_H
#define RK_FAULT_H

#ifdef RK_FAULTS

#include "lib/process.h"

/* This moment is called `point` ("create:cgroup"), by a name that the sources have once. */
#define RK_FAULT(point) rk_fault(point)

/* The container's process, once it is known. */
#define RK_FAULT_PROCESS(process) rk_fault_process(process)

void rk_fault(const char *point);
void rk_fault_process(const struct rk_process *process);

#else

#define RK_FAULT(point)           ((void)0)
#define RK_FAULT_PROCESS(process) ((void)0)

#endif

#endif
