/* Processes named by pid and start time, or by pidfd. */
#include "lib/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fd.h"

/* Start time and state letter of `pid`, from /proc/PID/stat (proc(5)). */
static int read_stat(pid_t pid, uint64_t *ret_start, char *ret_state)
{
    char path[40];
    rk_autofree char *text = NULL;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int r = rk_read_file_at(AT_FDCWD, path, 4096, &text, NULL);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    /* The second field, the command in parentheses, may contain anything: fields count from the last ')'. */
    char *p = strrchr(text, ')');
    unsigned long long start;
    if (!p ||
        sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               ret_state, &start) != 2)
        return -EIO;
    *ret_start = start;
    return 0;
}

/* This boot's id, read once: it outlives us. Empty when it can't be read. */
static const char *this_boot(void)
{
    static char boot[RK_BOOT_SIZE];
    rk_autoclose int fd = -1;
    if (*boot || (fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)) < 0)
        return boot;
    if (read(fd, boot, sizeof boot - 1) != (ssize_t)sizeof boot - 1)
        *boot = '\0';
    return boot;
}

/* Where one of them is not known, pid and start time have to do. */
static bool is_this_boot(const struct rk_process *process)
{
    return !*process->boot || !*this_boot() || strcmp(process->boot, this_boot()) == 0;
}

int rk_process_get(struct rk_process *ret, pid_t pid)
{
    char state;
    uint64_t start;
    int r = read_stat(pid, &start, &state);
    if (r < 0)
        return r;
    *ret = (struct rk_process){.pid = pid, .start = start};
    memcpy(ret->boot, this_boot(), sizeof ret->boot);
    return 0;
}

bool rk_process_alive(const struct rk_process *process)
{
    char state;
    uint64_t start;
    return process->pid > 0 && read_stat(process->pid, &start, &state) == 0 && start == process->start &&
           state != 'Z' && state != 'X' && is_this_boot(process);
}

int rk_process_open(const struct rk_process *process)
{
    if (process->pid <= 0)
        return -ESRCH;
    rk_autoclose int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (fd < 0)
        return errno == EINVAL ? -ESRCH : -errno;
    /* Looked at after the pidfd is held: from here on the pid can't change its owner unnoticed. */
    if (!rk_process_alive(process))
        return -ESRCH;
    return rk_take_fd(&fd);
}

int rk_process_inner_pid(const struct rk_process *process)
{
    char path[40];
    rk_autofree char *text = NULL;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process->pid);
    int r = rk_read_file_at(AT_FDCWD, path, 65536, &text, NULL);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    char *line = strstr(text, "\nNSpid:");
    if (!line)
        return -EIO;
    line[1 + strcspn(line + 1, "\n")] = '\0';
    const char *last = strrchr(line, '\t');
    int pid = last ? atoi(last + 1) : 0;
    return pid > 0 ? pid : -EIO;
}

int rk_process_signal(int pidfd, int sig)
{
    return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int rk_process_wait(int pidfd, int timeout_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

void rk_signals_reset(void)
{
    /* The kernel's struct sigaction: handler, flags, restorer, mask. All zero is the default action. The C
     * library's function would leave its own two real-time signals as they are; exec, and clone's
     * CLONE_CLEAR_SIGHAND, keep what is ignored. */
    const unsigned long action[4] = {0};
    sigset_t none;
    for (int sig = 1; sig <= 64; sig++)
        syscall(SYS_rt_sigaction, sig, action, NULL, 8);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
