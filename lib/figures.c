/* The file of figures that a monitor and its readers share. */
#include "lib/figures.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"

static const char magic[] = "rkfigure";

_Static_assert(sizeof(struct rk_figures) <= RK_FIGURES_SIZE, "figures fit into their file");
_Static_assert(sizeof magic == sizeof((struct rk_figures *)0)->magic + 1, "the magic has eight letters");

int rk_figures_map(struct rk_figures **ret_figures, int fd, struct rk_err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return rk_fail_errno(err, "look at the file of figures");
    /* A store behind the end of the file would be a fatal signal. */
    if (!S_ISREG(st.st_mode) || st.st_size < RK_FIGURES_SIZE)
        return rk_fail(err, -EINVAL, "a file of figures has %d bytes at least", RK_FIGURES_SIZE);
    void *at = mmap(NULL, RK_FIGURES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return rk_fail_errno(err, "map the file of figures");
    struct rk_figures *figures = at;
    memset(figures, 0, sizeof *figures);
    figures->version = RK_FIGURES_VERSION;
    figures->size = sizeof *figures;
    /* Last: with it the file is one of figures. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    memcpy(figures->magic, magic, sizeof figures->magic);
    *ret_figures = figures;
    return 0;
}

static void bound(uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] > INT64_MAX)
            numbers[i] = INT64_MAX;
}

int rk_figures_read(struct rk_figures *ret_figures, int fd, struct rk_err *err)
{
    static const char none[sizeof ret_figures->magic];
    struct rk_figures got;
    ssize_t n = pread(fd, &got, sizeof got, 0);
    if (n < 0)
        return rk_fail_errno(err, "read the figures");
    if ((size_t)n < sizeof got)
        return rk_fail(err, -EINVAL, "the figures are cut short: %zd bytes of %zu", n, sizeof got);
    if (memcmp(got.magic, none, sizeof none) == 0)
        return 0;
    if (memcmp(got.magic, magic, sizeof got.magic) != 0)
        return rk_fail(err, -EINVAL, "the file holds no figures");
    if (got.version != RK_FIGURES_VERSION || got.size != sizeof got)
        return rk_fail(err, -EINVAL, "figures of version %u and %u bytes, which this runuk does not know",
                       got.version, got.size);
    bound(got.calls, RK_FIGURES_CALLS);
    bound(&got.interrupted, 1);
    bound(&got.other, 1);
    for (size_t i = 0; i < RK_FIGURES_DEVICES; i++) {
        struct rk_figures_block *b = &got.blocks[i];
        bound(&b->reads, 1);
        bound(&b->read_bytes, 1);
        bound(&b->writes, 1);
        bound(&b->written_bytes, 1);
    }
    *ret_figures = got;
    return 1;
}
