/* The survey of a network namespace: three netlink dumps (links, addresses, routes) joined by ifindex. */
#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/mode.h"
#include "netplumb/net.h"
#include "netplumb/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/if_arp.h>
#include <netlink/attr.h>

#define SURVEY_TRIES 8

/* Room for one more element at array[count]; the room doubles whenever count is a power of two, so nothing
 * else needs to be remembered. *array is the (perhaps moved) array. */
static void *grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    return reallocarray(array, count ? count * 2 : 1, size);
}

/* "172.17.0.2" of a netlink attribute; false when its length is not an address's. `text` holds
 * INET6_ADDRSTRLEN. */
static bool address_text(char *text, int family, const struct nlattr *attr)
{
    int size = family == AF_INET ? (int)sizeof(struct in_addr) : (int)sizeof(struct in6_addr);
    return nla_len(attr) == size && inet_ntop(family, nla_data(attr), text, INET6_ADDRSTRLEN);
}

static struct net_link *find_link(struct net_survey *survey, int ifindex)
{
    for (size_t i = 0; i < survey->link_count; i++)
        if (survey->links[i].ifindex == ifindex)
            return &survey->links[i];
    return NULL;
}

/* Kernel modules for tunnels put these into every namespace; no engine attached them. */
static bool is_fallback_tunnel(const char *name)
{
    return !strcmp(name, "gretap0") || !strcmp(name, "erspan0");
}

static int take_link(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    struct net_survey *survey = arg;
    struct nlattr *tb[IFLA_MAX + 1];
    if (header->nlmsg_type != RTM_NEWLINK)
        return 0;
    if (nlmsg_parse(header, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME])
        return rk_fail(err, -EPROTO, "a link that netlink describes badly");
    const struct ifinfomsg *info = nlmsg_data(header);
    if (info->ifi_type != ARPHRD_ETHER || !tb[IFLA_ADDRESS] || nla_len(tb[IFLA_ADDRESS]) != 6)
        return 0;
    if (tb[IFLA_IFALIAS] && net_alias_is_ours(nla_data(tb[IFLA_IFALIAS]), (size_t)nla_len(tb[IFLA_IFALIAS])))
        return 0;

    struct net_link link = {.ifindex = info->ifi_index, .up = info->ifi_flags & IFF_UP};
    nla_strlcpy(link.name, tb[IFLA_IFNAME], sizeof link.name);
    if (is_fallback_tunnel(link.name))
        return 0;
    nla_memcpy(link.mac, tb[IFLA_ADDRESS], sizeof link.mac);
    link.mtu = tb[IFLA_MTU] ? nla_get_u32(tb[IFLA_MTU]) : 0;
    struct net_link *links = grow(survey->links, survey->link_count, sizeof *links);
    if (!links)
        return rk_fail(err, -ENOMEM, "out of memory");
    survey->links = links;
    links[survey->link_count++] = link;
    return 0;
}

static int take_addr(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    struct net_survey *survey = arg;
    struct nlattr *tb[IFA_MAX + 1];
    if (header->nlmsg_type != RTM_NEWADDR)
        return 0;
    if (nlmsg_parse(header, sizeof(struct ifaddrmsg), tb, IFA_MAX, NULL) < 0)
        return rk_fail(err, -EPROTO, "an address that netlink describes badly");
    const struct ifaddrmsg *info = nlmsg_data(header);
    struct net_link *link = find_link(survey, (int)info->ifa_index);
    /* On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL one's own; elsewhere v6 has no
     * IFA_LOCAL. */
    const struct nlattr *own = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
    if (!link || !own)
        return 0;
    struct net_addr addr = {
        .family = info->ifa_family, .prefix = info->ifa_prefixlen, .scope = info->ifa_scope};
    if (!address_text(addr.text, addr.family, own))
        return 0;
    struct net_addr *addrs = grow(link->addrs, link->addr_count, sizeof *addrs);
    if (!addrs)
        return rk_fail(err, -ENOMEM, "out of memory");
    link->addrs = addrs;
    addrs[link->addr_count++] = addr;
    return 0;
}

/* A copy of `route` with this gateway (either attribute may be NULL) on the link `ifindex`, if that is one of
 * the survey. */
static int add_route(struct net_survey *survey, const struct net_route *route, int ifindex,
                     const struct nlattr *gateway, const struct nlattr *via, struct rk_err *err)
{
    struct net_link *link = find_link(survey, ifindex);
    if (!link)
        return 0;
    struct net_route *routes = grow(link->routes, link->route_count, sizeof *routes);
    if (!routes)
        return rk_fail(err, -ENOMEM, "out of memory");
    link->routes = routes;
    struct net_route *added = &routes[link->route_count];
    *added = *route;
    if (gateway) {
        address_text(added->gateway, route->family, gateway);
    } else if (via && nla_len(via) == (int)(sizeof(struct rtvia) + sizeof(struct in6_addr))) {
        const struct rtvia *hop = nla_data(via); /* the v6 gateway of a v4 route */
        if (hop->rtvia_family == AF_INET6)
            inet_ntop(AF_INET6, hop->rtvia_addr, added->gateway, sizeof added->gateway);
    }
    link->route_count++;
    return 0;
}

