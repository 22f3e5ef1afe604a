/* FastCGI 1.0: records for a question, and what an answer's records hold. */
#include "fcgi.h"
#include "ip.h"

#define VERSION       1
#define BEGIN_REQUEST 1
#define END_REQUEST   3
#define PARAMS        4
#define STDIN         5
#define STDOUT        6
#define STDERR        7
#define RESPONDER     1
#define ID            1
#define RECORD_LEN    8
#define CONTENT_MAX   65535
#define VALUE_MAX     8192

/* --- the question
 * ------------------------------------------------------------------------------------------------------ */

struct writer {
    uint8_t *to;
    size_t len;
    bool full;
};

static void put(struct writer *w, const void *data, size_t len)
{
    if (len > FCGI_REQUEST_MAX - w->len) {
        w->full = true;
        return;
    }
    memcpy(w->to + w->len, data, len);
    w->len += len;
}

static void put_record(struct writer *w, uint8_t type, size_t len)
{
    uint8_t header[RECORD_LEN] = {VERSION, type};
    ip_put16(header + 2, ID);
    ip_put16(header + 4, (uint16_t)len);
    put(w, header, sizeof(header));
}

static void put_length(struct writer *w, size_t len)
{
    uint8_t bytes[4];
    ip_put32(bytes, (uint32_t)len | 0x80000000);
    if (len < 128)
        bytes[0] = (uint8_t)len;
    put(w, bytes, len < 128 ? 1 : 4);
}

static void put_pair(struct writer *w, const char *name, size_t name_len, const char *value, size_t value_len)
{
    put_length(w, name_len);
    put_length(w, value_len);
    put(w, name, name_len);
    put(w, value, value_len);
}

static void put_text(struct writer *w, const char *name, const char *value)
{
    put_pair(w, name, strlen(name), value, strlen(value));
}

/* A field of the request as CGI (RFC 3875, 4.1.18) names it: HTTP_ and capitals. */
static void put_field(struct writer *w, const struct request_field *field)
{
    char name[64] = "HTTP_";
    size_t len = 5;
    if (field->name_len > sizeof(name) - len)
        return;
    for (size_t i = 0; i < field->name_len; i++) {
        char c = field->name[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 32);
        else if (c == '-')
            c = '_';
        else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return; /* another name that would look the same as a proper one */
        name[len++] = c;
    }
    /* Programs take HTTP_PROXY for a setting of their own; the two others have names without HTTP_. */
    static const char *const left_out[] = {"HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"};
    for (size_t i = 0; i < 3; i++)
        if (len == strlen(left_out[i]) && memcmp(name, left_out[i], len) == 0)
            return;
    put_pair(w, name, len, field->value, field->value_len);
}

static void put_params(struct writer *w, const struct fcgi_question *question)
{
    const struct request *request = question->request;
    char text[VALUE_MAX];
    size_t root_len = strlen(question->root), type_len = 0;
    if (root_len + request->path_len > sizeof(text)) {
        w->full = true;
        return;
    }
    memcpy(text, question->root, root_len);
    memcpy(text + root_len, request->target, request->path_len);
    put_pair(w, "SCRIPT_FILENAME", 15, text, root_len + request->path_len);
    put_pair(w, "SCRIPT_NAME", 11, request->target, request->path_len);
    put_pair(w, "REQUEST_URI", 11, request->target, request->target_len);
    size_t behind = request->path_len + (request->target_len > request->path_len);
    put_pair(w, "QUERY_STRING", 12, request->target + behind, request->target_len - behind);
    put_pair(w, "REQUEST_METHOD", 14, request->method, request->method_len);
    const char *type = request_field(request, "content-type", &type_len);
    put_pair(w, "CONTENT_TYPE", 12, type ? type : "", type_len);
    guest_format(text, sizeof(text), "%lu", (uint64_t)question->body_len);
    put_text(w, "CONTENT_LENGTH", text);
    put_text(w, "DOCUMENT_ROOT", question->root);
    put_text(w, "GATEWAY_INTERFACE", "CGI/1.1");
    put_text(w, "SERVER_PROTOCOL", "HTTP/1.1");
    put_text(w, "SERVER_SOFTWARE", "runuk-guest");
    put_text(w, "SERVER_PORT", "80");
    put_text(w, "REMOTE_ADDR", question->remote);
    struct request_field field;
    for (size_t at = 0; request_next_field(request, &at, &field);)
        put_field(w, &field);
}

size_t fcgi_ask(char *to, const struct fcgi_question *question)
{
    static const uint8_t begin[8] = {0, RESPONDER}; /* and the connection ends with the answer */
    struct writer w = {.to = (uint8_t *)to};
    put_record(&w, BEGIN_REQUEST, sizeof(begin));
    put(&w, begin, sizeof(begin));
    size_t header = w.len;
    put_record(&w, PARAMS, 0);
    put_params(&w, question);
    ip_put16(w.to + header + 4, (uint16_t)(w.len - header - RECORD_LEN));
    put_record(&w, PARAMS, 0);
    if (question->body_len > 0) {
        put_record(&w, STDIN, question->body_len);
        put(&w, question->body, question->body_len);
    }
    put_record(&w, STDIN, 0);
    return w.full ? 0 : w.len;
}

/* --- the answer
 * ---------------------------------------------------------------------------------------------------------
 */

