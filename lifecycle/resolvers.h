/* The container's name servers and search domains, as its resolv.conf says. */
#ifndef CTR_RESOLVERS_H
#define CTR_RESOLVERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/argv.h"

struct ctr_record;

#define CTR_RESOLVERS_MAX 3   /* MAXNS of resolv.conf(5) */
#define CTR_SEARCH_MAX    250 /* bytes of all search domains on the wire: what one DHCP option takes */

struct ctr_resolvers {
    char servers[CTR_RESOLVERS_MAX][INET6_ADDRSTRLEN]; /* addresses, v4 or v6 */
    size_t count;
    bool inside;           /* one of them is in the network namespace itself, where a guest is not */
    struct rk_argv search; /* well-formed domains, as many as fit CTR_SEARCH_MAX */
};

/* Read `text`, which is taken apart on the way. What is malformed is not there; -ENOMEM. */
int ctr_resolvers_parse(struct ctr_resolvers *ret_resolvers, char *text);

/* The same of the container's file: the engine's, else the image's. Without one there are none. */
int ctr_resolvers_read(struct ctr_resolvers *ret_resolvers, const struct ctr_record *record);

void ctr_resolvers_fini(struct ctr_resolvers *resolvers);

#endif
