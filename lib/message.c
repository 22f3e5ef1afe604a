/* Messages over a SOCK_SEQPACKET socket, with descriptors. */
#include "lib/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int rk_message_send(int sock, const void *data, size_t len, const int *fds, size_t fd_count)
{
    if (fd_count > RK_MESSAGE_FDS || len > RK_MESSAGE_SIZE)
        return -E2BIG;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * RK_MESSAGE_FDS)];
    } control;
    struct iovec iov = {.iov_len = len};
    memcpy(&iov.iov_base, &data, sizeof data); /* iov_base is not const, sendmsg is */
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

ssize_t rk_message_receive(int sock, void *data, size_t size, int *fds, size_t *ret_fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * RK_MESSAGE_FDS)];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    ssize_t n;
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    size_t got = 0;
    int received[RK_MESSAGE_FDS];
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (count > RK_MESSAGE_FDS - got)
            count = RK_MESSAGE_FDS - got;
        memcpy(received + got, CMSG_DATA(c), count * sizeof(int));
        got += count;
    }
    if (!fds || (msg.msg_flags & MSG_TRUNC)) {
        for (size_t i = 0; i < got; i++)
            close(received[i]);
        got = 0;
    } else {
        memcpy(fds, received, got * sizeof(int));
    }
    if (ret_fd_count)
        *ret_fd_count = got;
    return (msg.msg_flags & MSG_TRUNC) ? -EMSGSIZE : n;
}
