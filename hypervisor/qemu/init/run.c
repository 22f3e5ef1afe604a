/* Runs the program, as process 1 has to. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/input.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"

#define BUTTONS_MAX 8
#define NOT_FOUND   127
#define NOT_RUN     126

/* As a shell looks for it, in the program's own PATH. */
static void execute(const struct ini_program *p)
{
    const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (size_t i = 0; i < p->env_count; i++)
        if (strncmp(p->env[i], "PATH=", 5) == 0)
            path = p->env[i] + 5;
    setenv("PATH", path, 1);
    execvpe(p->args[0], p->args, p->env);
}

static _Noreturn void become(const struct ini_program *p, const struct ini_input *input)
{
    sigset_t none;
    sigemptyset(&none);
    /* The terminal's session is process 1's: were it the program's, its end would drop what it has printed.
     */
    setpgid(0, 0);
    tcsetpgrp(STDIN_FILENO, getpid()); /* SIGTTOU is blocked */
    if (input->program >= 0)
        dup2(input->program, STDIN_FILENO);
    if (setgroups(p->group_count, p->groups) < 0 || setgid(p->gid) < 0 || setuid(p->uid) < 0) {
        ini_say("become user %u: %s", (unsigned)p->uid, strerror(errno));
        _exit(NOT_RUN);
    }
    if (chdir(p->cwd) < 0) {
        ini_say("change to the directory '%s': %s", p->cwd, strerror(errno));
        _exit(NOT_RUN);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    execute(p);
    int missing = errno == ENOENT;
    ini_say("run '%s': %s", p->args[0], strerror(errno));
    _exit(missing ? NOT_FOUND : NOT_RUN);
}

/* The console as the container's output: bytes as they are, unless it is a terminal. */
static void set_console(const struct ini_program *p)
{
    struct termios t;
    if (p->tty || tcgetattr(STDIN_FILENO, &t) < 0)
        return;
    cfmakeraw(&t);
    tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static size_t open_buttons(struct pollfd *fds)
{
    DIR *dir = opendir("/dev/input");
    size_t n = 0;
    for (struct dirent *e; dir && n < BUTTONS_MAX && (e = readdir(dir));) {
        if (strncmp(e->d_name, "event", 5) != 0)
            continue;
        int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    if (dir)
        closedir(dir);
    return n;
}

static bool is_pressed(int fd)
{
    struct input_event e;
    bool pressed = false;
    while (read(fd, &e, sizeof e) == sizeof e)
        pressed = pressed || (e.type == EV_KEY && e.code == KEY_POWER && e.value == 1);
    return pressed;
}

/* Take every process that has ended. The program's status once it is among them, else -1. */
static int reap(pid_t program)
{
    int status, result = -1;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == program)
            result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result;
}

int ini_run(const struct ini_program *p)
{
    static struct ini_input input;
    struct pollfd fds[BUTTONS_MAX + 2];
    struct signalfd_siginfo info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTTOU);
    sigaddset(&set, SIGINT); /* the reboot keys */
    setsid();
    ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fds[0] = (struct pollfd){.fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN};
    size_t n = 1 + open_buttons(fds + 1);
    bool told = false;
    set_console(p);
    ini_input_open(&input, p->tty);
    pid_t program = fork();
    if (program == 0)
        become(p, &input);
    if (program < 0)
        ini_say("fork: %s", strerror(errno));
    if (input.program >= 0)
        close(input.program); /* whose reader is the program alone, so that its end is noticed */
    for (int status = program < 0 ? NOT_RUN : -1;;) {
        if (status >= 0)
            return status;
        bool full = ini_input_is_full(&input);
        fds[n] = (struct pollfd){.fd = full ? input.feed : input.port, .events = full ? POLLOUT : POLLIN};
        if (poll(fds, n + 1, -1) < 0)
            continue;
        if (fds[n].revents)
            ini_input_serve(&input);
        for (size_t i = 1; i < n; i++)
            if (fds[i].revents && is_pressed(fds[i].fd) && !told) {
                /* Once: a young guest's button is pressed again and again. */
                told = true;
                kill(program, SIGTERM);
            }
        if (fds[0].revents && read(fds[0].fd, &info, sizeof info) == sizeof info)
            status = reap(program);
    }
}
