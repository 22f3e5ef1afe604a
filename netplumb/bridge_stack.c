/* The namespace's own way out when its link is a port of a bridge, as far as resolvers in it need one.
 *
 * A bridge takes every frame that its port receives, so nothing reaches the stack by the link any more. It
 * reaches it by the bridge, to which filters on the link hand answers to resolvers, and answers to ARP. So
 * that these are asked for by the bridge too, it has the link's MAC and, before the link's own, the link's
 * IPv4 routes, which go when it goes. */
#include "netplumb/bridge_stack.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/ingress.h"
#include "netplumb/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/if.h>
#include <linux/ip.h>
#include <netlink/attr.h>

#define NO_ANSWERS 8 /* arp_ignore: whoever asks for the address is answered by the guest */

/* With ARP again, which the bridge as an interface of ours was without; but it asks only. */
static struct nl_msg *ask_message(int bridge)
{
    net_automsg struct nl_msg *msg = net_msg_link(RTM_NEWLINK, bridge, 0, IFF_NOARP);
    struct nlattr *spec = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;
    struct nlattr *inet = spec ? nla_nest_start(msg, AF_INET) : NULL;
    struct nlattr *conf = inet ? nla_nest_start(msg, IFLA_INET_CONF) : NULL;
    if (!conf || nla_put_u32(msg, IPV4_DEVCONF_ARP_IGNORE, NO_ANSWERS) < 0)
        return NULL;
    nla_nest_end(msg, conf);
    nla_nest_end(msg, inet);
    nla_nest_end(msg, spec);
    return rk_take(msg);
}

static int put_address(struct nl_msg *msg, int attribute, const char *text)
{
    struct in_addr address;
    if (!*text)
        return 0;
    return inet_pton(AF_INET, text, &address) == 1 ? nla_put(msg, attribute, sizeof address, &address)
                                                   : -EINVAL;
}

/* The same route by the bridge; of routes that are otherwise equal the one that was made last is asked first.
 */
static struct nl_msg *route_message(int bridge, const struct net_route *route, const char *source)
{
    struct rtmsg header = {.rtm_family = AF_INET,
                           .rtm_dst_len = (unsigned char)route->prefix,
                           .rtm_table = RT_TABLE_MAIN,
                           .rtm_protocol = RTPROT_BOOT,
                           .rtm_scope = route->scope,
                           .rtm_type = RTN_UNICAST,
                           .rtm_flags = *route->gateway ? RTNH_F_ONLINK : 0};
    net_automsg struct nl_msg *msg = net_msg_new(RTM_NEWROUTE, NLM_F_CREATE, &header, sizeof header);
    if (!msg || (!route->is_default && put_address(msg, RTA_DST, route->dst) < 0) ||
        put_address(msg, RTA_GATEWAY, route->gateway) < 0 || put_address(msg, RTA_PREFSRC, source) < 0 ||
        nla_put_u32(msg, RTA_OIF, (uint32_t)bridge) < 0 ||
        (route->metric && nla_put_u32(msg, RTA_PRIORITY, route->metric) < 0))
        return NULL;
    return rk_take(msg);
}

static int copy_routes(int bridge, const struct net_link *link, struct net_session *session,
                       struct rk_err *err)
{
    const char *source = "";
    for (size_t i = 0; i < link->addr_count && !*source; i++)
        if (link->addrs[i].family == AF_INET)
            source = link->addrs[i].text;
    for (size_t i = 0; i < link->route_count; i++) {
        const struct net_route *route = &link->routes[i];
        if (route->family != AF_INET || route->table != RT_TABLE_MAIN)
            continue;
        net_automsg struct nl_msg *msg = route_message(bridge, route, source);
        int code =
            msg ? net_talk(session, &msg, 1, NULL, NULL, NULL, err) : rk_fail(err, -ENOMEM, "out of memory");
        if (code < 0)
            return rk_wrap(err, "route to %s/%u by the bridge", route->dst, route->prefix);
    }
    return 0;
}

int net_bridge_stack(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    struct net_survey survey;
    net_automsg struct nl_msg *ask = ask_message(wire->bridge_ifindex);
    int code =
        ask ? net_talk(session, &ask, 1, NULL, NULL, NULL, err) : rk_fail(err, -ENOMEM, "out of memory");
    if (code == 0)
        code = net_survey_take(&survey, session, err);
    if (code < 0)
        return rk_wrap(err, "let '%s' ask for neighbours", wire->bridge);
    for (size_t i = 0; i < survey.link_count && code == 0; i++)
        if (survey.links[i].ifindex == wire->link_ifindex)
            code = copy_routes(wire->bridge_ifindex, &survey.links[i], session, err);
    net_survey_fini(&survey);
    if (code < 0)
        return code;
    return net_ingress_add(session, wire->link_ifindex, wire->bridge_ifindex, wire->tap_ifindex,
                           NET_INGRESS_PORT, err);
}
