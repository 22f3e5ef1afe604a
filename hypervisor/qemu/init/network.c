/* Links, addresses and routes, by the old ioctls: they need no library, and a kernel without netlink has
 * them. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"

/* linux/ipv6.h, which does not go together with netinet/in.h. */
struct address6 {
    struct in6_addr address;
    uint32_t prefix;
    int index;
};

static int open_socket(int domain)
{
    return socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static struct ifreq request(const char *link)
{
    struct ifreq r;
    memset(&r, 0, sizeof r);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", link);
    return r;
}

bool ini_net_find(char name[16], const uint8_t mac[6])
{
    struct if_nameindex *links = if_nameindex();
    int sock = open_socket(AF_INET);
    bool found = false;
    for (struct if_nameindex *l = links; l && l->if_index && !found; l++) {
        struct ifreq r = request(l->if_name);
        found = ioctl(sock, SIOCGIFHWADDR, &r) == 0 && r.ifr_hwaddr.sa_family == ARPHRD_ETHER &&
                memcmp(r.ifr_hwaddr.sa_data, mac, 6) == 0;
        if (found)
            snprintf(name, 16, "%.15s", l->if_name);
    }
    if (links)
        if_freenameindex(links);
    close(sock);
    return found;
}

void ini_net_raise(const char *link, unsigned mtu)
{
    struct ifreq r = request(link);
    int sock = open_socket(AF_INET);
    r.ifr_mtu = (int)mtu;
    if (mtu && ioctl(sock, SIOCSIFMTU, &r) < 0)
        ini_say("set the MTU of '%s' to %u: %s", link, mtu, strerror(errno));
    r = request(link);
    if (ioctl(sock, SIOCGIFFLAGS, &r) == 0)
        r.ifr_flags |= IFF_UP;
    if (ioctl(sock, SIOCSIFFLAGS, &r) < 0)
        ini_say("raise '%s': %s", link, strerror(errno));
    close(sock);
}

/* "ADDRESS/PREFIX" into its parts; the domain, or -1. */
static int parse(const char *text, char address[64], unsigned *prefix)
{
    const char *slash = strchr(text, '/');
    if (!slash || slash - text >= 64)
        return -1;
    snprintf(address, 64, "%.*s", (int)(slash - text), text);
    *prefix = (unsigned)strtoul(slash + 1, NULL, 10);
    return strchr(address, ':') ? AF_INET6 : AF_INET;
}

static void put_ipv4(struct sockaddr *out, in_addr_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address};
    memcpy(out, &in, sizeof in);
}

static in_addr_t mask_of(unsigned prefix)
{
    return htonl((uint32_t)(UINT64_C(0xffffffff) << (prefix > 32 ? 0 : 32 - prefix)));
}

static int add_ipv4(int sock, const char *link, const char *address, unsigned prefix)
{
    struct ifreq r = request(link);
    put_ipv4(&r.ifr_addr, inet_addr(address));
    if (ioctl(sock, SIOCSIFADDR, &r) < 0)
        return -1;
    put_ipv4(&r.ifr_netmask, mask_of(prefix));
    return ioctl(sock, SIOCSIFNETMASK, &r);
}

static int add_ipv6(int sock, const char *link, const char *address, unsigned prefix)
{
    struct address6 r = {.prefix = prefix, .index = (int)if_nametoindex(link)};
    char path[128];
    /* The address is the container's: nobody else has it, so nobody has to be asked. */
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_dad", link);
    FILE *dad = fopen(path, "we");
    if (dad) {
        fputs("0", dad);
        fclose(dad);
    }
    return inet_pton(AF_INET6, address, &r.address) == 1 ? ioctl(sock, SIOCSIFADDR, &r) : -1;
}

void ini_net_address(const char *link, const char *text)
{
    char address[64];
    unsigned prefix;
    int domain = parse(text, address, &prefix);
    if (domain < 0)
        return;
    int sock = open_socket(domain);
    int r = domain == AF_INET ? add_ipv4(sock, link, address, prefix) : add_ipv6(sock, link, address, prefix);
    if (r < 0)
        ini_say("give '%s' the address %s: %s", link, text, strerror(errno));
    close(sock);
}

static int add_route4(int sock, const char *link, const char *address, unsigned prefix, const char *gateway)
{
    char device[16];
    struct rtentry r;
    memset(&r, 0, sizeof r);
    snprintf(device, sizeof device, "%s", link);
    put_ipv4(&r.rt_dst, inet_addr(address) & mask_of(prefix));
    put_ipv4(&r.rt_genmask, mask_of(prefix));
    if (*gateway != '-')
        put_ipv4(&r.rt_gateway, inet_addr(gateway));
    r.rt_flags = RTF_UP | (*gateway != '-' ? RTF_GATEWAY : 0) | (prefix == 32 ? RTF_HOST : 0);
    r.rt_dev = device;
    return ioctl(sock, SIOCADDRT, &r);
}

static int add_route6(int sock, const char *link, const char *address, unsigned prefix, const char *gateway)
{
    struct in6_rtmsg r = {.rtmsg_dst_len = (uint16_t)prefix,
                          .rtmsg_metric = 1,
                          .rtmsg_flags = RTF_UP | (*gateway != '-' ? RTF_GATEWAY : 0),
                          .rtmsg_ifindex = (int)if_nametoindex(link)};
    if (inet_pton(AF_INET6, address, &r.rtmsg_dst) != 1 ||
        (*gateway != '-' && inet_pton(AF_INET6, gateway, &r.rtmsg_gateway) != 1))
        return -1;
    return ioctl(sock, SIOCADDRT, &r);
}

void ini_net_route(const char *link, const char *destination, const char *gateway)
{
    char address[64];
    unsigned prefix;
    int domain = parse(destination, address, &prefix);
    if (domain < 0)
        return;
    int sock = open_socket(domain);
    int r = domain == AF_INET ? add_route4(sock, link, address, prefix, gateway)
                              : add_route6(sock, link, address, prefix, gateway);
    if (r < 0 && errno != EEXIST)
        ini_say("add the route to %s by %s: %s", destination, gateway, strerror(errno));
    close(sock);
}
