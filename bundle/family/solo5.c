/* A Solo5 guest of no better known family: it gets its arguments and nothing else. */
#include "bundle/family/family.h"
#include "bundle/family/solo5_virtio.h"
#include "bundle/family/words.h"

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    (void)boot;
    (void)ret_keys;
    return image->solo5 != NULL;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    bnd_words_no_env(guest, "solo5");
    bnd_words_no_cwd(guest, "solo5");
    bnd_words_no_mounts(guest, "solo5");
    return bnd_words_add_solo5(ret_args, guest, err);
}

const struct bnd_family bnd_family_solo5 = {
    .name = "solo5",
    .recognise = recognise,
    .machine = bnd_solo5_machine,
    .cmdline = cmdline,
    .reads_verbatim = true,
};
