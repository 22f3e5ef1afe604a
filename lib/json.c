/* Small helpers over jansson. */
#include "lib/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"

/* How many bytes from `p` on are those of a number. */
static size_t number_length(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && p[n] && strchr("0123456789+-.eE", p[n]))
        n++;
    return n;
}

/* Whether the number is an integer that int64_t cannot hold. */
static bool is_huge(const char *number, size_t len)
{
    char text[24];
    if (memchr(number, '.', len) || memchr(number, 'e', len) || memchr(number, 'E', len))
        return false;
    if (len >= sizeof text)
        return true;
    memcpy(text, number, len);
    text[len] = '\0';
    errno = 0;
    strtoll(text, NULL, 10);
    return errno == ERANGE;
}

/* A copy in which such integers have a fraction, and so are read as real numbers; *len becomes its length.
 * NULL without memory. */
static char *mark_huge_integers(const char *text, size_t *len)
{
    const char *end = text + *len;
    char *copy = malloc(*len * 2); /* what gets two bytes more is longer than two */
    bool in_string = false;
    size_t n = 0;
    for (const char *p = text; copy && p < end;) {
        size_t count = in_string ? 0 : number_length(p, end);
        bool huge = count > 0 && is_huge(p, count);
        if (count == 0)
            count = in_string && *p == '\\' && p + 1 < end ? 2 : 1;
        if (*p == '"')
            in_string = !in_string;
        memcpy(copy + n, p, count);
        n += count;
        p += count;
        if (huge) {
            memcpy(copy + n, ".0", 2);
            n += 2;
        }
    }
    *len = n;
    return copy;
}

json_t *rk_json_load(const char *text, size_t len, json_error_t *ret_where)
{
    json_t *json = json_loadb(text, len, 0, ret_where);
    if (json || json_error_code(ret_where) != json_error_numeric_overflow)
        return json;
    rk_autofree char *copy = mark_huge_integers(text, &len);
    return copy ? json_loadb(copy, len, 0, ret_where) : NULL;
}

/* The value, or NULL when it is absent or null. */
static json_t *lookup(json_t *json, const char *key)
{
    json_t *v = json_object_get(json, key);
    return json_is_null(v) ? NULL : v;
}

static int wrong(struct rk_err *err, const char *where, const char *key, const char *expected)
{
    return rk_fail(err, -EINVAL, "%s%s%s: expected %s", where, *where ? "." : "", key, expected);
}

int rk_json_string(json_t *json, const char *where, const char *key, const char **ret, struct rk_err *err)
{
    json_t *v = lookup(json, key);
    if (!v)
        return 0;
    if (!json_is_string(v))
        return wrong(err, where, key, "a string");
    *ret = json_string_value(v);
    return 0;
}

int rk_json_strdup(json_t *json, const char *where, const char *key, char **ret, struct rk_err *err)
{
    const char *s = NULL;
    int r = rk_json_string(json, where, key, &s, err);
    if (r < 0 || !s)
        return r;
    *ret = strdup(s);
    return *ret ? 0 : rk_fail(err, -ENOMEM, "out of memory");
}

int rk_json_bool(json_t *json, const char *where, const char *key, bool *ret, struct rk_err *err)
{
    json_t *v = lookup(json, key);
    if (!v)
        return 0;
    if (!json_is_boolean(v))
        return wrong(err, where, key, "true or false");
    *ret = json_is_true(v);
    return 0;
}

int rk_json_int(json_t *json, const char *where, const char *key, int64_t *ret, struct rk_err *err)
{
    json_t *v = lookup(json, key);
    if (!v)
        return 0;
    if (!json_is_integer(v))
        return wrong(err, where, key, "an integer");
    *ret = json_integer_value(v);
    return 0;
}

int rk_json_object(json_t *json, const char *where, const char *key, json_t **ret, struct rk_err *err)
{
    json_t *v = lookup(json, key);
    if (!v)
        return 0;
    if (!json_is_object(v))
        return wrong(err, where, key, "an object");
    *ret = v;
    return 0;
}

int rk_json_array(json_t *json, const char *where, const char *key, json_t **ret, struct rk_err *err)
{
    json_t *v = lookup(json, key);
    if (!v)
        return 0;
    if (!json_is_array(v))
        return wrong(err, where, key, "an array");
    *ret = v;
    return 0;
}

int rk_json_strings(json_t *json, const char *where, const char *key, struct rk_argv *ret, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(json, where, key, &array, err);
    if (r < 0)
        return r;
    json_array_foreach(array, i, v)
    {
        if (!json_is_string(v))
            return wrong(err, where, key, "an array of strings");
        if (rk_argv_add(ret, json_string_value(v)) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

json_t *rk_json_from_argv(const struct rk_argv *argv)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < argv->n; i++) {
        if (json_array_append_new(array, json_string(argv->v[i])) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}
