/* Loads the drivers that the kernel has as modules, by depmod's list of what each needs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"
#include "lib/depmod.h"
#include "lib/told.h"

#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE, linux/module.h */

/* What it takes to get to the container's files comes first. */
static const char *const wanted[] = {RK_TOLD_ROOT_MODULES, "virtio_net", "button", "evdev", NULL};

/* Load one file, named as in modules.dep. */
static void load(const char *dir, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return;
    size_t len = strlen(path);
    bool plain = len > 3 && strcmp(path + len - 3, ".ko") == 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* the image has left it out */
    if (syscall(SYS_finit_module, fd, "", plain ? 0 : COMPRESSED) < 0 && errno != EEXIST && errno != ENODEV)
        ini_say("load '%s': %s", path, strerror(errno));
    close(fd);
}

static void load_file(void *data, const char *file)
{
    load(data, file);
}

static void load_all(const char *const *names)
{
    struct utsname system;
    char dir[256], path[300], *line = NULL;
    size_t room = 0;
    if (uname(&system) < 0)
        return;
    snprintf(dir, sizeof dir, "/lib/modules/%s", system.release);
    snprintf(path, sizeof path, "%s/modules.dep", dir);
    FILE *list = fopen(path, "re");
    if (!list)
        return; /* a kernel that has them built in */
    for (; *names; names++) {
        rewind(list);
        while (getline(&line, &room, list) > 0)
            if (rk_depmod_is(line, *names))
                rk_depmod_each(line, load_file, dir);
    }
    free(line);
    fclose(list);
}

void ini_modules_load(void)
{
    load_all(wanted);
}

void ini_modules_load_shares(void)
{
    static const char *const shares[] = {RK_TOLD_SHARE_MODULES, NULL};
    load_all(shares);
}
