/* IncludeOS: C++ services, multiboot kernels that take their command line as one text.
 *
 * Source: IncludeOS' src/arch/x86_64/linker.ld, src/kernel/multiboot.cpp and service_stub.cpp: the text is
 * handed to the service as it stands, QEMU's path in front, and addresses are in the service's own
 * configuration or come by DHCP. */
#include <errno.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME "includeos"

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    static const char *const names[] = {".service_ctors", ".plugin_ctors", ".driver_ctors", ".stdout_ctors",
                                        ".elf_symbols"};
    struct bnd_span span;
    size_t found = 0;
    (void)ret_keys;
    if (!image->elf)
        return false;
    for (size_t i = 0; i < RK_COUNT(names); i++) {
        if (!bnd_elf_section(image->elf, names[i], &span))
            continue;
        bnd_boot_note(boot, span.offset, "section %s", names[i]);
        found++;
    }
    return found >= 3;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    size_t first = ret_args->n;
    bnd_words_no_env(guest, NAME);
    bnd_words_no_cwd(guest, NAME);
    bnd_words_no_mounts(guest, NAME);
    int r = bnd_words_args(ret_args, guest, err);
    for (size_t i = first; r == 0 && ret_args->n - first > 1 && i < ret_args->n; i++)
        if (!ret_args->v[i][0] || strpbrk(ret_args->v[i], " \t\r\n\v\f"))
            r = bnd_words_refuse(err, NAME, "argument", ret_args->v[i],
                                 "its services get one text, split at blanks");
    return r;
}

static const struct bnd_machine on_pc = {
    .type = "pc",
    .bus = BND_BUS_PCI,
    .end = BND_END_POWEROFF,
    .memory_min = 32,
    .path_in_front = true,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    return kind == BND_MULTIBOOT ? &on_pc : NULL;
}

const struct bnd_family bnd_family_includeos = {
    .name = NAME,
    .recognise = recognise,
    .machine = machine,
    .dhcp = true,
    .cmdline = cmdline,
};
