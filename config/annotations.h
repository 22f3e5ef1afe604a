/* What annotations may ask for: org.runuk.*, and what other names mean the same (config/urunc.h). They choose
 * among what runuk offers, within the settings; none names a file of the host, a program or an option of a
 * monitor. docs/runuk.json.5 describes each. */
#ifndef CFG_ANNOTATIONS_H
#define CFG_ANNOTATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rk_err;

#define CFG_ANNOTATION_PREFIX "org.runuk."
#define CFG_MEMORY_MAX_MIB    (1 << 20) /* a tebibyte: what any monitor takes at the most */

enum cfg_annotation {
    CFG_NETWORK_MODE,
    CFG_FAMILY,
    CFG_MONITOR,
    CFG_MEMORY_MIB,
    CFG_KERNEL,
    CFG_CMDLINE,
    CFG_MACHINE,
    CFG_INITRD,
    CFG_DISK,
    CFG_ROOTFS,
    CFG_ANNOTATIONS /* how many there are */
};

/* Their names without the prefix, in that order; ends with NULL. */
extern const char *const cfg_annotation_words[];

/* How the guest gets the container's files: not at all, packed as its initrd, shared by 9p, as a disk that
 * holds them, or in whatever way its family reads, if in any. */
enum cfg_rootfs {
    CFG_ROOTFS_UNSET,
    CFG_ROOTFS_NONE,
    CFG_ROOTFS_INITRD,
    CFG_ROOTFS_9P,
    CFG_ROOTFS_DISK,
    CFG_ROOTFS_ANY
};

#define CFG_DISKS_MAX 16

/* A file of the container's as a block device. */
struct cfg_disk {
    char *path; /* inside the container */
    bool readonly;
};

/* What a container's annotations ask for. NULL and 0: nothing. Strings are the struct's own. All zero is a
 * valid, empty one. */
struct cfg_annotations {
    char *network_mode;  /* a name, not yet looked up in netplumb's table */
    char *family;        /* a name, not yet looked up in bundle's table */
    const char *monitor; /* one of cfg_monitor_words */
    int64_t memory_mib;
    char *kernel;         /* path inside the container */
    char *cmdline;        /* what the guest gets instead of process.args, as it is: one string */
    bool cmdline_if_bare; /* only when process.args has nothing for the guest */
    const char *machine;  /* QEMU's: "microvm", "pc", "q35" */
    char *initrd;         /* path inside the container */
    struct cfg_disk disks[CFG_DISKS_MAX];
    size_t disk_count;
    enum cfg_rootfs rootfs;
    char *disk_mount;     /* where the guest should mount its first disk; from urunc's names only */
    char *family_version; /* "0.17.0", of the family; from urunc's names only */
    /* How each is called where it was given, for errors: "annotation 'org.runuk.family'". NULL: not given. */
    const char *source[CFG_ANNOTATIONS];
};

/* Take one annotation into account. Those without our prefix are none of ours; an unknown one with it, and a
 * value that cannot be, are -EINVAL with a text that names the annotation. */
int cfg_annotations_add(struct cfg_annotations *annotations, const char *key, const char *value,
                        struct rk_err *err);

/* Set one by its number. `source` is a static string; errors begin with it. */
int cfg_annotations_set(struct cfg_annotations *annotations, enum cfg_annotation which, const char *value,
                        const char *source, struct rk_err *err);

/* When all are set: whether they go together. -EINVAL names the two that do not. */
int cfg_annotations_check(const struct cfg_annotations *annotations, struct rk_err *err);

void cfg_annotations_fini(struct cfg_annotations *annotations);

/* The first that only a unikernel has use for, as its source; NULL when there is none. Network mode and
 * memory stand for whole pods, in which there may be ordinary containers. */
const char *cfg_annotations_for_unikernel(const struct cfg_annotations *annotations);

#endif
