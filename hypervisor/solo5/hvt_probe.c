/* Whether KVM is usable: not when its device opens, but when a guest runs. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "hypervisor/solo5/hvt.h"

/* Of a processor: a guest that has had so much never ends. Of the clock: who is given no processor for so
 * long can't say. */
#define PROCESSOR_SECONDS 2
#define CLOCK_SECONDS     12

static void give_up(int number)
{
    static const char text[] = "runuk-hvt: KVM: the probe's guest did not end in time\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    for (;;)
        syscall(SYS_exit_group, number == SIGALRM ? EX_TEMPFAIL : 1);
}

int hvt_probe(struct hvt *hvt, struct rk_err *err)
{
    const struct sigaction action = {.sa_handler = give_up};
    const struct itimerval bound = {.it_value = {.tv_sec = PROCESSOR_SECONDS}};
    if (sigaction(SIGALRM, &action, NULL) || sigaction(SIGPROF, &action, NULL) ||
        setitimer(ITIMER_PROF, &bound, NULL))
        return rk_fail_errno(err, "handle the alarm");
    alarm(CLOCK_SECONDS);
    int rc = hvt_mem_init(&hvt->mem, HVT_MEM_UNIT, err);
    if (rc)
        return rc;
    memcpy(hvt->mem.ram.base + HVT_IMAGE, hvt_probe_code, hvt_probe_code_size);
    rc = hvt_vm_make(hvt, HVT_IMAGE, err);
    if (!rc)
        rc = hvt_confine(hvt, err);
    int status = 0;
    if (!rc)
        rc = hvt_run(hvt, &status, err);
    if (!rc && status)
        rc = rk_fail(err, -EIO, "KVM: the probe's guest calculated wrongly");
    return rc;
}
