/* The table of families, and the command line as a whole. */
#include "bundle/family/family.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static bool has_key(const struct rk_argv *keys, const char *key)
{
    for (size_t i = 0; i < keys->n; i++)
        if (strcmp(keys->v[i], key) == 0)
            return true;
    return false;
}

bool bnd_family_shares(const struct bnd_family *family, const struct rk_argv *keys)
{
    return family->share_tag && (!family->share_key || has_key(keys, family->share_key));
}

void bnd_share_tag(char out[BND_SHARE_TAG], const struct bnd_family *family, size_t number)
{
    snprintf(out, BND_SHARE_TAG, "%s%zu", family->share_tag ? family->share_tag : "", number);
}

bool bnd_family_dhcp(const struct bnd_family *family, const struct rk_argv *keys)
{
    return family->dhcp || has_key(keys, "dhcp");
}

int bnd_family_cmdline(const struct bnd_family *family, const struct bnd_guest *guest,
                       struct rk_argv *ret_args, struct rk_err *err)
{
    size_t first = ret_args->n, len = 0;
    int r = family->cmdline(guest, ret_args, err);
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
