/* The smallest guest there is, for net_driver: it answers ARP, neighbour solicitation, ping and UDP echo on a
 * tap. */
#ifndef TEST_NET_ANSWER_H
#define TEST_NET_ANSWER_H

#include "netplumb/net.h"

/* A guest that has the addresses of `link` and the MAC of `wire`. */
struct net_answer {
    const struct net_wire *wire;
    const struct net_link *link; /* NULL: it has no address and answers nothing */
};

/* Make the answer to the frame of `size` bytes in place. Returns the answer's size, or 0 when the frame
 * deserves none. A UDP datagram with a wrong checksum deserves none: frames must reach a guest with finished
 * checksums. */
size_t net_answer_frame(const struct net_answer *guest, unsigned char *frame, size_t size);

#endif
