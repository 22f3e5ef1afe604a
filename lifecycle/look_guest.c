/* What a guest would be told, as far as that is known before it starts. */
#include "lifecycle/look_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/family.h"
#include "config/annotations.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lifecycle/storage.h"

/* What start would find out, and stands in the command line meanwhile: addresses that are set aside for
 * examples (RFC 5737, RFC 3849). */
static const struct bnd_guest_net example_net = {
    .link = "eth0",
    .ipv4 = "192.0.2.2",
    .ipv4_gateway = "192.0.2.1",
    .ipv4_prefix = 24,
    .ipv6 = "2001:db8::2",
    .ipv6_gateway = "2001:db8::1",
    .ipv6_prefix = 64,
    .mac = {0x02, 0x00, 0x5e, 0x10, 0x00, 0x02},
    .mtu = 1500,
};
#define EXAMPLE_DNS "192.0.2.53"
#define EXAMPLE_MAC "02:00:5e:10:00:02"

static json_t *examples(void)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", example_net.ipv4, "the container's IPv4 address",
                     example_net.ipv4_gateway, "its gateway", example_net.ipv6, "its IPv6 address",
                     example_net.ipv6_gateway, "its IPv6 gateway", EXAMPLE_DNS, "its name server",
                     EXAMPLE_MAC, "its MAC");
}

/* Most containers have no IPv6 address: one is there when the arguments speak of it. */
static struct bnd_guest_net one_net(const struct rk_argv *args)
{
    struct bnd_guest_net net = example_net;
    for (size_t i = 0; i < args->n; i++)
        if (strstr(args->v[i], "ipv6"))
            return net;
    net.ipv6[0] = net.ipv6_gateway[0] = '\0';
    return net;
}

/* The network as the guest would be told of it: of every device the example. *ret_nets is heap memory. */
static size_t example_nets(struct bnd_guest_net **ret_nets, const struct bnd_image *image,
                           const struct rk_argv *args)
{
    const struct bnd_guest_net net = one_net(args);
    const struct rk_solo5_mft *mft = &image->solo5.mft;
    struct bnd_guest_net *nets = calloc(mft->entries + 1, sizeof *nets);
    size_t n = 0;
    *ret_nets = nets;
    if (!nets)
        return 0;
    for (uint32_t i = 1; i < mft->entries; i++) {
        if (mft->e[i].type != RK_SOLO5_NET)
            continue;
        nets[n] = net;
        nets[n++].device = mft->e[i].name;
    }
    if (!image->solo5.target) { /* one for each link: there will be one at least, most often */
        nets[n] = net;
        nets[n++].device = example_net.link;
    }
    return n;
}

/* The arguments that the user has given. */
static void collect_args(struct rk_argv *args, const struct ctr_look_bundle *bundle, size_t first)
{
    if (bundle->wishes && bundle->wishes->cmdline)
        rk_argv_add(args, bundle->wishes->cmdline);
    else
        for (size_t i = first; bundle->spec && i < bundle->spec->args.n; i++)
            rk_argv_add(args, bundle->spec->args.v[i]);
}

/* JSON is UTF-8: of a text that is none, what can't be shown is replaced. */
static json_t *shown(char *text)
{
    json_t *json = json_string(text);
    for (char *p = text; !json && *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    return json ? json : json_string(text);
}

static json_t *joined(const struct rk_argv *words)
{
    rk_autofree char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < words->n; i++)
        fprintf(out, "%s%s", i ? " " : "", words->v[i]);
    return fclose(out) == 0 ? shown(line) : NULL;
}

/* What an init of ours is told (lib/told.h), string by string. */
static json_t *told_strings(const char *digits)
{
    json_t *all = json_array();
    size_t len = strlen(digits) / 2, start = 0;
    rk_autofree char *bytes = malloc(len + 1);
    if (!bytes)
        return all;
    for (size_t i = 0; i < len; i++) {
        unsigned byte = 0;
        sscanf(digits + 2 * i, "%2x", &byte);
        bytes[i] = (char)byte;
        if (byte)
            continue;
        json_array_append_new(all, shown(bytes + start));
        start = i + 1;
    }
    return all;
}

/* As start collects it. */
static void collect_user(struct rk_argv *user, const struct bnd_spec *spec)
{
    if (!spec)
        return;
    rk_argv_addf(user, "%u", (unsigned)spec->uid);
    rk_argv_addf(user, "%u", (unsigned)spec->gid);
    for (size_t i = 0; i < spec->group_count; i++)
        rk_argv_addf(user, "%u", (unsigned)spec->groups[i]);
}

static bool is_emulated(const struct hv_monitor *monitor, const struct hv_host *host)
{
    char reason[HV_REASON];
    struct rk_err err;
    return monitor->by_name && hv_qemu_accel(host, reason, &err) == 0;
}

/* The family's words, and what an init of ours gets. */
static int look_words(json_t *report, const struct bnd_family *family, const struct bnd_guest *guest,
                      struct rk_err *err)
{
    rk_autoargv struct rk_argv words = {0};
    rk_autofree char *told = NULL;
    int r = bnd_family_cmdline(family, guest, &words, err);
    if (r == 0 && guest->own_init)
        r = family->tell(&told, guest, err);
    if (r < 0)
        return r;
    json_object_set_new(report, "commandLine", joined(&words));
    if (told)
        json_object_set_new(report, "init", told_strings(told));
    if (guest->net_count > 0)
        json_object_set_new(report, "examples", examples());
    return 0;
}

void ctr_look_guest(json_t *report, const struct bnd_image *image, const struct hv_choice *choice,
                    const struct hv_host *host, const struct ctr_look_bundle *bundle, size_t first_arg)
{
    static const struct cfg_annotations no_wishes;
    static const struct bnd_guest_mount ram_disk = {.kind = BND_MOUNT_INITRD, .destination = "/"};
    rk_autoargv struct rk_argv args = {0}, warnings = {0}, user = {0};
    const struct cfg_annotations *wishes = bundle->wishes ? bundle->wishes : &no_wishes;
    const struct bnd_spec *spec = bundle->spec;
    rk_autofree struct bnd_guest_net *nets = NULL;
    const struct rk_argv none = {0};
    struct ctr_initrd initrd;
    struct rk_err err;
    int r = ctr_storage_choose(&initrd, bundle->files, image, choice->kind, wishes, &err);
    collect_args(&args, bundle, first_arg);
    collect_user(&user, spec);
    size_t net_count = example_nets(&nets, image, &args);
    const struct bnd_guest guest = {
        .kind = choice->kind,
        .program = image->path,
        .args = &args,
        .verbatim = wishes->cmdline != NULL,
        .env = spec ? &spec->env : &none,
        .cwd = spec ? spec->cwd : "/",
        .keys = &image->keys,
        .hostname = spec ? spec->hostname : NULL,
        .dns = EXAMPLE_DNS,
        .nets = nets,
        .net_count = net_count,
        .mounts = &ram_disk,
        .mount_count = initrd.fd >= 0,
        .emulated = is_emulated(choice->monitor, host),
        .own_init = initrd.packed,
        .terminal = spec && spec->terminal,
        .user = &user,
        .warnings = &warnings,
    };
    if (r == 0)
        r = look_words(report, image->family, &guest, &err);
    if (warnings.n > 0)
        json_object_set_new(report, "warnings", rk_json_from_argv(&warnings));
    if (r < 0) {
        json_object_set_new(report, "error", json_string(err.text));
        json_object_set_new(report, "runs", json_string("nothing"));
    }
    ctr_initrd_fini(&initrd);
}
