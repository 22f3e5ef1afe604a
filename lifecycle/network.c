/* The container's network at start. */
#include "lifecycle/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "lifecycle/apart.h"
#include "lifecycle/record_net.h"
#include "lifecycle/relay.h"
#include "sandbox/namespaces.h"

/* A visit to another network namespace; `own` leads back. */
struct visit {
    int own, there;
    struct net_session *session;
};

/* Leave the namespace. Staying in it would run hooks on the wrong network: not coming back ends the program,
 * but for a process that is there for this only. */
static void leave(struct visit *v)
{
    net_session_close(v->session);
    v->session = NULL;
    if (v->own >= 0 && setns(v->own, CLONE_NEWNET) < 0 && !ctr_apart_needed())
        abort();
    rk_close(&v->own);
    rk_close(&v->there);
}

static int enter(struct visit *v, const char *path, struct rk_err *err)
{
    *v = (struct visit){.own = -1, .there = -1};
    v->there = box_namespace_open(path, CLONE_NEWNET, err);
    if (v->there < 0)
        return v->there;
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(v->there, CLONE_NEWNET) < 0) {
        rk_fail_errno(err, "enter network namespace '%s'", path);
        rk_close(&own);
        rk_close(&v->there);
        return err->code;
    }
    v->own = own;
    RK_FAULT("network:entered");
    int r = net_session_open(&v->session, err);
    if (r < 0)
        leave(v);
    return r;
}

/* The address that a guest would call its own: the first global one, else the first (link-local ones of IPv6
 * excepted, which every guest makes itself). */
static const struct net_addr *main_address(const struct net_link *link, int family)
{
    const struct net_addr *first = NULL;
    for (size_t i = 0; i < link->addr_count; i++) {
        const struct net_addr *a = &link->addrs[i];
        if (a->family != family)
            continue;
        if (a->scope == RT_SCOPE_UNIVERSE)
            return a;
        if (!first && family == AF_INET)
            first = a;
    }
    return first;
}

static const char *gateway(const struct net_link *link, int family)
{
    const struct net_route *best = NULL;
    for (size_t i = 0; i < link->route_count; i++) {
        const struct net_route *r = &link->routes[i];
        if (r->family == family && r->is_default && *r->gateway && (!best || r->metric < best->metric))
            best = r;
    }
    return best ? best->gateway : "";
}

static void describe_link(struct bnd_guest_net *net, const struct net_link *link)
{
    const struct net_addr *v4 = main_address(link, AF_INET), *v6 = main_address(link, AF_INET6);
    snprintf(net->link, sizeof net->link, "%s", link->name);
    if (v4) {
        snprintf(net->ipv4, sizeof net->ipv4, "%.15s", v4->text);
        net->ipv4_prefix = v4->prefix;
        snprintf(net->ipv4_gateway, sizeof net->ipv4_gateway, "%.15s", gateway(link, AF_INET));
    }
    if (v6) {
        snprintf(net->ipv6, sizeof net->ipv6, "%s", v6->text);
        net->ipv6_prefix = v6->prefix;
        snprintf(net->ipv6_gateway, sizeof net->ipv6_gateway, "%s", gateway(link, AF_INET6));
    }
    memcpy(net->mac, link->mac, sizeof net->mac);
    net->mtu = link->mtu;
}

/* Note the routes of the last of network->nets that are not its default ones. */
static int describe_routes(struct ctr_network *network, const struct net_link *link)
{
    for (size_t i = 0; i < link->route_count; i++) {
        const struct net_route *r = &link->routes[i];
        if (r->is_default || !*r->gateway)
            continue;
        struct bnd_guest_route *routes =
            reallocarray(network->routes, network->route_count + 1, sizeof *routes);
        if (!routes)
            return -ENOMEM;
        network->routes = routes;
        struct bnd_guest_route *route = &routes[network->route_count++];
        *route = (struct bnd_guest_route){.net = network->net_count - 1};
        snprintf(route->destination, sizeof route->destination, "%s/%u", r->dst, r->prefix);
        snprintf(route->gateway, sizeof route->gateway, "%s", r->gateway);
    }
    return 0;
}

