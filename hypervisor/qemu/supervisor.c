/* runuk-qemu's life: start QEMU, watch it, end with the guest's status. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hypervisor/qemu/supervisor.h"
#include "lib/err.h"

#define DRAIN_MS 5000  /* for whoever does not read what is left at the end */
#define YOUNG_MS 10000 /* a guest that may not listen to its button yet */
#define PRESS_MS 1000  /* between one press and the next, of such a guest's */

struct supervisor {
    struct sup_options options;
    struct sup_stream console, errors;
    struct sup_qmp qmp;
    struct sup_input input;
    struct sup_end end;
    pid_t qemu; /* 0: it has ended */
    int signals;
    bool asked, young;          /* the button was pressed; perhaps before the guest listened to it */
    int64_t born, pressed;      /* monotonic, ms */
    char reason[SUP_LINE_SIZE]; /* the last that QEMU said of itself */
};

/* Tell whoever waits for the guest to run why it will not. */
static void tell_gate(int gate, const char *what, const char *why)
{
    char message[SUP_LINE_SIZE + 64];
    int n = snprintf(message, sizeof message, "E%s: %s", what, why);
    if (gate >= 0)
        send(gate, message, (size_t)n < sizeof message ? (size_t)n : sizeof message - 1, MSG_NOSIGNAL);
}

static _Noreturn void fail(const struct sup_options *options, const char *what)
{
    const char *why = strerror(errno);
    fprintf(stderr, "runuk-qemu: %s: %s\n", what, why);
    tell_gate(options->gate, what, why);
    exit(SUP_FAILED);
}

static _Noreturn void usage(const char *what)
{
    fprintf(stderr,
            "runuk-qemu: %s\nUsage: runuk-qemu [--button] [--input] [--reset-ends] [--debug-exit=N] "
            "[--exit-line=TEXT]… [--failed-line=TEXT]… [--halted-line=TEXT] [--gate=FD] -- QEMU ARGUMENT…\n",
            what);
    exit(SUP_FAILED);
}

static void parse(struct sup_options *options, char **argv)
{
    size_t lines = 0, failed = 0;
    for (argv++; *argv && strcmp(*argv, "--") != 0; argv++) {
        if (strcmp(*argv, "--button") == 0)
            options->button = true;
        else if (strcmp(*argv, "--input") == 0)
            options->input = true;
        else if (strcmp(*argv, "--reset-ends") == 0)
            options->reset_ends = true;
        else if (strncmp(*argv, "--debug-exit=", 13) == 0)
            options->debug_success = atoi(*argv + 13);
        else if (strncmp(*argv, "--exit-line=", 12) == 0 && lines < SUP_LINES_MAX)
            options->exit_lines[lines++] = *argv + 12;
        else if (strncmp(*argv, "--failed-line=", 14) == 0 && failed < SUP_LINES_MAX)
            options->failed_lines[failed++] = *argv + 14;
        else if (strncmp(*argv, "--halted-line=", 14) == 0)
            options->halted_line = *argv + 14;
        else if (strncmp(*argv, "--gate=", 7) == 0)
            options->gate = atoi(*argv + 7);
        else
            usage("unknown option");
    }
    if (!argv[0] || !argv[1])
        usage("no program given");
    if (options->gate >= 0 &&
        fcntl(options->gate, F_SETFD, FD_CLOEXEC) < 0) /* not QEMU's: its end is the word */
        fail(options, "the gate");
    options->argv = argv + 1;
}

/* What QEMU gets from here. */
struct plugs {
    int monitor, output, errors;
    int input; /* -1: none */
};

/* Standard input that never comes to anything: it is not QEMU that reads it. */
static int plug_input(void)
{
    int never[2];
    return pipe(never) < 0 || dup2(never[0], STDIN_FILENO) < 0 ? -1 : 0;
}

/* QEMU's command line with the descriptors of its monitor and of the second serial port, and QEMU itself. */
static _Noreturn void become_qemu(const struct sup_options *options, pid_t parent, const struct plugs *plugs,
                                  bool terminal)
{
    size_t n = 0;
    while (options->argv[n])
        n++;
    char **argv = calloc(n + 7, sizeof *argv), chardev[64], port[64];
    char flag_chardev[] = "-chardev", flag_mon[] = "-mon", mon[] = "chardev=qmp,mode=control";
    char *envp[] = {NULL};
    sigset_t none;
    sigemptyset(&none);
    if (!argv)
        fail(options, "start QEMU");
    memcpy(argv, options->argv, n * sizeof *argv);
    snprintf(chardev, sizeof chardev, "socket,id=qmp,fd=%d", plugs->monitor);
    snprintf(port, sizeof port, "socket,id=input,fd=%d", plugs->input);
    argv[n] = flag_chardev;
    argv[n + 1] = chardev;
    argv[n + 2] = flag_mon;
    argv[n + 3] = mon;
    argv[n + 4] = options->input ? flag_chardev : NULL;
    argv[n + 5] = port;
    /* It ends with its supervisor where there is no pid namespace to end with. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || dup2(plugs->output, STDOUT_FILENO) < 0 ||
        dup2(plugs->errors, STDERR_FILENO) < 0 || fcntl(plugs->monitor, F_SETFD, 0) < 0 ||
        (options->input && fcntl(plugs->input, F_SETFD, 0) < 0) ||
        (options->input && !terminal && plug_input() < 0) || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        fail(options, "prepare QEMU");
    if (getppid() != parent) /* it has ended before we asked to be told */
        _exit(SUP_FAILED);
    execve(argv[0], argv, envp);
    fail(options, argv[0]);
}

