/* A child for work in namespaces from which there is no way back. */
#include "lifecycle/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "sandbox/namespaces.h"
#include "sandbox/userns.h"

bool ctr_apart_needed(void)
{
    return !box_is_privileged() || !box_userns_is_initial();
}

/* The container's user namespace; -1 when it is ours, or gone with its last process. One that was joined is
 * still there when the process is not, or is a zombie that Linux shows to nobody, as it was not dumpable. */
static int open_user_namespace(const struct ctr_record *record)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)record->process.pid);
    int fd = record->userns ? box_namespace_open(path, CLONE_NEWUSER, NULL) : -1;
    if (fd < 0 && record->userns && record->userns_path)
        fd = box_namespace_open(record->userns_path, CLONE_NEWUSER, NULL);
    return fd;
}

int ctr_apart(const struct ctr_record *record, ctr_apart_fn *fn, void *data, struct rk_err *err)
{
    int pair[2];
    rk_autofree char *answer = NULL;
    size_t len = 0;
    rk_autoclose int user = open_user_namespace(record);
    if (pipe2(pair, O_CLOEXEC) < 0)
        return rk_fail_errno(err, "make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        RK_FAULT("apart:born");
        int r = user >= 0 && setns(user, CLONE_NEWUSER) < 0
                    ? rk_fail_errno(err, "join the container's user namespace")
                    : fn(data, err);
        err->code = r;
        RK_FAULT("apart:done");
        _exit(rk_write_all(pair[1], err, sizeof *err) < 0);
    }
    rk_close(&pair[1]);
    RK_FAULT("apart:forked");
    int r = pid < 0 ? -errno : rk_read_fd(pair[0], sizeof *err, &answer, &len);
    rk_close(&pair[0]);
    RK_FAULT("apart:answered");
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (r < 0 || len != sizeof *err)
        return rk_fail(err, -ECHILD,
                       "the process that works in the container's namespaces ended unexpectedly");
    memcpy(err, answer, sizeof *err);
    return err->code;
}
