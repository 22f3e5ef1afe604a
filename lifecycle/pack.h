/* Has runuk-pack pack the container's files. */
#ifndef CTR_PACK_H
#define CTR_PACK_H

#include "bundle/files.h"
#include "hypervisor/monitor.h"

struct rk_err;

/* What is to be packed, and how. */
struct ctr_pack {
    bool with_init;   /* and runuk-init */
    const char *skip; /* path in the container that is left out; NULL */
};

/* A descriptor of the container's rootfs as an archive, from the cache when it is there. Errors name what
 * could not be packed. */
int ctr_pack_rootfs(const struct ctr_pack *what, const struct bnd_files *files, const struct hv_host *host,
                    struct rk_err *err);

#endif
