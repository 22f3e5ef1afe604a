/* What guests are told: placeholders, the command lines of both families, and how a MirageOS image is known.
 */
#include "bundle/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/family.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

static const struct bnd_guest_net two_nets[] = {
    {.device = "service",
     .link = "eth0",
     .ipv4 = "172.17.0.2",
     .ipv4_prefix = 16,
     .ipv4_gateway = "172.17.0.1",
     .ipv6 = "fd00::2",
     .ipv6_prefix = 64,
     .ipv6_gateway = "fd00::1",
     .mac = {2, 0x42, 0xac, 0x11, 0, 2},
     .mtu = 1500},
    {.device = "second", .link = "eth1", .ipv4 = "10.1.2.3", .ipv4_prefix = 30, .mtu = 9000},
};

static const struct bnd_guest_net ipv6_net[] = {
    {.device = "service", .ipv6 = "fd00::2", .ipv6_prefix = 128, .mtu = 1400},
};

/* A device may have any name, that of a placeholder too. */
static const struct bnd_guest_net odd_nets[] = {
    {.device = "net", .ipv4 = "10.0.0.2", .ipv4_prefix = 8, .ipv4_gateway = "10.0.0.1", .mtu = 1500},
    {.device = "ipv4", .ipv4 = "10.0.1.2", .ipv4_prefix = 0, .mtu = 1500},
};

/* The only device, not called "service", and a link that no device stands for. */
static const struct bnd_guest_net alone_net[] = {
    {.link = "eth0", .ipv4 = "192.168.1.9", .ipv4_prefix = 24, .mtu = 1500},
    {.device = "outer", .ipv4 = "10.0.1.2", .ipv4_prefix = 24, .ipv4_gateway = "10.0.1.1", .mtu = 1500},
};

/* A link that no device stands for. */
static const struct bnd_guest_net bare_link[] = {
    {.link = "eth0", .ipv4 = "192.168.1.9", .ipv4_prefix = 24, .mtu = 1500},
};

#define GUEST(array)                                                                                         \
    {                                                                                                        \
        .hostname = "web", .dns = "10.0.0.53", .nets = (array), .net_count = RK_COUNT(array)                 \
    }

static const struct bnd_guest both = GUEST(two_nets);
static const struct bnd_guest ipv6_only = GUEST(ipv6_net);
static const struct bnd_guest odd = GUEST(odd_nets);
static const struct bnd_guest bare = GUEST(bare_link);
static const struct bnd_guest alone = GUEST(alone_net);
static const struct bnd_guest nothing = {.dns = ""};

