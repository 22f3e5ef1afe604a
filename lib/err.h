/* The error object: one line of text and a negative errno, owned by the caller, no heap. */
#ifndef RK_ERR_H
#define RK_ERR_H

#define RK_ERR_TEXT 2048

/* Filled by the function that fails; valid after fork and after ENOMEM. `code` is a negative errno, 0 while
 * unset. */
struct rk_err {
    int code;
    char text[RK_ERR_TEXT];
};

/* Set `err` to the formatted text and `code` (a negative errno). Returns `code`, so that callers can write
 * `return rk_fail(err, -EINVAL, "…")`. `err` may be NULL: then only the code is passed on. */
int rk_fail(struct rk_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same with code -errno (of the moment of the call) and ": strerror" behind the text. */
int rk_fail_errno(struct rk_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "formatted text: " in front of the text that is there. Returns the code that is there. */
int rk_wrap(struct rk_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
