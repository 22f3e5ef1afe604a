/* Namespaces: made together with the container's first process, or joined by it. */
#include "sandbox/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"

int box_namespace_open(const char *path, int flag, struct rk_err *err)
{
    struct statfs fs;
    rk_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return rk_fail_errno(err, "open namespace '%s'", path);
    if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
        return rk_fail(err, -EINVAL, "'%s' is not a namespace", path);
    int type = ioctl(fd, NS_GET_NSTYPE);
    if (type != flag)
        return rk_fail(err, -EINVAL, "'%s' is a namespace of another type", path);
    return rk_take_fd(&fd);
}

int box_namespaces_open(struct box_namespaces *ret_ns, const struct bnd_spec *spec, struct rk_err *err)
{
    struct box_namespaces ns = {.make = CLONE_NEWNS, .pid_fd = -1, .user_fd = -1};
    for (size_t i = 0; i < spec->namespace_count; i++) {
        const struct bnd_namespace *n = &spec->namespaces[i];
        if (n->flag == CLONE_NEWTIME) {
            box_namespaces_close(&ns);
            return rk_fail(
                err, -ENOTSUP,
                "linux.namespaces: a time namespace means nothing to a guest, which has a clock of its own: "
                "leave it out");
        }
        if (n->flag == CLONE_NEWNS)
            continue;
        if (!n->path && n->flag == CLONE_NEWCGROUP) {
            ns.make_cgroup = true;
            continue;
        }
        if (!n->path) {
            ns.make |= n->flag;
            continue;
        }
        int fd = box_namespace_open(n->path, n->flag, err);
        if (fd < 0) {
            box_namespaces_close(&ns);
            return fd;
        }
        if (n->flag == CLONE_NEWPID) {
            ns.pid_fd = fd;
        } else if (n->flag == CLONE_NEWUSER) {
            ns.user_fd = fd;
        } else {
            ns.join_flags[ns.join_count] = n->flag;
            ns.join_fds[ns.join_count++] = fd;
        }
    }
    *ret_ns = ns;
    return 0;
}

void box_namespaces_close(struct box_namespaces *ns)
{
    for (size_t i = 0; i < ns->join_count; i++)
        rk_close(&ns->join_fds[i]);
    ns->join_count = 0;
    rk_close(&ns->pid_fd);
    rk_close(&ns->user_fd);
}

/* fork with flags, a pidfd and a cgroup. The child has the caller's memory, copied on write, and its one
 * thread. */
