/* Solo5's virtio target: a multiboot kernel with legacy virtio-pci drivers.
 *
 * Source: Solo5's bindings/virtio (platform.c, pci.c) and bindings/exit.c, versions 0.6 to 0.12. The guest
 * takes the first word of its command line for the boot loader's name of the kernel, which is what QEMU puts
 * there, and pairs the devices of its manifest with those on the PCI bus in their order. Whatever the
 * application returned, it writes 41 to the debug-exit port; the true status is in a line that it prints,
 * unless its log is off
 * (--solo5:quiet). */
#include "bundle/family/solo5_virtio.h"

static const char *const exit_lines[] = {"Solo5: solo5_exit(%d) called", NULL};
static const char *const failed_lines[] = {"Solo5: solo5_abort() called", "Solo5: ABORT: %s", NULL};

static const struct bnd_machine virtio = {
    .type = "pc",
    .bus = BND_BUS_PCI,
    .end = BND_END_CONSOLE,
    .exit_lines = exit_lines,
    .failed_lines = failed_lines,
    .halted_line = "Solo5: Halted",
    .memory_max = 1024, /* its page tables map no more */
    .cmdline_max = 8191,
};

const struct bnd_machine *bnd_solo5_machine(enum bnd_kind kind)
{
    return kind == BND_MULTIBOOT ? &virtio : NULL;
}
