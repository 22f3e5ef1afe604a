/* A web server in front of PHP: serves the files that are compiled in, and has *.php answered by a FastCGI
 * server, which it finds by name.
 *
 *   --dns=ADDRESS           the name server; without it the FastCGI server must be an address
 *   --fastcgi=HOST[:PORT]   the FastCGI server, port 9000
 *   --root=FOLDER           where the scripts are there, /srv */
#include "fcgi.h"
#include "ip.h"
#include "names.h"
#include "site.h"
#include "tcp.h"

GUEST_MANIFEST(GUEST_NET("service"));

#define EXCHANGES    24
#define PATIENCE     (20 * GUEST_NSEC) /* for one exchange */
#define SEARCH       (4 * GUEST_NSEC)  /* of it, for name and way */
#define QUERY_AGAIN  (500 * GUEST_MSEC)
#define FIND_AGAIN   (20 * GUEST_MSEC)
#define QUERY_PORT   40000 /* of the first exchange; each has its own */
#define FASTCGI_PORT 9000

/* One request on its way to PHP and back. The server may be another container with each: its name is asked
 * for anew. */
struct exchange {
    struct tcp_call call; /* the first, so that its address is the exchange's */
    enum {
        UNUSED = 0,
        RESOLVING, /* the name */
        REACHING,  /* the address */
        CALLING,
        ANSWERED, /* the reply is being sent from here */
    } state;
    uint64_t ticket;
    uint64_t deadline;
    uint64_t found; /* until when the server must have been found */
    uint64_t again; /* when to ask again */
    uint16_t query;
    uint32_t address;
    bool head, keep;
    size_t request_len;
    char request[FCGI_REQUEST_MAX];
    struct fcgi_answer answer;
};

static struct exchange exchanges[EXCHANGES];

static struct {
    uint32_t dns;
    char host[256];
    uint32_t host_address; /* 0: it is a name */
    uint16_t port;
    const char *root;
} settings = {.port = FASTCGI_PORT, .root = "/srv"};

/* --- replies
 * -----------------------------------------------------------------------------------------------------------
 */

static void reply_text(struct tcp_reply *reply, const char *status, const char *reason, bool head, bool keep)
{
    char body[512];
    size_t body_len =
        guest_format(body, sizeof(body), "%s%s%s\n", status, reason ? ": " : "", reason ? reason : "");
    body_len = body_len < sizeof(body) ? body_len : sizeof(body) - 1;
    size_t len = guest_format(
        reply->text, sizeof(reply->text),
        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %lu\r\nConnection: %s\r\n\r\n%s", status,
        (uint64_t)body_len, keep ? "keep-alive" : "close", head ? "" : body);
    reply->text_len = (uint32_t)len;
    reply->body_len = reply->filler = 0;
    reply->close = !keep;
}

static void reply_file(struct tcp_reply *reply, const struct site_file *file, bool head, bool keep)
{
    size_t size = (size_t)(file->end - file->bytes);
    reply->text_len = (uint32_t)guest_format(
        reply->text, sizeof(reply->text),
        "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %lu\r\nConnection: %s\r\n\r\n", file->type,
        (uint64_t)size, keep ? "keep-alive" : "close");
    reply->body = file->bytes;
    reply->body_len = head ? 0 : (uint32_t)size;
    reply->filler = 0;
    reply->close = !keep;
}

/* The exchange has come to nothing. */
static void fail(struct exchange *x, const char *status, const char *reason)
{
    struct tcp_reply *reply = tcp_reply_for(x->ticket);
    x->state = UNUSED;
    guest_print("%s: %s: %s\n", settings.host, status, reason);
    if (!reply)
        return;
    reply_text(reply, status, reason, x->head, x->keep);
    tcp_answer(reply);
}

/* --- exchanges
 * ----------------------------------------------------------------------------------------------------------
 */

static void take(struct tcp_call *call, const uint8_t *data, size_t len)
{
    struct exchange *x = (struct exchange *)call;
    fcgi_take(&x->answer, data, len);
}

static void end(struct tcp_call *call, bool whole)
{
    struct exchange *x = (struct exchange *)call;
    struct tcp_reply *reply = tcp_reply_for(x->ticket);
    size_t body;
    if (!reply) {
        x->state = UNUSED;
        return;
    }
    if (!x->answer.ended || x->answer.failed) {
        fail(x, "502 Bad Gateway",
             whole ? "the FastCGI answer is not whole" : "no connection to the FastCGI server");
        return;
    }
    size_t len = fcgi_http_head(&x->answer, x->head, x->keep, reply->text, sizeof(reply->text), &body);
    if (len == 0) {
        fail(x, "502 Bad Gateway", "the script's header is not one");
        return;
    }
    reply->text_len = (uint32_t)len;
    reply->body = x->answer.text + body;
    reply->body_len = x->head ? 0 : (uint32_t)(x->answer.len - body);
    reply->filler = 0;
    reply->close = !x->keep;
    x->state = ANSWERED;
    tcp_answer(reply);
}

