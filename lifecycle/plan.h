/* The plan of a container: from bundle and settings to the record, and the descriptors that its monitor will
 * get. */
#ifndef CTR_PLAN_H
#define CTR_PLAN_H

#include "bundle/files.h"
#include "bundle/image.h"
#include "hypervisor/monitor.h"
#include "lifecycle/call.h"
#include "lifecycle/init.h"

struct ctr_plan {
    struct bnd_spec *spec;
    struct bnd_files files;
    struct ctr_record *record;
    const struct hv_monitor *monitor;
    /* For a monitor that opens files by name: the host's (pairs, see hv_monitor.files), and the image. */
    struct rk_argv root_files;
    struct box_file trees[CTR_TREES_MAX];
    size_t tree_count;
    gid_t groups[1]; /* who may open /dev/kvm: for the host's own user namespace, or to be come in with */
    size_t group_count;
    bool keeps_groups; /* the monitor has those that its process was cloned with */
    struct box_namespaces ns;
    struct box_ids ids;
    uid_t uid; /* of the monitor, inside its user namespace */
    gid_t gid;
    int monitor_fd;
    /* Image, /dev/kvm where the monitor needs it, disks in the manifest's order; create adds the file of
     * figures where the monitor counts. */
    int slots[CTR_SLOTS_MAX];
    size_t slot_count;
};

/* Make the plan for `bundle`. 1: a unikernel, *ret_plan is filled; 0: none, and the settings let
 * it go to runc; negative: an error. Nothing outside is changed. */
int ctr_plan_make(struct ctr_plan *ret_plan, struct ctr_call *call, const char *id, const char *bundle,
                  struct rk_err *err);
void ctr_plan_fini(struct ctr_plan *plan);

/* One more file of the monitor's root, at `target` (a string that stays): that very file, as a mount of its
 * own; for a caller who may not make one, the first process tries again (box_tree_find). What came out of an
 * archive has no name that could be mounted, and is copied. Then *fd is taken over. `name` is for errors. */
int ctr_plan_add_tree(struct ctr_plan *plan, int *fd, const char *name, const char *target,
                      struct rk_err *err);

/* The same with a directory; its descriptor is taken over on success. */
int ctr_plan_add_directory(struct ctr_plan *plan, const struct box_file *directory, const char *name,
                           struct rk_err *err);

/* A file to lie over one in such a directory: left out where that has none. */
int ctr_plan_add_inside(struct ctr_plan *plan, int fd, const char *name, const char *target,
                        struct rk_err *err);

/* Open what backs the block device `name`: `given`, unless that is NULL, else a bind mount whose destination
 * is /dev/NAME, /NAME or /NAME.img, else such a file in the rootfs. Read-only when the mount or the rootfs
 * is. The descriptor, or an error that lists what was looked for. */
struct cfg_disk;
int ctr_disk_open(const struct bnd_files *files, const char *name, const struct cfg_disk *given,
                  struct rk_err *err);

/* Open what is at `path` in the container as a disk: writable unless `readonly`, or what it lies on is.
 * -ENOENT without a text when there is nothing. */
int ctr_disk_open_path(const struct bnd_files *files, const char *path, bool readonly, struct rk_err *err);

#endif
