/* exec: a unikernel has no processes, so that nothing is executed; what can be told about it is.
 *
 * Engines call `exec --process FILE --detach --pid-file FILE ID` and wait for the process in the pid file,
 * whose output and exit status are the command's: here a child of ours that writes the answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    json_error_t where;
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
    rk_autojson json_t *json = rk_json_load(text, len, &where);
    if (!json)
        return rk_fail(err, -EINVAL, "process '%s', line %d: %s", o->process, where.line, where.text);
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

/* In the child: say it, and end. */
static _Noreturn void speak(const char *text, int status, int slave)
{
    struct rk_err ignored;
    setsid();
    if (slave >= 0 && box_console_adopt(slave, &ignored) < 0)
        _exit(255);
    syscall(SYS_close_range, 3, ~0U, 0);
    _exit(rk_write_all(STDOUT_FILENO, text, strlen(text)) < 0 ? 255 : status);
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

/* Let a child say it. The exit status for main: 0 when detached, else the child's. */
static int answer(const struct options *o, bool tty, const char *text, int answer_status, struct rk_err *err)
{
    char name[BOX_CONSOLE_NAME];
    rk_autoclose int master = -1;
    rk_autoclose int slave = -1;
    int r = 0;
    if (tty && o->console_socket && (r = box_console_open(&master, &slave, name, err)) == 0)
        r = box_console_send(o->console_socket, master, name, err);
    if (r < 0)
        return r;
    pid_t pid = fork();
    if (pid == 0)
        speak(text, answer_status, slave);
    if (pid < 0)
        return rk_fail_errno(err, "fork");
    if ((r = write_pid(o->pid_file, pid, err)) < 0 || o->detach)
        return r;
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* What is asked for: the first word, or the one that a shell would run, since that is how health checks come
 * ("sh -c :alive"). */
static const char *asked_for(const struct rk_argv *args)
{
    if (args->n == 3 && strcmp(args->v[1], "-c") == 0)
        return args->v[2];
    return args->n > 0 ? args->v[0] : "";
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
    while (i->name && strcmp(asked_for(&args), i->name) != 0)
        i++;
    if (ctr_record_status(record) == CTR_STOPPED)
        r = rk_fail(err, -ESRCH, "cannot exec in a stopped container");
    else
        r = i->name ? i->answer(record, &text, err) : refuse(id, err);
    ctr_record_free(record);
    return r < 0 ? r : answer(o, tty, text, r, err);
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
