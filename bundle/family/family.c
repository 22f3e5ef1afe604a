/* The table of families, and the command line as a whole. */
#include "bundle/family/family.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"

const struct bnd_family *const bnd_families[] = {
    &bnd_family_mirage,  &bnd_family_solo5,
    &bnd_family_hermit,  &bnd_family_unikraft,
    &bnd_family_rumprun, &bnd_family_nanos,
    &bnd_family_osv,     &bnd_family_includeos,
    &bnd_family_mewz,    &bnd_family_toro,
    &bnd_family_xen,     &bnd_family_linux,
    &bnd_family_generic, NULL,
};

const struct bnd_family *bnd_family_find(const char *name)
{
    for (const struct bnd_family *const *f = bnd_families; *f; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

bool bnd_family_dhcp(const struct bnd_family *family, const struct rk_argv *keys)
{
    bool dhcp = family->dhcp;
    for (size_t i = 0; i < keys->n; i++)
        dhcp = dhcp || strcmp(keys->v[i], "dhcp") == 0;
    return dhcp;
}

/* A command line of one piece comes where the guest's arguments would: behind what its family says. */
static int add_verbatim(const struct bnd_family *family, const struct bnd_guest *guest,
                        struct rk_argv *ret_args, struct rk_err *err)
{
    static const struct rk_argv none = {0};
    struct bnd_guest bare = *guest;
    rk_autofree char *line = NULL;
    bare.args = &none;
    bare.verbatim = false;
    int r = family->cmdline(&bare, ret_args, err);
    if (r < 0 || (r = bnd_guest_fill(&line, guest->args->v[0], guest, err)) < 0)
        return r;
    return rk_argv_add(ret_args, line) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

int bnd_family_cmdline(const struct bnd_family *family, const struct bnd_guest *guest,
                       struct rk_argv *ret_args, struct rk_err *err)
{
    size_t first = ret_args->n, len = 0;
    bool apart = guest->verbatim && !family->reads_verbatim;
    int r = apart ? add_verbatim(family, guest, ret_args, err) : family->cmdline(guest, ret_args, err);
    if (r < 0)
        return r;
    bool tender = guest->kind == BND_HVT || guest->kind == BND_SPT;
    const struct bnd_machine *machine = tender || !family->machine ? NULL : family->machine(guest->kind);
    for (size_t i = first; i < ret_args->n; i++)
        len += strlen(ret_args->v[i]) + (i > first);
    if (machine && machine->path_in_front)
        len += BND_PATH_MAX + 1;
    if (machine && machine->cmdline_max && len > machine->cmdline_max)
        return rk_fail(err, -E2BIG,
                       "arguments, environment and network take %zu bytes as a guest of family %s is told "
                       "them, and it reads "
                       "at most %zu",
                       len, family->name, machine->cmdline_max);
    return 0;
}
