/* Has runuk-pack pack the container's files. */
#ifndef CTR_PACK_H
#define CTR_PACK_H

#include "bundle/files.h"
#include "hypervisor/monitor.h"

struct rk_err;

#define CTR_PACK_FILES 8

/* A file with content of its own: `path` is relative to what is packed. */
struct ctr_pack_file {
    int fd;
    const char *path;
};

/* What is to be packed, and how. */
struct ctr_pack {
    bool with_init;      /* and runuk-init */
    bool modules;        /* only the kernel's modules that lead to a root file system */
    bool disk;           /* as the image of a file system, else as an archive … */
    uint64_t disk_above; /* … unless that would be larger than this, in bytes; 0: however large */
    const char *below;   /* name of a directory at the top, whose content it is; NULL: all */
    const char *skip;    /* path, relative to what is packed, that is left out; NULL */
    const struct ctr_pack_file *files; /* at most CTR_PACK_FILES */
    size_t file_count;
};

/* A descriptor of the container's rootfs as an archive, or (*ret_disk) as an image, from the cache when it is
 * there. Errors name what could not be packed. */
int ctr_pack_rootfs(bool *ret_disk, const struct ctr_pack *what, const struct bnd_files *files,
                    const struct hv_host *host, struct rk_err *err);

#endif
