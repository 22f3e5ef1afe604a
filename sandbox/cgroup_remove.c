/* The end of a container's cgroup: its processes killed, its directories removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "lib/process.h"
#include "sandbox/cgroup_impl.h"

#define PATIENCE_MS   2000
#define PROCESSES_MAX (1 << 20) /* bytes of cgroup.procs */
#define MAX_DEPTH     16        /* of sub-cgroups; the kernel's own tree may be deeper, a guest makes none */

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The first process of cgroup.procs; 0 when there is none that we can name. */
static pid_t first_process(int dir)
{
    char procs[CG_VALUE_SIZE];
    return cg_read(dir, "cgroup.procs", procs) > 0 ? (pid_t)strtol(procs, NULL, 10) : 0;
}

/* Wait for an event that may let the directory go, or for a moment: the end of a process in it, else *nap_us,
 * which grows (the kernel reports no event for the short time between the end of a process and its leaving
 * the cgroup). */
static void wait_a_little(int dir, pid_t pid, int64_t deadline, long *nap_us)
{
    int64_t left_us = deadline - now_us();
    rk_autoclose int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (left_us <= 0)
        return;
    if (pidfd >= 0 && first_process(dir) == pid) {
        rk_process_wait(pidfd, (int)(left_us / 1000) + 1);
        return;
    }
    const struct timespec nap = {.tv_nsec = *nap_us * 1000};
    nanosleep(&nap, NULL);
    *nap_us = *nap_us < 5000 ? *nap_us * 2 : *nap_us;
}

/* SIGKILL to every process listed. 1 when there was one, 0 when there was none, -errno. */
static int kill_listed(int dir)
{
    rk_autoclose int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rk_autofclose FILE *procs = fdopen(fd, "r");
    if (!procs)
        return -errno;
    rk_take_fd(&fd); /* procs owns it */
    int found = 0, pid = 0;
    while (fscanf(procs, "%d", &pid) == 1) {
        found = 1;
        if (pid > 0)
            kill(pid, SIGKILL);
    }
    return found;
}

/* Again and again, since one of them may just have forked. */
static int kill_rounds(int dir, const char *path, struct rk_err *err)
{
    int64_t deadline = now_us() + PATIENCE_MS * 1000;
    long nap_us = 50;
    for (;;) {
        int r = kill_listed(dir);
        if (r == -ENODEV || r == 0)
            return 0;
        if (r < 0)
            return rk_fail(err, r, "read '%s/cgroup.procs': %s", path, strerror(-r));
        pid_t pid = first_process(dir);
        if (now_us() >= deadline)
            return rk_fail(err, -EBUSY, "kill the processes of cgroup '%s': %d is still there", path,
                           (int)pid);
        wait_a_little(dir, pid, deadline, &nap_us);
    }
}

int box_cgroup_kill(const struct box_cgroup *cgroup, struct rk_err *err)
{
    /* Every hierarchy holds the same processes. The v2 one, which comes last, can kill them all at once
     * (Linux 5.14). */
    bool killed = false;
    for (size_t i = cgroup->paths.n; i-- > 0;) {
        const char *path = cgroup->paths.v[i];
        rk_autoclose int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 && errno == ENOENT)
            continue;
        if (dir < 0)
            return rk_fail_errno(err, "open cgroup '%s'", path);
        if (!killed && cg_write(dir, path, "cgroup.kill", "1", NULL) < 0) {
            int r = kill_rounds(dir, path, err);
            if (r < 0)
                return r;
        }
        killed = true;
        if (!cgroup->unified) /* what is frozen dies when it thaws; -ENOENT everywhere but in the freezer */
            cg_write(dir, path, "freezer.state", "THAWED", NULL);
    }
    return 0;
}

int box_cgroup_processes(pid_t **ret_pids, size_t *ret_count, const struct box_cgroup *cgroup)
{
    rk_autofree char *text = NULL;
    rk_autofree pid_t *pids = NULL;
    size_t count = 0;
    *ret_pids = NULL;
    *ret_count = 0;
    if (cgroup->paths.n == 0)
        return 0;
    /* Every hierarchy holds the same ones. */
    rk_autoclose int dir = open(cgroup->paths.v[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    int r = rk_read_file_at(dir, "cgroup.procs", PROCESSES_MAX, &text, NULL);
    if (r < 0)
        return r;
    for (char *line = text, *end; *line; line = *end ? end + 1 : end) {
        long pid = strtol(line, &end, 10);
        if (end == line)
            break;
        pid_t *more = reallocarray(pids, count + 1, sizeof *more);
        if (!more)
            return -ENOMEM;
        pids = more;
        if (pid > 0)
            pids[count++] = (pid_t)pid;
    }
    *ret_pids = rk_take(pids);
    *ret_count = count;
    return 0;
}

/* Remove the sub-cgroups of `fd` (taken over), deepest first, as far as they are empty. */
static void remove_children(int fd, int depth)
{
    DIR *d = depth < MAX_DEPTH ? fdopendir(fd) : NULL;
    if (!d) {
        close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            continue;
        int child = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child >= 0)
            remove_children(child, depth + 1);
        unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
    }
    closedir(d);
}

static int remove_one(const char *path, int64_t deadline, struct rk_err *err)
{
    long nap_us = 50;
    for (;;) {
        if (rmdir(path) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            return rk_fail_errno(err, "remove cgroup '%s'", path);
        rk_autoclose int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            continue; /* gone meanwhile: rmdir will say so */
        int walk = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (walk >= 0)
            remove_children(walk, 0);
        if (rmdir(path) == 0)
            return 0;
        pid_t pid = first_process(dir);
        if (now_us() >= deadline && pid > 0)
            return rk_fail(err, -EBUSY, "remove cgroup '%s': it still holds process %d", path, (int)pid);
        if (now_us() >= deadline)
            return rk_fail(err, -EBUSY, "remove cgroup '%s': it or a cgroup below it is still in use", path);
        wait_a_little(dir, pid, deadline, &nap_us);
    }
}

int box_cgroup_remove(const struct box_cgroup *cgroup, struct rk_err *err)
{
    int first = cgroup->unit.name ? cg_unit_stop(cgroup, err) : 0;
    if (first == -EXDEV)
        return 0;
    int64_t deadline = now_us() + PATIENCE_MS * 1000;
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        int r = remove_one(cgroup->paths.v[i], deadline, first ? NULL : err);
        RK_FAULT("cgroup:removed-one");
        if (r < 0 && !first)
            first = r;
    }
    return first;
}
