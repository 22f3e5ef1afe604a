/* Which options a MirageOS image is seen to have, by made-up images: texts for those that have them as texts,
 * ELF files with OCaml's constants for those that make them as they start. */
#include <stdlib.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "lib/cleanup.h"
#include "tests/unit/elf_build.h"
#include "tests/unit/tap.h"

#define WORDS   9
#define RUNTIME " is not a valid log source."
#define BEHIND  "other-ipv4 other-ipv4-gateway" /* in what is not loaded */
#define NAMES   "The network of %a specified as "

/* Images are byte strings here; a text's own NUL belongs to it. */
#define BYTES(text) (text), sizeof(text)

static const struct {
    const char *devices[3]; /* network devices; "/NAME" is a block device */
    const char *data;
    size_t size;
    bool is_mirage;
    const char *want[WORDS]; /* keys in the order of the image */
} images[] = {
    {{"service"}, "ipv4 ipv4-gateway", 17, true, {"ipv4", "ipv4-gateway"}},
    {{"service"}, BYTES("ipv4"), false, {NULL}}, /* the network stack's own name for itself */
    {{"service"}, BYTES("ipv4-gateway"), false, {NULL}},
    {{"service"}, BYTES("ipv4 ipv6-gateway"), false, {NULL}},
    {{"service"}, "ipv", 3, false, {NULL}},
    {{"service"}, "", 0, false, {NULL}},
    {{"service"}, BYTES("\0ipv4\0\3ipv4-gateway\0ipv6"), true, {"ipv4", "ipv4-gateway"}},
    {{"service"}, BYTES("ipv6-gateway\0ipv4\0ipv6"), true, {"ipv6-gateway", "ipv6"}},
    {{"service"}, BYTES("ipv4\0ipv4\0ipv4-gateway\0ipv4"), true, {"ipv4", "ipv4-gateway"}},
    {{"service"}, BYTES("--ipv4 and --ipv4-gateway="), true, {"ipv4", "ipv4-gateway"}},
    {{"service"}, BYTES("Static_ipv4 ipv4_key ipv45 xipv4 ipv4-gatewayx ipv ipv5"), false, {NULL}},
    {{"service"}, BYTES("no-ipv4 ipv4-only other-ipv4 no-ipv4-gateway"), false, {NULL}},
    {{"service"}, BYTES("service-ipv4 service-ipv4-gateway"), false, {NULL}},
    {{"service", "other"},
     BYTES("other-ipv4 ipv4 other-ipv4-gateway ipv4-gateway"),
     true,
     {"other-ipv4", "ipv4", "other-ipv4-gateway", "ipv4-gateway"}},
    {{"service", "other"},
     BYTES("other-ipv4 ipv4 ipv4-gateway other-ipv6-gateway"),
     true,
     {"ipv4", "ipv4-gateway"}},
    {{"other"}, BYTES("ipv4 ipv4-gateway"), true, {"ipv4", "ipv4-gateway"}},
    {{"one", "two"}, BYTES("ipv4 ipv4-gateway"), false, {NULL}},
    {{"other"}, BYTES("--other-ipv4 other-ipv4-gateway"), true, {"other-ipv4", "other-ipv4-gateway"}},
    {{"/service"}, BYTES("ipv4 ipv4-gateway"), false, {NULL}},
    {{"/service", "other"},
     BYTES("other-ipv4-gateway other-ipv4"),
     true,
     {"other-ipv4-gateway", "other-ipv4"}},
    {{NULL}, BYTES("ipv4 ipv4-gateway"), false, {NULL}},
    {{"service"}, BYTES("ipvipv4ipv4 ipvipvipv"), false, {NULL}},
    {{NULL}, BYTES("WARNING: %s" RUNTIME "\n"), true, {NULL}},
    {{NULL}, BYTES(RUNTIME " dhcp_client"), true, {NULL}},
    {{"/storage"}, BYTES(RUNTIME "ipv4 ipv4-gateway"), true, {NULL}},
    {{"service"}, BYTES(RUNTIME "ipv4"), true, {NULL}},
    {{"service"}, BYTES(RUNTIME "ipv4\0dhcp_client_lwt"), true, {"dhcp"}},
    {{"service"}, BYTES(RUNTIME "ipv4\0dhcp_client_lwt ipv4-gateway"), true, {"ipv4", "ipv4-gateway"}},
    {{"service"}, BYTES("ipv6-gateway ipv6 dhcp_client_lwt"), true, {"ipv6-gateway", "ipv6", "dhcp"}},
    /* MirageOS 4.5 to 4.9, which have all names or none, and later ones. */
    {{"service"},
     BYTES(NAMES "ipv4 ipv4-gateway ipv6 ipv6-gateway"),
     true,
     {"ipv4", "ipv4-gateway", "ipv6", "ipv6-gateway"}},
    {{"service"},
     BYTES(NAMES "ipv4 ipv4-gateway ipv6 ipv6-gateway dhcp_client"),
     true,
     {"ipv6", "ipv6-gateway", "dhcp"}},
    {{"service"},
     BYTES(NAMES "The optional network of ipv4 ipv4-gateway ipv6 ipv6-gateway dhcp_client"),
     true,
     {"ipv4", "ipv4-gateway", "ipv6", "ipv6-gateway"}},
    {{"service"}, BYTES("dhcp_client_lwt ipv4"), false, {NULL}},
    {{"service", "other"},
     BYTES(NAMES "ipv4 ipv4-gateway other"),
     true,
     {"ipv4", "ipv4-gateway"}}, /* no ELF */
};

