/* Whatever annotations say: they are refused with a reason that can be shown, or ask for what their header
 * promises, and never for a path that leads out of the container. */
#include "tests/fuzz/annotations.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/words.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

/* "NAME=VALUE" lines, all for one container. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cfg_annotations a = {.monitor = NULL};
    char *text = malloc(size + 1), *rest = text, *line;
    PROMISE(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    while ((line = strsep(&rest, "\n"))) {
        struct rk_err err = {0};
        char *value = strchr(line, '='), *key = malloc(strlen(line) + 32);
        PROMISE(key);
        if (value)
            *value++ = '\0';
        strcpy(key, CFG_ANNOTATION_PREFIX);
        strcat(key, line);
        int r = cfg_annotations_add(&a, key, value ? value : "", &err);
        PROMISE(r == 0 ? err.code == 0 : r == -EINVAL);
        if (r < 0)
            check_refusal(&err, "annotation '" CFG_ANNOTATION_PREFIX);
        check_wishes(&a);
        free(key);
    }
    struct rk_err err = {0};
    if (cfg_annotations_check(&a, &err) < 0)
        check_refusal(&err, "annotation '" CFG_ANNOTATION_PREFIX);
    cfg_annotations_fini(&a);
    free(text);
    return 0;
}
