/* The floor under a container start: the same cgroups, namespaces and tap by the same system calls, and
 * nothing else.
 *
 *   floor CGROUP PROGRAM    CGROUP is PARENT/NAME in every hierarchy; PARENT is there, with its cpuset filled
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CG_ROOT         "/sys/fs/cgroup"
#define MAX_HIERARCHIES 24

static struct {
    char path[512];
    bool v2;
} dirs[MAX_HIERARCHIES];
static int dir_count;

static void add(const char *hierarchy, const char *cgroup)
{
    char probe[600];
    if (dir_count == MAX_HIERARCHIES)
        errx(1, "too many hierarchies");
    snprintf(probe, sizeof probe, "%s/cgroup.controllers", hierarchy);
    dirs[dir_count].v2 = access(probe, F_OK) == 0;
    snprintf(dirs[dir_count].path, sizeof dirs[0].path, "%s/%s", hierarchy, cgroup);
    dir_count++;
}

static void find_hierarchies(const char *cgroup)
{
    if (access(CG_ROOT "/cgroup.controllers", F_OK) == 0) {
        add(CG_ROOT, cgroup);
        return;
    }
    DIR *d = opendir(CG_ROOT);
    if (!d)
        err(1, CG_ROOT);
    for (struct dirent *entry; (entry = readdir(d));) {
        char path[300], procs[320];
        snprintf(path, sizeof path, CG_ROOT "/%s", entry->d_name);
        snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
        /* A directory without such a file waits for a hierarchy to be mounted on it. */
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && access(procs, F_OK) == 0)
            add(path, cgroup);
    }
    closedir(d);
}

static void write_file(const char *dir, const char *file, const char *value, size_t len)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, len) < 0)
        err(1, "%s", path);
    close(fd);
}

/* A new cpuset is empty: it gets what its parent has. Elsewhere there is no such file. */
static void copy_cpuset(const char *dir, const char *file)
{
    char path[600], value[4096];
    snprintf(path, sizeof path, "%s/../%s", dir, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, value, sizeof value);
    close(fd);
    if (n > 0)
        write_file(dir, file, value, (size_t)n);
}

/* Persistent: one that is not costs tens of milliseconds when its holder dies. It goes with the namespace. */
static void make_tap(void)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = "tap0"};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0)
        err(1, "tap");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(1, "usage: floor CGROUP PROGRAM");
    int v2 = -1;
    find_hierarchies(argv[1]);
    for (int i = 0; i < dir_count; i++) {
        if (mkdir(dirs[i].path, 0755) < 0)
            err(1, "%s", dirs[i].path);
        if (dirs[i].v2)
            v2 = open(dirs[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        else if (strstr(dirs[i].path, "/cpuset/")) {
            copy_cpuset(dirs[i].path, "cpuset.cpus");
            copy_cpuset(dirs[i].path, "cpuset.mems");
        }
    }

    struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS |
                 (v2 >= 0 ? CLONE_INTO_CGROUP : 0),
        .exit_signal = SIGCHLD,
        .cgroup = v2 >= 0 ? (uint64_t)v2 : 0,
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0)
        err(1, "clone3");
    if (pid == 0) {
        for (int i = 0; i < dir_count; i++)
            if (!dirs[i].v2)
                write_file(dirs[i].path, "tasks", "0", 1);
        make_tap();
        execv(argv[2], argv + 2);
        err(1, "%s", argv[2]);
    }

    int status = 0;
    waitpid(pid, &status, 0);
    for (int i = 0; i < dir_count; i++)
        if (rmdir(dirs[i].path) < 0)
            err(1, "%s", dirs[i].path);
    return status != 0;
}
