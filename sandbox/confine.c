/* No identity, no power, no descriptors but the given ones. */
#include "sandbox/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

int box_fds_arrange(const int *fds, size_t count, int first, struct rk_err *err)
{
    int above = first + (int)count;
    int moved[128];
    if (count > RK_COUNT(moved))
        return rk_fail(err, -E2BIG, "too many descriptors: %zu", count);
    /* Out of the way first: a target number may be another's present one. */
    for (size_t i = 0; i < count; i++) {
        moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, above);
        if (moved[i] < 0)
            return rk_fail_errno(err, "move descriptor %d", fds[i]);
    }
    if (syscall(SYS_close_range, first, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */) < 0)
        return rk_fail_errno(err, "mark descriptors");
    for (size_t i = 0; i < count; i++)
        if (dup2(moved[i], first + (int)i) < 0)
            return rk_fail_errno(err, "place descriptor %zu", i);
    return 0;
}

/* All five sets: bounding and ambient first, while they still may be changed. */
static int drop_capabilities(void)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap) < 0)
            return -errno;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

static int clear_sets(void)
{
    cap_t none = cap_init();
    if (!none)
        return -ENOMEM;
    int r = cap_set_proc(none) < 0 ? -errno : 0;
    cap_free(none);
    return r;
}

bool box_groups_fixed(void)
{
    char answer[8] = "";
    rk_autoclose int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, answer, sizeof answer - 1) > 0 && strncmp(answer, "deny", 4) == 0;
}

int box_drop_privileges(const struct box_identity *identity, unsigned files, struct rk_err *err)
{
    const struct rlimit no_core = {0, 0};
    struct rlimit few_files = {files, files}, before;
    uid_t uid = identity->uid;
    gid_t gid = identity->gid;
    int r = drop_capabilities();
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "drop the bounding set");
    }
    if (getrlimit(RLIMIT_NOFILE, &before) == 0 && before.rlim_max < files)
        few_files = (struct rlimit){before.rlim_max, before.rlim_max};
    if (setrlimit(RLIMIT_CORE, &no_core) < 0 || setrlimit(RLIMIT_NOFILE, &few_files) < 0)
        return rk_fail_errno(err, "set resource limits");
    if (!identity->groups_fixed && setgroups(identity->group_count, identity->groups) < 0)
        return rk_fail_errno(err, "set %zu supplementary groups", identity->group_count);
    if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return rk_fail_errno(err, "become user %u, group %u", (unsigned)uid, (unsigned)gid);
    if ((r = clear_sets()) < 0) {
        errno = -r;
        return rk_fail_errno(err, "drop capabilities");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return rk_fail_errno(err, "set no_new_privs");
    return 0;
}
