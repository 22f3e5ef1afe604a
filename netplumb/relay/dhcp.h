/* DHCP with one lease: the link's own address, for the guest's MAC. */
#ifndef RLY_DHCP_H
#define RLY_DHCP_H

#include "netplumb/relay/frame.h"

/* Write the answer to a guest's datagram to the DHCP port as a frame; its length, or 0 when there is none to
 * give: another's MAC, malformed, or a message that asks for nothing. */
size_t rly_dhcp(const struct rly_config *config, const struct rly_net *net, const struct rly_packet *packet,
                uint8_t *frame);

#endif
