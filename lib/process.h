/* Processes, named so that a recycled pid is never taken for the old one: pid and start time, or a pidfd. */
#ifndef RK_PROCESS_H
#define RK_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RK_BOOT_SIZE 37 /* bytes of a boot id, with its NUL */

/* `start` is field 22 of /proc/PID/stat (clock ticks since boot), which with the pid is unique until the next
 * boot; `boot` is /proc/sys/kernel/random/boot_id (random(4)), or empty where it is not known. */
struct rk_process {
    pid_t pid;
    uint64_t start;
    char boot[RK_BOOT_SIZE];
};

/* Describe the living (or zombie) process `pid`. 0 or a negative errno (-ESRCH when there is none). */
int rk_process_get(struct rk_process *ret, pid_t pid);

/* Whether that very process runs: it exists, is that one, and is no zombie. */
bool rk_process_alive(const struct rk_process *process);

/* A pidfd (O_CLOEXEC) of that very process. -ESRCH when it has ended, a zombie included. */
int rk_process_open(const struct rk_process *process);

/* Its pid as it sees it itself, in its own pid namespace: the last of the NSpid line of /proc/PID/status
 * (proc(5)), or a negative errno. */
int rk_process_inner_pid(const struct rk_process *process);

/* pidfd_send_signal. 0 or a negative errno. */
int rk_process_signal(int pidfd, int sig);

/* Wait until the process of `pidfd` has ended, at most `timeout_ms` (-1: for ever). 0, -ETIMEDOUT or a
 * negative errno. */
int rk_process_wait(int pidfd, int timeout_ms);

/* In a new process: every signal at its default action and none blocked, whatever the engine ignores or
 * blocks. */
void rk_signals_reset(void);

#endif
