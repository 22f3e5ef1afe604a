/* Messages over a SOCK_SEQPACKET socket, with descriptors: one send is one receive. */
#ifndef RK_MESSAGE_H
#define RK_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>

#define RK_MESSAGE_FDS  64    /* descriptors in one message, at the most */
#define RK_MESSAGE_SIZE 65536 /* bytes in one message, at the most */

/* Send `len` bytes and `fd_count` descriptors as one message. SIGPIPE is never raised. 0 or a negative errno.
 */
int rk_message_send(int sock, const void *data, size_t len, const int *fds, size_t fd_count);

/* Receive one message of at most `size` bytes. Descriptors arrive O_CLOEXEC in `fds`, *ret_fd_count of them
 * at most RK_MESSAGE_FDS. `fds` NULL: descriptors that come are closed. Returns the length, 0 at the end of
 * the stream, or a negative errno
 * (-EMSGSIZE when it was longer). */
ssize_t rk_message_receive(int sock, void *data, size_t size, int *fds, size_t *ret_fd_count);

#endif
