/* What a relayed guest's bridge does for the namespace's own stack. Internal to netplumb. */
#ifndef NET_BRIDGE_STACK_H
#define NET_BRIDGE_STACK_H

#include "netplumb/net.h"

/* The bridge of `wire` is up and has the link's MAC: make it the way by which resolvers in the namespace ask
 * others and get their answers. What is made ends with the bridge, but for the link's ingress
 * (netplumb/ingress.h), which is marked with the tap. */
int net_bridge_stack(const struct net_wire *wire, struct net_session *session, struct rk_err *err);

#endif