static void give_up(struct exchange *x, const char *status, const char *reason)
{
    if (x->state == CALLING)
        tcp_hang_up(&x->call);
    fail(x, status, reason);
}

static void ask_name(struct exchange *x, const struct ip_link *link, uint64_t now)
{
    size_t len = names_query(ip_payload() + 8, settings.host, x->query, NAMES_A);
    uint16_t port = (uint16_t)(QUERY_PORT + (x - exchanges));
    /* Until the gateway is known there is nobody to send to. */
    bool sent = ip_udp_send(link, settings.dns, port, NAMES_PORT, len);
    x->again = now + (sent ? QUERY_AGAIN : FIND_AGAIN);
}

static void reach(struct exchange *x, const struct ip_link *link, uint64_t now)
{
    struct ip_peer peer;
    if (!ip_find(link, x->address, &peer) ||
        !tcp_call(&x->call, &peer, settings.port, x->request, x->request_len)) {
        x->again = now + FIND_AGAIN;
        return;
    }
    x->state = CALLING;
}

/* What is due for one exchange. */
static void step(struct exchange *x, const struct ip_link *link, uint64_t now)
{
    if (!tcp_reply_for(x->ticket)) { /* sent, or nobody waits for it any more */
        if (x->state == CALLING)
            tcp_hang_up(&x->call);
        x->state = UNUSED;
    } else if (x->state == ANSWERED) {
        return;
    } else if (x->answer.failed) {
        give_up(x, "502 Bad Gateway", "the FastCGI answer is none, or too long");
    } else if (now >= x->deadline) {
        give_up(x, "504 Gateway Timeout", "no answer in time");
    } else if (x->state != CALLING && now >= x->found) {
        fail(x, "502 Bad Gateway",
             x->state == RESOLVING ? "no answer from the name server" : "the FastCGI server is not there");
    } else if (x->state == RESOLVING && now >= x->again) {
        ask_name(x, link, now);
    } else if (x->state == REACHING) {
        reach(x, link, now);
    }
}

/* Do what is due; returns when there is something to do at the latest. */
static uint64_t step_all(void)
{
    const struct ip_link *link;
    uint64_t now = guest_monotonic(), soonest = UINT64_MAX;
    ip_links(&link);
    for (size_t i = 0; i < EXCHANGES; i++) {
        struct exchange *x = &exchanges[i];
        if (x->state == UNUSED)
            continue;
        step(x, link, now);
        if (x->state == UNUSED || x->state == ANSWERED)
            continue;
        uint64_t due = x->state == CALLING ? x->deadline : x->again;
        if (due < soonest)
            soonest = due;
    }
    return soonest;
}

/* The name server's answer. */
static void take_name(const struct ip_peer *peer, uint16_t from_port, uint16_t to_port, const uint8_t *data,
                      size_t len)
{
    struct names_answer answer;
    unsigned i = (unsigned)to_port - QUERY_PORT;
    if (i >= EXCHANGES || from_port != NAMES_PORT || peer->address != settings.dns || len < 12)
        return;
    struct exchange *x = &exchanges[i];
    if (x->state != RESOLVING || ip_get16(data) != x->query || !(data[2] & 0x80))
        return;
    names_answer(&answer, data, len);
    if ((data[3] & 0x0f) != 0 || !names_next_address(&answer, &x->address)) {
        fail(x, "502 Bad Gateway", "the name server does not know the FastCGI server");
        return;
    }
    x->state = REACHING;
    x->again = 0;
}

/* --- requests
 * ------------------------------------------------------------------------------------------------------------
 */

static struct exchange *unused_exchange(void)
{
    for (size_t i = 0; i < EXCHANGES; i++)
        if (exchanges[i].state == UNUSED ||
            (exchanges[i].state == ANSWERED && !tcp_reply_for(exchanges[i].ticket)))
            return &exchanges[i];
    return NULL;
}

static void begin_exchange(struct fcgi_question *question, bool keep, struct tcp_reply *reply)
{
    static uint16_t queries;
    struct exchange *x = unused_exchange();
    bool head = question->request->head;
    if (!x) {
        reply_text(reply, "503 Service Unavailable", "too many requests at once", head, keep);
        return;
    }
    question->root = settings.root;
    x->request_len = fcgi_ask(x->request, question);
    if (x->request_len == 0) {
        reply_text(reply, "431 Request Header Fields Too Large", NULL, head, keep);
        return;
    }
    x->call = (struct tcp_call){take, end};
    x->state = settings.host_address ? REACHING : RESOLVING;
    x->address = settings.host_address;
    x->ticket = reply->ticket;
    x->again = 0;
    x->deadline = guest_monotonic() + PATIENCE;
    x->found = guest_monotonic() + SEARCH;
    x->query = (uint16_t)((guest_wall() >> 10) + ++queries);
    x->head = head;
    x->keep = keep;
    x->answer.header_len = x->answer.content = x->answer.padding = 0;
    x->answer.ended = x->answer.failed = false;
    x->answer.len = 0;
    reply->later = true;
}

