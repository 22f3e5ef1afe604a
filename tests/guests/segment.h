/* Segments of TCP (RFC 9293, 3.1) as they come and go. */
#ifndef GUEST_SEGMENT_H
#define GUEST_SEGMENT_H

#include "ip.h"

#define TCP_LEN     20  /* of a header without options */
#define SEGMENT_MSS 536 /* when nobody says how much data a segment may have */

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

/* One from a peer; the pointers are into what came. */
struct segment {
    uint16_t from, to;
    uint32_t seq, ack;
    uint8_t flags;
    uint32_t window;
    const uint8_t *header;
    size_t header_len;
    const uint8_t *data;
    size_t len;
};

/* Read the `len` bytes at `tcp`. False when they are no segment, or a damaged one. */
bool segment_parse(struct segment *ret, const struct ip_peer *peer, const uint8_t *tcp, size_t len);

/* The most data that the sender of a SYN takes in one segment. */
uint32_t segment_mss(const struct segment *s);

/* Send a segment whose options and data, if any, the caller wrote to ip_payload() + TCP_LEN: a header of
 * `header_len` bytes and `len` bytes of data. `space` is the window. */
void segment_send(const struct ip_peer *peer, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack,
                  uint8_t flags, size_t space, size_t header_len, size_t len);

/* The answer to a segment of no connection (RFC 9293, 3.10.7.1). */
void segment_reset(const struct ip_peer *peer, const struct segment *s);

#endif
