/* TCP (RFC 9293) for requests and replies, of either side: in-order receiving, go-back-N sending, Reno's
 * window. */
#include "tcp.h"
#include "segment.h"

#define SLOTS       64
#define MSS_MIN     64
#define CWND_MAX    65535
#define DUP_ACKS    3
#define RETRIES     9
#define RTO_MIN     (300 * GUEST_MSEC)
#define RTO_MAX     (3 * GUEST_NSEC)
#define IDLE        (30 * GUEST_NSEC)
#define EVICT       (2 * GUEST_NSEC)
#define LINGER      (5 * GUEST_NSEC)
#define CALL_WINDOW 65535 /* what comes is taken at once */
#define CALL_PORT   49152 /* and above: our side of calls */

enum state {
    FREE = 0,
    SYN_RECEIVED,
    SYN_SENT,
    ESTABLISHED, /* until both sides have closed; `closing` and `peer_closed` say how far that is */
};

struct conn {
    enum state state;
    struct ip_peer peer;
    uint16_t port, local; /* the peer's, our own */
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
    bool served;  /* at least one request */
    bool waiting; /* for a reply that comes later */
    bool replying;
    bool closing;     /* our FIN follows the reply */
    bool peer_closed; /* the peer's FIN is in */

    size_t in_len;
    char in[TCP_IN_MAX];
    struct tcp_reply reply; /* or the request of our own */
    bool outgoing;          /* opened by us */
    struct tcp_call *call;  /* who hears of it, NULL: no longer anybody */
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

static void send_segment(struct conn *c, uint8_t flags, uint32_t seq, size_t header_len, size_t len)
{
    size_t space = c->outgoing ? CALL_WINDOW : sizeof(c->in) - c->in_len;
    segment_send(&c->peer, c->local, c->port, seq, c->rcv_next, flags, space, header_len, len);
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
    send_segment(c, c->state == SYN_SENT ? SYN : SYN | ACK, c->una, TCP_LEN + 4, 0);
}

static void fill(const struct tcp_reply *reply, uint32_t offset, uint8_t *to, uint32_t len)
{
    uint32_t i = 0, fixed = reply->text_len + reply->body_len;
    if (offset < reply->text_len) {
        i = min32(len, reply->text_len - offset);
        memcpy(to, reply->text + offset, i);
    }
    if (i < len && offset + i < fixed) {
        uint32_t n = min32(len - i, fixed - offset - i);
        memcpy(to + i, reply->body + (offset + i - reply->text_len), n);
        i += n;
    }
    for (; i < len; i++)
        to[i] = (uint8_t)tcp_filler(offset + i - fixed);
}

static uint32_t reply_end(const struct conn *c)
{
    return c->replying ? c->base + c->reply.text_len + c->reply.body_len + c->reply.filler : c->base;
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

static struct conn *find(const struct ip_peer *peer, uint16_t port, uint16_t local)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (conns[i].state != FREE && conns[i].port == port && conns[i].local == local &&
            conns[i].peer.address == peer->address && conns[i].peer.link == peer->link)
            return &conns[i];
    return NULL;
}

/* Whoever made the call hears of its end once; he may make the next one at once, so look at `c` no more. */
static void end_call(struct conn *c, bool whole)
{
    struct tcp_call *call = c->call;
    c->call = NULL;
    if (call)
        call->end(call, whole);
}

/* The connection is no more. */
static void drop(struct conn *c)
{
    c->state = FREE;
    c->reply.ticket = 0;
    end_call(c, false);
}

static void reset(const struct conn *c)
{
    segment_send(&c->peer, c->local, c->port, c->next, c->rcv_next, RST | ACK, 0, TCP_LEN, 0);
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
        if (c->served && !c->waiting && !c->replying && c->in_len == 0 && c->activity + EVICT < now &&
            (!oldest || c->activity < oldest->activity))
            oldest = c;
    }
    if (oldest && oldest->state == ESTABLISHED)
        reset(oldest);
    return oldest;
}

/* A connection in its first state, for either side. NULL when there is no room for it. */
static struct conn *begin(enum state state, const struct ip_peer *peer, uint16_t port, uint16_t local)
{
    static uint32_t salt;
    uint64_t now = guest_monotonic();
    struct conn *c = take_slot(now);
    if (!c)
        return NULL;
    c->state = state;
    c->peer = *peer;
    c->port = port;
    c->local = local;
    c->mss = SEGMENT_MSS;
    c->una = (uint32_t)(now / 4000) + (salt += 64013);
    c->next = c->max = c->base = c->una + 1;
    c->window = c->rcv_next = 0;
    c->cwnd = 10 * c->mss;
    c->ssthresh = CWND_MAX;
    c->dup_acks = c->retries = 0;
    c->rtt = c->sample_time = 0;
    c->timer = 0;
    c->activity = now;
    c->ack_owed = c->served = c->waiting = c->replying = c->closing = c->peer_closed = c->outgoing = false;
    c->call = NULL;
    c->reply.ticket = 0;
    c->in_len = 0;
    return c;
}

/* What the peer's SYN says. */
static void take_syn(struct conn *c, const struct segment *s)
{
    uint32_t mss = min32(segment_mss(s), (uint32_t)c->peer.link->mtu - 40);
    c->mss = mss < MSS_MIN ? MSS_MIN : mss;
    c->cwnd = 10 * c->mss;
    c->window = s->window;
    c->rcv_next = s->seq + 1;
}

static void accept(const struct ip_peer *peer, const struct segment *s)
{
    struct conn *c = begin(SYN_RECEIVED, peer, s->from, TCP_PORT);
    if (!c)
        return;
    take_syn(c, s);
    send_syn(c);
    start_timer(c);
}

