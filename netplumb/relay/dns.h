/* DNS: which of a guest's messages are queries, who waits for which answer, and how an answer is cut to size.
 *
 * Nothing here talks to anyone: descriptors are relay.c's. Times are milliseconds of one monotonic clock. */
#ifndef RLY_DNS_H
#define RLY_DNS_H

#include "netplumb/relay/frame.h"

#define RLY_QUERY_MAX   512 /* bytes of a query (RFC 1035, 4.2.1); what is longer is not passed on */
#define RLY_PENDING_MAX 64  /* queries that wait for an answer at a time */
#define RLY_PATIENCE_MS 10000
#define RLY_RATE        1000 /* queries per second that are passed on in the long run … */
#define RLY_BURST       256  /* … and at once */

/* A query that waits. */
struct rly_pending {
    bool used;
    uint16_t id;           /* as the resolver knows it */
    uint16_t guest_id;     /* as the guest does */
    size_t server;         /* which resolver has it now */
    size_t tried;          /* resolvers that had it */
    bool again;            /* it was sent to its resolver a second time */
    uint64_t due;          /* when the next one gets it, or nobody answers */
    size_t net;            /* whence it came */
    struct rly_ends ends;  /* of the answer */
    size_t len, asked_len; /* of the query, and of its header and question alone */
    uint8_t query[RLY_QUERY_MAX];
};

struct rly_table {
    size_t server_count;
    struct rly_pending v[RLY_PENDING_MAX];
    uint64_t refilled; /* when tokens were last counted */
    unsigned tokens;
};

/* The length of header and question when the message is one standard query for one name, in `len` bytes; 0
 * for anything else. */
size_t rly_query_check(const uint8_t *message, size_t len);

/* Take a guest's datagram to the DNS port. A query that is there already (the guest asks again) goes to the
 * next resolver. Returns what is to be sent to `->server`, or NULL: nothing, because it is no query or there
 * are too many. `fresh` is a random number that the caller makes for each call. */
struct rly_pending *rly_query(struct rly_table *table, size_t net, const struct rly_packet *packet,
                              uint16_t fresh, uint64_t now);

/* Whose answer is this message from a resolver? One that was given up may still answer first. NULL: nobody's.
 */
struct rly_pending *rly_answer_find(struct rly_table *table, const uint8_t *message, size_t len);

/* Write the answer to `pending` as a frame for a guest with this MTU, and forget the query. `len` bytes of
 * `message`, of which `cut` says that there were more, are at rly_payload(frame) already. Returns the frame's
 * length. */
size_t rly_answer(struct rly_pending *pending, uint8_t *frame, size_t len, bool cut, unsigned mtu);

/* Write "server failure" as the answer; as rly_answer. */
size_t rly_answer_failure(struct rly_pending *pending, uint8_t *frame);

/* The resolver of this query does not answer. True: `->server` is the next one to be asked; false: there is
 * none left. */
bool rly_next_server(const struct rly_table *table, struct rly_pending *pending, uint64_t now);

/* A query whose time is over; NULL: none. */
struct rly_pending *rly_overdue(struct rly_table *table, uint64_t now);

/* Milliseconds until the first one is overdue; -1: none waits. */
int rly_wait_time(const struct rly_table *table, uint64_t now);

#endif