/* Which link each network device gets: links[d] for the d-th of them, NULL for none. By name first, then the
 * rest in order. */
static void match_links(const struct ctr_record *record, const struct net_survey *survey,
                        const struct net_link **links, bool *taken)
{
    size_t d = 0, next = 0;
    for (size_t i = 0; i < record->device_count; i++) {
        if (record->devices[i].type != RK_SOLO5_NET)
            continue;
        for (size_t l = 0; l < survey->link_count; l++) {
            if (strcmp(survey->links[l].name, record->devices[i].name) == 0) {
                links[d] = &survey->links[l];
                taken[l] = true;
            }
        }
        d++;
    }
    for (size_t i = 0; i < d; i++) {
        while (next < survey->link_count && taken[next])
            next++;
        if (!links[i] && next < survey->link_count) {
            links[i] = &survey->links[next];
            taken[next] = true;
        }
    }
}

static size_t net_device_count(const struct ctr_record *record)
{
    size_t n = 0;
    for (size_t i = 0; i < record->device_count; i++)
        n += record->devices[i].type == RK_SOLO5_NET;
    return n;
}

/* A guest without a manifest has a device for each link, called as the link is. */
static int add_devices(struct ctr_record *record, const struct net_survey *survey, struct rk_err *err)
{
    size_t count = record->device_count + survey->link_count;
    struct ctr_device *devices =
        record->any_net ? reallocarray(record->devices, count + 1, sizeof *devices) : NULL;
    if (!record->any_net)
        return 0;
    if (!devices)
        return rk_fail(err, -ENOMEM, "out of memory");
    record->devices = devices;
    for (size_t i = 0; i < survey->link_count; i++) {
        struct ctr_device *d = &devices[record->device_count++];
        *d = (struct ctr_device){.type = RK_SOLO5_NET};
        snprintf(d->name, sizeof d->name, "%s", survey->links[i].name);
    }
    return 0;
}

