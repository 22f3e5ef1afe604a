/* create: everything up to the container's first process waiting at the gate. A create that fails leaves
 * nothing. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle/spec_json.h"
#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/message.h"
#include "lifecycle/apart.h"
#include "lifecycle/figures.h"
#include "lifecycle/hooks.h"
#include "lifecycle/plan.h"
#include "lifecycle/unit.h"
#include "sandbox/console.h"

#define GROUPS_MAX 16384 /* of a caller's, to be given back */

/* What create has made so far, for undoing. */
struct work {
    struct ctr_call *call;
    const struct ctr_create_options *options;
    struct ctr_plan *plan;
    int dir;             /* state directory, locked */
    int cgroup_fd;       /* cgroup v2 directory to be born into; -1 */
    int gate;            /* listening */
    int sync, sync_init; /* our end, and the first process' */
    int master, slave;   /* terminal */
    int pidfd;
    size_t preserved; /* descriptors of the caller that the first process keeps */
    bool hooks_ran;
};

/* Descriptors of the caller that live as long as the guest, as with runc: those of socket activation
 * (sd_listen_fds(3)), and --preserve-fds of them behind. A guest has no descriptors: it can't use them. */
static int count_preserved(size_t *ret_count, const struct ctr_call *call,
                           const struct ctr_create_options *options, struct rk_err *err)
{
    const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    long listening = fds && pid && strtol(pid, NULL, 10) == (long)getpid() ? strtol(fds, NULL, 10) : 0;
    long count = (listening > 0 ? listening : 0) + (long)options->preserve_fds;
    if (options->preserve_fds < 0 || count > CTR_PRESERVED_MAX)
        return rk_fail(err, -EINVAL, "--preserve-fds %lld: expected 0 to %d descriptors",
                       (long long)options->preserve_fds, CTR_PRESERVED_MAX);
    if (count > (long)call->inherited)
        return rk_fail(err, -EBADF, "--preserve-fds %lld: descriptor %zu is not open",
                       (long long)options->preserve_fds, STDERR_FILENO + 1 + call->inherited);
    *ret_count = (size_t)count;
    return 0;
}

/* The listening socket in the state directory. Its path goes through /proc, since UNIX socket paths end at
 * 108 bytes. */
static int open_gate(int dir, struct rk_err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" CTR_GATE_SOCKET, dir);
    rk_autoclose int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (sock < 0 || bind(sock, (const struct sockaddr *)&addr, sizeof addr) < 0 || listen(sock, 1) < 0)
        return rk_fail_errno(err, "open the start gate");
    return rk_take_fd(&sock);
}

/* Wait for the first process' message, which should be `letter`. */
static int expect(int sync, enum ctr_message letter, struct rk_err *err)
{
    char msg[RK_ERR_TEXT + 1];
    ssize_t n = rk_message_receive(sync, msg, sizeof msg - 1, NULL, NULL);
    if (n > 0 && msg[0] == (char)letter)
        return 0;
    if (n > 0 && msg[0] == CTR_MSG_ERROR) {
        msg[n] = '\0';
        return rk_fail(err, -ECANCELED, "%s", msg + 1);
    }
    return rk_fail(err, -ECHILD, "the container's first process ended unexpectedly");
}

static int tell(int sync, enum ctr_message letter, const char *payload, struct rk_err *err)
{
    rk_autofree char *msg = NULL;
    int n = asprintf(&msg, "%c%s", (char)letter, payload);
    int r = n < 0 ? -ENOMEM : rk_message_send(sync, msg, (size_t)n, NULL, 0);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "talk to the container's first process");
    }
    return 0;
}

static int open_console(struct work *w, struct rk_err *err)
{
    char name[BOX_CONSOLE_NAME];
    bool terminal = w->plan->spec->terminal;
    const char *socket_path = w->options->console_socket;
    if (!terminal && socket_path && *socket_path)
        return rk_fail(err, -EINVAL, "--console-socket given, but process.terminal is false");
    if (!terminal)
        return 0;
    const struct bnd_spec *spec = w->plan->spec;
    bool to_socket = socket_path && *socket_path;
    if (!to_socket && !w->options->terminal)
        return rk_fail(err, -EINVAL,
                       "cannot allocate tty without --console-socket: process.terminal is true");
    int r = box_console_open(&w->master, &w->slave, name, err);
    if (r < 0)
        return r;
    box_console_set_size(w->master, spec->console_rows, spec->console_columns);
    if (to_socket)
        return box_console_send(socket_path, w->master, name, err);
    *w->options->terminal = rk_take_fd(&w->master);
    return 0;
}

