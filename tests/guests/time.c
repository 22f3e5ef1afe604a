/* Checks the clocks: sleeps so many seconds (default 1) and compares; `wait` sleeps until it is ended,
 * `spin` computes until then. */
#include "guest.h"

GUEST_MANIFEST();

#define YEAR_2020 1577836800UL /* seconds */

static _Noreturn void wait_for_ever(void)
{
    guest_print("waiting\n");
    for (;;)
        guest_wait(guest_monotonic() + 3600 * GUEST_NSEC);
}

static int fail(const char *what, uint64_t got, uint64_t wanted)
{
    guest_print("%s: %lu ms instead of %lu ms\nFAIL\n", what, got / GUEST_MSEC, wanted / GUEST_MSEC);
    return 1;
}

static bool near(uint64_t got, uint64_t wanted)
{
    return got >= wanted - wanted / 5 && got <= wanted + wanted / 5;
}

int guest_main(int argc, char **argv)
{
    if (argc > 0 && guest_equal(argv[0], "wait"))
        wait_for_ever();
    while (argc > 0 && guest_equal(argv[0], "spin"))
        guest_monotonic();
    uint64_t seconds = 1;
    if (argc > 0 && !guest_number(argv[0], &seconds, NULL)) {
        guest_print("time: '%s' is no number\n", argv[0]);
        return 64;
    }
    uint64_t wall = guest_wall();
    uint64_t start = guest_monotonic();
    guest_print("wall clock: %lu.%09lu\n", wall / GUEST_NSEC, wall % GUEST_NSEC);
    if (wall / GUEST_NSEC < YEAR_2020)
        return fail("wall clock", wall, YEAR_2020 * GUEST_NSEC);

    /* A deadline that is past must not be waited for. */
    guest_wait(0);
    guest_wait(start);
    if (guest_monotonic() - start > GUEST_NSEC / 2)
        return fail("past deadline", guest_monotonic() - start, 0);

    start = guest_monotonic();
    wall = guest_wall();
    uint64_t deadline = start + seconds * GUEST_NSEC;
    while (guest_monotonic() < deadline)
        guest_wait(deadline);
    uint64_t slept = guest_monotonic() - start;
    uint64_t passed = guest_wall() - wall;
    guest_print("slept %lu ms, wall clock says %lu ms\n", slept / GUEST_MSEC, passed / GUEST_MSEC);
    if (!near(slept, seconds * GUEST_NSEC))
        return fail("monotonic clock", slept, seconds * GUEST_NSEC);
    if (!near(passed, seconds * GUEST_NSEC))
        return fail("wall clock", passed, seconds * GUEST_NSEC);
    guest_print("SUCCESS\n");
    return 0;
}
