/* The container's first process. */
#include "lifecycle/init.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/message.h"
#include "lib/process.h"
#include "lifecycle/hooks.h"
#include "sandbox/confine.h"
#include "sandbox/console.h"
#include "sandbox/process.h"
#include "sandbox/share.h"
#include "sandbox/userns.h"

/* Descriptors that a monitor may have beside those that it is given; and one that opens files itself. */
#define FILES         16
#define FILES_BY_NAME 256
#define FILES_SHARED  4096 /* with directories for its guest, whose open files are its own */

/* What is left of struct ctr_init once this process has its descriptors to itself. */
struct init {
    const struct ctr_init *args;
    int sync, gate, monitor, root, label;
    int slots[CTR_SLOTS_MAX];
    int preserved[CTR_PRESERVED_MAX];
    int trees[CTR_TREES_MAX];
    bool groups_fixed;
};

/* Tell the other side, and end. */
static _Noreturn void give_up(int sock, const struct rk_err *err)
{
    char msg[RK_ERR_TEXT + 1];
    size_t len = strnlen(err->text, RK_ERR_TEXT);
    msg[0] = CTR_MSG_ERROR;
    memcpy(msg + 1, err->text, len);
    rk_message_send(sock, msg, len + 1, NULL, 0);
    _exit(1);
}

static void send_letter(int sock, enum ctr_message letter)
{
    char c = (char)letter;
    rk_message_send(sock, &c, 1, NULL, 0);
}

/* Keep what is needed, at the lowest numbers, and close the rest: the engine's descriptors, and the store's
 * lock. */
static int keep_descriptors(struct init *init, struct rk_err *err)
{
    const struct ctr_init *a = init->args;
    int fds[CTR_SLOTS_MAX + CTR_PRESERVED_MAX + CTR_TREES_MAX + 4] = {a->sync, a->gate, a->monitor, a->root};
    size_t trees = 4 + a->slot_count + a->preserved, n = trees + a->tree_count;
    memcpy(fds + 4, a->slots, a->slot_count * sizeof fds[0]);
    for (size_t i = 0; i < a->preserved; i++)
        fds[4 + a->slot_count + i] = STDERR_FILENO + 1 + (int)i;
    for (size_t i = 0; i < a->tree_count; i++)
        fds[trees + i] = a->trees[i].fd;
    int r = box_fds_arrange(fds, n, CTR_SLOT_FIRST, err);
    if (r < 0)
        return r;
    if (syscall(SYS_close_range, CTR_SLOT_FIRST + n, ~0U, 0) < 0)
        return rk_fail_errno(err, "close descriptors");
    init->sync = CTR_SLOT_FIRST;
    init->gate = CTR_SLOT_FIRST + 1;
    init->monitor = CTR_SLOT_FIRST + 2;
    init->root = CTR_SLOT_FIRST + 3;
    for (size_t i = 0; i < a->slot_count; i++)
        init->slots[i] = CTR_SLOT_FIRST + 4 + (int)i;
    for (size_t i = 0; i < a->preserved; i++)
        init->preserved[i] = CTR_SLOT_FIRST + 4 + (int)(a->slot_count + i);
    for (size_t i = 0; i < a->tree_count; i++)
        init->trees[i] = CTR_SLOT_FIRST + (int)(trees + i);
    for (size_t i = 0; i < n; i++)
        fcntl(CTR_SLOT_FIRST + (int)i, F_SETFD, FD_CLOEXEC); /* hooks get none of them */
    return 0;
}

/* A new network namespace starts with its loopback down; side-cars that join it expect it up. */
static int raise_loopback(struct rk_err *err)
{
    struct ifreq lo = {.ifr_name = "lo"};
    rk_autoclose int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || ioctl(sock, SIOCGIFFLAGS, &lo) < 0)
        return rk_fail_errno(err, "look at loopback");
    lo.ifr_flags |= IFF_UP;
    return ioctl(sock, SIOCSIFFLAGS, &lo) < 0 ? rk_fail_errno(err, "raise loopback") : 0;
}

static void end_by_signal(int number)
{
    _exit(128 + number);
}

/* Nothing blocked and nothing ignored, whatever the caller does. Process 1 of a namespace ignores what it
 * does not handle, so what ends a guest needs handlers to end one that waits to be started. */
