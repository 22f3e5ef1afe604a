/* The annotations that runuk reads. */
#include "config/annotations.h"

#include <errno.h>
#include <string.h>

#include "lib/err.h"

int cfg_annotations_add(struct cfg_annotations *annotations, const char *key, const char *value,
                        struct rk_err *err)
{
    size_t len = strlen(CFG_ANNOTATION_PREFIX);
    if (strncmp(key, CFG_ANNOTATION_PREFIX, len) != 0)
        return 0;
    if (strcmp(key + len, "network-mode") == 0) {
        annotations->network_mode = value;
        return 0;
    }
    return rk_fail(
        err, -EINVAL,
        "annotation '%s' is not one that runuk knows (known: " CFG_ANNOTATION_PREFIX "network-mode)", key);
}
