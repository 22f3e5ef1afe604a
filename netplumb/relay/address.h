/* The address under which a guest finds the relay, and ports. */
#ifndef RLY_ADDRESS_H
#define RLY_ADDRESS_H

/* Link-local (RFC 3927), so that no network of a container has it; known to nobody but the guest and the
 * relay. */
#define RLY_ADDRESS      0xa9fe3535U
#define RLY_ADDRESS_TEXT "169.254.53.53"

#define RLY_DNS_PORT  53
#define RLY_DHCP_PORT 67 /* of a server; a client has the next one */

/* Resolvers in the namespace, Docker's own at 127.0.0.11, ask others for names that they do not know, by way
 * of the link, whose frames are the guest's. So their sockets get their ports here, and answers from port 53
 * to these ports (which but for the bits outside the mask are the same) stay in the namespace. A guest that
 * happens to use one of these ports for a query of its own to another server misses that answer, and asks
 * again. */
#define RLY_PORTS_FIRST 65024U
#define RLY_PORTS_LAST  65151U
#define RLY_PORTS_MASK  0xff80U

#endif
