/* TCP for requests and replies: a server on one port, and calls to the servers of others. Every byte of a
 * reply or request can be had again at any time, so nothing is kept for retransmission. */
#ifndef GUEST_TCP_H
#define GUEST_TCP_H

#include "ip.h"

#define TCP_PORT     80
#define TCP_TEXT_MAX 6144
#define TCP_IN_MAX   8192

/* A reply: text, then the program's bytes at `body`, which must stay as they are until the reply is over,
 * then `filler` bytes whose values follow from their position. */
struct tcp_reply {
    char text[TCP_TEXT_MAX];
    uint32_t text_len;
    uint32_t body_len; /* 0 when the program is asked */
    const char *body;
    uint32_t filler;
    bool close; /* behind it */
    bool later; /* set by the program: there is none yet, tcp_answer will say when; false when it is asked */
    uint64_t ticket; /* what the reply is known by later; no two are the same */
};

/* The application: looks at `len` bytes of requests and, when they begin with a whole one, fills the reply
 * and returns how many bytes the request had; 0 when more has to come (`full`: nothing more can come, so it
 * must reply). */
size_t tcp_serve(const struct ip_peer *peer, const char *in, size_t len, bool full, struct tcp_reply *reply);

/* The reply of that ticket while its connection waits for it or sends it; NULL when that is over. */
struct tcp_reply *tcp_reply_for(uint64_t ticket);

/* The reply that was to come later is filled: send it. */
void tcp_answer(const struct tcp_reply *reply);

/* A call to a server, which answers one request and closes. The functions are called with the call itself. */
struct tcp_call {
    /* Bytes of the answer, in order. */
    void (*take)(struct tcp_call *call, const uint8_t *data, size_t len);
    /* Once, at the end: the server has closed (`whole`), or has refused, reset, or not been heard of. */
    void (*end)(struct tcp_call *call, bool whole);
};

/* Connect to the peer's port and send the `len` bytes at `request`, which must stay as they are until the
 * end. False when there are too many connections. */
bool tcp_call(struct tcp_call *call, const struct ip_peer *peer, uint16_t port, const char *request,
              size_t len);

/* Give the call up, without a call of its functions. */
void tcp_hang_up(const struct tcp_call *call);

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
