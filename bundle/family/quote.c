/* Words of guests that split their command line as MirageOS does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

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

int bnd_words_add_mirage(struct rk_argv *ret_args, const char *arg, const struct bnd_guest *guest,
                         struct rk_err *err)
{
    rk_autofree char *filled = NULL;
    int r = bnd_guest_fill(&filled, arg, guest, err);
    if (r < 0)
        return r;
    rk_autofree char *word = NULL;
    if (!guest->verbatim)
        word = quote(filled);
    if ((!guest->verbatim && !word) || rk_argv_add(ret_args, word ? word : filled) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

int bnd_words_add_solo5(struct rk_argv *ret_args, const struct bnd_guest *guest, struct rk_err *err)
{
    for (size_t i = 0; guest->args && i < guest->args->n; i++) {
        const char *arg = guest->args->v[i];
        int r = 0;
        if (guest->verbatim || arg[0] != '{' || arg[1] != '"')
            r = bnd_words_add_mirage(ret_args, arg, guest, err);
        else if (rk_argv_add(ret_args, arg) < 0)
            r = rk_fail(err, -ENOMEM, "out of memory");
        if (r < 0)
            return r;
    }
    return 0;
}
