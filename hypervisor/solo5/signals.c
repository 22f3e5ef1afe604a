/* The monitor as a process: who may look into it, and the signals that end it. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/solo5/tender.h"

/* Enough for the largest signal frame of any x86-64 or aarch64 (vector state included); pages that no signal
 * touches cost nothing. */
#define SIGNAL_STACK (64 * 1024)

/* May run while a guest owns the thread pointer, behind which a stack protector would look for its canary. */
__attribute__((no_stack_protector, noreturn)) static void end_by_signal(int number)
{
    for (;;)
        syscall(SYS_exit_group, 128 + number);
}

int tdr_hide(struct rk_err *err)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? rk_fail_errno(err, "hide from others of this user") : 0;
}

int tdr_handle_signals(struct rk_err *err)
{
    static const int ending[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
    static char stack[SIGNAL_STACK]; /* must outlive every frame of this program */
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    if (sigaltstack(&own, NULL))
        return rk_fail_errno(err, "set up the signal stack");
    struct sigaction action = {.sa_handler = end_by_signal, .sa_flags = SA_ONSTACK};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
        if (sigaction(ending[i], &action, NULL))
            return rk_fail_errno(err, "handle signal %d", ending[i]);
    /* After the handlers, so that a signal that was held back while this program started is not lost. */
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL))
        return rk_fail_errno(err, "unblock signals");
    return 0;
}
