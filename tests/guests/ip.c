/* Ethernet, ARP, IPv4, ICMP echo and UDP echo on the guest's devices, and the loop that serves them. */
#include "ip.h"
#include "tcp.h"

#define LINKS_MAX  4
#define FRAME_MAX  65550 /* the greatest MTU a link can have, and an Ethernet header */
#define ETH_LEN    14
#define IP_LEN     20
#define ARP_LEN    28
#define UDP_LEN    8
#define ETH_IPV4   0x0800
#define ETH_ARP    0x0806
#define ARP_ASK    1
#define ARP_ANSWER 2
#define UDP_ECHO   7 /* RFC 862 */
#define IP_TTL     64
#define NEIGHBOURS 16
#define ARP_AGAIN  (200 * GUEST_MSEC)
#define ARP_VALID  (10 * GUEST_NSEC)
#define BATCH      64 /* frames of one link before the others and the timers have their turn */

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Whom the program looks for. */
struct neighbour {
    const struct ip_link *link; /* NULL: free */
    uint32_t address;
    uint8_t mac[6];
    uint64_t asked; /* last, 0: never */
    uint64_t heard; /* last, 0: never */
};

static struct neighbour neighbours[NEIGHBOURS];
static struct ip_link links[LINKS_MAX];
static size_t link_count;
static uint8_t frame_in[FRAME_MAX];
static uint8_t frame_out[FRAME_MAX];
static uint16_t next_id;
static ip_udp_fn *on_udp;

/* --- checksums and text
 * -------------------------------------------------------------------------------------------------- */

uint32_t ip_sum(uint32_t sum, const uint8_t *data, size_t len)
{
    uint64_t total = sum;
    for (; len > 1; data += 2, len -= 2)
        total += ip_get16(data);
    if (len)
        total += (uint32_t)data[0] << 8;
    while (total >> 32)
        total = (total & 0xffffffff) + (total >> 32);
    return (uint32_t)total;
}

uint16_t ip_fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint32_t ip_pseudo(const struct ip_peer *peer, uint8_t protocol, size_t len)
{
    uint64_t sum = (uint64_t)(peer->address >> 16) + (peer->address & 0xffff) + (peer->link->address >> 16) +
                   (peer->link->address & 0xffff) + protocol + len;
    return (uint32_t)sum;
}

const char *ip_text(uint32_t address, char buf[16])
{
    guest_format(buf, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
                 address & 255);
    return buf;
}

const char *ip_mac_text(const uint8_t mac[6], char buf[18])
{
    guest_format(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    return buf;
}

/* --- arguments
 * -----------------------------------------------------------------------------------------------------------
 */

bool ip_parse(const char *text, uint32_t *ret_address, const char **ret_end)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t byte;
        if (!guest_number(text, &byte, &text) || byte > 255 || (i < 3 && *text++ != '.'))
            return false;
        address = address << 8 | (uint32_t)byte;
    }
    *ret_address = address;
    *ret_end = text;
    return true;
}

static bool parse_network(const char *text, uint32_t *ret_address, unsigned *ret_prefix)
{
    uint64_t prefix;
    if (!ip_parse(text, ret_address, &text) || *text != '/' || !guest_number(text + 1, &prefix, &text) ||
        *text || prefix > 32)
        return false;
    *ret_prefix = (unsigned)prefix;
    return true;
}

/* The value of --KEY=VALUE, taken out of argv; NULL when it is not there. Sets *ret_twice when it is there
 * twice. */
static const char *take_option(const char *key, int argc, char **argv, bool *ret_twice)
{
    const char *found = NULL;
    for (int i = 0; i < argc; i++) {
        const char *rest = argv[i] ? guest_after(argv[i], "--") : NULL;
        rest = rest ? guest_after(rest, key) : NULL;
        if (!rest || *rest != '=')
            continue;
        if (found)
            *ret_twice = true;
        found = rest + 1;
        argv[i] = NULL;
    }
    return found;
}

