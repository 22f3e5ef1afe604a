/* Watching a guest's console from outside: exec's :console.
 *
 * What a guest prints goes straight from the monitor to the engine's pipe or terminal, and nothing of ours
 * sits between. So the monitor's system calls are watched (ptrace) for as long as somebody looks, and what it
 * writes to its standard output and error is copied. A guest is slower meanwhile, and goes on as before when
 * the watcher ends, however it ends. */
#ifndef CTR_WATCH_H
#define CTR_WATCH_H

#include "lib/process.h"

struct rk_err;

/* Attach the calling process, which must be the one that calls ctr_watch_run, to the monitor. Only one
 * process can watch it at a time. -EBUSY: somebody does; -EPERM: the kernel does not allow it; -ESRCH: it has
 * ended. */
int ctr_watch_attach(const struct rk_process *monitor, struct rk_err *err);

/* Copy what the attached monitor writes to its descriptors 1 and 2 to this process' own, from now on, until
 * it ends or nobody reads. A reader that falls behind for a second loses text, and is told so: a guest is
 * never kept waiting for longer. Standard input is read and dropped, with a word to stderr: no Solo5 guest
 * has any. Returns the exit status. */
int ctr_watch_run(const struct rk_process *monitor);

#endif