/* The first process is there, and waits for its cgroup: a unit is made around it. */
static int start_unit(struct work *w, struct rk_err *err)
{
    struct ctr_record *record = w->plan->record;
    int r = box_cgroup_start_unit(&record->cgroup, &w->plan->spec->resources, record->process.pid, err);
    if (r == 0)
        r = tell(w->sync, CTR_MSG_CGROUP, "", err);
    RK_FAULT("unit:told");
    return r;
}

/* The first process is there, in a user namespace without ids. */
static int map_user(struct work *w, pid_t pid, struct rk_err *err)
{
    int r = box_userns_map(pid, w->plan->spec, err);
    RK_FAULT("userns:mapped");
    return r < 0 ? r : tell(w->sync, CTR_MSG_MAPPED, "", err);
}

/* The groups that the monitor is to come into its user namespace with: the container's, as they are outside,
 * and those of devices. Only root of the host can give any; others' processes have their own. */
static int take_groups(const struct ctr_plan *plan, struct rk_err *err)
{
    const struct bnd_spec *spec = plan->spec;
    size_t n = 0;
    if (!box_is_privileged() || !box_userns_is_initial())
        return 0;
    rk_autofree gid_t *groups = calloc(spec->group_count + plan->group_count + 1, sizeof *groups);
    if (!groups)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; spec->uid != 0 && i < spec->group_count; i++)
        if (box_id_mapped(&plan->ids.gids, (uint32_t)spec->groups[i], &groups[n]))
            n++;
    for (size_t i = 0; i < plan->group_count; i++)
        groups[n++] = plan->groups[i];
    return setgroups(n, groups) < 0 ? rk_fail_errno(err, "set the monitor's groups") : 0;
}

static pid_t clone_anywhere(struct work *w, bool *born_in_v2, struct rk_err *err)
{
    struct ctr_plan *plan = w->plan;
    pid_t pid = box_clone(&plan->ns, w->cgroup_fd, &w->pidfd, err);
    if (pid < 0 && *born_in_v2) { /* before Linux 5.7, or a cgroup that refuses: it joins like any other */
        *born_in_v2 = false;
        pid = box_clone(&plan->ns, -1, &w->pidfd, err);
    }
    return pid;
}

/* 0 in the new process. */
static pid_t clone_first(struct work *w, bool *born_in_v2, struct rk_err *err)
{
    gid_t own[GROUPS_MAX];
    if (!w->plan->keeps_groups)
        return clone_anywhere(w, born_in_v2, err);
    int n = getgroups(RK_COUNT(own), own), r = take_groups(w->plan, err);
    pid_t pid = r < 0 ? r : clone_anywhere(w, born_in_v2, err);
    if (pid != 0 && n >= 0)
        setgroups((size_t)n, own); /* in vain for who could not change them */
    return pid;
}

