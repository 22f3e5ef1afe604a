/* The program's input, and the size of its terminal: messages that the host sends by the second serial port,
 * each when it is asked for (lib/told.h). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"
#include "lib/told.h"

#define PORT      "/dev/ttyS1"
#define FEED_SIZE 4096 /* what the program has not read waits on the host rather than here */

/* Neither is worth a word when it fails: then there is no such port, and the program's input is empty. */
static bool ask(struct ini_input *input)
{
    const char more = RK_INPUT_MORE;
    return write(input->port, &more, 1) == 1;
}

void ini_input_open(struct ini_input *input, bool tty)
{
    struct termios t;
    int feed[2];
    *input = (struct ini_input){
        .port = open(PORT, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), .feed = -1, .program = -1};
    if (!tty && pipe2(feed, O_CLOEXEC) == 0) {
        input->program = feed[0];
        input->feed = feed[1];
        fcntl(input->feed, F_SETFL, O_NONBLOCK);
        fcntl(input->feed, F_SETPIPE_SZ, FEED_SIZE);
    }
    if (input->port >= 0 && tcgetattr(input->port, &t) == 0) {
        cfmakeraw(&t);
        cfsetspeed(&t, B115200);
        t.c_cflag |= CLOCAL | CREAD;
        if (tcsetattr(input->port, TCSANOW, &t) == 0 && ask(input))
            return;
    }
    ini_input_close(input);
}

void ini_input_close(struct ini_input *input)
{
    if (input->port >= 0)
        close(input->port);
    if (input->feed >= 0)
        close(input->feed);
    input->port = input->feed = -1;
}

/* The whole message: done with it? */
static bool take(struct ini_input *input)
{
    const unsigned char *text = (const unsigned char *)input->message + RK_INPUT_HEAD;
    size_t length = input->length - RK_INPUT_HEAD;
    if (input->message[0] == RK_INPUT_SIZE && length == 4) {
        const struct winsize size = {.ws_row = (unsigned short)(text[0] << 8 | text[1]),
                                     .ws_col = (unsigned short)(text[2] << 8 | text[3])};
        ioctl(STDIN_FILENO, TIOCSWINSZ, &size); /* its processes hear of it by SIGWINCH */
        return true;
    }
    if (input->message[0] != RK_INPUT_DATA) {
        ini_input_close(input);
        return true;
    }
    while (input->taken < length) {
        ssize_t n = write(input->feed, text + input->taken, length - input->taken);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0) { /* nobody reads any more */
            ini_input_close(input);
            return true;
        }
        input->taken += (size_t)n;
    }
    return true;
}

static size_t wanted(const struct ini_input *input)
{
    const unsigned char *head = (const unsigned char *)input->message;
    if (input->length < RK_INPUT_HEAD)
        return RK_INPUT_HEAD;
    size_t length = (size_t)head[1] << 8 | head[2];
    return RK_INPUT_HEAD + (length < RK_INPUT_MAX ? length : RK_INPUT_MAX);
}

bool ini_input_is_full(const struct ini_input *input)
{
    return input->length >= RK_INPUT_HEAD && input->length == wanted(input);
}

void ini_input_serve(struct ini_input *input)
{
    while (input->port >= 0) {
        if (ini_input_is_full(input)) {
            if (!take(input))
                return;
            input->length = input->taken = 0;
            if (input->port >= 0 && !ask(input))
                ini_input_close(input);
            continue;
        }
        ssize_t n = read(input->port, input->message + input->length, wanted(input) - input->length);
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                ini_input_close(input);
            return;
        }
        input->length += (size_t)n;
    }
}
