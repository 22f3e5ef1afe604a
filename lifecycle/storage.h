/* What a QEMU guest gets of the container's files: an initial ram disk, the files themselves, disks. */
#ifndef CTR_STORAGE_H
#define CTR_STORAGE_H

#include "lifecycle/plan.h"

struct cfg_annotations;

/* The initial ram disk that a guest gets. */
struct ctr_initrd {
    int fd;           /* of one that the container has; -1: none … */
    char *name;       /* … of this name in the container */
    bool packed;      /* none: the container's files, with an init of ours */
    bool shared;      /* the container's files by 9p */
    bool beside;      /* and the container's files, as a disk */
    bool directories; /* none: the container's directories are disks */
};

/* Which it is, by annotations, by what the family reads when it is booted as `kind`, and by what is there:
 * `files` are the container's, NULL for an image without any. Errors name the annotation. Nothing is packed
 * by that. */
int ctr_storage_choose(struct ctr_initrd *ret_initrd, const struct bnd_files *files,
                       const struct bnd_image *image, enum bnd_kind kind,
                       const struct cfg_annotations *wishes, struct rk_err *err);
void ctr_initrd_fini(struct ctr_initrd *initrd);

/* Find it by annotations, by what the family reads, and by what is there; open it; and note it in the record.
 * Errors name the annotation or the file. */
int ctr_storage_plan(struct ctr_plan *plan, struct bnd_image *image, const struct hv_host *host,
                     const struct cfg_annotations *wishes, struct rk_err *err);

/* The file *fd becomes the guest's initial ram disk; `name` is for errors. Takes *fd over when it has to. */
int ctr_storage_add_initrd(struct ctr_plan *plan, int *fd, const char *name, struct rk_err *err);

/* The guest's process 1 is ours: note what it has to know, and give it the engine's files. */
int ctr_storage_add_init(struct ctr_plan *plan, struct rk_err *err);

/* One more file that the guest's init, which is ours, writes to `path`. Takes *fd over when it has to. */
int ctr_storage_add_file(struct ctr_plan *plan, int *fd, const char *path, struct rk_err *err);

#endif
