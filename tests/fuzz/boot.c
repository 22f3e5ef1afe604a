/* Whatever the bytes are: what is said of them is consistent, of a bounded length, and fit to be printed. */
#include "tests/fuzz/fuzz.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/boot.h"
#include "bundle/elf.h"
#include "tests/fuzz/promise.h"

static void check_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size);
    PROMISE(len < size);
    for (size_t i = 0; i < len; i++)
        PROMISE(text[i] >= ' ' && text[i] <= '~');
}

static void check(const struct bnd_boot *boot, uint64_t size, bool is_elf)
{
    const unsigned of_elf = BND_KIND_BIT(BND_PVH) | BND_KIND_BIT(BND_XEN);
    const unsigned of_others = BND_KIND_BIT(BND_LINUX) | BND_KIND_BIT(BND_DISK);
    const unsigned never = BND_KIND_BIT(BND_HVT) | BND_KIND_BIT(BND_SPT) | BND_KIND_BIT(BND_LINUX64);
    PROMISE(boot->evidence_count <= BND_EVIDENCE_MAX);
    for (size_t i = 0; i < boot->evidence_count; i++) {
        check_text(boot->evidence[i].what, sizeof boot->evidence[i].what);
        PROMISE(boot->evidence[i].what[0] && boot->evidence[i].offset <= size);
    }
    check_text(boot->obstacle, sizeof boot->obstacle);
    PROMISE(!(boot->kinds & never) && !(boot->kinds & (is_elf ? of_others : of_elf)));
    PROMISE(!boot->ordinary || !bnd_boot_recognised(boot));
    PROMISE(!bnd_boot_recognised(boot) || boot->evidence_count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    struct bnd_boot boot;
    struct bnd_elf elf;
    PROMISE(copy);
    if (size)
        memcpy(copy, data, size);
    bool is_elf = bnd_elf_open(&elf, copy, size);
    memset(&boot, 0xa5, sizeof boot);
    bnd_boot_read(&boot, copy, size, is_elf ? &elf : NULL);
    check(&boot, size, is_elf);
    free(copy);
    return 0;
}
