/* MirageOS: a guest that takes its address as --ipv4=ADDRESS/PREFIX and --ipv4-gateway=ADDRESS, and so on.
 *
 * Option names are those of mirage-runtime's Mirage_runtime_network (MirageOS 3 and 4): "ipv4",
 * "ipv4-gateway", "ipv6", "ipv6-gateway", with "NAME-" in front for a device whose stack was configured as a
 * group of that name. A guest that does not know an option prints its usage and exits with 64, so that only
 * names are used that stand in the image as a word. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bundle/family/family.h"
#include "bundle/family/solo5_virtio.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define OPTION_SIZE (RK_SOLO5_NAME_SIZE + 32) /* NAME-ipv6-gateway */
#define BLANKS      " \t\r\n\v\f"
#define WORDS_MAX   65536 /* a hostile image could consist of nothing but such words */

static const char *const suffixes[] = {"ipv4", "ipv4-gateway", "ipv6", "ipv6-gateway"};

/* The option name of `suffix` for device `device`: the device called "service" is the one that has no group.
 */
static void option_name(char out[OPTION_SIZE], const char *device, const char *suffix)
{
    if (strcmp(device, "service") == 0)
        snprintf(out, OPTION_SIZE, "%s", suffix);
    else
        snprintf(out, OPTION_SIZE, "%s-%s", device, suffix);
}

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

/* If the word text[0 … len) names an option of a device in the manifest, remember it. */
static void note_word(const struct rk_solo5_mft *mft, const uint8_t *text, size_t len, struct rk_argv *keys)
{
    static const char service[] = "service";
    const uint8_t *name = (const uint8_t *)service;
    size_t name_len = strlen(service);
    char option[OPTION_SIZE];
    for (size_t s = 0; s < RK_COUNT(suffixes); s++) {
        size_t before = len - strlen(suffixes[s]);
        if (len < strlen(suffixes[s]) || memcmp(text + before, suffixes[s], len - before) != 0)
            continue;
        if (before > 0) { /* NAME- */
            name = text;
            name_len = before - 1;
            if (text[name_len] != '-' ||
                (name_len == strlen(service) && memcmp(name, service, name_len) == 0))
                return;
        }
        snprintf(option, sizeof option, "%.*s", (int)len, (const char *)text);
        if (has_net_device(mft, name, name_len) && !has(keys, option))
            rk_argv_add(keys, option); /* without memory it is not offered: the guest says what it misses */
        return;
    }
}

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    size_t nets = 0, words = 0, seen = 0;
    if (!image->solo5)
        return false;
    for (size_t d = 1; d < image->solo5->mft.entries; d++)
        nets += image->solo5->mft.e[d].type == RK_SOLO5_NET;
    if (nets == 0)
        return false;
    const uint8_t *end = image->data + image->size;
    for (const uint8_t *p = image->data; (p = memmem(p, (size_t)(end - p), "ipv", 3)) && words < WORDS_MAX;
         p += 3) {
        const uint8_t *first = p, *last = p + 3;
        while (first > image->data && is_word(first[-1]) && p - first < OPTION_SIZE)
            first--;
        while (last < end && is_word(*last) && last - p < 16)
            last++;
        while (first < p && *first == '-')
            first++;
        size_t before = ret_keys->n;
        note_word(&image->solo5->mft, first, (size_t)(last - first), ret_keys);
        if (before == 0 && ret_keys->n > 0)
            seen = (size_t)(first - image->data);
        words++;
    }
    if (ret_keys->n == 0)
        return false;
    bnd_boot_note(boot, seen, "option \"%.60s\" of a network device", ret_keys->v[0]);
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

/* Add the address and gateway options of one device and protocol, unless the user has set one of them. */
static int add_address(const struct bnd_guest *guest, const char *device, const char *protocol,
                       const char *address, unsigned prefix, const char *gateway, struct rk_argv *ret_args)
{
    char name[OPTION_SIZE], gateway_name[OPTION_SIZE + 8];
    option_name(name, device, protocol);
    snprintf(gateway_name, sizeof gateway_name, "%s-gateway", name);
    if (!*address || user_sets(guest, name) || user_sets(guest, gateway_name))
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
    for (size_t i = 0; i < guest->net_count; i++) {
        const struct bnd_guest_net *n = &guest->nets[i];
        if (!n->device)
            continue;
        if (add_address(guest, n->device, "ipv4", n->ipv4, n->ipv4_prefix, n->ipv4_gateway, ret_args) < 0 ||
            add_address(guest, n->device, "ipv6", n->ipv6, n->ipv6_prefix, n->ipv6_gateway, ret_args) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    bnd_words_no_env(guest, "mirage");
    bnd_words_no_cwd(guest, "mirage");
    bnd_words_no_mounts(guest, "mirage");
    bnd_words_no_routes(guest, "mirage");
    for (size_t i = 0; i < guest->args->n; i++) {
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
    .reads_verbatim = true,
};
