/* run: create and start, then stay until the guest ends, and delete. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/process.h"
#include "lifecycle/call.h"
#include "sandbox/console.h"

/* Every signal that can be passed on is blocked and read from a descriptor; the container's process resets
 * its own. */
static int watch_signals(struct rk_err *err)
{
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
        return rk_fail_errno(err, "block signals");
    int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? rk_fail_errno(err, "watch signals") : fd;
}

/* What run attends to: the guest's end, signals, and the terminal between the guest and our own standard
 * input and output. */
enum { END, SIGNALS, TERMINAL, KEYBOARD, WATCHED };

/* Copy what can be read from one side to the other; false when the side has ended. What a guest does not read
 * is dropped, not waited for. */
static bool copy(int from, int to)
{
    char buf[4096];
    ssize_t n = read(from, buf, sizeof buf);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    int r = n > 0 ? rk_write_all(to, buf, (size_t)n) : -EPIPE;
    return r >= 0 || r == -EAGAIN;
}

static void pass_signals(int signals, int pidfd, int terminal)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGWINCH && terminal >= 0)
            box_console_resize(terminal, STDIN_FILENO);
        if (info.ssi_signo != SIGCHLD && info.ssi_signo != SIGURG)
            rk_process_signal(pidfd, (int)info.ssi_signo);
    }
}

/* Until the guest's monitor ends; its wait status. */
static int attend(int signals, int pidfd, pid_t pid, int terminal)
{
    struct pollfd p[WATCHED] = {
        [END] = {.fd = pidfd, .events = POLLIN},
        [SIGNALS] = {.fd = signals, .events = POLLIN},
        [TERMINAL] = {.fd = terminal, .events = POLLIN},
        [KEYBOARD] = {.fd = terminal >= 0 ? STDIN_FILENO : -1, .events = POLLIN},
    };
    int status = 0;
    for (;;) {
        if (poll(p, WATCHED, -1) < 0)
            continue; /* EINTR */
        if (p[SIGNALS].revents)
            pass_signals(signals, pidfd, terminal);
        if (p[KEYBOARD].revents && !copy(STDIN_FILENO, terminal))
            p[KEYBOARD].fd = -1;
        if (p[TERMINAL].revents && !copy(terminal, STDOUT_FILENO))
            p[TERMINAL].fd = -1;
        if (p[END].revents)
            break;
    }
    /* What the guest said last: its side is closed, so that this ends. */
    while (p[TERMINAL].fd >= 0 && poll(&p[TERMINAL], 1, 0) > 0 && copy(terminal, STDOUT_FILENO))
        ;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int run_attached(struct ctr_call *call, const char *id, pid_t pid, int signals, int terminal,
                        bool keep, struct rk_err *err)
{
    struct termios saved;
    rk_autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return rk_fail_errno(err, "watch process %d", (int)pid);
    bool raw = false;
    if (terminal >= 0) {
        fcntl(terminal, F_SETFL, O_NONBLOCK);
        box_console_resize(terminal, STDIN_FILENO);
        raw = box_console_raw(STDIN_FILENO, &saved) == 0;
    }
    int status = attend(signals, pidfd, pid, terminal);
    if (raw)
        box_console_restore(STDIN_FILENO, &saved);
    int r = keep ? 0 : ctr_delete(call, id, true, err);
    if (r < 0)
        return r;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int ctr_run_verb(struct ctr_call *call, struct rk_err *err)
{
    struct ctr_create_options options = {.bundle = "."};
    bool detach = false, keep = false;
    const char *id;
    const struct cfg_flag flags[] = {
        {"bundle", 'b', CFG_STRING, &options.bundle, "directory of the bundle (default: the current one)"},
        {"pid-file", 0, CFG_STRING, &options.pid_file, "file to write the process id to"},
        {"console-socket", 0, CFG_STRING, &options.console_socket, "UNIX socket that receives the terminal"},
        {"pidfd-socket", 0, CFG_STRING, &options.pidfd_socket, NULL},
        {"detach", 'd', CFG_BOOL, &detach, "return once the guest runs"},
        {"keep", 0, CFG_BOOL, &keep, "do not delete the container when the guest has ended"},
        {"no-subreaper", 0, CFG_BOOL, NULL, "accepted for runc's sake"},
        {"no-pivot", 0, CFG_BOOL, NULL, "accepted for runc's sake"},
        {"no-new-keyring", 0, CFG_BOOL, NULL, "accepted for runc's sake"},
        {"preserve-fds", 0, CFG_INT, &options.preserve_fds,
         "so many descriptors from 3 on stay open as long as the guest lives"},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    pid_t pid;
    rk_autoclose int terminal = -1;
    if (!detach)
        options.terminal = &terminal;
    if ((r = ctr_create(call, id, &options, &pid, err)) <= 0)
        return r < 0 ? r : ctr_delegate(call, err);
    rk_autoclose int signals = -1;
    if (!detach)
        signals = r = watch_signals(err);
    if (r >= 0)
        r = ctr_start(call, id, err);
    if (r < 0) {
        struct rk_err ignored;
        ctr_delete(call, id, true, &ignored);
        return r;
    }
    return detach ? 0 : run_attached(call, id, pid, signals, terminal, keep, err);
}
