/* Interfaces of ours: the tap from /dev/net/tun, and what keeps the namespace's own stack off them. */
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "netplumb/mode.h"
#include "netplumb/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <linux/if_tun.h>
#include <linux/ip.h>
#include <netlink/attr.h>

bool net_alias_is_ours(const char *alias, size_t size)
{
    size_t len = sizeof NET_ALIAS_PREFIX - 1;
    return size >= len && !memcmp(alias, NET_ALIAS_PREFIX, len);
}

int net_mac_random(uint8_t mac[6], struct rk_err *err)
{
    if (getrandom(mac, 6, 0) != 6)
        return rk_fail_errno(err, "choose a MAC");
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02); /* locally administered, not a group's */
    return 0;
}

int net_tap_open(struct net_wire *wire, struct net_session *session, uid_t owner, struct rk_err *err)
{
    rk_autoclose int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return rk_fail_errno(err, "make a tap: open '/dev/net/tun'%s",
                             errno == ENOENT || errno == ENODEV  ? " (is the kernel module tun loaded?)"
                             : errno == EACCES || errno == EPERM ? " (is it for this user to open?)"
                                                                 : "");
    /* The kernel replaces %d by the first number that is free. Without IFF_VNET_HDR a read is a frame and
     * nothing else. */
    struct ifreq request = {.ifr_name = "tap%d", .ifr_flags = IFF_TAP | IFF_NO_PI};
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        return rk_fail_errno(err, "make a tap");
    request.ifr_name[IFNAMSIZ - 1] = '\0';
    if (ioctl(fd, TUNSETOFFLOAD, 0UL) < 0)
        return rk_fail_errno(err, "make tap '%s': turn its offloads off", request.ifr_name);
    if (ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0)
        return rk_fail_errno(err, "make tap '%s': give it to uid %u", request.ifr_name, owner);
    int ifindex = net_ifindex(session, request.ifr_name);
    if (ifindex < 0)
        return rk_fail(err, ifindex, "make tap '%s': %s", request.ifr_name, strerror(-ifindex));
    memcpy(wire->tap, request.ifr_name, sizeof wire->tap);
    wire->tap_ifindex = ifindex;
    wire->fd = rk_take_fd(&fd);
    return 0;
}

int net_tap_prepare(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    int code = net_iface_hush(session, wire->tap, wire->tap_ifindex, wire->mtu,
                              wire->link[0] ? wire->link : "wired to nothing", err);
    if (code < 0)
        rk_wrap(err, "prepare tap '%s'", wire->tap);
    return code;
}

int net_tap_persist(const struct net_wire *wire, struct rk_err *err)
{
    if (ioctl(wire->fd, TUNSETPERSIST, 1UL) < 0)
        return rk_fail_errno(err, "make tap '%s' persistent", wire->tap);
    RK_FAULT("network:kept-one");
    return 0;
}

/* IFLA_AF_SPEC: no link-local address of the stack's own; and of IPv4 it drops unicast packets in broadcast
 * frames (a guest does not know the tap's MAC) and senders that it would not reach through this interface,
 * which are all. */
static int put_stack_settings(struct nl_msg *msg, bool with_ipv6)
{
    struct nlattr *spec = nla_nest_start(msg, IFLA_AF_SPEC);
    struct nlattr *inet = spec ? nla_nest_start(msg, AF_INET) : NULL;
    struct nlattr *conf = inet ? nla_nest_start(msg, IFLA_INET_CONF) : NULL;
    if (!conf || nla_put_u32(msg, IPV4_DEVCONF_RP_FILTER, 1) < 0 ||
        nla_put_u32(msg, IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST, 1) < 0)
        return -ENOMEM;
    nla_nest_end(msg, conf);
    nla_nest_end(msg, inet);
    if (with_ipv6) {
        struct nlattr *inet6 = nla_nest_start(msg, AF_INET6);
        if (!inet6 || nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) < 0)
            return -ENOMEM;
        nla_nest_end(msg, inet6);
    }
    nla_nest_end(msg, spec);
    return 0;
}

/* The sysctl is the only way to turn IPv6 off on one interface. Where /proc/sys is read-only or absent the
 * interface still has no IPv6 address, and sends nothing. */
static void disable_ipv6(const char *name)
{
    char path[64 + IF_NAMESIZE];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    rk_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1", 1) < 0)
        return;
}

/* Two requests, because the kernel would bring the interface up before it reads IFLA_AF_SPEC of the same one.
 */
