/* A DNS client on the device "service": asks the first argument, a name server, for the IPv4 address of each
 * name that follows, and prints what it says. "wait" as the last one keeps it running afterwards, "again"
 * keeps it asking for the last name, once a second. */
#include "ip.h"
#include "names.h"

GUEST_MANIFEST(GUEST_NET("service"));

#define OWN_PORT 40000 /* of the first query; each has its own */
#define TRIES    5
#define PATIENCE (2 * GUEST_NSEC)

/* The query that is under way. */
static struct {
    const char *name;
    uint32_t server;
    uint16_t id, port, type;
    bool answered, good;
} query;

static void print_records(const uint8_t *data, size_t len)
{
    struct names_answer answer;
    char text[16];
    uint32_t address;
    names_answer(&answer, data, len);
    while (names_next_address(&answer, &address)) {
        guest_print("%s: %s\n", query.name, ip_text(address, text));
        query.good = true;
    }
}

static void take_answer(const struct ip_peer *peer, uint16_t from_port, uint16_t to_port, const uint8_t *data,
                        size_t len)
{
    char text[16];
    if (len < 12 || ip_get16(data) != query.id || to_port != query.port || query.answered)
        return;
    if (peer->address != query.server || from_port != NAMES_PORT || !(data[2] & 0x80)) {
        guest_print("%s: a stray answer from %s\n", query.name, ip_text(peer->address, text));
        return;
    }
    query.answered = true;
    if (data[2] & 0x02)
        guest_print("%s: truncated to %u bytes\n", query.name, (unsigned)len);
    else if (data[3] & 0x0f)
        guest_print("%s: error %u\n", query.name, data[3] & 0x0fU);
    else if (query.type == NAMES_TXT)
        guest_print("%s: %u bytes\n", query.name, (unsigned)len);
    else
        print_records(data, len);
    if (query.answered && !query.good && !(data[2] & 0x02) && !(data[3] & 0x0f) && query.type == NAMES_A)
        guest_print("%s: no address\n", query.name);
}

static void resolve(const struct ip_link *link)
{
    for (int i = 0; i < TRIES && !query.answered;) {
        uint64_t until = guest_monotonic() + PATIENCE;
        size_t len = names_query(ip_payload() + 8, query.name, query.id, query.type);
        bool sent = len > 0 && ip_udp_send(link, query.server, query.port, NAMES_PORT, len);
        i++;
        /* Until the gateway is known there is nobody to send to. */
        while (!query.answered && guest_monotonic() < until && (sent || !link->gateway_known))
            ip_step(until);
    }
    if (!query.answered)
        guest_print("%s: no answer\n", query.name);
}

/* Ask for one argument: NAME, or txt:NAME. */
static bool ask(const struct ip_link *link, const char *argument)
{
    const char *text = guest_after(argument, "txt:");
    query.name = text ? text : argument;
    query.type = text ? NAMES_TXT : NAMES_A;
    query.id = (uint16_t)(guest_wall() >> 10);
    query.port++;
    query.answered = query.good = false;
    resolve(link);
    return query.good;
}

static _Noreturn void ask_again(const struct ip_link *link, const char *argument)
{
    for (;;) {
        uint64_t until = guest_monotonic() + GUEST_NSEC;
        while (guest_monotonic() < until)
            ip_step(until);
        ask(link, argument);
    }
}

int guest_main(int argc, char **argv)
{
    static const struct ip_keys service = {"service", "ipv4", "ipv4-gateway", "10.0.0.2/24"};
    const struct ip_link *link;
    const char *rest = "", *last = NULL;
    bool all = true;
    if (!ip_open(&service, argc, argv))
        return 64;
    ip_links(&link);
    ip_on_udp(take_answer);
    query.port = OWN_PORT;
    for (int i = 0; i < argc; i++) {
        if (!argv[i])
            continue;
        if (!query.server) {
            if (!ip_parse(argv[i], &query.server, &rest) || *rest) {
                guest_print("'%s' is no address of a name server\n", argv[i]);
                return 64;
            }
            guest_print("name server %s\n", argv[i]);
        } else if (i == argc - 1 && guest_equal(argv[i], "wait")) {
            ip_run();
        } else if (i == argc - 1 && last && guest_equal(argv[i], "again")) {
            ask_again(link, last);
        } else {
            last = argv[i];
            all = ask(link, last) && all;
        }
    }
    return all ? 0 : 1;
}
