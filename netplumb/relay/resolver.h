/* Sockets to resolvers, and which resolvers are in the namespace itself. */
#ifndef RLY_RESOLVER_H
#define RLY_RESOLVER_H

#include <stdbool.h>

struct rk_err;

/* A UDP socket, O_CLOEXEC and O_NONBLOCK, connected to port 53 of `address` (v4 or v6). -EINVAL when it is no
 * address, -ENETUNREACH when there is no way to it. */
int rly_resolver_open(const char *address, struct rk_err *err);

/* Is it in the namespace of whoever asks (127.0.0.0/8, ::1)? */
bool rly_is_loopback(const char *address);

#endif
