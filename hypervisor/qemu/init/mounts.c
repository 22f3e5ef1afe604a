/* Disks and other mounts of the container's, before its program and after it. */
#include <errno.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"

#define DISK      "/dev/vd" /* and a letter */
#define DISKS_MAX 26
#define PATIENCE  5000 /* ms, for processes to end; it is their own time */

/* How a file system is told to leave its journal alone. */
static const struct {
    const char *fstype, *option;
} journals[] = {{"ext4", "noload"}, {"xfs", "norecovery"}, {"btrfs", "rescue=nologreplay"}};

/* Words of mount(8): those that are bits, and those that a tmpfs has a meaning for. */
static const struct {
    const char *word;
    unsigned long bit;
} flags[] = {
    {"ro", MS_RDONLY},       {"nosuid", MS_NOSUID},         {"nodev", MS_NODEV},      {"noexec", MS_NOEXEC},
    {"noatime", MS_NOATIME}, {"nodiratime", MS_NODIRATIME}, {"sync", MS_SYNCHRONOUS},
};
static const char *const values[] = {"size=", "nr_blocks=", "nr_inodes=", "mode=", "uid=", "gid="};

void ini_make_parents(const char *path)
{
    char text[4096];
    if (snprintf(text, sizeof text, "%s", path) >= (int)sizeof text)
        return;
    for (char *p = text + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(text, 0755);
        *p = '/';
    }
}

/* One that was not unmounted can be mounted without its last moments where it may not be written to. */
static int mount_disk(const char *device, const char *target, const char *fstype, bool readonly)
{
    int r = mount(device, target, fstype, readonly ? MS_RDONLY : 0, NULL);
    for (size_t i = 0; r < 0 && readonly && errno == EROFS && i < sizeof journals / sizeof journals[0]; i++)
        if (strcmp(fstype, journals[i].fstype) == 0)
            r = mount(device, target, fstype, MS_RDONLY, journals[i].option);
    return r;
}

void ini_mount_disk(unsigned index, const char *fstype, bool readonly, const char *target)
{
    char device[32];
    snprintf(device, sizeof device, DISK "%c", 'a' + (int)index);
    ini_make_parents(target);
    if (strncmp(target, "/dev/", 5) == 0) {
        if (symlink(device, target) < 0)
            ini_say("make '%s': %s", target, strerror(errno));
        return;
    }
    mkdir(target, 0755);
    if (mount_disk(device, target, fstype, readonly) < 0)
        ini_say("mount '%s', a file system '%s', at '%s': %s", device, fstype, target, strerror(errno));
}

/* The bit of a word, or 0. */
static unsigned long bit_of(const char *word)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(word, flags[i].word) == 0)
            return flags[i].bit;
    return 0;
}

static bool is_value(const char *word)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strncmp(word, values[i], strlen(values[i])) == 0)
            return true;
    return false;
}

void ini_mount_tmpfs(const char *options, const char *target)
{
    char text[1024], data[1024] = "", *save = NULL;
    unsigned long bits = 0;
    size_t len = 0;
    snprintf(text, sizeof text, "%s", options);
    for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        bits |= bit_of(word);
        if (is_value(word))
            len += (size_t)snprintf(data + len, sizeof data - len, "%s%s", len ? "," : "", word);
    }
    ini_make_parents(target);
    mkdir(target, 0755);
    if (mount("tmpfs", target, "tmpfs", bits, data) < 0)
        ini_say("mount a tmpfs at '%s': %s", target, strerror(errno));
}

void ini_mount_share(const char *tag, bool readonly, const char *target)
{
    static bool loaded;
    if (!loaded)
        ini_modules_load_shares();
    loaded = true;
    /* Mapped files need a cache. */
    ini_make_parents(target);
    mkdir(target, 0755);
    if (mount(tag, target, "9p", readonly ? MS_RDONLY : 0, INI_SHARE_OPTIONS ",cache=mmap") == 0)
        return;
    if (errno == ENODEV || errno == EPROTONOSUPPORT || errno == ENOENT)
        ini_say(
            "mount the volume '%s': the kernel has no 9p: build it in, or give the image the modules 9p and "
            "9pnet_virtio of this kernel below /lib/modules, and run depmod",
            target);
    else
        ini_say("mount the volume '%s': %s", target, strerror(errno));
    ini_ports_end(126);
}

void ini_mount_readonly(void)
{
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
        ini_say("make the root read-only: %s", strerror(errno));
}

/* Where disks are mounted, in the order in which they were: how many. */
static size_t find_disks(char targets[][4096], size_t most)
{
    char text[8192];
    struct mntent entry;
    size_t n = 0;
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    while (mounts && n < most && getmntent_r(mounts, &entry, text, sizeof text))
        if (strncmp(entry.mnt_fsname, DISK, strlen(DISK)) == 0 &&
            snprintf(targets[n], sizeof targets[n], "%s", entry.mnt_dir) < (int)sizeof targets[n])
            n++;
    if (mounts)
        endmntent(mounts);
    return n;
}

void ini_mounts_end(void)
{
    static char targets[DISKS_MAX][4096];
    const struct timespec moment = {.tv_nsec = 1000000};
    size_t n = find_disks(targets, DISKS_MAX);
    if (n == 0)
        return;
    kill(-1, SIGKILL);
    for (int i = 0; i < PATIENCE && (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD); i++)
        nanosleep(&moment, NULL);
    if (chdir("/") < 0)
        return;
    while (n-- > 0)
        if (umount2(targets[n], 0) < 0 && mount(NULL, targets[n], NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
            ini_say("unmount '%s': %s", targets[n], strerror(errno));
}