bool tcp_call(struct tcp_call *call, const struct ip_peer *peer, uint16_t port, const char *request,
              size_t len)
{
    static uint16_t local;
    if (local == 0) /* not where the guest was before it was started anew: the peer may remember that */
        local = (uint16_t)(CALL_PORT + guest_wall() / GUEST_MSEC % (65536 - CALL_PORT));
    local = local == 65535 ? CALL_PORT : (uint16_t)(local + 1);
    struct conn *c = begin(SYN_SENT, peer, port, local);
    if (!c)
        return false;
    c->outgoing = c->replying = true;
    c->call = call;
    c->reply.text_len = c->reply.filler = 0;
    c->reply.body = request;
    c->reply.body_len = (uint32_t)len;
    send_syn(c);
    start_timer(c);
    return true;
}

void tcp_hang_up(const struct tcp_call *call)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (conns[i].state == FREE || conns[i].call != call)
            continue;
        reset(&conns[i]);
        conns[i].state = FREE;
        conns[i].call = NULL;
    }
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
    if (c->closing || c->outgoing) {
        /* Where nothing more is answered it is taken so that the peer comes to its end. */
        c->rcv_next += (uint32_t)len;
        if (c->call && len > 0)
            c->call->take(c->call, s->data + skip, len);
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

/* Have the next request answered, at once or later. */
static void serve(struct conn *c)
{
    static uint64_t tickets;
    c->reply.ticket = ++tickets * SLOTS + (uint64_t)(c - conns);
    c->reply.body_len = 0;
    c->reply.later = false;
    size_t used = tcp_serve(&c->peer, c->in, c->in_len, c->in_len == sizeof(c->in), &c->reply);
    if (used == 0)
        return;
    c->in_len -= used;
    memmove(c->in, c->in + used, c->in_len);
    c->served = true;
    c->waiting = c->reply.later;
    c->replying = !c->waiting;
    c->closing = c->replying && c->reply.close;
}

/* Whatever follows from what came: the next reply, closing, the end. */
static void advance(struct conn *c)
{
    if (c->replying && c->una == reply_end(c) && !c->closing) {
        c->base = reply_end(c);
        c->replying = false;
        c->reply.ticket = 0;
    }
    if (!c->replying && !c->waiting && !c->closing && c->in_len > 0)
        serve(c);
    if (!c->replying && !c->waiting && c->peer_closed)
        c->closing = true;
    push(c);
    if (c->closing && c->una == reply_end(c) + 1 && c->peer_closed) {
        if (c->ack_owed)
            send_ack(c);
        drop(c);
    }
    if (c->state != FREE && c->ack_owed)
        send_ack(c);
}

struct tcp_reply *tcp_reply_for(uint64_t ticket)
{
    struct conn *c = &conns[ticket % SLOTS];
    return c->state != FREE && c->reply.ticket == ticket ? &c->reply : NULL;
}

void tcp_answer(const struct tcp_reply *reply)
{
    struct conn *c = &conns[reply->ticket % SLOTS];
    c->waiting = false;
    c->replying = true;
    c->closing = reply->close;
    c->activity = guest_monotonic();
    push(c);
}

static void without_connection(const struct ip_peer *peer, const struct segment *s)
{
    if (s->flags & RST)
        return;
    if (s->to == TCP_PORT && (s->flags & (SYN | ACK)) == SYN)
        accept(peer, s);
    else
        segment_reset(peer, s);
}

/* The answer to our SYN (RFC 9293, 3.10.7.3). */
static void opened(struct conn *c, const struct segment *s)
{
    if ((s->flags & ACK) && s->ack != c->next) {
        if (!(s->flags & RST))
            segment_reset(&c->peer, s);
        return;
    }
    if ((s->flags & (RST | ACK)) == (RST | ACK)) {
        drop(c);
        return;
    }
    if ((s->flags & (RST | SYN | ACK)) != (SYN | ACK))
        return;
    c->state = ESTABLISHED;
    take_ack(c, s);
    take_syn(c, s);
    c->ack_owed = true;
    advance(c);
}

void tcp_input(const struct ip_peer *peer, const uint8_t *segment, size_t len)
{
    struct segment s;
    if (!segment_parse(&s, peer, segment, len))
        return;
    struct conn *c = find(peer, s.from, s.to);
    if (!c) {
        without_connection(peer, &s);
        return;
    }
    if (c->state == SYN_SENT) {
        opened(c, &s);
        return;
    }
    if (s.flags & RST) {
        int32_t into = distance(c->rcv_next, s.seq);
        if (into >= 0 && into <= (c->outgoing ? CALL_WINDOW : TCP_IN_MAX))
            drop(c);
        return;
    }
    c->activity = guest_monotonic();
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
        segment_reset(peer, &s);
        return;
    }
    c->state = ESTABLISHED;
    if (!take_ack(c, &s))
        return;
    take_data(c, &s);
    advance(c);
    if (c->peer_closed)
        end_call(c, true);
}

/* --- time
 * ----------------------------------------------------------------------------------------------------------------
 */

static void timed_out(struct conn *c)
{
    c->timer = 0;
    if (++c->retries > RETRIES) {
        drop(c);
        return;
    }
    if (c->state != ESTABLISHED) {
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
            reset(c);
            drop(c);
        }
        if (c->state == FREE)
            continue;
        uint64_t due = c->timer ? c->timer : end;
        if (due < soonest)
            soonest = due;
    }
    return soonest;
}
