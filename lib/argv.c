/* A growing, NULL-terminated array of strings. */
#include "lib/argv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes `s` over, also on failure. */
static int argv_push(struct rk_argv *argv, char *s)
{
    if (!s)
        return -ENOMEM;
    /* Room grows by powers of two: n + 1 slots are in use, so grow when that reaches one. */
    size_t used = argv->v ? argv->n + 1 : 0;
    if ((used & (used - 1)) == 0) {
        char **grown = realloc(argv->v, (used ? used * 2 : 2) * sizeof *grown);
        if (!grown) {
            free(s);
            return -ENOMEM;
        }
        argv->v = grown;
    }
    argv->v[argv->n++] = s;
    argv->v[argv->n] = NULL;
    return 0;
}

int rk_argv_add(struct rk_argv *argv, const char *s)
{
    return argv_push(argv, strdup(s));
}

int rk_argv_addf(struct rk_argv *argv, const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return argv_push(argv, n < 0 ? NULL : s);
}

void rk_argv_fini(struct rk_argv *argv)
{
    for (size_t i = 0; i < argv->n; i++)
        free(argv->v[i]);
    free(argv->v);
    argv->v = NULL;
    argv->n = 0;
}