static void reset_signals(void)
{
    static const int ending[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
    rk_signals_reset();
    for (size_t i = 0; i < RK_COUNT(ending); i++)
        signal(ending[i], end_by_signal);
}

/* Wait for create's next message, which must be `letter`; its payload (with a NUL) is heap memory. Ends when
 * create is gone. */
static char *await_create(int sync, enum ctr_message letter)
{
    char *msg = malloc(RK_MESSAGE_SIZE + 1);
    ssize_t n = msg ? rk_message_receive(sync, msg, RK_MESSAGE_SIZE, NULL, NULL) : -1;
    if (n < 1 || msg[0] != (char)letter)
        _exit(1);
    msg[n] = '\0';
    return msg;
}

/* The names of the UTS namespace, when it is ours. */
static int set_names(const struct init *init, struct rk_err *err)
{
    const struct bnd_spec *spec = init->args->spec;
    if (!(init->args->ns->make & CLONE_NEWUTS))
        return 0;
    if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
        return rk_fail_errno(err, "set host name '%s'", spec->hostname);
    if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
        return rk_fail_errno(err, "set domain name '%s'", spec->domainname);
    return 0;
}

/* In a user namespace this process is nobody until it takes an id of it. The cgroup was joined by then: that
 * is the host's business. */
static int take_identity(struct init *init, struct rk_err *err)
{
    const struct ctr_init *a = init->args;
    if (a->ns->make & CLONE_NEWUSER)
        free(await_create(init->sync, CTR_MSG_MAPPED));
    if (!a->ids->whole)
        init->groups_fixed = box_groups_fixed();
    RK_FAULT("init:mapped");
    return a->ids->inherited ? 0 : box_userns_become_root(a->ids, err);
}

/* While there may be no record of this process, it ends with create, wherever it is. */
static void end_with_parent(bool wanted)
{
    prctl(PR_SET_PDEATHSIG, wanted ? SIGKILL : 0);
}

/* Cgroup, namespaces, session, terminal, host name. */
static int set_up(struct init *init, struct rk_err *err)
{
    const struct ctr_init *a = init->args;
    int r;
    reset_signals();
    end_with_parent(true);
    RK_FAULT("init:born");
    if (a->cgroup_later || (a->ns->make & CLONE_NEWUSER)) {
        close(a->create[0]);
        close(a->create[1]);
    }
    if (a->cgroup_later)
        free(await_create(a->sync, CTR_MSG_CGROUP));
    RK_FAULT("init:unit");
    if ((r = box_cgroup_join_self(a->cgroup, a->born_in_v2, err)) < 0 || (r = take_identity(init, err)) < 0 ||
        (r = box_namespaces_join(a->ns, err)) < 0)
        return r;
    end_with_parent(true); /* again, as a change of identity undoes it */
    RK_FAULT("init:joined");
    if (setsid() < 0)
        return rk_fail_errno(err, "start a session");
    if (a->slave >= 0 && (r = box_console_adopt(a->slave, err)) < 0)
        return r;
    if ((r = keep_descriptors(init, err)) < 0)
        return r;
    RK_FAULT("init:descriptors");
    if ((r = set_names(init, err)) < 0)
        return r;
    return box_mounts_private(err);
}

/* The part that create sees. */
static void before_gate(struct init *init)
{
    struct rk_err err = {0};
    const struct bnd_spec *spec = init->args->spec;
    rk_autofree char *hooks = await_create(init->sync, CTR_MSG_HOOKS);
    /* After the cgroup was joined: the namespace is rooted there. */
    if (init->args->ns->make_cgroup && unshare(CLONE_NEWCGROUP) < 0) {
        rk_fail_errno(&err, "make a cgroup namespace");
        give_up(init->sync, &err);
    }
    /* Engines attach the network in the hooks that create has run. */
    if (box_sysctls_write(spec, &err) < 0)
        give_up(init->sync, &err);
    const struct ctr_hook_place place = {.kind = "createContainer", .dir_fd = init->root};
    if (ctr_hooks_run(&spec->hooks.create_container, &place, hooks + 1, &err) < 0)
        give_up(init->sync, &err);
    RK_FAULT("init:createContainer");
    /* From here on create does not wait for us: it records this process, opens the gate, and ends. */
    end_with_parent(false);
    send_letter(init->sync, CTR_MSG_DONE);
    RK_FAULT("init:done");
    free(await_create(init->sync, CTR_MSG_GATE));
    rk_close(&init->sync);
    if (spec->hooks.start_container.n == 0)
        rk_close(&init->root);
}

static int find_directory(const struct box_file *file, int fd)
{
    char reason[BOX_SHARE_REASON];
    struct rk_err err;
    rk_autoclose int own = box_find_again(fd);
    return own < 0 ? own : box_share_detach(own, file->readonly, file->recursive, NULL, reason, &err);
}

/* What create could not make a mount of, this process perhaps can: *file is about that then, or about *fd. */
static void find_tree(struct box_file *file, int *fd)
{
    int tree = !file->copy ? -1 : file->directory ? find_directory(file, *fd) : box_tree_find(*fd);
    if (tree >= 0) {
        rk_close(fd);
        *fd = tree;
        file->copy = false;
    }
    file->fd = *fd;
}

static bool shares_directories(const struct ctr_init *args)
{
    for (size_t i = 0; i < args->tree_count; i++)
        if (args->trees[i].directory)
            return true;
    return false;
}

/* The monitor's root: what it opens by name, and else nothing. */
static int make_root(struct init *init, struct rk_err *err)
{
    const struct ctr_init *a = init->args;
    size_t hosts = a->files->n / 2, count = 0;
    rk_autofree struct box_file *files = calloc(hosts + a->tree_count + 1, sizeof *files);
    if (!files)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < hosts; i++)
        files[count++] = (struct box_file){.source = a->files->v[2 * i], .target = a->files->v[2 * i + 1]};
    for (size_t i = 0; i < a->tree_count; i++) {
        files[count] = a->trees[i];
        find_tree(&files[count], &init->trees[i]);
        count++;
    }
    /* How QEMU changes the mode of a guest's file, once it has it open. */
    bool proc = shares_directories(a) && (a->ns->make & CLONE_NEWPID);
    int r = box_root_make(files, count, proc, err);
    for (size_t i = 0; i < a->tree_count; i++)
        rk_close(&init->trees[i]);
    return r;
}

