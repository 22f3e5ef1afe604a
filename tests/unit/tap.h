/* Test results as TAP lines, for unit tests: one program, one count. */
#ifndef UNIT_TAP_H
#define UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned tap_count, tap_failures;

/* Report one result. Returns it. */
__attribute__((format(printf, 2, 3))) static inline bool tap_ok(bool good, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("%sok %u - ", good ? "" : "not ", ++tap_count);
    vprintf(fmt, ap); // NOLINT(clang-analyzer-valist.Uninitialized): started two lines above
    putchar('\n');
    va_end(ap);
    tap_failures += !good;
    return good;
}

/* Print the plan; the exit status of main. */
static inline int tap_end(void)
{
    printf("1..%u\n", tap_count);
    return tap_failures != 0;
}

#endif
