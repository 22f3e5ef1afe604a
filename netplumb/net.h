/* The container's network, as netlink tells it, and the taps that put a guest on it.
 *
 * Every function here works on the network namespace that the calling thread is in, and knows nothing of
 * containers or JSON. struct net_session is one netlink socket; open it after setns. */
#ifndef NET_NET_H
#define NET_NET_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rk_err;
struct net_session;

struct net_addr {
    int family;                  /* AF_INET, AF_INET6 */
    unsigned prefix;             /* bits */
    uint8_t scope;               /* RT_SCOPE_… */
    char text[INET6_ADDRSTRLEN]; /* "172.17.0.2" */
};

struct net_route {
    int family;
    bool is_default;
    unsigned prefix;                /* of dst; 0 for a default route */
    char dst[INET6_ADDRSTRLEN];     /* "0.0.0.0" or "::" for a default route */
    char gateway[INET6_ADDRSTRLEN]; /* empty: on-link */
    unsigned metric;
    uint8_t protocol, scope; /* RTPROT_…, RT_SCOPE_… */
    uint32_t table;
};

/* A link other than lo, with what is on it. */
struct net_link {
    char name[IF_NAMESIZE];
    int ifindex;
    uint8_t mac[6];
    unsigned mtu;
    bool up;
    struct net_addr *addrs; /* in the kernel's order */
    size_t addr_count;
    /* Of every protocol, whose output link is this one; no local, broadcast or multicast ones. */
    struct net_route *routes;
    size_t route_count;
};

struct net_survey {
    struct net_link *links; /* by name, eth2 before eth10: an ifindex tells nothing, since Docker makes the
                               links of one container in any order, and then names them */
    size_t link_count;
};

/* One guest device put on the network: all that is needed to use it and to undo it later, in another
 * process. */
struct net_wire {
    char mode[16]; /* a name of the mode table: "redirect", "bridge", "none" */
    char tap[IF_NAMESIZE];
    int tap_ifindex;
    char link[IF_NAMESIZE]; /* empty: wired to nothing */
    int link_ifindex;
    char bridge[IF_NAMESIZE]; /* bridge mode only */
    int bridge_ifindex;
    /* The guest's: the link's own, or a random locally administered one when wired to nothing. */
    uint8_t mac[6];
    unsigned mtu;
    bool relayed; /* what the guest sends to the relay (netplumb/relay.h) goes there and nowhere else */
    /* The namespace's ip_local_port_range before it was narrowed for the relay (net_ports_reserve); 0: it was
     * not. */
    unsigned ports_low, ports_high;
    int fd; /* the tap, O_CLOEXEC and O_NONBLOCK; -1 after a reload from the state */
};

/* -errno when the kernel has no netlink or no memory. */
int net_session_open(struct net_session **ret_session, struct rk_err *err);
void net_session_close(struct net_session *session); /* accepts NULL */

/* All Ethernet links (so not lo, nor tunnels of layer 3, which no guest could use) that are not ours (taps
 * and bridges of other guests in the namespace), with MAC, MTU, addresses (v4 and v6) and routes. A route
 * with several next hops is told once for each. */
int net_survey_take(struct net_survey *ret_survey, struct net_session *session, struct rk_err *err);
void net_survey_fini(struct net_survey *survey);

/* Is there a mode of that name that a user may choose ("redirect", "bridge")? */
bool net_mode_exists(const char *name);

/* Make one tap owned by `owner`, up, with the link's MTU, and wire it to `link` by `mode`; `link`
 * NULL wires it to nothing ("none"). On failure nothing is left. The tap's name is tap<n>, the first free
 * one; the caller closes ret_wire->fd, with which the tap goes unless net_wire_keep has been called, so that
 * a caller that is killed before it has noted what it made leaves no tap. The link keeps its MAC, addresses
 * and routes in every mode. -EEXIST when the link has an ingress qdisc of someone else's, -EBUSY when it
 * carries a guest already or is a port of another interface; a redirect or bridge whose tap is gone (left by
 * a runtime that was killed) is taken away. `relayed`: a relay will serve the guest. */
int net_wire_make(struct net_wire *ret_wire, struct net_session *session, const char *mode,
                  const struct net_link *link, uid_t owner, bool relayed, struct rk_err *err);

/* Let the tap outlive its descriptor. */
int net_wire_keep(const struct net_wire *wire, struct rk_err *err);

/* Remove what callers that were killed inside net_wire_make have left in the namespace: redirects and bridges
 * of ours whose tap is gone. What is in use, or another's, stays. */
int net_wire_sweep(struct net_session *session, struct rk_err *err);

/* Undo what net_wire_make made: qdisc and filters on the link, the bridge, the tap, and the ports reserved
 * for the relay; wire->fd is not read. Only what is still ours is touched (name, ifindex and kind agree; of a
 * qdisc, the mark on its filter); what is gone is no error. No mode needs `link` today, it may be NULL.
 * Removing an interface costs the kernel some 20 ms, so leave it out when the namespace itself is about to
 * go: everything goes with it. */
int net_wire_undo(const struct net_wire *wire, struct net_session *session, const struct net_link *link,
                  struct rk_err *err);

#endif
