/* A Solo5 guest of no better known family: it gets its arguments and nothing else. */
#include <errno.h>

#include "bundle/family/family.h"
#include "lib/err.h"

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    (void)boot;
    (void)ret_keys;
    return image->solo5 != NULL;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    for (size_t i = 0; i < guest->args->n; i++) {
        const char *arg = guest->args->v[i];
        int r = 0;
        /* Guests that are configured in JSON read it as it stands, from the first brace on: quoting would
         * break it. */
        if (arg[0] == '{' && arg[1] == '"') {
            if (rk_argv_add(ret_args, arg) < 0)
                r = rk_fail(err, -ENOMEM, "out of memory");
        } else {
            r = bnd_family_add_quoted(ret_args, arg, guest, err);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

const struct bnd_family bnd_family_solo5 = {
    .name = "solo5",
    .recognise = recognise,
    .cmdline = cmdline,
};
