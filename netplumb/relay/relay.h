/* The relay: it answers a guest's DHCP and passes its DNS on to the container's resolvers, on nothing but the
 * guest's own frames. */
#ifndef RLY_RELAY_H
#define RLY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netplumb/relay/address.h"
#include "netplumb/relay/resolver.h"

struct rk_err;

#define RLY_NETS_MAX    32   /* guest devices */
#define RLY_SERVERS_MAX 3    /* MAXNS of resolv.conf(5) */
#define RLY_ROUTES_MAX  32   /* of one device */
#define RLY_FRAME_MAX   2048 /* bytes of a frame from the guest that is looked at */
#define RLY_ANSWER_MAX  4096 /* bytes of a DNS message to the guest; a longer one is cut */
#define RLY_REPLY_MAX   (RLY_ETH_LEN + RLY_IP_LEN + RLY_UDP_LEN + RLY_ANSWER_MAX)
#define RLY_NAME_MAX    256 /* bytes of a host name or search list on the wire, and a NUL */

#define RLY_ETH_LEN 14
#define RLY_IP_LEN  20
#define RLY_UDP_LEN 8

/* Addresses are IPv4, in host byte order; 0: none. */
struct rly_route {
    uint32_t destination, gateway; /* gateway 0: on the link itself */
    uint8_t prefix;                /* bits */
};

/* One device of the guest. */
struct rly_net {
    int fd; /* packet socket on its tap */
    uint8_t mac[6];
    unsigned mtu;     /* bytes of an IP packet */
    uint32_t address; /* what DHCP offers; 0: nothing is offered */
    uint8_t prefix;   /* bits */
    uint32_t gateway;
    struct rly_route routes[RLY_ROUTES_MAX]; /* besides the link's own network and the default route */
    size_t route_count;
};

/* Where queries go, in a page of its own: it is made read-only, so that the filter, which can compare
 * pointers alone, knows what is there. */
struct rly_places {
    union rly_address nowhere; /* AF_UNSPEC */
    union rly_address servers[RLY_SERVERS_MAX];
};

/* All that the command line says. */
struct rly_config {
    struct rly_net nets[RLY_NETS_MAX];
    size_t net_count;
    int servers[RLY_SERVERS_MAX]; /* UDP sockets, connected each to a resolver */
    size_t server_count;
    struct rly_places *places;     /* for good */
    uint32_t dns[RLY_SERVERS_MAX]; /* what DHCP tells */
    size_t dns_count;
    char hostname[RLY_NAME_MAX];
    char domain[RLY_NAME_MAX];    /* the first search domain, as text */
    uint8_t search[RLY_NAME_MAX]; /* all of them, as DNS names one behind the other */
    size_t search_len;
};

/* Understand argv (options.c says what there is), and open sockets to the servers that it names. */
int rly_options(struct rly_config *ret_config, char *const *argv, struct rk_err *err);

/* Allow nothing but what the loop of relay.c does with the descriptors of `config`, the poll set at `set`
 * (`count` of them) and buffers of at most `buffer` bytes; everything else kills. */
int rly_confine(const struct rly_config *config, const void *set, size_t count, size_t buffer,
                struct rk_err *err);

#endif
