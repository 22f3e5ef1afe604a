/* Annotations "org.systemd.property.NAME" as properties of the container's unit: GVariant's text, for the
 * properties that an annotation may set. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/systemd/unit.h"

#define PREFIX     "org.systemd.property."
#define VALUE_MAX  4096 /* bytes of an annotation's value */
#define STRING_MAX 1024

/* What an annotation may set, with the D-Bus type that systemd expects (org.freedesktop.systemd1(5)). They
 * restrict the unit, or say in which order it ends among others; none starts, stops or pulls in anything
 * else, none names a file, none lifts a limit. */
static const struct property {
    const char *name, *signature;
} properties[] = {
    {"After", "as"},          {"Before", "as"},
    {"CollectMode", "s"},     {"DefaultDependencies", "b"},
    {"Documentation", "as"},  {"KillMode", "s"},
    {"KillSignal", "i"},      {"ManagedOOMMemoryPressure", "s"},
    {"ManagedOOMSwap", "s"},  {"MemoryHigh", "t"},
    {"OOMPolicy", "s"},       {"RuntimeMaxUSec", "t"},
    {"SendSIGHUP", "b"},      {"SendSIGKILL", "b"},
    {"TimeoutStopUSec", "t"},
};

/* A text under way: GVariant's grammar (gvariant-text-format), as far as the types above need it. */
struct text {
    const char *p;
};

static void skip_blanks(struct text *t)
{
    t->p += strspn(t->p, " \t\n");
}

static bool take(struct text *t, const char *token)
{
    size_t len = strlen(token);
    skip_blanks(t);
    if (strncmp(t->p, token, len) != 0)
        return false;
    t->p += len;
    return true;
}

/* A type in front of a value, "uint64 5" or "@as []": skipped when it is one that `signature` can be made of.
 * runc hands the types of numbers on as they are; here the property decides. */
static bool take_type(struct text *t, const char *signature)
{
    static const char *const numbers[] = {"byte ",   "int16 ", "uint16 ", "int32 ",
                                          "uint32 ", "int64 ", "uint64 ", "handle "};
    if (take(t, "@")) {
        size_t len = strcspn(t->p, " \t\n");
        bool array = signature[0] == 'a', number = strchr("it", signature[0]);
        bool fits = number ? len == 1 && strchr("ynqiuxt", *t->p)
                           : len == strlen(signature) && strncmp(t->p, signature, len) == 0;
        t->p += len;
        return fits && (array || *t->p);
    }
    if (signature[0] == 's')
        take(t, "string ");
    else if (signature[0] == 'b')
        take(t, "boolean ");
    for (size_t i = 0; strchr("it", signature[0]) && i < RK_COUNT(numbers); i++)
        if (take(t, numbers[i]))
            break;
    return true;
}

static bool read_bool(struct text *t, char *ret)
{
    bool yes = take(t, "true");
    strcpy(ret, yes ? "true" : "false");
    return yes || take(t, "false");
}

/* `seconds`: the value is in them, and microseconds are wanted; fractions down to those, "1.5". */
static bool read_number(struct text *t, bool seconds, uint64_t most, char *ret)
{
    char *end;
    skip_blanks(t);
    if (*t->p < '0' || *t->p > '9')
        return false;
    errno = 0;
    uint64_t n = strtoull(t->p, &end, 0), unit = 100000;
    if (errno || (seconds && n > most / 1000000))
        return false;
    t->p = end;
    if (seconds) {
        n *= 1000000;
        if (*t->p == '.')
            for (t->p++; *t->p >= '0' && *t->p <= '9'; t->p++, unit /= 10)
                n += (uint64_t)(*t->p - '0') * unit;
    }
    snprintf(ret, 24, "%" PRIu64, n);
    return n <= most;
}

/* 'text' or "text"; a backslash takes the next character as it is, and escapes of control characters are
 * refused. */
static bool read_string(struct text *t, char *ret)
{
    size_t used = 0;
    skip_blanks(t);
    char quote = *t->p;
    if (quote != '\'' && quote != '"')
        return false;
    for (t->p++; *t->p && *t->p != quote; t->p++) {
        if (*t->p == '\\' && (!t->p[1] || !strchr("\\'\"", *++t->p)))
            return false;
        if (used + 1 >= STRING_MAX || (unsigned char)*t->p < ' ')
            return false;
        ret[used++] = *t->p;
    }
    ret[used] = '\0';
    return *t->p && *t->p++ == quote;
}

/* Strings in brackets, appended to `list`. */
static bool read_array(struct text *t, struct rk_argv *list)
{
    char s[STRING_MAX];
    if (!take(t, "["))
        return false;
    while (!take(t, "]")) {
        if ((list->n > 0 && !take(t, ",")) || !read_string(t, s) || rk_argv_add(list, s) < 0)
            return false;
    }
    return true;
}

/* The value as words. False when it is no such value, or without memory. */
static bool read_value(struct rk_argv *words, const struct property *property, bool seconds,
                       const char *value)
{
    rk_autoargv struct rk_argv list = {0};
    struct text t = {.p = value};
    char scalar[STRING_MAX];
    bool good = take_type(&t, property->signature);
    switch (property->signature[0]) {
    case 'a':
        good = good && read_array(&t, &list);
        break;
    case 'b':
        good = good && read_bool(&t, scalar);
        break;
    case 's':
        good = good && read_string(&t, scalar);
        break;
    default:
        good =
            good && read_number(&t, seconds, property->signature[0] == 'i' ? INT32_MAX : UINT64_MAX, scalar);
    }
    skip_blanks(&t);
    if (!good || *t.p)
        return false;
    if (property->signature[0] == 'a')
        snprintf(scalar, sizeof scalar, "%zu", list.n);
    if (rk_argv_add(words, property->name) < 0 || rk_argv_add(words, property->signature) < 0 ||
        rk_argv_add(words, scalar) < 0)
        return false;
    for (size_t i = 0; i < list.n; i++)
        if (rk_argv_add(words, list.v[i]) < 0)
            return false;
    return true;
}

/* "TimeoutStopSec" is systemd's word in unit files; on the bus it is TimeoutStopUSec. */
static const struct property *find(const char *name, bool *ret_seconds)
{
    char text[64];
    size_t len = strlen(name);
    *ret_seconds = len > 4 && len < sizeof text - 2 && strcmp(name + len - 3, "Sec") == 0 &&
                   name[len - 4] >= 'a' && name[len - 4] <= 'z';
    if (*ret_seconds) {
        snprintf(text, sizeof text, "%.*sUSec", (int)len - 3, name);
        name = text;
    }
    for (size_t i = 0; i < RK_COUNT(properties); i++)
        if (strcmp(properties[i].name, name) == 0)
            return &properties[i];
    return NULL;
}

int unit_annotation(struct rk_argv *words, const char *key, const char *value, struct rk_err *err)
{
    bool seconds;
    if (strncmp(key, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    const struct property *property = find(key + strlen(PREFIX), &seconds);
    if (!property)
        return rk_fail(err, -EPERM, "annotation '%.128s': no annotation may set that property of a unit",
                       key);
    if (strlen(value) > VALUE_MAX || !read_value(words, property, seconds, value))
        return rk_fail(err, -EINVAL, "annotation '%s': '%.64s' is no GVariant text of the type '%s'", key,
                       value, seconds ? "d" : property->signature);
    return 0;
}