static bool configure(struct ip_link *link, const struct ip_keys *keys, int argc, char **argv)
{
    bool twice = false;
    const char *address = take_option(keys->address, argc, argv, &twice);
    const char *gateway = take_option(keys->gateway, argc, argv, &twice);
    const char *rest = "";
    if (twice) {
        guest_print("option '--%s' or '--%s' is there twice\n", keys->address, keys->gateway);
        return false;
    }
    if (!address)
        address = keys->fallback;
    if (!parse_network(address, &link->address, &link->prefix)) {
        guest_print("option '--%s': '%s' is no ADDRESS/PREFIX\n", keys->address, address);
        return false;
    }
    if (gateway && (!ip_parse(gateway, &link->gateway, &rest) || *rest)) {
        guest_print("option '--%s': '%s' is no address\n", keys->gateway, gateway);
        return false;
    }
    return true;
}

bool ip_open(const struct ip_keys *keys, int argc, char **argv)
{
    char mac[18], address[16], gateway[16];
    unsigned handle = guest_device(keys->device, GUEST_NET_BASIC);
    if (!handle || link_count == LINKS_MAX) {
        guest_print("no network device called %s\n", keys->device);
        return false;
    }
    struct ip_link *link = &links[link_count];
    const struct guest_device *device = &guest.manifest->device[handle];
    link->name = keys->device;
    link->handle = handle;
    link->mtu = device->u.net.mtu;
    memcpy(link->mac, device->u.net.mac, sizeof(link->mac));
    if (link->mtu < 68) {
        guest_print("%s: impossible mtu %u\n", link->name, link->mtu);
        return false;
    }
    if (!configure(link, keys, argc, argv))
        return false;
    link_count++;
    guest_print("%s: mac %s mtu %u address %s/%u gateway %s\n", link->name, ip_mac_text(link->mac, mac),
                link->mtu, ip_text(link->address, address), link->prefix,
                link->gateway ? ip_text(link->gateway, gateway) : "none");
    return true;
}

size_t ip_links(const struct ip_link **ret_links)
{
    *ret_links = links;
    return link_count;
}

/* --- sending
 * -------------------------------------------------------------------------------------------------------------
 */

static void send_frame(const struct ip_link *link, const uint8_t to[6], uint16_t type, size_t len)
{
    memcpy(frame_out, to, 6);
    memcpy(frame_out + 6, link->mac, 6);
    ip_put16(frame_out + 12, type);
    /* A full queue loses the frame, as a cable does. */
    guest_net_write(link->handle, frame_out, ETH_LEN + len);
}

uint8_t *ip_payload(void)
{
    return frame_out + ETH_LEN + IP_LEN;
}

void ip_send(const struct ip_peer *peer, uint8_t protocol, size_t len)
{
    uint8_t *ip = frame_out + ETH_LEN;
    if (IP_LEN + len > peer->link->mtu)
        return;
    ip[0] = 0x45;
    ip[1] = 0;
    ip_put16(ip + 2, (uint16_t)(IP_LEN + len));
    ip_put16(ip + 4, next_id++);
    ip_put16(ip + 6, 0x4000); /* don't fragment */
    ip[8] = IP_TTL;
    ip[9] = protocol;
    ip_put16(ip + 10, 0);
    ip_put32(ip + 12, peer->link->address);
    ip_put32(ip + 16, peer->address);
    ip_put16(ip + 10, ip_fold(ip_sum(0, ip, IP_LEN)));
    send_frame(peer->link, peer->mac, ETH_IPV4, IP_LEN + len);
}

static void send_arp(const struct ip_link *link, uint16_t operation, const uint8_t to[6], uint32_t address)
{
    uint8_t *arp = frame_out + ETH_LEN;
    ip_put16(arp, 1); /* Ethernet */
    ip_put16(arp + 2, ETH_IPV4);
    arp[4] = 6;
    arp[5] = 4;
    ip_put16(arp + 6, operation);
    memcpy(arp + 8, link->mac, 6);
    ip_put32(arp + 14, link->address);
    memcpy(arp + 18, to, 6);
    ip_put32(arp + 24, address);
    send_frame(link, to, ETH_ARP, ARP_LEN);
}

/* --- neighbours
 * ----------------------------------------------------------------------------------------------------------
 */

static uint64_t used(const struct neighbour *n)
{
    return n->asked > n->heard ? n->asked : n->heard;
}

/* Its entry, a new one in the place of the one that was of no use for longest. */
static struct neighbour *neighbour(const struct ip_link *link, uint32_t address)
{
    struct neighbour *oldest = &neighbours[0];
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        struct neighbour *n = &neighbours[i];
        if (n->link == link && n->address == address)
            return n;
        if (used(n) < used(oldest))
            oldest = n;
    }
    *oldest = (struct neighbour){.link = link, .address = address};
    return oldest;
}

