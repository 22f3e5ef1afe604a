/* inspect: what is in a file, a directory or a bundle, why it is taken for that, and how it would be booted
 * here.
 *
 * The report is JSON (`--json`), or a text made of it:
 *
 *   path         string: as it was given
 *   type         "file", "directory" (each regular file in it, one level) or "bundle" (its entrypoint)
 *   runs         "unikernel": runuk boots it here (in a directory: something of it); "nothing": what was
 *                recognised is refused; "runc": an ordinary program, or nothing that is known
 *   files        array; of a directory only what is no ordinary program; of a bundle every form of the
 *                entrypoint:
 *     path       string: as it was given, or inside the container
 *     recognised bool: it boots, or was made to
 *     family     string, or null
 *     kinds      array of strings: "hvt", "spt", "multiboot", …
 *     architecture  string: "x86-64", …; absent when the bytes do not say
 *     obstacle   string: why it can't be booted anywhere; absent when nothing is in the way
 *     evidence   array of {"what": string, "offset": bytes from the beginning of the file (of what gzip
 *                holds)}
 *     loader     {"path", "evidence"}: what boots it; absent of what boots itself
 *     devices    array of {"name": string, "type": "network" or "block"}: what the image asks for; absent
 *                when it does not say: then it gets a network device for each link
 *     directories  true: it mounts volumes that are directories, by 9p; absent when it can't
 *     memory     bytes of guest memory that it needs, as far as its bytes and its family tell
 *     monitors   array of {"name", "boots": bool, "kind": string (absent: none of its kinds), "machine":
 *                QEMU's machine (absent for others), "reason": why not here}
 *   ordinary     number of what is in a directory and left out
 *   choice       {"path", "monitor", "kind"}: what would be booted; absent when nothing is, or of a directory
 *   error        string: why nothing of it can be booted; absent when something can, or of a directory
 *   warnings     array of strings: what the guest can't be told; absent when there is nothing
 *   commandLine  string: what the guest would be told, in its family's words. What only start knows stands as
 *                an example
 *   init         array of strings: what runuk-init, process 1 of a Linux guest that gets the container's
 * files, would be told beside that (lib/told.h); absent for others examples     object: what such an example
 * stands for */
#ifndef CTR_LOOK_H
#define CTR_LOOK_H

#include <jansson.h>

#include "lifecycle/call.h"

/* The report about `path`; *ret_json is the caller's. Errors name the path: it can't be read, or the bundle
 * is not valid. */
int ctr_look(json_t **ret_json, const struct ctr_call *call, const char *path, struct rk_err *err);

/* The report as a text for people, to stdout. */
void ctr_look_print(const json_t *report);

#endif
