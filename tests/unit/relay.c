/* Unit tests of the relay: what it makes of frames, queries, answers and DHCP messages, and of its command
 * line. */
#include "netplumb/relay/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/relay/dhcp.h"
#include "netplumb/relay/dns.h"
#include "netplumb/relay/resolver.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

#define GUEST   0x0a000009U /* 10.0.0.9 */
#define GATEWAY 0x0a000001U

static const uint8_t guest_mac[6] = {2, 0, 0, 0, 0, 9}, gateway_mac[6] = {2, 0, 0, 0, 0, 1};

/* --- frames as a guest sends them
 * --------------------------------------------------------------------------------------- */

struct frame {
    uint8_t bytes[RLY_FRAME_MAX];
    size_t len;
};

/* A datagram from the guest to `to`, by way of the gateway. */
static struct frame datagram(uint32_t to, uint16_t port, const void *data, size_t len)
{
    struct frame f;
    struct rly_ends ends = {
        .source = GUEST, .destination = to, .source_port = 4000, .destination_port = port};
    memcpy(ends.from, guest_mac, 6);
    memcpy(ends.to, gateway_mac, 6);
    memset(f.bytes, 0, sizeof f.bytes);
    memcpy(rly_payload(f.bytes), data, len);
    f.len = rly_put_udp(f.bytes, &ends, len);
    return f;
}

/* A query for "db", type A, with id 0x1234. */
static const uint8_t db_query[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 'd', 'b', 0, 0, 1, 0, 1};

static struct frame dns_query(void)
{
    return datagram(RLY_ADDRESS, RLY_DNS_PORT, db_query, sizeof db_query);
}

static struct frame arp_request(uint32_t address)
{
    struct frame f = {.len = RLY_ETH_LEN + 28};
    uint8_t *arp = f.bytes + RLY_ETH_LEN;
    memset(f.bytes, 0xff, 6);
    memcpy(f.bytes + 6, guest_mac, 6);
    memcpy(f.bytes + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
    memcpy(arp + 8, guest_mac, 6);
    rly_put32(arp + 14, GUEST);
    rly_put32(arp + 24, address);
    return f;
}

static struct frame tcp_segment(uint8_t flags)
{
    uint8_t rest[12] = {0}; /* a TCP header behind its ports and sequence number */
    rest[4] = 5 << 4;
    rest[5] = flags;
    rly_put32(rest, 0x01020304);
    struct frame f = datagram(RLY_ADDRESS, 53, rest, sizeof rest);
    f.bytes[RLY_ETH_LEN + 9] = 6;
    rly_put32(f.bytes + RLY_ETH_LEN + RLY_IP_LEN + 4, 0x11223344);
    return f;
}

/* A DHCP message of that type with options behind, which end with 255. */
static struct frame dhcp_message(uint8_t type, uint32_t client, const char *options, size_t len)
{
    uint8_t message[400] = {1, 1, 6, 0, 0xaa, 0xbb, 0xcc, 0xdd};
    rly_put32(message + 12, client);
    memcpy(message + 28, guest_mac, 6);
    memcpy(message + 236, "\x63\x82\x53\x63\x35\x01", 6);
    message[242] = type;
    memcpy(message + 243, options, len);
    message[243 + len] = 255;
    struct frame f = datagram(UINT32_MAX, RLY_DHCP_PORT, message, 244 + len);
    return f;
}

static enum rly_kind kind_of(const struct frame *f)
{
    struct rly_packet packet;
    return rly_parse(&packet, f->bytes, f->len);
}

/* --- frames
 * ---------------------------------------------------------------------------------------------------------
 */

static void test_frames(void)
{
    struct frame f = dns_query();
    struct rly_packet p;
    tap_ok(rly_parse(&p, f.bytes, f.len) == RLY_UDP && p.source == GUEST && p.destination == RLY_ADDRESS &&
               p.destination_port == 53 && p.len == sizeof db_query &&
               memcmp(p.payload, db_query, p.len) == 0 && memcmp(p.from, guest_mac, 6) == 0,
           "frame: a datagram is taken apart");
    bool good = true;
    for (size_t len = 0; len < f.len; len++)
        good = good && rly_parse(&p, f.bytes, len) == RLY_OTHER;
    tap_ok(good, "frame: one that is cut anywhere is nothing");
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } spoilt[] = {
        {"another protocol", 12, 0x86},
        {"IP options", 14, 0x46},
        {"IP version 6", 14, 0x65},
        {"a total length beyond the frame", 16, 0xff},
        {"a fragment", 20, 0x20},
        {"a later fragment", 21, 0x01},
        {"ICMP", 23, 1},
        {"a UDP length beyond the packet", 38, 0x40},
        {"a UDP length shorter than its header", 39, 7},
    };
    for (size_t i = 0; i < RK_COUNT(spoilt); i++) {
        f = dns_query();
        f.bytes[spoilt[i].at] = spoilt[i].value;
        tap_ok(kind_of(&f) == RLY_OTHER, "frame: %s is nothing", spoilt[i].name);
    }
    f = arp_request(RLY_ADDRESS);
    uint8_t out[RLY_REPLY_MAX];
    tap_ok(rly_parse(&p, f.bytes, f.len) == RLY_ARP && rly_put_arp(out, &p) == RLY_ETH_LEN + 28 &&
               memcmp(out, guest_mac, 6) == 0 && memcmp(out + 6, rly_mac, 6) == 0 &&
               memcmp(out + 22, rly_mac, 6) == 0 && rly_get16(out + 20) == 2 &&
               rly_get32(out + 28) == RLY_ADDRESS && rly_get32(out + 38) == GUEST,
           "frame: the relay's address is told by ARP");
    f = arp_request(GATEWAY);
    tap_ok(kind_of(&f) == RLY_OTHER, "frame: nobody else's is");
}

