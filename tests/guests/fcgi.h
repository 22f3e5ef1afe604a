/* The web server's side of FastCGI 1.0: one request and its answer, on a connection of their own. */
#ifndef GUEST_FCGI_H
#define GUEST_FCGI_H

#include "request.h"

#define FCGI_REQUEST_MAX (24 * 1024)
#define FCGI_ANSWER_MAX  (256 * 1024)

/* What is asked, beside what the HTTP request says itself. */
struct fcgi_question {
    const struct request *request;
    const char *root; /* the folder of the scripts, where they run */
    const char *body;
    size_t body_len;
    const char *remote; /* the client's address, as text */
};

/* Write the records of the question to `to`, FCGI_REQUEST_MAX bytes; returns their length, 0 when they are
 * too long. */
size_t fcgi_ask(char *to, const struct fcgi_question *question);

/* An answer as it comes; all zero at first. */
struct fcgi_answer {
    uint8_t header[8];
    unsigned header_len;
    unsigned content, padding; /* left of the record */
    bool ended;                /* the request, and well */
    bool failed;               /* no FastCGI, refused, or too long */
    size_t len;
    char text[FCGI_ANSWER_MAX]; /* what the script has written: a CGI header and a body */
};

/* Take what came. What the script says as errors goes to the console. */
void fcgi_take(struct fcgi_answer *answer, const uint8_t *data, size_t len);

/* The HTTP head for the script's answer (`to_head`: to a HEAD request), and where its body begins. Returns
 * the length; 0 when the script's header is none, or too long for `size`. */
size_t fcgi_http_head(const struct fcgi_answer *answer, bool to_head, bool keep, char *to, size_t size,
                      size_t *ret_body);

#endif