static void start(struct supervisor *s)
{
    static const int watched[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD, SIGWINCH};
    int pair[2], output[2], errors[2], input[2] = {-1, -1};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        sigaddset(&set, watched[i]);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 || (s->signals = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
        fail(&s->options, "watch signals");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || pipe2(output, O_CLOEXEC) < 0 ||
        pipe2(errors, O_CLOEXEC) < 0 ||
        (s->options.input && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) < 0))
        fail(&s->options, "make QEMU's descriptors");
    const struct plugs plugs = {
        .monitor = pair[1], .output = output[1], .errors = errors[1], .input = input[1]};
    s->input.terminal = s->input.resized = isatty(STDIN_FILENO);
    s->input.port = input[0];
    pid_t self = getpid();
    s->qemu = fork();
    if (s->qemu < 0)
        fail(&s->options, "start QEMU");
    if (s->qemu == 0)
        become_qemu(&s->options, self, &plugs, s->input.terminal);
    close(pair[1]);
    close(output[1]);
    close(errors[1]);
    if (s->options.input)
        close(input[1]);
    s->qmp.fd = pair[0];
    s->console.in = output[0];
    s->console.out = STDOUT_FILENO;
    s->errors.in = errors[0];
    s->errors.out = STDERR_FILENO;
}

/* Descriptors from 3 on are QEMU's. */
static void drop_descriptors(const struct supervisor *s)
{
    int least = s->signals < s->qmp.fd ? s->signals : s->qmp.fd;
    for (int fd = STDERR_FILENO + 1; fd < least; fd++)
        if (fd != s->options.gate)
            close(fd);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static void end_qemu(const struct supervisor *s)
{
    if (s->qemu > 0)
        kill(s->qemu, SIGKILL);
}

/* QEMU, or the only other child that there can be. Nobody here could start the relay anew: its sockets were
 * its own, and this process may not fork any more. */
static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != s->qemu) {
            sup_stream_say(&s->errors, "runuk-qemu: runuk-relay has ended: the guest is without DNS and DHCP "
                                       "until the container is started again\n");
            continue;
        }
        s->qemu = 0;
        s->end.qemu = status;
    }
}

static void take_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != sizeof info)
        return;
    int number = (int)info.ssi_signo;
    if (number == SIGCHLD) {
        reap(s);
    } else if (number == SIGWINCH) {
        s->input.resized = s->input.terminal;
    } else if (number == SIGTERM && s->options.button && s->end.started && !s->asked) {
        s->asked = sup_qmp_button(&s->qmp);
        s->pressed = now_ms();
        s->young = s->pressed - s->born < YOUNG_MS;
    } else {
        s->end.signal = number;
        end_qemu(s);
    }
}

/* A line of the guest's console: does it tell the guest's end? */
static void take_console(void *data, const char *line)
{
    struct supervisor *s = data;
    for (size_t i = 0; s->options.exit_lines[i]; i++) {
        int status = sup_line_status(line, s->options.exit_lines[i]);
        if (status >= 0)
            s->end.console = status;
    }
    for (size_t i = 0; s->options.failed_lines[i]; i++)
        if (sup_line_status(line, s->options.failed_lines[i]) >= 0)
            s->end.console = 255;
    if (s->options.halted_line && sup_line_status(line, s->options.halted_line) >= 0)
        s->end.halted = true;
}

static void take_error(void *data, const char *line)
{
    struct supervisor *s = data;
    snprintf(s->reason, sizeof s->reason, "%s", line);
}

/* The guest runs, or never will: whoever waits for that is told. */
static void open_gate(struct supervisor *s)
{
    if (s->options.gate < 0)
        return;
    if (!s->end.started)
        tell_gate(s->options.gate, "QEMU does not start", *s->reason ? s->reason : "it said nothing");
    close(s->options.gate);
    s->options.gate = -1;
}

static bool is_pending(const struct sup_stream *stream)
{
    return stream->start < stream->end;
}

/* A press is lost on a kernel that has not switched its button on: a guest that was young gets another when
 * it is time for that. Until when to wait for the next, in ms; -1: there is none. */
