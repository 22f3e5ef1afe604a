/* A TCP server on one port, for request and reply: every byte of a reply can be made again at any time, so
 * nothing is kept for retransmission. */
#ifndef GUEST_TCP_H
#define GUEST_TCP_H

#include "ip.h"

#define TCP_PORT     80
#define TCP_TEXT_MAX 6144
#define TCP_IN_MAX   2048

/* A reply: text, then `filler` bytes whose values follow from their position. */
struct tcp_reply {
    char text[TCP_TEXT_MAX];
    uint32_t text_len;
    uint32_t filler;
    bool close; /* behind it */
};

/* The application: looks at `len` bytes of requests and, when they begin with a whole one, fills the reply
 * and returns how many bytes the request had; 0 when more has to come (`full`: nothing more can come, so it
 * must reply). */
size_t tcp_serve(const char *in, size_t len, bool full, struct tcp_reply *reply);

/* The byte at `position` of a filler: lines of 64 characters. */
static inline char tcp_filler(uint32_t position)
{
    return position % 64 == 63 ? '\n' : (char)('0' + position % 64);
}

/* One segment from the peer, with its header, before the checksum was looked at. */
void tcp_input(const struct ip_peer *peer, const uint8_t *segment, size_t len);

/* Do what is due at `now`; returns when to be called again at the latest. */
uint64_t tcp_timers(uint64_t now);

#endif
