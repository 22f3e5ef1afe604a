/* The label of AppArmor or SELinux that the monitor gets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/process.h"

#define UNCONFINED "unconfined" /* AppArmor's name for no profile */

static bool has_apparmor(void)
{
    char answer = 'N';
    rk_autoclose int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &answer, 1) == 1 && answer == 'Y';
}

static bool has_selinux(void)
{
    struct statfs fs;
    return statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC;
}

static bool is_given(const char *label)
{
    return label && *label;
}

/* No profile is what a process has that has none. */
static bool wants_apparmor(const struct bnd_spec *spec)
{
    return is_given(spec->apparmor_profile) &&
           (strcmp(spec->apparmor_profile, UNCONFINED) != 0 || has_apparmor());
}

int box_label_check(const struct bnd_spec *spec, struct rk_err *err)
{
    if (wants_apparmor(spec) && !has_apparmor())
        return rk_fail(err, -ENOTSUP,
                       "process.apparmorProfile: '%s' can't be applied, AppArmor is not enabled on this host",
                       spec->apparmor_profile);
    if (is_given(spec->selinux_label) && !has_selinux())
        return rk_fail(err, -ENOTSUP,
                       "process.selinuxLabel: '%s' can't be applied, SELinux is not enabled on this host",
                       spec->selinux_label);
    if (wants_apparmor(spec) && is_given(spec->selinux_label))
        return rk_fail(err, -EINVAL,
                       "process.apparmorProfile and process.selinuxLabel: only one of both can be applied");
    return 0;
}

int box_label_open(int *ret_fd, const struct bnd_spec *spec, struct rk_err *err)
{
    bool apparmor = wants_apparmor(spec);
    *ret_fd = -1;
    if (!apparmor && !is_given(spec->selinux_label))
        return 0;
    /* Since Linux 5.8 AppArmor has a directory of its own, beside other modules. */
    int fd = apparmor ? open("/proc/thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        fd = open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return rk_fail_errno(err, "open '/proc/thread-self/attr/exec'");
    *ret_fd = fd;
    return 0;
}

int box_label_set(int fd, const struct bnd_spec *spec, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    if (fd < 0)
        return 0;
    bool apparmor = !is_given(spec->selinux_label);
    const char *label = apparmor ? spec->apparmor_profile : spec->selinux_label;
    if (asprintf(&text, "%s%s", apparmor ? "exec " : "", label) < 0) {
        text = NULL;
        return rk_fail(err, -ENOMEM, "out of memory");
    }
    if (write(fd, text, strlen(text)) < 0)
        return rk_fail_errno(err, "apply %s '%s'", apparmor ? "AppArmor profile" : "SELinux label", label);
    return 0;
}
