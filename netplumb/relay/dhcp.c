/* A DHCP server for one client (RFC 2131). */
#include "netplumb/relay/dhcp.h"

#include <string.h>

/* The fixed part (RFC 2131, 2), with the cookie behind it. */
#define AT_OP      0
#define AT_HTYPE   1
#define AT_HLEN    2
#define AT_XID     4
#define AT_FLAGS   10
#define AT_CIADDR  12
#define AT_YIADDR  16
#define AT_GIADDR  24
#define AT_CHADDR  28
#define AT_COOKIE  236
#define AT_OPTIONS 240
#define COOKIE     0x63825363U

#define BOOT_REQUEST   1
#define BOOT_REPLY     2
#define FLAG_BROADCAST 0x8000

#define MESSAGE_MIN 300 /* some clients drop what is shorter than a BOOTP message (RFC 1542, 2.1) */
#define MESSAGE_MAX 548 /* what every client takes (RFC 2131, 2) */
#define FOREVER     UINT32_MAX

/* RFC 2132, RFC 3397 (119), RFC 3442 (121) */
enum option {
    PAD = 0,
    MASK = 1,
    ROUTER = 3,
    DNS = 6,
    HOSTNAME = 12,
    DOMAIN = 15,
    MTU = 26,
    BROADCAST = 28,
    REQUESTED_ADDRESS = 50,
    LEASE = 51,
    MESSAGE_TYPE = 53,
    SERVER = 54,
    SEARCH = 119,
    ROUTES = 121,
    END = 255,
};

enum message_type { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };

/* What a client wants. */
struct request {
    const uint8_t *message;
    uint32_t client, wanted, server; /* ciaddr; options 50 and 54, 0 without one */
    uint8_t type;
    bool broadcast;
};

/* A message that is being written; what does not fit is left out, the important comes first. */
struct writer {
    uint8_t *message;
    size_t at;
};

static void take_option(struct request *r, uint8_t option, const uint8_t *value, size_t len)
{
    if (option == MESSAGE_TYPE && len == 1)
        r->type = value[0];
    else if (option == REQUESTED_ADDRESS && len == 4)
        r->wanted = rly_get32(value);
    else if (option == SERVER && len == 4)
        r->server = rly_get32(value);
}

static bool parse(struct request *r, const struct rly_net *net, const uint8_t *message, size_t len)
{
    *r = (struct request){.message = message};
    if (len < AT_OPTIONS || message[AT_OP] != BOOT_REQUEST || message[AT_HTYPE] != 1 ||
        message[AT_HLEN] != 6 || memcmp(message + AT_CHADDR, net->mac, 6) != 0 ||
        rly_get32(message + AT_GIADDR) != 0 || rly_get32(message + AT_COOKIE) != COOKIE)
        return false;
    r->client = rly_get32(message + AT_CIADDR);
    r->broadcast = rly_get16(message + AT_FLAGS) & FLAG_BROADCAST;
    for (size_t at = AT_OPTIONS; at < len && message[at] != END;) {
        if (message[at] == PAD) {
            at++;
            continue;
        }
        if (len - at < 2 || len - at - 2 < message[at + 1])
            return false;
        take_option(r, message[at], message + at + 2, message[at + 1]);
        at += 2U + message[at + 1];
    }
    return true;
}

/* Which message answers; 0: none. */
static uint8_t answer_type(const struct request *r, const struct rly_net *net)
{
    bool known =
        (r->wanted == 0 || r->wanted == net->address) && (r->client == 0 || r->client == net->address);
    switch (r->type) {
    case DISCOVER:
        return OFFER;
    case REQUEST:
        if (r->server && r->server != RLY_ADDRESS)
            return 0; /* it has chosen another server */
        return known && (r->wanted || r->client) ? ACK : NAK;
    case INFORM:
        return ACK;
    default:
        return 0; /* DECLINE and RELEASE are not answered, and there is no other address to give */
    }
}

static void put(struct writer *w, enum option option, const void *value, size_t len)
{
    if (len == 0 || len > 255 || len + 3 > MESSAGE_MAX - w->at) /* and the end */
        return;
    w->message[w->at] = (uint8_t)option;
    w->message[w->at + 1] = (uint8_t)len;
    memcpy(w->message + w->at + 2, value, len);
    w->at += 2 + len;
}

static void put_word(struct writer *w, enum option option, uint32_t word)
{
    uint8_t value[4];
    rly_put32(value, word);
    put(w, option, value, sizeof value);
}

