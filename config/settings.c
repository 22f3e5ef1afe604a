/* The administrator's settings: one table of keys, by which the file is read and every error is named. */
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/annotations.h"
#include "config/line.h"
#include "config/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/json.h"

#define SETTINGS_MAX (1 << 20) /* bytes */
#define LIST_SIZE    512       /* a list of words as text */

enum kind {
    PATH,   /* char *: absolute */
    WORD,   /* char *: one of `words` */
    CHOICE, /* an enum: the index in `words` */
    NUMBER, /* int64_t: min … max */
    WORDS,  /* struct rk_argv: some of `words` */
};

struct key {
    const char *group; /* the object that it is in; NULL: the outermost */
    const char *name;
    enum kind kind;
    size_t offset; /* in struct cfg_settings */
    const char *const *words;
    int64_t min, max;
    const char *expected; /* of a number: in words, where "MIN to MAX" would not do */
};

#define FIELD(name) offsetof(struct cfg_settings, name)

static const char *const accels[] = {"auto", "kvm", "tcg", NULL};
static const char *const policies[] = {"delegate", "pause-only", "refuse", NULL};
static const char *const network_modes[] = {"redirect", "bridge", NULL};

static const struct key keys[] = {
    {NULL, "runc", PATH, FIELD(runc), NULL, 0, 0, NULL},
    {NULL, "monitor_dir", PATH, FIELD(monitor_dir), NULL, 0, 0, NULL},
    {NULL, "qemu", PATH, FIELD(qemu), NULL, 0, 0, NULL},
    {NULL, "network_mode", WORD, FIELD(network_mode), network_modes, 0, 0, NULL},
    {NULL, "accel", WORD, FIELD(accel), accels, 0, 0, NULL},
    {NULL, "cache_dir", PATH, FIELD(cache_dir), NULL, 0, 0, NULL},
    {NULL, "cache_mib", NUMBER, FIELD(cache_mib), NULL, 0, CFG_MEMORY_MAX_MIB, NULL},
    {NULL, "monitors", WORDS, FIELD(monitors), cfg_monitor_words, 1, 0, NULL},
    {NULL, "annotations", WORDS, FIELD(annotations), cfg_annotation_words, 0, 0, NULL},
    {NULL, "memory_mib", NUMBER, FIELD(memory_mib), NULL, 1, CFG_MEMORY_MAX_MIB, NULL},
    {NULL, "memory_max_mib", NUMBER, FIELD(memory_max_mib), NULL, 1, CFG_MEMORY_MAX_MIB, NULL},
    {NULL, "memory_headroom_kib", NUMBER, FIELD(memory_headroom_kib), NULL, -1, INT64_MAX / 1024,
     "-1 or more"},
    {NULL, "uid", NUMBER, FIELD(uid), NULL, 1, UINT32_MAX - 1, "an unprivileged user's, not root's"},
    {NULL, "gid", NUMBER, FIELD(gid), NULL, 1, UINT32_MAX - 1, "an unprivileged group's, not root's"},
    {"policy", "linux", CHOICE, FIELD(policy_linux), policies, 0, 0, NULL},
};

/* What is being read. */
struct reading {
    struct cfg_settings *settings;
    const char *text;
    size_t len;
    struct rk_err *err;
};

