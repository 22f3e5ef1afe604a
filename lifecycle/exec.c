/* exec: a unikernel has no processes, so that nothing is executed; what can be told about it is.
 *
 * Engines call `exec --process FILE --detach --pid-file FILE ID` and wait for the process in the pid file,
 * whose output and exit status are the command's: here a child of ours that writes the answer, or watches the
 * console. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/json.h"
#include "lifecycle/call.h"
#include "lifecycle/inspect.h"
#include "lifecycle/watch.h"
#include "sandbox/console.h"

#define PROCESS_MAX (1 << 20) /* bytes of a --process file */

struct options {
    const char *process, *pid_file, *console_socket;
    bool detach, tty;
};

/* The command: of the --process file, or what follows the id. */
static int read_command(struct rk_argv *ret_args, bool *ret_tty, const struct options *o, char **rest,
                        struct rk_err *err)
{
    rk_autofree char *text = NULL;
    size_t len;
    int r = 0;
    *ret_tty = o->tty;
    for (; !o->process && *rest && r == 0; rest++)
        r = rk_argv_add(ret_args, *rest);
    if (r < 0 || !o->process)
        return r < 0 ? rk_fail(err, r, "out of memory") : 0;
    if ((r = rk_read_file_at(AT_FDCWD, o->process, PROCESS_MAX, &text, &len)) < 0) {
        errno = -r;
        return rk_fail_errno(err, "read process '%s'", o->process);
    }
    rk_autojson json_t *json = rk_json_load(text, len, err);
    if (!json)
        return rk_wrap(err, "process '%s'", o->process);
    r = rk_json_bool(json, "process", "terminal", ret_tty, err);
    return r < 0 ? r : rk_json_strings(json, "process", "args", ret_args, err);
}

static int refuse(const char *id, struct rk_err *err)
{
    char known[256] = "";
    for (const struct ctr_inspection *i = ctr_inspections; i->name; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
                 i == ctr_inspections ? "" : ", ", i->name);
    return rk_fail(err, -ENOTSUP,
                   "container '%s' is a unikernel: it has no processes to exec; what can be asked is %s", id,
                   known);
}

/* What the child is to do. */
struct deed {
    const char *text; /* say it; NULL: watch the console */
    int status;       /* and end with this */
    struct rk_process monitor;
    bool with_parent; /* end when runuk does: nobody else would */
};

/* In the child: watch the console. Whether that is possible goes to `ready`: nothing, or an error. */
static _Noreturn void watch(const struct deed *deed, pid_t parent, int ready)
{
    struct rk_err err = {0};
    rk_signals_reset();
    if (deed->with_parent && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
        _exit(255);
    if (ctr_watch_attach(&deed->monitor, &err) < 0) {
        rk_write_all(ready, &err, sizeof err);
        _exit(255);
    }
    syscall(SYS_close_range, 3, ~0U, 0);
    _exit(ctr_watch_run(&deed->monitor));
}

/* In the child: do it, and end. */
static _Noreturn void act(const struct deed *deed, pid_t parent, int slave, int ready)
{
    struct rk_err ignored;
    setsid();
    if (slave >= 0 && box_console_adopt(slave, &ignored) < 0)
        _exit(255);
    if (!deed->text)
        watch(deed, parent, ready);
    syscall(SYS_close_range, 3, ~0U, 0);
    _exit(rk_write_all(STDOUT_FILENO, deed->text, strlen(deed->text)) < 0 ? 255 : deed->status);
}

static int write_pid(const char *path, pid_t pid, struct rk_err *err)
{
    char digits[16];
    int n = snprintf(digits, sizeof digits, "%d", (int)pid);
    int r = path ? rk_write_file_atomic(AT_FDCWD, path, digits, (size_t)n, 0644) : 0;
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "write pid file '%s'", path);
    }
    return 0;
}

