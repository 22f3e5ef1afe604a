/* What images made for urunc say: two sources, one decoding, and its translation. */
#include "config/urunc.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"

#define SHOWN 128 /* bytes of a key in an error */

#define KEYS(item)                                                                                           \
    {                                                                                                        \
        [CFG_URUNC_TYPE] = item("unikernelType"), [CFG_URUNC_HYPERVISOR] = item("hypervisor"),               \
        [CFG_URUNC_BINARY] = item("binary"), [CFG_URUNC_VERSION] = item("unikernelVersion"),                 \
        [CFG_URUNC_CMDLINE] = item("cmdline"), [CFG_URUNC_INITRD] = item("initrd"),                          \
        [CFG_URUNC_BLOCK] = item("block"), [CFG_URUNC_BLOCK_MOUNT] = item("blkMntPoint"),                    \
        [CFG_URUNC_USE_DM_BLOCK] = item("useDMBlock"), [CFG_URUNC_MOUNT_ROOTFS] = item("mountRootfs"),       \
        [CFG_URUNC_NET_DEVICE] = item("solo5NetDev"), [CFG_URUNC_BLOCK_DEVICE] = item("solo5BlkDev"),        \
        [CFG_URUNC_KEYS] = NULL                                                                              \
    }
#define NAME(name)       name
#define ANNOTATION(name) "annotation '" CFG_URUNC_PREFIX name "'"
#define IN_FILE(name)    "'" CFG_URUNC_FILE "': '" CFG_URUNC_PREFIX name "'"

const char *const cfg_urunc_words[] = KEYS(NAME);
static const char *const annotation_sources[] = KEYS(ANNOTATION);
static const char *const file_sources[] = KEYS(IN_FILE);

/* What urunc has and runuk does not: files of the host, and devices of other monitors. */
static const char *const unsupported[] = {"bootKernel", "bootInitrd", "vAccel", "RPCAddress", NULL};

static const char *source(const struct cfg_urunc *u, enum cfg_urunc_key key)
{
    return u->file ? file_sources[key] : annotation_sources[key];
}

/* --- values --------------------------------------------------------------------------------------------- */

static int digit(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(alphabet, c) : NULL;
    return p ? (int)(p - alphabet) : -1;
}

/* RFC 4648, section 4, with padding; line ends are skipped. The length, or -1 for what is none; `out` has
 * room for as many bytes as `text`. */
static ptrdiff_t decode_base64(char *out, const char *text)
{
    unsigned bits = 0;
    size_t n = 0, digits = 0, padding = 0;
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r')
            continue;
        int d = digit(*text);
        if (*text == '=')
            padding++;
        else if (d < 0 || padding > 0)
            return -1;
        else if (digits++ % 4 == 0)
            bits = (unsigned)d;
        else {
            bits = bits << 6 | (unsigned)d;
            out[n++] = (char)(bits >> (6 - (digits - 1) % 4 * 2));
        }
    }
    bool whole = (digits + padding) % 4 == 0 && padding <= 2;
    return whole ? (ptrdiff_t)n : -1;
}

/* Whether it is text: UTF-8 without control characters but for tabulators and newlines. */
static bool is_text(const char *data, size_t len)
{
    rk_autojson json_t *utf8 = json_stringn(data, len);
    for (size_t i = 0; utf8 && i < len; i++)
        if (iscntrl((unsigned char)data[i]) && data[i] != '\t' && data[i] != '\n')
            return false;
    return utf8 != NULL;
}

/* The value, decoded. A plain path begins with a slash, which in base64 would begin no text. */
static int set_value(struct cfg_urunc *u, enum cfg_urunc_key key, const char *value, struct rk_err *err)
{
    rk_autofree char *out = calloc(1, strlen(value) + 1);
    if (!out)
        return rk_fail(err, -ENOMEM, "out of memory");
    ptrdiff_t len = decode_base64(out, value);
    bool decoded = len >= 0 && is_text(out, (size_t)len);
    if (u->file && !decoded)
        return rk_fail(err, -EINVAL, "%s: expected text in base64", source(u, key));
    if (decoded)
        out[len] = '\0';
    else
        strcpy(out, value);
    free(u->v[key]);
    u->v[key] = rk_take(out);
    return 0;
}

/* --- the two sources -------------------------------------------------------------------------------------
 */