/* -EINVAL: the line, the key, and the text. */
__attribute__((format(printf, 4, 5))) static int wrong(const struct reading *r, const char *group,
                                                       const char *name, const char *fmt, ...)
{
    const char *const path[] = {group ? group : name, group ? name : NULL, NULL};
    char text[LIST_SIZE * 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return rk_fail(r->err, -EINVAL, "line %d: %s%s%s: %s", cfg_line_of(r->text, r->len, path),
                   group ? group : "", group ? "." : "", name, text);
}

static int set_string(char **field, const char *value, struct rk_err *err)
{
    free(*field);
    *field = strdup(value);
    return *field ? 0 : rk_fail(err, -ENOMEM, "out of memory");
}

static int read_string(const struct reading *r, const struct key *k, const char *value)
{
    void *field = (char *)r->settings + k->offset;
    char list[LIST_SIZE];
    if (k->kind == PATH) {
        if (value[0] != '/')
            return wrong(r, k->group, k->name, "expected an absolute path");
        return set_string(field, value, r->err);
    }
    int index = cfg_word_index(k->words, value);
    if (index < 0) {
        cfg_words_join(list, sizeof list, k->words);
        return wrong(r, k->group, k->name, "expected %s", list);
    }
    if (k->kind == WORD)
        return set_string(field, value, r->err);
    *(unsigned *)field = (unsigned)index;
    return 0;
}

static int read_words(const struct reading *r, const struct key *k, json_t *array)
{
    struct rk_argv *field = (struct rk_argv *)((char *)r->settings + k->offset);
    char list[LIST_SIZE];
    json_t *v;
    size_t i;
    cfg_words_join(list, sizeof list, k->words);
    json_array_foreach(array, i, v)
    {
        const char *word = json_string_value(v);
        if (!word || cfg_word_index(k->words, word) < 0)
            return wrong(r, k->group, k->name, "expected an array of %s", list);
        if (rk_argv_add(field, word) < 0)
            return rk_fail(r->err, -ENOMEM, "out of memory");
    }
    if ((int64_t)field->n < k->min)
        return wrong(r, k->group, k->name, "expected at least one of %s", list);
    if (field == &r->settings->annotations)
        r->settings->annotations_given = true;
    return 0;
}

static int read_number(const struct reading *r, const struct key *k, const json_t *value)
{
    int64_t n = json_integer_value(value);
    if (n >= k->min && n <= k->max) {
        *(int64_t *)((char *)r->settings + k->offset) = n;
        return 0;
    }
    if (k->expected)
        return wrong(r, k->group, k->name, "expected %s", k->expected);
    return wrong(r, k->group, k->name, "expected %" PRId64 " to %" PRId64, k->min, k->max);
}

static int read_value(const struct reading *r, const struct key *k, json_t *value)
{
    if (json_is_null(value))
        return 0;
    switch (k->kind) {
    case PATH:
    case WORD:
    case CHOICE:
        return json_is_string(value) ? read_string(r, k, json_string_value(value))
                                     : wrong(r, k->group, k->name, "expected a string");
    case WORDS:
        return json_is_array(value) ? read_words(r, k, value)
                                    : wrong(r, k->group, k->name, "expected an array");
    case NUMBER:
        break;
    }
    return json_is_integer(value) ? read_number(r, k, value)
                                  : wrong(r, k->group, k->name, "expected an integer");
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct key *find_key(const char *group, const char *name)
{
    for (size_t i = 0; i < RK_COUNT(keys); i++)
        if (same(keys[i].group, group) && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static bool is_group(const char *name)
{
    for (size_t i = 0; i < RK_COUNT(keys); i++)
        if (same(keys[i].group, name))
            return true;
    return false;
}

/* An object: the outermost (group NULL), or one that it holds. */
static int read_object(const struct reading *r, const char *group, json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const struct key *k = find_key(group, name);
        int code = 0;
        if (k)
            code = read_value(r, k, value);
        else if (group || !is_group(name))
            code = wrong(r, group, name, "unknown key (runuk.json(5) names them all)");
        else if (json_is_object(value))
            code = read_object(r, name, value);
        else if (!json_is_null(value))
            code = wrong(r, NULL, name, "expected an object");
        if (code < 0)
            return code;
    }
    return 0;
}

static int set_defaults(struct cfg_settings *s, struct rk_err *err)
{
    *s = (struct cfg_settings){
        .cache_mib = 2048, .memory_mib = 512, .memory_headroom_kib = -1, .uid = 65534, .gid = 65534};
    if (set_string(&s->cache_dir, "/var/cache/runuk", err) < 0)
        return -ENOMEM;
    if (set_string(&s->monitor_dir, RUNUK_LIBEXECDIR, err) < 0 ||
        set_string(&s->qemu, "/usr/bin/qemu-system-x86_64", err) < 0)
        return -ENOMEM;
    if (set_string(&s->accel, accels[0], err) < 0)
        return -ENOMEM;
    return set_string(&s->network_mode, network_modes[0], err);
}

static int parse(struct cfg_settings *s, const char *text, size_t len, struct rk_err *err)
{
    json_error_t where;
    rk_autojson json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return rk_fail(err, -EINVAL, "line %d: %s", where.line, where.text);
    if (!json_is_object(json))
        return rk_fail(err, -EINVAL, "line 1: expected an object");
    const struct reading reading = {.settings = s, .text = text, .len = len, .err = err};
    return read_object(&reading, NULL, json);
}

int cfg_settings_parse(struct cfg_settings *ret_settings, const char *text, size_t len, struct rk_err *err)
{
    struct cfg_settings s;
    int r = set_defaults(&s, err);
    if (r == 0 && text)
        r = parse(&s, text, len, err);
    if (r < 0) {
        cfg_settings_fini(&s);
        return r;
    }
    *ret_settings = s;
    return 0;
}

int cfg_settings_load(struct cfg_settings *ret_settings, const char *path, struct rk_err *err)
{
    const char *file = path ? path : RUNUK_SYSCONFDIR "/runuk.json";
    rk_autofree char *text = NULL;
    size_t len = 0;
    int r = rk_read_file_at(AT_FDCWD, file, SETTINGS_MAX, &text, &len);
    if (r == -ENOENT && !path) {
        r = cfg_settings_parse(ret_settings, NULL, 0, err);
    } else if (r < 0) {
        errno = -r;
        r = rk_fail_errno(err, "read");
    } else {
        r = cfg_settings_parse(ret_settings, text, len, err);
    }
    return r < 0 ? rk_wrap(err, "settings file '%s'", file) : 0;
}

void cfg_settings_fini(struct cfg_settings *settings)
{
    free(settings->runc);
    free(settings->monitor_dir);
    free(settings->qemu);
    free(settings->network_mode);
    free(settings->accel);
    free(settings->cache_dir);
    rk_argv_fini(&settings->monitors);
    rk_argv_fini(&settings->annotations);
    *settings = (struct cfg_settings){0};
}

static bool has(const struct rk_argv *list, const char *word)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i], word) == 0)
            return true;
    return false;
}

bool cfg_settings_allow_monitor(const struct cfg_settings *settings, const char *name)
{
    return settings->monitors.n == 0 || has(&settings->monitors, name);
}

bool cfg_settings_allow_annotation(const struct cfg_settings *settings, const char *name)
{
    return !settings->annotations_given || has(&settings->annotations, name);
}
