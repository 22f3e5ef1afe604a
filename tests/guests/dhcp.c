/* A DHCP client on the device "service": prints what it is offered and given, and ends with 0 once it has a
 * lease. */
#include "ip.h"

GUEST_MANIFEST(GUEST_NET("service"));

#define TRIES    10
#define PATIENCE GUEST_NSEC
#define XID      0x52554e4bU

/* RFC 2131: the fixed part of a message, and where the options are. */
#define AT_YIADDR  16
#define AT_CHADDR  28
#define AT_COOKIE  236
#define AT_OPTIONS 240
#define COOKIE     0x63825363U
#define HEADERS    (14 + 20 + 8)

enum message_type { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5 };

static const struct guest_device *device;
static unsigned handle;
static uint32_t address, server;

/* Type, and with an address also which and whose: a whole frame to everybody; its length. */
static size_t put_message(uint8_t *frame, uint8_t type)
{
    uint8_t *ip = frame + 14, *udp = ip + 20, *message = udp + 8, *option = message + AT_OPTIONS;
    memset(frame, 0, HEADERS + 300);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, device->u.net.mac, 6);
    ip_put16(frame + 12, 0x0800);
    message[0] = 1; /* BOOTREQUEST, Ethernet */
    message[1] = 1;
    message[2] = 6;
    ip_put32(message + 4, XID);
    memcpy(message + AT_CHADDR, device->u.net.mac, 6);
    ip_put32(message + AT_COOKIE, COOKIE);
    *option++ = 53;
    *option++ = 1;
    *option++ = type;
    if (type == REQUEST) {
        *option++ = 50;
        *option++ = 4;
        ip_put32(option, address);
        option += 4;
        *option++ = 54;
        *option++ = 4;
        ip_put32(option, server);
        option += 4;
    }
    *option = 255;
    ip_put16(udp, 68);
    ip_put16(udp + 2, 67);
    ip_put16(udp + 4, 8 + 300); /* without a checksum */
    ip[0] = 0x45;
    ip_put16(ip + 2, 20 + 8 + 300);
    ip[8] = 64;
    ip[9] = IP_PROTO_UDP;
    ip_put32(ip + 16, 0xffffffff);
    ip_put16(ip + 10, ip_fold(ip_sum(0, ip, 20)));
    return HEADERS + 300;
}

static void print_addresses(const char *name, const uint8_t *value, size_t len)
{
    char text[16];
    for (size_t i = 0; i + 4 <= len; i += 4)
        guest_print("%s: %s\n", name, ip_text(ip_get32(value + i), text));
}

static void print_option(uint8_t option, const uint8_t *value, size_t len)
{
    char text[256];
    memcpy(text, value, len);
    text[len] = '\0';
    switch (option) {
    case 1:
        print_addresses("mask", value, len);
        break;
    case 3:
        print_addresses("router", value, len);
        break;
    case 6:
        print_addresses("dns", value, len);
        break;
    case 12:
        guest_print("hostname: %s\n", text);
        break;
    case 15:
        guest_print("domain: %s\n", text);
        break;
    case 26:
        guest_print("mtu: %u\n", len == 2 ? ip_get16(value) : 0U);
        break;
    case 51:
        guest_print("lease: %u\n", len == 4 ? ip_get32(value) : 0U);
        break;
    }
}

/* The type of the message in the frame, when it is an answer to ours; 0 for anything else. */
static uint8_t take_message(const uint8_t *frame, size_t len, bool print)
{
    const uint8_t *message = frame + HEADERS;
    uint8_t type = 0;
    if (len < HEADERS + AT_OPTIONS || ip_get16(frame + 12) != 0x0800 || frame[23] != IP_PROTO_UDP ||
        ip_get16(frame + 36) != 68 || message[0] != 2 || ip_get32(message + 4) != XID)
        return 0;
    for (size_t at = HEADERS + AT_OPTIONS; at + 2 <= len && frame[at] != 255; at += 2U + frame[at + 1]) {
        if (at + 2 + frame[at + 1] > len)
            return 0;
        if (frame[at] == 53)
            type = frame[at + 2];
        if (frame[at] == 54)
            server = ip_get32(frame + at + 2);
        if (print)
            print_option(frame[at], frame + at + 2, frame[at + 1]);
    }
    address = ip_get32(message + AT_YIADDR);
    return type;
}

/* Send a message until the answer of type `want` comes. */
static bool ask(uint8_t type, uint8_t want)
{
    static uint8_t out[HEADERS + 300], in[2048];
    for (int i = 0; i < TRIES; i++) {
        uint64_t until = guest_monotonic() + PATIENCE;
        guest_net_write(handle, out, put_message(out, type));
        while (guest_monotonic() < until) {
            size_t len = 0;
            guest_wait(until);
            while (guest_net_read(handle, in, device->u.net.mtu + 14U, &len) == GUEST_OK)
                if (take_message(in, len, false) == want)
                    return want != ACK || take_message(in, len, true) == ACK;
        }
    }
    return false;
}

int guest_main(int argc, char **argv)
{
    char text[16];
    (void)argc;
    (void)argv;
    handle = guest_device("service", GUEST_NET_BASIC);
    if (!handle)
        return 64;
    device = &guest.manifest->device[handle];
    if (device->u.net.mtu > 2000 || !ask(DISCOVER, OFFER)) {
        guest_print("no offer\n");
        return 1;
    }
    guest_print("offered: %s by ", ip_text(address, text));
    guest_print("%s\n", ip_text(server, text));
    if (!ask(REQUEST, ACK)) {
        guest_print("no lease\n");
        return 1;
    }
    guest_print("address: %s\n", ip_text(address, text));
    return 0;
}