static int press_again(struct supervisor *s)
{
    int64_t now = now_ms();
    if (!s->asked || !s->young)
        return -1;
    if (now - s->pressed >= PRESS_MS) {
        sup_qmp_button(&s->qmp);
        s->pressed = now;
    }
    return (int)(s->pressed + PRESS_MS - now);
}

/* One round: wait for whatever comes first. */
static void serve(struct supervisor *s)
{
    struct pollfd fds[] = {
        {.fd = s->signals, .events = POLLIN},
        {.fd = s->qmp.fd, .events = POLLIN},
        {.fd = is_pending(&s->console) ? -1 : s->console.in, .events = POLLIN},
        {.fd = is_pending(&s->errors) ? -1 : s->errors.in, .events = POLLIN},
        {.fd = is_pending(&s->console) ? STDOUT_FILENO : -1, .events = POLLOUT},
        {.fd = is_pending(&s->errors) ? STDERR_FILENO : -1, .events = POLLOUT},
        {.fd = s->input.port, .events = s->input.start < s->input.end ? POLLIN | POLLOUT : POLLIN},
        {.fd = sup_input_wanted(&s->input) ? STDIN_FILENO : -1, .events = POLLIN},
    };
    if (poll(fds, sizeof fds / sizeof fds[0], press_again(s)) < 0)
        return;
    if (fds[0].revents)
        take_signal(s);
    if (fds[1].revents)
        sup_qmp_read(&s->qmp, &s->end);
    if (fds[2].revents)
        sup_stream_read(&s->console, take_console, s);
    if (fds[3].revents)
        sup_stream_read(&s->errors, take_error, s);
    if (fds[4].revents)
        sup_stream_write(&s->console);
    if (fds[5].revents)
        sup_stream_write(&s->errors);
    if (fds[7].revents)
        sup_input_read(&s->input);
    sup_input_serve(&s->input);
    if (s->end.started)
        open_gate(s);
    if (s->end.halted || s->end.reason == SUP_STUCK)
        end_qemu(s);
}

/* What was printed before the end, as long as somebody takes it. */
static void drain(struct sup_stream *stream, sup_line_fn *take, struct supervisor *s)
{
    while (stream->in >= 0 || is_pending(stream)) {
        struct pollfd out = {.fd = stream->out, .events = POLLOUT};
        sup_stream_read(stream, take, s);
        if (is_pending(stream) && poll(&out, 1, DRAIN_MS) <= 0)
            return;
        if (is_pending(stream))
            sup_stream_write(stream);
    }
}

static void report(const struct supervisor *s, int status)
{
    if (s->end.signal > 0 || s->end.console >= 0)
        return;
    if (s->end.reason == SUP_RESET && !s->options.reset_ends && !sup_end_numbered(&s->end))
        fprintf(stderr, "runuk-qemu: the guest was reset: a triple fault, or it rebooted\n");
    else if (s->end.reason == SUP_PANIC)
        fprintf(stderr, "runuk-qemu: the guest panicked\n");
    else if (s->end.reason == SUP_STUCK)
        fprintf(stderr, "runuk-qemu: QEMU stopped the guest: an error of KVM or of a disk\n");
    else if (s->end.halted)
        fprintf(stderr, "runuk-qemu: the guest halted without saying its status\n");
    else if (WIFSIGNALED(s->end.qemu))
        fprintf(stderr, "runuk-qemu: QEMU was killed by signal %d\n", WTERMSIG(s->end.qemu));
    else if (status == SUP_FAILED)
        fprintf(stderr, "runuk-qemu: QEMU ended with status %d%s\n", WEXITSTATUS(s->end.qemu),
                s->end.started ? "" : " before the guest ran");
}

int main(int argc, char **argv)
{
    static struct supervisor s = {.options = {.debug_success = -1, .gate = -1},
                                  .input = {.port = -1},
                                  .end = {.signal = -1, .console = -1}};
    (void)argc;
    s.born = now_ms();
    parse(&s.options, argv);
    start(&s);
    drop_descriptors(&s);
    prctl(PR_SET_DUMPABLE, 0); /* as of the other monitors, none of this user's processes may look into it */
    struct rk_err err;
    json_object_seed(0); /* opens /dev/urandom, as long as it may: there is none */
    if (sup_confine(s.qemu, &err) < 0) {
        end_qemu(&s);
        fprintf(stderr, "runuk-qemu: %s\n", err.text);
        return SUP_FAILED;
    }
    reap(&s); /* who ended before this process took its signals */
    while (s.qemu > 0)
        serve(&s);
    while (s.qmp.fd >= 0 && sup_qmp_read(&s.qmp, &s.end))
        ;
    drain(&s.errors, take_error, &s);
    drain(&s.console, take_console, &s);
    int status = sup_end_status(&s.end, &s.options);
    report(&s, status);
    open_gate(&s);
    return status;
}