/* Wait until the child has begun: its end of the pipe closes. An error that comes instead is ours. */
static int await_begin(int *ready, pid_t pid, struct rk_err *err)
{
    struct rk_err failure;
    ssize_t n;
    do
        n = read(*ready, &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    if (n != sizeof failure)
        return 0;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    failure.text[sizeof failure.text - 1] = '\0';
    return rk_fail(err, failure.code, "%s", failure.text);
}

/* Let a child do it. The exit status for main: 0 when detached, else the child's. */
static int answer(const struct options *o, bool tty, const struct deed *deed, struct rk_err *err)
{
    char name[BOX_CONSOLE_NAME];
    rk_autoclose int master = -1;
    rk_autoclose int slave = -1;
    int ready[2], r = 0;
    if (tty && o->console_socket && (r = box_console_open(&master, &slave, name, err)) == 0)
        r = box_console_send(o->console_socket, master, name, err);
    if (r < 0)
        return r;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return rk_fail_errno(err, "make a pipe");
    rk_autoclose int begun = ready[0];
    rk_autoclose int begin = ready[1];
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        act(deed, self, slave, begin);
    if (pid < 0)
        return rk_fail_errno(err, "fork");
    rk_close(&begin);
    if ((r = await_begin(&begun, pid, err)) < 0 || (r = write_pid(o->pid_file, pid, err)) < 0 || o->detach)
        return r;
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* Does the command ask this question? It is the first word, or what a shell would run, since that is how
 * health checks come: "sh -c :alive", or "sh -c ':alive || exit 1'" (podman writes this for a pod's probe),
 * which is the same, since no answer ends with another status than 0 or 1. */
static bool asks(const struct rk_argv *args, const char *question)
{
    bool shell = args->n == 3 && strcmp(args->v[1], "-c") == 0;
    const char *words = shell ? args->v[2] : args->n > 0 ? args->v[0] : "";
    size_t len = strlen(question);
    return strncmp(words, question, len) == 0 &&
           (words[len] == '\0' || (shell && strcmp(words + len, " || exit 1") == 0));
}

static int exec_in(struct ctr_call *call, const char *id, const struct options *o, char **rest,
                   struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    rk_autofree char *text = NULL;
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    bool tty;
    int r = read_command(&args, &tty, o, rest, err);
    if (r < 0 || (r = ctr_store_get(&dir, &record, &call->store, id, false, err)) < 0)
        return r;
    const struct ctr_inspection *i = ctr_inspections;
    while (i->name && !asks(&args, i->name))
        i++;
    enum ctr_status status = ctr_record_status(record);
    struct deed deed = {.monitor = record->process, .with_parent = !o->detach};
    if (status == CTR_STOPPED)
        r = rk_fail(err, -ESRCH, "cannot exec in a stopped container");
    else if (!i->name)
        r = refuse(id, err);
    else if (i->answer)
        r = deed.status = i->answer(record, dir, &text, err);
    else if (status != CTR_RUNNING && status != CTR_PAUSED)
        r = rk_fail(err, -EINVAL, "container '%s' has not been started: it has no console yet", id);
    ctr_record_free(record);
    deed.text = text;
    return r < 0 ? r : answer(o, tty, &deed, err);
}

int ctr_exec_verb(struct ctr_call *call, struct rk_err *err)
{
    struct options o = {.process = NULL};
    const struct cfg_flag flags[] = {
        {"process", 'p', CFG_STRING, &o.process, "file with the process as JSON"},
        {"pid-file", 0, CFG_STRING, &o.pid_file, "file to write the process id to"},
        {"console-socket", 0, CFG_STRING, &o.console_socket, "UNIX socket that receives the terminal"},
        {"detach", 'd', CFG_BOOL, &o.detach, "do not wait for the answer's end"},
        {"tty", 't', CFG_BOOL, &o.tty, "answer on a terminal"},
        {"cwd", 0, CFG_STRING, NULL, NULL},
        {"env", 'e', CFG_STRING, NULL, NULL},
        {"user", 'u', CFG_STRING, NULL, NULL},
        {"additional-gids", 'g', CFG_STRING, NULL, NULL},
        {"process-label", 0, CFG_STRING, NULL, NULL},
        {"apparmor", 0, CFG_STRING, NULL, NULL},
        {"no-new-privs", 0, CFG_BOOL, NULL, NULL},
        {"cap", 'c', CFG_STRING, NULL, NULL},
        {"preserve-fds", 0, CFG_STRING, NULL, NULL},
        {"cgroup", 0, CFG_STRING, NULL, NULL},
        {"ignore-paused", 0, CFG_BOOL, NULL, NULL},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    const char *id = ctr_first_positional(call);
    if (!id || !ctr_store_has(&call->store, id))
        return ctr_delegate(call, err);
    int index = 1;
    int r = cfg_flags_parse(flags, call->argc, call->argv, &index, false, err);
    if (r < 0)
        return rk_wrap(err, "exec");
    r = exec_in(call, id, &o, call->argv + index + 1, err);
    return r;
}
