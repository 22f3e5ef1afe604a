/* What runuk-init is told in a Linux guest. */
#ifndef BND_LINUX_TELL_H
#define BND_LINUX_TELL_H

#include "bundle/guest.h"

struct rk_err;

/* As lib/told.h says, in hexadecimal digits: heap memory. Arguments get their placeholders filled; what is
 * verbatim is the program's when it begins with a path, and is split at blanks then, else the kernel's.
 * -EINVAL names an argument with an unknown placeholder. */
int bnd_linux_tell(char **ret_text, const struct bnd_guest *guest, struct rk_err *err);

#endif
