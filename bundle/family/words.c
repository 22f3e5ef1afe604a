/* What the families share: reading what a guest is to be told, and saying what can't be told. */
#include "bundle/family/words.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"

/* Set by engines in every container, and of little use to a guest: no reason to warn. */
static const char *const engines_set[] = {"PATH", "HOME", "HOSTNAME", "TERM", "container"};

bool bnd_words_key(const struct bnd_guest *guest, const char *name, size_t *ret_times)
{
    size_t len = strlen(name);
    for (size_t i = 0; guest->keys && i < guest->keys->n; i++) {
        const char *key = guest->keys->v[i];
        if (strncmp(key, name, len) != 0 || (key[len] != '\0' && key[len] != ':'))
            continue;
        if (ret_times && key[len] == ':')
            *ret_times = strtoul(key + len + 1, NULL, 10);
        return true;
    }
    return false;
}

const struct bnd_guest_net *bnd_words_net(const struct bnd_guest *guest, size_t i)
{
    for (size_t n = 0; n < guest->net_count; n++)
        if (guest->nets[n].device && i-- == 0)
            return &guest->nets[n];
    return NULL;
}

const struct bnd_guest_mount *bnd_words_root(const struct bnd_guest *guest)
{
    for (size_t i = 0; i < guest->mount_count; i++)
        if (strcmp(guest->mounts[i].destination, "/") == 0)
            return &guest->mounts[i];
    return NULL;
}

void bnd_words_netmask(char out[INET_ADDRSTRLEN], unsigned prefix)
{
    uint32_t mask = prefix ? htonl(UINT32_MAX << (prefix < 32 ? 32 - prefix : 0)) : 0;
    inet_ntop(AF_INET, &mask, out, INET_ADDRSTRLEN);
}

bool bnd_words_is_hostname(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    for (size_t i = 0; i < n; i++)
        if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.'))
            return false;
    return n > 0 && s[0] != '-';
}

