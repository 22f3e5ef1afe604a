/* Touches memory page by page, so many MiB or all there is; with `hold` behind it keeps it until it is ended.
 */
#include "guest.h"

GUEST_MANIFEST();

#define PAGE     4096
#define STEP_MIB 4

int guest_main(int argc, char **argv)
{
    uint64_t bytes = guest.heap_end - guest.heap_start;
    bool hold = argc > 0 && guest_equal(argv[argc - 1], "hold");
    uint64_t mib = 0;
    if (argc > 0 && guest_number(argv[0], &mib, NULL)) {
        if (mib > bytes / GUEST_MIB) {
            guest_print("%lu MiB wanted, %lu MiB free\n", mib, bytes / GUEST_MIB);
            return 1;
        }
        bytes = mib * GUEST_MIB;
    }
    for (uint64_t done = 0; done + PAGE <= bytes; done += PAGE) {
        volatile uint64_t *word = (volatile uint64_t *)(guest.heap_start + done);
#ifndef GUEST_BARE /* where firmware and loader ran before, and left things behind */
        if (*word != 0) {
            guest_print("memory at %lx is not zero\n", guest.heap_start + done);
            return 1;
        }
#endif
        *word = done + 1;
        if ((done + PAGE) % (STEP_MIB * GUEST_MIB) == 0)
            guest_print("touched %lu MiB\n", (done + PAGE) / GUEST_MIB);
    }
    guest_print("done: %lu MiB of %lu MiB\n", bytes / GUEST_MIB, guest.mem_size / GUEST_MIB);
    while (hold)
        guest_wait(guest_monotonic() + 3600 * GUEST_NSEC);
    return 0;
}
