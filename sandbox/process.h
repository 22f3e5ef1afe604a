/* What config.json says of the container's process beside its namespaces: kernel parameters, resource limits,
 * scheduling, the label of a security module. */
#ifndef BOX_PROCESS_H
#define BOX_PROCESS_H

#include <stdint.h>

#include "bundle/spec.h"

struct rk_err;

/* Kernel parameters (linux.sysctl). Only those of a namespace that the container has to itself: network, IPC
 * and UTS ones; -EINVAL names any other, as runc does. box_sysctls_write writes them, from inside the
 * namespaces, while /proc is there. */
int box_sysctls_check(const struct bnd_spec *spec, struct rk_err *err);
int box_sysctls_write(const struct bnd_spec *spec, struct rk_err *err);

/* Resource limits (process.rlimits) on the calling process. Three are not applied, since box_drop_privileges
 * sets or a guest makes them moot: RLIMIT_CORE (a guest's memory is never written to a file of the host),
 * RLIMIT_NOFILE (what the monitor needs, and no more), RLIMIT_NPROC (a guest has no processes, and the
 * monitors of many containers may share a user). box_rlimits_check: -EINVAL when the address space could not
 * hold `memory` bytes of guest. */
int box_rlimits_check(const struct bnd_spec *spec, uint64_t memory, struct rk_err *err);
int box_rlimits_set(const struct bnd_spec *spec, struct rk_err *err);

/* process.scheduler and process.ioPriority for the calling process; exec keeps both. Errors name the member.
 */
int box_scheduler_set(const struct bnd_spec *spec, struct rk_err *err);

/* The security module's label for the program that is executed next: process.apparmorProfile,
 * process.selinuxLabel. box_label_check: -ENOTSUP when the kernel does not have the module. box_label_open:
 * while /proc is there, *ret_fd is a descriptor (O_CLOEXEC) through which the calling process, and no other,
 * sets it; -1 when there is none to set. box_label_set: set it; the next exec of this process applies it. */
int box_label_check(const struct bnd_spec *spec, struct rk_err *err);
int box_label_open(int *ret_fd, const struct bnd_spec *spec, struct rk_err *err);
int box_label_set(int fd, const struct bnd_spec *spec, struct rk_err *err);

#endif
