/* Ends in the way that its first word says; what follows is printed before, as one line. Words that begin
 * with "--" and come before it are skipped: what some family puts in front. */
#include "bare.h"

GUEST_MANIFEST();

/* The number that `text` is. */
static bool whole_number(const char *text, uint64_t *ret_value)
{
    const char *rest = "";
    return guest_number(text, ret_value, &rest) && !*rest;
}

static _Noreturn void wait_for_button(void)
{
    guest_print("waiting for the power button\n");
    for (;;) {
        if (bare_power_button()) {
            guest_print("power button\n");
            bare_power_off();
        }
        guest_wait(guest_monotonic() + 10 * GUEST_MSEC);
    }
}

static void end_by(const char *how)
{
    if (guest_equal(how, "power-off"))
        bare_power_off();
    else if (guest_equal(how, "triple-fault"))
        bare_triple_fault();
    else if (guest_equal(how, "halt"))
        bare_halt();
    else if (guest_equal(how, "button"))
        wait_for_button();
    else if (guest_equal(how, "trap"))
        __asm__ volatile("ud2");
    while (guest_equal(how, "hang"))
        __asm__ volatile("cli\n\thlt");
    while (guest_equal(how, "spin"))
        __asm__ volatile("pause");
}

int guest_main(int argc, char **argv)
{
    uint64_t status = 0;
    for (; argc > 0 && argv[0][0] == '-' && argv[0][1] == '-'; argc--)
        argv++;
    const char *how = argc > 0 ? argv[0] : "";
    for (int i = 1; i < argc; i++)
        guest_print(i + 1 < argc ? "%s " : "%s\n", argv[i]);
    if (whole_number(how, &status)) {
        bare_debug_exit((int)status);
        guest_print("there is no debug exit\n");
        return 64;
    }
    end_by(how);
    guest_print(
        "finish: one of STATUS, power-off, triple-fault, halt, hang, spin, button, trap; '%s' did not end "
        "this machine\n",
        how);
    return 64;
}
