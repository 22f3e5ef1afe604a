/* The pages of the network guests. */
#ifndef GUEST_HTTP_H
#define GUEST_HTTP_H

#include <stdbool.h>

/* Remember what the pages show: when the guest began, the program's name, its arguments; and whether / is
 * HTML. */
void http_init(const char *program, bool html, const char *arguments);

/* What is left of the arguments must be words: an option that nobody took is an error, as in a MirageOS
 * guest. Returns 0 or the exit status, 64. */
int http_check_options(int argc, char **argv);

#endif