static void test_tcp(void)
{
    struct frame f = tcp_segment(0x02);
    struct rly_packet p;
    uint8_t out[RLY_REPLY_MAX];
    const uint8_t *tcp = out + RLY_ETH_LEN + RLY_IP_LEN;
    tap_ok(rly_parse(&p, f.bytes, f.len) == RLY_TCP && rly_put_reset(out, &p) == RLY_ETH_LEN + 40 &&
               tcp[13] == 0x14 && rly_get32(tcp + 8) == 0x11223345 && rly_get32(tcp + 4) == 0 &&
               rly_get16(tcp) == 53 && rly_get16(tcp + 2) == 4000 && memcmp(out + 6, gateway_mac, 6) == 0,
           "TCP: a SYN is refused, as if by the router");
    f = tcp_segment(0x10);
    tap_ok(rly_parse(&p, f.bytes, f.len) == RLY_TCP && rly_put_reset(out, &p) && tcp[13] == 0x04 &&
               rly_get32(tcp + 4) == 0x01020304,
           "TCP: a segment of no connection is refused with the number that it expects");
    f = tcp_segment(0x14);
    tap_ok(rly_parse(&p, f.bytes, f.len) == RLY_TCP && rly_put_reset(out, &p) == 0,
           "TCP: a RST is not answered");
    f = tcp_segment(0x02);
    rly_put32(f.bytes + RLY_ETH_LEN + 16, GATEWAY);
    tap_ok(kind_of(&f) == RLY_OTHER, "TCP: to anybody else is nothing");
}

/* --- DNS
 * ---------------------------------------------------------------------------------------------------------------
 */

static struct rly_pending *ask(struct rly_table *table, const struct frame *f, uint16_t fresh, uint64_t now)
{
    struct rly_packet p;
    return rly_parse(&p, f->bytes, f->len) == RLY_UDP ? rly_query(table, 0, &p, fresh, now) : NULL;
}

/* The frame of an answer of `len` bytes to the pending query, as a resolver gives it. */
static size_t answered(struct rly_table *table, uint8_t *out, size_t len, unsigned mtu)
{
    uint8_t *message = rly_payload(out);
    memset(message, 0x5a, len);
    memcpy(message, table->v[0].query, sizeof db_query);
    message[2] = 0x81;
    message[3] = 0x80;
    message[7] = 1;
    struct rly_pending *p = rly_answer_find(table, message, len);
    return p ? rly_answer(p, out, len, false, mtu) : 0;
}

