/* The container's files on a disk, or in a directory of the host's: from the initial ram disk into them. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"

/* In the initial ram disk. */
#define FILES "/.runuk-files" /* as they are */
#define OVER  "/.runuk-over"  /* what is written to them, in memory */
#define BOTH  "/.runuk-both"

#define WAIT_MS 5000 /* for the disk's device */

/* Drivers may find their devices later than they are loaded. */
static void wait_for(const char *device)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int ms = 0; access(device, F_OK) < 0 && ms < WAIT_MS; ms += 10)
        nanosleep(&pause, NULL);
}

static void mount_disk(const char *device, const char *fstype)
{
    mkdir(FILES, 0755);
    wait_for(device);
    if (mount(device, FILES, fstype, MS_RDONLY, NULL) == 0)
        return;
    if (errno == ENODEV || errno == ENOENT)
        ini_say("mount the container's files, '%s' on '%s': the kernel has no %s: build it in, or give the "
                "image the modules virtio_blk and isofs of this kernel below /lib/modules, and run depmod",
                fstype, device, errno == ENODEV ? "such file system" : "driver for such disks");
    else
        ini_say("mount the container's files, '%s' on '%s': %s", fstype, device, strerror(errno));
    ini_ports_end(126);
}

/* Nobody else writes to a container's files: what was read may be kept. */
static void mount_share(const char *tag)
{
    mkdir(FILES, 0755);
    ini_modules_load_shares();
    if (mount(tag, FILES, "9p", MS_RDONLY, INI_SHARE_OPTIONS ",cache=loose") == 0)
        return;
    ini_say(
        "mount the container's files by 9p: %s%s", strerror(errno),
        errno == ENODEV || errno == EPROTONOSUPPORT || errno == ENOENT
            ? ": build it into the kernel, or give the image the modules 9p and 9pnet_virtio of this kernel "
              "below /lib/modules, and run depmod"
            : "");
    ini_ports_end(126);
}

/* Files that can be written to, over those that can't. What is to be the root, then. */
static const char *mount_over(bool writable)
{
    struct stat st;
    mkdir(OVER, 0755);
    mkdir(BOTH, 0755);
    if (mount("tmpfs", OVER, "tmpfs", 0, "mode=755") < 0) {
        ini_say("mount '" OVER "': %s", strerror(errno));
        return FILES;
    }
    mkdir(OVER "/upper", 0755);
    mkdir(OVER "/work", 0755);
    if (stat(FILES, &st) == 0 &&
        (chown(OVER "/upper", st.st_uid, st.st_gid) < 0 || chmod(OVER "/upper", st.st_mode & 07777) < 0))
        ini_say("give the root its owner: %s", strerror(errno));
    if (mount("overlay", BOTH, "overlay", 0,
              "lowerdir=" FILES ",upperdir=" OVER "/upper,workdir=" OVER "/work") == 0)
        return BOTH;
    if (writable)
        ini_say("the container's files can't be written to: the kernel has no overlay file system (module "
                "overlay): %s",
                strerror(errno));
    umount(OVER);
    return FILES;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    remove(path);
    return 0;
}

/* From the initial ram disk to what is mounted at FILES. */
static void enter(bool writable)
{
    static const char *const moved[] = {"/proc", "/sys", "/dev"};
    char path[64];
    const char *root = mount_over(writable);
    for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++) {
        snprintf(path, sizeof path, "%s%s", root, moved[i]);
        mkdir(path, 0755);
        if (mount(moved[i], path, NULL, MS_MOVE, NULL) < 0)
            ini_say("mount '%s': %s", moved[i], strerror(errno));
    }
    /* The initial ram disk is memory, and nobody can get at it any more. */
    nftw("/lib", remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    nftw("/usr", remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (chdir(root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
        ini_say("make the container's files the root: %s", strerror(errno));
        ini_ports_end(126);
    }
    ini_modules_load();
}

void ini_root_enter(unsigned index, const char *fstype, bool writable)
{
    char device[32];
    snprintf(device, sizeof device, "/dev/vd%c", 'a' + (int)index);
    mount_disk(device, fstype);
    enter(writable);
}

void ini_root_enter_share(const char *tag, bool writable)
{
    mount_share(tag);
    enter(writable);
}
