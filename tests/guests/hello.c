/* Says hello: where it runs, how much memory it has, and the arguments that reached it. */
#include "guest.h"

GUEST_MANIFEST();

int guest_main(int argc, char **argv)
{
    guest_print("Hello from %s\n", guest.target);
    guest_print("mem: %lu\n", guest.mem_size);
    guest_write("cmdline: ", 9);
    guest_write(guest.cmdline, strlen(guest.cmdline));
    guest_write("\n", 1);
    for (int i = 0; i < argc; i++) {
        guest_print("arg[%d]: ", i);
        guest_write(argv[i], strlen(argv[i]));
        guest_write("\n", 1);
    }
    return 0;
}
