/* The relay's sockets, command line and start. */
#include "lifecycle/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/family.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lifecycle/init.h"
#include "lifecycle/network.h"
#include "netplumb/relay.h"
#include "netplumb/relay/address.h"

#define RELAY_BINARY "runuk-relay"
#define ROUTES_MAX   32 /* that a relay takes for one device */

static int out_of_memory(struct rk_err *err)
{
    return rk_fail(err, -ENOMEM, "out of memory");
}

int ctr_relay_plan(struct ctr_relay *ret_relay, const struct ctr_record *record, const char *monitor_dir,
                   struct rk_err *err)
{
    struct ctr_relay relay = {.program = -1, .ports = -1};
    char path[PATH_MAX];
    const struct bnd_family *family = bnd_family_find(record->family);
    if (ctr_resolvers_read(&relay.resolvers, record) < 0)
        return out_of_memory(err);
    bool dhcp = family && bnd_family_dhcp(family, &record->keys);
    relay.wanted = ctr_network_needed(record, false) && (relay.resolvers.inside || dhcp);
    if (relay.wanted) {
        snprintf(path, sizeof path, "%s/" RELAY_BINARY, monitor_dir);
        relay.program = open(path, O_PATH | O_CLOEXEC);
        if (relay.program < 0) {
            ctr_resolvers_fini(&relay.resolvers);
            return rk_fail(
                err, -ENOENT,
                "there is no '%s', which passes DNS and DHCP on to the guest: install runuk, or set "
                "\"monitor_dir\" in its settings",
                path);
        }
    }
    *ret_relay = relay;
    return 0;
}

/* Hand a descriptor over; its number in the relay, or a negative errno. */
static int add_fd(struct ctr_relay *relay, int fd)
{
    if (fd < 0 || relay->fd_count == RK_MESSAGE_FDS - 1) { /* one more is the binary */
        rk_close(&fd);
        return -E2BIG;
    }
    relay->fds[relay->fd_count++] = fd;
    return CTR_SLOT_FIRST + (int)relay->fd_count - 1;
}

