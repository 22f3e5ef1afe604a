/* The watcher of a guest's console.
 *
 * It must not harm the guest. Its death detaches it, at whatever moment: the kernel then lets the monitor go
 * on. For that its stops are looked at without taking them (WNOWAIT): a stop that was taken has forgotten the
 * signal that it stands for, and the monitor would never get it should the watcher die just then. System call
 * stops are marked (TRACESYSGOOD), or the kernel would turn one that is left behind into a fatal SIGTRAP. */
#include "lifecycle/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define CHUNK        16384 /* bytes copied at a time */
#define PATIENCE_MS  1000  /* for a reader that falls behind, while the guest waits */
#define LOOK_MS      20    /* between looks at a guest that waits for its console to be read */
#define LOOKS        100   /* after which the user is told */
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define RESTARTS                                                                                             \
    512 /* ERESTARTSYS and on, to 516: the system call begins anew (the kernel's linux/errno.h) */
#define RESTARTS_END 516

/* One of our own descriptors that the copies go to. */
struct sink {
    int fd;
    bool socket;
    bool stalled;  /* the reader has been waited for in vain */
    uint64_t lost; /* bytes since then */
};

struct watch {
    pid_t pid;
    struct sink sinks[3]; /* by the monitor's descriptor; [0] is unused */
    bool gone;            /* nobody reads any more */
    bool stopped;         /* for the first time, or soon */
    int looks;            /* in vain */
    bool writing;         /* in a write to a sink */
    int to;
    uint64_t at, len; /* its data in the monitor */
    bool told;        /* that there is no input */
};

/* --- attaching
 * ---------------------------------------------------------------------------------------------------- */

/* The number behind `key` in /proc/PID/status; 0 when there is none. */
static long status_number(pid_t pid, const char *key)
{
    char path[40];
    rk_autofree char *text = NULL;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    const char *at = rk_read_file_at(AT_FDCWD, path, 1 << 16, &text, NULL) < 0 ? NULL : strstr(text, key);
    return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

int ctr_watch_attach(const struct rk_process *monitor, struct rk_err *err)
{
    static const char instead[] = "the engine's log shows the console too (docker logs -f)";
    /* Its data is the options. No PTRACE_O_EXITKILL: the monitor outlives the watcher. */
    if (ptrace(PTRACE_SEIZE, monitor->pid, 0UL, (unsigned long)PTRACE_O_TRACESYSGOOD) < 0) {
        int code = -errno;
        long other = status_number(monitor->pid, "\nTracerPid:");
        if (code == -EPERM && other > 0)
            return rk_fail(err, -EBUSY, "process %ld watches this guest already, and only one can: %s", other,
                           instead);
        if (code == -EPERM)
            return rk_fail(
                err, code,
                "the kernel does not allow to watch a process (kernel.yama.ptrace_scope, or a lack "
                "of CAP_SYS_PTRACE): %s",
                instead);
        errno = -code;
        return rk_fail_errno(err, "watch process %d", (int)monitor->pid);
    }
    /* From here on the pid is not given to another process; it could have been before. */
    if (!rk_process_alive(monitor))
        return rk_fail(err, -ESRCH, "process %d has ended", (int)monitor->pid);
    return 0;
}

/* Whether the monitor waits in a write to its console. To interrupt it there could cut the write short:
 * runuk-hvt makes that good, but an spt guest takes no notice of what is left. The kernel tells the system
 * call of a sleeping process only (proc(5), /proc/PID/syscall). */
static bool waits_in_write(pid_t pid)
{
    char path[40];
    rk_autofree char *text = NULL;
    long nr;
    unsigned long long fd;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    return rk_read_file_at(AT_FDCWD, path, 4096, &text, NULL) >= 0 &&
           sscanf(text, "%ld %llx", &nr, &fd) == 2 && nr == SYS_write &&
           (fd == STDOUT_FILENO || fd == STDERR_FILENO);
}

/* --- copying
 * ------------------------------------------------------------------------------------------------------ */

/* A descriptor that never blocks: the same pipe or terminal, opened once more, since O_NONBLOCK on the one
 * that we were given would be seen by all who share it. */
static void open_sink(struct sink *sink, int fd)
{
    struct stat st;
    *sink = (struct sink){.fd = fd};
    if (fstat(fd, &st) < 0)
        return;
    sink->socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return;
    int own = rk_reopen(fd, O_WRONLY | O_NONBLOCK);
    if (own >= 0)
        sink->fd = own;
}

static ssize_t put(const struct sink *sink, const char *text, size_t len)
{
    return sink->socket ? send(sink->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(sink->fd, text, len);
}

/* Wait until there is room, but only so long, and not again before the reader has caught up. */
static bool wait_for_room(struct sink *sink)
{
    struct pollfd p = {.fd = sink->fd, .events = POLLOUT};
    if (!sink->stalled && poll(&p, 1, PATIENCE_MS) > 0)
        return true;
    sink->stalled = true;
    return false;
}

/* Whether all went out: else the rest is counted as lost, or nobody is there. */
static bool send_all(struct watch *w, struct sink *sink, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = put(sink, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && wait_for_room(sink))
            continue;
        if (n < 0) {
            w->gone = w->gone || (errno != EAGAIN && sink == &w->sinks[STDOUT_FILENO]);
            sink->lost += len;
            return false;
        }
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* The reader has caught up: tell what it has missed. */
static bool report_loss(struct watch *w, struct sink *sink)
{
    char text[96];
    uint64_t lost = sink->lost;
    if (lost == 0)
        return true;
    int n = snprintf(text, sizeof text,
                     "\nrunuk: %" PRIu64 " bytes are not shown: they were read too slowly\n", lost);
    sink->lost = 0;
    sink->stalled = true;
    bool sent = send_all(w, sink, text, (size_t)n);
    sink->stalled = !sent;
    if (!sent)
        sink->lost = lost;
    return sent;
}

/* Copy `len` bytes from `at` on in the monitor, which is stopped. */
static void copy(struct watch *w, struct sink *sink, uint64_t at, uint64_t len)
{
    char chunk[CHUNK];
    if (!report_loss(w, sink)) {
        sink->lost += len;
        return;
    }
    while (len > 0) {
        size_t n = len < sizeof chunk ? (size_t)len : sizeof chunk;
        struct iovec to = {.iov_base = chunk, .iov_len = n};
        struct iovec from = {.iov_base = (void *)(uintptr_t)at, // NOLINT(performance-no-int-to-ptr)
                             .iov_len = n};
        ssize_t got = process_vm_readv(w->pid, &to, 1, &from, 1, 0);
        if (got <= 0)
            return;
        at += (uint64_t)got;
        len -= (uint64_t)got;
        if (!send_all(w, sink, chunk, (size_t)got)) {
            sink->lost += len;
            return;
        }
    }
}

/* The end of a write: what was taken is shown, and what will be written again is not. What could not be
 * written at all is shown too, since nobody else will. */
static void end_write(struct watch *w, int64_t result)
{
    uint64_t len = (uint64_t)result;
    if (result == -EINTR || (result <= -RESTARTS && result >= -RESTARTS_END))
        return;
    if (result < 0 || len > w->len)
        len = w->len;
    copy(w, &w->sinks[w->to], w->at, len);
}

static void look_at_syscall(struct watch *w)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, w->pid, sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        w->writing = info.entry.nr == SYS_write &&
                     (info.entry.args[0] == STDOUT_FILENO || info.entry.args[0] == STDERR_FILENO);
        w->to = (int)info.entry.args[0];
        w->at = info.entry.args[1];
        w->len = info.entry.args[2];
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && w->writing) {
        w->writing = false;
        end_write(w, info.exit.rval);
    }
}

/* --- the loop
 * ----------------------------------------------------------------------------------------------------- */

/* Look at the monitor's stop, if it is in one, and let it go on. False when it has ended. */
static bool serve_stop(struct watch *w)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)w->pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) < 0)
        return errno == EINTR;
    if (info.si_pid == 0)
        return true;
    /* An end is not taken either: ours hands it to the monitor's parent. */
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
        return false;
    int request = PTRACE_SYSCALL, stop = info.si_status;
    unsigned long sig = 0;
    if (stop == SYSCALL_STOP)
        look_at_syscall(w);
    else if (stop >> 8 != PTRACE_EVENT_STOP)
        sig = (unsigned long)stop & 0x7f; /* on its way to the monitor */
    else if ((stop & 0xff) != SIGTRAP)
        request = PTRACE_LISTEN; /* SIGSTOP and its like: it stays stopped until it is continued */
    /* A failure means that it was killed meanwhile: the next look sees that. */
    ptrace(request, w->pid, 0UL, sig);
    return true;
}

