/* What the programs of the bench share: a place of their own, bundles, starting and timing. What fails here
 * ends the program. */
#ifndef BENCH_TOOLS_H
#define BENCH_TOOLS_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Where everything is that a bench makes. */
struct bench_place {
    char work[64];          /* a directory with a tmpfs on it that nobody else sees */
    char cgroup_parent[64]; /* of all containers, relative to each hierarchy */
};

void bench_place_make(struct bench_place *ret_place);

/* Take the place away, and the cgroups `below` (a pattern) the common one, which hold no process any more. */
void bench_place_remove(const struct bench_place *place, const char *below);

/* Text that is never freed: a bench's arguments last as long as it does. */
char *bench_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void bench_write(const char *path, const char *content);

/* A directory with a copy of the program in it, whose path is absolute. */
char *bench_rootfs(const struct bench_place *place, const char *name, const char *program);

/* A bundle called `name`, as its cgroup is, with that root, whose program has the base name of `program`,
 * and at most one argument (NULL: none). */
char *bench_bundle(const struct bench_place *place, const char *name, const char *rootfs, const char *program,
                   const char *arg);

/* Start argv[0], found in PATH, with `output` as its output and errors. -1 and a warning when that fails. */
pid_t bench_start(char *const argv[], int output);

double bench_now_ms(void);

/* Sorts the values. */
double bench_median(double *values, size_t count);

/* A line for people, and a member of a JSON object with neither comma nor line end. `aim` 0: none. */
void bench_report(FILE *json, const char *key, const char *title, double value, double peer, double aim,
                  int rounds);

#endif
