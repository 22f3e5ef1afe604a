/* What a guest would be told: the part of `inspect` that asks the families. */
#ifndef CTR_LOOK_GUEST_H
#define CTR_LOOK_GUEST_H

#include <jansson.h>

#include "bundle/image.h"
#include "hypervisor/monitor.h"

/* A bundle: what its guest gets, and what its annotations ask for. All NULL: a file alone. */
struct ctr_look_bundle {
    const struct bnd_spec *spec;
    const struct bnd_files *files;
    const struct cfg_annotations *wishes;
};

/* Add to the report what the image's guest would be told when it is booted so: commandLine, init, examples,
 * warnings; or error, and "nothing" runs. Of the process' arguments the guest's begin at `first_arg`. */
void ctr_look_guest(json_t *report, const struct bnd_image *image, const struct hv_choice *choice,
                    const struct hv_host *host, const struct ctr_look_bundle *bundle, size_t first_arg);

#endif
