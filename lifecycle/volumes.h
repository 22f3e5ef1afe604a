/* A QEMU guest's disks: what annotations name, and the volumes of the container. */
#ifndef CTR_VOLUMES_H
#define CTR_VOLUMES_H

#include "lifecycle/plan.h"

struct cfg_annotations;

/* Open them, in the slots and the record of the plan: first the disks of the annotation, then every bind
 * mount that is a regular file or a block device, unless engines put such a file into every container. A
 * guest with an init of ours gets as a file what is no file system. A directory is an error, since the
 * guest would not see it. */
int ctr_volumes_open(struct ctr_plan *plan, const struct bnd_image *image,
                     const struct cfg_annotations *wishes, struct rk_err *err);

/* One more disk, in the next slot: takes *fd over. The guest mounts it at `destination`, unless that is NULL;
 * below /dev it only is there by that name. */
int ctr_volumes_add(struct ctr_plan *plan, int *fd, const char *destination, struct rk_err *err);

/* Whether `path` is the directory `dir`, or lies in it. */
bool ctr_volumes_below(const char *path, const char *dir);

/* The file system that the open file or device holds: "ext4", "iso9660", …; NULL: none that is known. */
const char *ctr_volume_fstype(int fd);

#endif