/* The manifest of these devices. */
static void declare(struct rk_solo5_image *ret_solo5, const char *const *devices, size_t count)
{
    ret_solo5->mft = (struct rk_solo5_mft){.version = 1, .entries = 1};
    for (size_t d = 0; d < count && devices[d]; d++) {
        struct rk_solo5_entry *e = &ret_solo5->mft.e[ret_solo5->mft.entries++];
        e->type = *devices[d] == '/' ? RK_SOLO5_BLOCK : RK_SOLO5_NET;
        snprintf(e->name, sizeof e->name, "%s", devices[d] + (*devices[d] == '/'));
    }
}

static bool same(const struct rk_argv *keys, const char *const want[WORDS])
{
    size_t n = 0;
    for (; n < WORDS && want[n]; n++)
        if (n >= keys->n || strcmp(keys->v[n], want[n]) != 0)
            return false;
    return keys->n == n;
}

static void test_texts(void)
{
    static struct rk_solo5_image solo5;
    for (size_t i = 0; i < RK_COUNT(images); i++) {
        rk_autoargv struct rk_argv keys = {0};
        struct bnd_boot boot = {.kinds = 0};
        /* A copy of exactly that size: a sanitizer then sees any byte read behind it. */
        rk_autofree uint8_t *copy = malloc(images[i].size ? images[i].size : 1);
        if (!copy)
            abort();
        memcpy(copy, images[i].data, images[i].size);
        declare(&solo5, images[i].devices, RK_COUNT(images[i].devices));
        const struct bnd_bytes bytes = {.solo5 = &solo5, .data = copy, .size = images[i].size};
        bool is_mirage = bnd_family_mirage.recognise(&bytes, &boot, &keys);
        tap_ok(is_mirage == images[i].is_mirage && same(&keys, images[i].want) &&
                   is_mirage == (boot.evidence_count > 0),
               "texts: image %zu, '%s'", i, images[i].data);
    }
}

/* What a made-up OCaml program has besides the options' names. */
enum constant {
    SOME_NAME = 1,    /* Some "other" */
    STRING_FIRST = 2, /* the same string once more in front, which nothing points to */
    LONGER = 4,       /* the string is "others" */
    UNLOADED = 8,     /* the string is not loaded, only what is behind it */
    BARE_POINTER = 16 /* the pointer has no block around it */
};

static const struct {
    const char *name;
    unsigned constants;
    const char *text;
    const char *want[WORDS];
} programs[] = {
    {"a group",
     SOME_NAME,
     NAMES "ipv4 ipv4-gateway ",
     {"ipv4", "ipv4-gateway", "other-ipv4", "other-ipv4-gateway", "other-ipv6", "other-ipv6-gateway"}},
    {"a group, whose name is there twice",
     SOME_NAME | STRING_FIRST,
     NAMES "ipv4 ipv4-gateway ",
     {"ipv4", "ipv4-gateway", "other-ipv4", "other-ipv4-gateway", "other-ipv6", "other-ipv6-gateway"}},
    {"no group, only the name of the device",
     STRING_FIRST,
     NAMES "ipv4 ipv4-gateway ",
     {"ipv4", "ipv4-gateway"}},
    {"another group", SOME_NAME | LONGER, NAMES "ipv4 ipv4-gateway ", {"ipv4", "ipv4-gateway"}},
    {"a string that is not loaded",
     SOME_NAME | UNLOADED,
     NAMES "ipv4 ipv4-gateway ",
     {"ipv4", "ipv4-gateway"}},
    {"a pointer alone", SOME_NAME | BARE_POINTER, NAMES "ipv4 ipv4-gateway ", {"ipv4", "ipv4-gateway"}},
    {"a group of an image that has its names as texts",
     SOME_NAME,
     "ipv4 ipv4-gateway ",
     {"ipv4", "ipv4-gateway"}},
};

