/* Is KVM usable here? A device that opens proves nothing, so runuk-hvt runs a guest that executes SSE, once
 * per boot. */
#include "hypervisor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fd.h"

#define PROBE_MS   15000        /* more than it takes to say itself that it had no time */
#define CACHE_FILE ".runuk-kvm" /* a file: listings of containers look at directories */

/* What the cached answer holds for: this boot, this device, this probe. */
static int cache_key(char *out, size_t size, const char *probe_path)
{
    rk_autofree char *boot = NULL;
    struct stat device, probe;
    int r = rk_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, NULL);
    if (r < 0)
        return r;
    boot[strcspn(boot, "\n")] = '\0';
    if (stat("/dev/kvm", &device) < 0 || stat(probe_path, &probe) < 0)
        return -errno;
    snprintf(out, size, "%s %lx %lx %ld", boot, (unsigned long)device.st_rdev, (unsigned long)probe.st_ino,
             (long)probe.st_mtime);
    return 0;
}

/* 1 and 0: usable or not (`reason`), as remembered; negative: nothing is remembered. */
static int cache_load(const struct hv_host *host, const char *key, char reason[HV_REASON])
{
    rk_autofree char *text = NULL;
    int r = host->state_root < 0 ? -ENOENT : rk_read_file_at(host->state_root, CACHE_FILE, 2048, &text, NULL);
    if (r < 0)
        return r;
    char *line = strchr(text, '\n');
    if (!line || strncmp(text, key, (size_t)(line - text)) != 0 || key[line - text] != '\0')
        return -ESTALE;
    line++;
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "usable") == 0)
        return 1;
    snprintf(reason, HV_REASON, "%s", line);
    return 0;
}

static void cache_save(const struct hv_host *host, const char *key, const char *answer)
{
    char text[2048];
    int n = snprintf(text, sizeof text, "%s\n%s\n", key, answer);
    /* Not being able to remember only means asking again. */
    if (host->state_root >= 0 && n > 0 && n < (int)sizeof text)
        rk_write_file_atomic(host->state_root, CACHE_FILE, text, (size_t)n, 0600);
}

/* Read what the probe prints until it ends, at most PROBE_MS; its first line goes to `reason`. Then reap it.
 * Its wait status; `ret_late` is whether it had to be ended. */
static int await_probe(pid_t pid, int out, char reason[HV_REASON], bool *ret_late)
{
    size_t len = 0;
    *ret_late = false;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t deadline = t.tv_sec * 1000 + t.tv_nsec / 1000000 + PROBE_MS;
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        int64_t left = deadline - (t.tv_sec * 1000 + t.tv_nsec / 1000000);
        struct pollfd p = {.fd = out, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0) {
            kill(pid, SIGKILL);
            *ret_late = true;
            len = (size_t)snprintf(reason, HV_REASON, "its probe did not end");
            break;
        }
        ssize_t n = read(out, reason + len, HV_REASON - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    reason[len] = '\0';
    reason[strcspn(reason, "\n")] = '\0';
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* Run the probe. 1 usable, 0 not, -ETIMEDOUT when it did not say in time. */
static int run_probe(const char *path, char reason[HV_REASON])
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        snprintf(reason, HV_REASON, "no pipe for its probe");
        return 0;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char arg0[] = "runuk-hvt", arg1[] = "--probe";
        char *argv[] = {arg0, arg1, NULL}, *envp[] = {NULL};
        dup2(pipe_fds[1], STDERR_FILENO);
        dup2(pipe_fds[1], STDOUT_FILENO);
        execve(path, argv, envp);
        dprintf(STDERR_FILENO, "cannot run '%s'\n", path);
        _exit(127);
    }
    close(pipe_fds[1]);
    bool late = false;
    int status = pid < 0 ? -1 : await_probe(pid, pipe_fds[0], reason, &late);
    close(pipe_fds[0]);
    if (late || (WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL))
        return -ETIMEDOUT;
    if (status == 0)
        return 1;
    if (!*reason)
        snprintf(reason, HV_REASON, "its probe failed");
    return 0;
}

/* Why /dev/kvm does not open. In words of our own: engines take "no such file" and "permission denied" for a
 * bad command line of the user's. */
static void say_closed(int error, char reason[HV_REASON])
{
    if (error == ENOENT)
        snprintf(reason, HV_REASON, "there is no /dev/kvm");
    else if (error == EACCES)
        snprintf(reason, HV_REASON, "this user may not open /dev/kvm");
    else if (error == EPERM)
        snprintf(reason, HV_REASON, "the device cgroup that runuk is in does not allow /dev/kvm");
    else if (error == ENODEV || error == ENXIO)
        snprintf(reason, HV_REASON, "no module is loaded that drives /dev/kvm");
    else
        snprintf(reason, HV_REASON, "/dev/kvm cannot be opened, errno %d", error);
}

int hv_kvm_probe(const struct hv_host *host, const char *probe_binary, char reason[HV_REASON])
{
    char key[256], path[PATH_MAX];
    rk_autoclose int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        say_closed(errno, reason);
        return -ENODEV;
    }
    snprintf(path, sizeof path, "%s/%s", host->monitor_dir, probe_binary);
    if (cache_key(key, sizeof key, path) < 0) {
        snprintf(reason, HV_REASON, "there is no monitor '%.400s'", path);
        return -ENODEV;
    }
    int usable = cache_load(host, key, reason);
    if (usable < 0) {
        usable = run_probe(path, reason);
        /* A host that was too busy to say is asked again. */
        if (usable >= 0)
            cache_save(host, key, usable ? "usable" : reason);
    }
    return usable > 0 ? 0 : -ENODEV;
}
