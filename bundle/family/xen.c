/* Guests made for Xen: mini-os, HaLVM and stub domains. They are recognised, and nothing here can boot them.
 */
#include <errno.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/err.h"

#define NOTE_GUEST_OS 6 /* Xen's public/elfnote.h: XEN_ELFNOTE_GUEST_OS */

static bool is_text(const struct bnd_elf *elf, const struct bnd_span *span, const char *text)
{
    size_t len = strlen(text);
    return span->size >= len && memcmp(elf->data + span->offset, text, len) == 0;
}

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    struct bnd_span os;
    (void)ret_keys;
    if (!image->elf || !(boot->kinds & BND_KIND_BIT(BND_XEN)))
        return false;
    /* What can be entered otherwise as well does not need Xen. */
    if (boot->kinds & ~BND_KIND_BIT(BND_XEN))
        return false;
    bnd_boot_refuse(boot, "paravirtualised for Xen (mini-os, HaLVM and the like): only a Xen host boots it");
    /* The notes themselves have been seen already (bundle/boot.c). */
    if (bnd_elf_note(image->elf, "Xen", NOTE_GUEST_OS, &os) && is_text(image->elf, &os, "Mini-OS"))
        bnd_boot_note(boot, os.offset, "made of mini-os: mini-os itself, HaLVM or a stub domain");
    return true;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    (void)guest;
    (void)ret_args;
    return rk_fail(err, -ENOTSUP, "a guest of family xen can't be booted without Xen");
}

const struct bnd_family bnd_family_xen = {
    .name = "xen",
    .recognise = recognise,
    .cmdline = cmdline,
};
