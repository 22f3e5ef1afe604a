/* Nanos: one Linux program on a kernel that finds it, and its configuration, on a disk.
 *
 * Sources: Nanos' src/kernel/init.c (its command line sets members of that configuration: words at blanks,
 * "A.B=VALUE", nothing is quoted), src/unix/exec.c (arguments, environment, cwd), src/net/net.c (en1.ipaddr
 * and so on) and platform/pc/service.c (the command line is read where the kernel is entered by the 64-bit
 * Linux protocol only; the exit port). A disk image that the BIOS boots has its configuration inside, and
 * DHCP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME     "nanos"
#define SECTOR   512
#define SCAN_MAX (1u << 20)

static const char tfs_magic[] = "NVMTFS";

static bool has_text(const struct bnd_bytes *image, const char *text, bool sector, uint64_t *ret_offset)
{
    size_t len = strlen(text), end = sector && image->size > SCAN_MAX ? SCAN_MAX : image->size;
    const uint8_t *p = image->data, *last = image->data + end;
    while ((p = memmem(p, (size_t)(last - p), text, len))) {
        *ret_offset = (uint64_t)(p - image->data);
        if (!sector || *ret_offset % SECTOR == 0)
            return true;
        p++;
    }
    return false;
}

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    struct bnd_span span;
    uint64_t offset = 0;
    if (!image->elf) {
        if (!(boot->kinds & BND_KIND_BIT(BND_DISK)) || !has_text(image, tfs_magic, true, &offset))
            return false;
        bnd_boot_note(boot, offset, "file system of Nanos (NVMTFS)");
        rk_argv_add(ret_keys, "dhcp");
        return true;
    }
    if (!(boot->kinds & BND_KIND_BIT(BND_PVH)) || !bnd_elf_section(image->elf, ".vvar", &span) ||
        !has_text(image, "tfs magic mismatch", false, &offset))
        return false;
    bnd_boot_note(boot, span.offset, "section .vvar");
    bnd_boot_note(boot, offset, "text \"tfs magic mismatch\"");
    /* By the Linux protocol it reads its command line, by PVH it does not. */
    boot->kinds = BND_KIND_BIT(BND_LINUX64);
    return true;
}

static int add(struct rk_argv *ret, const char *what, const char *prefix, const char *value,
               struct rk_err *err)
{
    if (strchr(value, ' '))
        return bnd_words_refuse(err, NAME, what, value, "its command line has no way to write a blank");
    return rk_argv_addf(ret, "%s%s", prefix, value) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* The program is argument 0, which the disk knows. */
static int add_args(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    int r = bnd_words_add_verbatim(ret, guest, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = bnd_words_args(&args, guest, err);
    for (size_t i = 0; i < args.n && r == 0; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "arguments.%zu=", i + 1);
        if (!args.v[i][0])
            r = bnd_words_refuse(err, NAME, "argument", "", "it skips an empty one");
        else
            r = add(ret, "argument", prefix, args.v[i], err);
    }
    return r;
}

static int add_env(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv env = {0};
    int r = bnd_words_env(&env, guest, NAME, 4096, err);
    for (size_t i = 0; i < env.n && r == 0; i++) {
        size_t len = strcspn(env.v[i], "=");
        if (memchr(env.v[i], '.', len))
            r = bnd_words_refuse(err, NAME, BND_WORDS_VARIABLE, env.v[i], "its name contains a dot");
        else if (env.v[i][len + 1]) /* an empty one would be taken away */
            r = add(ret, BND_WORDS_VARIABLE, "environment.", env.v[i], err);
    }
    return r;
}

static int add_nets(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    const struct bnd_guest_net *net;
    char netmask[INET_ADDRSTRLEN];
    bnd_words_no_routes(guest, NAME);
    for (size_t i = 0; (net = bnd_words_net(guest, i)); i++) {
        int r = 0;
        bnd_words_netmask(netmask, net->ipv4_prefix);
        if (*net->ipv4)
            r = rk_argv_addf(ret, "en%zu.ipaddr=%s en%zu.netmask=%s", i + 1, net->ipv4, i + 1, netmask);
        if (r == 0 && *net->ipv4 && *net->ipv4_gateway)
            r = rk_argv_addf(ret, "en%zu.gateway=%s", i + 1, net->ipv4_gateway);
        if (r == 0 && *net->ipv6)
            r = rk_argv_addf(ret, "en%zu.ip6addr=%s", i + 1, net->ipv6);
        if (r == 0 && net->mtu && net->mtu != 1500)
            r = rk_argv_addf(ret, "en%zu.mtu=%u", i + 1, net->mtu);
        if (r < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

/* What it mounts it looks up by the label that it makes of a number; where that is not on its disk, it says
 * so. */
static int add_mounts(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    for (size_t i = 0; i < guest->mount_count; i++) {
        const struct bnd_guest_mount *m = &guest->mounts[i];
        char prefix[64];
        if (m->kind != BND_MOUNT_9P)
            continue;
        if (guest->kind == BND_DISK) {
            bnd_words_warn(guest,
                           "a guest of family %s that is a disk mounts what its configuration says: '%s' is "
                           "its volume %%%s",
                           NAME, m->destination, m->tag);
            continue;
        }
        if (strstr(m->destination, ":ro"))
            return bnd_words_refuse(err, NAME, "mount", m->destination, "a path ends there at \":ro\"");
        rk_autofree char *value = NULL;
        if (asprintf(&value, "%s%s", m->destination, m->readonly ? ":ro" : "") < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
        snprintf(prefix, sizeof prefix, "mounts.virtfs%s=", m->tag);
        int r = add(ret, "mount", prefix, value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    if (guest->kind == BND_DISK) {
        add_mounts(ret_args, guest, err); /* only warns */
        bnd_words_no_args(guest, NAME);
        bnd_words_no_env(guest, NAME);
        bnd_words_no_cwd(guest, NAME);
        return 0;
    }
    /* Without this it powers off, and its program's status is lost. */
    if (rk_argv_add(ret_args, "debug_exit=t") < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = add_nets(ret_args, guest, err);
    if (r == 0)
        r = add_env(ret_args, guest, err);
    if (r == 0)
        r = add_mounts(ret_args, guest, err);
    if (r == 0 && guest->cwd && *guest->cwd && strcmp(guest->cwd, "/") != 0)
        r = add(ret_args, "working directory", "cwd=", guest->cwd, err);
    return r < 0 ? r : add_args(ret_args, guest, err);
}

/* A program's status is written to the port when the configuration says "debug_exit:t"; else it powers off.
 */
#define ON_PC                                                                                                \
    .type = "pc", .bus = BND_BUS_PCI, .end = BND_END_DEBUG, .debug_exit = 0x501, .button = true,             \
    .memory_min = 64

static const struct bnd_machine on_pc = {ON_PC};
static const struct bnd_machine on_pc_kernel = {ON_PC, .needs_disk = true};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    if (kind == BND_LINUX64)
        return &on_pc_kernel;
    return kind == BND_DISK ? &on_pc : NULL;
}

const struct bnd_family bnd_family_nanos = {
    .name = NAME,
    .share_tag = "",
    .share_writes = true,
    .recognise = recognise,
    .machine = machine,
    .cmdline = cmdline,
};
