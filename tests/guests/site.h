/* The static files that are compiled in: those of the example in contrib/compose/lamp/site. */
#ifndef GUEST_SITE_H
#define GUEST_SITE_H

#include "guest.h"

struct site_file {
    const char *path, *type;
    const char *bytes;
    const char *end;
};

/* How many they are. */
size_t site_files(const struct site_file **ret_files);

#endif