/* One entry for each next hop of a multipath route. */
static int add_hops(struct net_survey *survey, const struct net_route *route, const struct nlattr *multipath,
                    struct rk_err *err)
{
    struct rtnexthop *hop = nla_data(multipath);
    int left = nla_len(multipath);
    while (RTNH_OK(hop, left)) {
        struct nlattr *tb[RTA_MAX + 1];
        if (nla_parse(tb, RTA_MAX, (struct nlattr *)RTNH_DATA(hop), hop->rtnh_len - (int)sizeof *hop, NULL) <
            0)
            return rk_fail(err, -EPROTO, "a next hop that netlink describes badly");
        int code = add_route(survey, route, hop->rtnh_ifindex, tb[RTA_GATEWAY], tb[RTA_VIA], err);
        if (code < 0)
            return code;
        left -= RTNH_ALIGN(hop->rtnh_len);
        hop = RTNH_NEXT(hop);
    }
    return 0;
}

static int take_route(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    struct net_survey *survey = arg;
    struct nlattr *tb[RTA_MAX + 1];
    if (header->nlmsg_type != RTM_NEWROUTE)
        return 0;
    if (nlmsg_parse(header, sizeof(struct rtmsg), tb, RTA_MAX, NULL) < 0)
        return rk_fail(err, -EPROTO, "a route that netlink describes badly");
    const struct rtmsg *info = nlmsg_data(header);
    uint32_t table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : info->rtm_table;
    bool known = info->rtm_family == AF_INET || info->rtm_family == AF_INET6;
    /* Cloned routes are the kernel's cache (redirects, path MTUs), not configuration. */
    if (!known || info->rtm_type != RTN_UNICAST || table == RT_TABLE_LOCAL ||
        (info->rtm_flags & RTM_F_CLONED))
        return 0;

    struct net_route route = {.family = info->rtm_family,
                              .is_default = info->rtm_dst_len == 0,
                              .prefix = info->rtm_dst_len,
                              .metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0,
                              .protocol = info->rtm_protocol,
                              .scope = info->rtm_scope,
                              .table = table};
    if (!tb[RTA_DST] || !address_text(route.dst, route.family, tb[RTA_DST]))
        memcpy(route.dst, route.family == AF_INET ? "0.0.0.0" : "::", route.family == AF_INET ? 8 : 3);
    if (tb[RTA_MULTIPATH])
        return add_hops(survey, &route, tb[RTA_MULTIPATH], err);
    if (!tb[RTA_OIF])
        return 0;
    return add_route(survey, &route, (int)nla_get_u32(tb[RTA_OIF]), tb[RTA_GATEWAY], tb[RTA_VIA], err);
}

static int dump(struct net_session *session, struct nl_msg *request, net_each_fn *each,
                struct net_survey *survey, struct rk_err *err)
{
    net_automsg struct nl_msg *msg = request;
    if (!msg)
        return rk_fail(err, -ENOMEM, "out of memory");
    return net_talk(session, &msg, 1, each, survey, NULL, err);
}

static struct nl_msg *links_request(void)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    net_automsg struct nl_msg *msg = net_msg_new(RTM_GETLINK, NLM_F_DUMP, &header, sizeof header);
    /* The counters are most of what a link's description weighs, and nobody reads them here. */
    if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)
        return NULL;
    return rk_take(msg);
}

/* Numbers in names count as numbers: eth2 is before eth10. */
static int by_name(const void *a, const void *b)
{
    return strverscmp(((const struct net_link *)a)->name, ((const struct net_link *)b)->name);
}

static int survey_once(struct net_survey *survey, struct net_session *session, struct rk_err *err)
{
    struct ifaddrmsg addrs = {.ifa_family = AF_UNSPEC};
    struct rtmsg routes = {.rtm_family = AF_UNSPEC};
    int code = dump(session, links_request(), take_link, survey, err);
    if (code < 0 || survey->link_count == 0)
        return code;
    qsort(survey->links, survey->link_count, sizeof *survey->links, by_name);
    code = dump(session, net_msg_new(RTM_GETADDR, NLM_F_DUMP, &addrs, sizeof addrs), take_addr, survey, err);
    if (code < 0)
        return code;
    return dump(session, net_msg_new(RTM_GETROUTE, NLM_F_DUMP, &routes, sizeof routes), take_route, survey,
                err);
}

int net_survey_take(struct net_survey *ret_survey, struct net_session *session, struct rk_err *err)
{
    int code = -EAGAIN;
    for (int i = 0; i < SURVEY_TRIES && code == -EAGAIN; i++) {
        struct net_survey survey = {0};
        code = survey_once(&survey, session, err);
        if (code == 0) {
            *ret_survey = survey;
            return 0;
        }
        net_survey_fini(&survey);
    }
    rk_wrap(err, "survey the network");
    return code;
}

void net_survey_fini(struct net_survey *survey)
{
    for (size_t i = 0; i < survey->link_count; i++) {
        free(survey->links[i].addrs);
        free(survey->links[i].routes);
    }
    free(survey->links);
    *survey = (struct net_survey){0};
}
