/* The administrator's settings: /etc/runuk/runuk.json, or the file that --settings names. */
#ifndef CFG_SETTINGS_H
#define CFG_SETTINGS_H

#include <stdint.h>

struct rk_err;

/* Every field has its default when the file or the key is missing. */
struct cfg_settings {
    char *runc;         /* "runc": the runtime for ordinary containers; NULL: the one in PATH */
    char *monitor_dir;  /* "monitor_dir": where runuk-spt and runuk-hvt are; default the libexec of the
                           installation */
    char *network_mode; /* "network_mode": a name of netplumb's table; default "redirect" */
    int64_t memory_mib; /* "memory_mib": guest memory without a limit; default 512 */
    int64_t memory_headroom_kib; /* "memory_headroom_kib": of a memory limit, what the guest does not get; -1:
                                    the monitor's own figure */
    int64_t uid,
        gid; /* "uid", "gid": whom a monitor runs as when the container's user is root; default 65534 */
};

/* Load `path`, or the installation's file when NULL (that one may be missing). Errors name the file and the
 * line or key; an unknown key is one. On success the strings are the caller's, to be given back with
 * cfg_settings_fini. */
int cfg_settings_load(struct cfg_settings *ret_settings, const char *path, struct rk_err *err);
void cfg_settings_fini(struct cfg_settings *settings);

#endif
