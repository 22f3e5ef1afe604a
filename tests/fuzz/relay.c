/* Whatever a guest sends and a resolver answers: the relay reads no byte that is not there, and what it sends
 * back is a whole frame, to the guest alone, with nothing in it that the guest was not to be told. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "netplumb/relay/dhcp.h"
#include "netplumb/relay/dns.h"
#include "tests/fuzz/promise.h"

#define MTU 1400

static const uint8_t guest_mac[6] = {2, 0, 0, 0, 0, 9};

/* A frame to the guest: lengths agree with each other and with `size`, and the sums are right. */
static void check_frame(const uint8_t *frame, size_t size)
{
    PROMISE(size >= RLY_ETH_LEN + 28 && size <= RLY_REPLY_MAX);
    PROMISE(memcmp(frame, guest_mac, 6) == 0 || memcmp(frame, "\xff\xff\xff\xff\xff\xff", 6) == 0);
    PROMISE(!(frame[6] & 1));
    if (rly_get16(frame + 12) == 0x0806) {
        PROMISE(size == RLY_ETH_LEN + 28 && rly_get32(frame + RLY_ETH_LEN + 14) == RLY_ADDRESS);
        return;
    }
    const uint8_t *ip = frame + RLY_ETH_LEN;
    PROMISE(rly_get16(frame + 12) == 0x0800 && ip[0] == 0x45);
    PROMISE(rly_get16(ip + 2) == size - RLY_ETH_LEN && size - RLY_ETH_LEN <= MTU);
    PROMISE(rly_get32(ip + 12) == RLY_ADDRESS);
    uint32_t sum = 0;
    for (size_t i = 0; i < RLY_IP_LEN; i += 2)
        sum += rly_get16(ip + i);
    PROMISE((sum & 0xffff) + (sum >> 16) == 0xffff);
    /* The pseudo header, and all behind the IP header. */
    sum = ip[9] + (uint32_t)(size - RLY_ETH_LEN - RLY_IP_LEN);
    for (size_t i = 12; i < size - RLY_ETH_LEN; i++)
        if (i < 20 || i >= RLY_IP_LEN)
            sum += (uint32_t)ip[i] << (i % 2 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    PROMISE(sum == 0xffff);
    PROMISE(ip[9] == 6 || rly_get16(ip + 24) == size - RLY_ETH_LEN - RLY_IP_LEN);
}

/* Options of a DHCP answer up to the end, none of them beyond it. */
static void check_dhcp(const uint8_t *frame, size_t size)
{
    const uint8_t *message = frame + RLY_ETH_LEN + RLY_IP_LEN + RLY_UDP_LEN;
    size_t len = size - RLY_ETH_LEN - RLY_IP_LEN - RLY_UDP_LEN, at = 240;
    PROMISE(len >= 300 && len <= 548 && message[0] == 2);
    while (at < len && message[at] != 255)
        at += 2U + message[at + 1];
    PROMISE(at < len);
    PROMISE(rly_get32(message + 16) == 0 || rly_get32(message + 16) == 0x0a000009);
}

/* What a resolver answers to the query: the rest of the input. */
static void answer(struct rly_table *table, const uint8_t *data, size_t size, uint8_t *frame)
{
    uint8_t *message = rly_payload(frame);
    bool cut = size > RLY_ANSWER_MAX;
    size_t len = cut ? RLY_ANSWER_MAX : size;
    if (len)
        memcpy(message, data, len);
    if (len >= 12 && table->v[0].used)
        rly_put16(message, table->v[0].id);
    struct rly_pending *pending = rly_answer_find(table, message, len);
    if (pending)
        check_frame(frame, rly_answer(pending, frame, len, cut, MTU));
}

static void query(struct rly_table *table, const struct rly_packet *packet, uint16_t fresh)
{
    struct rly_pending *pending = rly_query(table, 0, packet, fresh, 1000);
    if (!pending)
        return;
    PROMISE(pending->used && pending->len == packet->len && pending->len <= RLY_QUERY_MAX);
    PROMISE(pending->asked_len >= 17 && pending->asked_len <= pending->len);
    PROMISE(pending->server < table->server_count && pending->id == rly_get16(pending->query));
}

/* Two bytes of length, a frame, and what a resolver answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rly_config config;
    static struct rly_table table;
    static uint8_t out[RLY_REPLY_MAX];
    struct rly_packet packet;
    if (size < 2)
        return 0;
    size_t len = rly_get16(data);
    len = len > size - 2 ? size - 2 : len;
    len = len > RLY_FRAME_MAX ? RLY_FRAME_MAX : len;
    config = (struct rly_config){.net_count = 1, .dns = {RLY_ADDRESS}, .dns_count = 1, .hostname = "guest"};
    config.nets[0] = (struct rly_net){
        .mtu = MTU, .address = 0x0a000009, .prefix = 24, .gateway = size & 1 ? 0x0a000001 : 0};
    memcpy(config.nets[0].mac, guest_mac, 6);
    table = (struct rly_table){.server_count = 1 + size % 3, .tokens = RLY_BURST};
    /* A copy of exactly that size: a sanitizer then sees any byte read behind it. */
    uint8_t *frame = malloc(len ? len : 1);
    PROMISE(frame);
    memcpy(frame, data + 2, len);
    enum rly_kind kind = rly_parse(&packet, frame, len);
    PROMISE(kind == RLY_OTHER || kind == RLY_ARP ||
            (packet.payload >= frame && packet.len <= len - (size_t)(packet.payload - frame)));
    if (kind != RLY_OTHER)
        memcpy(packet.from, guest_mac, 6); /* the loop looks at nobody else's */
    size_t reply = 0;
    if (kind == RLY_ARP)
        reply = rly_put_arp(out, &packet);
    else if (kind == RLY_TCP)
        reply = rly_put_reset(out, &packet);
    else if (kind == RLY_UDP && packet.destination_port == RLY_DHCP_PORT)
        reply = rly_dhcp(&config, &config.nets[0], &packet, out);
    else if (kind == RLY_UDP)
        query(&table, &packet, (uint16_t)len);
    if (reply)
        check_frame(out, reply);
    if (reply && kind == RLY_UDP)
        check_dhcp(out, reply);
    answer(&table, data + 2 + len, size - 2 - len, out);
    if (table.v[0].used)
        check_frame(out, rly_answer_failure(&table.v[0], out));
    free(frame);
    return 0;
}