/* Wire device after device; record->wires tells how far that went. */
static int wire_all(struct ctr_network *network, struct ctr_record *record, struct net_session *session,
                    const struct net_link **links, bool relayed, struct rk_err *err)
{
    for (size_t i = 0, d = 0; i < record->device_count; i++) {
        if (record->devices[i].type != RK_SOLO5_NET)
            continue;
        const struct net_link *link = links[d++];
        struct ctr_wire *w = &record->wires[record->wire_count];
        w->wire.fd = -1;
        if (link && ctr_link_copy(&w->link, link) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
        int r = net_wire_make(&w->wire, session, link ? record->network_mode : "none", link,
                              record->tap_owner, relayed, err);
        if (r < 0) {
            free(w->link.addrs);
            free(w->link.routes);
            return rk_wrap(err, "network device '%s'", record->devices[i].name);
        }
        record->wire_count++;
        struct bnd_guest_net *net = &network->nets[network->net_count++];
        net->device = record->devices[i].name;
        if (link)
            describe_link(net, link);
        if (link && describe_routes(network, link) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
        memcpy(net->mac, w->wire.mac, sizeof net->mac);
        net->mtu = w->wire.mtu;
    }
    return 0;
}

static int undo_in(const struct ctr_record *record, struct net_session *session, struct rk_err *err)
{
    int first = 0;
    for (size_t i = record->wire_count; i-- > 0;) {
        struct rk_err one;
        const struct ctr_wire *w = &record->wires[i];
        int r = net_wire_undo(&w->wire, session, *w->wire.link ? &w->link : NULL, &one);
        RK_FAULT("network:undone-one");
        if (r < 0 && first == 0) {
            *err = one;
            first = r;
        }
    }
    return first;
}

/* All that happens inside the namespace. */
static int make_inside(struct ctr_network *network, struct ctr_record *record, struct net_session *session,
                       struct ctr_relay *relay, struct rk_err *err)
{
    struct net_survey survey;
    int r = net_survey_take(&survey, session, err);
    if (r < 0)
        return r;
    if ((r = add_devices(record, &survey, err)) < 0) {
        net_survey_fini(&survey);
        return r;
    }
    size_t devices = net_device_count(record);
    rk_autofree const struct net_link **links = calloc(devices + 1, sizeof *links);
    rk_autofree bool *taken = calloc(survey.link_count + 1, sizeof *taken);
    network->nets = calloc(devices + survey.link_count + 1, sizeof *network->nets);
    record->wires = calloc(devices + 1, sizeof *record->wires);
    if (!links || !taken || !network->nets || !record->wires) {
        r = rk_fail(err, -ENOMEM, "out of memory");
    } else {
        match_links(record, &survey, links, taken);
        r = wire_all(network, record, session, links, relay->wanted, err);
        for (size_t i = 0; i < survey.link_count && r == 0; i++)
            if (!taken[i])
                describe_link(&network->nets[network->net_count++], &survey.links[i]);
        if (r == 0)
            r = ctr_relay_attach(relay, record, network->nets, err);
    }
    net_survey_fini(&survey);
    RK_FAULT("network:wired");
    if (r < 0) {
        struct rk_err ignored;
        undo_in(record, session, &ignored);
        ctr_record_wires_fini(record);
        ctr_network_fini(network);
    }
    return r;
}

bool ctr_network_needed(const struct ctr_record *record, bool describe)
{
    return describe || record->any_net || net_device_count(record) > 0;
}

int ctr_network_make(struct ctr_network *ret_network, struct ctr_record *record, bool describe,
                     struct ctr_relay *relay, struct rk_err *err)
{
    struct ctr_network network = {.net_count = 0};
    struct visit visit;
    char path[64];
    size_t devices = net_device_count(record);
    *ret_network = network;
    if (!ctr_network_needed(record, describe))
        return 0;
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)record->process.pid);
    int r = enter(&visit, path, err);
    if (r < 0)
        return r;
    /* Asked when the namespace is held: had the process ended before, its number could be another's by now.
     */
    if (!rk_process_alive(&record->process))
        r = rk_fail(err, -ESRCH, "the container's process has ended");
    else if (record->any_net && rk_same_file(visit.own, visit.there))
        r = rk_fail(err, -EINVAL,
                    "the container is on the host's own network, where a guest in QEMU can have no address: "
                    "use a bridge network instead of --network host, or none");
    else if (devices > 0 && rk_same_file(visit.own, visit.there))
        r = rk_fail(err, -EINVAL,
                    "the container is on the host's own network, but its image has a network device and "
                    "needs an address "
                    "of its own: use a bridge network instead of --network host");
    else
        r = make_inside(&network, record, visit.session, relay, err);
    leave(&visit);
    if (r == 0)
        *ret_network = network;
    return r;
}

int ctr_network_keep(const struct ctr_record *record, struct rk_err *err)
{
    int r = 0;
    for (size_t i = 0; i < record->wire_count && r == 0; i++)
        r = net_wire_keep(&record->wires[i].wire, err);
    return r;
}

struct undoing {
    const struct ctr_record *record;
    const char *netns;
};

static int undo(void *data, struct rk_err *err)
{
    const struct undoing *u = data;
    struct visit visit;
    int r = enter(&visit, u->netns, err);
    if (r < 0) /* where nobody can go, nothing was made */
        return u->record->wire_count > 0 ? r : 0;
    if (u->record->wire_count > 0)
        r = undo_in(u->record, visit.session, err);
    else if (!rk_same_file(visit.own, visit.there)) /* never on the host's own links */
        r = net_wire_sweep(visit.session, err);
    leave(&visit);
    return r;
}

int ctr_network_undo(const struct ctr_record *record, const char *netns, struct rk_err *err)
{
    struct undoing u = {record, netns};
    if (net_device_count(record) == 0 || access(netns, F_OK) < 0)
        return 0;
    return ctr_apart_needed() ? ctr_apart(record, undo, &u, err) : undo(&u, err);
}

void ctr_network_fini(struct ctr_network *network)
{
    free(network->nets);
    free(network->routes);
    *network = (struct ctr_network){.net_count = 0};
}
