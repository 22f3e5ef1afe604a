/* Whatever a /urunc.json holds: it is refused with a reason, or means what annotations of ours could have
 * said. */
#include "config/urunc.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/annotations.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct cfg_urunc *u)
{
    struct cfg_annotations a = {.monitor = NULL};
    struct rk_err err = {0};
    int r = cfg_urunc_apply(u, &a, &err);
    PROMISE(r == 0 || r == -EINVAL);
    if (r < 0)
        check_refusal(&err,
                      u->file ? "'/urunc.json': 'com.urunc.unikernel." : "annotation 'com.urunc.unikernel.");
    if (r == 0)
        PROMISE(cfg_urunc_is_complete(u) && a.kernel && a.monitor && a.family);
    check_wishes(&a);
    cfg_annotations_fini(&a);
}

/* The same as annotations: then plain values will do. */
static void check_annotations(const char *text)
{
    struct cfg_urunc u = {.file = false};
    for (int i = 0; cfg_urunc_words[i]; i++) {
        char key[64];
        strcpy(key, CFG_URUNC_PREFIX);
        strcat(key, cfg_urunc_words[i]);
        PROMISE(cfg_urunc_add(&u, key,
                              i == CFG_URUNC_TYPE         ? "mirage"
                              : i == CFG_URUNC_HYPERVISOR ? "spt"
                                                          : text,
                              NULL) == 0);
        json_t *utf8 = json_string(u.v[i]);
        json_t *before = json_string(text);
        PROMISE(utf8 || !before); /* text stays text: it has to go into the record */
        json_decref(utf8);
        json_decref(before);
    }
    check(&u);
    cfg_urunc_fini(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cfg_urunc u = {.file = true};
    struct rk_err err = {0};
    char *text = malloc(size + 1);
    PROMISE(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    int r = cfg_urunc_parse(&u, text, size, &err);
    PROMISE(r == 0 || (r == -EINVAL && strncmp(err.text, "'/urunc.json': ", 15) == 0));
    if (r == 0)
        check(&u);
    cfg_urunc_fini(&u);
    check_annotations(text);
    free(text);
    return 0;
}
