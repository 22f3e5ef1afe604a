/* A link's ingress: who sits on it, and the redirect that we put there. Internal to netplumb. */
#ifndef NET_INGRESS_H
#define NET_INGRESS_H

struct net_session;
struct rk_err;

enum net_ingress {
    NET_INGRESS_FREE,
    NET_INGRESS_FOREIGN, /* an ingress or clsact qdisc that is not ours */
    NET_INGRESS_OURS,
};

/* Returns an enum net_ingress or a negative errno. *ret_tap is set for OURS: the ifindex of the tap that the
 * redirect was made for, which may be gone by now. */
int net_ingress_find(struct net_session *session, int ifindex, int *ret_tap, struct rk_err *err);

/* Make sure that nobody sits on the ingress of `link`: what a runtime that was killed left there (a redirect
 * of ours whose tap is gone) is removed. -EEXIST for another's qdisc, -EBUSY for a living guest's, with full
 * texts. */
int net_ingress_claim(struct net_session *session, const char *link, int ifindex, struct rk_err *err);

/* What becomes of the frames that come in. */
enum net_ingress_rules {
    NET_INGRESS_ALL,   /* all go to the other side */
    NET_INGRESS_GUEST, /* a relayed guest's tap: all but those to the relay, which end in the tap's own stack,
                          where nobody listens */
    NET_INGRESS_LINK,  /* a relayed guest's link: all but answers to the name servers' clients in the
                          namespace (netplumb/relay.h); ARP answers go both ways */
    NET_INGRESS_PORT,  /* a relayed guest's link as port of the bridge that is the other side: answers to the
                          name servers' clients come in there, as those of ARP do, too */
    NET_INGRESS_SHIELD, /* a relayed guest's tap on a bridge: those to the relay are lost, all others pass */
};

/* Treat the frames that come in on `from` by `rules`, with `to` as the other side; marked as belonging to the
 * tap with ifindex `tap`. On failure nothing is left; -EEXIST when `from` has an ingress qdisc. */
int net_ingress_add(struct net_session *session, int from, int to, int tap, enum net_ingress_rules rules,
                    struct rk_err *err);

/* Remove the redirect on `ifindex` that was made for `tap`; nothing else is touched, and nothing to do is no
 * error. */
int net_ingress_remove(struct net_session *session, int ifindex, int tap, struct rk_err *err);

#endif
