/* Whatever an annotation, a cgroupsPath or a list of CPUs is: it becomes whole words of a property that
 * annotations may set, or a path that stays below its hierarchy, or an error. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "sandbox/systemd/unit.h"
#include "tests/fuzz/promise.h"

static void check_annotation(const char *name, const char *value)
{
    struct rk_argv words = {0};
    struct rk_err err = {0};
    char *key = malloc(strlen(name) + 32);
    PROMISE(key != NULL);
    strcpy(key, "org.systemd.property.");
    strcat(key, name);
    int r = unit_annotation(&words, key, value, &err);
    PROMISE(r == 0 || (err.code == r && err.text[0] && (r == -EPERM || r == -EINVAL)));
    if (r == 0) {
        PROMISE(words.n >= 3 && strstr(words.v[0], "Slice") == NULL && strstr(words.v[0], "Action") == NULL);
        bool array = words.v[1][0] == 'a';
        PROMISE(words.n == 3 + (array ? (size_t)atoi(words.v[2]) : 0));
    }
    rk_argv_fini(&words);
    free(key);
}

static void check_place(const char *path, bool user)
{
    struct unit_place place;
    struct rk_err err = {0};
    int r = unit_place_read(&place, path, "id", user, &err);
    PROMISE(r == 0 || (err.code == r && err.text[0]));
    if (r < 0)
        return;
    PROMISE(place.path[0] && place.path[0] != '/' && !strchr(place.name, '/'));
    PROMISE(strcmp(place.path, "..") != 0 && strncmp(place.path, "../", 3) != 0 &&
            !strstr(place.path, "/../"));
    size_t path_len = strlen(place.path), name_len = strlen(place.name);
    PROMISE(path_len >= name_len && strcmp(place.path + path_len - name_len, place.name) == 0);
}

static void check_mask(const char *list)
{
    struct rk_argv words = {0};
    struct rk_err err = {0};
    int r = unit_mask(&words, "AllowedCPUs", list, &err);
    PROMISE(r == 0 ? words.n == 3 + (size_t)atoi(words.v[2]) : err.code == r && err.text[0] != '\0');
    rk_argv_fini(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    PROMISE(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    check_place(text, false);
    check_place(text, true);
    check_mask(text);
    char *newline = strchr(text, '\n');
    if (newline) {
        *newline = '\0';
        check_annotation(text, newline + 1);
    }
    free(text);
    return 0;
}
