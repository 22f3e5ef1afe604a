/* An HTTP/1.1 server for GET and HEAD: a page about the guest, the same as plain lines, and as many bytes as
 * one wants. */
#include "http.h"
#include "request.h"
#include "tcp.h"

#define BODY_MAX 5120
#define PAGE_LEN 2048
#define BIG_MAX  (1U << 30)

static struct {
    const char *program;
    const char *arguments;
    bool html;
    uint64_t start;
    uint64_t requests;
} site;

struct body {
    char text[BODY_MAX];
    size_t len;
};

static struct body body;

void http_init(const char *program, bool html, const char *arguments)
{
    site.program = program;
    site.html = html;
    site.arguments = arguments;
    site.start = guest_monotonic();
}

int http_check_options(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i] && guest_after(argv[i], "--")) {
            guest_print("unknown option '%s'\n", argv[i]);
            return 64;
        }
    }
    return 0;
}

/* --- bodies
 * --------------------------------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 1, 2))) static void add(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t len = guest_vformat(body.text + body.len, sizeof(body.text) - body.len, fmt, args);
    va_end(args);
    size_t space = sizeof(body.text) - body.len - 1;
    body.len += len < space ? len : space;
}

static void add_escaped(const char *text)
{
    for (size_t i = 0; i < 1024 && text[i]; i++) {
        switch (text[i]) {
        case '<':
            add("&lt;");
            break;
        case '>':
            add("&gt;");
            break;
        case '&':
            add("&amp;");
            break;
        case '"':
            add("&quot;");
            break;
        default:
            add("%c", text[i]);
        }
    }
}

static void row(const char *key, const char *value)
{
    if (!site.html) {
        add("%s: %s\n", key, value);
        return;
    }
    add("<tr><th>%s<td>", key);
    add_escaped(value);
    add("\n");
}

static void link_rows(const struct ip_link *link, bool many)
{
    char key[96], value[64], text[18];
    const char *dash = many ? "-" : "";
    const char *name = many ? link->name : "";
    guest_format(key, sizeof(key), "%s%sipv4", name, dash);
    guest_format(value, sizeof(value), "%s/%u", ip_text(link->address, text), link->prefix);
    row(key, value);
    guest_format(key, sizeof(key), "%s%sgateway", name, dash);
    row(key, link->gateway ? ip_text(link->gateway, text) : "none");
    guest_format(key, sizeof(key), "%s%smac", name, dash);
    row(key, ip_mac_text(link->mac, text));
    guest_format(key, sizeof(key), "%s%smtu", name, dash);
    guest_format(value, sizeof(value), "%u", link->mtu);
    row(key, value);
}

static void rows(void)
{
    const struct ip_link *links;
    char value[64];
    size_t count = ip_links(&links);
    uint64_t up = (guest_monotonic() - site.start) / GUEST_MSEC;
    row("program", site.program);
    row("target", guest.target);
    for (size_t i = 0; i < count; i++)
        link_rows(&links[i], count > 1);
    guest_format(value, sizeof(value), "%lu", guest.mem_size);
    row("memory", value);
    row("arguments", site.arguments);
    guest_format(value, sizeof(value), "%lu.%03lu", up / 1000, up % 1000);
    row("uptime", value);
    guest_format(value, sizeof(value), "%lu", site.requests);
    row("requests", value);
}

static const char page_head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">"
    "<title>A unikernel</title><style>"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#10161f;color:#dbe4ee;"
    "font:16px/1.5 system-ui,sans-serif}"
    "main{width:min(38rem,88vw);padding:2rem 2.4rem;background:#18212d;border-radius:14px;"
    "border-top:4px solid #3fb68b;box-shadow:0 18px 50px #0008}"
    "h1{margin:0;font-size:1.7rem}p{color:#93a4b6;margin:.3rem 0 1.4rem}b{color:#3fb68b}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.38rem 0;"
    "border-top:1px solid #263342;vertical-align:top}th{width:8rem;font-weight:500;color:#93a4b6}"
    "td{font-family:ui-monospace,monospace;overflow-wrap:anywhere}a{color:#3fb68b}"
    "</style><main><h1>Hello from a unikernel</h1>"
    "<p>No Linux in here: this page and its TCP/IP are one small program, booted as <b>";

static void page(void)
{
    add("%s", page_head);
    add("%s</b>.</p><table>", guest.target);
    rows();
    add("</table><p style=\"margin:1.4rem 0 0\">Also as <a href=/plain>plain text</a>.</p></main></html>\n");
    /* Of one length however long the numbers are: load generators take another length for a failure. */
    while (body.len < PAGE_LEN)
        add("\n");
}