static void test_dns(void)
{
    static struct rly_table table;
    uint8_t out[RLY_REPLY_MAX];
    const uint8_t *message = rly_payload(out);
    struct frame f = dns_query();
    table = (struct rly_table){.server_count = 1, .tokens = RLY_BURST};
    struct rly_pending *p = ask(&table, &f, 0x4711, 0);
    tap_ok(p && p->len == sizeof db_query && rly_get16(p->query) == 0x4711 &&
               memcmp(p->query + 2, db_query + 2, p->len - 2) == 0,
           "DNS: a query goes on under another id");
    tap_ok(rly_wait_time(&table, 100) == RLY_PATIENCE_MS - 100, "DNS: it is waited for");
    size_t len = answered(&table, out, 100, 1500);
    tap_ok(len == RLY_ETH_LEN + 28 + 100 && rly_get16(message) == 0x1234 && message[99] == 0x5a &&
               memcmp(out, guest_mac, 6) == 0 && memcmp(out + 6, gateway_mac, 6) == 0 &&
               rly_get32(out + 26) == RLY_ADDRESS && rly_get32(out + 30) == GUEST &&
               rly_get16(out + 34) == 53 && rly_get16(out + 36) == 4000,
           "DNS: the answer comes back under the guest's id, as if by the router");
    tap_ok(rly_wait_time(&table, 0) == -1 && answered(&table, out, 100, 1500) == 0,
           "DNS: nobody waits for a second answer");
    ask(&table, &f, 1, 0);
    len = answered(&table, out, 1473, 1500);
    tap_ok(len == RLY_ETH_LEN + 28 + sizeof db_query && (message[2] & 0x02) && rly_get16(message + 6) == 0 &&
               rly_get16(message + 4) == 1,
           "DNS: what the MTU does not take is cut to its question");
    ask(&table, &f, 1, 0);
    tap_ok(answered(&table, out, 1472, 1500) == RLY_ETH_LEN + 1500, "DNS: what just fits is not");
    ask(&table, &f, 1, 0);
    table.v[0].query[2] |= 0x01;
    len = rly_answer_failure(&table.v[0], out);
    tap_ok(len && message[2] == 0x81 && message[3] == 0x82 && rly_get16(message) == 0x1234,
           "DNS: server failure");
}

static void test_dns_hostile(void)
{
    static const struct {
        const char *name;
        size_t at, value;
    } spoilt[] = {
        {"an answer", 2, 0x81},
        {"another operation", 2, 0x29},
        {"no question", 5, 0},
        {"two questions", 5, 2},
        {"with answers", 7, 1},
        {"with authorities", 9, 1},
        {"a pointer for a name", 12, 0xc0},
        {"a label beyond its end", 12, 63},
        {"a name without an end", 15, 1},
    };
    static struct rly_table table;
    for (size_t i = 0; i < RK_COUNT(spoilt); i++) {
        uint8_t query[sizeof db_query];
        memcpy(query, db_query, sizeof query);
        query[spoilt[i].at] = (uint8_t)spoilt[i].value;
        tap_ok(rly_query_check(query, sizeof query) == 0, "DNS: %s is not passed on", spoilt[i].name);
    }
    uint8_t large[RLY_QUERY_MAX + 1] = {0};
    memcpy(large, db_query, sizeof db_query);
    tap_ok(rly_query_check(large, RLY_QUERY_MAX) == sizeof db_query && !rly_query_check(large, sizeof large),
           "DNS: a query has 512 bytes at the most");
    table = (struct rly_table){.server_count = 1, .tokens = RLY_BURST};
    struct frame f = dns_query();
    unsigned passed = 0;
    bool unique = true;
    for (uint16_t id = 0; id < 100; id++) {
        rly_put16(rly_payload(f.bytes), id);
        passed += ask(&table, &f, 7, 0) != NULL;
    }
    for (size_t i = 0; i < RLY_PENDING_MAX; i++)
        for (size_t j = 0; j < i; j++)
            unique = unique && table.v[i].id != table.v[j].id;
    tap_ok(passed == RLY_PENDING_MAX && unique, "DNS: 64 wait at a time, each under its own id");
    table = (struct rly_table){.server_count = 1, .tokens = RLY_BURST};
    passed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        passed += ask(&table, &f, 7, 5) != NULL;
        table.v[0].used = false;
    }
    tap_ok(passed >= RLY_BURST && passed < RLY_BURST + 10, "DNS: a burst is bounded: %u", passed);
    tap_ok(ask(&table, &f, 7, 15), "DNS: ten milliseconds later there are more");
}

