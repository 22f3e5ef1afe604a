/* What a container's annotations ask for, as far as the settings let them. */
#ifndef CTR_WISHES_H
#define CTR_WISHES_H

#include <stdbool.h>

#include "bundle/files.h"
#include "config/annotations.h"
#include "config/settings.h"

struct rk_err;

struct hv_monitor;

/* Whether it is the container that holds a pod's namespaces, by what containerd's CRI plugin or CRI-O say of
 * it. */
bool ctr_is_sandbox(const struct bnd_spec *spec);

/* Read and judge them. A pod's sandbox has none: those that it bears are its pod's. On success *ret_wishes is
 * the caller's, to be given back with cfg_annotations_fini. Errors name the annotation. */
int ctr_wishes_read(struct cfg_annotations *ret_wishes, const struct bnd_files *files,
                    const struct cfg_settings *settings, struct rk_err *err);

/* After the search for a unikernel found none: -EINVAL when an annotation says that there is one, else 0. */
int ctr_wishes_check_ordinary(const struct cfg_annotations *wishes, const struct bnd_spec *spec,
                              struct rk_err *err);

/* Whether the monitor that was chosen can do what is asked of it: -ENOTSUP names the annotation. */
int ctr_wishes_check_monitor(const struct cfg_annotations *wishes, const struct hv_monitor *monitor,
                             struct rk_err *err);

/* Guest memory of at least `least` bytes: what the annotation asks for, if it fits in the container's limit
 * and the monitor gives it, else what hv_memory_size says (also of `held`). */
int ctr_wishes_memory(uint64_t *ret_memory, const struct cfg_annotations *wishes,
                      const struct cfg_settings *settings, const struct hv_monitor *monitor, uint64_t least,
                      uint64_t held, int64_t limit, struct rk_err *err);

#endif
