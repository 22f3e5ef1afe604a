/* Where in a JSON text a key stands: jansson keeps no lines of what it has parsed. */
#ifndef CFG_LINE_H
#define CFG_LINE_H

#include <stddef.h>

/* The line, counted from 1, of the key that `path` leads to: names from the outermost object inwards, the
 * last followed by NULL. `text` has been accepted by jansson, as an object without duplicate keys. 0 when
 * there is no such key, and, whatever the text is, never more than it has lines. */
int cfg_line_of(const char *text, size_t len, const char *const *path);

#endif
