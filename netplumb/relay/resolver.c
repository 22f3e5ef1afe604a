/* Sockets to resolvers, and which resolvers are in the namespace itself. */
#include "netplumb/relay/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/relay/address.h"

#define ALL_PORTS (RLY_PORTS_LAST - RLY_PORTS_FIRST + 1)

static bool parse(union rly_address *ret, const char *text)
{
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1)
        ret->any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1)
        ret->any.sa_family = AF_INET6;
    return ret->any.sa_family != AF_UNSPEC;
}

bool rly_is_loopback(const char *address)
{
    union rly_address a;
    if (!parse(&a, address))
        return false;
    return a.any.sa_family == AF_INET ? ntohl(a.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                      : IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr);
}

/* The answers of a resolver outside come by the link, and are the namespace's only at these ports. */
static int bind_reserved(int sock, sa_family_t family)
{
    uint8_t first;
    if (getrandom(&first, sizeof first, 0) != (ssize_t)sizeof first)
        return -errno;
    for (unsigned i = 0; i < ALL_PORTS; i++) {
        union rly_address here = {.any.sa_family = family};
        here.v4.sin_port =
            htons((uint16_t)(RLY_PORTS_FIRST + (first + i) % ALL_PORTS)); /* v6's is there too */
        if (bind(sock, &here.any, rly_address_size(&here)) == 0)
            return 0;
        if (errno != EADDRINUSE)
            return -errno;
    }
    return -EADDRINUSE;
}

socklen_t rly_address_size(const union rly_address *address)
{
    return address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
}

void rly_resolver_again(int fd, const union rly_address *nowhere, const union rly_address *to)
{
    if (connect(fd, &nowhere->any, sizeof nowhere->any) == 0)
        (void)!connect(fd, &to->any, rly_address_size(to)); /* a failure shows as the next query is sent */
}

int rly_resolver_open(union rly_address *ret_to, const char *address, struct rk_err *err)
{
    union rly_address to;
    if (!parse(&to, address))
        return rk_fail(err, -EINVAL, "name server '%s': no address", address);
    to.v4.sin_port = htons(RLY_DNS_PORT);
    rk_autoclose int sock = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return rk_fail_errno(err, "open a socket for name server '%s'", address);
    int code = rly_is_loopback(address) ? 0 : bind_reserved(sock, to.any.sa_family);
    if (code < 0)
        return rk_fail(err, code, "choose a port for name server '%s': %s", address, strerror(-code));
    if (connect(sock, &to.any, rly_address_size(&to)) < 0)
        return rk_fail_errno(err, "connect to name server '%s'", address);
    *ret_to = to;
    return rk_take_fd(&sock);
}
