/* Resource limits of the specification on the process that becomes the monitor. */
#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "lib/err.h"
#include "sandbox/process.h"

static bool is_applied(int resource)
{
    return resource != RLIMIT_CORE && resource != RLIMIT_NOFILE && resource != RLIMIT_NPROC;
}

int box_rlimits_check(const struct bnd_spec *spec, uint64_t memory, struct rk_err *err)
{
    for (size_t i = 0; i < spec->rlimit_count; i++) {
        const struct bnd_rlimit *l = &spec->rlimits[i];
        if ((l->resource == RLIMIT_AS || l->resource == RLIMIT_DATA) && l->soft <= memory)
            return rk_fail(err, -EINVAL,
                           "process.rlimits: %s of %" PRIu64
                           " KiB does not hold the guest's memory of %" PRIu64
                           " KiB: raise it, or set a memory limit below it",
                           l->name, l->soft / 1024, memory / 1024);
    }
    return 0;
}

int box_rlimits_set(const struct bnd_spec *spec, struct rk_err *err)
{
    for (size_t i = 0; i < spec->rlimit_count; i++) {
        const struct bnd_rlimit *l = &spec->rlimits[i];
        const struct rlimit limit = {l->soft, l->hard};
        if (is_applied(l->resource) && setrlimit((__rlimit_resource_t)l->resource, &limit) < 0)
            return rk_fail_errno(err, "set %s to %" PRIu64 " (at most %" PRIu64 ")", l->name, l->soft,
                                 l->hard);
    }
    return 0;
}
