/* runuk-relay: the loop between a guest's taps and the container's resolvers. */
#include "netplumb/relay/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "netplumb/relay/dhcp.h"
#include "netplumb/relay/dns.h"

#define BATCH 16 /* frames or answers of one socket before the others have their turn */

struct relay {
    struct rly_config config;
    struct rly_table table;
    uint8_t in[RLY_FRAME_MAX];
    uint8_t out[RLY_REPLY_MAX];
    struct pollfd set[RLY_NETS_MAX + RLY_SERVERS_MAX]; /* devices, then resolvers */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A guest that does not read loses what does not fit into its queue, as on any cable. */
static void send_to_guest(const struct relay *relay, size_t net, size_t len)
{
    if (len > 0)
        (void)!send(relay->config.nets[net].fd, relay->out, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void fail(struct relay *relay, struct rly_pending *pending)
{
    size_t net = pending->net;
    send_to_guest(relay, net, rly_answer_failure(pending, relay->out));
}

static void reconnect(const struct relay *relay, size_t server)
{
    const struct rly_places *places = relay->config.places;
    rly_resolver_again(relay->config.servers[server], &places->nowhere, &places->servers[server]);
}

/* Pass a query on to its resolver, or to the next one where that is not there. An error can be that of an
 * earlier datagram: then the second try is this one's first. */
static void ask(struct relay *relay, struct rly_pending *pending)
{
    do {
        int fd = relay->config.servers[pending->server];
        for (int i = 0; i < 2; i++) {
            if (send(fd, pending->query, pending->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return;
            reconnect(relay, pending->server);
        }
    } while (rly_next_server(&relay->table, pending, now_ms()));
    fail(relay, pending);
}

static void take_udp(struct relay *relay, size_t net, const struct rly_packet *packet)
{
    uint16_t fresh;
    if (packet->destination_port == RLY_DHCP_PORT) {
        send_to_guest(relay, net, rly_dhcp(&relay->config, &relay->config.nets[net], packet, relay->out));
        return;
    }
    if (packet->destination_port != RLY_DNS_PORT || packet->destination != RLY_ADDRESS ||
        getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh)
        return;
    struct rly_pending *pending = rly_query(&relay->table, net, packet, fresh, now_ms());
    if (pending)
        ask(relay, pending);
}

static void take_frame(struct relay *relay, size_t net, size_t len)
{
    struct rly_packet packet;
    enum rly_kind kind = rly_parse(&packet, relay->in, len);
    if (memcmp(packet.from, relay->config.nets[net].mac, 6) != 0)
        return;
    if (kind == RLY_UDP)
        take_udp(relay, net, &packet);
    else if (kind == RLY_ARP)
        send_to_guest(relay, net, rly_put_arp(relay->out, &packet));
    else if (kind == RLY_TCP)
        send_to_guest(relay, net, rly_put_reset(relay->out, &packet));
}

static void read_guest(struct relay *relay, size_t net)
{
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = recv(relay->config.nets[net].fd, relay->in, sizeof relay->in, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0)
            return;
        if ((size_t)n <= sizeof relay->in)
            take_frame(relay, net, (size_t)n);
    }
}

/* The resolver's port is closed, or it was another one before: the second time nobody need wait any longer.
 */
static void refused(struct relay *relay, size_t server)
{
    reconnect(relay, server);
    for (size_t i = 0; i < RLY_PENDING_MAX; i++) {
        struct rly_pending *p = &relay->table.v[i];
        if (!p->used || p->server != server)
            continue;
        bool next = p->again;
        if (next && !rly_next_server(&relay->table, p, now_ms())) {
            fail(relay, p);
        } else {
            p->again = !next;
            ask(relay, p);
        }
    }
}

static void read_server(struct relay *relay, size_t server)
{
    uint8_t *message = rly_payload(relay->out);
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = recv(relay->config.servers[server], message, RLY_ANSWER_MAX, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0) {
            if (errno == ECONNREFUSED)
                refused(relay, server);
            return;
        }
        bool cut = (size_t)n > RLY_ANSWER_MAX;
        size_t len = cut ? RLY_ANSWER_MAX : (size_t)n;
        struct rly_pending *pending = rly_answer_find(&relay->table, message, len);
        if (!pending)
            continue;
        size_t net = pending->net;
        send_to_guest(relay, net, rly_answer(pending, relay->out, len, cut, relay->config.nets[net].mtu));
    }
}

static void take_overdue(struct relay *relay)
{
    struct rly_pending *pending;
    while ((pending = rly_overdue(&relay->table, now_ms()))) {
        reconnect(relay, pending->server);
        if (rly_next_server(&relay->table, pending, now_ms()))
            ask(relay, pending);
        else
            fail(relay, pending);
    }
}

/* For ever: the relay ends with the monitor, and is then killed. */
static _Noreturn void serve(struct relay *relay, size_t count)
{
    for (;;) {
        int n = poll(relay->set, count, rly_wait_time(&relay->table, now_ms()));
        if (n < 0 && errno != EINTR)
            _exit(1);
        for (size_t i = 0; i < count && n > 0; i++) {
            if (!relay->set[i].revents)
                continue;
            if (i < relay->config.net_count)
                read_guest(relay, i);
            else
                read_server(relay, i - relay->config.net_count);
            /* A tap that is gone says so for ever. */
            if (i < relay->config.net_count && (relay->set[i].revents & (POLLHUP | POLLNVAL)))
                relay->set[i].fd = -1;
        }
        take_overdue(relay);
    }
}

static int prepare(struct relay *relay, size_t *ret_count, char **argv, struct rk_err *err)
{
    const struct rly_config *config = &relay->config;
    int r = rly_options(&relay->config, argv, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < config->net_count; i++)
        relay->set[i] = (struct pollfd){.fd = config->nets[i].fd, .events = POLLIN};
    for (size_t i = 0; i < config->server_count; i++)
        relay->set[config->net_count + i] = (struct pollfd){.fd = config->servers[i], .events = POLLIN};
    *ret_count = config->net_count + config->server_count;
    relay->table =
        (struct rly_table){.server_count = config->server_count, .refilled = now_ms(), .tokens = RLY_BURST};
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    r = rly_confine(config, relay->set, *ret_count, sizeof relay->out, err);
    if (r == 0)
        close(STDERR_FILENO); /* whoever reads it waits for its last holder: that is the monitor */
    return r;
}

int main(int argc, char **argv)
{
    /* In one place, not on the stack: the filter knows where the poll set is. */
    static struct relay relay;
    struct rk_err err;
    size_t count = 0;
    (void)argc;
    err.code = 0;
    /* Whoever has started it has asked for that as well; a security module may undo that at the exec. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* It does not end before its guest does. */
    static const int ending[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
        signal(ending[i], SIG_IGN);
    if (prepare(&relay, &count, argv, &err) < 0) {
        dprintf(STDERR_FILENO, "runuk-relay: %s\n", err.text);
        return 1;
    }
    serve(&relay, count);
}