static int hush(struct net_session *session, int ifindex, unsigned mtu, const char *alias, bool with_ipv6,
                struct rk_err *err)
{
    net_automsg struct nl_msg *settings = net_msg_link(RTM_NEWLINK, ifindex, 0, 0);
    net_automsg struct nl_msg *up =
        net_msg_link(RTM_NEWLINK, ifindex, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP);
    if (!settings || !up || (mtu && nla_put_u32(settings, IFLA_MTU, mtu) < 0) ||
        nla_put_string(settings, IFLA_IFALIAS, alias) < 0 || put_stack_settings(settings, with_ipv6) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    struct nl_msg *both[] = {settings, up};
    return net_talk(session, both, RK_COUNT(both), NULL, NULL, NULL, err);
}

int net_iface_hush(struct net_session *session, const char *name, int ifindex, unsigned mtu,
                   const char *about, struct rk_err *err)
{
    char alias[sizeof NET_ALIAS_PREFIX + 64];
    snprintf(alias, sizeof alias, NET_ALIAS_PREFIX "%s", about);
    disable_ipv6(name);
    int code = hush(session, ifindex, mtu, alias, true, err);
    if (code == -EAFNOSUPPORT) /* a kernel without IPv6, or an MTU below IPv6's least */
        code = hush(session, ifindex, mtu, alias, false, err);
    return code;
}

struct identity {
    const char *name, *kind;
    bool found;
};

static int check_identity(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    struct identity *want = arg;
    struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
    if (header->nlmsg_type != RTM_NEWLINK)
        return 0;
    if (nlmsg_parse(header, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME])
        return rk_fail(err, -EPROTO, "a link that netlink describes badly");
    if (want->name && nla_strcmp(tb[IFLA_IFNAME], want->name) != 0)
        return 0;
    want->found = !want->kind;
    if (want->kind && tb[IFLA_LINKINFO] &&
        nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) == 0 && info[IFLA_INFO_KIND])
        want->found = nla_strcmp(info[IFLA_INFO_KIND], want->kind) == 0;
    return 0;
}

int net_iface_is(struct net_session *session, int ifindex, const char *name, const char *kind,
                 struct rk_err *err)
{
    struct identity want = {.name = name, .kind = kind};
    net_automsg struct nl_msg *msg = net_msg_link(RTM_GETLINK, ifindex, 0, 0);
    if (!msg)
        return rk_fail(err, -ENOMEM, "out of memory");
    int code = net_talk(session, &msg, 1, check_identity, &want, NULL, err);
    if (code == -ENODEV)
        return 0;
    return code < 0 ? code : want.found;
}

int net_iface_remove(struct net_session *session, int ifindex, const char *name, const char *kind,
                     struct rk_err *err)
{
    int is = net_iface_is(session, ifindex, name, kind, err);
    if (is > 0) {
        net_automsg struct nl_msg *msg = net_msg_link(RTM_DELLINK, ifindex, 0, 0);
        is = msg ? net_talk(session, &msg, 1, NULL, NULL, NULL, err) : rk_fail(err, -ENOMEM, "out of memory");
    }
    if (is < 0 && is != -ENODEV)
        return rk_wrap(err, "remove interface '%s'", name);
    return 0;
}

static int see_master(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    int *master = arg;
    struct nlattr *tb[IFLA_MAX + 1];
    if (header->nlmsg_type != RTM_NEWLINK)
        return 0;
    if (nlmsg_parse(header, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0)
        return rk_fail(err, -EPROTO, "a link that netlink describes badly");
    *master = tb[IFLA_MASTER] ? (int)nla_get_u32(tb[IFLA_MASTER]) : 0;
    return 0;
}

int net_iface_check_free(struct net_session *session, int ifindex, const char *name, struct rk_err *err)
{
    int master = 0;
    net_automsg struct nl_msg *msg = net_msg_link(RTM_GETLINK, ifindex, 0, 0);
    int code = msg ? net_talk(session, &msg, 1, see_master, &master, NULL, err)
                   : rk_fail(err, -ENOMEM, "out of memory");
    if (code < 0)
        return rk_wrap(err, "look at link '%s'", name);
    if (master == 0)
        return 0;
    char owner[IF_NAMESIZE];
    return rk_fail(err, -EBUSY, "link '%s' is already a port of '%s': a link can carry one guest", name,
                   if_indextoname((unsigned)master, owner) ? owner : "another interface");
}
