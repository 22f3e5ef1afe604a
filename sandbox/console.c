/* The terminal of a container. */
#include "sandbox/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/message.h"

int box_console_open(int *ret_master, int *ret_slave, char name[BOX_CONSOLE_NAME], struct rk_err *err)
{
    rk_autoclose int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        return rk_fail_errno(err, "open a terminal");
    if (ptsname_r(master, name, BOX_CONSOLE_NAME) != 0)
        return rk_fail_errno(err, "name of the terminal");
    rk_autoclose int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return rk_fail_errno(err, "open terminal '%s'", name);
    *ret_master = rk_take_fd(&master);
    *ret_slave = rk_take_fd(&slave);
    return 0;
}

int box_console_send(const char *path, int master, const char *name, struct rk_err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return rk_fail(err, -ENAMETOOLONG, "console socket '%s': path too long", path);
    strcpy(addr.sun_path, path);
    rk_autoclose int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (const struct sockaddr *)&addr, sizeof addr) < 0)
        return rk_fail_errno(err, "connect to console socket '%s'", path);
    int r = rk_message_send(sock, name, strlen(name), &master, 1);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "send the terminal to '%s'", path);
    }
    return 0;
}

int box_console_adopt(int slave, struct rk_err *err)
{
    if (ioctl(slave, TIOCSCTTY, 0) < 0)
        return rk_fail_errno(err, "make the terminal the controlling one");
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(slave, fd) < 0)
            return rk_fail_errno(err, "attach the terminal");
    return 0;
}

void box_console_set_size(int terminal, unsigned short rows, unsigned short columns)
{
    const struct winsize size = {.ws_row = rows, .ws_col = columns};
    if (rows || columns)
        ioctl(terminal, TIOCSWINSZ, &size);
}

void box_console_resize(int terminal, int like)
{
    struct winsize size;
    if (ioctl(like, TIOCGWINSZ, &size) == 0)
        ioctl(terminal, TIOCSWINSZ, &size);
}

int box_console_raw(int fd, struct termios *ret_saved)
{
    struct termios raw;
    if (tcgetattr(fd, ret_saved) < 0)
        return -errno;
    raw = *ret_saved;
    cfmakeraw(&raw);
    return tcsetattr(fd, TCSANOW, &raw) < 0 ? -errno : 0;
}

void box_console_restore(int fd, const struct termios *saved)
{
    tcsetattr(fd, TCSANOW, saved);
}
