/* Talking to the kernel's rtnetlink: one socket, requests in batches, answers by callback. Internal to
 * netplumb. */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <linux/rtnetlink.h>
#include <netlink/msg.h>

struct net_session;
struct rk_err;

#define NET_BATCH 6 /* messages that go to the kernel in one datagram, at most */

/* Gets every message that answers a request, acknowledgements excepted. A negative return ends the
 * conversation's success, not the conversation: what is still in the socket is read and dropped. */
typedef int net_each_fn(struct nlmsghdr *header, void *arg, struct rk_err *err);

/* Send `count` (≤ NET_BATCH) requests in one datagram and read until each of them is answered. The kernel
 * works on all of them even when an early one fails. Returns 0, or the negative errno of the first that
 * failed; the text is then the kernel's own reason, without context. *ret_failed (may be NULL) is that one's
 * index. -EAGAIN: a dump was torn by a change and must be asked for again. */
int net_talk(struct net_session *session, struct nl_msg *const *msgs, size_t count, net_each_fn *each,
             void *arg, size_t *ret_failed, struct rk_err *err);

/* A request with its family header (struct ifinfomsg, tcmsg, …) of `size` bytes. NULL without memory; free
 * with nlmsg_free or `net_automsg`. `flags` are NLM_F_… besides REQUEST and ACK, which net_talk adds. */
struct nl_msg *net_msg_new(int type, int flags, const void *header, size_t size);

/* RTM_NEWLINK, RTM_DELLINK or RTM_GETLINK for one interface: bits `if_flags` among those that `change`
 * selects. */
struct nl_msg *net_msg_link(int type, int ifindex, unsigned if_flags, unsigned change);

static inline void net_msg_free(struct nl_msg **msg)
{
    if (*msg)
        nlmsg_free(*msg);
    *msg = NULL;
}

#define net_automsg __attribute__((cleanup(net_msg_free)))

/* The ifindex of the interface called `name`, or a negative errno (-ENODEV) with no text. */
int net_ifindex(struct net_session *session, const char *name);

#endif
