/* How the kernel schedules the process that becomes the monitor, and its disk requests. */
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"
#include "sandbox/process.h"

int box_scheduler_set(const struct bnd_spec *spec, struct rk_err *err)
{
    const struct bnd_scheduler *s = &spec->scheduler;
    struct sched_attr attr = {.size = SCHED_ATTR_SIZE_VER0,
                              .sched_policy = s->policy,
                              .sched_flags = s->flags,
                              .sched_nice = s->nice,
                              .sched_priority = (uint32_t)s->priority,
                              .sched_runtime = s->runtime,
                              .sched_deadline = s->deadline,
                              .sched_period = s->period};
    if (s->name && syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
        return rk_fail_errno(err, "set process.scheduler to %s%s", s->name,
                             errno == EPERM ? " (not permitted to this user, or the cgroup has no real-time "
                                              "share: linux.resources.cpu.realtimeRuntime)"
                                            : "");
    const struct bnd_io_priority *p = &spec->io_priority;
    if (p->name &&
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(p->io_class, p->level)) < 0)
        return rk_fail_errno(err, "set process.ioPriority to %s, %d", p->name, p->level);
    return 0;
}
