/* Placeholders in a guest's arguments. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/guest.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define VALUE_SIZE 512 /* the longest value: a host name, or an IPv6 address with its prefix */

/* Each writes the value for `net` (NULL: there is no device) into `out`; empty when there is none. */
typedef void value_fn(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE]);

static void ipv4(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    snprintf(out, VALUE_SIZE, "%s", net->ipv4);
}

static void ipv4_cidr(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    if (*net->ipv4)
        snprintf(out, VALUE_SIZE, "%s/%u", net->ipv4, net->ipv4_prefix);
}

static void ipv4_prefix(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    if (*net->ipv4)
        snprintf(out, VALUE_SIZE, "%u", net->ipv4_prefix);
}

static void ipv4_netmask(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    uint32_t mask = net->ipv4_prefix ? htonl(UINT32_MAX << (32 - net->ipv4_prefix)) : 0;
    if (*net->ipv4)
        inet_ntop(AF_INET, &mask, out, VALUE_SIZE);
}

static void ipv4_gateway(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    snprintf(out, VALUE_SIZE, "%s", net->ipv4_gateway);
}

static void ipv6(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    snprintf(out, VALUE_SIZE, "%s", net->ipv6);
}

static void ipv6_cidr(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    if (*net->ipv6)
        snprintf(out, VALUE_SIZE, "%s/%u", net->ipv6, net->ipv6_prefix);
}

static void ipv6_prefix(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    if (*net->ipv6)
        snprintf(out, VALUE_SIZE, "%u", net->ipv6_prefix);
}

static void ipv6_gateway(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    snprintf(out, VALUE_SIZE, "%s", net->ipv6_gateway);
}

static void mac(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    const uint8_t *m = net->mac;
    snprintf(out, VALUE_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void mtu(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)guest;
    snprintf(out, VALUE_SIZE, "%u", net->mtu);
}

static void hostname(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)net;
    snprintf(out, VALUE_SIZE, "%s", guest->hostname ? guest->hostname : "");
}

static void dns(const struct bnd_guest *guest, const struct bnd_guest_net *net, char out[VALUE_SIZE])
{
    (void)net;
    snprintf(out, VALUE_SIZE, "%s", guest->dns ? guest->dns : "");
}

static const struct {
    const char *name;
    value_fn *value;
    bool of_device; /* {NAME.name} exists too, and a device is needed */
} placeholders[] = {
    {"ipv4", ipv4, true},
    {"ipv4.cidr", ipv4_cidr, true},
    {"ipv4.prefix", ipv4_prefix, true},
    {"ipv4.netmask", ipv4_netmask, true},
    {"ipv4.gateway", ipv4_gateway, true},
    {"ipv6", ipv6, true},
    {"ipv6.cidr", ipv6_cidr, true},
    {"ipv6.prefix", ipv6_prefix, true},
    {"ipv6.gateway", ipv6_gateway, true},
    {"mac", mac, true},
    {"mtu", mtu, true},
    {"hostname", hostname, false},
    {"dns", dns, false},
};

static size_t find_placeholder(const char *name)
{
    size_t i = 0;
    while (i < RK_COUNT(placeholders) && strcmp(placeholders[i].name, name) != 0)
        i++;
    return i;
}

/* The net that "NAME.…" speaks of, or the first one; *ret_rest is the name without it. A name that is a
 * placeholder as it stands stays one, also when a device is called "ipv4". */
static const struct bnd_guest_net *find_net(const struct bnd_guest *guest, const char *name,
                                            const char **ret_rest)
{
    *ret_rest = name;
    if (find_placeholder(name) < RK_COUNT(placeholders))
        return guest->net_count > 0 ? &guest->nets[0] : NULL;
    for (size_t i = 0; i < guest->net_count; i++) {
        const char *device = guest->nets[i].device;
        size_t len = device ? strlen(device) : 0;
        if (len > 0 && strncmp(name, device, len) == 0 && name[len] == '.') {
            *ret_rest = name + len + 1;
            return &guest->nets[i];
        }
    }
    return NULL;
}

/* 1: `out` is the value of placeholder `name`; 0: there is no such placeholder; negative: it has no value
 * here. */
static int value_of(const char *name, const struct bnd_guest *guest, char out[VALUE_SIZE])
{
    const char *rest;
    const struct bnd_guest_net *net = find_net(guest, name, &rest);
    size_t i = find_placeholder(rest);
    if (i == RK_COUNT(placeholders) || (rest != name && !placeholders[i].of_device))
        return 0;
    out[0] = '\0';
    if (net || !placeholders[i].of_device)
        placeholders[i].value(guest, net, out);
    return out[0] ? 1 : -EINVAL;
}

int bnd_guest_fill(char **ret, const char *arg, const struct bnd_guest *guest, struct rk_err *err)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return rk_fail_errno(err, "out of memory");
    int r = 0;
    for (const char *p = arg; *p;) {
        char name[128], value[VALUE_SIZE];
        size_t len = p[0] == '{' ? strcspn(p + 1, "{}") : 0;
        if (p[0] == '{' && p[1] == '{') {
            fputc('{', out);
            p += 2;
            continue;
        }
        if (len > 0 && len < sizeof name && p[1 + len] == '}') {
            snprintf(name, sizeof name, "%.*s", (int)len, p + 1);
            r = value_of(name, guest, value);
            if (r < 0) {
                rk_fail(
                    err, r,
                    "{%s} has no value on this network (\"{{\" writes a plain brace), in argument '%.512s'",
                    name, arg);
                break;
            }
            if (r > 0) {
                fputs(value, out);
                p += len + 2;
                continue;
            }
        }
        fputc(*p++, out);
    }
    if (fclose(out) != 0 && r >= 0)
        r = rk_fail(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(text);
        return r;
    }
    *ret = text;
    return 0;
}