/* What DHCP tells of one device. */
static int describe_net(struct rk_argv *argv, const struct bnd_guest_net *net, const struct net_link *link)
{
    const uint8_t *m = net->mac;
    size_t routes = 0;
    int r = rk_argv_addf(argv, "--mac=%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    if (r == 0)
        r = rk_argv_addf(argv, "--mtu=%u", net->mtu);
    if (r == 0 && *net->ipv4)
        r = rk_argv_addf(argv, "--ipv4=%s/%u", net->ipv4, net->ipv4_prefix);
    if (r == 0 && *net->ipv4_gateway)
        r = rk_argv_addf(argv, "--gateway=%s", net->ipv4_gateway);
    for (size_t i = 0; i < link->route_count && r == 0; i++) {
        const struct net_route *route = &link->routes[i];
        /* The kernel's own are those of the addresses' networks. */
        if (route->family != AF_INET || route->is_default || route->protocol == RTPROT_KERNEL ||
            route->table != RT_TABLE_MAIN || routes++ == ROUTES_MAX)
            continue;
        r = rk_argv_addf(argv, "--route=%s/%u,%s", route->dst, route->prefix,
                         *route->gateway ? route->gateway : "0.0.0.0");
    }
    return r;
}

static int attach_nets(struct ctr_relay *relay, struct ctr_record *record, const struct bnd_guest_net *nets,
                       struct rk_err *err)
{
    for (size_t i = 0; i < record->wire_count; i++) {
        const struct ctr_wire *w = &record->wires[i];
        if (!w->wire.relayed)
            continue;
        int fd = net_relay_port(&w->wire, err);
        if (fd < 0)
            return fd;
        int number = add_fd(relay, fd);
        if (number < 0)
            return rk_fail(err, number, "more network devices than a relay serves");
        if (rk_argv_addf(&relay->argv, "--net=@%d", number) < 0 ||
            describe_net(&relay->argv, &nets[i], &w->link) < 0)
            return out_of_memory(err);
    }
    return 0;
}

/* The relay asks, when one of them is where the guest cannot; else the guest asks itself, and is told by
 * DHCP, which has no place for those of IPv6. */
static int add_servers(struct ctr_relay *relay)
{
    const struct ctr_resolvers *resolvers = &relay->resolvers;
    int r = 0;
    for (size_t i = 0; i < resolvers->count && r == 0; i++) {
        const char *server = resolvers->servers[i];
        if (resolvers->inside)
            r = rk_argv_addf(&relay->argv, "--server=%s", server);
        else if (!strchr(server, ':'))
            r = rk_argv_addf(&relay->argv, "--dns=%s", server);
    }
    if (r == 0 && resolvers->inside)
        r = rk_argv_add(&relay->argv, "--dns=" RLY_ADDRESS_TEXT);
    return r;
}

int ctr_relay_attach(struct ctr_relay *relay, struct ctr_record *record, const struct bnd_guest_net *nets,
                     struct rk_err *err)
{
    const struct rk_argv *search = &relay->resolvers.search;
    bool any = false;
    for (size_t i = 0; i < record->wire_count; i++)
        any = any || record->wires[i].wire.relayed;
    relay->wanted = relay->wanted && any; /* devices without a link have nobody to talk to */
    if (!relay->wanted)
        return 0;
    int r = rk_argv_add(&relay->argv, RELAY_BINARY);
    if (r == 0 && record->hostname && *record->hostname)
        r = rk_argv_addf(&relay->argv, "--hostname=%s", record->hostname);
    for (size_t i = 0; i < search->n && r == 0; i++)
        r = rk_argv_addf(&relay->argv, "--search=%s", search->v[i]);
    if (r < 0 || add_servers(relay) < 0)
        return out_of_memory(err);
    if ((r = attach_nets(relay, record, nets, err)) < 0)
        return rk_wrap(err, "prepare the relay for DNS and DHCP");
    if (relay->resolvers.inside && (r = net_ports_open(&relay->ports, &record->wires[0].wire)) < 0)
        rk_log(RK_LOG_WARN,
               "net.ipv4.ip_local_port_range cannot be set (%s): the guest may not get answers for names "
               "outside "
               "of its network",
               strerror(-r));
    RK_FAULT("network:relay-attached");
    return 0;
}

void ctr_relay_reserve(const struct ctr_relay *relay)
{
    int r = relay->wanted ? net_ports_reserve(relay->ports) : 0;
    if (r < 0)
        rk_log(RK_LOG_WARN, "set net.ipv4.ip_local_port_range: %s", strerror(-r));
}

int ctr_relay_send(const struct ctr_relay *relay, int gate, struct rk_err *err)
{
    int fds[RK_MESSAGE_FDS];
    size_t len = 1;
    if (!relay->wanted)
        return 0;
    rk_autofree char *msg = malloc(RK_MESSAGE_SIZE);
    if (!msg)
        return out_of_memory(err);
    msg[0] = CTR_MSG_RELAY;
    for (size_t i = 0; i < relay->argv.n; i++) {
        size_t n = strlen(relay->argv.v[i]) + 1;
        if (len + n > RK_MESSAGE_SIZE)
            return rk_fail(err, -E2BIG, "the relay's command line is longer than %d bytes", RK_MESSAGE_SIZE);
        memcpy(msg + len, relay->argv.v[i], n);
        len += n;
    }
    fds[0] = relay->program;
    memcpy(fds + 1, relay->fds, relay->fd_count * sizeof fds[0]);
    int r = rk_message_send(gate, msg, len, fds, relay->fd_count + 1);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "talk to the container's waiting process");
    }
    RK_FAULT("start:relay");
    return 0;
}

const char *ctr_relay_dns(const struct ctr_relay *relay)
{
    if (relay->wanted && relay->resolvers.inside)
        return RLY_ADDRESS_TEXT;
    return relay->resolvers.count > 0 ? relay->resolvers.servers[0] : "";
}

void ctr_relay_fini(struct ctr_relay *relay)
{
    for (size_t i = 0; i < relay->fd_count; i++)
        rk_close(&relay->fds[i]);
    rk_close(&relay->program);
    rk_close(&relay->ports);
    rk_argv_fini(&relay->argv);
    ctr_resolvers_fini(&relay->resolvers);
    *relay = (struct ctr_relay){.program = -1, .ports = -1};
}
