/* What the systemd driver's files share: a unit's name and place, its properties as words, and the calls of
 * runuk-scope.
 *
 * Properties travel as words, as busctl has them: NAME, D-Bus signature, then the value: one word for b, s,
 * t, i; for the arrays as, au, ay the count and one word each; for a(ss) the count and two words each. */
#ifndef BOX_UNIT_H
#define BOX_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/argv.h"

struct rk_err;
struct bnd_resources;
struct box_unit;

#define UNIT_NAME_SIZE 256  /* systemd's own limit, with the NUL (UNIT_NAME_MAX) */
#define UNIT_PATH_SIZE 4096 /* of a cgroup below the manager's own */

/* Where a container's unit is. */
struct unit_place {
    char name[UNIT_NAME_SIZE];  /* "docker-1234.scope" */
    char slice[UNIT_NAME_SIZE]; /* "a-b.slice": its Slice=, or what a slice Wants= */
    char
        path[UNIT_PATH_SIZE]; /* "a.slice/a-b.slice/docker-1234.scope": its cgroup, without a leading slash */
    bool is_slice;            /* the unit is a slice itself: it takes no processes by itself */
};

/* Read linux.cgroupsPath as runc's systemd driver does (its docs/systemd.md): "slice:prefix:name" is
 * prefix-name.scope in that slice, or the slice `name` when that ends in ".slice". NULL or empty is
 * ":runc:<id>"; an empty slice is user.slice for a `user` manager, else system.slice; an empty prefix stays
 * empty. -EINVAL for what is no such path, and for names that systemd would refuse. */
int unit_place_read(struct unit_place *ret, const char *cgroups_path, const char *id, bool user,
                    struct rk_err *err);

/* The cgroup of a slice: "a-b.slice" is "a.slice/a-b.slice", "-.slice" is "" (systemd.slice(5)). */
int unit_slice_path(char *ret, size_t size, const char *slice, struct rk_err *err);

/* Append the properties that say the limits, as far as properties can: for a `unified` (v2) host or another.
 * Device rules are not among them. Conversions are runc's. */
int unit_limits(struct rk_argv *words, const struct bnd_resources *resources, bool unified,
                struct rk_err *err);

/* Append the properties of the device rules, as far as properties can say them; none without rules. */
int unit_devices(struct rk_argv *words, const struct bnd_resources *resources, bool unified,
                 struct rk_err *err);

/* Append the property of an annotation "org.systemd.property.NAME", whose value is a GVariant text. 0 also
 * for any other annotation. -EINVAL for a value of the wrong type, -EPERM for a property that no annotation
 * may set: annotations can come from an image, so they can restrict and order a unit, and nothing else. */
int unit_annotation(struct rk_argv *words, const char *key, const char *value, struct rk_err *err);

/* The text of a "cpus" list, "0,3-5", as the bytes of an `ay` mask, lowest first. */
int unit_mask(struct rk_argv *words, const char *property, const char *list, struct rk_err *err);

/* Run runuk-scope with these words and wait for its end, a minute at the most. *ret_answer (may be NULL) is
 * the line that it printed, as heap memory. -EXDEV: the unit is another container's;
 * -ENOTCONN: systemd was not reached. Errors are its own line,
 * or say what became of it. */
int unit_call(char **ret_answer, const struct box_unit *unit, const struct rk_argv *words,
              struct rk_err *err);

#endif
