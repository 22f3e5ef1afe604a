/* What the container reads, on its way to runuk-init: messages on the guest's second serial port, each when
 * it has been asked for (lib/told.h). */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/qemu/supervisor.h"
#include "lib/told.h"

bool sup_input_wanted(const struct sup_input *input)
{
    return input->port >= 0 && input->asked && !input->terminal && !input->ended;
}

static void begin(struct sup_input *input, char type, size_t length)
{
    input->message[0] = type;
    input->message[1] = (char)(length >> 8);
    input->message[2] = (char)length;
    input->start = 0;
    input->end = RK_INPUT_HEAD + length;
    input->asked = false;
}

/* Of the terminal, when it has changed and the guest has asked. */
static void put_size(struct sup_input *input)
{
    struct winsize size;
    if (!input->asked || !input->resized)
        return;
    input->resized = false;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        return;
    input->message[RK_INPUT_HEAD] = (char)(size.ws_row >> 8);
    input->message[RK_INPUT_HEAD + 1] = (char)size.ws_row;
    input->message[RK_INPUT_HEAD + 2] = (char)(size.ws_col >> 8);
    input->message[RK_INPUT_HEAD + 3] = (char)size.ws_col;
    begin(input, RK_INPUT_SIZE, 4);
}

void sup_input_read(struct sup_input *input)
{
    ssize_t n = read(STDIN_FILENO, input->message + RK_INPUT_HEAD, RK_INPUT_MAX);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    input->ended = n <= 0;
    begin(input, input->ended ? RK_INPUT_END : RK_INPUT_DATA, n > 0 ? (size_t)n : 0);
}

void sup_input_serve(struct sup_input *input)
{
    char word;
    ssize_t n;
    /* It asks anew only once it has got what it asked for: whatever else it says is no credit. */
    while (input->port >= 0 && (n = recv(input->port, &word, 1, MSG_DONTWAIT)) >= 0) {
        if (n == 0) {
            close(input->port);
            input->port = -1;
        } else if (word == RK_INPUT_MORE && input->start == input->end) {
            input->asked = true;
        }
    }
    put_size(input);
    if (input->port < 0 || input->start == input->end)
        return;
    n = send(input->port, input->message + input->start, input->end - input->start,
             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        input->start += (size_t)n;
}
