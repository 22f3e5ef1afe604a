/* Freezing a container's cgroup and thawing it: the freezer hierarchy of v1, cgroup.freeze of v2. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/cgroup_impl.h"

#define PATIENCE_MS 2000
#define PF_KTHREAD  0x00200000U /* Linux, include/linux/sched.h: the flags of /proc/PID/stat */

/* The directory that has the freezer, as a descriptor; *ret_path is borrowed. -ENOENT when there is none. */
static int open_freezer(const struct box_cgroup *cgroup, const char **ret_path, const char **ret_file)
{
    const char *file = cgroup->unified ? "cgroup.freeze" : "freezer.state";
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        rk_autoclose int dir = open(cgroup->paths.v[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0 && faccessat(dir, file, F_OK, 0) == 0) {
            *ret_path = cgroup->paths.v[i];
            *ret_file = file;
            return rk_take_fd(&dir);
        }
    }
    return -ENOENT;
}

/* Whether all is frozen: v1 says FREEZING until it is, v2 has an event for it. */
static bool is_frozen(const struct box_cgroup *cgroup, int dir)
{
    char text[CG_VALUE_SIZE];
    if (cgroup->unified)
        return cg_read(dir, "cgroup.events", text) > 0 && strstr(text, "frozen 1") != NULL;
    return cg_read(dir, "freezer.state", text) > 0 && strcmp(text, "FROZEN") == 0;
}

static bool is_kernel_thread(int pid)
{
    char name[64], text[CG_VALUE_SIZE];
    unsigned flags = 0;
    snprintf(name, sizeof(name), "/proc/%d/stat", pid);
    int len = cg_read(AT_FDCWD, name, text);
    const char *after = len > 0 ? strrchr(text, ')') : NULL; /* the name before it may hold anything */
    return after && sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & PF_KTHREAD);
}

/* A kernel thread is never frozen, and a v2 cgroup with one in it never becomes so. KVM puts one beside
 * whoever makes a virtual machine (kvm-nx-lpage-recovery, before Linux 6.13): it goes to the root cgroup,
 * where such threads are at home. */
static int expel_kernel_threads(int dir, const char *path, struct rk_err *err)
{
    char procs[CG_VALUE_SIZE];
    rk_autoclose int root = -1;
    char *rest = procs;
    if (cg_read(dir, "cgroup.procs", procs) < 0)
        return 0; /* threaded: not ours */
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        int pid = atoi(line);
        if (pid <= 0 || !is_kernel_thread(pid))
            continue;
        if (root < 0 && (root = cg_open_dir(CG_ROOT, err)) < 0)
            return root;
        int r = cg_write_number(root, CG_ROOT, "cgroup.procs", pid, err);
        if (r < 0 && r != -ESRCH)
            return rk_wrap(err,
                           "move the kernel's thread %d out of cgroup '%s', which keeps it from freezing",
                           pid, path);
    }
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Wait until the state is as wanted. v2 signals a change of cgroup.events by POLLPRI; v1 has no event, and
 * needs the word again when a process slipped through. */
static int await(const struct box_cgroup *cgroup, int dir, const char *path, const char *file,
                 const char *word, bool frozen, struct rk_err *err)
{
    int64_t deadline = now_ms() + PATIENCE_MS;
    rk_autoclose int events = cgroup->unified ? openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC) : -1;
    while (is_frozen(cgroup, dir) != frozen) {
        struct pollfd p = {.fd = events, .events = POLLPRI};
        if (now_ms() >= deadline)
            return rk_fail(err, -ETIMEDOUT, "cgroup '%s' does not become %s", path, word);
        poll(&p, 1, cgroup->unified ? 100 : 1);
        int r = cgroup->unified ? 0 : cg_write(dir, path, file, word, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int box_cgroup_freeze(const struct box_cgroup *cgroup, bool frozen, struct rk_err *err)
{
    const char *path, *file;
    rk_autoclose int dir = open_freezer(cgroup, &path, &file);
    if (dir < 0)
        return rk_fail(err, -ENOTSUP,
                       cgroup->paths.n > 0 ? "this host has no cgroup freezer"
                                           : "the container has no cgroup to freeze it with");
    const char *word = cgroup->unified ? (frozen ? "1" : "0") : frozen ? "FROZEN" : "THAWED";
    int r = cgroup->unified && frozen ? expel_kernel_threads(dir, path, err) : 0;
    if (r == 0)
        r = cg_write(dir, path, file, word, err);
    if (r == 0)
        r = await(cgroup, dir, path, file, word, frozen, err);
    if (r == -ETIMEDOUT && frozen) /* half a pause is none: its caller takes the guest for running */
        cg_write(dir, path, file, cgroup->unified ? "0" : "THAWED", NULL);
    return r;
}

bool box_cgroup_is_frozen(const struct box_cgroup *cgroup)
{
    const char *path, *file;
    rk_autoclose int dir = open_freezer(cgroup, &path, &file);
    return dir >= 0 && is_frozen(cgroup, dir);
}
