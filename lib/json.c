/* Small helpers over jansson. */
#include "lib/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/err.h"

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

json_t *rk_json_load(const char *text, size_t len, struct rk_err *err)
{
    json_error_t where;
    json_t *json = json_loadb(text, len, 0, &where);
    if (!json && json_error_code(&where) == json_error_numeric_overflow)
        json = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, &where);
    if (!json)
        rk_fail(err, -EINVAL, "line %d: %s", where.line, where.text);
    return json;
}

bool rk_json_number(const json_t *json, int64_t *ret)
{
    if (json_is_integer(json)) {
        *ret = json_integer_value(json);
        return true;
    }
    double d = json_real_value(json); /* 0 for what is none */
    if (!json_is_real(json) || !(d >= -0x1p63) || trunc(d) != d)
        return false;
    *ret = d >= 0x1p63 ? INT64_MAX : (int64_t)d;
    return true;
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
    return rk_json_number(v, ret) ? 0 : wrong(err, where, key, "an integer");
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
