/* A growing, NULL-terminated array of strings: what execve takes, and nothing that is ever split. */
#ifndef RK_ARGV_H
#define RK_ARGV_H

#include <stddef.h>

/* v[0] … v[n - 1] are heap strings that the array owns; v[n] is NULL. All zero is a valid, empty array (v is
 * NULL then). */
struct rk_argv {
    char **v;
    size_t n;
};

/* Append a copy of `s`. -ENOMEM. */
int rk_argv_add(struct rk_argv *argv, const char *s);

/* Append a formatted string. -ENOMEM. */
int rk_argv_addf(struct rk_argv *argv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Free everything; the array is empty and usable afterwards. Fits the cleanup attribute. */
void rk_argv_fini(struct rk_argv *argv);

#define rk_autoargv __attribute__((cleanup(rk_argv_fini)))

#endif