static uint32_t mask_of(uint8_t prefix)
{
    return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

static size_t add_route(uint8_t *value, size_t at, const struct rly_route *route)
{
    uint8_t destination[4];
    size_t octets = (route->prefix + 7U) / 8;
    rly_put32(destination, route->destination);
    if (at + 5 + octets > 255)
        return at;
    value[at] = route->prefix;
    memcpy(value + at + 1, destination, octets);
    rly_put32(value + at + 1 + octets, route->gateway);
    return at + 5 + octets;
}

/* A client that reads this option does not read the one for the router, so that its route is here too. Where
 * there is no router, the relay itself is reached on the link. */
static void put_routes(struct writer *w, const struct rly_config *config, const struct rly_net *net)
{
    uint8_t value[255];
    size_t len = 0;
    bool relay = false;
    uint32_t mask = mask_of(net->prefix);
    for (size_t i = 0; i < config->dns_count; i++)
        relay = relay || config->dns[i] == RLY_ADDRESS;
    bool far_gateway = net->gateway && (net->gateway & mask) != (net->address & mask);
    bool on_link = relay && !net->gateway;
    if (net->route_count == 0 && !far_gateway && !on_link)
        return;
    if (on_link)
        len = add_route(value, len, &(struct rly_route){.destination = RLY_ADDRESS, .prefix = 32});
    if (far_gateway)
        len = add_route(value, len, &(struct rly_route){.destination = net->gateway, .prefix = 32});
    if (net->gateway)
        len = add_route(value, len, &(struct rly_route){.gateway = net->gateway});
    for (size_t i = 0; i < net->route_count; i++)
        len = add_route(value, len, &net->routes[i]);
    put(w, ROUTES, value, len);
}

static void put_parameters(struct writer *w, const struct rly_config *config, const struct rly_net *net)
{
    uint8_t mtu[2], dns[4 * RLY_SERVERS_MAX] = {0};
    put_word(w, MASK, mask_of(net->prefix));
    if (net->gateway)
        put_word(w, ROUTER, net->gateway);
    for (size_t i = 0; i < config->dns_count; i++)
        rly_put32(dns + 4 * i, config->dns[i]);
    put(w, DNS, dns, 4 * config->dns_count);
    rly_put16(mtu, (uint16_t)(net->mtu < UINT16_MAX ? net->mtu : UINT16_MAX));
    put(w, MTU, mtu, sizeof mtu);
    if (net->prefix < 31)
        put_word(w, BROADCAST, net->address | ~mask_of(net->prefix));
    put(w, HOSTNAME, config->hostname, strlen(config->hostname));
    put_routes(w, config, net);
    put(w, DOMAIN, config->domain, strlen(config->domain));
    put(w, SEARCH, config->search, config->search_len);
}

static size_t write_message(uint8_t *message, const struct rly_config *config, const struct rly_net *net,
                            const struct request *r, uint8_t type)
{
    struct writer w = {.message = message, .at = AT_OPTIONS};
    memset(message, 0, MESSAGE_MAX);
    message[AT_OP] = BOOT_REPLY;
    message[AT_HTYPE] = 1;
    message[AT_HLEN] = 6;
    memcpy(message + AT_XID, r->message + AT_XID, 4);
    memcpy(message + AT_FLAGS, r->message + AT_FLAGS, 2);
    memcpy(message + AT_CHADDR, r->message + AT_CHADDR, 6);
    rly_put32(message + AT_COOKIE, COOKIE);
    put(&w, MESSAGE_TYPE, &type, 1);
    put_word(&w, SERVER, RLY_ADDRESS);
    if (type != NAK) {
        rly_put32(message + AT_CIADDR, r->client);
        if (r->type != INFORM) {
            rly_put32(message + AT_YIADDR, net->address);
            put_word(&w, LEASE, FOREVER);
        }
        put_parameters(&w, config, net);
    }
    message[w.at++] = END;
    return w.at < MESSAGE_MIN ? MESSAGE_MIN : w.at;
}

size_t rly_dhcp(const struct rly_config *config, const struct rly_net *net, const struct rly_packet *packet,
                uint8_t *frame)
{
    struct request r;
    uint8_t type = 0;
    if (net->address && parse(&r, net, packet->payload, packet->len))
        type = answer_type(&r, net);
    if (!type)
        return 0;
    struct rly_ends ends = {.source = RLY_ADDRESS,
                            .destination = UINT32_MAX,
                            .source_port = RLY_DHCP_PORT,
                            .destination_port = RLY_DHCP_PORT + 1};
    memcpy(ends.from, rly_mac, 6);
    memset(ends.to, 0xff, 6);
    /* To a client that has an address, or can hear of one without having it (RFC 2131, 4.1). */
    if (type != NAK && (r.client || !r.broadcast)) {
        ends.destination = r.client ? r.client : net->address;
        memcpy(ends.to, net->mac, 6);
    }
    return rly_put_udp(frame, &ends, write_message(rly_payload(frame), config, net, &r, type));
}
