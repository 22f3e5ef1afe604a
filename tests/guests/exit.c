/* Exits with the status that its argument says, 0 without one. */
#include "guest.h"

GUEST_MANIFEST();

int guest_main(int argc, char **argv)
{
    uint64_t status = 0;
    const char *rest = "";
    if (argc > 0 && (!guest_number(argv[0], &status, &rest) || *rest)) {
        guest_print("exit: '%s' is no number\n", argv[0]);
        return 64;
    }
    guest_print("exit: %lu\n", status);
    return (int)status;
}
