/* Kernel parameters of the container's own namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/process.h"

/* The parameters that a namespace has to itself (sysctl(2) names, as paths below /proc/sys); one that ends in
 * "/" is a whole directory. */
static const struct {
    const char *path;
    int flag;
} namespaced[] = {
    {"net/", CLONE_NEWNET},
    {"fs/mqueue/", CLONE_NEWIPC},
    {"kernel/msgmax", CLONE_NEWIPC},
    {"kernel/msgmnb", CLONE_NEWIPC},
    {"kernel/msgmni", CLONE_NEWIPC},
    {"kernel/sem", CLONE_NEWIPC},
    {"kernel/shmall", CLONE_NEWIPC},
    {"kernel/shmmax", CLONE_NEWIPC},
    {"kernel/shmmni", CLONE_NEWIPC},
    {"kernel/shm_rmid_forced", CLONE_NEWIPC},
    {"kernel/domainname", CLONE_NEWUTS},
};

/* "net.ipv4.ip_forward" as a path below /proc/sys: no dot is left in it, so that it leads nowhere else. */
static char *key_path(const char *key)
{
    char *path = strdup(key);
    for (char *p = path; p && *p; p++)
        if (*p == '.')
            *p = '/';
    return path;
}

/* The CLONE_NEW… flag of the namespace that has the parameter; 0: none has. */
static int namespace_of(const char *path)
{
    for (size_t i = 0; i < RK_COUNT(namespaced); i++) {
        size_t len = strlen(namespaced[i].path);
        bool whole = namespaced[i].path[len - 1] == '/';
        if (whole ? strncmp(path, namespaced[i].path, len) == 0 : strcmp(path, namespaced[i].path) == 0)
            return namespaced[i].flag;
    }
    return 0;
}

static bool is_own_namespace(const char *path, const char *own)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int check_one(const struct bnd_spec *spec, const struct bnd_sysctl *sysctl, struct rk_err *err)
{
    rk_autofree char *path = key_path(sysctl->key);
    if (!path)
        return rk_fail(err, -ENOMEM, "out of memory");
    int flag = namespace_of(path);
    const struct bnd_namespace *ns = flag ? bnd_spec_namespace(spec, flag) : NULL;
    if (strcmp(path, "kernel/hostname") == 0)
        return rk_fail(err, -EINVAL, "sysctl \"%s\" is not allowed: use the host name of the container",
                       sysctl->key);
    if (flag == CLONE_NEWNET && (!ns || (ns->path && is_own_namespace(ns->path, "/proc/self/ns/net"))))
        return rk_fail(err, -EINVAL, "sysctl \"%s\" not allowed in host network namespace", sysctl->key);
    if (!ns)
        return rk_fail(err, -EINVAL, "sysctl \"%s\" is not in a separate kernel namespace", sysctl->key);
    return 0;
}

int box_sysctls_check(const struct bnd_spec *spec, struct rk_err *err)
{
    int r = 0;
    for (size_t i = 0; i < spec->sysctl_count && r == 0; i++)
        r = check_one(spec, &spec->sysctls[i], err);
    return r;
}

int box_sysctls_write(const struct bnd_spec *spec, struct rk_err *err)
{
    for (size_t i = 0; i < spec->sysctl_count; i++) {
        const struct bnd_sysctl *s = &spec->sysctls[i];
        rk_autofree char *path = key_path(s->key);
        rk_autoclose int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (!path)
            return rk_fail(err, -ENOMEM, "out of memory");
        rk_autoclose int fd = dir < 0 ? -1 : openat(dir, path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, s->value, strlen(s->value)) < 0)
            return rk_fail_errno(err, "set sysctl \"%s\" to \"%s\"", s->key, s->value);
    }
    return 0;
}
