/* User namespaces: mappings read and written. */
#include "sandbox/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"

#define MAP_MAX   65536 /* bytes of a map file: the kernel takes a page's worth on writing */
#define MAP_LINES 340   /* that the kernel takes, user_namespaces(7) */

static int parse_map(struct bnd_id_maps *ret_maps, const char *text, struct rk_err *err)
{
    struct bnd_id_maps maps = {.v = calloc(MAP_LINES, sizeof *maps.v)};
    if (!maps.v)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (const char *p = text; p && *p && maps.n < MAP_LINES; p = strchr(p, '\n'), p = p ? p + 1 : p) {
        struct bnd_id_map *m = &maps.v[maps.n];
        if (sscanf(p, "%u %u %u", &m->inside, &m->outside, &m->count) == 3)
            maps.n++;
    }
    *ret_maps = maps;
    return 0;
}

static int read_maps(struct box_ids *ids, const char *who, struct rk_err *err)
{
    const struct {
        const char *name;
        struct bnd_id_maps *maps;
    } files[] = {{"uid_map", &ids->uids}, {"gid_map", &ids->gids}};
    for (size_t i = 0; i < RK_COUNT(files); i++) {
        char path[64];
        rk_autofree char *text = NULL;
        snprintf(path, sizeof path, "/proc/%s/%s", who, files[i].name);
        int r = rk_read_file_at(AT_FDCWD, path, MAP_MAX, &text, NULL);
        if (r < 0) {
            errno = -r;
            return rk_fail_errno(err, "read '%s'", path);
        }
        if ((r = parse_map(files[i].maps, text, err)) < 0)
            return r;
    }
    return 0;
}

/* A namespace shows its mappings only through a process in it: a child visits it until it is ended, or until
 * we have. */
static int read_joined(struct box_ids *ids, int user_fd, struct rk_err *err)
{
    char who[16], letter = 0;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return rk_fail_errno(err, "make a socket pair");
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        letter = setns(user_fd, CLONE_NEWUSER) < 0 ? 'n' : 'y';
        RK_FAULT("visitor:joined");
        _exit(write(pair[1], &letter, 1) != 1 || read(pair[1], &letter, 1) != 0);
    }
    rk_close(&pair[1]);
    if (pid < 0) {
        rk_close(&pair[0]);
        return rk_fail_errno(err, "fork");
    }
    RK_FAULT("userns:visitor");
    ssize_t n = read(pair[0], &letter, 1);
    snprintf(who, sizeof who, "%d", (int)pid);
    int r = n == 1 && letter == 'y' ? read_maps(ids, who, err)
                                    : rk_fail(err, -EPERM, "join the user namespace: not permitted");
    RK_FAULT("userns:looked");
    rk_close(&pair[0]);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return r;
}

static int copy_maps(struct bnd_id_maps *to, const struct bnd_id_maps *from)
{
    to->v = calloc(from->n + 1, sizeof *to->v);
    if (!to->v)
        return -ENOMEM;
    if (from->n)
        memcpy(to->v, from->v, from->n * sizeof *to->v);
    to->n = from->n;
    return 0;
}

static bool is_whole(const struct bnd_id_maps *maps)
{
    return maps->n == 1 && maps->v[0].inside == 0 && maps->v[0].outside == 0 &&
           maps->v[0].count == UINT32_MAX;
}

int box_ids_read(struct box_ids *ret_ids, const struct bnd_spec *spec, int user_fd, struct rk_err *err)
{
    struct box_ids ids = {.inherited = false};
    int r;
    if (user_fd >= 0) {
        r = read_joined(&ids, user_fd, err);
    } else if (bnd_spec_namespace(spec, CLONE_NEWUSER)) {
        r = copy_maps(&ids.uids, &spec->uid_maps) < 0 || copy_maps(&ids.gids, &spec->gid_maps) < 0
                ? rk_fail(err, -ENOMEM, "out of memory")
                : 0;
    } else {
        ids.inherited = true;
        r = read_maps(&ids, "self", err);
    }
    ids.whole = ids.inherited && is_whole(&ids.uids) && is_whole(&ids.gids);
    if (r < 0)
        box_ids_fini(&ids);
    else
        *ret_ids = ids;
    return r;
}

void box_ids_fini(struct box_ids *ids)
{
    free(ids->uids.v);
    free(ids->gids.v);
    *ids = (struct box_ids){.inherited = false};
}

