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

/* JSON of which others are the authors: as json_loadb reads it, but an integer beyond 64 bits with a sign,
 * such as the 18446744073709551615 that engines write for "no limit", becomes a real number (jansson alone
 * gives the whole text up). NULL for what is no JSON or without memory; *ret_where then tells the line. */
json_t *rk_json_load(const char *text, size_t len, json_error_t *ret_where);

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
