/* DNS queries and answers as they pass through (RFC 1035). */
#include "netplumb/relay/dns.h"

#include <string.h>

#define HEADER_LEN 12
#define LABEL_MAX  63
#define NAME_MAX   255

#define FLAG_ANSWER    0x8000
#define OPCODE         0x7800
#define FLAG_TRUNCATED 0x0200
#define FLAG_RECURSION 0x0100
#define FLAG_AVAILABLE 0x0080
#define SERVER_FAILURE 2

/* The length of header and question; 0 when there is none that is whole. */
static size_t asked_len(const uint8_t *message, size_t len)
{
    size_t at = HEADER_LEN;
    if (len < HEADER_LEN || rly_get16(message + 4) != 1)
        return 0;
    while (at < len && message[at] != 0) {
        if (message[at] > LABEL_MAX) /* a pointer can't point anywhere yet */
            return 0;
        at += 1U + message[at];
    }
    at += 5; /* the root, type and class */
    return at <= len && at - HEADER_LEN <= NAME_MAX + 4 ? at : 0;
}

size_t rly_query_check(const uint8_t *message, size_t len)
{
    if (len < HEADER_LEN || len > RLY_QUERY_MAX)
        return 0;
    if ((rly_get16(message + 2) & (FLAG_ANSWER | OPCODE)) || rly_get16(message + 6) || rly_get16(message + 8))
        return 0;
    return asked_len(message, len);
}

static bool same_ends(const struct rly_pending *p, const struct rly_packet *packet)
{
    return p->ends.destination == packet->source && p->ends.destination_port == packet->source_port;
}

/* The same query, asked again. */
static struct rly_pending *find_again(struct rly_table *table, size_t net, const struct rly_packet *packet)
{
    for (size_t i = 0; i < RLY_PENDING_MAX; i++) {
        struct rly_pending *p = &table->v[i];
        if (p->used && p->net == net && same_ends(p, packet) && p->len == packet->len &&
            rly_get16(packet->payload) == p->guest_id &&
            memcmp(p->query + 2, packet->payload + 2, p->len - 2) == 0)
            return p;
    }
    return NULL;
}

/* An id that no other has, the first one from `fresh` on: less than every 1024th is taken. */
static uint16_t free_id(const struct rly_table *table, uint16_t fresh)
{
    for (size_t i = 0; i < RLY_PENDING_MAX; i++) {
        if (table->v[i].used && table->v[i].id == fresh) {
            fresh++;
            i = (size_t)-1;
        }
    }
    return fresh;
}

/* A bucket that holds RLY_BURST and gets RLY_RATE a second. */
static bool take_token(struct rly_table *table, uint64_t now)
{
    uint64_t more = now > table->refilled ? (now - table->refilled) * RLY_RATE / 1000 : 0;
    if (more > 0) {
        table->tokens = more >= RLY_BURST - table->tokens ? RLY_BURST : table->tokens + (unsigned)more;
        table->refilled = now;
    }
    if (table->tokens == 0)
        return false;
    table->tokens--;
    return true;
}

static uint64_t share_of_patience(const struct rly_table *table)
{
    return RLY_PATIENCE_MS / (table->server_count ? table->server_count : 1);
}

struct rly_pending *rly_query(struct rly_table *table, size_t net, const struct rly_packet *packet,
                              uint16_t fresh, uint64_t now)
{
    struct rly_pending *free_one = NULL;
    size_t asked = rly_query_check(packet->payload, packet->len);
    if (!asked || table->server_count == 0 || !take_token(table, now))
        return NULL;
    struct rly_pending *again = find_again(table, net, packet);
    if (again) {
        again->server = (again->server + 1) % table->server_count;
        return again; /* its time is not longer for that */
    }
    for (size_t i = 0; i < RLY_PENDING_MAX && !free_one; i++)
        if (!table->v[i].used)
            free_one = &table->v[i];
    if (!free_one)
        return NULL;
    *free_one = (struct rly_pending){.used = true,
                                     .id = free_id(table, fresh),
                                     .guest_id = rly_get16(packet->payload),
                                     .tried = 1,
                                     .due = now + share_of_patience(table),
                                     .net = net,
                                     .len = packet->len,
                                     .asked_len = asked,
                                     .ends = {.source = RLY_ADDRESS,
                                              .destination = packet->source,
                                              .source_port = RLY_DNS_PORT,
                                              .destination_port = packet->source_port}};
    memcpy(free_one->ends.to, packet->from, 6);
    /* As if from the router to which the guest has sent it. */
    memcpy(free_one->ends.from, (packet->to[0] & 1) ? rly_mac : packet->to, 6);
    memcpy(free_one->query, packet->payload, packet->len);
    rly_put16(free_one->query, free_one->id);
    return free_one;
}

struct rly_pending *rly_answer_find(struct rly_table *table, const uint8_t *message, size_t len)
{
    if (len < HEADER_LEN || !(rly_get16(message + 2) & FLAG_ANSWER))
        return NULL;
    for (size_t i = 0; i < RLY_PENDING_MAX; i++) {
        struct rly_pending *p = &table->v[i];
        if (p->used && p->id == rly_get16(message))
            return p;
    }
    return NULL;
}

/* What is left of an answer without its records: the header with `flags`, and the question. */
static size_t put_bare(const struct rly_pending *pending, uint8_t *message, uint16_t flags)
{
    memcpy(message, pending->query, pending->asked_len);
    rly_put16(message + 2, flags);
    memset(message + 6, 0, 6);
    return pending->asked_len;
}

static size_t finish(struct rly_pending *pending, uint8_t *frame, size_t len)
{
    rly_put16(rly_payload(frame), pending->guest_id);
    pending->used = false;
    return rly_put_udp(frame, &pending->ends, len);
}

size_t rly_answer(struct rly_pending *pending, uint8_t *frame, size_t len, bool cut, unsigned mtu)
{
    uint8_t *message = rly_payload(frame);
    if (cut || len > RLY_ANSWER_MAX || RLY_IP_LEN + RLY_UDP_LEN + len > mtu)
        len = put_bare(pending, message, rly_get16(message + 2) | FLAG_TRUNCATED);
    return finish(pending, frame, len);
}

size_t rly_answer_failure(struct rly_pending *pending, uint8_t *frame)
{
    uint16_t asked = rly_get16(pending->query + 2) & FLAG_RECURSION;
    return finish(
        pending, frame,
        put_bare(pending, rly_payload(frame), FLAG_ANSWER | FLAG_AVAILABLE | SERVER_FAILURE | asked));
}

bool rly_next_server(const struct rly_table *table, struct rly_pending *pending, uint64_t now)
{
    if (pending->tried >= table->server_count)
        return false;
    pending->tried++;
    pending->again = false;
    pending->server = (pending->server + 1) % table->server_count;
    pending->due = now + share_of_patience(table);
    return true;
}

struct rly_pending *rly_overdue(struct rly_table *table, uint64_t now)
{
    for (size_t i = 0; i < RLY_PENDING_MAX; i++)
        if (table->v[i].used && table->v[i].due <= now)
            return &table->v[i];
    return NULL;
}

int rly_wait_time(const struct rly_table *table, uint64_t now)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < RLY_PENDING_MAX; i++)
        if (table->v[i].used && table->v[i].due < first)
            first = table->v[i].due;
    if (first == UINT64_MAX)
        return -1;
    return first <= now ? 0 : (int)(first - now);
}
