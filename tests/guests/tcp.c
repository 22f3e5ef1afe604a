/* TCP (RFC 9293) for a server that only replies: in-order receiving, go-back-N sending, Reno's window. */
#include "tcp.h"

#define SLOTS       64
#define TCP_LEN     20
#define MSS_DEFAULT 536
#define MSS_MIN     64
#define CWND_MAX    65535
#define DUP_ACKS    3
#define RETRIES     9
#define RTO_MIN     (300 * GUEST_MSEC)
#define RTO_MAX     (3 * GUEST_NSEC)
#define IDLE        (30 * GUEST_NSEC)
#define EVICT       (2 * GUEST_NSEC)
#define LINGER      (5 * GUEST_NSEC)

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

enum state {
    FREE = 0,
    SYN_RECEIVED,
    ESTABLISHED, /* until both sides have closed; `closing` and `peer_closed` say how far that is */
};

struct conn {
    enum state state;
    struct ip_peer peer;
    uint16_t port;
    uint32_t mss;

    uint32_t una, next, max; /* oldest unacknowledged, next to send, highest sent */
    uint32_t base;           /* sequence number of the reply's first byte */
    uint32_t window;         /* the peer's */
    uint32_t cwnd, ssthresh;
    unsigned dup_acks;
    unsigned retries;
    uint64_t rtt;         /* smoothed round trip, 0: not measured yet */
    uint64_t sample_time; /* when the byte behind sample_end was sent, 0: nothing is being measured */
    uint32_t sample_end;
    uint64_t timer;    /* retransmission, 0: not running */
    uint64_t activity; /* when the peer was last heard of */

    uint32_t rcv_next;
    bool ack_owed;
    bool served; /* at least one request */
    bool replying;
    bool closing;     /* our FIN follows the reply */
    bool peer_closed; /* the peer's FIN is in */

    size_t in_len;
    char in[TCP_IN_MAX];
    struct tcp_reply reply;
};

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

static struct conn conns[SLOTS];

