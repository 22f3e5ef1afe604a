/* What a wiring mode is, and what the modes share: the tap, the marks that tell what is ours. Internal to
 * netplumb. */
#ifndef NET_MODE_H
#define NET_MODE_H

#include "netplumb/net.h"

/* A way to put a tap on a link. A new one is one file and one line in the table of wire.c. */
struct net_mode {
    const char *name;
    bool selectable; /* a user may ask for it by name; it needs a link then */

    /* Wire the tap (up, named in *wire together with link and MAC) to the link, filling what the mode adds to
     * *wire. On failure nothing of it may be left; the caller takes the tap away. */
    int (*apply)(struct net_wire *wire, struct net_session *session, struct rk_err *err);

    /* Take away what apply made, the tap excepted. What is gone or another's by now is no error. */
    int (*undo)(const struct net_wire *wire, struct net_session *session, struct rk_err *err);

    /* Take away what callers that were killed inside apply have left in the namespace. What apply makes says
     * from its first moment on that it is ours and for which tap, so that it is known by the tap's being
     * gone. NULL: apply can leave nothing. */
    int (*sweep)(struct net_session *session, struct rk_err *err);
};

extern const struct net_mode net_mode_redirect;
extern const struct net_mode net_mode_bridge;
extern const struct net_mode net_mode_none;

/* The alias that every interface of ours carries ("runuk: …"), so that a survey does not take it for a link
 * of the container. `alias` need not be terminated; `size` is in bytes. */
#define NET_ALIAS_PREFIX "runuk: "
bool net_alias_is_ours(const char *alias, size_t size);

/* Six random bytes, locally administered and no group's. */
int net_mac_random(uint8_t mac[6], struct rk_err *err);

/* Open a new tap, not yet persistent, with offloads off, O_NONBLOCK and O_CLOEXEC; `owner` may reopen it.
 * Fills the tap's name, ifindex and fd in *wire. The caller closes the descriptor, which removes the tap. */
int net_tap_open(struct net_wire *wire, struct net_session *session, uid_t owner, struct rk_err *err);

/* Give the tap its MTU and its alias, keep the namespace's own stack off it, and bring it up. */
int net_tap_prepare(const struct net_wire *wire, struct net_session *session, struct rk_err *err);

/* Let the tap outlive its descriptor. */
int net_tap_persist(const struct net_wire *wire, struct rk_err *err);

/* Make the namespace's own stack deaf and mute on an interface of ours (no ARP, no IPv6, no IPv4 that came in
 * a broadcast frame), give it its alias ("runuk: " and `about`) and its MTU (0: leave it), and bring it up.
 */
int net_iface_hush(struct net_session *session, const char *name, int ifindex, unsigned mtu,
                   const char *about, struct rk_err *err);

/* Is there an interface with this ifindex, name (NULL: any) and kind ("tun", "bridge"; NULL: any)? 1, 0, or a
 * negative errno. */
int net_iface_is(struct net_session *session, int ifindex, const char *name, const char *kind,
                 struct rk_err *err);

/* -EBUSY, with a full text, when the link is a port of a bridge or the like: the kernel would take it away
 * from there. */
int net_iface_check_free(struct net_session *session, int ifindex, const char *name, struct rk_err *err);

/* Remove the interface if it is still the one: 0 also when it is not. */
int net_iface_remove(struct net_session *session, int ifindex, const char *name, const char *kind,
                     struct rk_err *err);

#endif