static void take_content(struct fcgi_answer *answer, const uint8_t *data, size_t len)
{
    switch (answer->header[1]) {
    case STDOUT:
        if (len > sizeof(answer->text) - answer->len) {
            answer->failed = true;
            return;
        }
        memcpy(answer->text + answer->len, data, len);
        answer->len += len;
        break;
    case STDERR:
        guest_write((const char *)data, len);
        guest_write("\n", 1);
        break;
    case END_REQUEST: {
        /* The fifth byte, behind the script's exit status, says whether the request was taken. */
        size_t at = ip_get16(answer->header + 4) - answer->content;
        if (at <= 4 && at + len > 4)
            answer->ended = data[4 - at] == 0;
        break;
    }
    }
}

void fcgi_take(struct fcgi_answer *answer, const uint8_t *data, size_t len)
{
    while (len > 0 && !answer->failed) {
        size_t n;
        if (answer->content > 0) {
            n = len < answer->content ? len : answer->content;
            take_content(answer, data, n);
            answer->content -= (unsigned)n;
        } else if (answer->padding > 0) {
            n = len < answer->padding ? len : answer->padding;
            answer->padding -= (unsigned)n;
        } else {
            n = 1;
            answer->header[answer->header_len++] = *data;
            if (answer->header_len == RECORD_LEN) {
                answer->header_len = 0;
                answer->content = ip_get16(answer->header + 4);
                answer->padding = answer->header[6];
                answer->failed = answer->header[0] != VERSION || ip_get16(answer->header + 2) != ID;
            }
        }
        data += n;
        len -= n;
    }
}

/* --- the script's header
 * ------------------------------------------------------------------------------------------------- */

/* Does the line of `len` bytes begin with that field? Its value then; `name` is in small letters, with the
 * colon. */
static const char *value_of(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    if (len < n)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if ((line[i] >= 'A' && line[i] <= 'Z' ? line[i] + 32 : line[i]) != name[i])
            return NULL;
    while (n < len && line[n] == ' ')
        n++;
    return line + n;
}

/* The line at `at`, without its end; sets *ret_next to the next one. False when it has no end. */
static bool next_line(const struct fcgi_answer *answer, size_t at, size_t *ret_len, size_t *ret_next)
{
    size_t end = at;
    while (end < answer->len && answer->text[end] != '\n')
        end++;
    if (end == answer->len)
        return false;
    *ret_next = end + 1;
    *ret_len = end - at - (end > at && answer->text[end - 1] == '\r');
    return true;
}

struct head {
    char *to;
    size_t size, len;
};

static void add(struct head *head, const char *text, size_t len)
{
    if (len < head->size - head->len) {
        memcpy(head->to + head->len, text, len);
        head->len += len;
    } else {
        head->len = head->size - 1; /* full: more than this fits nobody */
    }
}

/* What the connection is about is the server's own affair. */
static bool is_ours(const char *line, size_t len)
{
    return value_of(line, len, "connection:") || value_of(line, len, "content-length:") ||
           value_of(line, len, "transfer-encoding:") || value_of(line, len, "keep-alive:") ||
           value_of(line, len, "status:");
}

/* The status: what the script says, else what follows from its header (RFC 3875, 6.3). */
static void add_status(struct head *head, const struct fcgi_answer *answer)
{
    const char *status = "200 OK";
    size_t len, next, status_len = 6;
    add(head, "HTTP/1.1 ", 9);
    for (size_t at = 0; next_line(answer, at, &len, &next) && len > 0; at = next) {
        const char *value = value_of(answer->text + at, len, "status:");
        if (value) {
            status = value;
            status_len = len - (size_t)(value - (answer->text + at));
            break;
        }
        if (value_of(answer->text + at, len, "location:")) {
            status = "302 Found";
            status_len = 9;
        }
    }
    add(head, status, status_len);
    add(head, "\r\n", 2);
}

/* The end of the header. A script writes no body for HEAD, whose length would not be that of GET; these two
 * statuses have none. */
static void add_own(struct head *head, size_t body_len, bool to_head, bool keep)
{
    const char *status = head->to + 9; /* behind "HTTP/1.1 " */
    char own[64];
    if (!to_head && memcmp(status, "204", 3) != 0 && memcmp(status, "304", 3) != 0) {
        guest_format(own, sizeof(own), "Content-Length: %lu\r\n", (uint64_t)body_len);
        add(head, own, strlen(own));
    }
    guest_format(own, sizeof(own), "Connection: %s\r\n\r\n", keep ? "keep-alive" : "close");
    add(head, own, strlen(own));
}

size_t fcgi_http_head(const struct fcgi_answer *answer, bool to_head, bool keep, char *to, size_t size,
                      size_t *ret_body)
{
    struct head head = {to, size, 0};
    size_t at = 0, len = 0, next = 0;
    add_status(&head, answer);
    for (;; at = next) {
        if (!next_line(answer, at, &len, &next))
            return 0;
        if (len == 0)
            break;
        if (is_ours(answer->text + at, len))
            continue;
        add(&head, answer->text + at, len);
        add(&head, "\r\n", 2);
    }
    if (at == 0)
        return 0;
    *ret_body = next;
    add_own(&head, answer->len - next, to_head, keep);
    return head.len < size - 1 ? head.len : 0;
}
