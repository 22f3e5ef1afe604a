/* Guest memory as the hypercalls see it: every guest address passes here, and what lies there is copied
 * before it is judged. */
#ifndef HVT_MEM_H
#define HVT_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/solo5/load.h"
#include "lib/err.h"

/* A range that is not plain read-write memory, because a segment of the image lies there. */
struct hvt_range {
    uint64_t start, end;
    bool readable, writable;
};

struct hvt_mem {
    struct ldr_memory ram; /* guest-physical 0 to ram.size */
    size_t range_count;
    struct hvt_range ranges[RK_SOLO5_SEGMENTS];
};

/* Map `size` bytes of guest memory. */
int hvt_mem_init(struct hvt_mem *mem, uint64_t size, struct rk_err *err);

/* Note the protection of the image's segments, so that the monitor respects it as the guest has to. */
void hvt_mem_protect(struct hvt_mem *mem, const struct rk_solo5_image *image);

/* Where guest addresses [gpa, gpa + len) lie in this process. -EFAULT with "Invalid guest access: …" when any
 * of them is not memory, or not writable when `write` is set. What is there may change only by the guest's
 * own doing, and the guest does not run meanwhile. */
int hvt_mem_at(const struct hvt_mem *mem, uint64_t gpa, uint64_t len, bool write, void **ret_at,
               struct rk_err *err);

#endif
