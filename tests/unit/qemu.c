/* What runuk-qemu makes of a guest's end: lines of its console, QEMU's events, QEMU's own status. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/qemu/supervisor.h"
#include "tests/unit/tap.h"

#define RUMPRUN "=== main() of \"%s\" returned %d ==="

static const struct {
    const char *line, *pattern;
    int want;
} lines[] = {
    {"=== main() of \"web\" returned 0 ===", RUMPRUN, 0},
    {"=== main() of \"web\" returned 7 ===", RUMPRUN, 7},
    {"=== main() of \"web\" returned -1 ===", RUMPRUN, 255},
    {"=== main() of \"web\" returned 256 ===", RUMPRUN, 0},
    {"=== main() of \"web\" returned 99999999999999999999 ===", RUMPRUN, 255},
    {"=== main() of \"web\" returned ===", RUMPRUN, -1},
    {"=== main() of \"web\" returned x ===", RUMPRUN, -1},
    {"=== main() of \"\" returned 3 ===", RUMPRUN, 3},
    /* A program's name can't say the status. */
    {"=== main() of \"a\" returned 1 === \" returned 4 ===", RUMPRUN, 4},
    {" === main() of \"web\" returned 0 ===", RUMPRUN, -1},
    {"=== main() of \"web\" returned 0 === ", RUMPRUN, -1},
    {"Solo5: solo5_exit(41) called", "Solo5: solo5_exit(%d) called", 41},
    {"halted", "halted", 0},
    {"halted.", "halted", -1},
    {"", "halted", -1},
    {"", "", 0},
    {"anything", "%s", 0},
    {"", "%s", 0},
    {"5", "%d", 5},
    {"-", "%d", -1},
};

static void test_lines(void)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        int got = sup_line_status(lines[i].line, lines[i].pattern);
        if (!tap_ok(got == lines[i].want, "line: \"%s\" is %d", lines[i].line, lines[i].want))
            printf("# got %d\n", got);
    }
}

#define EXITED(n) ((n) << 8)
#define KILLED(n) (n)
#define NONE      .signal = -1, .console = -1
#define RAN       NONE, .started = true

static const struct {
    const char *name;
    struct sup_end end;
    int success; /* the number at the debug port that means it; -1: no such port */
    int want;
    bool reset_ends;
} ends[] = {
    {"power-off", {RAN, .reason = SUP_POWEROFF}, -1, 0, false},
    {"a reset, which is what a triple fault is", {RAN, .reason = SUP_RESET}, -1, 1, false},
    {"a reset that is the guest's way to power off", {RAN, .reason = SUP_RESET}, -1, 0, true},
    {"a panic", {RAN, .reason = SUP_PANIC}, -1, 1, false},
    {"an error of KVM, for which we kill QEMU", {RAN, .reason = SUP_STUCK, .qemu = KILLED(9)}, -1, 1, false},
    {"the debug port: 0", {RAN, .qemu = EXITED(1)}, 0, 0, false},
    {"the debug port: 42", {RAN, .qemu = EXITED(85)}, 0, 42, false},
    {"the debug port: 127", {RAN, .qemu = EXITED(255)}, 0, 127, false},
    {"the debug port: success is 1", {RAN, .qemu = EXITED(3)}, 1, 0, false},
    {"the debug port: 0 is no success", {RAN, .qemu = EXITED(1)}, 1, 1, false},
    {"the debug port, as newer QEMUs have it: 42",
     {RAN, .reason = SUP_POWEROFF, .qemu = EXITED(85)},
     0,
     42,
     false},
    {"the debug port, as newer QEMUs have it: 0",
     {RAN, .reason = SUP_POWEROFF, .qemu = EXITED(1)},
     0,
     0,
     false},
    {"the debug port, and the guest goes on to reset",
     {RAN, .reason = SUP_RESET, .qemu = EXITED(85)},
     0,
     42,
     true},
    {"a power-off beside the debug port", {RAN, .reason = SUP_POWEROFF}, 0, 0, false},
    {"a reset beside the debug port", {RAN, .reason = SUP_RESET}, 0, 1, false},
    {"a power-off, and QEMU is killed as it ends",
     {RAN, .reason = SUP_POWEROFF, .qemu = KILLED(9)},
     0,
     0,
     false},
    {"no debug port: QEMU failed after a power-off",
     {RAN, .reason = SUP_POWEROFF, .qemu = EXITED(1)},
     -1,
     SUP_FAILED,
     false},
    {"no debug port: QEMU failed", {RAN, .qemu = EXITED(1)}, -1, SUP_FAILED, false},
    {"QEMU never ran the guest", {NONE, .qemu = EXITED(1)}, 0, SUP_FAILED, false},
    {"QEMU never ran the guest, and says it is well", {NONE, .qemu = EXITED(0)}, -1, SUP_FAILED, false},
    {"QEMU was killed", {RAN, .qemu = KILLED(9)}, -1, 137, false},
    {"a signal of ours", {.signal = 15, .console = 3, .started = true, .qemu = KILLED(9)}, 0, 143, false},
    {"what the console said", {.signal = -1, .console = 3, .started = true, .qemu = KILLED(9)}, 0, 3, false},
    {"halted without a word", {RAN, .halted = true, .qemu = KILLED(9)}, -1, 1, false},
};

