/* Mode "bridge": link and tap are ports of a bridge in the namespace, and the guest has the link's MAC.
 *
 * Nothing about the link changes but its master, so undoing is deleting the bridge and nothing can be lost on
 * the way. What makes that possible is one entry in the bridge's table: the link's MAC, which the bridge
 * takes for its own, lies at the tap. */
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "netplumb/bridge_stack.h"
#include "netplumb/ingress.h"
#include "netplumb/mode.h"
#include "netplumb/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/neighbour.h>
#include <netlink/attr.h>

#define SWEEP_MAX    16       /* bridges that one sweep removes: each is a killed start's */
#define TAP_OF_ALIAS ", tap " /* between the link and the tap's ifindex in a bridge's alias */
#define ABOUT_SIZE   (IF_NAMESIZE + sizeof TAP_OF_ALIAS + 12)

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

/* What a bridge's alias says besides whose it is: with the tap gone, nobody needs the bridge any more. */
static void describe(char about[ABOUT_SIZE], const struct net_wire *wire)
{
    snprintf(about, ABOUT_SIZE, "%s" TAP_OF_ALIAS "%d", wire->link, wire->tap_ifindex);
}

/* The alias of the interface called `name`. */
static struct nl_msg *alias_message(const char *name, const struct net_wire *wire)
{
    char about[ABOUT_SIZE], alias[sizeof NET_ALIAS_PREFIX + ABOUT_SIZE];
    describe(about, wire);
    snprintf(alias, sizeof alias, NET_ALIAS_PREFIX "%s", about);
    net_automsg struct nl_msg *msg = net_msg_link(RTM_NEWLINK, 0, 0, 0);
    if (!msg || nla_put_string(msg, IFLA_IFNAME, name) < 0 || nla_put_string(msg, IFLA_IFALIAS, alias) < 0)
        return NULL;
    return rk_take(msg);
}

/* A bridge gets its alias in the datagram that makes it, so that even a caller that is killed leaves none
 * that nobody could tell whose it is. The alias has to name it by its name, hence one that no other has. */
static int make_bridge(struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    char name[IF_NAMESIZE];
    size_t failed = 0;
    uint8_t mac[6]; /* left to itself the bridge takes its ports' lowest, which may be the guest's; with a
                       relay it has to be that: see bridge_stack */
    int code = net_mac_random(mac, err);
    if (code < 0)
        return code;
    snprintf(name, sizeof name, "br-%02x%02x%02x%02x%02x", mac[1], mac[2], mac[3], mac[4], mac[5]);
    net_automsg struct nl_msg *make = bridge_message(name, wire->mtu, wire->relayed ? wire->mac : mac);
    net_automsg struct nl_msg *mark = alias_message(name, wire);
    if (!make || !mark)
        return rk_fail(err, -ENOMEM, "make a bridge: out of memory");
    struct nl_msg *both[] = {make, mark};
    code = net_talk(session, both, RK_COUNT(both), NULL, NULL, &failed, err);
    if (code == -EOPNOTSUPP && failed == 0)
        return rk_wrap(err, "make a bridge (is the kernel module bridge there?)");
    int ifindex = code < 0 && failed == 0 ? -ENODEV : net_ifindex(session, name);
    if (code < 0) {
        if (ifindex > 0)
            net_iface_remove(session, ifindex, name, "bridge", NULL);
        return rk_wrap(err, "make bridge '%s'", name);
    }
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
    char about[ABOUT_SIZE];
    describe(about, wire);
    int code = net_iface_hush(session, wire->bridge, wire->bridge_ifindex, 0, about, err);
    if (code < 0)
        return rk_wrap(err, "prepare bridge '%s'", wire->bridge);
    RK_FAULT("network:bridge-prepared");
    code = wire->relayed ? net_bridge_stack(wire, session, err) : 0;
    if (code < 0)
        return code;
    RK_FAULT("network:bridge-stack");
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
    RK_FAULT("network:bridge");
    /* The tap's own qdisc, which goes with it, keeps what is meant for the relay off the bridge. */
    if (wire->relayed)
        code = net_ingress_add(session, wire->tap_ifindex, 0, wire->tap_ifindex, NET_INGRESS_SHIELD, err);
    if (code == 0)
        code = wire_bridge(wire, session, err);
    if (code < 0) {
        net_ingress_remove(session, wire->link_ifindex, wire->tap_ifindex, NULL);
        net_iface_remove(session, wire->bridge_ifindex, wire->bridge, "bridge", NULL);
        rk_wrap(err, "bridge '%s' and '%s'", wire->link, wire->tap);
    }
    return code;
}

static int undo(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    struct rk_err second = {0};
    int is = net_iface_is(session, wire->link_ifindex, wire->link, NULL, err);
    int code = is > 0 ? net_ingress_remove(session, wire->link_ifindex, wire->tap_ifindex, err) : is;
    int bridge = net_iface_remove(session, wire->bridge_ifindex, wire->bridge, "bridge", &second);
    if (code >= 0 && bridge < 0)
        return rk_fail(err, bridge, "%s", second.text);
    return code < 0 ? code : 0;
}

/* Bridges of ours. */
struct bridges {
    size_t count;
    struct {
        int ifindex, tap;
        char name[IF_NAMESIZE];
    } v[SWEEP_MAX];
};

static int see_bridge(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    struct bridges *found = arg;
    struct nlattr *tb[IFLA_MAX + 1];
    if (header->nlmsg_type != RTM_NEWLINK || found->count == SWEEP_MAX)
        return 0;
    if (nlmsg_parse(header, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME])
        return rk_fail(err, -EPROTO, "a link that netlink describes badly");
    const struct ifinfomsg *info = nlmsg_data(header);
    char alias[sizeof NET_ALIAS_PREFIX + ABOUT_SIZE] = "";
    if (tb[IFLA_IFALIAS])
        nla_strlcpy(alias, tb[IFLA_IFALIAS], sizeof alias);
    const char *tap = strstr(alias, TAP_OF_ALIAS);
    if (!net_alias_is_ours(alias, strlen(alias)) || !tap)
        return 0;
    found->v[found->count].ifindex = info->ifi_index;
    found->v[found->count].tap = (int)strtol(tap + strlen(TAP_OF_ALIAS), NULL, 10);
    nla_strlcpy(found->v[found->count++].name, tb[IFLA_IFNAME], IF_NAMESIZE);
    return 0;
}

static int sweep(struct net_session *session, struct rk_err *err)
{
    struct bridges found = {.count = 0};
    struct ifinfomsg all = {.ifi_family = AF_UNSPEC};
    net_automsg struct nl_msg *msg = net_msg_new(RTM_GETLINK, NLM_F_DUMP, &all, sizeof all);
    int code = msg ? net_talk(session, &msg, 1, see_bridge, &found, NULL, err)
                   : rk_fail(err, -ENOMEM, "out of memory");
    if (code == -EAGAIN) /* interfaces changed meanwhile: what was seen was there */
        code = 0;
    for (size_t i = 0; i < found.count && code >= 0; i++) {
        code = net_iface_is(session, found.v[i].tap, NULL, "tun", err);
        if (code == 0)
            code = net_iface_remove(session, found.v[i].ifindex, found.v[i].name, "bridge", err);
    }
    return code < 0 ? rk_wrap(err, "look for bridges that were left") : 0;
}

const struct net_mode net_mode_bridge = {
    .name = "bridge",
    .selectable = true,
    .apply = apply,
    .undo = undo,
    .sweep = sweep,
};
