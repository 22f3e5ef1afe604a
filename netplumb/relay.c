/* The packet sockets of a relay, and its namespace's ports. */
#include "netplumb/relay.h"

#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/mode.h"
#include "netplumb/relay/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define PORT_QUEUE   65536 /* bytes of frames that wait for the relay */
#define WHOLE_FRAME  0x40000
#define RANGE_SYSCTL "/proc/sys/net/ipv4/ip_local_port_range"

#define HALF(offset) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offset)
#define BYTE(offset) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset)
#define WORD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
/* Skip so many instructions when it is, or is not, so. */
#define IF_IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define IF_HAS(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no)

/* Of an Ethernet frame: ARP requests for the relay; IPv4 without options and fragments: UDP to port 67, or to
 * port 53 of the relay, and TCP to the relay. */
static const struct sock_filter served[] = {
    /*  0 */ HALF(12),
    /*  1 */ IF_IS(ETH_P_ARP, 13, 0),
    /*  2 */ IF_IS(ETH_P_IP, 0, 17),
    /*  3 */ BYTE(14),
    /*  4 */ IF_IS(0x45, 0, 15),
    /*  5 */ HALF(20),
    /*  6 */ IF_HAS(0x3fff, 13, 0),
    /*  7 */ BYTE(23),
    /*  8 */ IF_IS(IPPROTO_TCP, 4, 0),
    /*  9 */ IF_IS(IPPROTO_UDP, 0, 10),
    /* 10 */ HALF(36),
    /* 11 */ IF_IS(RLY_DHCP_PORT, 7, 0),
    /* 12 */ IF_IS(RLY_DNS_PORT, 0, 7),
    /* 13 */ WORD(30),
    /* 14 */ IF_IS(RLY_ADDRESS, 4, 5),
    /* 15 */ HALF(20),
    /* 16 */ IF_IS(1, 0, 3),
    /* 17 */ WORD(38),
    /* 18 */ IF_IS(RLY_ADDRESS, 0, 1),
    /* 19 */ BPF_STMT(BPF_RET | BPF_K, WHOLE_FRAME),
    /* 20 */ BPF_STMT(BPF_RET | BPF_K, 0),
};

/* Bound last: before, it hears nothing. It sees frames where a sniffer does, before ingress qdiscs and
 * bridges; only the guest's, not those to it, which would cost every one of them a copy. */
int net_relay_port(const struct net_wire *wire, struct rk_err *err)
{
    struct sock_filter program[RK_COUNT(served)];
    memcpy(program, served, sizeof served);
    const struct sock_fprog filter = {.len = RK_COUNT(program), .filter = program};
    const struct sockaddr_ll tap = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = wire->tap_ifindex};
    int on = 1, queue = PORT_QUEUE;
    rk_autoclose int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return rk_fail_errno(err, "open a packet socket for the relay");
    if (setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue) < 0)
        return rk_fail_errno(err, "filter the relay's packet socket");
    setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on,
               sizeof on); /* Linux 4.20; else it is filtered */
    if (bind(sock, (const struct sockaddr *)&tap, sizeof tap) < 0)
        return rk_fail_errno(err, "bind the relay's packet socket to tap '%s'", wire->tap);
    return rk_take_fd(&sock);
}

static int read_range(int fd, unsigned *ret_low, unsigned *ret_high)
{
    char text[32] = "";
    if (pread(fd, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%u %u", ret_low, ret_high) != 2)
        return -EIO;
    return 0;
}

static bool is_reserved(unsigned low, unsigned high)
{
    return low == RLY_PORTS_FIRST && high == RLY_PORTS_LAST;
}

int net_ports_open(int *ret_fd, struct net_wire *wire)
{
    unsigned low, high;
    *ret_fd = -1;
    if (strcmp(wire->mode, net_mode_none.name) == 0)
        return 0;
    rk_autoclose int fd = open(RANGE_SYSCTL, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int code = read_range(fd, &low, &high);
    if (code < 0)
        return code;
    if (is_reserved(low, high))
        return 0;
    wire->ports_low = low;
    wire->ports_high = high;
    *ret_fd = rk_take_fd(&fd);
    return 0;
}

static int write_range(int fd, unsigned low, unsigned high)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%u %u\n", low, high);
    return pwrite(fd, text, (size_t)len, 0) < 0 ? -errno : 0;
}

int net_ports_reserve(int fd)
{
    return fd < 0 ? 0 : write_range(fd, RLY_PORTS_FIRST, RLY_PORTS_LAST);
}

void net_ports_restore(const struct net_wire *wire)
{
    unsigned low, high;
    if (wire->ports_low == 0)
        return;
    rk_autoclose int fd = open(RANGE_SYSCTL, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && read_range(fd, &low, &high) == 0 && is_reserved(low, high))
        write_range(fd, wire->ports_low, wire->ports_high);
}
