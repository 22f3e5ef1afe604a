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
    if (!bnd_elf_note(image->elf, "Xen", NOTE_GUEST_OS, &os)) {
        bnd_boot_note(boot, 0, "notes of a Xen guest only");
        return true;
    }
    if (is_text(image->elf, &os, "Mini-OS"))
        bnd_boot_note(boot, os.offset, "note Xen type 6, GUEST_OS Mini-OS (mini-os, HaLVM, a stub domain)");
    else
        bnd_boot_note(boot, os.offset, "note Xen type 6, GUEST_OS %.*s", os.size < 40 ? (int)os.size : 40,
                      (const char *)image->elf->data + os.offset);
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
