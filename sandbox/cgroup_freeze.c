/* Freezing a container's cgroup and thawing it: the freezer hierarchy of v1, cgroup.freeze of v2. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/cgroup_impl.h"

#define PATIENCE_MS 2000

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
    int r = cg_write(dir, path, file, word, err);
    return r < 0 ? r : await(cgroup, dir, path, file, word, frozen, err);
}

bool box_cgroup_is_frozen(const struct box_cgroup *cgroup)
{
    const char *path, *file;
    rk_autoclose int dir = open_freezer(cgroup, &path, &file);
    return dir >= 0 && is_frozen(cgroup, dir);
}
