/* Frames in, answers out: Ethernet, ARP, ICMP, neighbour discovery and UDP echo, as much as a ping needs. */
#include "tests/unit/net_answer.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>

#define UDP_ECHO_PORT 7

static bool has_address(const struct net_answer *guest, int family, const void *bytes)
{
    char text[INET6_ADDRSTRLEN];
    if (!guest->link || !inet_ntop(family, bytes, text, sizeof text))
        return false;
    for (size_t i = 0; i < guest->link->addr_count; i++)
        if (guest->link->addrs[i].family == family && !strcmp(guest->link->addrs[i].text, text))
            return true;
    return false;
}

static uint32_t sum_bytes(uint32_t sum, const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        sum += (i & 1) ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

static uint16_t finish_sum(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* The checksum of a payload under the pseudo-header of its addresses (two of `width` bytes). */
static uint16_t sum_payload(const void *addresses, size_t width, uint8_t protocol, const void *data,
                            size_t size)
{
    uint32_t sum = sum_bytes(0, addresses, 2 * width);
    return finish_sum(sum_bytes(sum + protocol + (uint32_t)size, data, size));
}

static void swap_bytes(unsigned char *a, unsigned char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

static size_t answer_arp(const struct net_answer *guest, unsigned char *frame, size_t size)
{
    struct ether_arp arp;
    if (size < ETH_HLEN + sizeof arp)
        return 0;
    memcpy(&arp, frame + ETH_HLEN, sizeof arp);
    if (ntohs(arp.arp_op) != ARPOP_REQUEST || !has_address(guest, AF_INET, arp.arp_tpa))
        return 0;
    unsigned char asked[4];
    memcpy(asked, arp.arp_tpa, sizeof asked);
    arp.arp_op = htons(ARPOP_REPLY);
    memcpy(arp.arp_tha, arp.arp_sha, sizeof arp.arp_tha);
    memcpy(arp.arp_tpa, arp.arp_spa, sizeof arp.arp_tpa);
    memcpy(arp.arp_sha, guest->wire->mac, sizeof arp.arp_sha);
    memcpy(arp.arp_spa, asked, sizeof asked);
    memcpy(frame + ETH_HLEN, &arp, sizeof arp);
    return ETH_HLEN + sizeof arp;
}

/* Echo a datagram to the echo port when its checksum, which is not optional here, is right. */
static size_t answer_udp(unsigned char *addresses, size_t width, unsigned char *data, size_t size)
{
    struct udphdr udp;
    if (size < sizeof udp)
        return 0;
    memcpy(&udp, data, sizeof udp);
    if (ntohs(udp.len) < sizeof udp || ntohs(udp.len) > size || udp.check == 0 ||
        ntohs(udp.dest) != UDP_ECHO_PORT ||
        sum_payload(addresses, width, IPPROTO_UDP, data, ntohs(udp.len)) != 0)
        return 0;
    size = ntohs(udp.len);
    swap_bytes(addresses, addresses + width, width);
    udp.dest = udp.source;
    udp.source = htons(UDP_ECHO_PORT);
    udp.check = 0;
    memcpy(data, &udp, sizeof udp);
    udp.check = sum_payload(addresses, width, IPPROTO_UDP, data, size);
    memcpy(data, &udp, sizeof udp);
    return size;
}

static size_t answer_ping(unsigned char *addresses, unsigned char *data, size_t size)
{
    struct icmphdr icmp;
    if (size < sizeof icmp)
        return 0;
    memcpy(&icmp, data, sizeof icmp);
    if (icmp.type != ICMP_ECHO)
        return 0;
    swap_bytes(addresses, addresses + 4, 4);
    icmp.type = ICMP_ECHOREPLY;
    icmp.checksum = 0;
    memcpy(data, &icmp, sizeof icmp);
    icmp.checksum = finish_sum(sum_bytes(0, data, size));
    memcpy(data, &icmp, sizeof icmp);
    return size;
}

static size_t answer_ipv4(const struct net_answer *guest, unsigned char *frame, size_t size)
{
    struct iphdr ip;
    unsigned char *packet = frame + ETH_HLEN;
    if (size < ETH_HLEN + sizeof ip)
        return 0;
    memcpy(&ip, packet, sizeof ip);
    size_t total = ntohs(ip.tot_len);
    if (ip.ihl != 5 || total < sizeof ip || total > size - ETH_HLEN ||
        !has_address(guest, AF_INET, packet + offsetof(struct iphdr, daddr)))
        return 0;
    unsigned char *addresses = packet + offsetof(struct iphdr, saddr), *data = packet + sizeof ip;
    size_t answer = 0;
    if (ip.protocol == IPPROTO_ICMP)
        answer = answer_ping(addresses, data, total - sizeof ip);
    else if (ip.protocol == IPPROTO_UDP)
        answer = answer_udp(addresses, 4, data, total - sizeof ip);
    /* Swapping the addresses leaves the header's own checksum as it is. */
    return answer ? ETH_HLEN + sizeof ip + answer : 0;
}

/* A neighbour advertisement (RFC 4861, 4.4) with the target's link-layer address, in place of the
 * solicitation. */
static size_t answer_solicitation(const struct net_answer *guest, unsigned char *addresses,
                                  unsigned char *data, size_t size)
{
    struct nd_neighbor_advert advert;
    const size_t answer = sizeof advert + 8;
    if (size < answer ||
        !has_address(guest, AF_INET6, data + offsetof(struct nd_neighbor_solicit, nd_ns_target)))
        return 0;
    memcpy(&advert, data, sizeof advert);
    advert.nd_na_type = ND_NEIGHBOR_ADVERT;
    advert.nd_na_code = 0;
    advert.nd_na_cksum = 0;
    advert.nd_na_flags_reserved = ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE;
    memcpy(addresses + 16, addresses, 16);
    memcpy(addresses, &advert.nd_na_target, 16);
    memcpy(data, &advert, sizeof advert);
    data[sizeof advert] = ND_OPT_TARGET_LINKADDR;
    data[sizeof advert + 1] = 1; /* units of 8 bytes */
    memcpy(data + sizeof advert + 2, guest->wire->mac, 6);
    advert.nd_na_cksum = sum_payload(addresses, 16, IPPROTO_ICMPV6, data, answer);
    memcpy(data, &advert, sizeof advert);
    return answer;
}

static size_t answer_ping6(unsigned char *addresses, unsigned char *data, size_t size)
{
    struct icmp6_hdr icmp;
    memcpy(&icmp, data, sizeof icmp);
    swap_bytes(addresses, addresses + 16, 16);
    icmp.icmp6_type = ICMP6_ECHO_REPLY;
    icmp.icmp6_cksum = 0;
    memcpy(data, &icmp, sizeof icmp);
    icmp.icmp6_cksum = sum_payload(addresses, 16, IPPROTO_ICMPV6, data, size);
    memcpy(data, &icmp, sizeof icmp);
    return size;
}

static size_t answer_ipv6(const struct net_answer *guest, unsigned char *frame, size_t size)
{
    struct ip6_hdr ip;
    unsigned char *packet = frame + ETH_HLEN;
    if (size < ETH_HLEN + sizeof ip)
        return 0;
    memcpy(&ip, packet, sizeof ip);
    size_t payload = ntohs(ip.ip6_plen), answer = 0;
    if (payload > size - ETH_HLEN - sizeof ip)
        return 0;
    unsigned char *addresses = packet + offsetof(struct ip6_hdr, ip6_src), *data = packet + sizeof ip;
    bool mine = has_address(guest, AF_INET6, addresses + 16);
    if (ip.ip6_nxt == IPPROTO_UDP && mine)
        answer = answer_udp(addresses, 16, data, payload);
    if (ip.ip6_nxt == IPPROTO_ICMPV6 && payload >= sizeof(struct icmp6_hdr)) {
        if (data[0] == ND_NEIGHBOR_SOLICIT)
            answer = answer_solicitation(guest, addresses, data, payload);
        else if (data[0] == ICMP6_ECHO_REQUEST && mine)
            answer = answer_ping6(addresses, data, payload);
    }
    if (!answer)
        return 0;
    ip.ip6_plen = htons((uint16_t)answer);
    memcpy(packet + offsetof(struct ip6_hdr, ip6_plen), &ip.ip6_plen, sizeof ip.ip6_plen);
    return ETH_HLEN + sizeof ip + answer;
}

size_t net_answer_frame(const struct net_answer *guest, unsigned char *frame, size_t size)
{
    struct ethhdr eth;
    if (size < sizeof eth)
        return 0;
    memcpy(&eth, frame, sizeof eth);
    size_t answer = 0;
    if (ntohs(eth.h_proto) == ETH_P_ARP)
        answer = answer_arp(guest, frame, size);
    else if (ntohs(eth.h_proto) == ETH_P_IP)
        answer = answer_ipv4(guest, frame, size);
    else if (ntohs(eth.h_proto) == ETH_P_IPV6)
        answer = answer_ipv6(guest, frame, size);
    if (answer) {
        memcpy(eth.h_dest, eth.h_source, sizeof eth.h_dest);
        memcpy(eth.h_source, guest->wire->mac, sizeof eth.h_source);
        memcpy(frame, &eth, sizeof eth);
    }
    return answer;
}
