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

#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE, linux/module.h */

static const char *const wanted[] = {"virtio_pci", "virtio_mmio", "virtio_net", "virtio_blk",
                                     "isofs",      "button",      "evdev"};

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

/* Whether the line is that of the module "virtio_net": "kernel/drivers/net/virtio-net.ko.xz: …". */
static bool is_of(const char *line, const char *module)
{
    size_t path = strcspn(line, ":"), start = path;
    while (start > 0 && line[start - 1] != '/')
        start--;
    for (; *module; module++, start++)
        if (line[start] != *module && !(line[start] == '-' && *module == '_'))
            return false;
    return line[start] == '.';
}

/* A line of modules.dep: the file, and what it needs, of which the last is needed first. */
static void load_line(const char *dir, const char *line)
{
    char *copy = strdup(line), *colon = copy ? strchr(copy, ':') : NULL;
    if (colon) {
        *colon = '\0';
        char *needs = colon + 1;
        needs[strcspn(needs, "\n")] = '\0';
        for (char *blank; (blank = strrchr(needs, ' ')); *blank = '\0')
            if (blank[1])
                load(dir, blank + 1);
        load(dir, copy);
    }
    free(copy);
}

void ini_modules_load(void)
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
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        rewind(list);
        while (getline(&line, &room, list) > 0)
            if (is_of(line, wanted[i]))
                load_line(dir, line);
    }
    free(line);
    fclose(list);
}
