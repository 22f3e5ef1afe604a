/* The administrator's settings: /etc/runuk/runuk.json, or the file that --settings names; docs/runuk.json.5
 * describes them. */
#ifndef CFG_SETTINGS_H
#define CFG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/argv.h"

struct rk_err;

/* What becomes of a container that is no unikernel: it goes to runc, only a pod's sandbox does, or none. */
enum cfg_linux { CFG_LINUX_DELEGATE, CFG_LINUX_PAUSE_ONLY, CFG_LINUX_REFUSE };

/* Every field has its default when the file or the key is missing. */
struct cfg_settings {
    char *runc;         /* "runc": the runtime for ordinary containers; NULL: the one in PATH */
    char *monitor_dir;  /* "monitor_dir": where runuk-spt and runuk-hvt are; default the libexec of the
                           installation */
    char *qemu;         /* "qemu": the program of the qemu monitor; default /usr/bin/qemu-system-x86_64 */
    char *network_mode; /* "network_mode": a name of netplumb's table; default "redirect" */
    char *accel;       /* "accel": what the qemu monitor may use: "auto" (KVM where it works, else emulation),
                          "kvm", "tcg" */
    char *cache_dir;   /* "cache_dir": where packed rootfs are kept; default /var/cache/runuk */
    int64_t cache_mib; /* "cache_mib": how much of them, MiB; default 2048 */
    enum cfg_linux policy_linux; /* "policy.linux" */
    struct rk_argv monitors;     /* "monitors": the allowed ones; empty: all */
    struct rk_argv annotations;  /* "annotations": the allowed ones, without prefix … */
    bool annotations_given;      /* … and whether there is such a list: without it all are */
    int64_t memory_mib;          /* "memory_mib": guest memory without a limit; default 512 */
    int64_t memory_max_mib;      /* "memory_max_mib": how much an annotation may ask for; 0: any */
    int64_t memory_headroom_kib; /* "memory_headroom_kib": of a memory limit, what the guest does not get; -1:
                                    the monitor's own figure */
    int64_t uid,
        gid; /* "uid", "gid": whom a monitor runs as when the container's user is root; default 65534 */
};

/* Load `path`, or the installation's file when NULL (that one may be missing). Errors name the file, the line
 * and the key; an unknown key is one. On success the strings are the caller's, to be given back with
 * cfg_settings_fini. */
int cfg_settings_load(struct cfg_settings *ret_settings, const char *path, struct rk_err *err);
void cfg_settings_fini(struct cfg_settings *settings);

/* The same from the text of the file. */
int cfg_settings_parse(struct cfg_settings *ret_settings, const char *text, size_t len, struct rk_err *err);

/* Whether containers may use that monitor ("hvt"); that annotation ("family", without a prefix). */
bool cfg_settings_allow_monitor(const struct cfg_settings *settings, const char *name);
bool cfg_settings_allow_annotation(const struct cfg_settings *settings, const char *name);

#endif
