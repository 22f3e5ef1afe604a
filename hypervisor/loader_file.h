/* What runuk-loader boots, with a RAM disk. */
#ifndef HV_LOADER_FILE_H
#define HV_LOADER_FILE_H

struct rk_err;

/* A file in memory that holds the image and the RAM disk, as hypervisor/qemu/loader/format.h has it: QEMU
 * gives the loader one file. Both are copied. The descriptor is the caller's. */
int hv_loader_file(int image, int ramdisk, struct rk_err *err);

#endif
