/* Images made for urunc say what they hold in annotations com.urunc.unikernel.* or, since not every engine
 * hands these on, in a file /urunc.json of the same keys. Read here, and translated into what our own
 * annotations say.
 *
 * Source: urunc's docs/package/index.md and pkg/unikontainers/config.go, 2023 to 2026. */
#ifndef CFG_URUNC_H
#define CFG_URUNC_H

#include <stdbool.h>
#include <stddef.h>

#include "config/annotations.h"

struct rk_err;

#define CFG_URUNC_PREFIX "com.urunc.unikernel."
#define CFG_URUNC_FILE   "/urunc.json"

enum cfg_urunc_key {
    CFG_URUNC_TYPE,
    CFG_URUNC_HYPERVISOR,
    CFG_URUNC_BINARY, /* these three are mandatory */
    CFG_URUNC_VERSION,
    CFG_URUNC_CMDLINE,
    CFG_URUNC_INITRD,
    CFG_URUNC_BLOCK,
    CFG_URUNC_BLOCK_MOUNT,
    CFG_URUNC_USE_DM_BLOCK, /* until 2025, then called as the next */
    CFG_URUNC_MOUNT_ROOTFS,
    CFG_URUNC_NET_DEVICE,
    CFG_URUNC_BLOCK_DEVICE,
    CFG_URUNC_KEYS
};

/* Their names without the prefix, in that order; ends with NULL. */
extern const char *const cfg_urunc_words[];

/* What one source says, decoded. NULL or empty: nothing. All zero is a valid, empty one. */
struct cfg_urunc {
    char *v[CFG_URUNC_KEYS];
    bool file; /* the source is /urunc.json */
};

/* Take one annotation into account. Those without the prefix are none of urunc's. Values are base64, or, from
 * engines that have decoded them, plain: what decodes to readable text is taken as base64. An unknown name,
 * and one that is not supported, are -EINVAL. */
int cfg_urunc_add(struct cfg_urunc *urunc, const char *key, const char *value, struct rk_err *err);

/* Read the text of /urunc.json: an object whose values are base64; keys without the prefix are labels of the
 * image and mean nothing. Errors name the line or the key. */
int cfg_urunc_parse(struct cfg_urunc *ret_urunc, const char *text, size_t len, struct rk_err *err);

void cfg_urunc_fini(struct cfg_urunc *urunc);

/* Whether it says anything, and whether it says all that it must. */
bool cfg_urunc_is_given(const struct cfg_urunc *urunc);
bool cfg_urunc_is_complete(const struct cfg_urunc *urunc);

/* Set what it says and `annotations` does not yet have. -EINVAL when something mandatory is missing, or a
 * value cannot be; errors name the annotation, or file and key. */
int cfg_urunc_apply(const struct cfg_urunc *urunc, struct cfg_annotations *annotations, struct rk_err *err);

#endif