static const struct {
    const struct bnd_guest *guest;
    const char *arg;
    const char *want; /* NULL: an error, which names the placeholder */
} fills[] = {
    {&both, "", ""},
    {&both, "plain", "plain"},
    {&both, "{ipv4}", "172.17.0.2"},
    {&both, "{ipv4.cidr}", "172.17.0.2/16"},
    {&both, "{ipv4.prefix}", "16"},
    {&both, "{ipv4.netmask}", "255.255.0.0"},
    {&both, "{ipv4.gateway}", "172.17.0.1"},
    {&both, "{ipv6}", "fd00::2"},
    {&both, "{ipv6.cidr}", "fd00::2/64"},
    {&both, "{ipv6.prefix}", "64"},
    {&both, "{ipv6.gateway}", "fd00::1"},
    {&both, "{mac}", "02:42:ac:11:00:02"},
    {&both, "{mtu}", "1500"},
    {&both, "{hostname}", "web"},
    {&both, "{dns}", "10.0.0.53"},
    {&both, "{service.ipv4}", "172.17.0.2"},
    {&both, "{second.ipv4.cidr}", "10.1.2.3/30"},
    {&both, "{second.ipv4.netmask}", "255.255.255.252"},
    {&both, "{second.mtu}{second.mac}", "900000:00:00:00:00:00"},
    {&both, "--a={ipv4}:80,{second.ipv4}:81", "--a=172.17.0.2:80,10.1.2.3:81"},
    {&both, "{{ipv4}", "{ipv4}"},
    {&both, "{{{ipv4}}", "{172.17.0.2}"},
    {&both, "{{{{", "{{"},
    {&both, "{", "{"},
    {&both, "}", "}"},
    {&both, "{}", "{}"},
    {&both, "{ipv4", "{ipv4"},
    {&both, "{ ipv4}", "{ ipv4}"},
    {&both, "{IPV4}", "{IPV4}"},
    {&both, "{ipv5}", "{ipv5}"},
    {&both, "{ipv4.}", "{ipv4.}"},
    {&both, "{third.ipv4}", "{third.ipv4}"},
    {&both, "{second.hostname}", "{second.hostname}"},
    {&both, "{second.}", "{second.}"},
    {&both, "{secondipv4}", "{secondipv4}"},
    {&both, "{eth0.ipv4}", "{eth0.ipv4}"},
    {&both, "{a{ipv4}b}", "{a172.17.0.2b}"},
    {&both, "{\"ip\": \"{ipv4}\"}", "{\"ip\": \"172.17.0.2\"}"},
    {&both, "%s%n{mtu}", "%s%n1500"},
    {&both, "\xc3\xa9{mtu}\xff",
     "\xc3\xa9"
     "1500\xff"},
    {&both, "{second.ipv4.gateway}", NULL},
    {&both, "{second.ipv6}", NULL},
    {&ipv6_only, "{ipv6.cidr}", "fd00::2/128"},
    {&ipv6_only, "{ipv4}", NULL},
    {&ipv6_only, "{ipv4.cidr}", NULL},
    {&ipv6_only, "{ipv4.prefix}", NULL},
    {&ipv6_only, "{ipv4.netmask}", NULL},
    {&ipv6_only, "{ipv6.gateway}", NULL},
    {&odd, "{ipv4} {ipv4.gateway}", "10.0.0.2 10.0.0.1"},
    {&odd, "{ipv4.ipv4} {ipv4.ipv4.netmask}", "10.0.1.2 0.0.0.0"},
    {&odd, "{net.ipv4.netmask}", "255.0.0.0"},
    {&bare, "{ipv4.cidr}", "192.168.1.9/24"},
    {&nothing, "{{", "{"},
    {&nothing, "{ipv4}", NULL},
    {&nothing, "{mac}", NULL},
    {&nothing, "{mtu}", NULL},
    {&nothing, "{hostname}", NULL},
    {&nothing, "{dns}", NULL},
};

static void test_fill(void)
{
    for (size_t i = 0; i < RK_COUNT(fills); i++) {
        rk_autofree char *got = NULL;
        struct rk_err err = {0};
        int r = bnd_guest_fill(&got, fills[i].arg, fills[i].guest, &err);
        bool good = fills[i].want ? r == 0 && strcmp(got, fills[i].want) == 0
                                  : r == -EINVAL && !got && strstr(err.text, fills[i].arg) &&
                                        strstr(err.text, "has no value");
        if (!tap_ok(good, "fill: '%s'", fills[i].arg))
            printf("# wanted '%s', got %d '%s' \"%s\"\n", fills[i].want ? fills[i].want : "an error", r,
                   got ? got : "", err.text);
        LLVMFuzzerTestOneInput((const uint8_t *)fills[i].arg, strlen(fills[i].arg));
    }
}

#define WORDS 8

