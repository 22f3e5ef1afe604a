/* Runs hooks. */
#include "lifecycle/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "lib/process.h"

#define OUTPUT_KEPT 1024 /* bytes of what a hook prints that go into the message */

struct output {
    char text[OUTPUT_KEPT + 1];
    size_t len;
};

/* A file that reads as `text`: a hook that does not read its input can't block us, as a pipe could. */
static int text_file(const char *text)
{
    rk_autoclose int fd = memfd_create("state", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = rk_write_all(fd, text, strlen(text));
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = -errno;
    return r < 0 ? r : rk_take_fd(&fd);
}

/* In the child: become the hook. */
static _Noreturn void become_hook(const struct bnd_hook *hook, const struct ctr_hook_place *place,
                                  pid_t parent, int in, int out)
{
    char *only[] = {hook->path, NULL}, *nothing[] = {NULL};
    char **env = hook->env_given ? (hook->env.v ? hook->env.v : nothing) : place->env ? place->env : environ;
    rk_signals_reset();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it was killed before it could be noticed */
        _exit(127);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    const char *failed = NULL;
    if (place->dir_fd >= 0 && (fchdir(place->dir_fd) < 0 || (place->chroot && chroot(".") < 0)))
        failed = "enter the container's root";
    else if (place->cwd && chdir(place->cwd) < 0)
        failed = place->cwd;
    if (!failed) {
        syscall(SYS_close_range, 3, ~0U, 0);
        execve(hook->path, hook->args.v ? hook->args.v : only, env);
        failed = "execute";
    }
    dprintf(STDERR_FILENO, "%s: %s", failed, strerror(errno));
    _exit(127);
}

/* Read what is there; the last OUTPUT_KEPT bytes are not kept, the first are: causes come first. False at the
 * end. */
static bool read_output(int fd, struct output *output)
{
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    size_t room = OUTPUT_KEPT - output->len;
    size_t keep = (size_t)n < room ? (size_t)n : room;
    memcpy(output->text + output->len, buf, keep);
    output->len += keep;
    output->text[output->len] = '\0';
    return n > 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Wait for the hook's end, reading its output meanwhile. 0, or -ETIMEDOUT after killing it. */
static int await_hook(int pidfd, int out, int timeout_s, struct output *output)
{
    int64_t deadline = now_ms() + (int64_t)timeout_s * 1000;
    struct pollfd p[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = out, .events = POLLIN}};
    for (;;) {
        int64_t left = timeout_s ? deadline - now_ms() : -1;
        if (timeout_s && left <= 0) {
            syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
            return -ETIMEDOUT;
        }
        if (poll(p, 2, (int)left) < 0 && errno != EINTR)
            return -errno;
        if (p[1].revents && !read_output(out, output))
            p[1].fd = -1;
        if (p[0].revents) {
            /* What it left in the pipe; a grandchild may keep that open, so read without waiting. */
            while (p[1].fd >= 0 && poll(&p[1], 1, 0) > 0 && read_output(out, output))
                ;
            return 0;
        }
    }
}

static int describe_failure(const struct bnd_hook *hook, const char *kind, int wait_status, int r,
                            const struct output *output, struct rk_err *err)
{
    char how[64];
    if (r == -ETIMEDOUT)
        snprintf(how, sizeof how, "timed out after %d s", hook->timeout_s);
    else if (WIFSIGNALED(wait_status))
        snprintf(how, sizeof how, "killed by signal %d", WTERMSIG(wait_status));
    else
        snprintf(how, sizeof how, "exit status %d", WEXITSTATUS(wait_status));
    size_t len = output->len;
    while (len > 0 && output->text[len - 1] == '\n')
        len--;
    return rk_fail(err, -ECANCELED, "%s hook '%s': %s%s%.*s", kind, hook->path, how, len ? ", output: " : "",
                   (int)len, output->text);
}

static int run_hook(const struct bnd_hook *hook, const struct ctr_hook_place *place, const char *state,
                    struct rk_err *err)
{
    int pipe_fds[2];
    rk_autoclose int in = text_file(state);
    if (in < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
        return rk_fail_errno(err, "%s hook '%s'", place->kind, hook->path);
    rk_autoclose int out = pipe_fds[0];
    rk_autoclose int out_write = pipe_fds[1];
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        become_hook(hook, place, self, in, out_write);
    if (pid < 0)
        return rk_fail_errno(err, "fork for %s hook '%s'", place->kind, hook->path);
    rk_close(&out_write);
    RK_FAULT("hook:forked");
    rk_autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct output output = {.len = 0};
    int r = pidfd < 0 ? -errno : await_hook(pidfd, out, hook->timeout_s, &output);
    RK_FAULT("hook:ended");
    int status = 0;
    if (r < 0)
        kill(pid, SIGKILL); /* our own child, not yet reaped: the pid is its */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0 || status != 0)
        return describe_failure(hook, place->kind, status, r, &output, err);
    return 0;
}

int ctr_hooks_run(const struct bnd_hook_list *list, const struct ctr_hook_place *place, const char *state,
                  struct rk_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        int r = run_hook(&list->v[i], place, state, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void ctr_hooks_run_all(const struct bnd_hook_list *list, const struct ctr_hook_place *place,
                       const char *state)
{
    for (size_t i = 0; i < list->n; i++) {
        struct rk_err err;
        if (run_hook(&list->v[i], place, state, &err) < 0)
            rk_warn("%s", err.text);
    }
}
