/* linux.cgroupsPath as the systemd driver reads it: the unit's name, its slice and its cgroup. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/systemd/unit.h"

#define SLICE ".slice"

static bool ends_with(const char *s, const char *suffix)
{
    size_t len = strlen(s), end = strlen(suffix);
    return len >= end && strcmp(s + len - end, suffix) == 0;
}

/* What systemd takes as a unit's name (systemd.unit(5)). A slash is not among it, so a name stays one level.
 */
static int check_name(const char *name, struct rk_err *err)
{
    static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\";
    size_t len = strlen(name), good = strspn(name, valid);
    if (good < len)
        return rk_fail(err, -EINVAL, "use unit name '%s': systemd allows no '%c' in it", name, name[good]);
    return 0;
}

/* A cgroup's name for a unit's: what would collide with the kernel's own files gets an underscore in front
 * (systemd's cg_needs_escape). */
static int add_level(char *path, size_t size, const char *name, size_t len)
{
    static const char *const controllers[] = {"cpu",   "cpuacct", "cpuset",  "io",
                                              "blkio", "memory",  "devices", "pids"};
    bool escape = name[0] == '_' || name[0] == '.' || strncmp(name, "cgroup.", 7) == 0;
    for (size_t i = 0; i < RK_COUNT(controllers) && !escape; i++) {
        size_t n = strlen(controllers[i]);
        escape = strncmp(name, controllers[i], n) == 0 && name[n] == '.';
    }
    size_t used = strlen(path);
    int n =
        snprintf(path + used, size - used, "%s%s%.*s", used ? "/" : "", escape ? "_" : "", (int)len, name);
    return n < 0 || (size_t)n >= size - used ? -ENAMETOOLONG : 0;
}

int unit_slice_path(char *ret, size_t size, const char *slice, struct rk_err *err)
{
    char level[UNIT_NAME_SIZE];
    size_t stem = strlen(slice);
    ret[0] = '\0';
    if (!ends_with(slice, SLICE) || stem == strlen(SLICE) || stem >= sizeof level)
        return rk_fail(err, -EINVAL, "use slice '%s': it is not called NAME.slice", slice);
    if (strcmp(slice, "-" SLICE) == 0)
        return 0;
    int r = check_name(slice, err);
    if (r < 0)
        return r;
    stem -= strlen(SLICE);
    for (size_t end = 0; end < stem; end++) {
        size_t part = strcspn(slice + end, "-");
        end = end + part < stem ? end + part : stem;
        if (part == 0 || end == stem - 1) /* "a--b" and "-a", or "a-" */
            return rk_fail(err, -EINVAL, "use slice '%s': a level of it has no name", slice);
        snprintf(level, sizeof level, "%.*s" SLICE, (int)end, slice);
        if (add_level(ret, size, level, strlen(level)) < 0)
            return rk_fail(err, -ENAMETOOLONG, "use slice '%s': its path is too long", slice);
    }
    return 0;
}

/* "a-b-c.slice" lies in "a-b.slice", "a.slice" in the root slice, whatever cgroupsPath says. */
static int place_slice(struct unit_place *place, const char *given, struct rk_err *err)
{
    const char *dash = strrchr(place->name, '-');
    if (strcmp(place->name, "-" SLICE) == 0)
        return rk_fail(
            err, -EINVAL,
            "use cgroupsPath: '%s' is the root slice, and a container cannot live in the root cgroup",
            place->name);
    int len = dash ? (int)(dash - place->name) : 1;
    snprintf(place->slice, sizeof place->slice, "%.*s" SLICE, len, dash ? place->name : "-");
    if (*given && strcmp(given, place->slice) != 0)
        return rk_fail(err, -EINVAL, "use cgroupsPath: the slice '%s' lies in '%s', not in '%s'", place->name,
                       place->slice, given);
    return unit_slice_path(place->path, sizeof place->path, place->name, err);
}

static int place_scope(struct unit_place *place, const char *given, bool user, struct rk_err *err)
{
    const char *slice = *given ? given : user ? "user" SLICE : "system" SLICE;
    if (strcmp(slice, "-") == 0)
        slice = "-" SLICE;
    int r = unit_slice_path(place->path, sizeof place->path, slice, err);
    if (r < 0)
        return r;
    snprintf(place->slice, sizeof place->slice, "%s", slice);
    if (add_level(place->path, sizeof place->path, place->name, strlen(place->name)) < 0)
        return rk_fail(err, -ENAMETOOLONG, "use slice '%s': its path is too long", slice);
    return 0;
}

int unit_place_read(struct unit_place *ret, const char *cgroups_path, const char *id, bool user,
                    struct rk_err *err)
{
    char slice[UNIT_PATH_SIZE] = "", prefix[UNIT_NAME_SIZE] = "runc";
    const char *name = id;
    int n;
    *ret = (struct unit_place){.is_slice = false};
    if (cgroups_path && *cgroups_path) {
        const char *first = strchr(cgroups_path, ':'), *second = first ? strchr(first + 1, ':') : NULL;
        if (!second || strchr(second + 1, ':'))
            return rk_fail(err, -EINVAL,
                           "use cgroupsPath '%s': with the systemd cgroup driver it is \"slice:prefix:name\"",
                           cgroups_path);
        int slice_len = (int)(first - cgroups_path), prefix_len = (int)(second - first - 1);
        if (slice_len >= UNIT_NAME_SIZE || prefix_len >= UNIT_NAME_SIZE)
            return rk_fail(err, -ENAMETOOLONG, "use cgroupsPath '%.64s…': it is too long", cgroups_path);
        snprintf(slice, sizeof slice, "%.*s", slice_len, cgroups_path);
        snprintf(prefix, sizeof prefix, "%.*s", prefix_len, first + 1);
        name = second + 1;
    }
    ret->is_slice = ends_with(name, SLICE);
    n = ret->is_slice ? snprintf(ret->name, sizeof ret->name, "%s", name)
                      : snprintf(ret->name, sizeof ret->name, "%s-%s.scope", prefix, name);
    if (n < 0 || (size_t)n >= sizeof ret->name)
        return rk_fail(err, -ENAMETOOLONG, "use unit name '%.64s…': it is longer than %d bytes", ret->name,
                       UNIT_NAME_SIZE - 1);
    int r = check_name(ret->name, err);
    if (r < 0)
        return r;
    return ret->is_slice ? place_slice(ret, slice, err) : place_scope(ret, slice, user, err);
}
