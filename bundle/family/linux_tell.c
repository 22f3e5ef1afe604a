/* Writes what runuk-init reads. */
#include "bundle/family/linux_tell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/told.h"

/* One string of the file. */
__attribute__((format(printf, 2, 3))) static void tell(FILE *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(out, fmt, args);
    va_end(args);
    fputc('\0', out);
}

static void tell_net(FILE *out, const struct bnd_guest_net *n)
{
    const uint8_t *m = n->mac;
    tell(out, "net %02x:%02x:%02x:%02x:%02x:%02x %u", m[0], m[1], m[2], m[3], m[4], m[5], n->mtu);
    if (*n->ipv4)
        tell(out, "address %s/%u", n->ipv4, n->ipv4_prefix);
    if (*n->ipv6)
        tell(out, "address %s/%u", n->ipv6, n->ipv6_prefix);
}

/* A gateway outside the link's own network is reached by a route of its own: that to it goes first. */
static void tell_routes(FILE *out, const struct bnd_guest *guest, size_t i)
{
    const struct bnd_guest_net *n = bnd_words_net(guest, i);
    for (size_t k = 0; k < guest->route_count; k++)
        if (&guest->nets[guest->routes[k].net] == n)
            tell(out, "route %s %s", guest->routes[k].destination,
                 *guest->routes[k].gateway ? guest->routes[k].gateway : "-");
    /* A relay is on the link itself, whatever the routes say. */
    if (i == 0 && guest->dns && strncmp(guest->dns, "169.254.", 8) == 0)
        tell(out, "route %s/32 -", guest->dns);
    if (*n->ipv4_gateway)
        tell(out, "route 0.0.0.0/0 %s", n->ipv4_gateway);
    if (*n->ipv6_gateway)
        tell(out, "route ::/0 %s", n->ipv6_gateway);
}

static void tell_all(FILE *out, const char *word, const struct rk_argv *values)
{
    for (size_t i = 0; values && i < values->n; i++)
        tell(out, "%s %s", word, values->v[i]);
}

static void tell_user(FILE *out, const struct rk_argv *user)
{
    for (size_t i = 0; user && i < user->n; i++)
        tell(out, "%s %s", i == 0 ? "user" : i == 1 ? "group" : "more", user->v[i]);
}

/* The program and its arguments. */
static int tell_args(FILE *out, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    rk_autofree char *text = NULL;
    int r = bnd_words_verbatim(&text, guest, err);
    if (r == 0)
        r = bnd_words_args(&args, guest, err);
    if (r < 0)
        return r;
    char *save = NULL, *word = text && text[0] == '/' ? strtok_r(text, " ", &save) : NULL;
    for (; word; word = strtok_r(NULL, " ", &save))
        tell(out, "arg %s", word);
    tell_all(out, "arg", &args);
    return 0;
}

/* Whether a disk is mounted above that of a tmpfs, which then has to wait for it. */
static bool is_on_disk(const struct bnd_guest *guest, const char *path)
{
    for (size_t i = 0; i < guest->mount_count; i++) {
        size_t len = strlen(guest->mounts[i].destination);
        if (strncmp(path, guest->mounts[i].destination, len) == 0 && (path[len] == '/' || path[len] == '\0'))
            return true;
    }
    return false;
}

static void tell_tmpfs(FILE *out, const struct bnd_guest *guest, bool on_disk)
{
    for (size_t i = 0; guest->tmpfs && i < guest->tmpfs->n; i++) {
        const char *path = strchr(guest->tmpfs->v[i], ' ');
        if (path && is_on_disk(guest, path + 1) == on_disk)
            tell(out, "tmpfs %s", guest->tmpfs->v[i]);
    }
}

/* The root goes first: drivers of all else are there. */
static void tell_root(FILE *out, const struct bnd_guest *guest)
{
    const struct bnd_guest_mount *root = bnd_words_root(guest);
    if (root && root->kind == BND_MOUNT_9P)
        tell(out, "root-share %s %s", root->tag, guest->root_readonly ? "ro" : "rw");
    else if (root && root->kind == BND_MOUNT_DISK)
        tell(out, "root %u %s %s", root->index, root->fstype, guest->root_readonly ? "ro" : "rw");
}

static void tell_mount(FILE *out, const struct bnd_guest_mount *m)
{
    const char *access = m->readonly ? "ro" : "rw";
    if (m->kind == BND_MOUNT_9P)
        tell(out, "share %s %s %s", m->tag, access, m->destination);
    else
        tell(out, "disk %u %s %s %s", m->index, m->fstype, access, m->destination);
}

static int write_all(FILE *out, const struct bnd_guest *guest, struct rk_err *err)
{
    tell_root(out, guest);
    if (guest->hostname && *guest->hostname)
        tell(out, "hostname %s", guest->hostname);
    for (size_t i = 0; bnd_words_net(guest, i); i++) {
        tell_net(out, bnd_words_net(guest, i));
        tell_routes(out, guest, i);
    }
    tell_tmpfs(out, guest, false);
    for (size_t i = 0; i < guest->mount_count; i++)
        if (&guest->mounts[i] != bnd_words_root(guest))
            tell_mount(out, &guest->mounts[i]);
    tell_tmpfs(out, guest, true);
    tell_all(out, "file", guest->files);
    if (guest->dns && *guest->dns)
        tell(out, "dns %s", guest->dns);
    if (guest->terminal)
        tell(out, "tty 1");
    if (guest->root_readonly)
        tell(out, "readonly 1");
    tell_user(out, guest->user);
    tell(out, "cwd %s", guest->cwd && *guest->cwd ? guest->cwd : "/");
    tell_all(out, "env", guest->env);
    return tell_args(out, guest, err);
}

int bnd_linux_tell(char **ret_text, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autofree char *data = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&data, &len);
    int r = out ? write_all(out, guest, err) : 0;
    char *text = !out || fclose(out) != 0 || r < 0 ? NULL : malloc(2 * len + 1);
    if (!text)
        return r < 0 ? r : rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < len; i++)
        sprintf(text + 2 * i, "%02x", (unsigned char)data[i]);
    text[2 * len] = '\0';
    *ret_text = text;
    return 0;
}
