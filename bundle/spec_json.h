/* The parts of the config.json reader that have a file of their own: the process, hooks, and the linux
 * object. */
#ifndef BND_SPEC_JSON_H
#define BND_SPEC_JSON_H

#include "bundle/spec.h"
#include "lib/json.h"

/* Fill args, env and cwd from root.process; and all else that is in it. Errors name the key. */
int bnd_spec_read_entry(struct bnd_spec *spec, json_t *root, struct rk_err *err);
int bnd_spec_read_process(struct bnd_spec *spec, json_t *root, struct rk_err *err);

/* Of the process object: fill scheduler and io_priority. */
int bnd_spec_read_scheduler(struct bnd_spec *spec, json_t *process, struct rk_err *err);

/* Fill spec->hooks from root.hooks; spec->namespaces, id maps, sysctls, cgroups_path and resources from
 * root.linux. Errors name the key. */
int bnd_spec_read_hooks(struct bnd_spec *spec, json_t *root, struct rk_err *err);
int bnd_spec_read_linux(struct bnd_spec *spec, json_t *root, struct rk_err *err);

/* linux.resources alone, as `update` gets it too: absent members leave what is in *res. `json` NULL counts as
 * empty. */
void bnd_resources_init(struct bnd_resources *res);
void bnd_resources_fini(struct bnd_resources *res);
int bnd_resources_read(struct bnd_resources *res, json_t *json, struct rk_err *err);

/* One list of hooks, as the specification writes it, and back: state.json keeps those that later verbs run.
 */
int bnd_hooks_read_list(struct bnd_hook_list *ret_list, json_t *hooks, const char *key, struct rk_err *err);
json_t *bnd_hooks_to_json(const struct bnd_hook_list *list);

void bnd_hooks_fini(struct bnd_hooks *hooks);

#endif