/* A path of nothing but names, the last one NAME.php. */
static bool is_script(const struct request *request)
{
    const char *path = request->target;
    size_t len = request->path_len;
    if (len < 6 || memcmp(path + len - 4, ".php", 4) != 0 || path[len - 5] == '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = path[i];
        bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_';
        bool after_slash = i > 0 && path[i - 1] == '/';
        if (!name && !((c == '/' || c == '.') && !after_slash) && i > 0)
            return false;
    }
    return true;
}

static void answer(struct fcgi_question *question, bool keep, struct tcp_reply *reply)
{
    const struct request *request = question->request;
    const struct site_file *files;
    size_t count = site_files(&files);
    if (is_script(request)) {
        begin_exchange(question, keep, reply);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!request_is(request, files[i].path))
            continue;
        if (request->get)
            reply_file(reply, &files[i], request->head, keep);
        else
            reply_text(reply, "405 Method Not Allowed", NULL, false, keep);
        return;
    }
    reply_text(reply, "404 Not Found", NULL, request->head, keep);
}

/* The length of the body; false, with the reply, when it can't be taken. */
static bool body_length(const struct request *request, size_t head, struct tcp_reply *reply, size_t *ret_len)
{
    char text[16] = "0";
    const char *rest;
    size_t len;
    uint64_t value;
    const char *field = request_field(request, "transfer-encoding", &len);
    if (field) {
        reply_text(reply, "411 Length Required", NULL, request->head, false);
        return false;
    }
    field = request_field(request, "content-length", &len);
    if (field) {
        memcpy(text, field, len < sizeof(text) ? len : 0);
        text[len < sizeof(text) ? len : 0] = '\0';
    }
    if (!guest_number(text, &value, &rest) || *rest) {
        reply_text(reply, "400 Bad Request", NULL, request->head, false);
        return false;
    }
    if (value > TCP_IN_MAX - head) {
        reply_text(reply, "413 Content Too Large", NULL, request->head, false);
        return false;
    }
    *ret_len = (size_t)value;
    return true;
}

size_t tcp_serve(const struct ip_peer *peer, const char *in, size_t len, bool full, struct tcp_reply *reply)
{
    struct request request;
    char remote[16];
    size_t head = request_head(in, len), body = 0;
    if (head == 0 && !full)
        return 0;
    if (head == 0) {
        reply_text(reply, "431 Request Header Fields Too Large", NULL, false, false);
        return len;
    }
    if (!request_parse(&request, in, head)) {
        reply_text(reply, "400 Bad Request", NULL, false, false);
        return head;
    }
    if (!body_length(&request, head, reply, &body))
        return head;
    if (len - head < body)
        return 0;
    struct fcgi_question question = {
        .request = &request,
        .body = in + head,
        .body_len = body,
        .remote = ip_text(peer->address, remote),
    };
    answer(&question, request.keep, reply);
    return head + body;
}

/* --- beginning
 * -----------------------------------------------------------------------------------------------------------
 */

/* HOST or HOST:PORT. */
static bool set_server(const char *text)
{
    const char *rest;
    uint64_t port = FASTCGI_PORT;
    uint8_t query[NAMES_QUERY_MAX];
    size_t len = 0;
    while (text[len] && text[len] != ':')
        len++;
    if (len == 0 || len >= sizeof(settings.host) ||
        (text[len] && (!guest_number(text + len + 1, &port, &rest) || *rest || port == 0 || port > 65535)))
        return false;
    memcpy(settings.host, text, len);
    settings.port = (uint16_t)port;
    if (!ip_parse(settings.host, &settings.host_address, &rest) || *rest)
        settings.host_address = 0;
    return settings.host_address || names_query(query, settings.host, 0, NAMES_A) > 0;
}

static bool set(const char *argument)
{
    const char *value, *rest;
    if ((value = guest_after(argument, "--dns=")))
        return ip_parse(value, &settings.dns, &rest) && !*rest;
    if ((value = guest_after(argument, "--fastcgi=")))
        return set_server(value);
    if ((value = guest_after(argument, "--root=")))
        return *(settings.root = value) == '/';
    return false;
}

int guest_main(int argc, char **argv)
{
    static const struct ip_keys service = {"service", "ipv4", "ipv4-gateway", "10.0.0.2/24"};
    if (!ip_open(&service, argc, argv))
        return 64;
    for (int i = 0; i < argc; i++) {
        if (argv[i] && !set(argv[i])) {
            guest_print("'%s' is no option, or its value is none\n", argv[i]);
            return 64;
        }
    }
    if (!settings.host[0] || (!settings.host_address && !settings.dns)) {
        guest_print("--fastcgi=HOST is missing, or --dns=ADDRESS for its name\n");
        return 64;
    }
    ip_on_udp(take_name);
    guest_print("ready\n");
    for (;;)
        ip_step(step_all());
}
