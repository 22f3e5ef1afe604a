/* The monitors: which image each boots, how well on this host, and how it is called. */
#ifndef HV_MONITOR_H
#define HV_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundle/image.h"
#include "config/annotations.h"
#include "config/settings.h"
#include "lib/argv.h"

struct rk_err;

/* What the choice of a monitor may look at. */
struct hv_host {
    const char *monitor_dir; /* where the monitors' binaries are */
    const char *qemu;        /* QEMU's binary */
    const char *accel;       /* what QEMU may use: "auto", "kvm", "tcg" */
    int state_root; /* descriptor of the state root, where the KVM probe keeps its answer; -1: keep none */
    const struct cfg_settings *settings;  /* NULL: every monitor is allowed */
    const struct cfg_annotations *wanted; /* NULL: no monitor is asked for */
};

#define HV_REASON 512 /* bytes of a text that says why a monitor can't be used */

/* A network device for the monitor. */
struct hv_net {
    const char *device; /* manifest name */
    int fd;             /* number that the tap has in the monitor */
    const uint8_t *mac; /* 6 bytes */
    unsigned mtu;
};

/* A block device for the monitor. */
struct hv_disk {
    const char *device;
    int fd; /* number that it has in the monitor */
    bool readonly;
    bool host_device; /* a block device of the host, no file */
};

/* A directory for the guest, by 9p. */
struct hv_share {
    const char *tag; /* by which the guest knows it: of bnd_share_tag */
    bool readonly;
};

/* One start of a guest, every descriptor by the number that it has in the monitor. */
struct hv_launch {
    const char *qemu; /* path of QEMU in the monitor's root */
    const struct bnd_family *family;
    enum bnd_kind kind;  /* how the image is booted */
    bool kvm;            /* by a monitor that can do without */
    int image_fd;        /* -1 when the monitor opens it by name … */
    const char *image;   /* … this one: what hv_image_place said */
    bool image_readonly; /* of a disk */
    bool initrd;         /* HV_INITRD_PATH is there; for BND_LINUX64 it holds the image, too */
    const char *told;    /* what an init of ours is told (bnd_family.tell); NULL: it is none of ours */
    size_t file_count;   /* and how many files it gets: HV_FILE_PATH 0, 1, … */
    const char *machine; /* "microvm", "pc", "q35" instead of the family's; NULL */
    int gate_fd;         /* where a monitor that takes its time to start tells of failures; -1 */
    int kvm_fd;          /* -1 when the monitor needs none */
    int figures_fd;      /* -1 when it does not count */
    uint64_t memory;     /* bytes */
    const struct hv_net *nets;
    size_t net_count;
    const struct hv_disk *disks;
    size_t disk_count;
    const struct hv_share *shares; /* in the order of their numbers */
    size_t share_count;
    const struct rk_argv *args; /* the guest's, quoted by its family */
};

struct hv_monitor {
    const char *name;            /* "hvt" */
    const char *binary;          /* file name in monitor_dir */
    unsigned kinds;              /* BND_KIND_BIT of each image kind that it boots */
    enum rk_solo5_target target; /* of the Solo5 images that it boots; 0: it boots none */
    unsigned takes;    /* 1u << CFG_MACHINE, CFG_INITRD, CFG_DISK, CFG_ROOTFS: what its guests have use for */
    int score;         /* among monitors that could boot forms of one image, the highest wins */
    bool needs_kvm;    /* gets an open /dev/kvm */
    bool by_name;      /* its root holds the image and what `files` names: it opens them itself */
    bool counts;       /* gets a file to count in (lib/figures.h) */
    uint64_t headroom; /* bytes that the monitor and the kernel take beside the guest's memory … */
    unsigned headroom_shift; /* … plus guest memory >> this (page tables) */
    uint64_t memory_max;     /* bytes of guest memory at the most */
    uint64_t memory_unit;    /* bytes: guest memory is a multiple */
    /* 0: usable on this host; negative: not, and `reason` says why in a few words. */
    int (*probe)(const struct hv_host *host, char reason[HV_REASON]);
    /* Append the monitor's command line, argv[0] included. -ENOMEM. */
    int (*prepare)(const struct hv_launch *launch, struct rk_argv *ret_argv);
    /* Append the host's files that its root has to hold for images of this kind: each as a pair, the path on
     * the host and the one in the root. NULL for one that opens nothing by name. */
    int (*files)(const struct hv_host *host, enum bnd_kind kind, struct rk_argv *ret_files,
                 struct rk_err *err);
};