/* Clone the first process, and wait until it is in its cgroup and namespaces. */
static int spawn(struct work *w, struct rk_err *err)
{
    struct ctr_plan *plan = w->plan;
    int pair[2], r;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return rk_fail_errno(err, "make a socket pair");
    w->sync = pair[0];
    w->sync_init = pair[1];
    struct ctr_init init = {.spec = plan->spec,
                            .ns = &plan->ns,
                            .cgroup = &plan->record->cgroup,
                            .born_in_v2 = w->cgroup_fd >= 0,
                            .ids = &plan->ids,
                            .cgroup_later = plan->record->cgroup.unit.name != NULL,
                            .create = {w->sync, w->dir},
                            .uid = plan->uid,
                            .gid = plan->gid,
                            .preserved = w->preserved,
                            .sync = w->sync_init,
                            .gate = w->gate,
                            .monitor = plan->monitor_fd,
                            .root = plan->files.root_fd,
                            .slave = w->slave,
                            .slot_count = plan->slot_count,
                            .files = &plan->root_files,
                            .trees = plan->trees,
                            .tree_count = plan->tree_count,
                            .groups = plan->groups,
                            .group_count = plan->group_count,
                            .keeps_groups = plan->keeps_groups};
    memcpy(init.slots, plan->slots, plan->slot_count * sizeof init.slots[0]);
    pid_t pid = clone_first(w, &init.born_in_v2, err);
    if (pid == 0)
        ctr_init_main(&init);
    box_namespaces_close(&plan->ns);
    rk_close(&w->sync_init);
    if (pid < 0)
        return (int)pid;
    RK_FAULT("create:cloned");
    /* The new process is ours until we exit, so that its pid can't have been recycled. */
    if ((r = rk_process_get(&plan->record->process, pid)) < 0) {
        errno = -r;
        return rk_fail_errno(err, "look at process %d", (int)pid);
    }
    RK_FAULT_PROCESS(&plan->record->process);
    RK_FAULT("create:known");
    if (init.cgroup_later && (r = start_unit(w, err)) < 0)
        return r;
    if ((plan->ns.make & CLONE_NEWUSER) && (r = map_user(w, pid, err)) < 0)
        return r;
    return expect(w->sync, CTR_MSG_READY, err);
}

static int set_oom_score(const struct bnd_spec *spec, pid_t pid, struct rk_err *err)
{
    char path[64];
    if (spec->oom_score_adj == BND_UNSET)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
    rk_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    int r = fd < 0 ? -1 : dprintf(fd, "%lld", (long long)spec->oom_score_adj);
    if (r < 0 && errno == EACCES && ctr_apart_needed()) {
        rk_log(RK_LOG_WARN, "process.oomScoreAdj: %lld is not for this user to set",
               (long long)spec->oom_score_adj);
        return 0;
    }
    if (r < 0)
        return rk_fail_errno(err, "set process.oomScoreAdj to %lld", (long long)spec->oom_score_adj);
    return 0;
}

/* prestart and createRuntime here, in the runtime's namespaces; createContainer in the first process. */
static int run_hooks(struct work *w, struct rk_err *err)
{
    const struct ctr_record *record = w->plan->record;
    struct bnd_hooks *hooks = &w->plan->spec->hooks;
    struct ctr_hook_place place = {.kind = "prestart", .cwd = record->bundle, .dir_fd = -1};
    rk_autofree char *text = NULL;
    rk_autofree char *inside = NULL;
    int r = ctr_record_state(&text, record, CTR_CREATING, false, err);
    if (r == 0 && hooks->create_container.n > 0)
        r = ctr_record_state(&inside, record, CTR_CREATING, true, err);
    if (r < 0)
        return r;
    w->hooks_ran = true;
    r = ctr_hooks_run(&hooks->prestart, &place, text, err);
    RK_FAULT("create:prestart");
    place.kind = "createRuntime";
    if (r == 0)
        r = ctr_hooks_run(&hooks->create_runtime, &place, text, err);
    RK_FAULT("create:createRuntime");
    if (r == 0)
        r = tell(w->sync, CTR_MSG_HOOKS, inside ? inside : "", err);
    RK_FAULT("create:createContainer");
    return r < 0 ? r : expect(w->sync, CTR_MSG_DONE, err);
}

static int write_pid_file(const char *path, pid_t pid, struct rk_err *err)
{
    char text[16];
    if (!path || !*path)
        return 0;
    int n = snprintf(text, sizeof text, "%d", (int)pid);
    int r = rk_write_file_atomic(AT_FDCWD, path, text, (size_t)n, 0644);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "write pid file '%s'", path);
    }
    return 0;
}

/* Before the first directory exists, the record knows of all. */
static int save_cgroup(void *data, const struct box_cgroup *cgroup, struct rk_err *err)
{
    struct work *w = data;
    struct ctr_record record = *w->plan->record;
    record.cgroup = *cgroup;
    int r = ctr_store_save(w->dir, &record, err);
    RK_FAULT("create:planned");
    return r;
}

static bool is_given(int64_t limit)
{
    return limit != BND_UNSET && limit > 0;
}

