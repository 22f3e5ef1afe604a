/* Ethernet, ARP, IPv4, UDP and as much TCP as it takes to refuse it. */
#include "netplumb/relay/frame.h"

#include <string.h>

#define ETH_ARP  0x0806
#define ETH_IPV4 0x0800

#define ARP_LEN    28 /* of Ethernet and IPv4 (RFC 826) */
#define ARP_ASK    1
#define ARP_ANSWER 2

#define PROTOCOL_TCP  6
#define PROTOCOL_UDP  17
#define TTL           64
#define DONT_FRAGMENT 0x4000
#define ANY_FRAGMENT  0x3fff /* more fragments, or an offset */

#define TCP_LEN 20
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

const uint8_t rly_mac[6] = {0x02, 0x72, 0x75, 0x6b, 0x35, 0x35};

static enum rly_kind parse_arp(struct rly_packet *p, const uint8_t *arp, size_t len)
{
    if (len < ARP_LEN || rly_get16(arp) != 1 || rly_get16(arp + 2) != ETH_IPV4 || arp[4] != 6 ||
        arp[5] != 4 || rly_get16(arp + 6) != ARP_ASK)
        return RLY_OTHER;
    p->source = rly_get32(arp + 14);
    p->destination = rly_get32(arp + 24);
    return p->destination == RLY_ADDRESS ? RLY_ARP : RLY_OTHER;
}

static enum rly_kind parse_ipv4(struct rly_packet *p, const uint8_t *ip, size_t len)
{
    /* Options are for nobody that talks to us: the tap's filters do not know them either. */
    if (len < RLY_IP_LEN || ip[0] != 0x45)
        return RLY_OTHER;
    size_t total = rly_get16(ip + 2);
    if (total < RLY_IP_LEN || total > len || (rly_get16(ip + 6) & ANY_FRAGMENT))
        return RLY_OTHER;
    p->source = rly_get32(ip + 12);
    p->destination = rly_get32(ip + 16);
    const uint8_t *inner = ip + RLY_IP_LEN;
    size_t rest = total - RLY_IP_LEN;
    if (rest < 4)
        return RLY_OTHER;
    p->source_port = rly_get16(inner);
    p->destination_port = rly_get16(inner + 2);
    if (ip[9] == PROTOCOL_TCP && rest >= TCP_LEN && p->destination == RLY_ADDRESS) {
        p->payload = inner;
        p->len = rest;
        return RLY_TCP;
    }
    if (ip[9] != PROTOCOL_UDP || rest < RLY_UDP_LEN)
        return RLY_OTHER;
    size_t udp = rly_get16(inner + 4);
    if (udp < RLY_UDP_LEN || udp > rest)
        return RLY_OTHER;
    p->payload = inner + RLY_UDP_LEN;
    p->len = udp - RLY_UDP_LEN;
    return RLY_UDP;
}

enum rly_kind rly_parse(struct rly_packet *ret_packet, const uint8_t *frame, size_t len)
{
    *ret_packet = (struct rly_packet){.len = 0};
    if (len < RLY_ETH_LEN)
        return RLY_OTHER;
    memcpy(ret_packet->to, frame, 6);
    memcpy(ret_packet->from, frame + 6, 6);
    switch (rly_get16(frame + 12)) {
    case ETH_ARP:
        return parse_arp(ret_packet, frame + RLY_ETH_LEN, len - RLY_ETH_LEN);
    case ETH_IPV4:
        return parse_ipv4(ret_packet, frame + RLY_ETH_LEN, len - RLY_ETH_LEN);
    default:
        return RLY_OTHER;
    }
}

/* The Internet checksum (RFC 1071): sums are added up, then folded. No message is so long that 32 bits
 * overflow. */
