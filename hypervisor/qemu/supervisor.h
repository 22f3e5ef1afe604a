/* runuk-qemu: process 1 of a container whose guest runs in QEMU. It starts QEMU, is the only one who talks to
 * its monitor, passes on what the guest prints, asks the guest to power off, and ends with the guest's exit
 * status. */
#ifndef SUP_SUPERVISOR_H
#define SUP_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/told.h"

struct rk_err;

#define SUP_LINES_MAX 8
#define SUP_FAILED    125 /* exit status when QEMU itself failed: a guest's error is its own status, or 1 */

/* The command line: runuk-qemu [OPTION…] -- QEMU ARGUMENT… */
struct sup_options {
    bool button;       /* --button: SIGTERM presses the ACPI button */
    bool input;        /* --input: the guest's second serial port takes the input (lib/told.h) */
    bool reset_ends;   /* --reset-ends: a reset is how the guest powers off */
    int debug_success; /* --debug-exit=N: the guest may end QEMU by writing its status, of which N is success;
                          -1: not */
    const char
        *failed_lines[SUP_LINES_MAX + 1];      /* --failed-line=TEXT: a guest that prints it ends with 255 */
    const char *exit_lines[SUP_LINES_MAX + 1]; /* --exit-line=TEXT: see sup_line_status */
    const char *halted_line; /* --halted-line=TEXT: the guest is over when it prints this; NULL: none */
    int gate; /* --gate=FD: where a failure is told before the guest runs (SOCK_SEQPACKET, "E" and the text),
                 and which is closed when it does; -1: none */
    char **argv; /* QEMU's */
};

/* What has been learned of the guest's end. -1: nothing. */
struct sup_end {
    int signal;   /* one that ended it, by us */
    int console;  /* the status that it printed */
    int qemu;     /* QEMU's wait status */
    bool started; /* the machine was built, and the guest ran */
    bool halted;  /* it printed the line of a guest that is over */
    enum { SUP_UNKNOWN, SUP_POWEROFF, SUP_RESET, SUP_PANIC, SUP_STUCK } reason; /* what QEMU says of it */
};

/* Does `line` (NUL-terminated, without its end) match `pattern`, in which "%s" stands for any text and "%d"
 * for a number? Returns the number as an exit status (modulo 256, as exit(2) has it), 0 for a pattern without
 * "%d", or -1 when it does not match. */
int sup_line_status(const char *line, const char *pattern);

/* Did QEMU end with a number? It has one for a write to isa-debug-exit, and for an error of its own. Such a
 * write ends older QEMUs at once; newer ones power off, say so, and the guest, which runs on for a moment,
 * may reset the machine meanwhile. */
bool sup_end_numbered(const struct sup_end *end);

/* The exit status of the container. */
int sup_end_status(const struct sup_end *end, const struct sup_options *options);

#define SUP_LINE_SIZE 512

/* What QEMU prints, on its way to whoever reads the container's output. */
struct sup_stream {
    int in;             /* -1: at its end */
    int out;            /* a standard descriptor */
    char pending[4096]; /* read and not yet written */
    size_t start, end;
    char line[SUP_LINE_SIZE]; /* the line that is being printed; what is longer is cut */
    size_t length;
};

/* Called with each line, NUL-terminated, without its end. */
typedef void sup_line_fn(void *data, const char *line);

/* Read what there is, when nothing is pending. */
void sup_stream_read(struct sup_stream *stream, sup_line_fn *take, void *data);

/* Write what is pending, once: does not block when poll(2) says that there is room. */
void sup_stream_write(struct sup_stream *stream);

/* Put in a line of our own, which ends with a newline: behind what is pending, and not at all where that
 * leaves no room for it. */
void sup_stream_say(struct sup_stream *stream, const char *line);

/* The connection to QEMU's monitor (QMP: docs/interop/qmp-spec of QEMU). Commands are answered in order;
 * events come at any time. */
struct sup_qmp {
    int fd; /* -1: closed */
    char text[16384];
    size_t length;
};

/* Read what QEMU says, and answer its greeting: the guest runs from then on. False when there is nothing to
 * read. */
bool sup_qmp_read(struct sup_qmp *qmp, struct sup_end *end);

/* Press the guest's ACPI button. False when QEMU can't be told. */
bool sup_qmp_button(struct sup_qmp *qmp);

/* The container's input, for an init of ours. */
struct sup_input {
    int port;      /* the guest's second serial port, a socket; -1: there is none */
    bool terminal; /* the input is one: QEMU reads it, and only its size goes here */
    bool resized;  /* its size has changed */
    bool asked;    /* the guest has room for a message */
    bool ended;    /* there is nothing more to read */
    char message[RK_INPUT_HEAD + RK_INPUT_MAX];
    size_t start, end; /* what of it is still to be sent */
};

/* Whether standard input is to be read: then sup_input_read does, once, without blocking where poll(2) says
 * that there is something. */
bool sup_input_wanted(const struct sup_input *input);
void sup_input_read(struct sup_input *input);

/* Take what the guest says, and send what there is for it. Never blocks. */
void sup_input_serve(struct sup_input *input);

/* From here on nothing but what this program still needs: `qemu` is whom it may kill. */
int sup_confine(pid_t qemu, struct rk_err *err);

#endif