static bool wants_limits(const struct bnd_resources *r)
{
    return is_given(r->memory_limit) || is_given(r->memory_reservation) || is_given(r->memory_swap) ||
           is_given(r->cpu_shares) || is_given(r->cpu_quota) || is_given(r->pids_limit) ||
           is_given(r->blkio_weight) || r->more_count > 0 || (r->cpus && *r->cpus) || (r->mems && *r->mems);
}

/* Whether a cgroup that may not be made is done without, as with runc's --rootless. */
static bool goes_without_cgroup(const struct cfg_global *global)
{
    return global->rootless == CFG_ROOTLESS_YES ||
           (global->rootless == CFG_ROOTLESS_AUTO && ctr_apart_needed());
}

/* An ordinary user has a cgroup where one was delegated, and else does without, as long as nothing is to be
 * limited. Here too the record is first; with a unit, the directories are made once the first process is
 * there. */
static int make_cgroup(struct work *w, struct rk_err *err)
{
    struct ctr_record *record = w->plan->record;
    const struct bnd_spec *spec = w->plan->spec;
    int r;
    if (w->call->global->systemd_cgroup) {
        r = ctr_unit_plan(w->plan, w->call, err);
        if (r == 0)
            r = ctr_store_save(w->dir, record, err);
        RK_FAULT("unit:recorded");
        return r;
    }
    r = box_cgroup_create(&record->cgroup, spec->cgroups_path, record->id, &spec->resources, save_cgroup, w,
                          err);
    bool denied = r == -EACCES || r == -EPERM || r == -EROFS;
    if (!denied || !goes_without_cgroup(w->call->global))
        return r;
    if (wants_limits(&spec->resources))
        return rk_wrap(err, "linux.resources: limits need a cgroup that this user may write");
    rk_log(RK_LOG_WARN, "%s: the container gets no cgroup", err->text);
    *err = (struct rk_err){.code = 0};
    return 0;
}

/* Whether create runs any. */
static bool has_hooks(const struct bnd_hooks *hooks)
{
    return hooks->prestart.n + hooks->create_runtime.n + hooks->create_container.n > 0;
}

/* The monitor's last slot of create's: it lies in the state directory, so that it outlives the guest. */
static int add_figures(struct work *w, struct rk_err *err)
{
    struct ctr_plan *plan = w->plan;
    if (!plan->monitor->counts)
        return 0;
    int fd = ctr_figures_make(w->dir, err);
    if (fd < 0)
        return fd;
    plan->slots[plan->slot_count++] = fd;
    return 0;
}

static int make_container(struct work *w, struct rk_err *err)
{
    struct ctr_record *record = w->plan->record;
    const struct bnd_spec *spec = w->plan->spec;
    int r;
    record->status = CTR_CREATING;
    if ((r = open_console(w, err)) < 0 || (r = add_figures(w, err)) < 0 || (r = make_cgroup(w, err)) < 0)
        return r;
    RK_FAULT("create:cgroup");
    if (!record->cgroup.unit.name)
        w->cgroup_fd = box_cgroup_open_v2(&record->cgroup);
    if ((r = w->gate = open_gate(w->dir, err)) < 0 || (r = spawn(w, err)) < 0 ||
        (r = set_oom_score(spec, record->process.pid, err)) < 0)
        return r;
    RK_FAULT("create:ready");
    /* Hooks may ask for the state. Without them the process needs no record yet: it ends when we do. */
    if (has_hooks(&spec->hooks) && (r = ctr_store_save(w->dir, record, err)) < 0)
        return r;
    if ((r = run_hooks(w, err)) < 0)
        return r;
    RK_FAULT("create:hooks");
    record->status = CTR_CREATED;
    if ((r = ctr_store_save(w->dir, record, err)) < 0 ||
        (r = write_pid_file(w->options->pid_file, record->process.pid, err)) < 0)
        return r;
    RK_FAULT("create:created");
    r = tell(w->sync, CTR_MSG_GATE, "", err);
    RK_FAULT("create:gate");
    return r;
}