static void test_ends(void)
{
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct sup_options options = {.debug_success = ends[i].success, .reset_ends = ends[i].reset_ends};
        int got = sup_end_status(&ends[i].end, &options);
        if (!tap_ok(got == ends[i].want, "end: %s is %d", ends[i].name, ends[i].want))
            printf("# got %d\n", got);
    }
    const struct sup_options resets = {.debug_success = -1, .reset_ends = true};
    const struct sup_end reset = {RAN, .reason = SUP_RESET}, panic = {RAN, .reason = SUP_PANIC};
    tap_ok(sup_end_status(&reset, &resets) == 0 && sup_end_status(&panic, &resets) == 1,
           "end: a reset, of a guest that ends so, is 0");
}

static char taken[8][SUP_LINE_SIZE];
static size_t taken_count;

static void take(void *data, const char *line)
{
    (void)data;
    if (taken_count < 8)
        strcpy(taken[taken_count++], line);
}

static void test_stream(void)
{
    static struct sup_stream stream;
    int in[2], out[2];
    char text[64] = "";
    if (pipe(in) < 0 || pipe(out) < 0)
        abort();
    stream = (struct sup_stream){.in = in[0], .out = out[1]};
    if (write(in[1], "a\r\nb", 4) != 4)
        abort();
    sup_stream_read(&stream, take, NULL);
    sup_stream_write(&stream);
    ssize_t n = read(out[0], text, sizeof text);
    tap_ok(n == 4 && memcmp(text, "a\r\nb", 4) == 0, "stream: passed on byte by byte");
    tap_ok(taken_count == 1 && strcmp(taken[0], "a") == 0, "stream: a line ends before its carriage return");
    for (int i = 0; i < 300; i++)
        if (write(in[1], "xxxxxxxxxx", 10) != 10)
            abort();
    if (write(in[1], "\nlast\n", 6) != 6)
        abort();
    close(in[1]);
    while (stream.in >= 0) {
        static char sink[8192];
        sup_stream_read(&stream, take, NULL);
        sup_stream_write(&stream);
        if (stream.in >= 0 && read(out[0], sink, sizeof sink) <= 0)
            abort();
    }
    tap_ok(taken_count == 3 && strlen(taken[1]) == SUP_LINE_SIZE - 1 && strcmp(taken[2], "last") == 0,
           "stream: what is too long is cut, what follows is whole");
}

/* A line of our own: in its turn, and never more than there is room for. */
static void test_say(void)
{
    static struct sup_stream stream;
    char text[64] = "";
    int out[2];
    if (pipe(out) < 0)
        abort();
    stream = (struct sup_stream){.in = -1, .out = out[1]};
    memcpy(stream.pending, "abc\n", 4);
    stream.start = 1;
    stream.end = 4;
    sup_stream_say(&stream, "own\n");
    sup_stream_write(&stream);
    ssize_t n = read(out[0], text, sizeof text);
    tap_ok(n == 7 && memcmp(text, "bc\nown\n", 7) == 0,
           "stream: a line of ours comes behind what is pending");
    sup_stream_say(&stream, "again\n");
    sup_stream_write(&stream);
    n = read(out[0], text, sizeof text);
    tap_ok(n == 6 && memcmp(text, "again\n", 6) == 0, "stream: and alone when nothing is");
    stream.start = 0;
    stream.end = sizeof stream.pending - 3;
    sup_stream_say(&stream, "own\n");
    tap_ok(stream.end == sizeof stream.pending - 3, "stream: but not where it does not fit");
}