static void test_dns_servers(void)
{
    static struct rly_table table;
    struct frame f = dns_query();
    table = (struct rly_table){.server_count = 2, .tokens = RLY_BURST};
    struct rly_pending *p = ask(&table, &f, 1, 0);
    tap_ok(p && p->server == 0 && !rly_overdue(&table, RLY_PATIENCE_MS / 2 - 1) &&
               rly_overdue(&table, RLY_PATIENCE_MS / 2) == p,
           "DNS: the first of two resolvers has half of the time");
    tap_ok(rly_next_server(&table, p, 5000) && p->server == 1 && !rly_overdue(&table, 9999) &&
               rly_overdue(&table, 10000) == p && !rly_next_server(&table, p, 10000),
           "DNS: then the second one is asked, and then nobody");
    struct rly_pending *again = ask(&table, &f, 2, 100);
    tap_ok(again == p && again->server == 0 && rly_get16(again->query) == 1,
           "DNS: the guest's second try goes to the other one, as the same query");
    tap_ok(rly_is_loopback("127.0.0.11") && rly_is_loopback("127.9.9.9") && rly_is_loopback("::1") &&
               !rly_is_loopback("128.0.0.1") && !rly_is_loopback("::2") && !rly_is_loopback("localhost"),
           "DNS: which resolvers are inside");
}

/* --- DHCP
 * ---------------------------------------------------------------------------------------------------------------
 */

static struct rly_config dhcp_config(void)
{
    struct rly_config config = {.net_count = 1, .dns = {RLY_ADDRESS}, .dns_count = 1, .hostname = "guest"};
    config.nets[0] = (struct rly_net){.mtu = 1400, .address = GUEST, .prefix = 24, .gateway = GATEWAY};
    memcpy(config.nets[0].mac, guest_mac, 6);
    return config;
}

/* The message that answers; NULL for none. */
static const uint8_t *dhcp(const struct rly_config *config, const struct frame *f, uint8_t *out)
{
    struct rly_packet p;
    if (rly_parse(&p, f->bytes, f->len) != RLY_UDP)
        return NULL;
    return rly_dhcp(config, &config->nets[0], &p, out) ? rly_payload(out) : NULL;
}

/* Is option `option` there with just this value? */
static bool has(const uint8_t *message, uint8_t option, const char *value, size_t len)
{
    for (const uint8_t *o = message + 240; *o != 255; o += 2 + o[1])
        if (*o == option)
            return o[1] == len && memcmp(o + 2, value, len) == 0;
    return !value;
}

#define HAS(option, value)             has(m, option, value, sizeof(value) - 1)
#define LACKS(option)                  has(m, option, NULL, 0)
#define MESSAGE(type, client, options) dhcp_message(type, client, options, sizeof(options) - 1)

static void test_dhcp(void)
{
    struct rly_config config = dhcp_config();
    uint8_t out[RLY_REPLY_MAX];
    struct frame f = MESSAGE(1, 0, "");
    const uint8_t *m = dhcp(&config, &f, out);
    tap_ok(m && HAS(53, "\2") && rly_get32(m + 16) == GUEST && memcmp(m + 4, "\xaa\xbb\xcc\xdd", 4) == 0 &&
               HAS(54, "\xa9\xfe\x35\x35") && HAS(51, "\xff\xff\xff\xff"),
           "DHCP: a discover gets an offer of the link's address, for ever");
    tap_ok(m && HAS(1, "\xff\xff\xff\0") && HAS(3, "\x0a\0\0\1") && HAS(6, "\xa9\xfe\x35\x35") &&
               HAS(26, "\x05\x78") && HAS(28, "\x0a\0\0\xff") && HAS(12, "guest") && LACKS(121) &&
               LACKS(15) && LACKS(119),
           "DHCP: with mask, router, name server, MTU, host name, and nothing that there is not");
    tap_ok(memcmp(out, guest_mac, 6) == 0 && rly_get32(out + 30) == GUEST && rly_get16(out + 36) == 68,
           "DHCP: to the guest alone");
    rly_put16(rly_payload(f.bytes) + 10, 0x8000);
    dhcp(&config, &f, out);
    tap_ok(out[0] == 0xff && rly_get32(out + 30) == UINT32_MAX, "DHCP: to everybody when it asks for that");
    f = MESSAGE(3, 0, "\x32\x04\x0a\0\0\x09\x36\x04\xa9\xfe\x35\x35");
    m = dhcp(&config, &f, out);
    tap_ok(m && HAS(53, "\5") && rly_get32(m + 16) == GUEST, "DHCP: a request is acknowledged");
    f = MESSAGE(3, GUEST, "");
    m = dhcp(&config, &f, out);
    tap_ok(m && HAS(53, "\5") && rly_get32(m + 12) == GUEST, "DHCP: so is a renewal");
    f = MESSAGE(3, 0, "\x32\x04\x0a\0\0\x0a");
    m = dhcp(&config, &f, out);
    tap_ok(m && HAS(53, "\6") && rly_get32(m + 16) == 0 && LACKS(1) && out[0] == 0xff,
           "DHCP: another address is refused");
    f = MESSAGE(8, GUEST, "");
    m = dhcp(&config, &f, out);
    tap_ok(m && HAS(53, "\5") && rly_get32(m + 16) == 0 && LACKS(51) && HAS(6, "\xa9\xfe\x35\x35"),
           "DHCP: an inform is told all but an address");
}