bool box_userns_is_initial(void)
{
    char text[64] = "";
    struct bnd_id_map m = {.count = 0};
    rk_autoclose int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return true; /* a kernel without user namespaces */
    return sscanf(text, "%u %u %u", &m.inside, &m.outside, &m.count) == 3 && m.inside == 0 &&
           m.outside == 0 && m.count == UINT32_MAX;
}

bool box_is_privileged(void)
{
    cap_flag_value_t has = CAP_CLEAR;
    cap_t caps = cap_get_proc();
    if (!caps)
        return false;
    cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &has);
    cap_free(caps);
    return has == CAP_SET;
}

bool box_id_mapped(const struct bnd_id_maps *maps, uint32_t id, uint32_t *ret_outside)
{
    for (size_t i = 0; i < maps->n; i++) {
        const struct bnd_id_map *m = &maps->v[i];
        if (id < m->inside || id - m->inside >= m->count)
            continue;
        if (ret_outside)
            *ret_outside = m->outside + (id - m->inside);
        return true;
    }
    return false;
}

static int write_proc(pid_t pid, const char *file, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    rk_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* One write: the kernel takes a map as a whole. */
static char *map_text(const struct bnd_id_maps *maps)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return NULL;
    for (size_t i = 0; i < maps->n; i++)
        fprintf(f, "%u %u %u\n", maps->v[i].inside, maps->v[i].outside, maps->v[i].count);
    return fclose(f) == 0 ? text : NULL;
}

/* newuidmap or newgidmap, which may map the ids that /etc/subuid or /etc/subgid grants the user. */
static int run_helper(const char *program, pid_t pid, const struct bnd_id_maps *maps, struct rk_err *err)
{
    rk_autoargv struct rk_argv argv = {0};
    int status = 0;
    bool failed = rk_argv_add(&argv, program) < 0 || rk_argv_addf(&argv, "%d", (int)pid) < 0;
    for (size_t i = 0; i < maps->n && !failed; i++)
        failed = rk_argv_addf(&argv, "%u", maps->v[i].inside) < 0 ||
                 rk_argv_addf(&argv, "%u", maps->v[i].outside) < 0 ||
                 rk_argv_addf(&argv, "%u", maps->v[i].count) < 0;
    if (failed)
        return rk_fail(err, -ENOMEM, "out of memory");
    pid_t child = fork();
    if (child == 0) {
        execv(program, argv.v);
        _exit(127);
    }
    if (child < 0)
        return rk_fail_errno(err, "fork");
    RK_FAULT("userns:helper");
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return rk_fail(err, -EPERM,
                       "map the ids of the user namespace: not permitted to this user, and there is no '%s': "
                       "install uidmap",
                       program);
    return rk_fail(err, -EPERM,
                   "map the ids of the user namespace: '%s' refuses them: see /etc/subuid and /etc/subgid",
                   program);
}

static int map_one(pid_t pid, const char *file, const char *helper, const struct bnd_id_maps *maps,
                   struct rk_err *err)
{
    rk_autofree char *text = map_text(maps);
    if (!text)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = write_proc(pid, file, text);
    if (r == -EPERM)
        return run_helper(helper, pid, maps, err);
    return r < 0 ? rk_fail(err, r, "map the ids of the user namespace (%s): %s", file, strerror(-r)) : 0;
}

int box_userns_map(pid_t pid, const struct bnd_spec *spec, struct rk_err *err)
{
    int r = map_one(pid, "uid_map", "/usr/bin/newuidmap", &spec->uid_maps, err);
    if (r < 0)
        return r;
    /* Without privilege the kernel wants the right to drop groups given up before it takes a map; newgidmap
     * would not need that, so that it is done for the one mapping to oneself only. */
    if (geteuid() != 0 && spec->gid_maps.n == 1 && spec->gid_maps.v[0].count == 1)
        write_proc(pid, "setgroups", "deny");
    return map_one(pid, "gid_map", "/usr/bin/newgidmap", &spec->gid_maps, err);
}

int box_userns_become_root(const struct box_ids *ids, struct rk_err *err)
{
    if (ids->uids.n == 0 || ids->gids.n == 0)
        return rk_fail(err, -EINVAL, "the user namespace has no ids");
    uid_t uid = box_id_mapped(&ids->uids, 0, NULL) ? 0 : ids->uids.v[0].inside;
    gid_t gid = box_id_mapped(&ids->gids, 0, NULL) ? 0 : ids->gids.v[0].inside;
    if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return rk_fail_errno(err, "become user %u of the user namespace", (unsigned)uid);
    return 0;
}
