/* The annotations that runuk reads: one table of names, and how the value of each is judged. */
#include "config/annotations.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME_MAX_LEN 32   /* of a family or network mode */
#define CMDLINE_MAX  8192 /* bytes: what Solo5's tenders take, and more than other guests do */
#define SHOWN        80   /* bytes of a value in an error */
#define LIST_SIZE    512

const char *const cfg_annotation_words[] = {
    [CFG_NETWORK_MODE] = "network-mode",
    [CFG_FAMILY] = "family",
    [CFG_MONITOR] = "monitor",
    [CFG_MEMORY_MIB] = "memory-mib",
    [CFG_KERNEL] = "kernel",
    [CFG_CMDLINE] = "cmdline",
    [CFG_MACHINE] = "machine",
    [CFG_INITRD] = "initrd",
    [CFG_DISK] = "disk",
    [CFG_ROOTFS] = "rootfs",
    [CFG_ANNOTATIONS] = NULL,
};

/* Whether it says that the container is a unikernel. */
static const bool for_unikernel[CFG_ANNOTATIONS] = {
    [CFG_FAMILY] = true,  [CFG_MONITOR] = true, [CFG_KERNEL] = true, [CFG_CMDLINE] = true,
    [CFG_MACHINE] = true, [CFG_INITRD] = true,  [CFG_DISK] = true,   [CFG_ROOTFS] = true,
};

static const char *const machines[] = {"microvm", "pc", "q35", NULL};

/* In the order of enum cfg_rootfs, from CFG_ROOTFS_NONE on; CFG_ROOTFS_ANY has no word of ours. */
static const char *const rootfs_words[] = {"none", "initrd", "9p", "disk", NULL};

#define OWN(name) "annotation '" CFG_ANNOTATION_PREFIX name "'"

static const char *const own_sources[CFG_ANNOTATIONS] = {
    [CFG_NETWORK_MODE] = OWN("network-mode"),
    [CFG_FAMILY] = OWN("family"),
    [CFG_MONITOR] = OWN("monitor"),
    [CFG_MEMORY_MIB] = OWN("memory-mib"),
    [CFG_KERNEL] = OWN("kernel"),
    [CFG_CMDLINE] = OWN("cmdline"),
    [CFG_MACHINE] = OWN("machine"),
    [CFG_INITRD] = OWN("initrd"),
    [CFG_DISK] = OWN("disk"),
    [CFG_ROOTFS] = OWN("rootfs"),
};

/* A value as an error can show it: whoever made the image wrote it, and it may end up on a terminal. */
static const char *shown(char out[SHOWN], const char *value)
{
    size_t n = 0;
    for (; n < SHOWN - 1 && value[n]; n++)
        out[n] = isprint((unsigned char)value[n]) ? value[n] : '?';
    out[n] = '\0';
    if (value[n])
        memcpy(out + SHOWN - 4, "...", 4);
    return out;
}

static int wrong(const char *source, const char *expected, const char *value, struct rk_err *err)
{
    char text[SHOWN];
    return rk_fail(err, -EINVAL, "%s: expected %s, not '%s'", source, expected, shown(text, value));
}

static int set_string(char **field, const char *value, struct rk_err *err)
{
    free(*field);
    *field = strdup(value);
    return *field ? 0 : rk_fail(err, -ENOMEM, "out of memory");
}

static int set_name(char **field, const char *value, const char *source, struct rk_err *err)
{
    size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (len == 0 || value[len] || len > NAME_MAX_LEN)
        return wrong(source, "a name", value, err);
    return set_string(field, value, err);
}

/* The index of the value in a list of words. */
static int find_word(const char *const *words, const char *value, const char *source, struct rk_err *err)
{
    char list[LIST_SIZE];
    int index = cfg_word_index(words, value);
    if (index >= 0)
        return index;
    cfg_words_join(list, sizeof list, words);
    return wrong(source, list, value, err);
}

static int set_word(const char **field, const char *const *words, const char *value, const char *source,
                    struct rk_err *err)
{
    int index = find_word(words, value, source, err);
    if (index < 0)
        return index;
    *field = words[index];
    return 0;
}

static int set_rootfs(struct cfg_annotations *a, const char *value, const char *source, struct rk_err *err)
{
    int index = find_word(rootfs_words, value, source, err);
    if (index < 0)
        return index;
    a->rootfs = (enum cfg_rootfs)(CFG_ROOTFS_NONE + index);
    return 0;
}

static int set_memory(struct cfg_annotations *a, const char *value, const char *source, struct rk_err *err)
{
    size_t len = strspn(value, "0123456789");
    long n = len > 0 && len < 10 && !value[len] ? strtol(value, NULL, 10) : 0;
    if (n < 1 || n > CFG_MEMORY_MAX_MIB)
        return wrong(source, "a number of MiB, 1 to 1048576", value, err);
    a->memory_mib = n;
    return 0;
}

/* Whether it names a file inside the container, plainly: absolute, no "..", nothing that could not be shown.
 */
static bool is_path(const char *value)
{
    if (value[0] != '/' || value[strlen(value) - 1] == '/' || strlen(value) >= PATH_MAX)
        return false;
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    for (const char *p = value; *p; p += strcspn(p, "/")) {
        p += strspn(p, "/");
        if (strcspn(p, "/") == 2 && strncmp(p, "..", 2) == 0)
            return false;
    }
    return true;
}

