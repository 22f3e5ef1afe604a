/* Toro: Free Pascal applications with a kernel of their own, entered by PVH. */
#include <errno.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/err.h"

#define NAME "toro"

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    static const char text[] = "Loading Toro";
    struct bnd_span span;
    (void)ret_keys;
    /* Any Free Pascal program has that section, so that the text has to be there too. */
    if (!image->elf || !(boot->kinds & BND_KIND_BIT(BND_PVH)) ||
        !bnd_elf_section(image->elf, ".fpcdata", &span))
        return false;
    const uint8_t *at = memmem(image->data, image->size, text, sizeof text - 1);
    if (!at)
        return false;
    bnd_boot_note(boot, span.offset, "section .fpcdata");
    bnd_boot_note(boot, (uint64_t)(at - image->data), "text \"%s\"", text);
    return true;
}

/* The kernel splits its command line at blanks and commas, and nothing is quoted. It has no IP: its sockets
 * are virtio's. */
static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    size_t first = ret_args->n;
    bnd_words_no_env(guest, NAME);
    bnd_words_no_cwd(guest, NAME);
    bnd_words_no_mounts(guest, NAME);
    bnd_words_no_ipv4(guest, NAME);
    bnd_words_no_ipv6(guest, NAME);
    int r = bnd_words_args(ret_args, guest, err);
    for (size_t i = first; r == 0 && ret_args->n - first > 1 && i < ret_args->n; i++)
        if (!ret_args->v[i][0] || strpbrk(ret_args->v[i], " ,\t\r\n\v\f"))
            r = bnd_words_refuse(err, NAME, "argument", ret_args->v[i],
                                 "it splits its command line at blanks and commas");
    return r;
}

/* It ends by a triple fault, when it is built to end at all. */
static const struct bnd_machine on_microvm = {
    .type = "microvm,acpi=off,rtc=on",
    .bus = BND_BUS_MMIO,
    .end = BND_END_POWEROFF,
    .reset_ends = true,
    .memory_min = 16,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    return kind == BND_PVH ? &on_microvm : NULL;
}

const struct bnd_family bnd_family_toro = {
    .name = NAME,
    .recognise = recognise,
    .machine = machine,
    .cmdline = cmdline,
};