static pid_t clone_process(int flags, int cgroup_fd, int *ret_pidfd)
{
    struct clone_args args = {
        .flags = (uint64_t)(unsigned)flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD, /* a sibling's is its parent's */
    };
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/* Be in another namespace for the length of a clone: a process in a new user namespace could not join those
 * of the host any more. */
struct visit {
    int own[BOX_NAMESPACES_MAX]; /* the ways back; -1 */
    size_t n;
};

/* Go back. Staying in one of them would run hooks in the wrong place: not coming back ends the program. */
static void leave(const struct box_namespaces *ns, struct visit *v)
{
    while (v->n-- > 0) {
        if (setns(v->own[v->n], ns->join_flags[v->n]) < 0)
            abort();
        rk_close(&v->own[v->n]);
    }
}

static int enter(struct visit *v, const struct box_namespaces *ns, struct rk_err *err)
{
    static const struct {
        int flag;
        const char *path;
    } own[] = {{CLONE_NEWNET, "/proc/self/ns/net"},
               {CLONE_NEWUTS, "/proc/self/ns/uts"},
               {CLONE_NEWIPC, "/proc/self/ns/ipc"},
               {CLONE_NEWCGROUP, "/proc/self/ns/cgroup"}};
    v->n = 0;
    for (size_t i = 0; i < ns->join_count; i++) {
        int fd = -1;
        for (size_t o = 0; o < RK_COUNT(own); o++)
            if (own[o].flag == ns->join_flags[i])
                fd = open(own[o].path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(ns->join_fds[i], ns->join_flags[i]) < 0) {
            int r = rk_fail_errno(err, "join namespace %zu", i);
            rk_close(&fd);
            leave(ns, v);
            return r;
        }
        v->own[v->n++] = fd;
    }
    return 0;
}

static pid_t clone_into_new_user(const struct box_namespaces *ns, int cgroup_fd, int *ret_pidfd,
                                 struct rk_err *err)
{
    struct visit visit;
    int r = enter(&visit, ns, err);
    if (r < 0)
        return r;
    RK_FAULT("userns:entered");
    pid_t pid = clone_process(ns->make, cgroup_fd, ret_pidfd);
    int saved = errno;
    if (pid != 0)
        leave(ns, &visit);
    errno = saved;
    return pid < 0 ? rk_fail_errno(err, "clone the container's first process into a new user namespace")
                   : pid;
}

/* In a process that is there only for this: join the user namespace with all others, and have the container's
 * first process as a sibling in it. What belongs to the host has to be joined before, what belongs to the
 * user namespace after. Returns 0 in the new process, else its pid or a negative errno. */
static pid_t clone_from_inside(const struct box_namespaces *ns, int cgroup_fd)
{
    bool late[BOX_NAMESPACES_MAX] = {false}, late_pid = false;
    int pidfd;
    for (size_t i = 0; i < ns->join_count; i++)
        late[i] = setns(ns->join_fds[i], ns->join_flags[i]) < 0;
    late_pid = ns->pid_fd >= 0 && setns(ns->pid_fd, CLONE_NEWPID) < 0;
    if (setns(ns->user_fd, CLONE_NEWUSER) < 0)
        return -errno;
    for (size_t i = 0; i < ns->join_count; i++)
        if (late[i] && setns(ns->join_fds[i], ns->join_flags[i]) < 0)
            return -errno;
    if (late_pid && setns(ns->pid_fd, CLONE_NEWPID) < 0)
        return -errno;
    pid_t pid = clone_process(ns->make | CLONE_PARENT, cgroup_fd, &pidfd);
    return pid < 0 ? -errno : pid;
}

/* A user namespace can't be left again, so that somebody else joins it. */
static pid_t clone_into_user(const struct box_namespaces *ns, int cgroup_fd, int *ret_pidfd,
                             struct rk_err *err)
{
    int pair[2];
    pid_t pid = -ECHILD;
    if (pipe2(pair, O_CLOEXEC) < 0)
        return rk_fail_errno(err, "make a pipe");
    pid_t middle = fork();
    if (middle == 0) {
        RK_FAULT("middle:born");
        pid = clone_from_inside(ns, cgroup_fd);
        if (pid == 0) {
            close(pair[0]);
            close(pair[1]);
            return 0;
        }
        RK_FAULT("middle:cloned");
        _exit(write(pair[1], &pid, sizeof pid) == (ssize_t)sizeof pid ? 0 : 1);
    }
    rk_close(&pair[1]);
    RK_FAULT("userns:forked");
    if (middle < 0 || read(pair[0], &pid, sizeof pid) != (ssize_t)sizeof pid)
        pid = -ECHILD;
    rk_close(&pair[0]);
    while (middle > 0 && waitpid(middle, NULL, 0) < 0 && errno == EINTR)
        ;
    RK_FAULT("userns:cloned");
    /* It is our child, and nobody has waited for it yet: the pid is its own. */
    *ret_pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pid > 0 && *ret_pidfd >= 0)
        return pid;
    errno = pid > 0 ? errno : -pid;
    return rk_fail_errno(err, "clone the container's first process into its user namespace");
}

pid_t box_clone(const struct box_namespaces *ns, int cgroup_fd, int *ret_pidfd, struct rk_err *err)
{
    rk_autoclose int own_pid_ns = -1;
    if (ns->user_fd >= 0)
        return clone_into_user(ns, cgroup_fd, ret_pidfd, err);
    if (ns->pid_fd >= 0) {
        /* setns changes where children are born, not the caller: it is set back right after. */
        own_pid_ns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
        if (own_pid_ns < 0 || setns(ns->pid_fd, CLONE_NEWPID) < 0)
            return rk_fail_errno(err, "join pid namespace");
    }
    pid_t pid;
    if (ns->make & CLONE_NEWUSER)
        pid = clone_into_new_user(ns, cgroup_fd, ret_pidfd, err);
    else if ((pid = clone_process(ns->make, cgroup_fd, ret_pidfd)) < 0)
        pid = rk_fail_errno(err, "clone the container's first process%s",
                            errno == EPERM ? " (an ordinary user needs a user namespace in linux.namespaces)"
                                           : "");
    if (pid == 0)
        return 0;
    if (own_pid_ns >= 0 && setns(own_pid_ns, CLONE_NEWPID) < 0)
        abort(); /* as in leave */
    return pid;
}

int box_namespaces_join(const struct box_namespaces *ns, struct rk_err *err)
{
    if (ns->user_fd >= 0 || (ns->make & CLONE_NEWUSER))
        return 0; /* it was born into them */
    for (size_t i = 0; i < ns->join_count; i++)
        if (setns(ns->join_fds[i], ns->join_flags[i]) < 0)
            return rk_fail_errno(err, "join namespace %zu", i);
    return 0;
}