/* Drop what is typed. False at the end of input. */
static bool drop_input(struct watch *w)
{
    static const char text[] = "runuk: a Solo5 guest has no console input: what is typed here goes nowhere\n";
    char typed[512];
    ssize_t n = read(STDIN_FILENO, typed, sizeof typed);
    if (n > 0 && !w->told) {
        w->told = true;
        send_all(w, &w->sinks[STDERR_FILENO], text, sizeof text - 1);
    }
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Stop the monitor once, since only in a stop it can be told to stop at system calls. What it sleeps in
 * returns EINTR or begins anew, as after any stop and continue. */
static void stop_first(struct watch *w)
{
    static const char text[] = "runuk: the guest waits until its console is read, and is not shown before\n";
    if (!waits_in_write(w->pid))
        w->stopped = ptrace(PTRACE_INTERRUPT, w->pid, 0UL, 0UL) == 0;
    else if (++w->looks == LOOKS)
        send_all(w, &w->sinks[STDERR_FILENO], text, sizeof text - 1);
}

static void wake_up(int number)
{
    (void)number;
}

int ctr_watch_run(const struct rk_process *monitor)
{
    struct watch w = {.pid = monitor->pid};
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = -1}};
    const struct sigaction action = {.sa_handler = wake_up};
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
    sigset_t stops, none;
    sigemptyset(&none);
    sigemptyset(&stops);
    sigaddset(&stops, SIGCHLD);
    /* A stop's SIGCHLD ends the waiting below, and only that: it is blocked elsewhere. */
    if (sigprocmask(SIG_BLOCK, &stops, NULL) < 0 || sigaction(SIGCHLD, &action, NULL) < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    open_sink(&w.sinks[STDOUT_FILENO], STDOUT_FILENO);
    open_sink(&w.sinks[STDERR_FILENO], STDERR_FILENO);
    fds[1].fd = w.sinks[STDOUT_FILENO].fd; /* no events: an error is told all the same */
    while (serve_stop(&w) && !w.gone) {
        if (!w.stopped)
            stop_first(&w);
        int n = ppoll(fds, RK_COUNT(fds), w.stopped ? NULL : &look, &none);
        if (n > 0 && fds[0].revents && !drop_input(&w))
            fds[0].fd = -1;
        if (n > 0 && fds[1].revents)
            break;
    }
    return 0;
}