/* The keys that the image contains, the user's arguments, and the words that the guest gets. */
static const struct {
    const char *name;
    const struct bnd_family *family;
    const struct bnd_guest *guest;
    const char *keys[WORDS], *args[WORDS], *want[WORDS];
} lines[] = {
    {"mirage: no keys, nothing is added",
     &bnd_family_mirage,
     &both,
     {NULL},
     {"-l", "*:debug"},
     {"-l", "*:debug"}},
    {"mirage: both keys",
     &bnd_family_mirage,
     &both,
     {"ipv4", "ipv4-gateway"},
     {"x"},
     {"--ipv4=172.17.0.2/16", "--ipv4-gateway=172.17.0.1", "x"}},
    {"mirage: the address alone", &bnd_family_mirage, &both, {"ipv4"}, {NULL}, {"--ipv4=172.17.0.2/16"}},
    {"mirage: the gateway alone",
     &bnd_family_mirage,
     &both,
     {"ipv4-gateway"},
     {NULL},
     {"--ipv4-gateway=172.17.0.1"}},
    {"mirage: IPv6 too",
     &bnd_family_mirage,
     &both,
     {"ipv4", "ipv6", "ipv6-gateway"},
     {NULL},
     {"--ipv4=172.17.0.2/16", "--ipv6=fd00::2/64", "--ipv6-gateway=fd00::1"}},
    {"mirage: IPv6 only",
     &bnd_family_mirage,
     &ipv6_only,
     {"ipv4", "ipv4-gateway", "ipv6", "ipv6-gateway"},
     {NULL},
     {"--ipv6=fd00::2/128"}},
    {"mirage: the second device by its name",
     &bnd_family_mirage,
     &both,
     {"second-ipv4", "second-ipv4-gateway"},
     {NULL},
     {"--second-ipv4=10.1.2.3/30"}},
    {"mirage: the user's own address wins, for that protocol and device",
     &bnd_family_mirage,
     &both,
     {"ipv4", "ipv4-gateway", "ipv6", "second-ipv4"},
     {"--ipv4=10.9.9.9/24"},
     {"--ipv6=fd00::2/64", "--second-ipv4=10.1.2.3/30", "--ipv4=10.9.9.9/24"}},
    {"mirage: the user's own address in two words",
     &bnd_family_mirage,
     &both,
     {"ipv4"},
     {"--ipv4", "10.9.9.9/24"},
     {"--ipv4", "10.9.9.9/24"}},
    {"mirage: the user's own gateway",
     &bnd_family_mirage,
     &both,
     {"ipv4", "ipv4-gateway"},
     {"--ipv4-gateway=10.9.9.1"},
     {"--ipv4-gateway=10.9.9.1"}},
    {"mirage: an argument that only begins like one",
     &bnd_family_mirage,
     &both,
     {"ipv4"},
     {"--ipv4x=1", "ipv4=2", "-ipv4"},
     {"--ipv4=172.17.0.2/16", "--ipv4x=1", "ipv4=2", "-ipv4"}},
    {"mirage: the only device has the options without a name, whatever it is called",
     &bnd_family_mirage,
     &alone,
     {"ipv4", "ipv4-gateway"},
     {NULL},
     {"--ipv4=10.0.1.2/24", "--ipv4-gateway=10.0.1.1"}},
    {"mirage: unless it has its own",
     &bnd_family_mirage,
     &alone,
     {"ipv4", "ipv4-gateway", "outer-ipv4", "outer-ipv4-gateway"},
     {NULL},
     {"--outer-ipv4=10.0.1.2/24", "--outer-ipv4-gateway=10.0.1.1"}},
    {"mirage: no network device, no option", &bnd_family_mirage, &bare, {"ipv4"}, {NULL}, {NULL}},
    {"mirage: quoting",
     &bnd_family_mirage,
     &both,
     {NULL},
     {"a b", "\"", "\\", "--x=", "'", "tab\t", "{ipv4} x", "caf\xc3\xa9"},
     {"\"a b\"", "\"\\\"\"", "\"\\\\\"", "--x=", "\"'\"", "\"tab\t\"", "\"172.17.0.2 x\"", "caf\xc3\xa9"}},
    {"solo5: nothing is added",
     &bnd_family_solo5,
     &both,
     {NULL},
     {"{ipv4}", "a b", "--ipv4={ipv4.cidr}"},
     {"172.17.0.2", "\"a b\"", "--ipv4=172.17.0.2/16"}},
    {"solo5: a JSON argument as it stands",
     &bnd_family_solo5,
     &both,
     {NULL},
     {"{\"net\": \"{ipv4}\"}", "{x"},
     {"{\"net\": \"{ipv4}\"}", "{x"}},
    {"arguments that look like the monitor's stay what they are",
     &bnd_family_solo5,
     &nothing,
     {NULL},
     {"--", "@3", "--net:service=tap0", "--mem=1", "-h"},
     {"--", "@3", "--net:service=tap0", "--mem=1", "-h"}},
};

static void to_argv(struct rk_argv *ret, const char *const words[WORDS])
{
    for (size_t i = 0; i < WORDS && words[i]; i++)
        rk_argv_add(ret, words[i]);
}

