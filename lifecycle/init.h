/* The container's first process: it sets its namespaces up, waits at the gate, and becomes the monitor. */
#ifndef CTR_INIT_H
#define CTR_INIT_H

#include "bundle/spec.h"
#include "sandbox/cgroup.h"
#include "sandbox/namespaces.h"
#include "sandbox/root.h"
#include "sandbox/userns.h"

#define CTR_SLOT_FIRST                                                                                       \
    3 /* the monitor's descriptors start here: image, then /dev/kvm where needed, disks, figures where it    \
         counts, taps, the gate where it opens files itself */
#define CTR_SLOTS_MAX     120
#define CTR_TREES_MAX     40 /* detached mounts for the monitor's root */
#define CTR_PRESERVED_MAX 32 /* descriptors of the caller that are kept open */

/* Messages between create or start (left) and the first process (right); a message is its letter, then the
 * payload. */
enum ctr_message {
    CTR_MSG_MAPPED = 'M', /* →  the new user namespace has its ids; sent only when there is one */
    CTR_MSG_CGROUP = 'C', /* →  the cgroup is there: join it */
    CTR_MSG_READY = 'R',  /* ←  namespaces are as they should be */
    CTR_MSG_HOOKS = 'H',  /* →  state JSON: run the createContainer, later the startContainer hooks */
    CTR_MSG_DONE = 'D',   /* ←  they ran */
    CTR_MSG_GATE = 'G',   /* →  create is over: wait at the gate */
    CTR_MSG_RELAY = 'L', /* →  argv, the relay's binary and its descriptors: have a child become the relay */
    CTR_MSG_EXEC = 'X',  /* →  argv, each string with its NUL, and the taps: become the monitor; answered by
                            the stream's end */
    CTR_MSG_ERROR = 'E', /* ←  text: it failed, and this process ends */
};

/* All that the first process starts with. Descriptors are the caller's copies. */
struct ctr_init {
    const struct bnd_spec *spec;
    const struct box_namespaces *ns;
    const struct box_cgroup *cgroup;
    bool born_in_v2;   /* cloned into its cgroup v2 directory */
    bool cgroup_later; /* it is made once this process is there: CTR_MSG_CGROUP */
    int create[2];     /* create's end of `sync`, and its lock: not to be held while it is waited for */
    const struct box_ids *ids;
    uid_t uid;
    gid_t gid;
    size_t preserved; /* descriptors from 3 on that stay open until the guest ends */
    int sync;         /* SOCK_SEQPACKET, the other end is create's */
    int gate;         /* listening SOCK_SEQPACKET socket */
    int monitor;      /* the monitor's binary */
    int root;         /* rootfs, O_PATH */
    int slave;        /* terminal; -1: none */
    int slots[CTR_SLOTS_MAX];
    size_t slot_count;
    /* What the monitor opens by name: the host's files as pairs, path on the host and path in the root, and
     * detached mounts. Nothing of it: the root is empty. */
    const struct rk_argv *files;
    const struct box_file *trees;
    size_t tree_count;
    const gid_t *groups; /* that the monitor needs beside the container's */
    size_t group_count;
    bool keeps_groups; /* the monitor has those of this process instead */
};

/* Never returns: ends as the monitor, or with status 1 after a CTR_MSG_ERROR, or when create goes away before
 * CTR_MSG_GATE. */
_Noreturn void ctr_init_main(const struct ctr_init *init);

#endif
