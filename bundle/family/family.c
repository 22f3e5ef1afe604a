/* The table of families, and the quoting that they share. */
#include "bundle/family/family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"

const struct bnd_family *const bnd_families[] = {
    &bnd_family_mirage,
    &bnd_family_solo5,
    NULL,
};

const struct bnd_family *bnd_family_find(const char *name)
{
    for (const struct bnd_family *const *f = bnd_families; *f; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

/* `arg` as one word of a MirageOS command line. NULL without memory. */
static char *quote(const char *arg)
{
    if (*arg && !strpbrk(arg, " \t\r\n\v\f\"'\\"))
        return strdup(arg);
    char *out = malloc(strlen(arg) * 2 + 3), *p = out;
    if (!out)
        return NULL;
    *p++ = '"';
    for (; *arg; arg++) {
        if (*arg == '"' || *arg == '\\')
            *p++ = '\\';
        *p++ = *arg;
    }
    *p++ = '"';
    *p = '\0';
    return out;
}

int bnd_family_add_quoted(struct rk_argv *ret_args, const char *arg, const struct bnd_guest *guest,
                          struct rk_err *err)
{
    rk_autofree char *filled = NULL;
    int r = bnd_guest_fill(&filled, arg, guest, err);
    if (r < 0)
        return r;
    rk_autofree char *word = guest->verbatim ? rk_take(filled) : quote(filled);
    if (!word || rk_argv_add(ret_args, word) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return 0;
}
