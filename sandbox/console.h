/* The terminal of a container: a pseudo-terminal whose master goes to the engine. */
#ifndef BOX_CONSOLE_H
#define BOX_CONSOLE_H

struct rk_err;

#define BOX_CONSOLE_NAME 64

/* Open a pseudo-terminal. Both descriptors are O_CLOEXEC and the caller's; `name` is the slave's path. */
int box_console_open(int *ret_master, int *ret_slave, char name[BOX_CONSOLE_NAME], struct rk_err *err);

/* Hand the master to the engine: connect to the UNIX socket `path` and send one message with the descriptor;
 * the data is the name, as runc does it (runc's docs/terminals.md). */
int box_console_send(const char *path, int master, const char *name, struct rk_err *err);

/* Make `slave` the controlling terminal and standard input, output and error. Needs a session of one's own.
 */
int box_console_adopt(int slave, struct rk_err *err);

struct termios;

/* Give `terminal` that size in characters; nothing when both are 0. */
void box_console_set_size(int terminal, unsigned short rows, unsigned short columns);

/* Give `terminal` the size of the terminal `like`; nothing when that is none. */
void box_console_resize(int terminal, int like);

/* Let every key typed on the terminal `fd` through as it is: *ret_saved is what box_console_restore needs.
 * -ENOTTY when it is none. */
int box_console_raw(int fd, struct termios *ret_saved);
void box_console_restore(int fd, const struct termios *saved);

#endif
