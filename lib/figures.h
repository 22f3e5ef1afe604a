/* What a monitor counts of its guest: numbers in a file that it maps and others read.
 *
 * The monitor writes with plain stores, so that counting costs a guest nothing; a reader copies the file with
 * pread and judges what it got, since the monitor is not trusted. */
#ifndef RK_FIGURES_H
#define RK_FIGURES_H

#include <stdint.h>

struct rk_err;

#define RK_FIGURES_SIZE    4096 /* bytes of the file: one page */
#define RK_FIGURES_VERSION 1
#define RK_FIGURES_CALLS   16 /* room for hypercall numbers */
#define RK_FIGURES_DEVICES 64 /* RK_SOLO5_MFT_ENTRIES */

/* Requests that were carried out, and their bytes. A Solo5 guest asks for one block at a time. */
struct rk_figures_block {
    uint64_t reads, read_bytes;
    uint64_t writes, written_bytes;
};

/* The file's beginning; the rest of the page is zero. All numbers are in the host's byte order. */
struct rk_figures {
    char magic[8]; /* "rkfigure"; zero until the monitor counts */
    uint32_t version;
    uint32_t size;                    /* sizeof(struct rk_figures) */
    uint64_t calls[RK_FIGURES_CALLS]; /* exits of the virtual machine that were hypercalls, by their number */
    uint64_t interrupted;             /* those by a signal, a stop or a look from outside */
    uint64_t other;                   /* those that end the guest: faults, wild ports and the like */
    struct rk_figures_block blocks[RK_FIGURES_DEVICES]; /* by the manifest's handle */
};

/* Add to a figure that another process may be reading: it sees the old or the new number. One writer only. */
static inline void rk_figures_add(uint64_t *figure, uint64_t n)
{
    __atomic_store_n(figure, __atomic_load_n(figure, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* For the monitor: map the file `fd`, which must have RK_FIGURES_SIZE bytes at least, and begin to count from
 * zero. The mapping stays until the process ends; `fd` is no longer needed. */
int rk_figures_map(struct rk_figures **ret_figures, int fd, struct rk_err *err);

/* For readers: a copy of what the file `fd` holds by now. 1: copied; 0: the monitor has not begun to count;
 * -EINVAL, with a text, for what are no figures of this version. Numbers beyond INT64_MAX, which nothing can
 * have counted, become that. */
int rk_figures_read(struct rk_figures *ret_figures, int fd, struct rk_err *err);

#endif