/* What nobody waits for: it is done while create ends and start begins. A failure is told to start. */
static int behind_gate(struct init *init, struct rk_err *err)
{
    int r = 0;
    if (init->args->ns->make & CLONE_NEWNET)
        r = raise_loopback(err);
    if (r == 0)
        r = box_label_open(&init->label, init->args->spec, err);
    return r < 0 ? r : make_root(init, err);
}

/* What is executed in the end: argv as it came in a message, and descriptors in the order of their numbers.
 */
struct program {
    int binary;
    char *args;
    size_t len;
    int fds[CTR_SLOTS_MAX];
    size_t count;
    unsigned files; /* that it may open besides */
    pid_t parent;   /* this process is a child of that one, and ends with it; 0: it is the first */
};

/* What the specification says of the process, and then what we say: the last steps before exec. */
static int confine(const struct init *init, const struct program *program, struct rk_err *err)
{
    const struct ctr_init *a = init->args;
    bool kept = a->keeps_groups && !program->parent;
    struct box_identity who = {.uid = a->uid, .gid = a->gid, .groups_fixed = init->groups_fixed || kept};
    rk_autofree gid_t *groups = calloc(a->spec->group_count + a->group_count + 1, sizeof *groups);
    if (!groups)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; a->spec->uid != 0 && i < a->spec->group_count; i++) /* root's groups go with root */
        groups[who.group_count++] = a->spec->groups[i];
    for (size_t i = 0; !program->parent && i < a->group_count; i++) /* the monitor's own */
        groups[who.group_count++] = a->groups[i];
    who.groups = groups;
    int r = box_rlimits_set(a->spec, err);
    if (r == 0)
        r = box_scheduler_set(a->spec, err);
    return r < 0 ? r : box_drop_privileges(&who, (unsigned)program->count + program->files, err);
}

/* Become that program. Returns only when there is too much of it. */
static void become(struct init *init, int conn, const struct program *program, struct rk_err *err)
{
    char *argv[1024], *envp[] = {NULL}, *end = program->args + program->len;
    size_t argc = 0, count = program->count;
    for (char *p = program->args; p < end && argc < RK_COUNT(argv) - 1; p += strlen(p) + 1)
        argv[argc++] = p;
    argv[argc] = NULL;
    if (argc == 0 || argc == RK_COUNT(argv) - 1) {
        rk_fail(err, -E2BIG, "more than %zu arguments", RK_COUNT(argv) - 2);
        return;
    }
    /* These two end with exec; until then they keep out of the program's numbers. */
    int above = CTR_SLOT_FIRST + (int)count;
    int binary = fcntl(program->binary, F_DUPFD_CLOEXEC, above);
    int talk = fcntl(conn, F_DUPFD_CLOEXEC, above);
    if (binary < 0 || talk < 0) {
        rk_fail_errno(err, "move descriptors");
        return;
    }
    if (box_fds_arrange(program->fds, count, CTR_SLOT_FIRST, err) < 0 || confine(init, program, err) < 0)
        give_up(talk, err);
    if (program->parent) {
        end_with_parent(true); /* in a PID namespace of the container's that is so anyway */
        if (getppid() != program->parent)
            _exit(1);
    }
    /* A signal that comes before the program has its handlers would be lost: process 1 ignores what it does
     * not handle. The monitor unblocks them. */
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGQUIT);
    sigaddset(&ending, SIGHUP);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    RK_FAULT("init:confined");
    syscall(SYS_execveat, binary, "", argv, envp, AT_EMPTY_PATH);
    rk_fail_errno(err, "execute '%s'", argv[0]);
    give_up(talk, err);
}

