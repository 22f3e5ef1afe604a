/* Directories that a QEMU guest shares with the host by 9p: volumes, and the container's files. */
#ifndef CTR_SHARES_H
#define CTR_SHARES_H

#include "lifecycle/plan.h"

/* One more for the guest: the volume `mount`, which is a directory. Of a family that can't mount it it is an
 * error, but only a warning when nobody has asked for it: engines make such a volume for every VOLUME of an
 * image. */
int ctr_share_volume(struct ctr_plan *plan, const struct bnd_mount *mount, struct rk_err *err);

/* The container's files, read-only, as what the guest has at "/"; for a guest whose process 1 is not ours the
 * engine's files lie over those of the image. */
int ctr_share_rootfs(struct ctr_plan *plan, bool own_init, struct rk_err *err);

#endif
