/* Checks the clocks: sleeps so many seconds (default 1) and compares; `wait` sleeps until it is ended,
 * `spin` computes until then; `tick MS [SIZE]` prints "tick N" every MS milliseconds (0: all the time), each
 * line in one write of SIZE bytes. */
#include "guest.h"

GUEST_MANIFEST();

#define LINE_MAX  (1 << 18)    /* bytes */
#define YEAR_2020 1577836800UL /* seconds */

static _Noreturn void wait_for_ever(void)
{
    guest_print("waiting\n");
    for (;;)
        guest_wait(guest_monotonic() + 3600 * GUEST_NSEC);
}

static _Noreturn void tick_for_ever(uint64_t milliseconds, uint64_t size)
{
    static char line[LINE_MAX];
    for (uint64_t n = 0;; n++) {
        size_t len = guest_format(line, sizeof line, "tick %lu ", n);
        for (; len + 1 < size && len + 1 < sizeof line; len++)
            line[len] = 'x';
        line[len++] = '\n';
        guest_write(line, len);
        uint64_t deadline = guest_monotonic() + milliseconds * GUEST_MSEC;
        while (milliseconds && guest_monotonic() < deadline)
            guest_wait(deadline);
    }
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
    uint64_t seconds = 1, milliseconds = 0, size = 0;
    if (argc > 1 && guest_equal(argv[0], "tick") && guest_number(argv[1], &milliseconds, NULL) &&
        (argc < 3 || guest_number(argv[2], &size, NULL)))
        tick_for_ever(milliseconds, size);
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
