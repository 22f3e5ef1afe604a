/* What a guest is to be told: its arguments, and the network as it was found; plain types that families read.
 */
#ifndef BND_GUEST_H
#define BND_GUEST_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundle/boot.h"
#include "lib/argv.h"

/* A network device of the guest, or (device NULL) a link that no device stands for. Texts are empty when
 * there is none. */
struct bnd_guest_net {
    const char *device; /* the name in the manifest */
    char link[IF_NAMESIZE];
    char ipv4[INET_ADDRSTRLEN], ipv4_gateway[INET_ADDRSTRLEN];
    char ipv6[INET6_ADDRSTRLEN], ipv6_gateway[INET6_ADDRSTRLEN];
    unsigned ipv4_prefix, ipv6_prefix; /* bits */
    uint8_t mac[6];
    unsigned mtu;
};

struct rk_err;

struct bnd_guest {
    enum bnd_kind kind;         /* how it is booted */
    const char *program;        /* the image's path in the container: what a process would have as argv[0] */
    const struct rk_argv *args; /* process.args without the image itself */
    bool verbatim;             /* args is one string, the user's part of the command line: it is not quoted */
    const struct rk_argv *env; /* process.env, "NAME=VALUE" */
    const char *cwd;           /* process.cwd */
    const struct rk_argv *keys; /* the option names that the image contains, of those its family knows */
    const char *hostname;
    const char *dns; /* the first name server of the container's resolv.conf; empty: none */
    const struct bnd_guest_net *nets;
    size_t net_count;
};

/* Fill the placeholders of one argument: {ipv4}, {ipv4.cidr}, {ipv4.prefix}, {ipv4.netmask}, {ipv4.gateway},
 * the same with ipv6 (no netmask), {mac}, {mtu} for the first device, {NAME.ipv4} … for the device NAME,
 * {hostname}, {dns}; "{{" is one brace; any other brace stays. *ret is heap memory. -EINVAL when a
 * placeholder has no value here, naming it and the argument. */
int bnd_guest_fill(char **ret, const char *arg, const struct bnd_guest *guest, struct rk_err *err);

#endif