/* End the first process if there is one, and take everything away; the error that led here stays. */
static void undo(struct work *w, struct rk_err *err)
{
    struct rk_err ignored;
    struct ctr_record *record = w->plan->record;
    if (w->pidfd >= 0) {
        rk_process_signal(w->pidfd, SIGKILL);
        siginfo_t info;
        while (waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED) < 0 && errno == EINTR)
            ;
    }
    if (!w->hooks_ran) {
        /* No hook was told of this container: none is told of its end. */
        struct bnd_hooks hooks = {.poststop = record->poststop};
        bnd_hooks_fini(&hooks);
        record->poststop = hooks.poststop;
    }
    if (ctr_dismantle(&w->call->store, record, w->dir, &ignored) < 0)
        rk_wrap(err, "(and then: %s) create container '%s'", ignored.text, record->id);
    else
        rk_wrap(err, "create container '%s'", record->id);
    if (w->options->pid_file && *w->options->pid_file)
        unlink(w->options->pid_file);
}

/* An id that runc has under its own default root is taken as well, when no --root makes both the same
 * directory. */
static int check_runc_id(const struct ctr_call *call, const char *id, struct rk_err *err)
{
    if (call->global->root || !ctr_runc_has(call, id))
        return 0;
    return rk_fail(err, -EEXIST, "container with given ID already exists: '%s'", id);
}

int ctr_create(struct ctr_call *call, const char *id, const struct ctr_create_options *options,
               pid_t *ret_pid, struct rk_err *err)
{
    struct ctr_plan plan;
    int r;
    if (ctr_store_has(&call->store, id))
        return rk_fail(err, -EEXIST, "container with given ID already exists: '%s'", id);
    if ((r = ctr_plan_make(&plan, call, id, options->bundle, err)) <= 0)
        return r;
    if (options->pidfd_socket) {
        ctr_plan_fini(&plan);
        return rk_fail(err, -ENOTSUP, "--pidfd-socket is not supported for unikernels");
    }
    struct work w = {.call = call,
                     .options = options,
                     .plan = &plan,
                     .dir = -1,
                     .gate = -1,
                     .sync = -1,
                     .sync_init = -1,
                     .master = -1,
                     .slave = -1,
                     .pidfd = -1,
                     .cgroup_fd = -1};
    if ((r = ctr_id_check(id, err)) == 0 && (r = count_preserved(&w.preserved, call, options, err)) == 0 &&
        (r = check_runc_id(call, id, err)) == 0 && (r = ctr_store_add(&w.dir, &call->store, id, err)) == 0) {
        RK_FAULT("create:stored");
        r = make_container(&w, err);
        if (r < 0)
            undo(&w, err);
        else if (ret_pid)
            *ret_pid = plan.record->process.pid;
    }
    int *fds[] = {&w.dir, &w.cgroup_fd, &w.gate, &w.sync, &w.sync_init, &w.master, &w.slave, &w.pidfd};
    for (size_t i = 0; i < RK_COUNT(fds); i++)
        rk_close(fds[i]);
    ctr_plan_fini(&plan);
    return r < 0 ? r : 1;
}

int ctr_create_verb(struct ctr_call *call, struct rk_err *err)
{
    struct ctr_create_options options = {.bundle = "."};
    const char *id;
    const struct cfg_flag flags[] = {
        {"bundle", 'b', CFG_STRING, &options.bundle, "directory of the bundle (default: the current one)"},
        {"pid-file", 0, CFG_STRING, &options.pid_file, "file to write the process id to"},
        {"console-socket", 0, CFG_STRING, &options.console_socket, "UNIX socket that receives the terminal"},
        {"pidfd-socket", 0, CFG_STRING, &options.pidfd_socket, NULL},
        {"no-pivot", 0, CFG_BOOL, NULL, "accepted for runc's sake: a guest never sees the rootfs"},
        {"no-new-keyring", 0, CFG_BOOL, NULL, "accepted for runc's sake: a guest has no keyring"},
        {"preserve-fds", 0, CFG_INT, &options.preserve_fds,
         "so many descriptors from 3 on stay open as long as the guest lives"},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = ctr_create(call, id, &options, NULL, err);
    if (r == 0)
        return ctr_delegate(call, err);
    return r < 0 ? r : 0;
}