/* Become the monitor: argv is the message's payload. */
static void become_monitor(struct init *init, int conn, char *args, size_t len, const int *taps,
                           size_t tap_count, struct rk_err *err)
{
    size_t slots = init->args->slot_count, kept = init->args->preserved;
    size_t gates = init->args->files->n > 0;
    struct program monitor = {.binary = init->monitor,
                              .args = args,
                              .len = len,
                              .count = slots + tap_count + gates + kept,
                              .files = shares_directories(init->args) ? FILES_SHARED
                                       : gates                        ? FILES_BY_NAME
                                                                      : FILES};
    if (monitor.count > CTR_SLOTS_MAX) {
        rk_fail(err, -E2BIG, "more than %d descriptors", CTR_SLOTS_MAX);
        return;
    }
    memcpy(monitor.fds, init->slots, slots * sizeof monitor.fds[0]);
    memcpy(monitor.fds + slots, taps, tap_count * sizeof monitor.fds[0]);
    if (gates)
        monitor.fds[slots + tap_count] = conn;
    memcpy(monitor.fds + slots + tap_count + gates, init->preserved, kept * sizeof monitor.fds[0]);
    if (box_label_set(init->label, init->args->spec, err) < 0)
        give_up(conn, err);
    become(init, conn, &monitor, err);
}

/* Have a child become the relay; the descriptors, of which the first is its binary, are the child's then. The
 * label of a security module is inherited, and cannot be set by the child. */
static void start_relay(struct init *init, int conn, char *args, size_t len, int *fds, size_t fd_count)
{
    struct rk_err err = {0};
    struct program relay = {
        .args = args, .len = len, .count = fd_count - 1, .files = FILES, .parent = getpid()};
    if (fd_count < 2) {
        rk_fail(&err, -EPROTO, "start the relay: no descriptors");
        give_up(conn, &err);
    }
    relay.binary = fds[0];
    memcpy(relay.fds, fds + 1, relay.count * sizeof fds[0]);
    if (box_label_set(init->label, init->args->spec, &err) < 0)
        give_up(conn, &err);
    pid_t pid = fork();
    if (pid == 0) {
        RK_FAULT("init:relay");
        become(init, conn, &relay, &err);
        give_up(conn, &err);
    }
    if (pid < 0) {
        rk_fail_errno(&err, "start the relay for DNS and DHCP%s",
                      errno == EAGAIN ? " (it is a second process: does the pids limit allow two?)" : "");
        give_up(conn, &err);
    }
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

/* One `start`: run the hooks when told so, become the monitor when told so. Returns when that start went away
 * instead. */
static void serve_start(struct init *init, int conn, char *msg, const struct rk_err *failure)
{
    int taps[RK_MESSAGE_FDS];
    size_t tap_count = 0;
    struct rk_err err = {0};
    const struct bnd_spec *spec = init->args->spec;
    for (;;) {
        ssize_t n = rk_message_receive(conn, msg, RK_MESSAGE_SIZE, taps, &tap_count);
        if (n < 1)
            return;
        if (failure->code < 0)
            give_up(conn, failure);
        msg[n] = '\0';
        if (msg[0] == CTR_MSG_HOOKS) {
            const struct ctr_hook_place place = {
                .kind = "startContainer", .dir_fd = init->root, .chroot = true, .env = spec->env.v};
            if (ctr_hooks_run(&spec->hooks.start_container, &place, msg + 1, &err) < 0)
                give_up(conn, &err);
            RK_FAULT("init:startContainer");
            send_letter(conn, CTR_MSG_DONE);
        } else if (msg[0] == CTR_MSG_RELAY) {
            start_relay(init, conn, msg + 1, (size_t)n - 1, taps, tap_count);
        } else if (msg[0] == CTR_MSG_EXEC) {
            RK_FAULT("init:told");
            become_monitor(init, conn, msg + 1, (size_t)n - 1, taps, tap_count, &err);
            give_up(conn, &err);
        } else {
            return;
        }
    }
}

_Noreturn void ctr_init_main(const struct ctr_init *args)
{
    struct init init = {.args = args, .sync = args->sync, .label = -1};
    struct rk_err err = {0};
    if (set_up(&init, &err) < 0)
        give_up(init.sync, &err);
    RK_FAULT("init:set-up");
    send_letter(init.sync, CTR_MSG_READY);
    RK_FAULT("init:ready");
    before_gate(&init);
    RK_FAULT("init:gate");
    behind_gate(&init, &err);
    RK_FAULT("init:waiting");
    char *msg = malloc(RK_MESSAGE_SIZE + 1);
    if (!msg)
        _exit(1);
    for (;;) {
        rk_autoclose int conn = accept4(init.gate, NULL, NULL, SOCK_CLOEXEC);
        if (conn >= 0)
            serve_start(&init, conn, msg, &err);
        else if (errno != EINTR && errno != ECONNABORTED)
            _exit(1);
    }
}
