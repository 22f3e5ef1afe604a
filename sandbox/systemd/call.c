/* Runs runuk-scope, the program that talks to systemd. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/process.h"
#include "sandbox/cgroup.h"
#include "sandbox/systemd/scope.h"
#include "sandbox/systemd/unit.h"

#define ANSWER_MAX  1024  /* bytes of its one line */
#define PATIENCE_MS 60000 /* twice what it waits for systemd itself */

/* In the child. It dies with us: what nobody waits for must not go on behind the back of a later delete. */
static _Noreturn void become(const char *program, char **argv, pid_t parent, int out)
{
    rk_signals_reset();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    int in = open("/dev/null", O_RDONLY);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    syscall(SYS_close_range, 3, ~0U, 0);
    execve(program, argv, environ);
    dprintf(STDERR_FILENO, "execute '%s': %s: install runuk whole, or set \"monitor_dir\" in its settings",
            program, strerror(errno));
    _exit(SCOPE_NO_BUS);
}

/* Its line, until it ends. 0 or -ETIMEDOUT. */
static int read_answer(int fd, char *text)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t deadline = t.tv_sec * 1000 + PATIENCE_MS;
    size_t len = 0;
    for (ssize_t n = 1; n != 0;) {
        char rest[256];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        clock_gettime(CLOCK_MONOTONIC, &t);
        int64_t left = deadline - t.tv_sec * 1000;
        if (left <= 0)
            return -ETIMEDOUT;
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        n = len < ANSWER_MAX ? read(fd, text + len, ANSWER_MAX - len) : read(fd, rest, sizeof rest);
        if (n > 0 && len < ANSWER_MAX)
            len += (size_t)n;
        else if (n < 0 && errno != EINTR)
            break;
    }
    while (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    return 0;
}

/* What its end means. */
static int judge(int status, const char *text, struct rk_err *err)
{
    if (WIFSIGNALED(status))
        return rk_fail(err, -ECHILD, "runuk-scope was killed by signal %d", WTERMSIG(status));
    switch (WEXITSTATUS(status)) {
    case 0:
        return 0;
    case SCOPE_NO_BUS:
        return rk_fail(err, -ENOTCONN, "%s", text);
    case SCOPE_FOREIGN:
        return rk_fail(err, -EXDEV, "%s", text);
    default:
        return rk_fail(err, -ECANCELED, "%s", *text ? text : "runuk-scope failed without a word");
    }
}

int unit_call(char **ret_answer, const struct box_unit *unit, const struct rk_argv *words, struct rk_err *err)
{
    rk_autoargv struct rk_argv argv = {0};
    char text[ANSWER_MAX + 1] = "";
    int pipe_fds[2], status = 0;
    int r = rk_argv_add(&argv, unit->program);
    if (r == 0 && unit->user)
        r = rk_argv_add(&argv, "--user");
    for (size_t i = 0; i < words->n && r == 0; i++)
        r = rk_argv_add(&argv, words->v[i]);
    if (r < 0)
        return rk_fail(err, r, "out of memory");
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return rk_fail_errno(err, "make a pipe");
    rk_autoclose int in = pipe_fds[0], out = pipe_fds[1];
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        become(unit->program, argv.v, self, out);
    if (pid < 0)
        return rk_fail_errno(err, "fork for runuk-scope");
    rk_close(&out);
    RK_FAULT("unit:asked");
    r = read_answer(in, text);
    RK_FAULT("unit:answered");
    if (r < 0)
        kill(pid, SIGKILL); /* our own child, not yet reaped: the pid is its */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return rk_fail(err, r, "systemd does not answer: runuk-scope was ended after %d s",
                       PATIENCE_MS / 1000);
    r = judge(status, text, err);
    if (r == 0 && ret_answer && !(*ret_answer = strdup(text)))
        return rk_fail(err, -ENOMEM, "out of memory");
    return r;
}
