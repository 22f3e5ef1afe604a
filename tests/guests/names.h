/* Queries of DNS (RFC 1035) and their answers. */
#ifndef GUEST_NAMES_H
#define GUEST_NAMES_H

#include "guest.h"

#define NAMES_PORT      53
#define NAMES_A         1
#define NAMES_TXT       16
#define NAMES_QUERY_MAX 272 /* bytes of a query */

/* Write the query for `name`, recursion desired; returns its length, 0 when that is no name. */
size_t names_query(uint8_t *to, const char *name, uint16_t id, uint16_t type);

/* A walk over an answer of `len` bytes, at least 12. */
struct names_answer {
    const uint8_t *data;
    size_t len, at;
    unsigned left;
};
void names_answer(struct names_answer *ret, const uint8_t *data, size_t len);

/* The next IPv4 address in it; false when there are no more. */
bool names_next_address(struct names_answer *answer, uint32_t *ret_address);

#endif
