/* A small IPv4 host on a guest's network devices: ARP, ICMP echo, UDP echo, and the way in and out for TCP.
 */
#ifndef GUEST_IP_H
#define GUEST_IP_H

#include "guest.h"

#define IP_PROTO_ICMP 1
#define IP_PROTO_TCP  6
#define IP_PROTO_UDP  17

/* One device with its address. Addresses are in host byte order. */
struct ip_link {
    const char *name;
    unsigned handle;
    uint8_t mac[6];
    uint16_t mtu; /* bytes of an IP packet */
    uint32_t address;
    unsigned prefix;
    uint32_t gateway; /* 0: none */
    uint8_t gateway_mac[6];
    bool gateway_known;
};

/* The names of the options that give a link its address, as a MirageOS guest has them: "ipv4",
 * "ipv4-gateway". Arrays, since a linker may store "ipv4" as the tail of another string, and who looks for
 * the keys in the image must find each alone. */
struct ip_keys {
    char device[32];
    char address[40];
    char gateway[48];
    char fallback[24]; /* address and prefix when no option says it */
};

/* Who sent a packet and gets the answer, or who was found. */
struct ip_peer {
    struct ip_link *link;
    uint8_t mac[6];
    uint32_t address;
};

/* Open the device that `keys` names with the address that the arguments give it. False, with a line on the
 * console, when there is no such device or an argument is wrong. Used arguments are set to NULL, so that what
 * is left is the program's. */
bool ip_open(const struct ip_keys *keys, int argc, char **argv);

/* The links opened so far, in order. */
size_t ip_links(const struct ip_link **ret_links);

/* Answer packets for ever; does not return. */
_Noreturn void ip_run(void);

/* One round of that: wait for packets until `deadline` at the latest, and answer them. */
void ip_step(uint64_t deadline);

/* Who gets datagrams that are not for the echo port: `data` is behind the UDP header. */
typedef void ip_udp_fn(const struct ip_peer *peer, uint16_t from_port, uint16_t to_port, const uint8_t *data,
                       size_t len);
void ip_on_udp(ip_udp_fn *fn);

/* Send a datagram of `len` bytes, which the caller wrote to ip_payload() + 8, by the link's gateway. False as
 * long as its MAC is not known; without a gateway it goes to everybody. */
bool ip_udp_send(const struct ip_link *link, uint32_t to, uint16_t from_port, uint16_t to_port, size_t len);

/* The way to an address: the host itself on the link's own network, else the gateway. False as long as its
 * MAC is not known, which is being asked for: ask again, some 10 ms later. */
bool ip_find(const struct ip_link *link, uint32_t address, struct ip_peer *ret_peer);

/* The address that `text` begins with; false when it begins with none. *ret_end is set to what follows. */
bool ip_parse(const char *text, uint32_t *ret_address, const char **ret_end);

/* Send `len` bytes of IP payload, which the caller wrote to ip_payload(), to the peer. */
uint8_t *ip_payload(void);
void ip_send(const struct ip_peer *peer, uint8_t protocol, size_t len);

/* The Internet checksum (RFC 1071) of `len` bytes, added to `sum`; ip_fold finishes it. */
uint32_t ip_sum(uint32_t sum, const uint8_t *data, size_t len);
uint16_t ip_fold(uint32_t sum);

/* The sum of TCP's and UDP's pseudo header. */
uint32_t ip_pseudo(const struct ip_peer *peer, uint8_t protocol, size_t len);

/* "10.0.0.2" in `buf`, at least 16 bytes; returns buf. */
const char *ip_text(uint32_t address, char buf[16]);
const char *ip_mac_text(const uint8_t mac[6], char buf[18]);

/* Big-endian fields. */
static inline uint16_t ip_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t ip_get32(const uint8_t *p)
{
    return (uint32_t)ip_get16(p) << 16 | ip_get16(p + 2);
}

static inline void ip_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void ip_put32(uint8_t *p, uint32_t v)
{
    ip_put16(p, (uint16_t)(v >> 16));
    ip_put16(p + 2, (uint16_t)v);
}

#endif
