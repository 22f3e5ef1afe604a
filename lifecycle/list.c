/* list: the containers under the state root, runc's among them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/flags.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lifecycle/call.h"
#include "lifecycle/summary.h"

static const char *const columns[] = {"id", "pid", "status", "bundle", "created", "owner"};
static const char *const titles[] = {"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"};

/* Append our containers; *ret_others says whether there are directories that are not ours. */
static int collect_ours(const struct ctr_store *store, json_t *array, bool *ret_others, struct rk_err *err)
{
    *ret_others = false;
    if (store->fd < 0)
        return 0;
    int copy = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *root = copy < 0 ? NULL : fdopendir(copy);
    if (!root)
        return rk_fail_errno(err, "list state root '%s'", store->path);
    for (struct dirent *e; (e = readdir(root));) {
        if (e->d_name[0] == '.' || e->d_type != DT_DIR)
            continue;
        rk_autoclose int dir = -1;
        struct ctr_record *record = NULL;
        struct rk_err one;
        if (!ctr_store_has(store, e->d_name))
            *ret_others = true;
        else if (ctr_store_get(&dir, &record, store, e->d_name, false, &one) == 0)
            json_array_append_new(array, ctr_summary(record, true));
        else if (one.code != -ENOENT) /* deleted while we looked is no error */
            fprintf(stderr, "runuk: %s\n", one.text);
        ctr_record_free(record);
    }
    closedir(root);
    return 0;
}

/* Append what runc lists. That there is no runc, or none that answers, leaves our own list whole. */
static void collect_runc(const struct ctr_call *call, json_t *array)
{
    char list[] = "list", format[] = "--format=json";
    char *const args[] = {list, format, NULL};
    rk_autofree char *text = NULL;
    struct rk_err ignored;
    if (ctr_runc_output(&text, call, args, &ignored) < 0)
        return;
    rk_autojson json_t *theirs = json_loads(text, 0, NULL);
    if (json_is_array(theirs))
        json_array_extend(array, theirs);
}

static int by_id(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;
    const char *s = json_string_value(json_object_get(*x, "id")),
               *t = json_string_value(json_object_get(*y, "id"));
    return strcmp(s ? s : "", t ? t : "");
}

static json_t *sorted(json_t *array)
{
    size_t n = json_array_size(array);
    json_t **items = calloc(n + 1, sizeof *items), *out = json_array();
    for (size_t i = 0; items && i < n; i++)
        items[i] = json_array_get(array, i);
    if (items)
        qsort(items, n, sizeof *items, by_id);
    for (size_t i = 0; items && i < n; i++)
        json_array_append(out, items[i]);
    free(items);
    return out;
}

static void cell_text(char out[4096], json_t *item, const char *key)
{
    json_t *v = json_object_get(item, key);
    if (json_is_integer(v))
        snprintf(out, 4096, "%lld", (long long)json_integer_value(v));
    else
        snprintf(out, 4096, "%s", json_string_value(v) ? json_string_value(v) : "");
}

/* runc's table: cells at least 12 wide, three blanks between columns. */
static void print_table(json_t *array)
{
    size_t width[RK_COUNT(columns)], i;
    char text[4096];
    json_t *item;
    for (size_t c = 0; c < RK_COUNT(columns); c++) {
        width[c] = strlen(titles[c]) + 3 < 12 ? 12 : strlen(titles[c]) + 3;
        json_array_foreach(array, i, item)
        {
            cell_text(text, item, columns[c]);
            if (strlen(text) + 3 > width[c])
                width[c] = strlen(text) + 3;
        }
    }
    for (size_t c = 0; c < RK_COUNT(columns); c++)
        printf("%-*s", c + 1 < RK_COUNT(columns) ? (int)width[c] : 0, titles[c]);
    putchar('\n');
    json_array_foreach(array, i, item)
    {
        for (size_t c = 0; c < RK_COUNT(columns); c++) {
            cell_text(text, item, columns[c]);
            printf("%-*s", c + 1 < RK_COUNT(columns) ? (int)width[c] : 0, text);
        }
        putchar('\n');
    }
}

static int print(json_t *array, const char *format, bool quiet, struct rk_err *err)
{
    if (quiet) {
        json_t *item;
        size_t i;
        json_array_foreach(array, i, item) puts(json_string_value(json_object_get(item, "id")));
    } else if (strcmp(format, "table") == 0) {
        print_table(array);
    } else if (strcmp(format, "json") == 0) {
        rk_autofree char *text = json_array_size(array) ? json_dumps(array, JSON_COMPACT) : strdup("null");
        puts(text ? text : "null"); /* runc prints null for none */
    } else {
        return rk_fail(err, -EINVAL, "invalid format option: %s", format);
    }
    return 0;
}

int ctr_list_verb(struct ctr_call *call, struct rk_err *err)
{
    const char *format = "table";
    bool quiet = false, others;
    const struct cfg_flag flags[] = {
        {"format", 'f', CFG_STRING, &format, "\"table\" (default) or \"json\""},
        {"quiet", 'q', CFG_BOOL, &quiet, "only ids"},
        {NULL, 0, CFG_BOOL, NULL, NULL},
    };
    int r = ctr_call_parse(call, flags, NULL, 0, 0, err);
    if (r != 0)
        return r < 0 ? r : 0;
    rk_autojson json_t *array = json_array();
    if ((r = collect_ours(&call->store, array, &others, err)) < 0)
        return r;
    if (others || !call->global->root)
        collect_runc(call, array);
    rk_autojson json_t *all = sorted(array);
    return print(all, format, quiet, err);
}
