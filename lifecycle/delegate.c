/* Delegation: what is not a unikernel is runc's, and gets to runc as it came. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "lifecycle/call.h"
#include "lifecycle/wishes.h"
#include "sandbox/userns.h"

#define USUAL_DIRECTORIES "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MARK              "RUNUK_DELEGATED" /* environment: how many runuks this call has come through */
#define MARK_MAX          3                 /* one that runc's hooks call is the second */

/* Whether `path` can be executed and is not this very program under another name. */
static bool is_usable(const char *path)
{
    struct stat self, other;
    return access(path, X_OK) == 0 && stat(path, &other) == 0 && S_ISREG(other.st_mode) &&
           (stat("/proc/self/exe", &self) < 0 || self.st_dev != other.st_dev || self.st_ino != other.st_ino);
}

static bool search(char out[PATH_MAX], const char *directories)
{
    for (const char *dir = directories; dir && *dir;) {
        int len = (int)strcspn(dir, ":");
        if (len > 0 && dir[0] == '/' && snprintf(out, PATH_MAX, "%.*s/runc", len, dir) < PATH_MAX &&
            is_usable(out))
            return true;
        dir += len;
        dir += *dir == ':';
    }
    return false;
}

int ctr_find_runc(char **ret_path, const struct ctr_call *call, struct rk_err *err)
{
    char path[PATH_MAX];
    const char *found = path;
    if (call->settings.runc) {
        if (!is_usable(call->settings.runc))
            return rk_fail(err, -ENOEXEC,
                           "the runc of the settings, '%s', is missing, not executable, or runuk itself",
                           call->settings.runc);
        found = call->settings.runc;
    } else if (!search(path, getenv("PATH")) && !search(path, USUAL_DIRECTORIES)) {
        return rk_fail(err, -ENOEXEC,
                       "this is no unikernel, and no runc was found for it: install runc, or set \"runc\" in "
                       "the settings");
    }
    *ret_path = strdup(found);
    return *ret_path ? 0 : rk_fail(err, -ENOMEM, "out of memory");
}

/* A runc that is a script around runuk would send us in circles, without end if nobody counted. */
static int check_circle(const char *runc, struct rk_err *err)
{
    const char *mark = getenv(MARK);
    long count = mark ? strtol(mark, NULL, 10) : 0;
    char text[16];
    if (count < 0 || count >= MARK_MAX)
        return rk_fail(err, -ELOOP, "'%s' leads back to runuk: set \"runc\" in the settings to the real one",
                       runc);
    snprintf(text, sizeof text, "%ld", count + 1);
    return setenv(MARK, text, 1) < 0 ? rk_fail_errno(err, "set environment") : 0;
}

int ctr_may_delegate(const struct ctr_call *call, const struct bnd_spec *spec, struct rk_err *err)
{
    enum cfg_linux policy = call->settings.policy_linux;
    if (policy == CFG_LINUX_DELEGATE || (policy == CFG_LINUX_PAUSE_ONLY && spec && ctr_is_sandbox(spec)))
        return 0;
    return rk_fail(err, -EPERM, "%s%s%s is no unikernel, and \"policy.linux\" in the settings %s",
                   spec ? "entrypoint '" : "this", spec ? spec->args.v[0] : "", spec ? "'" : "",
                   policy == CFG_LINUX_REFUSE ? "refuses all others"
                                              : "lets only the sandbox containers of pods be others");
}

int ctr_delegate(const struct ctr_call *call, struct rk_err *err)
{
    rk_autofree char *runc = NULL;
    int r = ctr_find_runc(&runc, call, err);
    if (r < 0 || (r = check_circle(runc, err)) < 0)
        return r;
    rk_autofree char **argv = cfg_global_runc_argv(call->global);
    if (!argv)
        return rk_fail(err, -ENOMEM, "out of memory");
    rk_debug("'%s' goes to '%s'", call->argv[0], runc);
    execv(runc, argv);
    return rk_fail_errno(err, "execute '%s'", runc);
}

bool ctr_runc_has(const struct ctr_call *call, const char *id)
{
    char path[PATH_MAX];
    struct stat st;
    const char *dir = getenv("XDG_RUNTIME_DIR");
    bool rootless = dir && *dir && (geteuid() != 0 || !box_userns_is_initial());
    if (call->global->root)
        snprintf(path, sizeof path, "%s/%s", call->global->root, id);
    else
        snprintf(path, sizeof path, "%s/runc/%s", rootless ? dir : "/run", id);
    return lstat(path, &st) == 0 || errno != ENOENT;
}

bool ctr_known_nowhere(const struct ctr_call *call, const char *id)
{
    struct stat st;
    if (ctr_id_check(id, NULL) < 0)
        return false; /* runc's to judge */
    if (call->store.fd >= 0 &&
        (fstatat(call->store.fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT))
        return false;
    return call->global->root || !ctr_runc_has(call, id);
}

int ctr_runc_output(char **ret_text, const struct ctr_call *call, char *const *args, struct rk_err *err)
{
    rk_autofree char *runc = NULL;
    int fds[2];
    int r = ctr_find_runc(&runc, call, err);
    if (r < 0 || (r = check_circle(runc, err)) < 0)
        return r;
    rk_autofree char **global = cfg_global_runc_argv(call->global);
    rk_autofree char **argv = calloc((size_t)call->global->argc + 16, sizeof *argv);
    if (!global || !argv || pipe2(fds, O_CLOEXEC) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    rk_autoclose int out = fds[0];
    int n = 0;
    /* The global options end where the verb stands: count it from the end, which both arrays share. */
    int total = 0;
    while (global[total])
        total++;
    for (; n < total - (call->global->argc - call->global->verb); n++)
        argv[n] = global[n];
    for (int i = 0; i < 8 && args[i]; i++)
        argv[n++] = args[i];
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(fds[1], STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execv(runc, argv);
        _exit(127);
    }
    close(fds[1]);
    int status = 0;
    r = pid < 0 ? -errno : rk_read_fd(out, 64 << 20, ret_text, NULL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return r < 0 || status != 0 ? rk_fail(err, -ECHILD, "'%s %s' failed", runc, args[0]) : 0;
}

int ctr_other_verb(struct ctr_call *call, struct rk_err *err)
{
    const char *id = ctr_first_positional(call);
    bool ours = id && ctr_store_has(&call->store, id);
    /* The one other verb by which runc makes a container: what it holds is not looked at. */
    if (!ours && strcmp(call->argv[0], "restore") == 0 && ctr_may_delegate(call, NULL, err) < 0)
        return -EPERM;
    if (!ours)
        return ctr_delegate(call, err);
    return rk_fail(err, -ENOTSUP, "container '%s' is a unikernel: '%s' is not supported for it", id,
                   call->argv[0]);
}
