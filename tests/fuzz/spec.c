/* Whatever config.json holds: the reader refuses it with a reason, or hands out what its header promises. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/spec.h"
#include "lib/err.h"
#include "tests/fuzz/promise.h"

static void check_hooks(const struct bnd_hook_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        PROMISE(list->v[i].path && list->v[i].path[0] == '/');
        PROMISE(list->v[i].timeout_s >= 0);
        PROMISE(list->v[i].env_given || list->v[i].env.n == 0);
    }
}

static void check_linux(const struct bnd_spec *spec)
{
    for (size_t i = 0; i < spec->namespace_count; i++) {
        const struct bnd_namespace *ns = &spec->namespaces[i];
        PROMISE(ns->flag && bnd_spec_namespace(spec, ns->flag) == ns);
        PROMISE(!ns->path || ns->path[0] == '/');
    }
    for (size_t i = 0; i < spec->resources.device_count; i++) {
        const struct bnd_device_rule *rule = &spec->resources.devices[i];
        PROMISE(rule->type && strchr("acbp", rule->type));
        PROMISE(rule->read || rule->write || rule->mknod);
    }
}

static void check(const struct bnd_spec *spec)
{
    PROMISE(strcmp(spec->bundle, "/bundle") == 0);
    PROMISE(spec->oci_version && spec->root_path && spec->root_path[0] == '/');
    PROMISE(spec->args.n > 0 && spec->args.v[0] && !spec->args.v[spec->args.n] && spec->cwd);
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct bnd_mount *m = &spec->mounts[i];
        PROMISE(m->destination && *m->destination);
        PROMISE(!m->bind || !m->source || m->source[0] == '/');
    }
    const struct bnd_hooks *h = &spec->hooks;
    const struct bnd_hook_list *lists[] = {&h->prestart,        &h->create_runtime, &h->create_container,
                                           &h->start_container, &h->poststart,      &h->poststop};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        check_hooks(lists[i]);
    check_linux(spec);
    for (size_t i = 0; i < spec->annotation_count; i++)
        PROMISE(bnd_spec_annotation(spec, spec->annotations[i].key) == spec->annotations[i].value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bnd_spec *spec = NULL;
    struct rk_err err = {0};
    char *text = malloc(size ? size : 1);
    PROMISE(text);
    if (size)
        memcpy(text, data, size);
    int r = bnd_spec_parse(&spec, "/bundle", text, size, &err);
    free(text);
    PROMISE(r == 0 || r == -EINVAL);
    PROMISE(r == 0 ? spec && err.code == 0 : !spec && err.code == r && err.text[0]);
    if (spec)
        check(spec);
    bnd_spec_free(spec);
    return 0;
}
