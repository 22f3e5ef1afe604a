/* What a QEMU guest gets of the container's files: an initial ram disk, the files themselves, disks. */
#ifndef CTR_STORAGE_H
#define CTR_STORAGE_H

#include "lifecycle/plan.h"

struct cfg_annotations;

/* Find it by annotations, by what the family reads, and by what is there; open it; and note it in the record.
 * Errors name the annotation or the file. */
int ctr_storage_plan(struct ctr_plan *plan, const struct bnd_image *image, const struct hv_host *host,
                     const struct cfg_annotations *wishes, struct rk_err *err);

/* The file *fd becomes the guest's initial ram disk; `name` is for errors. Takes *fd over when it has to. */
int ctr_storage_add_initrd(struct ctr_plan *plan, int *fd, const char *name, struct rk_err *err);

/* The guest's process 1 is ours: note what it has to know, and give it the engine's files. */
int ctr_storage_add_init(struct ctr_plan *plan, struct rk_err *err);

/* One more file that the guest's init, which is ours, writes to `path`. Takes *fd over when it has to. */
int ctr_storage_add_file(struct ctr_plan *plan, int *fd, const char *path, struct rk_err *err);

#endif