int bnd_words_args(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    for (size_t i = 0; guest->args && i < guest->args->n; i++) {
        rk_autofree char *filled = NULL;
        int r = bnd_guest_fill(&filled, guest->args->v[i], guest, err);
        if (r < 0)
            return r;
        if (rk_argv_add(ret, filled) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

int bnd_words_verbatim(char **ret_text, const struct bnd_guest *guest, struct rk_err *err)
{
    if (!guest->verbatim)
        return 0;
    int r = bnd_guest_fill(ret_text, guest->args && guest->args->n > 0 ? guest->args->v[0] : "", guest, err);
    return r < 0 ? r : 1;
}

int bnd_words_add_verbatim(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    int r = bnd_words_verbatim(&text, guest, err);
    if (r > 0 && *text && rk_argv_add(ret, text) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return r;
}

void bnd_words_show(char out[BND_WORDS_SHOWN], const char *text)
{
    char *p = out;
    for (; *text && p < out + BND_WORDS_SHOWN - 8; text++) {
        if (isascii(*text) && isprint((unsigned char)*text))
            *p++ = *text;
        else
            p += sprintf(p, "\\x%02x", (unsigned char)*text);
    }
    snprintf(p, 4, "%s", *text ? "..." : "");
}

int bnd_words_refuse(struct rk_err *err, const char *family, const char *what, const char *text,
                     const char *why)
{
    char shown[BND_WORDS_SHOWN];
    bnd_words_show(shown, text);
    /* Values are secrets sometimes; names are not. */
    if (strcmp(what, BND_WORDS_VARIABLE) == 0)
        shown[strcspn(shown, "=")] = '\0';
    return rk_fail(err, -EINVAL, "%s '%s' can't be passed to a guest of family %s: %s", what, shown, family,
                   why);
}

void bnd_words_warn(const struct bnd_guest *guest, const char *fmt, ...)
{
    rk_autofree char *line = NULL;
    va_list ap;
    if (!guest->warnings)
        return;
    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0)
        line = NULL;
    va_end(ap);
    for (size_t i = 0; line && i < guest->warnings->n; i++)
        if (strcmp(guest->warnings->v[i], line) == 0)
            return;
    if (line)
        rk_argv_add(guest->warnings, line); /* without memory the start has other troubles */
}

bool bnd_words_is_engines(const char *variable)
{
    size_t len = strcspn(variable, "=");
    for (size_t i = 0; i < RK_COUNT(engines_set); i++)
        if (strlen(engines_set[i]) == len && strncmp(engines_set[i], variable, len) == 0)
            return true;
    return false;
}

/* The variable that counts: of several with one name the last one, as in a process whose libc puts them in.
 */
static bool is_last(const struct rk_argv *env, size_t i)
{
    size_t len = strcspn(env->v[i], "=") + 1;
    for (size_t k = i + 1; k < env->n; k++)
        if (strncmp(env->v[i], env->v[k], len) == 0)
            return false;
    return true;
}

int bnd_words_env(struct rk_argv *ret, const struct bnd_guest *guest, const char *family, size_t max,
                  struct rk_err *err)
{
    size_t first = ret->n, named = 0;
    for (int engines = 0; engines < 2; engines++) {
        for (size_t i = 0; guest->env && i < guest->env->n; i++) {
            const char *v = guest->env->v[i];
            char shown[BND_WORDS_SHOWN];
            if (bnd_words_is_engines(v) != engines || (strchr(v, '=') && !is_last(guest->env, i)))
                continue;
            if (v[0] == '=' || !strchr(v, '=')) {
                bnd_words_show(shown, v[0] == '=' ? "=" : v);
                bnd_words_warn(guest, "environment variable '%s' has no name or no value and is left out",
                               shown);
                continue;
            }
            named += !engines;
            if (ret->n - first < max && rk_argv_add(ret, v) < 0)
                return rk_fail(err, -ENOMEM, "out of memory");
        }
    }
    if (named > max)
        return rk_fail(err, -E2BIG,
                       "the environment has %zu variables beside those that engines set, and this guest of "
                       "family %s takes at most %zu",
                       named, family, max);
    return 0;
}

void bnd_words_no_env(const struct bnd_guest *guest, const char *family)
{
    char names[BND_WORDS_SHOWN] = "", shown[BND_WORDS_SHOWN];
    size_t n = 0;
    for (size_t i = 0; guest->env && i < guest->env->n; i++) {
        if (bnd_words_is_engines(guest->env->v[i]))
            continue;
        if (n++ > 0)
            continue;
        snprintf(names, sizeof names, "%.*s", (int)strcspn(guest->env->v[i], "="), guest->env->v[i]);
    }
    bnd_words_show(shown, names);
    if (n == 1)
        bnd_words_warn(guest,
                       "a guest of family %s takes no environment here: variable '%s' is not passed on",
                       family, shown);
    else if (n > 1)
        bnd_words_warn(guest,
                       "a guest of family %s takes no environment here: variable '%s' and %zu more are not "
                       "passed on",
                       family, shown, n - 1);
}

void bnd_words_no_cwd(const struct bnd_guest *guest, const char *family)
{
    char shown[BND_WORDS_SHOWN];
    if (!guest->cwd || !*guest->cwd || strcmp(guest->cwd, "/") == 0)
        return;
    bnd_words_show(shown, guest->cwd);
    bnd_words_warn(guest, "a guest of family %s can't be given a working directory: '%s' is not passed on",
                   family, shown);
}

void bnd_words_no_args(const struct bnd_guest *guest, const char *family)
{
    if (guest->args && guest->args->n > 0)
        bnd_words_warn(guest, "a guest of family %s takes no arguments here: they are not passed on", family);
}

void bnd_words_no_ipv4(const struct bnd_guest *guest, const char *family)
{
    const struct bnd_guest_net *net;
    for (size_t i = 0; (net = bnd_words_net(guest, i)); i++)
        if (*net->ipv4)
            bnd_words_warn(guest,
                           "a guest of family %s can't be told an IPv4 address here: %s is not passed on",
                           family, net->ipv4);
}

void bnd_words_no_ipv6(const struct bnd_guest *guest, const char *family)
{
    const struct bnd_guest_net *net;
    for (size_t i = 0; (net = bnd_words_net(guest, i)); i++)
        if (*net->ipv6)
            bnd_words_warn(guest, "a guest of family %s can't be told an IPv6 address: %s is not passed on",
                           family, net->ipv6);
}

void bnd_words_no_mounts(const struct bnd_guest *guest, const char *family)
{
    char shown[BND_WORDS_SHOWN];
    for (size_t i = 0; i < guest->mount_count; i++) {
        if (guest->mounts[i].kind == BND_MOUNT_DISK)
            continue; /* it finds the device itself */
        bnd_words_show(shown, guest->mounts[i].destination);
        bnd_words_warn(guest, "a guest of family %s can't be told to mount anything: '%s' is not mounted",
                       family, shown);
    }
}

void bnd_words_no_routes(const struct bnd_guest *guest, const char *family)
{
    for (size_t i = 0; i < guest->route_count; i++)
        bnd_words_warn(guest, "a guest of family %s can't be told further routes: %s is not passed on",
                       family, guest->routes[i].destination);
}