static void test_cmdline(void)
{
    for (size_t i = 0; i < RK_COUNT(lines); i++) {
        rk_autoargv struct rk_argv keys = {0};
        rk_autoargv struct rk_argv args = {0};
        rk_autoargv struct rk_argv got = {0};
        struct rk_err err = {0};
        struct bnd_guest guest = *lines[i].guest;
        to_argv(&keys, lines[i].keys);
        to_argv(&args, lines[i].args);
        guest.keys = &keys;
        guest.args = &args;
        bool good = lines[i].family->cmdline(&guest, &got, &err) == 0;
        size_t n = 0;
        for (; n < WORDS && lines[i].want[n]; n++)
            good = good && n < got.n && strcmp(got.v[n], lines[i].want[n]) == 0;
        good = good && got.n == n;
        tap_ok(good, "%s", lines[i].name);
        for (size_t w = 0; w < got.n && !good; w++)
            printf("# got '%s'\n", got.v[w]);
    }
}

/* A command line that is given as one string: nothing is quoted, and what it sets is not set again. */
static const struct {
    const struct bnd_family *family;
    const char *line;
    const char *want; /* all words, joined as the monitor joins them */
} verbatim[] = {
    {&bnd_family_solo5, "a \"b c\"  d\\e", "a \"b c\"  d\\e"},
    {&bnd_family_solo5, "at {ipv4} {{}", "at 172.17.0.2 {}"},
    {&bnd_family_solo5, "", ""},
    {&bnd_family_mirage, "-l debug", "--ipv4=172.17.0.2/16 --ipv4-gateway=172.17.0.1 -l debug"},
    {&bnd_family_mirage, "--ipv4=10.0.0.9/8", "--ipv4=10.0.0.9/8"},
    {&bnd_family_mirage, "-l debug \t --ipv4 10.0.0.9/8", "-l debug \t --ipv4 10.0.0.9/8"},
    {&bnd_family_mirage, "-l \"--ipv4-gateway=10.0.0.1\"", "-l \"--ipv4-gateway=10.0.0.1\""},
    {&bnd_family_mirage, "x--ipv4=1 --ipv44",
     "--ipv4=172.17.0.2/16 --ipv4-gateway=172.17.0.1 x--ipv4=1 --ipv44"},
};

static void test_verbatim(void)
{
    static const char *const names[WORDS] = {"ipv4", "ipv4-gateway"};
    for (size_t i = 0; i < RK_COUNT(verbatim); i++) {
        rk_autoargv struct rk_argv keys = {0}, args = {0}, got = {0};
        struct rk_err err = {0};
        struct bnd_guest guest = both;
        char text[256] = "";
        to_argv(&keys, names);
        rk_argv_add(&args, verbatim[i].line);
        guest.keys = &keys;
        guest.args = &args;
        guest.verbatim = true;
        int r = bnd_family_cmdline(verbatim[i].family, &guest, &got, &err);
        for (size_t w = 0; w < got.n; w++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", w ? " " : "", got.v[w]);
        if (!tap_ok(r == 0 && strcmp(text, verbatim[i].want) == 0, "verbatim, %s: %s",
                    verbatim[i].family->name, verbatim[i].line))
            printf("# got %d, '%s'\n", r, text);
    }
}

/* An error comes through every family that passes arguments on. */
static void test_cmdline_error(void)
{
    for (const struct bnd_family *const *f = bnd_families; *f; f++) {
        tap_ok(bnd_family_find((*f)->name) == *f, "%s: found by its name", (*f)->name);
        if (*f == &bnd_family_mewz || *f == &bnd_family_xen)
            continue;
        rk_autoargv struct rk_argv keys = {0};
        rk_autoargv struct rk_argv args = {0};
        rk_autoargv struct rk_argv got = {0};
        struct rk_err err = {0};
        struct bnd_guest guest = ipv6_only;
        rk_argv_add(&args, "--x={ipv4}");
        guest.keys = &keys;
        guest.args = &args;
        tap_ok((*f)->cmdline(&guest, &got, &err) == -EINVAL && strstr(err.text, "--x={ipv4}") &&
                   strstr(err.text, "{ipv4} has no value"),
               "%s: a placeholder without a value is an error", (*f)->name);
    }
    tap_ok(!bnd_family_find("") && !bnd_family_find("none"), "an unknown family is not found");
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; i < RK_COUNT(fills); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/fill-%zu", dir, i);
        rk_autofclose FILE *f = fopen(path, "we");
        if (!f || fputs(fills[i].arg, f) < 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    test_fill();
    test_cmdline();
    test_verbatim();
    test_cmdline_error();
    return tap_end();
}
