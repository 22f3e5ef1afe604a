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
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

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
    struct box_namespaces ns = {.make = CLONE_NEWNS, .pid_fd = -1};
    for (size_t i = 0; i < spec->namespace_count; i++) {
        const struct bnd_namespace *n = &spec->namespaces[i];
        if (n->flag == CLONE_NEWUSER) {
            box_namespaces_close(&ns);
            return rk_fail(err, -ENOTSUP,
                           "linux.namespaces: user namespaces are not supported for unikernels");
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
}

/* fork with flags, a pidfd and a cgroup. The child has the caller's memory, copied on write, and its one
 * thread. */
static pid_t clone_process(int flags, int cgroup_fd, int *ret_pidfd)
{
    struct clone_args args = {
        .flags = (uint64_t)(unsigned)flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

pid_t box_clone(const struct box_namespaces *ns, int cgroup_fd, int *ret_pidfd, struct rk_err *err)
{
    rk_autoclose int own_pid_ns = -1;
    if (ns->pid_fd >= 0) {
        /* setns changes where children are born, not the caller: it is set back right after. */
        own_pid_ns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
        if (own_pid_ns < 0 || setns(ns->pid_fd, CLONE_NEWPID) < 0)
            return rk_fail_errno(err, "join pid namespace");
    }
    pid_t pid = clone_process(ns->make, cgroup_fd, ret_pidfd);
    if (pid == 0)
        return 0;
    int saved = errno;
    if (own_pid_ns >= 0 && setns(own_pid_ns, CLONE_NEWPID) < 0 && pid > 0)
        saved = errno; /* only hooks would notice: they are born into the container's namespace then */
    errno = saved;
    if (pid < 0)
        return rk_fail_errno(err, "clone the container's first process");
    return pid;
}

int box_namespaces_join(const struct box_namespaces *ns, struct rk_err *err)
{
    for (size_t i = 0; i < ns->join_count; i++)
        if (setns(ns->join_fds[i], ns->join_flags[i]) < 0)
            return rk_fail_errno(err, "join namespace %zu", i);
    return 0;
}