static void test_dhcp_nothing(void)
{
    struct rly_config config = dhcp_config();
    uint8_t out[RLY_REPLY_MAX];
    struct frame f = MESSAGE(3, 0, "\x32\x04\x0a\0\0\x09\x36\x04\x0a\0\0\1");
    tap_ok(!dhcp(&config, &f, out), "DHCP: a request to another server is not answered");
    f = MESSAGE(4, 0, "");
    tap_ok(!dhcp(&config, &f, out), "DHCP: nor is a decline");
    f = MESSAGE(7, GUEST, "");
    tap_ok(!dhcp(&config, &f, out), "DHCP: nor a release");
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } spoilt[] = {
        {"a reply", 0, 2},
        {"another kind of address", 1, 6},
        {"a longer address", 2, 16},
        {"another's MAC", 33, 10},
        {"one that was relayed", 27, 1},
        {"another cookie", 236, 0},
        {"an option beyond the end", 241, 200},
    };
    for (size_t i = 0; i < RK_COUNT(spoilt); i++) {
        f = MESSAGE(1, 0, "");
        rly_payload(f.bytes)[spoilt[i].at] = spoilt[i].value;
        tap_ok(!dhcp(&config, &f, out), "DHCP: %s is not answered", spoilt[i].name);
    }
    config.nets[0].address = 0;
    f = MESSAGE(1, 0, "");
    tap_ok(!dhcp(&config, &f, out), "DHCP: a link without an address has nothing to offer");
}

static void test_dhcp_routes(void)
{
    struct rly_config config = dhcp_config();
    struct rly_net *net = &config.nets[0];
    uint8_t out[RLY_REPLY_MAX];
    struct frame f = MESSAGE(1, 0, "");
    net->routes[net->route_count++] = (struct rly_route){0x0a140000, 0x0a0000fe, 14};
    const uint8_t *m = dhcp(&config, &f, out);
    tap_ok(m && HAS(121, "\0\x0a\0\0\1\x0e\x0a\x14\x0a\0\0\xfe"),
           "DHCP: more routes, and the default route with them");
    net->route_count = 0;
    net->gateway = 0;
    m = dhcp(&config, &f, out);
    tap_ok(m && LACKS(3) && HAS(121, "\x20\xa9\xfe\x35\x35\0\0\0\0"),
           "DHCP: without a router the relay is on the link");
    net->gateway = 0x0b000001;
    m = dhcp(&config, &f, out);
    tap_ok(m && HAS(121, "\x20\x0b\0\0\1\0\0\0\0\0\x0b\0\0\1"),
           "DHCP: a router that is elsewhere is on the link");
    while (net->route_count < RLY_ROUTES_MAX)
        net->routes[net->route_count++] = (struct rly_route){0x0a140000, 0x0a0000fe, 32};
    memset(config.hostname, 'h', RLY_NAME_MAX - 1);
    memset(config.search, 's', config.search_len = RLY_NAME_MAX);
    m = dhcp(&config, &f, out);
    tap_ok(m && HAS(53, "\2") && HAS(1, "\xff\xff\xff\0") && LACKS(119),
           "DHCP: what does not fit is left out, and the important is there");
}

/* --- the command line
 * ------------------------------------------------------------------------------------------------------ */

static int parse(struct rly_config *config, struct rk_err *err, const char *a, const char *b)
{
    char program[] = "runuk-relay", net[] = "--net=@0", first[512], second[512];
    char *argv[] = {program, net, first, second, NULL};
    snprintf(first, sizeof first, "%s", a);
    snprintf(second, sizeof second, "%s", b);
    err->code = 0;
    return rly_options(config, argv, err);
}

