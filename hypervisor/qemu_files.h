/* The files of the host that QEMU needs in its root. */
#ifndef HV_QEMU_FILES_H
#define HV_QEMU_FILES_H

#include "lib/argv.h"

#include "bundle/boot.h"

struct hv_host;
struct rk_err;

#define HV_FIRMWARE_PATH "/firmware" /* where QEMU finds its firmware in its root */
#define HV_LOADER_PATH   "/loader"   /* and the loader for BND_LINUX64 */

/* Append QEMU's binary, the libraries that the dynamic loader finds for it, its module for emulation, its
 * firmware, and for BND_LINUX64 our loader, as pairs: the path on the host and the one in the root. The
 * loader is asked once: the answer is kept in the state root for as long as QEMU's file is the same. Errors
 * say what is missing. */
int hv_qemu_files(const struct hv_host *host, enum bnd_kind kind, struct rk_argv *ret_files,
                  struct rk_err *err);

#endif
