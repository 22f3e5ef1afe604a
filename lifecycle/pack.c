/* runuk-pack: what it is given, and what it says. */
#include "lifecycle/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/argv.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/process.h"

#define ANSWER_MAX 4096

/* The number of each descriptor in the program. */
enum { ROOT = 3, INIT, CACHE, OUT, FILES, COUNT = FILES + CTR_PACK_FILES };

/* A call of it: descriptors (-1: none) and command line. */
struct call {
    char path[PATH_MAX];
    struct rk_argv argv;
    int fds[COUNT];
};

static int open_own(const struct hv_host *host, const char *name, char path[PATH_MAX], struct rk_err *err)
{
    snprintf(path, PATH_MAX, "%s/%s", host->monitor_dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? rk_fail(err, -ENOENT,
                            "there is no '%s': install runuk, or set \"monitor_dir\" in its settings", path)
                  : fd;
}

/* The cache, if this user has one: a directory of root's that nobody else can write to. */
static int open_cache(const char *path)
{
    struct stat st;
    if (rk_mkdir_parents(path, 0700) < 0)
        return -1;
    rk_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077) != 0 ||
        faccessat(fd, ".", W_OK, AT_EACCESS) < 0)
        return -1;
    return rk_take_fd(&fd);
}

/* In the child. */
static _Noreturn void execute(const struct call *call, int out, int errors)
{
    char *envp[] = {NULL};
    int high[COUNT];
    /* First out of the way of one another. */
    for (int i = ROOT; i < COUNT; i++)
        high[i] = call->fds[i] < 0 ? -1 : fcntl(call->fds[i], F_DUPFD_CLOEXEC, COUNT);
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    for (int i = ROOT; i < COUNT; i++)
        if (high[i] >= 0)
            dup2(high[i], i);
    syscall(SYS_close_range, COUNT, ~0U, 0);
    rk_signals_reset();
    execve(call->path, call->argv.v, envp);
    dprintf(STDERR_FILENO, "execute '%s': %s\n", call->path, strerror(errno));
    _exit(127);
}

/* Run it: both streams go into one pipe, since it either succeeds or complains. */
static int run(const struct call *call, char **ret_text, struct rk_err *err)
{
    int pipe_fds[2], status = 0;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return rk_fail_errno(err, "make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        execute(call, pipe_fds[1], pipe_fds[1]);
    close(pipe_fds[1]);
    int r = pid < 0 ? -errno : rk_read_fd(pipe_fds[0], ANSWER_MAX, ret_text, NULL);
    close(pipe_fds[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "pack the container's files");
    }
    (*ret_text)[strcspn(*ret_text, "\n")] = '\0';
    if (status == 0)
        return 0;
    r = rk_fail(err, -EIO, "pack the container's files: %s",
                **ret_text ? *ret_text : "runuk-pack ended without a word");
    free(rk_take(*ret_text));
    return r;
}

static int prepare(struct call *call, const struct ctr_pack *what, const struct hv_host *host,
                   struct rk_err *err)
{
    int r = rk_argv_add(&call->argv, "runuk-pack");
    if (r == 0)
        r = rk_argv_addf(&call->argv, "--root=%d", ROOT);
    if (r == 0 && call->fds[INIT] >= 0)
        r = rk_argv_addf(&call->argv, "--init=%d", INIT);
    if (r == 0 && what->modules)
        r = rk_argv_add(&call->argv, "--modules");
    if (r == 0 && what->disk)
        r = rk_argv_add(&call->argv, "--format=iso9660");
    if (r == 0 && what->disk_above)
        r = rk_argv_addf(&call->argv, "--disk-above=%llu", (unsigned long long)what->disk_above);
    if (r == 0 && what->skip)
        r = rk_argv_addf(&call->argv, "--skip=%s", what->skip + strspn(what->skip, "/"));
    for (size_t i = 0; i < what->file_count && r == 0; i++)
        r = rk_argv_addf(&call->argv, "--file=%zu:%s", FILES + i, what->files[i].path);
    if (r == 0 && call->fds[CACHE] >= 0)
        r = rk_argv_addf(&call->argv, "--cache=%d", CACHE);
    if (r == 0 && call->fds[CACHE] >= 0)
        r = rk_argv_addf(&call->argv, "--most=%llu", (unsigned long long)host->settings->cache_mib << 20);
    if (r == 0 && call->fds[OUT] >= 0)
        r = rk_argv_addf(&call->argv, "--out=%d", OUT);
    return r < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* What it needs, and where it writes to: the cache, or without one a file that ends with the guest. */
static int open_all(struct call *call, const struct ctr_pack *what, const struct bnd_files *files,
                    const struct hv_host *host, struct rk_err *err)
{
    char path[PATH_MAX];
    int r = open_own(host, "runuk-pack", call->path, err);
    if (r < 0)
        return r;
    close(r);
    if (what->with_init && (call->fds[INIT] = open_own(host, "runuk-init", path, err)) < 0)
        return call->fds[INIT];
    call->fds[ROOT] = openat(files->root_fd, what->below ? what->below : ".",
                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (call->fds[ROOT] < 0)
        return rk_fail_errno(err, "open the container's root");
    for (size_t i = 0; i < what->file_count; i++)
        if ((call->fds[FILES + i] = fcntl(what->files[i].fd, F_DUPFD_CLOEXEC, 0)) < 0)
            return rk_fail_errno(err, "'%s'", what->files[i].path);
    call->fds[CACHE] = open_cache(host->settings->cache_dir);
    if (call->fds[CACHE] < 0 && (call->fds[OUT] = memfd_create("rootfs", MFD_CLOEXEC)) < 0)
        return rk_fail_errno(err, "make a file in memory");
    return 0;
}

/* What it has written: its answer is the format, and where there is a cache, the name in there. */
static int take_result(struct call *call, const char *answer, bool *ret_disk, struct rk_err *err)
{
    const char *name = strchr(answer, ' ');
    *ret_disk = strncmp(answer, "iso9660", 7) == 0;
    if (call->fds[OUT] >= 0)
        return rk_take_fd(&call->fds[OUT]);
    int fd = name ? openat(call->fds[CACHE], name + 1, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return fd < 0 ? rk_fail_errno(err, "open the container's packed files") : fd;
}

int ctr_pack_rootfs(bool *ret_disk, const struct ctr_pack *what, const struct bnd_files *files,
                    const struct hv_host *host, struct rk_err *err)
{
    rk_autofree char *answer = NULL;
    struct call call = {.argv = {0}};
    for (int i = 0; i < COUNT; i++)
        call.fds[i] = -1;
    int r = open_all(&call, what, files, host, err);
    if (r == 0)
        r = prepare(&call, what, host, err);
    if (r == 0)
        r = run(&call, &answer, err);
    if (r == 0)
        r = take_result(&call, answer, ret_disk, err);
    rk_argv_fini(&call.argv);
    for (int i = 0; i < COUNT; i++)
        rk_close(&call.fds[i]);
    return r;
}