static void test_options(void)
{
    static const char *const bad[] = {
        "--nets=@0",
        "--net=0",
        "--net=@999",
        "--net=@x",
        "--mtu=65536",
        "--mtu=",
        "--mac=02:00",
        "--mac=02:00:00:00:00:099",
        "--ipv4=10.0.0.9",
        "--ipv4=10.0.0.9/33",
        "--ipv4=x/24",
        "--gateway=10.0.0",
        "--route=10.0.0.0/8",
        "--route=10.0.0.0,10.0.0.1",
        "--dns=::1",
        "--server=far",
        "--search=a..b",
        "--search=.",
        "extra",
    };
    static struct rly_config config;
    struct rk_err err;
    int code = parse(&config, &err, "--mac=02:00:00:00:00:09", "--ipv4=10.0.0.9/24");
    tap_ok(code == 0 && config.net_count == 1 && config.nets[0].address == GUEST &&
               config.nets[0].prefix == 24 && memcmp(config.nets[0].mac, guest_mac, 6) == 0 &&
               config.nets[0].mtu == 1500,
           "options: a device");
    code = parse(&config, &err, "--search=a.example", "--search=b.");
    tap_ok(code == 0 && config.search_len == 14 && memcmp(config.search, "\1a\7example\0\1b", 14) == 0 &&
               strcmp(config.domain, "a.example") == 0,
           "options: search domains as names of DNS");
    code = parse(&config, &err, "--route=10.1.0.0/16,10.0.0.254", "--server=127.0.0.1");
    tap_ok(code == 0 && config.nets[0].route_count == 1 && config.nets[0].routes[0].prefix == 16 &&
               config.nets[0].routes[0].gateway == 0x0a0000fe && config.server_count == 1 &&
               fcntl(config.servers[0], F_GETFL) & O_NONBLOCK,
           "options: a route, and a socket to a resolver");
    close(config.servers[0]);
    for (size_t i = 0; i < RK_COUNT(bad); i++) {
        code = parse(&config, &err, bad[i], "--mtu=1400");
        tap_ok(code < 0 && err.code == code && strstr(err.text, bad[i]), "options: '%s' is refused", bad[i]);
    }
    char *none[] = {NULL};
    tap_ok(rly_options(&config, none, &err) == -EINVAL, "options: without a device there is nothing to do");
}

/* --- seeds
 * -----------------------------------------------------------------------------------------------------------------
 */

/* Frames as files: where the fuzzer starts from. Behind the frame, an answer. */
static int write_seeds(const char *dir)
{
    const struct frame frames[] = {dns_query(),
                                   arp_request(RLY_ADDRESS),
                                   tcp_segment(0x02),
                                   MESSAGE(1, 0, ""),
                                   MESSAGE(3, 0, "\x32\x04\x0a\0\0\x09\x36\x04\xa9\xfe\x35\x35"),
                                   MESSAGE(8, GUEST, "")};
    for (size_t i = 0; i < RK_COUNT(frames); i++) {
        char path[4096];
        uint8_t len[2];
        snprintf(path, sizeof path, "%s/frame-%zu", dir, i);
        rly_put16(len, (uint16_t)frames[i].len);
        rk_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, len, 2) != 2 ||
            write(fd, frames[i].bytes, frames[i].len) != (ssize_t)frames[i].len ||
            write(fd, "\x12\x34\x81\x80", 4) != 4 || write(fd, db_query + 4, 16) != 16) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

static void test_fuzz_body(void)
{
    const struct frame frames[] = {dns_query(), arp_request(RLY_ADDRESS), tcp_segment(0x02),
                                   MESSAGE(1, 0, "")};
    uint8_t input[2 + RLY_FRAME_MAX];
    for (size_t i = 0; i < RK_COUNT(frames); i++) {
        rly_put16(input, (uint16_t)frames[i].len);
        memcpy(input + 2, frames[i].bytes, frames[i].len);
        tap_ok(LLVMFuzzerTestOneInput(input, 2 + frames[i].len) == 0, "promises: frame %zu", i);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    test_frames();
    test_tcp();
    test_dns();
    test_dns_hostile();
    test_dns_servers();
    test_dhcp();
    test_dhcp_nothing();
    test_dhcp_routes();
    test_options();
    test_fuzz_body();
    return tap_end();
}
