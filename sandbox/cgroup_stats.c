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

void box_cgroup_stats(struct box_cgroup_stats *ret_stats, const struct box_cgroup *cgroup)
{
    struct box_cgroup_stats s = {
        .memory_usage = -1, .memory_limit = -1, .cpu_ns = -1, .pids = -1, .oom_kills = -1};
    if (cgroup->unified) {
        read_number(cgroup, "memory.current", &s.memory_usage);
        read_number(cgroup, "memory.max", &s.memory_limit);
        read_key(cgroup, "memory.events", "oom_kill", &s.oom_kills);
        if (read_key(cgroup, "cpu.stat", "usage_usec", &s.cpu_ns) == 0)
            s.cpu_ns *= 1000;
    } else {
        read_number(cgroup, "memory.usage_in_bytes", &s.memory_usage);
        read_number(cgroup, "memory.limit_in_bytes", &s.memory_limit);
        read_key(cgroup, "memory.oom_control", "oom_kill", &s.oom_kills);
        read_number(cgroup, "cpuacct.usage", &s.cpu_ns);
    }
    read_number(cgroup, "pids.current", &s.pids);
    *ret_stats = s;
}
