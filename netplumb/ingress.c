/* A link's ingress: an ingress qdisc with filters that hand frames to another interface, marked as ours. */
#include "netplumb/ingress.h"

#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/mode.h"
#include "netplumb/relay/address.h"
#include "netplumb/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/attr.h>

#define INGRESS_HANDLE TC_H_MAKE(TC_H_INGRESS, 0) /* the kernel allows no other */

#define BUSY_PAUSE_NS 1000000L
#define BUSY_TRIES    2000

/* What the kernel keeps beside the action for its maker (TCA_ACT_COOKIE, at most 16 bytes). */
struct cookie {
    char tag[8];
    int32_t tap;
};

static const char cookie_tag[8] = "runuk";

static struct tcmsg ingress_header(int ifindex)
{
    return (struct tcmsg){.tcm_family = AF_UNSPEC,
                          .tcm_ifindex = ifindex,
                          .tcm_handle = INGRESS_HANDLE,
                          .tcm_parent = TC_H_INGRESS};
}

static struct nl_msg *qdisc_message(int type, int flags, int ifindex)
{
    struct tcmsg header = ingress_header(ifindex);
    net_automsg struct nl_msg *msg = net_msg_new(type, flags, &header, sizeof header);
    if (!msg || nla_put_string(msg, TCA_KIND, "ingress") < 0)
        return NULL;
    return rk_take(msg);
}

/* What a filter does with what it matches. */
enum deed {
    REDIRECT, /* to the egress of the other side, and nowhere else */
    MIRROR,   /* there too; the namespace's own stack gets it as well */
    ENTER,    /* comes in on the other side, and nowhere else */
    SHOW,     /* comes in there too */
    PASS,     /* to the namespace's own stack: without an action, classification ends here (the action for
                 that, act_gact, is not in every kernel) */
    LOSE,     /* to loopback's ingress, whose stack drops frames to other stations (nor is there a drop) */
};

#define LOOPBACK_IFINDEX 1 /* in every namespace */

/* One filter: keys are words at offsets into the packet, all of which must match. */
struct filter {
    uint16_t protocol;
    enum deed deed;
    struct {
        int offset;
        uint32_t mask, value;
    } keys[4];
    size_t key_count;
};

/* Words of an IPv4 header without options and of UDP behind it (RFC 791, 768), and of ARP (RFC 826). */
#define NO_OPTIONS                                                                                           \
    {                                                                                                        \
        0, 0x0f000000, 0x05000000                                                                            \
    }
#define NO_FRAGMENT                                                                                          \
    {                                                                                                        \
        4, 0x00003fff, 0                                                                                     \
    }
#define IS_UDP                                                                                               \
    {                                                                                                        \
        8, 0x00ff0000, 17 << 16                                                                              \
    }
#define TO_RELAY                                                                                             \
    {                                                                                                        \
        16, 0xffffffff, RLY_ADDRESS                                                                          \
    }
#define TO_DHCP_SERVER                                                                                       \
    {                                                                                                        \
        20, 0x0000ffff, RLY_DHCP_PORT                                                                        \
    }
#define FROM_DNS_HERE                                                                                        \
    {                                                                                                        \
        20, 0xffff0000 | RLY_PORTS_MASK, RLY_DNS_PORT << 16 | RLY_PORTS_FIRST                                \
    }
#define ARP_IS_ANSWER                                                                                        \
    {                                                                                                        \
        4, 0x0000ffff, 2                                                                                     \
    }
#define ARP_FOR_RELAY                                                                                        \
    {                                                                                                        \
        24, 0xffffffff, RLY_ADDRESS                                                                          \
    }

#define EVERYTHING                                                                                           \
    {                                                                                                        \
        ETH_P_ALL, REDIRECT, {{0, 0, 0}}, 1                                                                  \
    }
#define TO_THE_RELAY(deed)                                                                                   \
    {ETH_P_IP, deed, {TO_RELAY}, 1}, {ETH_P_IP, deed, {NO_OPTIONS, IS_UDP, TO_DHCP_SERVER}, 3},              \
    {                                                                                                        \
        ETH_P_ARP, deed, {ARP_FOR_RELAY}, 1                                                                  \
    }

#define FILTERS_MAX (NET_BATCH - 1) /* the qdisc comes in the same datagram */