/* Which key that is; -EINVAL with a text, or -ENOENT for one without the prefix. */
static int find_key(const struct cfg_urunc *u, const char *key, struct rk_err *err)
{
    size_t prefix = strlen(CFG_URUNC_PREFIX), n = 0;
    char shown[SHOWN];
    if (strncmp(key, CFG_URUNC_PREFIX, prefix) != 0)
        return -ENOENT;
    int which = cfg_word_index(cfg_urunc_words, key + prefix);
    if (which >= 0)
        return which;
    for (; n < SHOWN - 1 && key[n]; n++)
        shown[n] = isprint((unsigned char)key[n]) ? key[n] : '?';
    shown[n] = '\0';
    return rk_fail(err, -EINVAL, "%s'%s' is not one that runuk %s",
                   u->file ? "'" CFG_URUNC_FILE "': " : "annotation ", shown,
                   cfg_word_index(unsupported, key + prefix) < 0 ? "knows" : "supports");
}

int cfg_urunc_add(struct cfg_urunc *urunc, const char *key, const char *value, struct rk_err *err)
{
    int which = find_key(urunc, key, err);
    if (which < 0)
        return which == -ENOENT ? 0 : which;
    return set_value(urunc, (enum cfg_urunc_key)which, value, err);
}

static int read_object(struct cfg_urunc *u, json_t *object, struct rk_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        int which = find_key(u, key, err);
        if (which == -ENOENT)
            continue;
        if (which < 0)
            return which;
        if (!json_is_string(value))
            return rk_fail(err, -EINVAL, "%s: expected a string", file_sources[which]);
        int r = set_value(u, (enum cfg_urunc_key)which, json_string_value(value), err);
        if (r < 0)
            return r;
    }
    return 0;
}

int cfg_urunc_parse(struct cfg_urunc *ret_urunc, const char *text, size_t len, struct rk_err *err)
{
    struct cfg_urunc u = {.file = true};
    json_error_t where;
    rk_autojson json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return rk_fail(err, -EINVAL, "'%s': line %d: %s", CFG_URUNC_FILE, where.line, where.text);
    if (!json_is_object(json))
        return rk_fail(err, -EINVAL, "'%s': expected an object", CFG_URUNC_FILE);
    int r = read_object(&u, json, err);
    if (r < 0) {
        cfg_urunc_fini(&u);
        return r;
    }
    *ret_urunc = u;
    return 0;
}

void cfg_urunc_fini(struct cfg_urunc *urunc)
{
    for (size_t i = 0; i < CFG_URUNC_KEYS; i++)
        free(urunc->v[i]);
    *urunc = (struct cfg_urunc){.file = urunc->file};
}

/* --- what they mean ---------------------------------------------------------------------------------------
 */

static bool has(const struct cfg_urunc *u, enum cfg_urunc_key key)
{
    return u->v[key] && *u->v[key];
}

bool cfg_urunc_is_given(const struct cfg_urunc *urunc)
{
    for (int i = 0; i < CFG_URUNC_KEYS; i++)
        if (has(urunc, (enum cfg_urunc_key)i))
            return true;
    return false;
}

bool cfg_urunc_is_complete(const struct cfg_urunc *urunc)
{
    return has(urunc, CFG_URUNC_TYPE) && has(urunc, CFG_URUNC_HYPERVISOR) && has(urunc, CFG_URUNC_BINARY);
}

static int check_complete(const struct cfg_urunc *u, struct rk_err *err)
{
    for (int i = CFG_URUNC_TYPE; i <= CFG_URUNC_BINARY; i++)
        if (!has(u, (enum cfg_urunc_key)i))
            return rk_fail(err, -EINVAL,
                           "%s is missing, which makes the rest of " CFG_URUNC_PREFIX "* nothing",
                           source(u, (enum cfg_urunc_key)i));
    return 0;
}

/* Hand one on, unless the like of it is there. */
static int apply(const struct cfg_urunc *u, enum cfg_urunc_key key, struct cfg_annotations *a,
                 enum cfg_annotation which, const char *value, struct rk_err *err)
{
    if (!has(u, key) || a->source[which])
        return 0;
    return cfg_annotations_set(a, which, value, source(u, key), err);
}

/* A path below the rootfs, which urunc takes with or without its first slash. */
static int apply_path(const struct cfg_urunc *u, enum cfg_urunc_key key, struct cfg_annotations *a,
                      enum cfg_annotation which, struct rk_err *err)
{
    rk_autofree char *path = NULL;
    if (!has(u, key))
        return 0;
    if (asprintf(&path, "%s%s", u->v[key][0] == '/' ? "" : "/", u->v[key]) < 0) {
        path = NULL;
        return rk_fail(err, -ENOMEM, "out of memory");
    }
    if (which == CFG_DISK && strpbrk(path, ",:"))
        return rk_fail(err, -EINVAL, "%s: a path without comma and colon is expected", source(u, key));
    return apply(u, key, a, which, path, err);
}

