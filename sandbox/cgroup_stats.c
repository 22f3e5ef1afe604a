/* What a container's cgroup has used, in one set of terms for v1 and v2. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "sandbox/cgroup_impl.h"

/* The number in the first file of that name among the container's directories; 0 with *ret. "max" is
 * INT64_MAX. */
static int read_number(const struct box_cgroup *cgroup, const char *file, int64_t *ret)
{
    char text[CG_VALUE_SIZE];
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        rk_autoclose int dir = open(cgroup->paths.v[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || cg_read(dir, file, text) <= 0)
            continue;
        *ret = strcmp(text, "max") == 0 ? INT64_MAX : strtoll(text, NULL, 10);
        return 0;
    }
    return -ENOENT;
}

/* The number behind `key` in a file of "key value" lines. */
static int read_key(const struct box_cgroup *cgroup, const char *file, const char *key, int64_t *ret)
{
    char text[CG_VALUE_SIZE];
    size_t len = strlen(key);
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        rk_autoclose int dir = open(cgroup->paths.v[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || cg_read(dir, file, text) <= 0)
            continue;
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
            if (strncmp(line, key, len) == 0 && line[len] == ' ') {
                *ret = strtoll(line + len + 1, NULL, 10);
                return 0;
            }
        }
    }
    return -ENOENT;
}

/* A number in v1's clock ticks, v2's microseconds or plain nanoseconds, as nanoseconds. */
static void scale(int64_t *value, int64_t factor)
{
    if (*value > 0)
        *value *= factor;
}

static void read_v1(struct box_cgroup_stats *s, const struct box_cgroup *cgroup)
{
    const int64_t tick_ns = 1000000000 / sysconf(_SC_CLK_TCK);
    read_number(cgroup, "memory.usage_in_bytes", &s->memory_usage);
    read_number(cgroup, "memory.limit_in_bytes", &s->memory_limit);
    read_number(cgroup, "memory.max_usage_in_bytes", &s->memory_peak);
    read_number(cgroup, "memory.failcnt", &s->memory_failures);
    read_key(cgroup, "memory.oom_control", "oom_kill", &s->oom_kills);
    read_number(cgroup, "cpuacct.usage", &s->cpu_ns);
    read_key(cgroup, "cpuacct.stat", "user", &s->cpu_user_ns);
    read_key(cgroup, "cpuacct.stat", "system", &s->cpu_system_ns);
    scale(&s->cpu_user_ns, tick_ns);
    scale(&s->cpu_system_ns, tick_ns);
    read_key(cgroup, "cpu.stat", "throttled_time", &s->throttled_ns);
}

static void read_v2(struct box_cgroup_stats *s, const struct box_cgroup *cgroup)
{
    read_number(cgroup, "memory.current", &s->memory_usage);
    read_number(cgroup, "memory.max", &s->memory_limit);
    read_number(cgroup, "memory.peak", &s->memory_peak);
    read_key(cgroup, "memory.events", "max", &s->memory_failures);
    read_key(cgroup, "memory.events", "oom_kill", &s->oom_kills);
    read_key(cgroup, "cpu.stat", "usage_usec", &s->cpu_ns);
    read_key(cgroup, "cpu.stat", "user_usec", &s->cpu_user_ns);
    read_key(cgroup, "cpu.stat", "system_usec", &s->cpu_system_ns);
    read_key(cgroup, "cpu.stat", "throttled_usec", &s->throttled_ns);
    scale(&s->cpu_ns, 1000);
    scale(&s->cpu_user_ns, 1000);
    scale(&s->cpu_system_ns, 1000);
    scale(&s->throttled_ns, 1000);
}

void box_cgroup_stats(struct box_cgroup_stats *ret_stats, const struct box_cgroup *cgroup)
{
    struct box_cgroup_stats s;
    memset(&s, 0xff, sizeof s); /* every field -1 */
    if (cgroup->unified)
        read_v2(&s, cgroup);
    else
        read_v1(&s, cgroup);
    read_key(cgroup, "cpu.stat", "nr_periods", &s.periods);
    read_key(cgroup, "cpu.stat", "nr_throttled", &s.throttled_periods);
    read_number(cgroup, "pids.current", &s.pids);
    read_number(cgroup, "pids.max", &s.pids_limit);
    *ret_stats = s;
}

char *box_cgroup_memory_stat(const struct box_cgroup *cgroup)
{
    char text[CG_VALUE_SIZE];
    for (size_t i = 0; i < cgroup->paths.n; i++) {
        rk_autoclose int dir = open(cgroup->paths.v[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0 && cg_read(dir, "memory.stat", text) > 0)
            return strdup(text);
    }
    return NULL;
}