static uint32_t add(uint32_t sum, const uint8_t *data, size_t len)
{
    for (; len > 1; data += 2, len -= 2)
        sum += rly_get16(data);
    return len ? sum + ((uint32_t)data[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Of the transport's pseudo header; the addresses are those of the IP header. */
static uint32_t pseudo(const uint8_t *ip, size_t len)
{
    return add(0, ip + 12, 8) + ip[9] + (uint32_t)len;
}

static void put_ethernet(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    rly_put16(frame + 12, type);
}

/* Ethernet and IPv4 headers for `len` bytes of transport. */
static void put_ipv4(uint8_t *frame, const struct rly_ends *ends, uint8_t protocol, size_t len)
{
    uint8_t *ip = frame + RLY_ETH_LEN;
    put_ethernet(frame, ends->to, ends->from, ETH_IPV4);
    memset(ip, 0, RLY_IP_LEN);
    ip[0] = 0x45;
    rly_put16(ip + 2, (uint16_t)(RLY_IP_LEN + len));
    rly_put16(ip + 6, DONT_FRAGMENT);
    ip[8] = TTL;
    ip[9] = protocol;
    rly_put32(ip + 12, ends->source);
    rly_put32(ip + 16, ends->destination);
    rly_put16(ip + 10, fold(add(0, ip, RLY_IP_LEN)));
}

size_t rly_put_udp(uint8_t *frame, const struct rly_ends *ends, size_t len)
{
    uint8_t *ip = frame + RLY_ETH_LEN, *udp = ip + RLY_IP_LEN;
    size_t size = RLY_UDP_LEN + len;
    put_ipv4(frame, ends, PROTOCOL_UDP, size);
    rly_put16(udp, ends->source_port);
    rly_put16(udp + 2, ends->destination_port);
    rly_put16(udp + 4, (uint16_t)size);
    rly_put16(udp + 6, 0);
    uint16_t sum = fold(add(pseudo(ip, size), udp, size));
    rly_put16(udp + 6, sum ? sum : 0xffff); /* 0 would say that there is none */
    return RLY_ETH_LEN + RLY_IP_LEN + size;
}

size_t rly_put_arp(uint8_t *frame, const struct rly_packet *request)
{
    uint8_t *arp = frame + RLY_ETH_LEN;
    put_ethernet(frame, request->from, rly_mac, ETH_ARP);
    rly_put16(arp, 1); /* Ethernet */
    rly_put16(arp + 2, ETH_IPV4);
    arp[4] = 6;
    arp[5] = 4;
    rly_put16(arp + 6, ARP_ANSWER);
    memcpy(arp + 8, rly_mac, 6);
    rly_put32(arp + 14, RLY_ADDRESS);
    memcpy(arp + 18, request->from, 6);
    rly_put32(arp + 24, request->source);
    return RLY_ETH_LEN + ARP_LEN;
}

size_t rly_put_reset(uint8_t *frame, const struct rly_packet *segment)
{
    const uint8_t *in = segment->payload;
    size_t header = (size_t)(in[12] >> 4) * 4;
    uint8_t flags = in[13];
    if ((flags & TCP_RST) || header < TCP_LEN || header > segment->len)
        return 0;
    struct rly_ends ends = {.source = segment->destination, .destination = segment->source};
    memcpy(ends.to, segment->from, 6);
    memcpy(ends.from, (segment->to[0] & 1) ? rly_mac : segment->to, 6);
    uint8_t *ip = frame + RLY_ETH_LEN, *tcp = ip + RLY_IP_LEN;
    put_ipv4(frame, &ends, PROTOCOL_TCP, TCP_LEN);
    memset(tcp, 0, TCP_LEN);
    rly_put16(tcp, segment->destination_port);
    rly_put16(tcp + 2, segment->source_port);
    tcp[12] = TCP_LEN / 4 << 4;
    if (flags & TCP_ACK) {
        memcpy(tcp + 4, in + 8, 4); /* the sequence number that the other side expects */
        tcp[13] = TCP_RST;
    } else {
        uint32_t next = rly_get32(in + 4) + (uint32_t)(segment->len - header);
        rly_put32(tcp + 8, next + !!(flags & TCP_SYN) + !!(flags & TCP_FIN));
        tcp[13] = TCP_RST | TCP_ACK;
    }
    rly_put16(tcp + 16, fold(add(pseudo(ip, TCP_LEN), tcp, TCP_LEN)));
    return RLY_ETH_LEN + RLY_IP_LEN + TCP_LEN;
}