/* Guests of other VMMs than ours are booted by QEMU, if by anything: their family knows on which machine. */
static const char *monitor_for(const char *hypervisor)
{
    static const char *const by_qemu[] = {"firecracker", "cloud-hypervisor", NULL};
    return cfg_word_index(by_qemu, hypervisor) >= 0 ? "qemu" : hypervisor;
}

/* A truth value as Go's strconv.ParseBool has it. */
static int read_bool(bool *ret, const struct cfg_urunc *u, enum cfg_urunc_key key, struct rk_err *err)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True", NULL};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False", NULL};
    *ret = cfg_word_index(yes, u->v[key]) >= 0;
    if (*ret || cfg_word_index(no, u->v[key]) >= 0)
        return 0;
    return rk_fail(err, -EINVAL, "%s: expected \"true\" or \"false\"", source(u, key));
}

/* Whether the guest gets the container's files, by whatever way there is. */
static int apply_rootfs(const struct cfg_urunc *u, struct cfg_annotations *a, struct rk_err *err)
{
    enum cfg_urunc_key key = has(u, CFG_URUNC_MOUNT_ROOTFS) ? CFG_URUNC_MOUNT_ROOTFS : CFG_URUNC_USE_DM_BLOCK;
    bool wanted = false;
    int r = has(u, key) ? read_bool(&wanted, u, key, err) : 0;
    if (r < 0 || !has(u, key) || a->source[CFG_ROOTFS])
        return r;
    a->rootfs = wanted ? CFG_ROOTFS_ANY : CFG_ROOTFS_NONE;
    if (wanted) /* not to want it needs no permission */
        a->source[CFG_ROOTFS] = source(u, key);
    return 0;
}

/* The manifest of a Solo5 image says how its devices are called: what is said of them elsewhere must only be
 * possible. */
static int check_device(const struct cfg_urunc *u, enum cfg_urunc_key key, struct rk_err *err)
{
    const char *name = u->v[key];
    for (size_t i = 0; has(u, key) && name[i]; i++)
        if (!isalnum((unsigned char)name[i]) || i >= 67)
            return rk_fail(err, -EINVAL, "%s: expected the name of a Solo5 device", source(u, key));
    return 0;
}

static int copy(char **field, const struct cfg_urunc *u, enum cfg_urunc_key key, struct rk_err *err)
{
    free(*field);
    *field = has(u, key) ? strdup(u->v[key]) : NULL;
    return has(u, key) && !*field ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

int cfg_urunc_apply(const struct cfg_urunc *urunc, struct cfg_annotations *annotations, struct rk_err *err)
{
    const struct cfg_urunc *u = urunc;
    struct cfg_annotations *a = annotations;
    bool own_cmdline = a->source[CFG_CMDLINE];
    int r = check_complete(u, err);
    if (r < 0 || (r = apply(u, CFG_URUNC_TYPE, a, CFG_FAMILY, u->v[CFG_URUNC_TYPE], err)) < 0 ||
        (r = apply(u, CFG_URUNC_HYPERVISOR, a, CFG_MONITOR, monitor_for(u->v[CFG_URUNC_HYPERVISOR]), err)) <
            0 ||
        (r = apply_path(u, CFG_URUNC_BINARY, a, CFG_KERNEL, err)) < 0 ||
        (r = apply(u, CFG_URUNC_CMDLINE, a, CFG_CMDLINE, u->v[CFG_URUNC_CMDLINE], err)) < 0 ||
        (r = apply_path(u, CFG_URUNC_INITRD, a, CFG_INITRD, err)) < 0 ||
        (r = apply_path(u, CFG_URUNC_BLOCK, a, CFG_DISK, err)) < 0 || (r = apply_rootfs(u, a, err)) < 0 ||
        (r = check_device(u, CFG_URUNC_NET_DEVICE, err)) < 0 ||
        (r = check_device(u, CFG_URUNC_BLOCK_DEVICE, err)) < 0 ||
        (r = copy(&a->disk_mount, u, CFG_URUNC_BLOCK_MOUNT, err)) < 0 ||
        (r = copy(&a->family_version, u, CFG_URUNC_VERSION, err)) < 0)
        return r;
    a->cmdline_if_bare = !own_cmdline && a->cmdline;
    return 0;
}