bool ip_find(const struct ip_link *link, uint32_t address, struct ip_peer *ret_peer)
{
    uint64_t now = guest_monotonic();
    uint32_t mask = link->prefix ? UINT32_MAX << (32 - link->prefix) : 0;
    bool near = ((address ^ link->address) & mask) == 0 || !link->gateway;
    struct neighbour *n = neighbour(link, near ? address : link->gateway);
    if (n->heard && n->heard + ARP_VALID > now) {
        *ret_peer = (struct ip_peer){.link = &links[link - links], .address = address};
        memcpy(ret_peer->mac, n->mac, sizeof(n->mac));
        return true;
    }
    if (n->asked == 0 || n->asked + ARP_AGAIN <= now) {
        n->asked = now;
        send_arp(link, ARP_ASK, broadcast, n->address);
    }
    return false;
}

/* Whoever says anything by ARP says where he is. */
static void heard_of(const struct ip_link *link, uint32_t address, const uint8_t *mac)
{
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        if (neighbours[i].link != link || neighbours[i].address != address)
            continue;
        memcpy(neighbours[i].mac, mac, 6);
        neighbours[i].heard = guest_monotonic();
    }
}

/* --- receiving
 * -----------------------------------------------------------------------------------------------------------
 */

static void handle_arp(struct ip_link *link, const uint8_t *arp, size_t len)
{
    char address[16], mac[18];
    if (len < ARP_LEN || ip_get16(arp) != 1 || ip_get16(arp + 2) != ETH_IPV4 || arp[4] != 6 || arp[5] != 4)
        return;
    uint32_t sender = ip_get32(arp + 14);
    heard_of(link, sender, arp + 8);
    if (ip_get16(arp + 6) == ARP_ASK && ip_get32(arp + 24) == link->address)
        send_arp(link, ARP_ANSWER, arp + 8, sender);
    if (ip_get16(arp + 6) == ARP_ANSWER && sender == link->gateway && !link->gateway_known) {
        link->gateway_known = true;
        memcpy(link->gateway_mac, arp + 8, 6);
        guest_print("%s: gateway %s is at %s\n", link->name, ip_text(sender, address),
                    ip_mac_text(arp + 8, mac));
    }
}

static void handle_icmp(const struct ip_peer *peer, const uint8_t *icmp, size_t len)
{
    if (len < 8 || ip_fold(ip_sum(0, icmp, len)) != 0 || icmp[0] != 8 || icmp[1] != 0)
        return;
    uint8_t *answer = ip_payload();
    if (len > FRAME_MAX - ETH_LEN - IP_LEN)
        return;
    memcpy(answer, icmp, len);
    answer[0] = 0;
    ip_put16(answer + 2, 0);
    ip_put16(answer + 2, ip_fold(ip_sum(0, answer, len)));
    ip_send(peer, IP_PROTO_ICMP, len);
}

/* Header and checksum of a datagram whose data are at ip_payload() + UDP_LEN. */
static void send_udp(const struct ip_peer *peer, uint16_t from_port, uint16_t to_port, size_t len)
{
    uint8_t *udp = ip_payload();
    ip_put16(udp, from_port);
    ip_put16(udp + 2, to_port);
    ip_put16(udp + 4, (uint16_t)(UDP_LEN + len));
    ip_put16(udp + 6, 0);
    uint16_t sum = ip_fold(ip_sum(ip_pseudo(peer, IP_PROTO_UDP, UDP_LEN + len), udp, UDP_LEN + len));
    ip_put16(udp + 6, sum ? sum : 0xffff); /* 0 would say that there is none */
    ip_send(peer, IP_PROTO_UDP, UDP_LEN + len);
}

void ip_on_udp(ip_udp_fn *fn)
{
    on_udp = fn;
}

bool ip_udp_send(const struct ip_link *link, uint32_t to, uint16_t from_port, uint16_t to_port, size_t len)
{
    struct ip_peer peer = {.link = &links[link - links], .address = to};
    memcpy(peer.mac, link->gateway ? link->gateway_mac : broadcast, 6);
    if (link->gateway && !link->gateway_known)
        return false;
    send_udp(&peer, from_port, to_port, len);
    return true;
}