static int set_path(char **field, const char *value, const char *source, struct rk_err *err)
{
    if (!is_path(value))
        return wrong(source, "an absolute path inside the container, without \"..\"", value, err);
    return set_string(field, value, err);
}

static void free_disks(struct cfg_annotations *a)
{
    while (a->disk_count > 0)
        free(a->disks[--a->disk_count].path);
}

/* PATH[:ro|:rw][,…]: no path with a comma, then. */
static int set_disks(struct cfg_annotations *a, const char *value, const char *source, struct rk_err *err)
{
    free_disks(a);
    for (const char *p = value;;) {
        size_t len = strcspn(p, ",");
        bool readonly = len > 3 && strncmp(p + len - 3, ":ro", 3) == 0;
        bool suffix = readonly || (len > 3 && strncmp(p + len - 3, ":rw", 3) == 0);
        rk_autofree char *path = strndup(p, suffix ? len - 3 : len);
        if (!path)
            return rk_fail(err, -ENOMEM, "out of memory");
        if (!is_path(path))
            return wrong(source,
                         "absolute paths inside the container, with commas between them, each with "
                         "\":ro\" behind it or not",
                         value, err);
        if (a->disk_count == CFG_DISKS_MAX)
            return rk_fail(err, -EINVAL, "%s: more than %d disks", source, CFG_DISKS_MAX);
        a->disks[a->disk_count++] = (struct cfg_disk){.path = rk_take(path), .readonly = readonly};
        p += len;
        if (!*p++)
            return 0;
    }
}

static int set_cmdline(struct cfg_annotations *a, const char *value, const char *source, struct rk_err *err)
{
    if (strlen(value) > CMDLINE_MAX)
        return rk_fail(err, -EINVAL, "%s: longer than %d bytes", source, CMDLINE_MAX);
    return set_string(&a->cmdline, value, err);
}

int cfg_annotations_set(struct cfg_annotations *annotations, enum cfg_annotation which, const char *value,
                        const char *source, struct rk_err *err)
{
    int r = 0;
    switch (which) {
    case CFG_NETWORK_MODE:
        r = set_name(&annotations->network_mode, value, source, err);
        break;
    case CFG_FAMILY:
        r = set_name(&annotations->family, value, source, err);
        break;
    case CFG_MONITOR:
        r = set_word(&annotations->monitor, cfg_monitor_words, value, source, err);
        break;
    case CFG_MEMORY_MIB:
        r = set_memory(annotations, value, source, err);
        break;
    case CFG_KERNEL:
        r = set_path(&annotations->kernel, value, source, err);
        break;
    case CFG_CMDLINE:
        r = set_cmdline(annotations, value, source, err);
        break;
    case CFG_MACHINE:
        r = set_word(&annotations->machine, machines, value, source, err);
        break;
    case CFG_INITRD:
        r = set_path(&annotations->initrd, value, source, err);
        break;
    case CFG_DISK:
        r = set_disks(annotations, value, source, err);
        break;
    case CFG_ROOTFS:
        r = set_rootfs(annotations, value, source, err);
        break;
    case CFG_ANNOTATIONS:
        break;
    }
    if (r == 0)
        annotations->source[which] = source;
    return r;
}

int cfg_annotations_add(struct cfg_annotations *annotations, const char *key, const char *value,
                        struct rk_err *err)
{
    char text[SHOWN], list[LIST_SIZE];
    size_t len = strlen(CFG_ANNOTATION_PREFIX);
    if (strncmp(key, CFG_ANNOTATION_PREFIX, len) != 0)
        return 0;
    int which = cfg_word_index(cfg_annotation_words, key + len);
    if (which < 0) {
        cfg_words_join(list, sizeof list, cfg_annotation_words);
        return rk_fail(err, -EINVAL,
                       "annotation '%s' is not one that runuk knows (known, after " CFG_ANNOTATION_PREFIX
                       ": %s)",
                       shown(text, key), list);
    }
    return cfg_annotations_set(annotations, (enum cfg_annotation)which, value, own_sources[which], err);
}

int cfg_annotations_check(const struct cfg_annotations *annotations, struct rk_err *err)
{
    const struct cfg_annotations *a = annotations;
    if (a->initrd && a->rootfs == CFG_ROOTFS_INITRD)
        return rk_fail(err, -EINVAL, "%s and %s: there can be one initrd, a file or the container's files",
                       a->source[CFG_INITRD], a->source[CFG_ROOTFS]);
    if (a->machine && a->monitor && strcmp(a->monitor, "qemu") != 0)
        return rk_fail(err, -EINVAL, "%s is for the monitor 'qemu', and %s is '%s'", a->source[CFG_MACHINE],
                       a->source[CFG_MONITOR], a->monitor);
    return 0;
}

void cfg_annotations_fini(struct cfg_annotations *annotations)
{
    free(annotations->network_mode);
    free(annotations->family);
    free(annotations->kernel);
    free(annotations->cmdline);
    free(annotations->initrd);
    free(annotations->disk_mount);
    free(annotations->family_version);
    free_disks(annotations);
    *annotations = (struct cfg_annotations){.monitor = NULL};
}

const char *cfg_annotations_for_unikernel(const struct cfg_annotations *annotations)
{
    for (size_t i = 0; i < CFG_ANNOTATIONS; i++)
        if (for_unikernel[i] && annotations->source[i])
            return annotations->source[i];
    return NULL;
}
