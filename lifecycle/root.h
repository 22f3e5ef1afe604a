/* The container's files, packed for a guest in QEMU. */
#ifndef CTR_ROOT_H
#define CTR_ROOT_H

#include "lifecycle/plan.h"

struct cfg_annotations;

/* For a guest whose process 1 is ours: all of them, as its initial ram disk, or as a disk when the annotation
 * says so or they are too large for the guest's memory. With an initial ram disk of the image's own: as the
 * disk that is its root. */
int ctr_root_pack(struct ctr_plan *plan, const struct bnd_image *image, const struct hv_host *host,
                  const struct cfg_annotations *wishes, struct rk_err *err);

/* The small initial ram disk by which our process 1 gets to files that are elsewhere. */
int ctr_root_add_way_in(struct ctr_plan *plan, const struct hv_host *host, struct rk_err *err);

/* For a guest that mounts disks as it is told: each directory at the top that has files in it, beside the
 * image itself, as a disk of its own. Those of the kernel (/dev, /proc, /sys) and /tmp are the guest's, and
 * where there is a volume there is nothing of the image's. In /etc, where the image has one, are the engine's
 * files, too. */
int ctr_root_pack_directories(struct ctr_plan *plan, const struct bnd_image *image,
                              const struct hv_host *host, const struct cfg_annotations *wishes,
                              struct rk_err *err);

#endif
