/* MirageOS: a guest that takes its address as --ipv4=ADDRESS/PREFIX and --ipv4-gateway=ADDRESS, and so on.
 *
 * Option names are "ipv4", "ipv4-gateway", "ipv6", "ipv6-gateway", with "NAME-" in front for a device whose
 * stack was configured as a group of that name. A guest that does not know an option prints its usage and
 * exits with 64, so that only options are used that the image is known to have: up to MirageOS 4.4 its own
 * code has them, groups and all, as texts; since 4.5 the module Mirage_runtime_network has those without
 * group, and puts "NAME-" in front as the guest starts. */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/solo5_virtio.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define OPTION_SIZE (RK_SOLO5_NAME_SIZE + 32) /* NAME-ipv6-gateway */
#define BLANKS      " \t\r\n\v\f"
#define WORDS_MAX   65536 /* a hostile image could consist of nothing but such words */
#define SAME_MAX    64    /* and of the same constant over and over */

static const char *const suffixes[] = {"ipv4", "ipv4-gateway", "ipv6", "ipv6-gateway"};

/* What every MirageOS guest from 3.0 to 4.11 can say of its option --logs (mirage-runtime). */
static const char runtime_text[] = " is not a valid log source.";
/* What describes --ipv6 in a guest that makes its options' names as it starts (mirage-runtime 4.5). */
static const char composes_text[] = "The network of %a specified as ";
/* What describes --ipv4 in a guest that asks by DHCP without it (mirage-runtime 4.10). */
static const char optional_text[] = "The optional network of ";
/* How the sources of log lines of its DHCP client (charrua-client) are called. */
static const char dhcp_text[] = "dhcp_client";

static bool is_word(uint8_t c)
{
    return isalnum(c) || c == '-' || c == '_';
}

static bool has(const struct rk_argv *list, const char *s)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i], s) == 0)
            return true;
    return false;
}

static bool has_net_device(const struct rk_solo5_mft *mft, const uint8_t *name, size_t len)
{
    for (size_t d = 1; d < mft->entries; d++)
        if (mft->e[d].type == RK_SOLO5_NET && strlen(mft->e[d].name) == len &&
            memcmp(mft->e[d].name, name, len) == 0)
            return true;
    return false;
}

/* If the word text[0 … len) names an option of a device in the manifest, remember it. Without a device's name
 * in front it is one of the device "service", or of the only one that there is. */
static void note_word(const struct rk_solo5_mft *mft, size_t nets, const uint8_t *text, size_t len,
                      struct rk_argv *keys)
{
    static const char service[] = "service";
    char option[OPTION_SIZE];
    for (size_t s = 0; s < RK_COUNT(suffixes); s++) {
        size_t before = len - strlen(suffixes[s]);
        if (len < strlen(suffixes[s]) || memcmp(text + before, suffixes[s], len - before) != 0)
            continue;
        bool known = nets == 1 || has_net_device(mft, (const uint8_t *)service, strlen(service));
        if (before > 0) /* NAME- */
            known = text[before - 1] == '-' && has_net_device(mft, text, before - 1) &&
                    (before - 1 != strlen(service) || memcmp(text, service, before - 1) != 0);
        snprintf(option, sizeof option, "%.*s", (int)len, (const char *)text);
        if (known && !has(keys, option))
            rk_argv_add(keys, option); /* without memory it is not offered: the guest says what it misses */
        return;
    }
}

/* The next word at or behind *p that has "ipv" in it, without dashes in front; *p is moved behind it. NULL:
 * there is none. */
static const uint8_t *next_word(const struct bnd_bytes *image, const uint8_t **p, size_t *ret_len)
{
    const uint8_t *end = image->data + image->size;
    const uint8_t *at = memmem(*p, (size_t)(end - *p), "ipv", 3);
    if (!at)
        return NULL;
    const uint8_t *first = at, *last = at + 3;
    while (first > image->data && is_word(first[-1]) && at - first < OPTION_SIZE)
        first--;
    while (last < end && is_word(*last) && last - at < 16)
        last++;
    while (first < at && *first == '-')
        first++;
    *p = at + 3;
    *ret_len = (size_t)(last - first);
    return first;
}

/* Remember the options that stand in the image as words, each once. */
static void note_words(const struct bnd_bytes *image, size_t nets, struct rk_argv *keys)
{
    const uint8_t *p = image->data, *word;
    size_t len;
    for (size_t n = 0; n < WORDS_MAX && (word = next_word(image, &p, &len)); n++)
        note_word(&image->solo5->mft, nets, word, len, keys);
}

/* Say where option `name` stands in the image. */
static void show_word(const struct bnd_bytes *image, const char *name, struct bnd_boot *boot)
{
    const uint8_t *p = image->data, *word;
    size_t len;
    for (size_t n = 0; n < WORDS_MAX && (word = next_word(image, &p, &len)); n++) {
        if (len == strlen(name) && memcmp(word, name, len) == 0) {
            bnd_boot_note(boot, (uint64_t)(word - image->data), "option \"%.60s\" of a network device", name);
            return;
        }
    }
}