static void handle_udp(const struct ip_peer *peer, const uint8_t *udp, size_t len)
{
    if (len < UDP_LEN || ip_get16(udp + 4) < UDP_LEN || ip_get16(udp + 4) > len)
        return;
    len = ip_get16(udp + 4);
    if (ip_get16(udp + 6) != 0 && ip_fold(ip_sum(ip_pseudo(peer, IP_PROTO_UDP, len), udp, len)) != 0)
        return;
    if (ip_get16(udp + 2) == UDP_ECHO) {
        memcpy(ip_payload() + UDP_LEN, udp + UDP_LEN, len - UDP_LEN);
        send_udp(peer, UDP_ECHO, ip_get16(udp), len - UDP_LEN);
    } else if (on_udp) {
        on_udp(peer, ip_get16(udp), ip_get16(udp + 2), udp + UDP_LEN, len - UDP_LEN);
    }
}

static void handle_ip(struct ip_link *link, const uint8_t *mac, const uint8_t *ip, size_t len)
{
    if (len < IP_LEN || ip[0] >> 4 != 4)
        return;
    size_t header = (size_t)(ip[0] & 15) * 4;
    size_t total = ip_get16(ip + 2);
    if (header < IP_LEN || total < header || total > len || ip_fold(ip_sum(0, ip, header)) != 0)
        return;
    /* Fragments are not put together; a packet for somebody else is not for this host to pass on. */
    if ((ip_get16(ip + 6) & 0x3fff) != 0 || ip_get32(ip + 16) != link->address)
        return;
    struct ip_peer peer = {.link = link, .address = ip_get32(ip + 12)};
    memcpy(peer.mac, mac, 6);
    const uint8_t *payload = ip + header;
    switch (ip[9]) {
    case IP_PROTO_ICMP:
        handle_icmp(&peer, payload, total - header);
        break;
    case IP_PROTO_UDP:
        handle_udp(&peer, payload, total - header);
        break;
    case IP_PROTO_TCP:
        tcp_input(&peer, payload, total - header);
        break;
    }
}

static void handle_frame(struct ip_link *link, const uint8_t *frame, size_t len)
{
    if (len < ETH_LEN || (memcmp(frame, link->mac, 6) != 0 && memcmp(frame, broadcast, 6) != 0))
        return;
    switch (ip_get16(frame + 12)) {
    case ETH_ARP:
        handle_arp(link, frame + ETH_LEN, len - ETH_LEN);
        break;
    case ETH_IPV4:
        handle_ip(link, frame + 6, frame + ETH_LEN, len - ETH_LEN);
        break;
    }
}

static void read_link(struct ip_link *link)
{
    for (int i = 0; i < BATCH; i++) {
        size_t len = 0;
        if (guest_net_read(link->handle, frame_in, link->mtu + ETH_LEN, &len) != GUEST_OK)
            return;
        handle_frame(link, frame_in, len);
    }
}

/* --- the loop
 * ------------------------------------------------------------------------------------------------------------
 */

/* Tell the neighbours (they may remember somebody else at this address), and look for the gateway. */
static bool announce(const struct ip_link *link)
{
    send_arp(link, ARP_ASK, broadcast, link->address);
    if (link->gateway && !link->gateway_known)
        send_arp(link, ARP_ASK, broadcast, link->gateway);
    return !link->gateway || link->gateway_known;
}

void ip_step(uint64_t deadline)
{
    static uint64_t next_announce = 0;
    static uint64_t interval = 50 * GUEST_MSEC; /* doubled each time: a new link may lose the first frames */
    static unsigned announces = 8;
    /* Behind the reading: what acknowledges in time must not be found too late. */
    uint64_t now = guest_monotonic();
    uint64_t timers = tcp_timers(now);
    if (timers < deadline)
        deadline = timers;
    if (announces > 0 && now >= next_announce) {
        bool known = true;
        for (size_t i = 0; i < link_count; i++)
            known = announce(&links[i]) && known;
        announces = known ? 0 : announces - 1;
        next_announce = now + interval;
        interval *= 2;
    }
    if (announces > 0 && next_announce < deadline)
        deadline = next_announce;
    uint64_t ready = guest_wait(deadline);
    for (size_t i = 0; i < link_count; i++)
        if (ready & 1ULL << links[i].handle)
            read_link(&links[i]);
}

_Noreturn void ip_run(void)
{
    guest_print("ready\n");
    for (;;)
        ip_step(UINT64_MAX);
}