static int32_t distance(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* --- sending
 * -------------------------------------------------------------------------------------------------------------
 */

static void send_raw(const struct ip_peer *peer, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack,
                     uint8_t flags, size_t space, size_t header_len, size_t len)
{
    uint8_t *tcp = ip_payload();
    ip_put16(tcp, from);
    ip_put16(tcp + 2, to);
    ip_put32(tcp + 4, seq);
    ip_put32(tcp + 8, flags & ACK ? ack : 0);
    tcp[12] = (uint8_t)(header_len / 4 << 4);
    tcp[13] = flags;
    ip_put16(tcp + 14, (uint16_t)space);
    ip_put16(tcp + 16, 0);
    ip_put16(tcp + 18, 0);
    uint32_t sum = ip_pseudo(peer, IP_PROTO_TCP, header_len + len);
    ip_put16(tcp + 16, ip_fold(ip_sum(sum, tcp, header_len + len)));
    ip_send(peer, IP_PROTO_TCP, header_len + len);
}

static void send_segment(struct conn *c, uint8_t flags, uint32_t seq, size_t header_len, size_t len)
{
    send_raw(&c->peer, TCP_PORT, c->port, seq, c->rcv_next, flags, sizeof(c->in) - c->in_len, header_len,
             len);
    c->ack_owed = false;
}

static void send_ack(struct conn *c)
{
    send_segment(c, ACK, c->next, TCP_LEN, 0);
}

static void send_syn(struct conn *c)
{
    uint8_t *option = ip_payload() + TCP_LEN;
    option[0] = 2; /* maximum segment size */
    option[1] = 4;
    ip_put16(option + 2, (uint16_t)(c->peer.link->mtu - 40));
    send_segment(c, SYN | ACK, c->una, TCP_LEN + 4, 0);
}

/* The answer to a segment of no connection (RFC 9293, 3.10.7.1). */
static void send_reset(const struct ip_peer *peer, const struct segment *s)
{
    uint32_t covered = s->seq + (uint32_t)s->len + !!(s->flags & SYN) + !!(s->flags & FIN);
    if (s->flags & ACK)
        send_raw(peer, s->to, s->from, s->ack, 0, RST, 0, TCP_LEN, 0);
    else
        send_raw(peer, s->to, s->from, 0, covered, RST | ACK, 0, TCP_LEN, 0);
}

static void fill(const struct tcp_reply *reply, uint32_t offset, uint8_t *to, uint32_t len)
{
    uint32_t i = 0;
    if (offset < reply->text_len) {
        i = min32(len, reply->text_len - offset);
        memcpy(to, reply->text + offset, i);
    }
    for (; i < len; i++)
        to[i] = (uint8_t)tcp_filler(offset + i - reply->text_len);
}

static uint32_t reply_end(const struct conn *c)
{
    return c->replying ? c->base + c->reply.text_len + c->reply.filler : c->base;
}

/* Counted from the end of sending, which takes long where a hypercall does. */
static void start_timer(struct conn *c)
{
    uint64_t wait = (RTO_MIN > 2 * c->rtt ? RTO_MIN : 2 * c->rtt) << min32(c->retries, 8);
    c->timer = guest_monotonic() + (wait < RTO_MAX ? wait : RTO_MAX);
}

/* Send `len` bytes of the reply from c->next on, and the FIN when it follows and `len` reaches the end. */
static void send_data(struct conn *c, uint32_t len)
{
    uint32_t left = (uint32_t)distance(c->next, reply_end(c));
    uint8_t flags = ACK;
    fill(&c->reply, c->next - c->base, ip_payload() + TCP_LEN, len);
    if (len == left)
        flags |= PSH;
    if (len == left && c->closing)
        flags |= FIN;
    send_segment(c, flags, c->next, TCP_LEN, len);
    c->next += len + !!(flags & FIN);
    if (distance(c->max, c->next) > 0) {
        c->max = c->next;
        if (c->sample_time == 0) {
            c->sample_time = guest_monotonic();
            c->sample_end = c->next;
        }
    }
}

/* Send what the windows allow. */
static void push(struct conn *c)
{
    uint32_t end = reply_end(c);
    uint32_t window = min32(c->window, c->cwnd);
    while (distance(c->next, end) > 0) {
        uint32_t flying = c->next - c->una;
        uint32_t left = (uint32_t)distance(c->next, end);
        uint32_t len = flying < window ? min32(min32(c->mss, left), window - flying) : 0;
        /* No small segments while greater ones are on their way: the window will open. */
        if (len == 0 || (len < c->mss && len < left && flying > 0))
            break;
        send_data(c, len);
    }
    if (c->closing && c->next == end)
        send_data(c, 0);
    if (c->timer == 0 && (c->next != c->una || distance(c->next, end) > 0))
        start_timer(c);
}

/* --- connections
 * ----------------------------------------------------------------------------------------------------------
 */

static struct conn *find(const struct ip_peer *peer, uint16_t port)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (conns[i].state != FREE && conns[i].port == port && conns[i].peer.address == peer->address &&
            conns[i].peer.link == peer->link)
            return &conns[i];
    return NULL;
}

/* A free slot, else the one that has been idle longest between two requests. NULL while all are busy: the
 * peer asks again. */
static struct conn *take_slot(uint64_t now)
{
    struct conn *oldest = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        struct conn *c = &conns[i];
        if (c->state == FREE)
            return c;
        if (c->served && !c->replying && c->in_len == 0 && c->activity + EVICT < now &&
            (!oldest || c->activity < oldest->activity))
            oldest = c;
    }
    if (oldest && oldest->state == ESTABLISHED)
        send_raw(&oldest->peer, TCP_PORT, oldest->port, oldest->next, oldest->rcv_next, RST | ACK, 0, TCP_LEN,
                 0);
    return oldest;
}

static uint32_t peer_mss(const struct segment *s)
{
    uint32_t mss = MSS_DEFAULT;
    for (size_t i = TCP_LEN; i < s->header_len;) {
        uint8_t kind = s->header[i];
        if (kind == 0)
            break;
        if (kind == 1) {
            i++;
            continue;
        }
        if (i + 1 >= s->header_len || s->header[i + 1] < 2 || i + s->header[i + 1] > s->header_len)
            break;
        if (kind == 2 && s->header[i + 1] == 4)
            mss = ip_get16(s->header + i + 2);
        i += s->header[i + 1];
    }
    return mss;
}

