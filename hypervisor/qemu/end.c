/* How a guest ended: from what it printed, what QEMU said, and how QEMU ended. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "hypervisor/qemu/supervisor.h"

/* A decimal number at *text, which is moved behind it. False when there is none. */
static bool take_number(const char **text, int *ret_status)
{
    const char *p = *text;
    bool negative = *p == '-';
    unsigned value = 0;
    p += negative;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++)
        value = value * 10 + (unsigned)(*p - '0');
    *ret_status = (int)((negative ? 0U - value : value) & 0xff);
    *text = p;
    return true;
}

int sup_line_status(const char *line, const char *pattern)
{
    int status = 0;
    while (*pattern) {
        if (strncmp(pattern, "%d", 2) == 0) {
            if (!take_number(&line, &status))
                return -1;
            pattern += 2;
        } else if (strncmp(pattern, "%s", 2) == 0) {
            /* What follows in the pattern says where the text ends: at its last occurrence a guest can't hide
             * it. */
            const char *rest = pattern + 2;
            for (const char *p = line + strlen(line); p >= line; p--) {
                int found = sup_line_status(p, rest);
                if (found >= 0)
                    return strstr(rest, "%d") ? found : status;
            }
            return -1;
        } else if (*pattern++ != *line++) {
            return -1;
        }
    }
    return *line ? -1 : status;
}

bool sup_end_numbered(const struct sup_end *end)
{
    return WIFEXITED(end->qemu) && WEXITSTATUS(end->qemu) != 0 &&
           (end->reason == SUP_UNKNOWN || end->reason == SUP_POWEROFF || end->reason == SUP_RESET);
}

int sup_end_status(const struct sup_end *end, const struct sup_options *options)
{
    if (end->signal > 0)
        return 128 + end->signal;
    if (end->console >= 0)
        return end->console;
    bool numbered = sup_end_numbered(end);
    if (!numbered && (end->reason == SUP_POWEROFF || (end->reason == SUP_RESET && options->reset_ends)))
        return 0;
    if (end->halted || (!numbered && end->reason != SUP_UNKNOWN))
        return 1;
    if (WIFSIGNALED(end->qemu))
        return 128 + WTERMSIG(end->qemu);
    int status = WEXITSTATUS(end->qemu);
    /* The number is (value << 1) | 1. */
    if (end->started && options->debug_success >= 0 && (status & 1))
        return status >> 1 == options->debug_success ? 0 : status >> 1 ? status >> 1 : 1;
    return end->started && status == 0 ? 0 : SUP_FAILED;
}
