/* The other side of --console-socket, for tests/oci-console.bats: receives a terminal, and lends it to the
 * test.
 *
 *   console_driver SOCKET NAME-FILE    listens on SOCKET (made before the first line of output), takes one
 * terminal, writes the data that came with it to NAME-FILE, then copies the terminal to stdout and stdin to
 * the terminal, until the terminal ends */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/fd.h"
#include "lib/message.h"

#define PATIENCE_MS 20000

static int fail(const char *what)
{
    fprintf(stderr, "console_driver: %s: %s\n", what, strerror(errno));
    return 1;
}

static bool ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, PATIENCE_MS) > 0;
}

/* One connection, one message, one descriptor: the terminal, or -1. */
static int receive_terminal(int listener, const char *name_file)
{
    char name[256];
    int fds[RK_MESSAGE_FDS];
    size_t count = 0;
    int conn = ready(listener) ? accept(listener, NULL, NULL) : -1;
    if (conn < 0 || !ready(conn))
        return -1;
    ssize_t n = rk_message_receive(conn, name, sizeof name, fds, &count);
    /* The runtime closes behind the one message. */
    if (n <= 0 || count != 1 || !ready(conn) || read(conn, name + n, 1) != 0) {
        errno = EPROTO;
        return -1;
    }
    close(conn);
    FILE *out = fopen(name_file, "w");
    if (!out || fwrite(name, 1, (size_t)n, out) != (size_t)n || fclose(out) != 0)
        return -1;
    return fds[0];
}

/* Copy what is there; false at the end, which a terminal whose other side is closed tells as EIO. */
static bool copy(int from, int to)
{
    char buf[4096];
    ssize_t n = read(from, buf, sizeof buf);
    return n > 0 && rk_write_all(to, buf, (size_t)n) == 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    if (argc != 3 || strlen(argv[1]) >= sizeof addr.sun_path) {
        fprintf(stderr, "usage: console_driver SOCKET NAME-FILE\n");
        return 64;
    }
    strcpy(addr.sun_path, argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&addr, sizeof addr) < 0 ||
        listen(listener, 1) < 0)
        return fail("listen");
    printf("listening\n");
    fflush(stdout);
    int terminal = receive_terminal(listener, argv[2]);
    if (terminal < 0 || !isatty(terminal))
        return fail("receive a terminal");
    struct winsize born = {0};
    ioctl(terminal, TIOCGWINSZ, &born);
    printf("size %d %d\n", born.ws_row, born.ws_col);
    /* As engines do when their user's window changes. */
    if (ioctl(terminal, TIOCSWINSZ, &size) < 0)
        return fail("resize");
    printf("received\n");
    fflush(stdout);
    struct pollfd p[] = {{.fd = terminal, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return fail("poll");
        if (p[0].revents && !copy(terminal, STDOUT_FILENO))
            return 0;
        if (p[1].revents && !copy(STDIN_FILENO, terminal))
            p[1].fd = -1;
    }
}
