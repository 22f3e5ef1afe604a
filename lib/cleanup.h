/* Cleanup attributes: descriptors and heap blocks that give themselves back at the end of their scope. */
#ifndef RK_CLEANUP_H
#define RK_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Close *fd unless it is negative; keeps errno. */
static inline void rk_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd);
    *fd = -1;
    errno = saved;
}

/* Free *p (a pointer to any pointer type); free keeps errno since glibc 2.33, older ones are covered here. */
static inline void rk_free(void *p)
{
    int saved = errno;
    free(*(void **)p);
    *(void **)p = NULL;
    errno = saved;
}

static inline void rk_fclose(FILE **f)
{
    if (*f)
        fclose(*f);
    *f = NULL;
}

#define rk_autoclose  __attribute__((cleanup(rk_close)))
#define rk_autofree   __attribute__((cleanup(rk_free)))
#define rk_autofclose __attribute__((cleanup(rk_fclose)))

/* Hand a descriptor over: the variable forgets it, the caller owns it. */
static inline int rk_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* Hand a heap pointer over. */
#define rk_take(p)                                                                                           \
    ({                                                                                                       \
        __typeof__(p) rk_taken_ = (p);                                                                       \
        (p) = NULL;                                                                                          \
        rk_taken_;                                                                                           \
    })

#define RK_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
