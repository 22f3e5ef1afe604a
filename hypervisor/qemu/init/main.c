/* runuk-init: process 1 of a Linux guest to which runuk gives the container's files. It makes of the machine
 * what a container's program expects, runs that, and ends the machine with its status. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"

#define CONSOLE "/dev/ttyS0"

static const struct {
    const char *source, *target, *type, *options;
    unsigned long flags;
} mounts[] = {
    {"proc", "/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"sysfs", "/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"devtmpfs", "/dev", "devtmpfs", "mode=755", MS_NOSUID},
    {"devpts", "/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
    {"tmpfs", "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV | MS_NOEXEC},
};

static const char *const links[][2] = {
    {"/proc/self/fd", "/dev/fd"},
    {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"},
    {"/proc/self/fd/2", "/dev/stderr"},
};

void ini_say(const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text - 1, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    n = n < (int)sizeof text - 2 ? n : (int)sizeof text - 2;
    text[n] = '\n';
    if (write(STDERR_FILENO, text, (size_t)n + 1) < 0)
        return;
}

static void mount_all(void)
{
    for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++) {
        mkdir(mounts[i].target, 0755);
        if (mount(mounts[i].source, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].options) <
                0 &&
            errno != EBUSY)
            ini_say("mount '%s': %s", mounts[i].target, strerror(errno));
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
            ini_say("make '%s': %s", links[i][1], strerror(errno));
}

/* Without an initial console the kernel has given no descriptors. */
static void open_console(void)
{
    int fd = open(CONSOLE, O_RDWR | O_NOCTTY);
    for (int i = 0; i < 3 && fd >= 0; i++)
        if (fd != i)
            dup2(fd, i);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(void)
{
    static struct ini_program program = {.cwd = "/"};
    mkdir("/dev", 0755);
    mount_all();
    open_console();
    umask(022);
    int r = ini_ports_open();
    if (r < 0) {
        ini_say("runuk-init: the kernel gives no access to ports: %s", strerror(-r));
        return 1; /* a panic, which ends the machine */
    }
    ini_modules_load();
    ini_net_raise("lo", 0);
    ini_config_apply(&program);
    if (program.arg_count == 0) {
        ini_say("runuk-init: there is no program to run: give it behind the image's name");
        ini_ports_end(126);
    }
    if (program.readonly)
        ini_mount_readonly();
    int status = ini_run(&program);
    ini_mounts_end();
    ini_ports_end(status);
}
