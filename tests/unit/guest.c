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
    {"mirage: no network device, no option", &bnd_family_mirage, &bare, {"ipv4"}, {NULL}, {NULL}},
    {"mirage: quoting",
     &bnd_family_mirage,
     &both,
     {NULL},
     {"a b", "\"", "\\", "", "'", "tab\t", "{ipv4} x", "caf\xc3\xa9"},
     {"\"a b\"", "\"\\\"\"", "\"\\\\\"", "\"\"", "\"'\"", "\"tab\t\"", "\"172.17.0.2 x\"", "caf\xc3\xa9"}},
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

/* Images are byte strings here; a text's own NUL belongs to it. */
#define BYTES(text) (text), sizeof(text)

static const struct {
    const char *devices[3]; /* network devices; "/NAME" is a block device */
    const char *data;
    size_t size;
    const char *want[WORDS]; /* keys in the order of the image; none: not MirageOS */
} images[] = {
    {{"service"}, BYTES("ipv4"), {"ipv4"}},
    {{"service"}, "ipv4", 4, {"ipv4"}},
    {{"service"}, "ipv", 3, {NULL}},
    {{"service"}, "", 0, {NULL}},
    {{"service"}, BYTES("\0ipv4\0\3ipv4-gateway\0ipv6"), {"ipv4", "ipv4-gateway", "ipv6"}},
    {{"service"}, BYTES("ipv4\0ipv4\0ipv4"), {"ipv4"}},
    {{"service"}, BYTES("--ipv4 and --ipv6-gateway="), {"ipv4", "ipv6-gateway"}},
    {{"service"}, BYTES("Static_ipv4 ipv4_key ipv45 xipv4 ipv4-gatewayx ipv ipv5"), {NULL}},
    {{"service"}, BYTES("no-ipv4 ipv4-only other-ipv4"), {NULL}},
    {{"service"}, BYTES("service-ipv4"), {NULL}},
    {{"service", "other"},
     BYTES("other-ipv4 ipv4 other-ipv6-gateway"),
     {"other-ipv4", "ipv4", "other-ipv6-gateway"}},
    {{"other"}, BYTES("ipv4 ipv4-gateway"), {NULL}},
    {{"other"}, BYTES("--other-ipv4"), {"other-ipv4"}},
    {{"/service"}, BYTES("ipv4"), {NULL}},
    {{"/service", "other"}, BYTES("ipv4 other-ipv4"), {"other-ipv4"}},
    {{NULL}, BYTES("ipv4"), {NULL}},
    {{"service"}, BYTES("ipvipv4ipv4 ipvipvipv"), {NULL}},
};

static void test_recognise(void)
{
    struct bnd_boot boot = {.kinds = 0};
    static struct rk_solo5_image solo5;
    for (size_t i = 0; i < RK_COUNT(images); i++) {
        rk_autoargv struct rk_argv keys = {0};
        /* A copy of exactly that size: a sanitizer then sees any byte read behind it. */
        rk_autofree uint8_t *copy = malloc(images[i].size ? images[i].size : 1);
        if (!copy)
            abort();
        memcpy(copy, images[i].data, images[i].size);
        solo5.mft = (struct rk_solo5_mft){.version = 1, .entries = 1};
        for (size_t d = 0; d < RK_COUNT(images[i].devices) && images[i].devices[d]; d++) {
            const char *name = images[i].devices[d];
            struct rk_solo5_entry *e = &solo5.mft.e[solo5.mft.entries++];
            e->type = *name == '/' ? RK_SOLO5_BLOCK : RK_SOLO5_NET;
            snprintf(e->name, sizeof e->name, "%s", name + (*name == '/'));
        }
        const struct bnd_bytes bytes = {.solo5 = &solo5, .data = copy, .size = images[i].size};
        bool is_mirage = bnd_family_mirage.recognise(&bytes, &boot, &keys);
        size_t n = 0;
        bool good = true;
        for (; n < WORDS && images[i].want[n]; n++)
            good = good && n < keys.n && strcmp(keys.v[n], images[i].want[n]) == 0;
        tap_ok(good && keys.n == n && is_mirage == (n > 0), "mirage: image %zu, '%s'", i, images[i].data);
    }
}

static void test_recognise_others(void)
{
    struct bnd_boot boot = {.kinds = 0};
    static struct rk_solo5_image solo5;
    rk_autoargv struct rk_argv keys = {0};
    const struct bnd_bytes is_solo5 = {.solo5 = &solo5, .data = (const uint8_t *)"", .size = 0};
    const struct bnd_bytes is_not = {.solo5 = NULL, .data = (const uint8_t *)"ipv4", .size = 4};
    tap_ok(bnd_family_solo5.recognise(&is_solo5, &boot, &keys) && keys.n == 0,
           "solo5: takes every Solo5 image");
    tap_ok(!bnd_family_solo5.recognise(&is_not, &boot, &keys) &&
               !bnd_family_mirage.recognise(&is_not, &boot, &keys),
           "no family of Solo5's takes another image");
}

/* Whether option "last-ipv4" is found behind so many other words. */
static bool found_behind(size_t words)
{
    static const char last[] = "last-ipv4";
    struct bnd_boot boot = {.kinds = 0};
    static struct rk_solo5_image solo5;
    rk_autoargv struct rk_argv keys = {0};
    rk_autofree uint8_t *data = malloc(words * 5 + sizeof last);
    if (!data)
        abort();
    for (size_t i = 0; i < words * 5; i++)
        data[i] = (uint8_t) "ipv6 "[i % 5];
    memcpy(data + words * 5, last, sizeof last);
    solo5.mft = (struct rk_solo5_mft){.version = 1, .entries = 2};
    solo5.mft.e[1] = (struct rk_solo5_entry){.name = "last", .type = RK_SOLO5_NET};
    const struct bnd_bytes bytes = {.solo5 = &solo5, .data = data, .size = words * 5 + sizeof last};
    return bnd_family_mirage.recognise(&bytes, &boot, &keys);
}

/* An image of nothing but such words must not keep create busy. */
static void test_recognise_flood(void)
{
    tap_ok(found_behind(60000), "mirage: sixty thousand words are looked at");
    tap_ok(!found_behind(70000), "mirage: a flood of words is given up");
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
    test_recognise();
    test_recognise_others();
    test_recognise_flood();
    return tap_end();
}