/* Where a monitor that opens files by name finds the image in its root, unless hv_image_place says otherwise;
 * one that is a disk (BND_DISK) is given by descriptor instead. */
#define HV_IMAGE_PATH  "/image"
#define HV_INITRD_PATH "/initrd"
#define HV_FILE_PATH   "/file"  /* and a number */
#define HV_SHARE_PATH  "/share" /* and a number */

/* How a guest is to be booted. */
struct hv_choice {
    const struct hv_monitor *monitor;
    size_t form;        /* index of the image */
    enum bnd_kind kind; /* the best of the image's that the monitor boots */
};

/* Write to *ret_place, as heap memory, where the image is to be in the monitor's root: HV_IMAGE_PATH, or
 * where guests see that as their argv[0] (bnd_machine.path_in_front) the image's own path in the container,
 * `path`, without empty and "." parts. That only when it is of letters, digits and "/._+-", so that no guest
 * reads it as anything but one word, has no "..", is not longer than BND_PATH_MAX, and neither one of `files`
 * (of hv_monitor.files) nor one of ours stands in its way. -ENOMEM. */
int hv_image_place(char **ret_place, const char *path, const struct bnd_family *family, enum bnd_kind kind,
                   const struct rk_argv *files);

/* In the order of `features`. Ends with NULL. */
extern const struct hv_monitor *const hv_monitors[];

/* The monitor of that name, or NULL. */
const struct hv_monitor *hv_monitor_find(const char *name);

enum hv_verdict {
    HV_BOOTS,
    HV_NOT_HERE, /* not on this host */
    HV_DENIED,   /* not by the settings, or an annotation wants another one */
    HV_NEVER,
};

/* Whether `monitor` boots this image, as *ret_kind, of the kinds the one that suits it best (not set when it
 * boots none of them). `reason` says why not; it is empty when the image is none that this monitor is for. */
enum hv_verdict hv_monitor_judge(enum bnd_kind *ret_kind, const struct hv_monitor *monitor,
                                 const struct bnd_image *image, const struct hv_host *host,
                                 char reason[HV_REASON]);

/* Choose the best monitor for the forms of an image. Errors name the image, its kinds or its target, why no
 * monitor can be used and what would help. */
int hv_monitor_choose(struct hv_choice *ret_choice, const struct bnd_images *images,
                      const struct hv_host *host, struct rk_err *err);

/* Guest memory that the image needs to be loaded, in bytes. */
uint64_t hv_image_memory(const struct bnd_image *image);

/* The same when it is booted as this kind, with what its family knows of it; and what such a guest can use at
 * most (UINT64_MAX: no bound is known). Bytes. */
uint64_t hv_memory_least(const struct bnd_image *image, enum bnd_kind kind);
uint64_t hv_memory_most(const struct bnd_image *image, enum bnd_kind kind);

/* Guest memory in bytes: the limit (bytes; 0 or less: none) less head-room, else `fallback`; rounded down to
 * what the monitor takes, and not less than `least`. `headroom` replaces the monitor's own figure, which is
 * for an image that takes no memory outside the guest, and what this one `held` there, unless negative. */
int hv_memory_size(uint64_t *ret_memory, const struct hv_monitor *monitor, uint64_t least, uint64_t held,
                   int64_t limit, uint64_t fallback, int64_t headroom, struct rk_err *err);

/* What a QEMU guest will run on: 1: KVM, 0: emulation, or -ENOTSUP when the settings want KVM and it can't be
 * used. `reason` says why not KVM. */
int hv_qemu_accel(const struct hv_host *host, char reason[HV_REASON], struct rk_err *err);

extern const struct hv_monitor hv_monitor_qemu;

/* Is KVM usable: does a guest that executes SSE run? Asked of `probe_binary` (runuk-hvt --probe) once per
 * boot, and remembered in the state root. 0, or negative with `reason`. */
int hv_kvm_probe(const struct hv_host *host, const char *probe_binary, char reason[HV_REASON]);

/* The command line of both Solo5 tenders of ours; `extra`, which ends with NULL, are more options. */
int hv_solo5_prepare(const char *name, const char *const *extra, const struct hv_launch *launch,
                     struct rk_argv *ret_argv);

#endif
