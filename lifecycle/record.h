/* What runuk knows of a container: the resolved plan and its fate, kept in <root>/<id>/runuk.json.
 *
 * Verbs after create read this and nothing else: neither config.json nor the settings again. */
#ifndef CTR_RECORD_H
#define CTR_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundle/boot.h"
#include "bundle/spec.h"
#include "lib/argv.h"
#include "lib/process.h"
#include "lib/solo5.h"
#include "netplumb/net.h"
#include "sandbox/cgroup.h"

struct rk_err;

enum ctr_status { CTR_CREATING, CTR_CREATED, CTR_RUNNING, CTR_PAUSED, CTR_STOPPED };

/* A device of the guest: of the image's manifest, or a disk that it gets without one. */
struct ctr_device {
    char name[RK_SOLO5_NAME_SIZE];
    enum rk_solo5_device type;
    bool readonly;     /* of a disk */
    bool host_device;  /* a disk that is a block device of the host */
    char fstype[16];   /* of a disk: what its content says; empty: not known */
    char *destination; /* of a disk: where the guest is to mount it; NULL: nowhere */
};

#define CTR_SHARES_MAX 16

/* A directory that the guest gets by 9p, in the monitor's root at HV_SHARE_PATH and its number. */
struct ctr_share {
    char *destination; /* where the guest is to mount it; "/": the container's files */
    bool readonly;
};

/* A wire, and the link as it was before it was wired: undoing a bridge gives its addresses back. */
struct ctr_wire {
    struct net_wire wire;
    struct net_link link; /* all zero when wired to nothing */
};

struct ctr_record {
    char *id, *oci_version, *bundle, *rootfs;
    char *created; /* RFC 3339, UTC, nanoseconds */
    uid_t owner;
    json_t *annotations; /* an object */

    enum ctr_status status; /* as last written; see ctr_record_status */
    struct rk_process process;

    char *image;       /* path inside the container */
    char *image_place; /* and in the root of a monitor that opens it by name; NULL */
    char *loader;  /* path inside the container of what boots it, with the image as initial ram disk; NULL */
    char *monitor; /* a name of hv_monitors */
    char *family;  /* a name of bnd_families */
    enum bnd_kind kind;  /* how the image is booted */
    char *machine;       /* what QEMU is to be instead of the family's machine; NULL */
    char *qemu;          /* path of QEMU where the monitor uses it; NULL */
    bool kvm;            /* it uses KVM */
    bool image_readonly; /* an image that is a disk is */
    struct rk_argv keys, args, env;
    bool initrd, own_init; /* the guest has the one; its process 1 is runuk's (lib/told.h) */
    struct rk_argv user;   /* process.user for that: uid, gid, further groups */
    struct rk_argv files;  /* where the engine's files belong in the guest */
    struct rk_argv tmpfs;  /* as in struct bnd_guest */
    bool root_readonly;    /* of that guest's */
    bool terminal;
    bool verbatim; /* args is one string, which the guest gets as it is */
    char *cwd;
    bool any_net;    /* no manifest: start adds a network device for each link */
    uint64_t memory; /* bytes */
    struct ctr_device *devices;
    size_t device_count;
    struct ctr_share shares[CTR_SHARES_MAX];
    size_t share_count;
    uid_t uid;         /* of the monitor, inside its user namespace */
    bool userns;       /* that is not the caller's */
    char *userns_path; /* of a joined one, for when the process is gone; NULL */
    uid_t tap_owner;   /* the same user, as the caller sees it */

    char *hostname, *resolv_conf; /* NULL: none; a host path */
    char *netns; /* path of a joined namespace; NULL: made for this container, and gone with it */
    char *network_mode;
    struct ctr_wire *wires;
    size_t wire_count;

    struct box_cgroup cgroup;
    bool start_hooks; /* the waiting process has startContainer hooks to run */
    struct bnd_hook_list poststart, poststop;
};

/* Accepts NULL. */
void ctr_record_free(struct ctr_record *record);

/* The record as JSON and back. Reading is strict: -EINVAL names the key. NULL without memory, and when a path
 * is no UTF-8. */
json_t *ctr_record_to_json(const struct ctr_record *record);
int ctr_record_from_json(struct ctr_record **ret_record, json_t *json, struct rk_err *err);

/* The status now: a container whose process is gone is stopped, whatever was written, and a running one whose
 * cgroup is frozen is paused, whoever froze it. */
enum ctr_status ctr_record_status(const struct ctr_record *record);

/* "creating", "created", "running", "paused", "stopped". */
const char *ctr_status_name(enum ctr_status status);

/* The specification's state object (runtime.md, State) as hooks get it on stdin, as heap text, with `status`
 * as given; its pid is the one that is seen where the hooks run: `inside` the container's namespaces, or by
 * the runtime. -ENOMEM, or what /proc says. */
int ctr_record_state(char **ret_text, const struct ctr_record *record, enum ctr_status status, bool inside,
                     struct rk_err *err);

#endif