/* A string as OCaml lays it out, behind its header of two words; where its bytes are. */
static size_t add_string(struct eb *eb, const char *text)
{
    const uint64_t header = 1 << 10 | 3 << 8 | 252;
    uint8_t bytes[16] = {0};
    memcpy(bytes, &header, 8);
    memcpy(bytes + 8, text, strlen(text));
    bytes[15] = (uint8_t)(7 - strlen(text));
    return eb_bytes(eb, bytes, sizeof bytes, 8) + 8;
}

static void test_groups(void)
{
    static struct eb eb;
    static struct rk_solo5_image solo5;
    static const char *const devices[] = {"service", "other"};
    const uint64_t base = 0x100000;
    declare(&solo5, devices, RK_COUNT(devices));
    for (size_t i = 0; i < RK_COUNT(programs); i++) {
        const unsigned c = programs[i].constants;
        rk_autoargv struct rk_argv keys = {0};
        struct bnd_boot boot = {.kinds = 0};
        struct bnd_elf elf;
        eb_begin(&eb, true, ET_EXEC, EM_X86_64);
        if (c & STRING_FIRST)
            add_string(&eb, "other");
        if (c & SOME_NAME) {
            size_t at = add_string(&eb, c & LONGER ? "others" : "other");
            const uint64_t some[] = {c & BARE_POINTER ? 0 : 1 << 10 | 3 << 8, base + at};
            eb_bytes(&eb, some, sizeof some, 8);
        }
        size_t texts = eb_bytes(&eb, programs[i].text, strlen(programs[i].text), 8);
        size_t first = c & UNLOADED ? texts : 0;
        eb_segment(&eb, PT_LOAD, first, eb.size - first, base + first, eb.size - first, 4096);
        eb_bytes(&eb, " " BEHIND, sizeof BEHIND, 1);
        eb_end(&eb);
        bool good = bnd_elf_open(&elf, eb.data, eb.size);
        const struct bnd_bytes bytes = {.solo5 = &solo5, .elf = &elf, .data = eb.data, .size = eb.size};
        good = good && bnd_family_mirage.recognise(&bytes, &boot, &keys) && same(&keys, programs[i].want);
        if (!tap_ok(good, "groups: %s", programs[i].name))
            for (size_t k = 0; k < keys.n; k++)
                printf("# %s\n", keys.v[k]);
    }
}

static void test_others(void)
{
    struct bnd_boot boot = {.kinds = 0};
    static struct rk_solo5_image solo5;
    rk_autoargv struct rk_argv keys = {0};
    const struct bnd_bytes is_solo5 = {.solo5 = &solo5, .data = (const uint8_t *)"", .size = 0};
    const struct bnd_bytes is_not = {
        .solo5 = NULL, .data = (const uint8_t *)RUNTIME "ipv4 ipv4-gateway", .size = strlen(RUNTIME) + 17};
    tap_ok(bnd_family_solo5.recognise(&is_solo5, &boot, &keys) && keys.n == 0,
           "solo5: takes every Solo5 image");
    tap_ok(!bnd_family_solo5.recognise(&is_not, &boot, &keys) &&
               !bnd_family_mirage.recognise(&is_not, &boot, &keys),
           "no family of Solo5's takes another image");
}

/* Whether an option is found behind so many other words. */
static bool found_behind(size_t words)
{
    static const char last[] = "last-ipv4 last-ipv4-gateway", *const devices[] = {"last"};
    struct bnd_boot boot = {.kinds = 0};
    static struct rk_solo5_image solo5;
    rk_autoargv struct rk_argv keys = {0};
    rk_autofree uint8_t *data = malloc(words * 5 + sizeof last);
    if (!data)
        abort();
    for (size_t i = 0; i < words * 5; i++)
        data[i] = (uint8_t) "ipv6 "[i % 5];
    memcpy(data + words * 5, last, sizeof last);
    declare(&solo5, devices, RK_COUNT(devices));
    const struct bnd_bytes bytes = {.solo5 = &solo5, .data = data, .size = words * 5 + sizeof last};
    return bnd_family_mirage.recognise(&bytes, &boot, &keys);
}

/* An image of nothing but such words, or such constants, must not keep create busy. */
static void test_flood(void)
{
    tap_ok(found_behind(60000), "sixty thousand words are looked at");
    tap_ok(!found_behind(70000), "a flood of words is given up");
}

int main(void)
{
    test_texts();
    test_groups();
    test_others();
    test_flood();
    return tap_end();
}
