/* Hooks: from config.json and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/spec_json.h"
#include "lib/cleanup.h"
#include "lib/err.h"

static int read_hook(struct bnd_hook *hook, json_t *json, const char *where, struct rk_err *err)
{
    int64_t timeout = 0;
    int r;
    if (!json_is_object(json))
        return rk_fail(err, -EINVAL, "%s: expected an object", where);
    if ((r = rk_json_strdup(json, where, "path", &hook->path, err)) < 0 ||
        (r = rk_json_strings(json, where, "args", &hook->args, err)) < 0 ||
        (r = rk_json_strings(json, where, "env", &hook->env, err)) < 0 ||
        (r = rk_json_int(json, where, "timeout", &timeout, err)) < 0)
        return r;
    hook->env_given = json_is_array(json_object_get(json, "env"));
    if (!hook->path || hook->path[0] != '/')
        return rk_fail(err, -EINVAL, "%s.path: expected an absolute path", where);
    if (json_object_get(json, "timeout") && (timeout <= 0 || timeout > 86400 * 365))
        return rk_fail(err, -EINVAL, "%s.timeout: expected seconds, more than 0", where);
    hook->timeout_s = (int)timeout;
    return 0;
}

int bnd_hooks_read_list(struct bnd_hook_list *ret_list, json_t *hooks, const char *key, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(hooks, "hooks", key, &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    ret_list->v = calloc(json_array_size(array), sizeof *ret_list->v);
    if (!ret_list->v)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        char where[64];
        snprintf(where, sizeof where, "hooks.%s[%zu]", key, i);
        ret_list->n = i + 1;
        if ((r = read_hook(&ret_list->v[i], v, where, err)) < 0)
            return r;
    }
    return 0;
}

json_t *bnd_hooks_to_json(const struct bnd_hook_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->n; i++) {
        const struct bnd_hook *h = &list->v[i];
        json_t *o = json_object();
        json_object_set_new(o, "path", json_string(h->path));
        json_object_set_new(o, "args", rk_json_from_argv(&h->args));
        if (h->env_given)
            json_object_set_new(o, "env", rk_json_from_argv(&h->env));
        if (h->timeout_s)
            json_object_set_new(o, "timeout", json_integer(h->timeout_s));
        json_array_append_new(array, o);
    }
    return array;
}

int bnd_spec_read_hooks(struct bnd_spec *spec, json_t *root, struct rk_err *err)
{
    json_t *hooks = NULL;
    struct bnd_hooks *h = &spec->hooks;
    int r;
    if ((r = rk_json_object(root, "", "hooks", &hooks, err)) < 0 ||
        (r = bnd_hooks_read_list(&h->prestart, hooks, "prestart", err)) < 0 ||
        (r = bnd_hooks_read_list(&h->create_runtime, hooks, "createRuntime", err)) < 0 ||
        (r = bnd_hooks_read_list(&h->create_container, hooks, "createContainer", err)) < 0 ||
        (r = bnd_hooks_read_list(&h->start_container, hooks, "startContainer", err)) < 0 ||
        (r = bnd_hooks_read_list(&h->poststart, hooks, "poststart", err)) < 0)
        return r;
    return bnd_hooks_read_list(&h->poststop, hooks, "poststop", err);
}

static void fini_list(struct bnd_hook_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->v[i].path);
        rk_argv_fini(&list->v[i].args);
        rk_argv_fini(&list->v[i].env);
    }
    free(list->v);
    *list = (struct bnd_hook_list){0};
}

void bnd_hooks_fini(struct bnd_hooks *hooks)
{
    fini_list(&hooks->prestart);
    fini_list(&hooks->create_runtime);
    fini_list(&hooks->create_container);
    fini_list(&hooks->start_container);
    fini_list(&hooks->poststart);
    fini_list(&hooks->poststop);
}
