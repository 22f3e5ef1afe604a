/* Mode "none": a device that the guest demands, wired to nothing. The tap alone is all of it. */
#include "netplumb/mode.h"

#include <stddef.h>

const struct net_mode net_mode_none = {
    .name = "none",
    .selectable = false,
    .apply = NULL,
    .undo = NULL,
};
