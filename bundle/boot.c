/* Names of image kinds, and the list of what was seen. */
#include "bundle/boot.h"

#include <stdarg.h>
#include <stdio.h>

const char *bnd_kind_name(enum bnd_kind kind)
{
    static const char *const names[BND_KIND_COUNT] = {
        [BND_HVT] = "hvt",
        [BND_SPT] = "spt",
        [BND_MULTIBOOT] = "multiboot",
        [BND_MULTIBOOT2] = "multiboot2",
        [BND_PVH] = "pvh",
        [BND_LINUX] = "linux",
        [BND_LINUX64] = "linux64",
        [BND_DISK] = "disk",
        [BND_XEN] = "xen",
    };
    return (unsigned)kind < BND_KIND_COUNT ? names[kind] : "unknown";
}

void bnd_boot_note(struct bnd_boot *boot, uint64_t offset, const char *fmt, ...)
{
    if (boot->evidence_count == BND_EVIDENCE_MAX)
        return;
    struct bnd_evidence *e = &boot->evidence[boot->evidence_count++];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->what, sizeof e->what, fmt, ap);
    va_end(ap);
    e->offset = offset;
}
