/* What the guest is told (lib/told.h), put into effect. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"
#include "lib/told.h"

#define RESOLV_CONF "/etc/resolv.conf"

struct config {
    struct ini_program *program;
    char link[16];  /* the one that is talked about */
    unsigned files; /* so far */
};

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hexadecimal digits in place; the length. */
static size_t decode(char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < len && digit(text[i]) >= 0 && digit(text[i + 1]) >= 0; i += 2)
        text[n++] = (char)(digit(text[i]) << 4 | digit(text[i + 1]));
    text[n] = '\0';
    return n;
}

/* A root that can't be written to has the file from elsewhere, if it has one of that name. */
static int open_instead(const char *path, unsigned number)
{
    char other[64];
    snprintf(other, sizeof other, "/dev/.runuk-file-%u", number);
    int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || mount(other, path, NULL, MS_BIND, NULL) == 0)
        return fd;
    close(fd);
    errno = EROFS;
    return -1;
}

/* A file of the engine's takes the place of what the image has there. */
static void write_file(const char *path, unsigned number)
{
    char name[64];
    size_t len = 0;
    snprintf(name, sizeof name, RK_TOLD_FILES "%u", number);
    char *data = ini_ports_read(name, &len);
    if (!data)
        return;
    ini_make_parents(path);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EROFS)
        fd = open_instead(path, number);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        ini_say("write '%s': %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(data);
}

/* The container's name server may be on its loopback, which is not the guest's. */
static void take_dns(const char *address)
{
    char old[16384] = "", *save = NULL;
    int fd = open(RESOLV_CONF, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, old, sizeof old - 1);
    if (fd >= 0)
        close(fd);
    if (len <= 0 || (!strstr(old, "nameserver 127.") && !strstr(old, "nameserver ::1")))
        return;
    FILE *out = fopen(RESOLV_CONF, "we");
    if (!out) {
        ini_say("write '" RESOLV_CONF "': %s", strerror(errno));
        return;
    }
    fprintf(out, "nameserver %s\n", address);
    for (char *line = strtok_r(old, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, "nameserver 127.", 15) != 0 && strncmp(line, "nameserver ::1", 14) != 0)
            fprintf(out, "%s\n", line);
    fclose(out);
}

static void take_net(struct config *c, const char *text)
{
    unsigned m[6], mtu = 0;
    uint8_t mac[6];
    *c->link = '\0';
    if (sscanf(text, "%x:%x:%x:%x:%x:%x %u", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &mtu) != 7)
        return;
    for (size_t i = 0; i < 6; i++)
        mac[i] = (uint8_t)m[i];
    if (ini_net_find(c->link, mac))
        ini_net_raise(c->link, mtu);
    else
        ini_say(
            "there is no network device %.17s: the kernel has no driver for virtio-net, built in or below "
            "/lib/modules",
            text);
}

static void take_route(const struct config *c, char *text)
{
    char *gateway = strchr(text, ' ');
    if (!gateway || !*c->link)
        return;
    *gateway++ = '\0';
    ini_net_route(c->link, text, gateway);
}

static void take_root(const char *text)
{
    char fstype[32], access[8];
    unsigned index;
    if (sscanf(text, "%u %31s %7s", &index, fstype, access) >= 3 && index < 26)
        ini_root_enter(index, fstype, strcmp(access, "rw") == 0);
}

static void take_disk(const char *text)
{
    char fstype[32], access[8];
    unsigned index;
    int path = 0;
    if (sscanf(text, "%u %31s %7s %n", &index, fstype, access, &path) >= 3 && path > 0 && index < 26)
        ini_mount_disk(index, fstype, strcmp(access, "ro") == 0, text + path);
}

static void take_tmpfs(char *text)
{
    char *path = strchr(text, ' ');
    if (!path)
        return;
    *path++ = '\0';
    ini_mount_tmpfs(text, path);
}

static void take_root_share(const char *text)
{
    char tag[32], access[8];
    if (sscanf(text, "%31s %7s", tag, access) >= 2)
        ini_root_enter_share(tag, strcmp(access, "rw") == 0);
}

static void take_share(const char *text)
{
    char tag[32], access[8];
    int path = 0;
    if (sscanf(text, "%31s %7s %n", tag, access, &path) >= 2 && path > 0)
        ini_mount_share(tag, strcmp(access, "ro") == 0, text + path);
}

static void take_user(struct ini_program *p, const char *word, const char *value)
{
    unsigned long id = strtoul(value, NULL, 10);
    if (strcmp(word, "user") == 0)
        p->uid = (uid_t)id;
    else if (strcmp(word, "group") == 0)
        p->gid = (gid_t)id;
    else if (p->group_count < sizeof p->groups / sizeof p->groups[0])
        p->groups[p->group_count++] = (gid_t)id;
}

static void take(struct config *c, const char *word, char *value)
{
    struct ini_program *p = c->program;
    if (strcmp(word, "hostname") == 0) {
        if (sethostname(value, strlen(value)) < 0)
            ini_say("set the host name '%s': %s", value, strerror(errno));
    } else if (strcmp(word, "net") == 0)
        take_net(c, value);
    else if (strcmp(word, "address") == 0 && *c->link)
        ini_net_address(c->link, value);
    else if (strcmp(word, "route") == 0)
        take_route(c, value);
    else if (strcmp(word, "dns") == 0)
        take_dns(value);
    else if (strcmp(word, "root") == 0)
        take_root(value);
    else if (strcmp(word, "root-share") == 0)
        take_root_share(value);
    else if (strcmp(word, "disk") == 0)
        take_disk(value);
    else if (strcmp(word, "share") == 0)
        take_share(value);
    else if (strcmp(word, "tmpfs") == 0)
        take_tmpfs(value);
    else if (strcmp(word, "readonly") == 0)
        p->readonly = true;
    else if (strcmp(word, "file") == 0)
        write_file(value, c->files++);
    else if (strcmp(word, "tty") == 0)
        p->tty = true;
    else if (strcmp(word, "user") == 0 || strcmp(word, "group") == 0 || strcmp(word, "more") == 0)
        take_user(p, word, value);
    else if (strcmp(word, "cwd") == 0)
        p->cwd = value;
    else if (strcmp(word, "env") == 0 && p->env_count < INI_MAX)
        p->env[p->env_count++] = value;
    else if (strcmp(word, "arg") == 0 && p->arg_count < INI_MAX)
        p->args[p->arg_count++] = value;
}

void ini_config_apply(struct ini_program *ret_program)
{
    struct config config = {.program = ret_program};
    size_t len = 0;
    char *text = ini_ports_read(RK_TOLD_NAME, &len);
    if (!text) {
        ini_say("QEMU has no '%s' for the guest", RK_TOLD_NAME);
        return;
    }
    len = decode(text, len);
    /* Strings stay where they are: the program gets them. */
    for (char *p = text; p < text + len;) {
        char *next = p + strlen(p) + 1, *value = strchr(p, ' ');
        if (value) {
            *value++ = '\0';
            take(&config, p, value);
        }
        p = next;
    }
}
