/* OSv: Linux programs on a kernel that takes "--NAME=VALUE" options, then the command to run.
 *
 * Sources: OSv's arch/x64/loader.ld, core/commands.cc (options are split at blanks, where a backslash takes
 * the next character; the command is split by a grammar with double quotes and C's escapes, and everything
 * behind a "$" is replaced by a variable of the environment), core/options.cc (an option with an empty value
 * is an error), loader.cc; for disks arch/x64/boot16.S, whose command line is on the disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME      "osv"
#define PACKET    0x22 /* in the boot sector */
#define SIGNATURE 440

/* A disk: OSv's boot sector begins with a far jump, has the BIOS packet that reads the command line (63
 * sectors from the second on, to 0x7e00), and bears a disk signature of its own. */
static bool is_disk(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    static const uint8_t packet[] = {0x10, 0, 0x3f, 0, 0, 0x7e, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t signature[] = {'V', 'S', 'O', 0};
    if (!(boot->kinds & BND_KIND_BIT(BND_DISK)) || image->size < 512 || image->data[0] != 0xea ||
        memcmp(image->data + PACKET, packet, sizeof packet) != 0 ||
        memcmp(image->data + SIGNATURE, signature, sizeof signature) != 0)
        return false;
    bnd_boot_note(boot, PACKET, "boot sector of OSv: where its command line is read");
    bnd_boot_note(boot, SIGNATURE, "disk signature of OSv (VSO)");
    rk_argv_add(ret_keys, "dhcp");
    return true;
}

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    static const char *const names[] = {".start32_address", ".start32_from_vmlinuz_address",
                                        ".percpu_workers", ".tracepoint_patch_sites"};
    struct bnd_span span;
    if (!image->elf)
        return is_disk(image, boot, ret_keys);
    if (!image->elf->is64)
        return false;
    size_t found = 0;
    for (size_t i = 0; i < RK_COUNT(names); i++) {
        if (!bnd_elf_section(image->elf, names[i], &span))
            continue;
        bnd_boot_note(boot, span.offset, "section %s", names[i]);
        found++;
    }
    if (found >= 2)
        boot->kinds &= ~BND_KIND_BIT(BND_XEN);
    return found >= 2;
}

/* `text` with a backslash before each character of `special`, between `before` and `after`. */
static int add_escaped(struct rk_argv *ret, const char *before, const char *text, const char *special,
                       const char *after, struct rk_err *err)
{
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);
    if (!f)
        return rk_fail(err, -ENOMEM, "out of memory");
    fputs(before, f);
    for (; *text; text++) {
        if (strchr(special, *text))
            fputc('\\', f);
        fputc(*text, f);
    }
    fputs(after, f);
    int r = fclose(f) != 0 || rk_argv_add(ret, out) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
    free(out);
    return r;
}

static int add_option(struct rk_argv *ret, const char *option, const char *value, struct rk_err *err)
{
    return add_escaped(ret, option, value, " \t\n\\", "", err);
}

static int add_nets(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    const struct bnd_guest_net *net;
    char netmask[INET_ADDRSTRLEN], value[128];
    const char *gateway = "";
    int r = 0;
    bnd_words_no_ipv6(guest, NAME);
    bnd_words_no_routes(guest, NAME);
    for (size_t i = 0; r == 0 && (net = bnd_words_net(guest, i)); i++) {
        if (!*net->ipv4)
            continue;
        bnd_words_netmask(netmask, net->ipv4_prefix);
        snprintf(value, sizeof value, "eth%zu,%s,%s", i, net->ipv4, netmask);
        r = add_option(ret, "--ip=", value, err);
        gateway = *gateway ? gateway : net->ipv4_gateway;
    }
    if (r == 0 && *gateway)
        r = add_option(ret, "--defaultgw=", gateway, err);
    if (r == 0 && guest->dns && *guest->dns && !strchr(guest->dns, ':'))
        r = add_option(ret, "--nameserver=", guest->dns, err);
    return r;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    rk_autoargv struct rk_argv env = {0};
    bnd_words_no_mounts(guest, NAME);
    if (guest->kind == BND_DISK) {
        bnd_words_no_args(guest, NAME);
        bnd_words_no_env(guest, NAME);
        bnd_words_no_cwd(guest, NAME);
        return 0;
    }
    int r = guest->verbatim ? 0 : bnd_words_args(&args, guest, err);
    if (r == 0)
        r = bnd_words_env(&env, guest, NAME, 4096, err);
    for (size_t i = 0; i < env.n && r == 0; i++)
        r = add_option(ret_args, "--env=", env.v[i], err);
    if (r == 0 && guest->cwd && *guest->cwd && strcmp(guest->cwd, "/") != 0)
        r = add_option(ret_args, "--cwd=", guest->cwd, err);
    if (r == 0)
        r = add_nets(ret_args, guest, err);
    if (r == 0 && bnd_words_add_verbatim(ret_args, guest, err) < 0)
        return err->code;
    for (size_t i = 0; i < args.n && r == 0; i++) {
        if (strchr(args.v[i], '$'))
            r = bnd_words_refuse(err, NAME, "argument", args.v[i], "what follows a '$' is replaced there");
        else
            r = add_escaped(ret_args, "\"", args.v[i], "\"\\", "\"", err);
    }
    return r;
}

static const struct bnd_machine on_pc = {
    .type = "pc",
    .bus = BND_BUS_PCI,
    .end = BND_END_POWEROFF,
    .button = true,
    .memory_min = 128,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    return kind == BND_PVH || kind == BND_LINUX || kind == BND_DISK ? &on_pc : NULL;
}

const struct bnd_family bnd_family_osv = {
    .name = NAME,
    .recognise = recognise,
    .machine = machine,
    .cmdline = cmdline,
};