/* Standard input for the guest's second serial port: nothing before it is asked for, then one message at a
 * time, its end the last. */
static void test_input(void)
{
    static struct sup_input input;
    char text[64];
    int pair[2], in[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || pipe(in) < 0 || dup2(in[0], STDIN_FILENO) < 0 ||
        write(in[1], "abc", 3) != 3)
        abort();
    input = (struct sup_input){.port = pair[0], .resized = true};
    sup_input_serve(&input);
    tap_ok(!sup_input_wanted(&input), "input: nothing is read before the guest asks");
    if (write(pair[1], "xm", 2) != 2)
        abort();
    sup_input_serve(&input);
    tap_ok(sup_input_wanted(&input), "input: then it is; no terminal has no size");
    sup_input_read(&input);
    bool once = !sup_input_wanted(&input);
    sup_input_serve(&input);
    ssize_t n = read(pair[1], text, sizeof text);
    tap_ok(once && n == 6 && memcmp(text, "D\0\3abc", 6) == 0 && !sup_input_wanted(&input),
           "input: one message for one word");
    close(in[1]);
    if (write(pair[1], "m", 1) != 1)
        abort();
    sup_input_serve(&input);
    sup_input_read(&input);
    sup_input_serve(&input);
    n = read(pair[1], text, sizeof text);
    tap_ok(n == 3 && memcmp(text, "E\0\0", 3) == 0, "input: its end is a message");
    if (write(pair[1], "m", 1) != 1)
        abort();
    sup_input_serve(&input);
    tap_ok(!sup_input_wanted(&input), "input: nothing comes after the end");
    close(pair[1]);
    sup_input_serve(&input);
    tap_ok(input.port == -1, "input: QEMU that is gone wants none");
}

/* What QEMU says in pieces, and what it never says. */
static void test_qmp(void)
{
    static struct sup_qmp qmp;
    struct sup_end end = {.signal = -1, .console = -1};
    static const char *const pieces[] = {
        "{\"QMP\": {\"version\": {}, \"capabil",
        "ities\": []}}\r\n",
        "{\"return\": {}}\r\n{\"return\": {}, \"id\": \"ru",
        "n\"}\r\n",
        "not JSON\r\n[1]\r\n{\"event\":1}\r\n{\"event\":\"SHUTDOWN\"}\r\n",
        "{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true,\"reason\":\"guest-reset\"}}\r\n",
    };
    char said[512] = "";
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        abort();
    qmp.fd = pair[0];
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (write(pair[1], pieces[i], strlen(pieces[i])) < 0)
            abort();
        sup_qmp_read(&qmp, &end);
        if (i == 2)
            tap_ok(!end.started, "qmp: half an answer is none");
    }
    ssize_t n = read(pair[1], said, sizeof said - 1);
    tap_ok(n > 0 && strstr(said, "qmp_capabilities") && strstr(said, "\"cont\""),
           "qmp: the greeting is answered, the guest runs");
    tap_ok(end.started && end.reason == SUP_RESET, "qmp: the answer and the event are understood");
    static char flood[20000];
    memset(flood, 'x', sizeof flood);
    for (size_t at = 0; at < sizeof flood;) {
        n = send(pair[1], flood + at, sizeof flood - at, MSG_DONTWAIT);
        at += n > 0 ? (size_t)n : 0;
        sup_qmp_read(&qmp, &end);
    }
    tap_ok(qmp.fd >= 0 && qmp.length < sizeof qmp.text, "qmp: a line without end is dropped");
    tap_ok(sup_qmp_button(&qmp), "qmp: the button is pressed");
    close(pair[1]);
    while (sup_qmp_read(&qmp, &end))
        ;
    tap_ok(qmp.fd < 0 && !sup_qmp_button(&qmp), "qmp: its end is noticed");
}

int main(void)
{
    test_lines();
    test_ends();
    test_stream();
    test_say();
    test_input();
    test_qmp();
    return tap_end();
}
