/* Requests of HTTP/1 (RFC 9112), as they come to a server. */
#ifndef GUEST_REQUEST_H
#define GUEST_REQUEST_H

#include "guest.h"

/* The pointers are into what came, where nothing ends with NUL. */
struct request {
    const char *method;
    size_t method_len;
    const char *target; /* begins with '/' */
    size_t path_len;    /* of the target, what is before '?' */
    size_t target_len;
    const char *fields; /* the header's lines, each with CR LF in front and behind */
    size_t fields_len;
    bool get;  /* the method is GET or HEAD */
    bool head; /* it is HEAD */
    bool keep; /* the connection is to stay open */
};

/* The length of the head with its empty line; 0 when that has not come yet. */
size_t request_head(const char *in, size_t len);

/* Read the head of `len` bytes; false when it is none. */
bool request_parse(struct request *ret, const char *in, size_t len);

/* The value of the first field of that name, which is given in small letters; NULL when there is none. */
const char *request_field(const struct request *request, const char *name, size_t *ret_len);

/* Does a body follow? */
bool request_has_body(const struct request *request);

/* Is that the path? */
bool request_is(const struct request *request, const char *path);

/* One field after another: *at is 0 at first. False when there are no more. */
struct request_field {
    const char *name, *value;
    size_t name_len, value_len;
};
bool request_next_field(const struct request *request, size_t *at, struct request_field *ret);

#endif
