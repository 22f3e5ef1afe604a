/* Mewz: a WebAssembly module with a kernel of its own.
 *
 * Sources: Mewz' src/boot.S (both multiboot headers in one section), src/param.zig ("ip=ADDRESS/PREFIX" and
 * "gateway=ADDRESS", split at blanks, and nothing else is read; without all of them it has no network),
 * src/x64.zig (the exit port). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME "mewz"

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    static const char *const texts[] = {"gateway", "wasi"};
    const unsigned both = BND_KIND_BIT(BND_MULTIBOOT) | BND_KIND_BIT(BND_MULTIBOOT2);
    struct bnd_span span;
    (void)ret_keys;
    if (!image->elf || (boot->kinds & BND_KIND_BIT(BND_MULTIBOOT2)) == 0 ||
        !bnd_elf_section(image->elf, ".boot", &span))
        return false;
    for (size_t i = 0; i < RK_COUNT(texts); i++)
        if (!memmem(image->data, image->size, texts[i], strlen(texts[i])))
            return false;
    bnd_boot_note(boot, span.offset, "section .boot with both multiboot headers");
    boot->kinds &= both;
    return true;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    const struct bnd_guest_net *net = bnd_words_net(guest, 0);
    bnd_words_no_args(guest, NAME);
    bnd_words_no_env(guest, NAME);
    bnd_words_no_cwd(guest, NAME);
    bnd_words_no_mounts(guest, NAME);
    bnd_words_no_ipv6(guest, NAME);
    bnd_words_no_routes(guest, NAME);
    if (!net || !*net->ipv4) {
        bnd_words_warn(
            guest,
            "a guest of family %s has no network device with an IPv4 address: many do not start without",
            NAME);
        return 0;
    }
    /* It wants a gateway, or has no network at all: without one, its own address does no harm. */
    if (rk_argv_addf(ret_args, "ip=%s/%u", net->ipv4, net->ipv4_prefix) < 0 ||
        rk_argv_addf(ret_args, "gateway=%s", *net->ipv4_gateway ? net->ipv4_gateway : net->ipv4) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

static const struct bnd_machine on_pc = {
    .type = "pc",
    .bus = BND_BUS_PCI_MODERN,
    .end = BND_END_DEBUG,
    .debug_exit = 0x501,
    .memory_min = 512,
    .path_in_front = true,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    return kind == BND_MULTIBOOT ? &on_pc : NULL;
}

const struct bnd_family bnd_family_mewz = {
    .name = NAME,
    .recognise = recognise,
    .machine = machine,
    .cmdline = cmdline,
};
