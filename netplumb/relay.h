/* What a relay (netplumb/relay/) needs of a network namespace and may not make itself.
 *
 * It has no address and no route: it hears the guest's frames by a packet socket on its tap. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdbool.h>

struct net_wire;
struct rk_err;

/* A packet socket on the wire's tap, O_CLOEXEC, with a filter that cannot be changed any more: it gets only
 * what the guest sends to the relay's address or to a DHCP server. */
int net_relay_port(const struct net_wire *wire, struct rk_err *err);

/* Open ip_local_port_range of the namespace, which is to be RLY_PORTS_FIRST to RLY_PORTS_LAST, for
 * net_ports_reserve, and note in *wire what it says now. *ret_fd is -1 when it is so already, and for a wire
 * to nothing. 0 or a negative errno, without a text. */
int net_ports_open(int *ret_fd, struct net_wire *wire);

/* Narrow the range; `fd` (accepts -1) may be used from another namespace. 0 or a negative errno, without a
 * text. */
int net_ports_reserve(int fd);

/* In the wire's namespace: give the range back what wire says, if it still is as net_ports_reserve left it.
 */
void net_ports_restore(const struct net_wire *wire);

#endif
