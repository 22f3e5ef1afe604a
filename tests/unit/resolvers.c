/* Unit tests of the resolv.conf reader. */
#include "lifecycle/resolvers.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tests/unit/tap.h"

/* What is read of `text`, as "SERVER,… SEARCH,…", with "!" in front when a resolver is inside. */
static void read_text(char out[512], const char *text)
{
    char copy[1024];
    struct ctr_resolvers r;
    size_t at = 0;
    snprintf(copy, sizeof copy, "%s", text);
    out[0] = '\0';
    if (ctr_resolvers_parse(&r, copy) < 0)
        return;
    at += (size_t)snprintf(out, 512, "%s", r.inside ? "!" : "");
    for (size_t i = 0; i < r.count; i++)
        at += (size_t)snprintf(out + at, 512 - at, "%s%s", i ? "," : "", r.servers[i]);
    for (size_t i = 0; i < r.search.n; i++)
        at += (size_t)snprintf(out + at, 512 - at, "%s%s", i ? "," : " ", r.search.v[i]);
    ctr_resolvers_fini(&r);
}

#define LABEL "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl" /* 64 bytes */

static const struct {
    const char *name, *text, *want;
} cases[] = {
    {"nothing", "", ""},
    {"Docker's", "search example\nnameserver 127.0.0.11\noptions ndots:0\n", "!127.0.0.11 example"},
    {"one outside", "nameserver 192.0.2.1", "192.0.2.1"},
    {"blanks, tabs and a carriage return", " \tnameserver\t192.0.2.1 \r\n", "192.0.2.1"},
    {"comments", "#nameserver 192.0.2.1\n; nameserver 192.0.2.2\nnameserver 192.0.2.3 # the third\n",
     "192.0.2.3"},
    {"v6, of which one is inside", "nameserver 2001:db8::1\nnameserver ::1\n", "!2001:db8::1,::1"},
    {"three at the most",
     "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 127.0.0.1\n",
     "192.0.2.1,192.0.2.2,192.0.2.3"},
    {"what is no address", "nameserver localhost\nnameserver\nnameserver 1.2.3\nnameserver fe80::1%eth0\n",
     ""},
    {"the last search line counts", "search a b\ndomain c\n", " c"},
    {"several domains", "search a.example b.example.\n", " a.example,b.example."},
    {"what is no domain", "search . .. a..b " LABEL " good\n", " good"},
};

int main(void)
{
    char out[512];
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        read_text(out, cases[i].text);
        tap_ok(strcmp(out, cases[i].want) == 0, "resolv.conf: %s: \"%s\"", cases[i].name, out);
    }
    char large[1024] = "search";
    for (int i = 0; i < 10; i++)
        strcat(large, " abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
    read_text(out, large);
    tap_ok(strlen(out) == 4 * 53, "resolv.conf: domains up to 250 bytes: %zu", strlen(out));
    return tap_end();
}
