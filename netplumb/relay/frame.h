/* Frames: what a guest's says, and how an answer to it is written. */
#ifndef RLY_FRAME_H
#define RLY_FRAME_H

#include "netplumb/relay/relay.h"

enum rly_kind {
    RLY_OTHER, /* nothing of ours, or malformed */
    RLY_ARP,   /* a request for the relay's address */
    RLY_UDP,   /* whole, to whatever address and port */
    RLY_TCP,   /* whole, to the relay's address */
};

/* A frame taken apart. `payload` points into it. */
struct rly_packet {
    uint8_t to[6], from[6]; /* MACs */
    uint32_t source, destination;
    uint16_t source_port, destination_port;
    const uint8_t *payload; /* behind the UDP header; for TCP, the header itself */
    size_t len;
};

/* Where an answer goes, and whence. */
struct rly_ends {
    uint8_t to[6], from[6];
    uint32_t source, destination;
    uint16_t source_port, destination_port;
};

/* Take a frame of `len` bytes apart. Checksums are not looked at: between guest and tap there is memory, and
 * some guests leave them to hardware. */
enum rly_kind rly_parse(struct rly_packet *ret_packet, const uint8_t *frame, size_t len);

/* Put headers in front of `len` bytes of UDP payload, which are at rly_payload(frame) already. Returns the
 * frame's length. */
size_t rly_put_udp(uint8_t *frame, const struct rly_ends *ends, size_t len);
static inline uint8_t *rly_payload(uint8_t *frame)
{
    return frame + RLY_ETH_LEN + RLY_IP_LEN + RLY_UDP_LEN;
}

/* Write the answer to an ARP request; its length. */
size_t rly_put_arp(uint8_t *frame, const struct rly_packet *request);

/* Write the RST that refuses a TCP segment (RFC 9293, 3.10.7.1); its length, or 0 when there is nothing to
 * refuse. */
size_t rly_put_reset(uint8_t *frame, const struct rly_packet *segment);

/* The MAC that the relay has where it needs one. */
extern const uint8_t rly_mac[6];

/* Big-endian fields. */
static inline uint16_t rly_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t rly_get32(const uint8_t *p)
{
    return (uint32_t)rly_get16(p) << 16 | rly_get16(p + 2);
}

static inline void rly_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void rly_put32(uint8_t *p, uint32_t v)
{
    rly_put16(p, (uint16_t)(v >> 16));
    rly_put16(p + 2, (uint16_t)v);
}

#endif