static void accept(const struct ip_peer *peer, const struct segment *s, uint64_t now)
{
    static uint32_t salt;
    struct conn *c = take_slot(now);
    if (!c)
        return;
    uint32_t mss = min32(peer_mss(s), (uint32_t)peer->link->mtu - 40);
    c->state = SYN_RECEIVED;
    c->peer = *peer;
    c->port = s->from;
    c->mss = mss < MSS_MIN ? MSS_MIN : mss;
    c->una = (uint32_t)(now / 4000) + (salt += 64013);
    c->next = c->max = c->base = c->una + 1;
    c->window = s->window;
    c->cwnd = 10 * c->mss;
    c->ssthresh = CWND_MAX;
    c->dup_acks = c->retries = 0;
    c->rtt = c->sample_time = 0;
    c->timer = 0;
    c->activity = now;
    c->rcv_next = s->seq + 1;
    c->ack_owed = c->served = c->replying = c->closing = c->peer_closed = false;
    c->in_len = 0;
    send_syn(c);
    start_timer(c);
}

/* --- receiving
 * -----------------------------------------------------------------------------------------------------------
 */

static void grow(struct conn *c, uint32_t acked)
{
    uint32_t step = c->cwnd < c->ssthresh ? min32(acked, 2 * c->mss) : c->mss * c->mss / c->cwnd + 1;
    c->cwnd = min32(c->cwnd + step, CWND_MAX);
}

static void shrink(struct conn *c, uint32_t cwnd)
{
    uint32_t flying = c->max - c->una;
    c->ssthresh = flying / 2 > 2 * c->mss ? flying / 2 : 2 * c->mss;
    c->cwnd = cwnd ? cwnd : c->ssthresh;
    c->next = c->una;
    c->sample_time = 0; /* who knows which of the two sendings is acknowledged */
}

static void measure(struct conn *c)
{
    if (c->sample_time == 0 || distance(c->sample_end, c->una) < 0)
        return;
    uint64_t sample = guest_monotonic() - c->sample_time;
    c->rtt = c->rtt ? (7 * c->rtt + sample) / 8 : sample;
    c->sample_time = 0;
}

/* The acknowledgement field. False when the segment is to be dropped. */
static bool take_ack(struct conn *c, const struct segment *s)
{
    if (distance(c->max, s->ack) > 0) {
        send_ack(c);
        return false;
    }
    bool was_shut = c->window == 0;
    int32_t acked = distance(c->una, s->ack);
    if (acked > 0) {
        c->una = s->ack;
        if (distance(c->next, c->una) > 0)
            c->next = c->una;
        measure(c);
        c->retries = 0;
        c->dup_acks = 0;
        c->timer = 0;
        c->window = s->window;
        grow(c, (uint32_t)acked);
        if (c->una != c->next)
            start_timer(c);
    } else if (acked == 0) {
        if (s->len == 0 && s->window == c->window && c->next != c->una && ++c->dup_acks == DUP_ACKS)
            shrink(c, 0);
        c->window = s->window;
    }
    if (was_shut && c->window > 0)
        c->next = c->una; /* the probe may not have been taken */
    return true;
}

/* The data and the FIN. */
static void take_data(struct conn *c, const struct segment *s)
{
    bool fin = s->flags & FIN;
    if (s->len == 0 && !fin)
        return;
    c->ack_owed = true;
    int32_t skip = distance(s->seq, c->rcv_next);
    if (skip < 0 || (uint32_t)skip > s->len || c->peer_closed)
        return;
    size_t len = s->len - (size_t)skip;
    if (c->closing) {
        /* Nothing more is answered: take it, so that the peer comes to its end. */
        c->rcv_next += (uint32_t)len;
    } else {
        size_t space = sizeof(c->in) - c->in_len;
        if (len > space) {
            len = space;
            fin = false;
        }
        memcpy(c->in + c->in_len, s->data + skip, len);
        c->in_len += len;
        c->rcv_next += (uint32_t)len;
    }
    if (fin) {
        c->peer_closed = true;
        c->rcv_next++;
    }
}

