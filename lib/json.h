/* Small helpers over jansson: typed look-ups whose errors name the key. */
#ifndef RK_JSON_H
#define RK_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/argv.h"

struct rk_err;

static inline void rk_json_decref_auto(json_t **json)
{
    json_decref(*json);
}

#define rk_autojson __attribute__((cleanup(rk_json_decref_auto)))

/* The value of a text, the caller's; NULL after an error, whose text names the line. Integers beyond 64 bits
 * with sign, which engines write for "unlimited" (18446744073709551615), make all numbers of the text real
 * ones, which rk_json_int and rk_json_number take as well. */
json_t *rk_json_load(const char *text, size_t len, struct rk_err *err);

/* An integer, or a real number that is one: true, with *ret filled; what is above INT64_MAX becomes that. */
bool rk_json_number(const json_t *json, int64_t *ret);

/* Each looks `key` up in the object `json` (NULL counts as empty). Absent or null: 0 is returned and *ret is
 * left as it is. A wrong type is -EINVAL, with a text that names `where` and the key. Strings and objects are
 * borrowed from `json`. */
int rk_json_string(json_t *json, const char *where, const char *key, const char **ret, struct rk_err *err);
int rk_json_strdup(json_t *json, const char *where, const char *key, char **ret, struct rk_err *err);
int rk_json_bool(json_t *json, const char *where, const char *key, bool *ret, struct rk_err *err);
int rk_json_int(json_t *json, const char *where, const char *key, int64_t *ret, struct rk_err *err);
int rk_json_object(json_t *json, const char *where, const char *key, json_t **ret, struct rk_err *err);
int rk_json_array(json_t *json, const char *where, const char *key, json_t **ret, struct rk_err *err);
/* Appends the strings of the array to *ret. */
int rk_json_strings(json_t *json, const char *where, const char *key, struct rk_argv *ret,
                    struct rk_err *err);

/* A new array of strings; NULL without memory or when a string is no UTF-8. */
json_t *rk_json_from_argv(const struct rk_argv *argv);

#endif