/* The address at which the file's byte `offset` is loaded; 0: nowhere. */
static uint64_t address_of(const struct bnd_elf *elf, uint64_t offset)
{
    struct bnd_segment s;
    for (size_t i = 0; bnd_elf_segment(elf, i, &s); i++)
        if (s.type == PT_LOAD && offset >= s.offset && offset - s.offset < s.filesz)
            return s.vaddr + (offset - s.offset);
    return 0;
}

/* Where the image has the OCaml constant `Some "NAME"`, which is how MirageOS' generated code hands over the
 * group NAME: a block of one field, a pointer to a string. Layout: OCaml's runtime/caml/mlvalues.h, for
 * static data of both OCaml 4 and 5. *left is how often may still be looked. NULL: nowhere. */
static const uint8_t *find_some(const struct bnd_bytes *image, const char *name, size_t *left)
{
    uint8_t string[8 + RK_SOLO5_NAME_SIZE + 8] = {0}, some[16];
    const uint64_t words = strlen(name) / 8 + 1;
    const uint64_t header = words << 10 | 3 << 8 | 252; /* size, colour, String_tag */
    const uint64_t header_some = 1 << 10 | 3 << 8;      /* tag 0: the first constructor with arguments */
    memcpy(string, &header, 8);
    memcpy(string + 8, name, strlen(name));
    string[8 + words * 8 - 1] = (uint8_t)(words * 8 - 1 - strlen(name));
    const uint8_t *end = image->data + image->size, *p = image->data;
    for (; *left > 0 && (p = memmem(p, (size_t)(end - p), string, 8 + words * 8)); p++) {
        uint64_t address = address_of(image->elf, (uint64_t)(p + 8 - image->data));
        memcpy(some, &header_some, 8);
        memcpy(some + 8, &address, 8);
        --*left;
        const uint8_t *found = address ? memmem(image->data, image->size, some, sizeof some) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static bool contains(const struct bnd_bytes *image, const char *text)
{
    return memmem(image->data, image->size, text, strlen(text)) != NULL;
}

/* Remember the options that the guest will make from the names of groups. */
static void note_groups(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *keys)
{
    const struct rk_solo5_mft *mft = &image->solo5->mft;
    char option[OPTION_SIZE];
    size_t left = SAME_MAX;
    if (!image->elf || !contains(image, composes_text))
        return;
    for (size_t d = 1; d < mft->entries; d++) {
        const char *name = mft->e[d].name;
        const uint8_t *some = mft->e[d].type == RK_SOLO5_NET ? find_some(image, name, &left) : NULL;
        if (!some)
            continue;
        bnd_boot_note(boot, (uint64_t)(some - image->data), "constant Some \"%.50s\": a group of options",
                      name);
        for (size_t s = 0; s < RK_COUNT(suffixes); s++) {
            snprintf(option, sizeof option, "%s-%s", name, suffixes[s]);
            if (!has(keys, option))
                rk_argv_add(keys, option);
        }
    }
}

/* Keep only the options that have their gateway's beside them: "ipv4" and "ipv6" alone are names that
 * MirageOS' network stack uses for itself. */
static void keep_pairs(struct rk_argv *keys)
{
    rk_autoargv struct rk_argv all = *keys;
    *keys = (struct rk_argv){0};
    for (size_t i = 0; i < all.n; i++) {
        static const char gateway[] = "-gateway";
        char other[OPTION_SIZE + sizeof gateway];
        size_t len = strlen(all.v[i]);
        if (len > strlen(gateway) && strcmp(all.v[i] + len - strlen(gateway), gateway) == 0)
            snprintf(other, sizeof other, "%.*s", (int)(len - strlen(gateway)), all.v[i]);
        else
            snprintf(other, sizeof other, "%s%s", all.v[i], gateway);
        if (has(&all, other))
            rk_argv_add(keys, all.v[i]);
    }
}

/* The image without what comes behind all that is loaded: symbols, debugging information, holes. */
static struct bnd_bytes loaded_part(const struct bnd_bytes *image)
{
    struct bnd_bytes part = *image;
    struct bnd_segment s;
    uint64_t end = 0;
    for (size_t i = 0; image->elf && bnd_elf_segment(image->elf, i, &s); i++)
        if (s.type == PT_LOAD && s.offset <= image->size && s.filesz <= image->size - s.offset &&
            s.offset + s.filesz > end)
            end = s.offset + s.filesz;
    if (image->elf)
        part.size = end;
    return part;
}

/* A guest with a DHCP client either has no option for its IPv4 address, or one that keeps it from asking.
 * That the module with all options is there says nothing then: take those for IPv4 away that it does not
 * have, and say whether it will ask. */
static bool asks_dhcp(const struct bnd_bytes *image, struct rk_argv *keys)
{
    if (!contains(image, dhcp_text))
        return false;
    bool unknown = contains(image, composes_text) && !contains(image, optional_text), told = false;
    rk_autoargv struct rk_argv all = *keys;
    *keys = (struct rk_argv){0};
    for (size_t i = 0; i < all.n; i++) {
        bool v4 = strstr(all.v[i], "ipv4");
        told = told || (v4 && !unknown);
        if (!v4 || !unknown)
            rk_argv_add(keys, all.v[i]);
    }
    return !told;
}

static bool recognise(const struct bnd_bytes *whole, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    size_t nets = 0;
    if (!whole->solo5)
        return false;
    const struct bnd_bytes part = loaded_part(whole), *image = &part;
    for (size_t d = 1; d < image->solo5->mft.entries; d++)
        nets += image->solo5->mft.e[d].type == RK_SOLO5_NET;
    const uint8_t *text = memmem(image->data, image->size, runtime_text, strlen(runtime_text));
    if (nets > 0) {
        note_words(image, nets, ret_keys);
        keep_pairs(ret_keys);
    }
    if (!text && ret_keys->n == 0)
        return false;
    if (text)
        bnd_boot_note(boot, (uint64_t)(text - image->data), "text \"%s\" of MirageOS' runtime",
                      runtime_text + 1);
    if (nets > 0)
        note_groups(image, boot, ret_keys);
    bool dhcp = nets > 0 && asks_dhcp(image, ret_keys);
    if (ret_keys->n > 0)
        show_word(image, ret_keys->v[0], boot);
    if (dhcp)
        rk_argv_add(ret_keys, "dhcp");
    return true;
}

/* Whether the user's own arguments set option `name`: "--name=…" or "--name", which in a verbatim command
 * line may be any of its words. */
static bool user_sets(const struct bnd_guest *guest, const char *name)
{
    const char *ends = guest->verbatim ? "=\"" BLANKS : "=";
    size_t len = strlen(name);
    for (size_t i = 0; i < guest->args->n; i++) {
        const char *a = guest->args->v[i];
        for (; *a; a += strcspn(a, BLANKS)) {
            if (guest->verbatim)
                a += strspn(a, BLANKS "\"");
            if (strncmp(a, "--", 2) == 0 && strncmp(a + 2, name, len) == 0 && strchr(ends, a[2 + len]))
                return true;
            if (!guest->verbatim)
                break;
        }
    }
    return false;
}

/* Add the address and gateway options of one device and protocol, unless the user has set one of them. A
 * device that has no group, and is not `plain` either, is told nothing. */
static int add_address(const struct bnd_guest *guest, const char *device, bool plain, const char *protocol,
                       const char *address, unsigned prefix, const char *gateway, struct rk_argv *ret_args)
{
    char name[OPTION_SIZE], gateway_name[OPTION_SIZE + 8];
    if (!*address)
        return 0;
    snprintf(name, sizeof name, "%s-%s", device, protocol);
    if (plain && !has(guest->keys, name))
        snprintf(name, sizeof name, "%s", protocol);
    snprintf(gateway_name, sizeof gateway_name, "%s-gateway", name);
    if (user_sets(guest, name) || user_sets(guest, gateway_name))
        return 0;
    int r = 0;
    if (has(guest->keys, name))
        r = rk_argv_addf(ret_args, "--%s=%s/%u", name, address, prefix);
    if (r == 0 && *gateway && has(guest->keys, gateway_name))
        r = rk_argv_addf(ret_args, "--%s=%s", gateway_name, gateway);
    return r;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    size_t devices = 0;
    for (size_t i = 0; i < guest->net_count; i++)
        devices += guest->nets[i].device != NULL;
    for (size_t i = 0; i < guest->net_count; i++) {
        const struct bnd_guest_net *n = &guest->nets[i];
        if (!n->device)
            continue;
        bool plain = devices == 1 || strcmp(n->device, "service") == 0;
        if (add_address(guest, n->device, plain, "ipv4", n->ipv4, n->ipv4_prefix, n->ipv4_gateway, ret_args) <
                0 ||
            add_address(guest, n->device, plain, "ipv6", n->ipv6, n->ipv6_prefix, n->ipv6_gateway, ret_args) <
                0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    bnd_words_no_env(guest, "mirage");
    bnd_words_no_cwd(guest, "mirage");
    bnd_words_no_mounts(guest, "mirage");
    bnd_words_no_routes(guest, "mirage");
    for (size_t i = 0; i < guest->args->n; i++) {
        if (!guest->verbatim && !*guest->args->v[i])
            return bnd_words_refuse(err, "mirage", "argument", "", "an empty one gets lost");
        int r = bnd_words_add_mirage(ret_args, guest->args->v[i], guest, err);
        if (r < 0)
            return r;
    }
    return 0;
}

const struct bnd_family bnd_family_mirage = {
    .name = "mirage",
    .recognise = recognise,
    .machine = bnd_solo5_machine,
    .cmdline = cmdline,
};
