/* The systemd driver: the container's cgroup as a transient unit, limited by its properties and then, more
 * exactly, by the cgroup's own files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "sandbox/cgroup_impl.h"
#include "sandbox/systemd/unit.h"

/* systemd's own sign, sd_booted(3). */
bool box_systemd_runs(void)
{
    struct stat st;
    return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

void cg_unit_fini(struct box_unit *unit)
{
    free(unit->name);
    free(unit->description);
    free(unit->program);
    free(unit->below);
    rk_argv_fini(&unit->properties);
}

static int add_words(struct rk_argv *words, const char *const *v)
{
    int r = 0;
    for (; *v && r == 0; v++)
        r = rk_argv_add(words, *v);
    return r;
}

/* What does not depend on the container: as runc has it. */
static int add_nature(struct rk_argv *words, const struct unit_place *place, bool unified)
{
    const char *const scope[] = {"Slice", "s", place->slice, "Delegate", "b", "true", NULL};
    const char *const slice[] = {"Wants", "as", "1", place->slice, NULL};
    const char *const always[] = {"MemoryAccounting",
                                  "b",
                                  "true",
                                  "CPUAccounting",
                                  "b",
                                  "true",
                                  unified ? "IOAccounting" : "BlockIOAccounting",
                                  "b",
                                  "true",
                                  "TasksAccounting",
                                  "b",
                                  "true",
                                  "DefaultDependencies",
                                  "b",
                                  "false",
                                  NULL};
    int r = add_words(words, place->is_slice ? slice : scope);
    return r < 0 ? r : add_words(words, always);
}

static int plan_properties(struct rk_argv *words, const struct unit_place *place, const struct bnd_spec *spec,
                           const char *description, bool unified, bool user, struct rk_err *err)
{
    const char *const text[] = {"Description", "s", description, NULL};
    if (add_words(words, text) < 0 || add_nature(words, place, unified) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = unit_limits(words, &spec->resources, unified, err);
    if (r == 0 && !user) /* a user's service manager may attach no device filter */
        r = unit_devices(words, &spec->resources, unified, err);
    /* Last, so that they stand against what is said above. */
    for (size_t i = 0; i < spec->annotation_count && r == 0; i++)
        r = unit_annotation(words, spec->annotations[i].key, spec->annotations[i].value, err);
    return r;
}

/* A user's units are below the cgroup of the user's own service manager. */
static int plan_below(struct box_unit *unit, const char *path, struct rk_err *err)
{
    rk_autoargv struct rk_argv words = {0};
    rk_autofree char *own = NULL;
    if (rk_argv_add(&words, "control-group") < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = unit->user ? unit_call(&own, unit, &words, err) : 0;
    if (r < 0)
        return r;
    const char *base = own ? own + strspn(own, "/") : "";
    if (asprintf(&unit->below, "%s%s%s", base, *base ? "/" : "", path) < 0) {
        unit->below = NULL;
        return rk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static int plan_paths(struct box_cgroup *cgroup, struct rk_err *err)
{
    struct cg_making making = {.cgroup = cgroup};
    size_t len = strlen(cgroup->unit.below);
    if (len >= sizeof making.below)
        return rk_fail(err, -ENAMETOOLONG, "make cgroup '%.64s…': its path is too long", cgroup->unit.below);
    memcpy(making.below, cgroup->unit.below, len + 1);
    return cgroup->unified ? cg_v2_plan(&making, err) : cg_v1_plan(&making, err);
}

static int check_host(const struct box_cgroup *cgroup, bool user, struct rk_err *err)
{
    if (!box_systemd_runs())
        return rk_fail(err, -ENOTSUP,
                       "use the systemd cgroup driver: systemd is not this host's init (there is no "
                       "'/run/systemd/system'): set \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"] in "
                       "Docker's daemon.json, or leave --systemd-cgroup out");
    if (user && !cgroup->unified)
        return rk_fail(err, -ENOTSUP,
                       "use the systemd cgroup driver without privileges: it needs cgroup v2, and this host "
                       "has v1: leave --systemd-cgroup out");
    return 0;
}

int box_cgroup_plan_unit(struct box_cgroup *ret_cgroup, const struct bnd_spec *spec, const char *id,
                         const char *description, const char *program, bool user, struct rk_err *err)
{
    struct box_cgroup cgroup = {.unified = cg_is_unified(), .unit = {.user = user}};
    struct unit_place place;
    int r = check_host(&cgroup, user, err);
    if (r == 0)
        r = unit_place_read(&place, spec->cgroups_path, id, user, err);
    if (r < 0)
        return r;
    cgroup.unit.name = strdup(place.name);
    cgroup.unit.description = strdup(description);
    cgroup.unit.program = strdup(program);
    if (!cgroup.unit.name || !cgroup.unit.description || !cgroup.unit.program)
        r = rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = plan_properties(&cgroup.unit.properties, &place, spec, description, cgroup.unified, user, err);
    if (r == 0)
        r = plan_below(&cgroup.unit, place.path, err);
    if (r == 0)
        r = plan_paths(&cgroup, err);
    if (r < 0)
        box_cgroup_fini(&cgroup);
    else
        *ret_cgroup = cgroup;
    return r;
}

/* Start it with the process in it; a slice takes none, the process joins it by itself. */
static int start(const struct box_unit *unit, pid_t pid, char **ret_place, struct rk_err *err)
{
    rk_autoargv struct rk_argv words = {0};
    size_t len = strlen(unit->name);
    bool slice = len > 6 && strcmp(unit->name + len - 6, ".slice") == 0;
    const char *const verb[] = {"start", unit->name, NULL};
    int r = add_words(&words, verb);
    for (size_t i = 0; i < unit->properties.n && r == 0; i++)
        r = rk_argv_add(&words, unit->properties.v[i]);
    if (r == 0 && !slice)
        r = rk_argv_addf(&words, "PIDs");
    if (r == 0 && !slice)
        r = rk_argv_add(&words, "au");
    if (r == 0 && !slice)
        r = rk_argv_add(&words, "1");
    if (r == 0 && !slice)
        r = rk_argv_addf(&words, "%d", (int)pid);
    return r < 0 ? rk_fail(err, r, "out of memory") : unit_call(ret_place, unit, &words, err);
}

/* The rest, which is the cgroupfs driver's work; it may find directories that systemd has made. */
static int make_rest(const struct box_cgroup *cgroup, const struct bnd_resources *resources,
                     struct rk_err *err)
{
    struct bnd_resources own = *resources;
    struct box_cgroup again = {.unified = cgroup->unified};
    struct cg_making making = {.cgroup = &again, .resources = &own, .shared = true};
    memcpy(making.below, cgroup->unit.below, strlen(cgroup->unit.below) + 1);
    if (cgroup->unit.user)
        own.device_count = 0; /* no filter may be attached without privileges */
    int r = cgroup->unified ? cg_v2_create(&making, err) : cg_v1_create(&making, err);
    rk_argv_fini(&making.made);
    box_cgroup_fini(&again);
    return r;
}

int box_cgroup_start_unit(struct box_cgroup *cgroup, const struct bnd_resources *resources, pid_t pid,
                          struct rk_err *err)
{
    struct box_unit *unit = &cgroup->unit;
    rk_autofree char *place = NULL;
    int r = start(unit, pid, &place, err);
    RK_FAULT("unit:started");
    if (r == -ENOTCONN) { /* there is none to be stopped, nor anybody who could */
        cg_unit_fini(unit);
        *unit = (struct box_unit){.name = NULL};
    }
    if (r < 0)
        return r;
    if (place[strspn(place, "/")] == '\0' || strcmp(place + strspn(place, "/"), unit->below) != 0)
        return rk_fail(err, -EXDEV, "unit '%s' is in cgroup '%s', and '/%s' was expected", unit->name, place,
                       unit->below);
    r = make_rest(cgroup, resources, err);
    RK_FAULT("unit:completed");
    rk_argv_fini(&unit->properties);
    rk_free(&unit->below);
    return r;
}

int cg_unit_update(const struct box_cgroup *cgroup, const struct bnd_resources *resources, struct rk_err *err)
{
    const struct box_unit *unit = &cgroup->unit;
    rk_autoargv struct rk_argv words = {0};
    const char *const verb[] = {"set", unit->name, NULL};
    if (add_words(&words, verb) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    size_t before = words.n;
    int r = unit_limits(&words, resources, cgroup->unified, err);
    if (r == 0 && words.n > before)
        r = unit_call(NULL, unit, &words, err);
    RK_FAULT("unit:updated");
    return r;
}

int cg_unit_stop(const struct box_cgroup *cgroup, struct rk_err *err)
{
    const struct box_unit *unit = &cgroup->unit;
    rk_autoargv struct rk_argv words = {0};
    const char *const verb[] = {"stop", unit->name, unit->description, NULL};
    if (add_words(&words, verb) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = unit_call(NULL, unit, &words, err);
    RK_FAULT("unit:stopped");
    return r;
}