static void plain(void)
{
    bool html = site.html;
    site.html = false;
    rows();
    site.html = html;
}

/* --- requests
 * ------------------------------------------------------------------------------------------------------------
 */

static uint32_t wanted_bytes(const struct request *request)
{
    char text[32];
    uint64_t n = 0;
    for (size_t i = 0; i + 2 < request->target_len; i++) {
        if ((request->target[i] != '?' && request->target[i] != '&') ||
            memcmp(request->target + i + 1, "n=", 2) != 0)
            continue;
        size_t left = request->target_len - i - 3;
        left = left < sizeof(text) ? left : sizeof(text) - 1;
        memcpy(text, request->target + i + 3, left);
        text[left] = '\0';
        if (!guest_number(text, &n, NULL) || n > BIG_MAX)
            n = 0;
        break;
    }
    return (uint32_t)n;
}

static void finish(struct tcp_reply *reply, const char *status, const char *type, uint32_t filler, bool head,
                   bool keep)
{
    size_t len =
        guest_format(reply->text, sizeof(reply->text),
                     "HTTP/1.1 %s\r\nServer: runuk-guest\r\nContent-Type: %s\r\nContent-Length: %lu\r\n"
                     "Connection: %s\r\n\r\n",
                     status, type, (uint64_t)(body.len + filler), keep ? "keep-alive" : "close");
    if (!head) {
        memcpy(reply->text + len, body.text, body.len);
        len += body.len;
    }
    reply->text_len = (uint32_t)len;
    reply->filler = head ? 0 : filler;
    reply->close = !keep;
}

static void refuse(struct tcp_reply *reply, const char *status)
{
    add("%s\n", status);
    finish(reply, status, "text/plain", 0, false, false);
}

static void answer(const struct request *request, struct tcp_reply *reply)
{
    /* A body that may follow is not read: close behind the reply. */
    bool keep = request->keep && request->get && !request_has_body(request);
    if (!request->get) {
        refuse(reply, "405 Method Not Allowed");
        return;
    }
    if (request_is(request, "/big")) {
        finish(reply, "200 OK", "text/plain", wanted_bytes(request), request->head, keep);
        return;
    }
    const char *status = "200 OK";
    const char *type = "text/plain; charset=utf-8";
    if (request_is(request, "/") && site.html) {
        type = "text/html; charset=utf-8";
        page();
    } else if (request_is(request, "/")) {
        add("Hello from %s\n", guest.target);
    } else if (request_is(request, "/plain")) {
        plain();
    } else {
        status = "404 Not Found";
        add("%s\n", status);
    }
    finish(reply, status, type, 0, request->head, keep);
}

size_t tcp_serve(const struct ip_peer *peer, const char *in, size_t len, bool full, struct tcp_reply *reply)
{
    (void)peer;
    struct request request;
    size_t head = request_head(in, len);
    body.len = 0;
    if (head == 0 && !full)
        return 0;
    site.requests++;
    if (head == 0)
        refuse(reply, "431 Request Header Fields Too Large");
    else if (!request_parse(&request, in, head))
        refuse(reply, "400 Bad Request");
    else
        answer(&request, reply);
    return head ? head : len;
}
