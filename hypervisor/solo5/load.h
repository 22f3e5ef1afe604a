/* Guest memory: a lazily touched mapping with the image's segments in it. */
#ifndef LDR_LOAD_H
#define LDR_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "lib/err.h"
#include "lib/solo5.h"

/* Guest addresses [start, size) lie at host address `base` and on. */
struct ldr_memory {
    uint8_t *base;
    uint64_t start;
    uint64_t size;  /* bytes of guest address space, `start` included */
    int protection; /* PROT_… of what no segment covers */
    bool executes;  /* the host's own page tables are the guest's: code must be executable there */
};

/* How guest memory is mapped: nothing is reserved or touched before the guest touches it. */
#define LDR_MAP (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/* The host's protection (PROT_…) for a segment with the flags PF_…. Without `executes`, code is merely
 * readable. */
int ldr_protection(const struct ldr_memory *memory, uint32_t flags);

/* The guest addresses of the pages that a segment takes, which no other segment shares. */
void ldr_extent(const struct rk_solo5_segment *segment, uint64_t *ret_start, uint64_t *ret_end);

/* Place the segments at their addresses and protect them. Parts that are page-congruent in the file are
 * mapped from it, privately; the rest is copied. Memory must be zero before. *ret_end is the highest address
 * that a segment's pages reach. -ENOEXEC when the image does not fit into the memory. */
int ldr_load(const struct ldr_memory *memory, const struct rk_source *file,
             const struct rk_solo5_image *image, uint64_t *ret_end, struct rk_err *err);

#endif