/* Whatever follows from what came: the next reply, closing, the end. */
static void advance(struct conn *c)
{
    if (c->replying && c->una == reply_end(c) && !c->closing) {
        c->base = reply_end(c);
        c->replying = false;
    }
    if (!c->replying && !c->closing && c->in_len > 0) {
        bool full = c->in_len == sizeof(c->in);
        size_t used = tcp_serve(c->in, c->in_len, full, &c->reply);
        if (used > 0) {
            c->in_len -= used;
            memmove(c->in, c->in + used, c->in_len);
            c->replying = c->served = true;
            c->closing = c->reply.close;
        }
    }
    if (!c->replying && c->peer_closed)
        c->closing = true;
    push(c);
    if (c->closing && c->una == reply_end(c) + 1 && c->peer_closed) {
        if (c->ack_owed)
            send_ack(c);
        c->state = FREE;
    }
    if (c->state != FREE && c->ack_owed)
        send_ack(c);
}

static bool parse(struct segment *ret, const struct ip_peer *peer, const uint8_t *tcp, size_t len)
{
    if (len < TCP_LEN)
        return false;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    if (header < TCP_LEN || header > len ||
        ip_fold(ip_sum(ip_pseudo(peer, IP_PROTO_TCP, len), tcp, len)) != 0)
        return false;
    *ret = (struct segment){
        .from = ip_get16(tcp),
        .to = ip_get16(tcp + 2),
        .seq = ip_get32(tcp + 4),
        .ack = ip_get32(tcp + 8),
        .flags = tcp[13],
        .window = ip_get16(tcp + 14),
        .header = tcp,
        .header_len = header,
        .data = tcp + header,
        .len = len - header,
    };
    return true;
}

static void without_connection(const struct ip_peer *peer, const struct segment *s, uint64_t now)
{
    if (s->flags & RST)
        return;
    if (s->to == TCP_PORT && (s->flags & (SYN | ACK)) == SYN)
        accept(peer, s, now);
    else
        send_reset(peer, s);
}

void tcp_input(const struct ip_peer *peer, const uint8_t *segment, size_t len)
{
    struct segment s;
    uint64_t now = guest_monotonic();
    if (!parse(&s, peer, segment, len))
        return;
    struct conn *c = s.to == TCP_PORT ? find(peer, s.from) : NULL;
    if (!c) {
        without_connection(peer, &s, now);
        return;
    }
    if (s.flags & RST) {
        int32_t into = distance(c->rcv_next, s.seq);
        if (into >= 0 && into <= TCP_IN_MAX)
            c->state = FREE;
        return;
    }
    c->activity = now;
    if (s.flags & SYN) {
        if (c->state == SYN_RECEIVED && s.seq + 1 == c->rcv_next)
            send_syn(c);
        else
            send_ack(c);
        return;
    }
    if (!(s.flags & ACK))
        return;
    if (c->state == SYN_RECEIVED && s.ack != c->next) {
        send_reset(peer, &s);
        return;
    }
    c->state = ESTABLISHED;
    if (!take_ack(c, &s))
        return;
    take_data(c, &s);
    advance(c);
}

/* --- time
 * ----------------------------------------------------------------------------------------------------------------
 */

static void timed_out(struct conn *c)
{
    c->timer = 0;
    if (++c->retries > RETRIES) {
        c->state = FREE;
        return;
    }
    if (c->state == SYN_RECEIVED) {
        send_syn(c);
    } else if (c->window == 0) {
        /* A probe, one byte into the shut window; a FIN needs no window. */
        c->next = c->una;
        if (distance(c->next, reply_end(c)) > 0)
            send_data(c, 1);
    } else {
        shrink(c, 2 * c->mss);
        c->dup_acks = 0;
    }
    if (c->state == ESTABLISHED)
        push(c);
    start_timer(c);
}

uint64_t tcp_timers(uint64_t now)
{
    uint64_t soonest = now + 60 * GUEST_NSEC;
    for (size_t i = 0; i < SLOTS; i++) {
        struct conn *c = &conns[i];
        if (c->state == FREE)
            continue;
        if (c->timer && c->timer <= now)
            timed_out(c);
        uint64_t end = c->activity + (c->closing ? LINGER : IDLE);
        if (!c->timer && end <= now) {
            send_raw(&c->peer, TCP_PORT, c->port, c->next, c->rcv_next, RST | ACK, 0, TCP_LEN, 0);
            c->state = FREE;
        }
        if (c->state == FREE)
            continue;
        uint64_t due = c->timer ? c->timer : end;
        if (due < soonest)
            soonest = due;
    }
    return soonest;
}