/* In the order in which they are asked. Those of one preference must have one protocol: so the preference
 * goes up with it. */
static const struct rules {
    struct filter filters[FILTERS_MAX];
    size_t count;
} all_rules[] = {
    [NET_INGRESS_ALL] = {{EVERYTHING}, 1},
    [NET_INGRESS_GUEST] = {{TO_THE_RELAY(PASS), EVERYTHING}, 4},
    [NET_INGRESS_LINK] = {{{ETH_P_IP, PASS, {NO_OPTIONS, NO_FRAGMENT, IS_UDP, FROM_DNS_HERE}, 4},
                           {ETH_P_ARP, MIRROR, {ARP_IS_ANSWER}, 1},
                           EVERYTHING},
                          3},
    [NET_INGRESS_PORT] = {{{ETH_P_IP, ENTER, {NO_OPTIONS, NO_FRAGMENT, IS_UDP, FROM_DNS_HERE}, 4},
                           {ETH_P_ARP, SHOW, {ARP_IS_ANSWER}, 1}},
                          2},
    [NET_INGRESS_SHIELD] = {{TO_THE_RELAY(LOSE)}, 3},
};

/* TCA_U32_ACT: one mirred action. */
static int put_action(struct nl_msg *msg, enum deed deed, int to, int tap)
{
    struct cookie cookie = {.tap = tap};
    memcpy(cookie.tag, cookie_tag, sizeof cookie.tag);
    struct tc_mirred mirred = {.action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t)to};
    if (deed == MIRROR) {
        mirred.action = TC_ACT_OK;
        mirred.eaction = TCA_EGRESS_MIRROR;
    } else if (deed == SHOW) {
        mirred.action = TC_ACT_OK;
        mirred.eaction = TCA_INGRESS_MIRROR;
    } else if (deed == ENTER) {
        mirred.eaction = TCA_INGRESS_REDIR;
    } else if (deed == LOSE) {
        mirred.eaction = TCA_INGRESS_REDIR;
        mirred.ifindex = LOOPBACK_IFINDEX;
    }
    struct nlattr *actions = nla_nest_start(msg, TCA_U32_ACT);
    struct nlattr *first = actions ? nla_nest_start(msg, 1) : NULL;
    if (!first || nla_put_string(msg, TCA_ACT_KIND, "mirred") < 0 ||
        nla_put(msg, TCA_ACT_COOKIE, sizeof cookie, &cookie) < 0)
        return -ENOMEM;
    struct nlattr *options = nla_nest_start(msg, TCA_ACT_OPTIONS);
    if (!options || nla_put(msg, TCA_MIRRED_PARMS, sizeof mirred, &mirred) < 0)
        return -ENOMEM;
    nla_nest_end(msg, options);
    nla_nest_end(msg, first);
    nla_nest_end(msg, actions);
    return 0;
}

