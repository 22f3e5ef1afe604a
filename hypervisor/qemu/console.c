/* The guest's console: passed on as it comes, and read for the lines that tell a guest's end. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hypervisor/qemu/supervisor.h"

static void end_line(struct sup_console *console, const struct sup_options *options, struct sup_end *end)
{
    while (console->length > 0 && console->line[console->length - 1] == '\r')
        console->length--;
    console->line[console->length] = '\0';
    console->length = 0;
    for (size_t i = 0; options->exit_lines[i]; i++) {
        int status = sup_line_status(console->line, options->exit_lines[i]);
        if (status >= 0)
            end->console = status;
    }
    if (options->halted_line && sup_line_status(console->line, options->halted_line) >= 0)
        end->halted = true;
}

void sup_console_read(struct sup_console *console, const struct sup_options *options, struct sup_end *end)
{
    if (console->in < 0 || console->start < console->end)
        return;
    ssize_t n = read(console->in, console->pending, sizeof console->pending);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        close(console->in);
        console->in = -1;
        return;
    }
    console->start = 0;
    console->end = (size_t)n;
    for (size_t i = 0; i < (size_t)n; i++) {
        if (console->pending[i] == '\n')
            end_line(console, options, end);
        else if (console->length < sizeof console->line - 1)
            console->line[console->length++] = console->pending[i];
    }
}

void sup_console_write(struct sup_console *console)
{
    while (console->start < console->end) {
        ssize_t n = write(STDOUT_FILENO, console->pending + console->start, console->end - console->start);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        /* Nobody reads: the guest goes on, as a process that ignores SIGPIPE would. */
        console->start = n < 0 ? console->end : console->start + (size_t)n;
    }
}
