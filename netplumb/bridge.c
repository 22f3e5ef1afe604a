/* Mode "bridge": link and tap are ports of a bridge in the namespace, and the guest has the link's MAC.
 *
 * Nothing about the link changes but its master, so undoing is deleting the bridge and nothing can be lost on
 * the way. What makes that possible is one entry in the bridge's table: the link's MAC, which the bridge
 * takes for its own, lies at the tap. */
#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/ingress.h"
#include "netplumb/mode.h"
#include "netplumb/session.h"

#include <errno.h>
#include <string.h>

#include <linux/neighbour.h>
#include <netlink/attr.h>

#define BRIDGE_NUMBERS 4096 /* names tried: br0 … br4095 */

/* A learning bridge without spanning tree (ports forward at once) and without multicast snooping (it would
 * need a querier). */
static struct nl_msg *bridge_message(const char *name, unsigned mtu, const uint8_t mac[6])
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    net_automsg struct nl_msg *msg =
        net_msg_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    if (!msg || nla_put_string(msg, IFLA_IFNAME, name) < 0 || nla_put_u32(msg, IFLA_MTU, mtu) < 0 ||
        nla_put(msg, IFLA_ADDRESS, 6, mac) < 0)
        return NULL;
    struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
    if (!info || nla_put_string(msg, IFLA_INFO_KIND, "bridge") < 0)
        return NULL;
    struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
    if (!data || nla_put_u32(msg, IFLA_BR_STP_STATE, 0) < 0 || nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0) < 0)
        return NULL;
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    return rk_take(msg);
}

static int make_bridge(struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    char name[IF_NAMESIZE];
    uint8_t mac[6]; /* left to itself the bridge takes its ports' lowest, which may be the guest's */
    int code = net_mac_random(mac, err);
    if (code < 0)
        return code;
    code = -EEXIST;
    for (int i = 0; i < BRIDGE_NUMBERS && code == -EEXIST; i++) {
        snprintf(name, sizeof name, "br%d", i);
        net_automsg struct nl_msg *msg = bridge_message(name, wire->mtu, mac);
        code =
            msg ? net_talk(session, &msg, 1, NULL, NULL, NULL, err) : rk_fail(err, -ENOMEM, "out of memory");
    }
    if (code == -EOPNOTSUPP)
        return rk_wrap(err, "make a bridge (is the kernel module bridge there?)");
    if (code < 0)
        return rk_wrap(err, "make a bridge");
    int ifindex = net_ifindex(session, name);
    if (ifindex < 0)
        return rk_fail(err, ifindex, "make bridge '%s': %s", name, strerror(-ifindex));
    memcpy(wire->bridge, name, sizeof wire->bridge);
    wire->bridge_ifindex = ifindex;
    return 0;
}

static struct nl_msg *port_message(int port, int bridge)
{
    net_automsg struct nl_msg *msg = net_msg_link(RTM_NEWLINK, port, 0, 0);
    if (!msg || nla_put_u32(msg, IFLA_MASTER, (uint32_t)bridge) < 0)
        return NULL;
    return rk_take(msg);
}

/* The bridge's entry for `mac`: at `port`, static, and not to be learnt anywhere else. */
static struct nl_msg *station_message(int port, const uint8_t mac[6])
{
    struct ndmsg header = {.ndm_family = AF_BRIDGE,
                           .ndm_ifindex = port,
                           .ndm_state = NUD_NOARP,
                           .ndm_flags = NTF_MASTER | NTF_STICKY};
    net_automsg struct nl_msg *msg =
        net_msg_new(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof header);
    if (!msg || nla_put(msg, NDA_LLADDR, 6, mac) < 0)
        return NULL;
    return rk_take(msg);
}

static int attach_ports(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    net_automsg struct nl_msg *tap = port_message(wire->tap_ifindex, wire->bridge_ifindex);
    net_automsg struct nl_msg *link = port_message(wire->link_ifindex, wire->bridge_ifindex);
    net_automsg struct nl_msg *station = station_message(wire->tap_ifindex, wire->mac);
    if (!tap || !link || !station)
        return rk_fail(err, -ENOMEM, "out of memory");
    struct nl_msg *all[] = {tap, link, station};
    static const char *const words[] = {"the tap", "the link", "the guest's address"};
    size_t failed = 0;
    int code = net_talk(session, all, RK_COUNT(all), NULL, NULL, &failed, err);
    if (code < 0)
        rk_wrap(err, "put %s on bridge '%s'", words[failed], wire->bridge);
    return code;
}

static int wire_bridge(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    int code = net_iface_hush(session, wire->bridge, wire->bridge_ifindex, 0, wire->link, err);
    if (code < 0)
        return rk_wrap(err, "prepare bridge '%s'", wire->bridge);
    return attach_ports(wire, session, err);
}

static int apply(struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    /* A redirect or another's filter sees the frames before the bridge does. */
    int code = net_ingress_claim(session, wire->link, wire->link_ifindex, err);
    if (code == 0)
        code = make_bridge(wire, session, err);
    if (code < 0)
        return code;
    code = wire_bridge(wire, session, err);
    if (code < 0) {
        net_iface_remove(session, wire->bridge_ifindex, wire->bridge, "bridge", NULL);
        rk_wrap(err, "bridge '%s' and '%s'", wire->link, wire->tap);
    }
    return code;
}

static int undo(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    return net_iface_remove(session, wire->bridge_ifindex, wire->bridge, "bridge", err);
}

const struct net_mode net_mode_bridge = {
    .name = "bridge",
    .selectable = true,
    .apply = apply,
    .undo = undo,
};
