/* The exit statuses of runuk-scope, beside 0 and 1. */
#ifndef BOX_SCOPE_H
#define BOX_SCOPE_H

#define SCOPE_NO_BUS  2 /* systemd was not reached: nothing was asked of it */
#define SCOPE_FOREIGN 3 /* the unit is there, but it is not the one that is meant */

#endif
