/* Sockets to resolvers, and which resolvers are in the namespace itself. */
#ifndef RLY_RESOLVER_H
#define RLY_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct rk_err;

/* A resolver's address, either family. */
union rly_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* A UDP socket, O_CLOEXEC and O_NONBLOCK, connected to port 53 of `address` (v4 or v6), which is then in
 * *ret_to. -EINVAL when it is no address, -ENETUNREACH when there is no way to it. */
int rly_resolver_open(union rly_address *ret_to, const char *address, struct rk_err *err);

/* The size of an address of that family. */
socklen_t rly_address_size(const union rly_address *address);

/* Connect the socket anew, from another port: Docker's resolver is behind a translation of addresses that the
 * kernel remembers by port, also when the resolver has come back elsewhere. `nowhere` is all zero, AF_UNSPEC.
 */
void rly_resolver_again(int fd, const union rly_address *nowhere, const union rly_address *to);

/* Is it in the namespace of whoever asks (127.0.0.0/8, ::1)? */
bool rly_is_loopback(const char *address);

#endif