/* A u32 filter in a filter block. */
static struct nl_msg *filter_message(uint32_t block, const struct filter *filter, unsigned preference, int to,
                                     int tap)
{
    struct tcmsg header = {.tcm_family = AF_UNSPEC,
                           .tcm_ifindex = (int)TCM_IFINDEX_MAGIC_BLOCK,
                           .tcm_block_index = block,
                           .tcm_info = TC_H_MAKE(preference << 16, htons(filter->protocol))};
    union {
        struct tc_u32_sel selector;
        unsigned char
            with_keys[sizeof(struct tc_u32_sel) + RK_COUNT(filter->keys) * sizeof(struct tc_u32_key)];
    } match = {.with_keys = {0}};
    match.selector.flags = TC_U32_TERMINAL;
    match.selector.nkeys = (unsigned char)filter->key_count;
    for (size_t i = 0; i < filter->key_count; i++)
        match.selector.keys[i] = (struct tc_u32_key){.mask = htonl(filter->keys[i].mask),
                                                     .val = htonl(filter->keys[i].value),
                                                     .off = filter->keys[i].offset};
    net_automsg struct nl_msg *msg =
        net_msg_new(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    if (!msg || nla_put_string(msg, TCA_KIND, "u32") < 0)
        return NULL;
    struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
    int size = (int)(sizeof match.selector + filter->key_count * sizeof match.selector.keys[0]);
    if (!options || nla_put(msg, TCA_U32_SEL, size, match.with_keys) < 0 ||
        (filter->deed == PASS ? nla_put_u32(msg, TCA_U32_CLASSID, 1)
                              : put_action(msg, filter->deed, to, tap)) < 0)
        return NULL;
    nla_nest_end(msg, options);
    return rk_take(msg);
}

static int talk_once(struct net_session *session, struct nl_msg *msg, net_each_fn *each, void *arg,
                     struct rk_err *err)
{
    if (!msg)
        return rk_fail(err, -ENOMEM, "out of memory");
    return net_talk(session, &msg, 1, each, arg, NULL, err);
}

static int delete_qdisc(struct net_session *session, int ifindex, struct rk_err *err)
{
    net_automsg struct nl_msg *msg = qdisc_message(RTM_DELQDISC, 0, ifindex);
    int code = talk_once(session, msg, NULL, NULL, err);
    return code == -ENOENT || code == -EINVAL || code == -ENODEV ? 0 : code;
}

/* The messages that make an ingress: the qdisc and its filters. */
struct making {
    struct nl_msg *msgs[1 + FILTERS_MAX];
    size_t count;
};

static void making_fini(struct making *making)
{
    for (size_t i = 0; i < making->count; i++)
        net_msg_free(&making->msgs[i]);
}

/* All in one datagram, of which the kernel carries out all or, when the caller was killed before, nothing: a
 * qdisc without a filter, which nobody could tell whose it is, is never left. The filters go into a block
 * that exists only with this qdisc; addressed by the interface they would go into another's qdisc when ours
 * is refused. */
static int prepare(struct making *making, int from, int to, int tap, const struct rules *rules,
                   struct rk_err *err)
{
    uint32_t block;
    unsigned preference = 0;
    if (getrandom(&block, sizeof block, 0) != (ssize_t)sizeof block)
        return rk_fail_errno(err, "choose a filter block");
    block |= 1; /* 0 is none */
    struct nl_msg *qdisc = qdisc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, from);
    making->msgs[making->count++] = qdisc;
    if (!qdisc || nla_put_u32(qdisc, TCA_INGRESS_BLOCK, block) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < rules->count; i++) {
        const struct filter *filter = &rules->filters[i];
        preference += i == 0 || filter->protocol != filter[-1].protocol;
        struct nl_msg *msg = filter_message(block, filter, preference, to, tap);
        making->msgs[making->count++] = msg;
        if (!msg)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

int net_ingress_add(struct net_session *session, int from, int to, int tap, enum net_ingress_rules rules,
                    struct rk_err *err)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    struct making making __attribute__((cleanup(making_fini))) = {.count = 0};
    size_t failed = 0;
    int code = prepare(&making, from, to, tap, &all_rules[rules], err);
    if (code < 0)
        return code;
    code = net_talk(session, making.msgs, making.count, NULL, NULL, &failed, err);
    /* The kernel says EBUSY while an ingress qdisc that was just deleted waits for its last readers; nothing
     * tells when they are gone. */
    for (int i = 0; code == -EBUSY && failed == 0 && i < BUSY_TRIES; i++) {
        nanosleep(&pause, NULL);
        code = net_talk(session, making.msgs, making.count, NULL, NULL, &failed, err);
    }
    if (code == -ENOENT && failed == 0)
        return rk_wrap(err, "the kernel lacks the ingress qdisc (module sch_ingress)");
    if (code == -ENOENT)
        rk_wrap(err,
                "the kernel lacks the u32 classifier or the mirred action (modules cls_u32, act_mirred)");
    if (code < 0 && failed > 0)
        delete_qdisc(session, from, NULL);
    return code;
}

struct search {
    int ifindex;
    bool qdisc; /* an ingress or clsact qdisc is there */
    int tap;    /* of the cookie of ours that was found; 0 without one */
};

static int see_qdisc(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    struct search *search = arg;
    struct nlattr *tb[TCA_MAX + 1];
    if (header->nlmsg_type != RTM_NEWQDISC)
        return 0;
    if (nlmsg_parse(header, sizeof(struct tcmsg), tb, TCA_MAX, NULL) < 0)
        return rk_fail(err, -EPROTO, "a qdisc that netlink describes badly");
    const struct tcmsg *info = nlmsg_data(header);
    if (info->tcm_ifindex == search->ifindex && info->tcm_parent == TC_H_INGRESS)
        search->qdisc = true; /* clsact has the same parent */
    return 0;
}

/* TCA_OPTIONS of u32 → TCA_U32_ACT → the first action → its cookie. */
static int see_filter(struct nlmsghdr *header, void *arg, struct rk_err *err)
{
    struct search *search = arg;
    struct nlattr *tb[TCA_MAX + 1], *options[TCA_U32_MAX + 1], *actions[2], *action[TCA_ACT_MAX + 1];
    if (header->nlmsg_type != RTM_NEWTFILTER)
        return 0;
    if (nlmsg_parse(header, sizeof(struct tcmsg), tb, TCA_MAX, NULL) < 0)
        return rk_fail(err, -EPROTO, "a filter that netlink describes badly");
    if (!tb[TCA_KIND] || nla_strcmp(tb[TCA_KIND], "u32") != 0 || !tb[TCA_OPTIONS])
        return 0;
    /* Anything that does not parse to our shape is another's. */
    if (nla_parse_nested(options, TCA_U32_MAX, tb[TCA_OPTIONS], NULL) < 0 || !options[TCA_U32_ACT] ||
        nla_parse_nested(actions, 1, options[TCA_U32_ACT], NULL) < 0 || !actions[1] ||
        nla_parse_nested(action, TCA_ACT_MAX, actions[1], NULL) < 0 || !action[TCA_ACT_COOKIE])
        return 0;
    struct cookie cookie;
    if (nla_len(action[TCA_ACT_COOKIE]) != (int)sizeof cookie)
        return 0;
    memcpy(&cookie, nla_data(action[TCA_ACT_COOKIE]), sizeof cookie);
    if (!memcmp(cookie.tag, cookie_tag, sizeof cookie_tag))
        search->tap = cookie.tap;
    return 0;
}

int net_ingress_find(struct net_session *session, int ifindex, int *ret_tap, struct rk_err *err)
{
    struct search search = {.ifindex = ifindex};
    struct tcmsg qdiscs = {.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex};
    struct tcmsg filters = {.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = INGRESS_HANDLE};
    net_automsg struct nl_msg *msg = net_msg_new(RTM_GETQDISC, NLM_F_DUMP, &qdiscs, sizeof qdiscs);
    int code = talk_once(session, msg, see_qdisc, &search, err);
    if (code < 0 && code != -EAGAIN)
        return code;
    if (!search.qdisc)
        return NET_INGRESS_FREE;
    net_automsg struct nl_msg *inner = net_msg_new(RTM_GETTFILTER, NLM_F_DUMP, &filters, sizeof filters);
    code = talk_once(session, inner, see_filter, &search, err);
    if (code < 0 && code != -EAGAIN)
        return code;
    if (search.tap == 0)
        return NET_INGRESS_FOREIGN;
    *ret_tap = search.tap;
    return NET_INGRESS_OURS;
}

int net_ingress_remove(struct net_session *session, int ifindex, int tap, struct rk_err *err)
{
    int found = 0;
    int who = net_ingress_find(session, ifindex, &found, err);
    if (who != NET_INGRESS_OURS || found != tap)
        return who < 0 ? who : 0;
    return delete_qdisc(session, ifindex, err);
}

int net_ingress_claim(struct net_session *session, const char *link, int ifindex, struct rk_err *err)
{
    int tap = 0;
    int who = net_ingress_find(session, ifindex, &tap, err);
    if (who < 0 || who == NET_INGRESS_FREE)
        return who < 0 ? who : 0;
    if (who == NET_INGRESS_FOREIGN)
        return rk_fail(
            err, -EEXIST,
            "link '%s' has an ingress qdisc that is not runuk's: remove it (tc qdisc del dev %s ingress, "
            "or clsact) or leave this link to who made it",
            link, link);
    int alive = net_iface_is(session, tap, NULL, "tun", err);
    if (alive > 0)
        return rk_fail(err, -EBUSY,
                       "link '%s' already carries another guest (through the tap with ifindex %d)", link,
                       tap);
    return alive < 0 ? alive : delete_qdisc(session, ifindex, err);
}
