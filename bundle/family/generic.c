/* A bootable image of no known family: it gets its arguments as they are, joined with blanks. */
#include <errno.h>
#include <string.h>

#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME "generic"

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    (void)image;
    (void)ret_keys;
    return boot->kinds != 0;
}

/* Nobody knows how it splits its command line: what a blank could tear apart, or a quotation mark join, is
 * not passed on as if it were one argument. The whole of it in one argument is what its author meant. */
static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    size_t first = ret_args->n;
    bnd_words_no_env(guest, NAME);
    bnd_words_no_cwd(guest, NAME);
    bnd_words_no_mounts(guest, NAME);
    if (guest->kind == BND_DISK) {
        bnd_words_no_args(guest, NAME);
        return 0;
    }
    int r = bnd_words_args(ret_args, guest, err);
    if (r < 0 || ret_args->n - first < 2)
        return r;
    for (size_t i = first; i < ret_args->n; i++)
        if (!ret_args->v[i][0] || strpbrk(ret_args->v[i], " \t\r\n\v\f\"'\\"))
            return bnd_words_refuse(
                err, NAME, "argument", ret_args->v[i],
                "nobody knows how it splits its command line; give that as a single argument");
    return 0;
}

static const struct bnd_machine on_pc = {
    .type = "pc",
    .bus = BND_BUS_PCI,
    .end = BND_END_DEBUG,
    .debug_exit = 0x501,
    .path_in_front = true,
};

static const struct bnd_machine on_pc_plain = {
    .type = "pc",
    .bus = BND_BUS_PCI,
    .end = BND_END_DEBUG,
    .debug_exit = 0x501,
};

/* Most often a whole operating system, which wants to be shut down. */
static const struct bnd_machine on_pc_disk = {
    .type = "pc",
    .bus = BND_BUS_PCI,
    .end = BND_END_DEBUG,
    .debug_exit = 0x501,
    .button = true,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    if (kind == BND_MULTIBOOT)
        return &on_pc;
    if (kind == BND_DISK)
        return &on_pc_disk;
    return kind == BND_PVH || kind == BND_LINUX || kind == BND_LINUX64 ? &on_pc_plain : NULL;
}

const struct bnd_family bnd_family_generic = {
    .name = NAME,
    .recognise = recognise,
    .machine = machine,
    .dhcp = true,
    .cmdline = cmdline,
};
