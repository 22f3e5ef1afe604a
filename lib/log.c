/* The log that engines read. */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

/* The one piece of state that is not handed around: there is one log per process, opened by main. */
static struct {
    int fd;
    bool json, debug;
} sink = {.fd = -1};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

int rk_log_open(const char *path, bool json, bool debug, struct rk_err *err)
{
    sink.json = json;
    sink.debug = debug;
    if (!path)
        return 0;
    sink.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
    if (sink.fd < 0)
        return rk_fail_errno(err, "open log file '%s'", path);
    return 0;
}

/* `text` with quotes, backslashes and control characters escaped, as a JSON string in its quotes; NULL
 * without memory. Bytes that are no UTF-8 become '?': the line must parse whatever a guest or a path
 * contains. */
static char *quote(const char *text)
{
    rk_autofree char *clean = strdup(text);
    if (!clean)
        return NULL;
    json_t *s = json_string(clean);
    if (!s) {
        for (char *p = clean; *p; p++)
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        s = json_string(clean);
    }
    char *quoted = s ? json_dumps(s, JSON_ENCODE_ANY) : NULL;
    json_decref(s);
    return quoted;
}

void rk_log(enum rk_log_level level, const char *fmt, ...)
{
    if (level < RK_LOG_WARN && !sink.debug)
        return;
    char text[RK_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (sink.fd < 0) {
        if (level != RK_LOG_ERROR)
            dprintf(STDERR_FILENO, "runuk: %s: %s\n", level_names[level], text);
        return;
    }

    char when[40];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    rk_autofree char *quoted = quote(text);
    rk_autofree char *line = NULL;
    int n = asprintf(&line,
                     sink.json ? "{\"level\":\"%s\",\"msg\":%s,\"time\":\"%s\"}\n"
                               : "level=%s msg=%s time=\"%s\"\n",
                     level_names[level], quoted ? quoted : "\"\"", when);
    if (n > 0)
        rk_write_all(sink.fd, line, (size_t)n); /* one write: lines of concurrent calls never mix */
}
