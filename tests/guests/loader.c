/* What Hermit's loader looks like from outside: prints what it was told and what it would boot, its first
 * module, and ends as Hermit's kernel does, with 1 for success or 0 for failure at the port 0xf4. The word
 * "fail" is a failure, "off" a power-off, "panic" is the loader's own; "stay" waits. */
#include "bare.h"

#define PORT_EXIT 0xf4

GUEST_MANIFEST();

static void print_module(const struct bare_range *module)
{
    const volatile uint8_t *bytes = (const volatile uint8_t *)bare_reg32(module->start);
    if (!module->len) {
        guest_print("[LOADER] no module\n");
        return;
    }
    guest_print("[LOADER] module of %lu bytes, %x%c%c%c, ABI %u\n", module->len, bytes[0], bytes[1], bytes[2],
                bytes[3], bytes[7]);
}

int guest_main(int argc, char **argv)
{
    const char *how = argc > 0 ? argv[argc - 1] : "";
    guest_print("[LOADER] Found Multiboot information\n[LOADER] told: %s\n", bare_boot.arguments);
    print_module(&bare_boot.ramdisk);
    if (guest_equal(how, "stay"))
        bare_halt();
    if (guest_equal(how, "panic")) {
        guest_print("[LOADER] panicked at src/main.rs:1:2:\nas it was told\n");
        bare_halt();
    }
    if (!guest_equal(how, "off"))
        bare_out32(PORT_EXIT, !guest_equal(how, "fail"));
    bare_power_off();
    return 0;
}
