/* depmod's list of a kernel's modules, modules.dep: a line for each, "FILE: WHAT IT NEEDS", names relative to
 * the list's directory, what is needed first last. */
#ifndef RK_DEPMOD_H
#define RK_DEPMOD_H

#include <stdbool.h>

/* Whether the line is that of `module` ("virtio_net"; a file's name may have '-' for '_' and end in what it
 * is compressed by): "kernel/drivers/net/virtio-net.ko.xz: …". */
bool rk_depmod_is(const char *line, const char *module);

/* Call `use` for the files of a line, what is needed first first; `line` is taken apart. */
void rk_depmod_each(char *line, void (*use)(void *data, const char *file), void *data);

#endif
