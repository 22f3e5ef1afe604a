/* The log that engines read: one line per event, JSON or text, appended to the file of --log. */
#ifndef RK_LOG_H
#define RK_LOG_H

#include <stdbool.h>

struct rk_err;

enum rk_log_level { RK_LOG_DEBUG, RK_LOG_INFO, RK_LOG_WARN, RK_LOG_ERROR };

/* Open the log. `path` NULL: warnings and errors only go to stderr. `json`: {"level","msg","time"} lines as
 * containerd's shim parses them, else logrus' text form. `debug`: debug and info lines too. The file is
 * opened O_APPEND, 0644 when it is new. */
int rk_log_open(const char *path, bool json, bool debug, struct rk_err *err);

/* Append a line. Nothing when the level is off. Without a file only warnings go to stderr; errors are main's
 * to print. */
void rk_log(enum rk_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define rk_debug(...) rk_log(RK_LOG_DEBUG, __VA_ARGS__)
#define rk_warn(...)  rk_log(RK_LOG_WARN, __VA_ARGS__)

#endif
