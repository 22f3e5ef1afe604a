/* Calls sandbox/cgroup.h from the command line, so that Bats files can look at what it leaves in the kernel.
 *
 *   cgroup_driver create PATH ID [LIMIT=VALUE…]             prints v1, hybrid or v2, then one directory per
 * line cgroup_driver run PATH ID [LIMIT=VALUE…] -- PROGRAM…    PROGRAM in a new cgroup that is removed when
 * it ends; exit status as a shell gives it cgroup_driver time ROUNDS PATH ID [LIMIT=VALUE…]        median
 * microseconds of each call cgroup_driver join PID DIR…       cgroup_driver kill DIR…       cgroup_driver
 * remove DIR…
 *
 * PATH "-" is no cgroupsPath. LIMIT: memory, swap, reservation, shares, quota, period, pids, cpus, mems, and
 * device=allow|deny:TYPE:MAJOR:MINOR:ACCESS, any number of times ("*" is any number). */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/cgroup.h"

#define MAX_DEVICES 300
#define MAX_ROUNDS  1000

static struct bnd_device_rule rules[MAX_DEVICES];

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "cgroup_driver: %s\n", what);
    exit(125);
}

static int64_t device_number(const char *text)
{
    return strcmp(text, "*") == 0 ? -1 : strtoll(text, NULL, 10);
}

static void add_device(struct bnd_resources *resources, char *text)
{
    char *field[5];
    for (size_t i = 0; i < RK_COUNT(field); i++)
        if (!(field[i] = strsep(&text, ":")))
            die("device=allow|deny:TYPE:MAJOR:MINOR:ACCESS");
    if (resources->device_count == MAX_DEVICES)
        die("too many devices");
    rules[resources->device_count++] = (struct bnd_device_rule){
        .allow = strcmp(field[0], "allow") == 0,
        .type = field[1][0],
        .major = device_number(field[2]),
        .minor = device_number(field[3]),
        .read = strchr(field[4], 'r') != NULL,
        .write = strchr(field[4], 'w') != NULL,
        .mknod = strchr(field[4], 'm') != NULL,
    };
    resources->devices = rules;
}

/* Read LIMIT=VALUE arguments up to the end or "--"; returns the index behind them. */
static int read_limits(struct bnd_resources *resources, int argc, char **argv, int i)
{
    const struct {
        const char *name;
        int64_t *value;
    } numbers[] = {
        {"memory", &resources->memory_limit},
        {"swap", &resources->memory_swap},
        {"reservation", &resources->memory_reservation},
        {"shares", &resources->cpu_shares},
        {"quota", &resources->cpu_quota},
        {"period", &resources->cpu_period},
        {"pids", &resources->pids_limit},
    };
    for (size_t k = 0; k < RK_COUNT(numbers); k++)
        *numbers[k].value = BND_UNSET;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            die("a limit is LIMIT=VALUE");
        *value++ = '\0';
        size_t k = 0;
        while (k < RK_COUNT(numbers) && strcmp(numbers[k].name, argv[i]) != 0)
            k++;
        if (k < RK_COUNT(numbers))
            *numbers[k].value = strtoll(value, NULL, 10);
        else if (strcmp(argv[i], "cpus") == 0)
            resources->cpus = value;
        else if (strcmp(argv[i], "mems") == 0)
            resources->mems = value;
        else if (strcmp(argv[i], "device") == 0)
            add_device(resources, value);
        else
            die("no such limit");
    }
    return i;
}

static int report(int r, const struct rk_err *err)
{
    if (r == 0)
        return 0;
    fprintf(stderr, "%s\n", err->text);
    return 1;
}

static int do_create(struct box_cgroup *cgroup, int argc, char **argv, int *ret_next, struct rk_err *err)
{
    struct bnd_resources resources = {0};
    if (argc < 4)
        die("PATH and ID, please");
    *ret_next = read_limits(&resources, argc, argv, 4);
    const char *path = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
    return box_cgroup_create(cgroup, path, argv[3], &resources, NULL, NULL, err);
}

static int verb_create(int argc, char **argv, struct rk_err *err)
{
    struct box_cgroup cgroup = {0};
    int next = 0;
    int r = do_create(&cgroup, argc, argv, &next, err);
    if (r == 0)
        puts(cgroup.unified ? "v2" : cgroup.hybrid ? "hybrid" : "v1");
    for (size_t i = 0; i < cgroup.paths.n; i++)
        puts(cgroup.paths.v[i]);
    box_cgroup_fini(&cgroup);
    return report(r, err);
}

/* As the lifecycle does it: the child is born in its v2 cgroup and moves itself into the v1 ones. */
static pid_t spawn_inside(const struct box_cgroup *cgroup, char **program, struct rk_err *err)
{
    rk_autoclose int v2 = box_cgroup_open_v2(cgroup);
    struct clone_args args = {
        .flags = v2 >= 0 ? CLONE_INTO_CGROUP : 0,
        .exit_signal = SIGCHLD,
        .cgroup = v2 >= 0 ? (uint64_t)v2 : 0,
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid != 0)
        return pid;
    if (box_cgroup_join_self(cgroup, v2 >= 0, err) < 0) {
        fprintf(stderr, "%s\n", err->text);
        _exit(125);
    }
    if (!program)
        _exit(0);
    execvp(program[0], program);
    perror(program[0]);
    _exit(127);
}

static int verb_run(int argc, char **argv, struct rk_err *err)
{
    struct box_cgroup cgroup = {0};
    int next = 0, status = 0;
    int r = do_create(&cgroup, argc, argv, &next, err);
    if (r < 0)
        return report(r, err) + 124;
    if (next + 1 >= argc)
        die("-- PROGRAM, please");
    pid_t pid = spawn_inside(&cgroup, argv + next + 1, err);
    if (pid < 0)
        perror("clone3");
    else
        waitpid(pid, &status, 0);
    r = box_cgroup_remove(&cgroup, err);
    box_cgroup_fini(&cgroup);
    if (r < 0 || pid < 0)
        return report(r, err) + 124;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int verb_time(int argc, char **argv, struct rk_err *err)
{
    enum { CREATE, ENTER, REMOVE, STEPS };
    static const char *const names[STEPS] = {"create", "clone, join and exit", "remove"};
    static double took[STEPS][MAX_ROUNDS];
    int rounds = atoi(argv[2]);
    if (rounds < 1 || rounds > MAX_ROUNDS || argc < 5)
        die("ROUNDS, PATH and ID, please");
    for (int i = 0; i < rounds; i++) {
        struct box_cgroup cgroup = {0};
        struct bnd_resources resources = {0};
        rk_autoargv struct rk_argv copy = {0};
        for (int k = 5; k < argc; k++)
            if (rk_argv_add(&copy, argv[k]) < 0)
                die("out of memory");
        read_limits(&resources, (int)copy.n, copy.v, 0);
        double start = now_us();
        int r = box_cgroup_create(&cgroup, argv[3], argv[4], &resources, NULL, NULL, err);
        if (r < 0)
            return report(r, err);
        double created = now_us();
        waitpid(spawn_inside(&cgroup, NULL, err), NULL, 0);
        double entered = now_us();
        r = box_cgroup_remove(&cgroup, err);
        took[REMOVE][i] = now_us() - entered;
        took[ENTER][i] = entered - created;
        took[CREATE][i] = created - start;
        box_cgroup_fini(&cgroup);
        if (r < 0)
            return report(r, err);
    }
    for (int i = 0; i < STEPS; i++) {
        qsort(took[i], (size_t)rounds, sizeof took[i][0], compare_doubles);
        printf("%-22s %8.0f us\n", names[i], took[i][rounds / 2]);
    }
    return 0;
}

/* The verbs that a later call of a runtime makes, out of nothing but the directories. */
static int verb_later(int argc, char **argv, struct rk_err *err)
{
    struct box_cgroup cgroup = {0};
    bool join = strcmp(argv[1], "join") == 0;
    int r = 0;
    for (int i = join ? 3 : 2; i < argc; i++)
        if (rk_argv_add(&cgroup.paths, argv[i]) < 0)
            die("out of memory");
    if (join)
        r = box_cgroup_join(&cgroup, (pid_t)atoi(argv[2]), err);
    else if (strcmp(argv[1], "kill") == 0)
        r = box_cgroup_kill(&cgroup, err);
    else if (strcmp(argv[1], "remove") == 0)
        r = box_cgroup_remove(&cgroup, err);
    else
        die("no such verb");
    box_cgroup_fini(&cgroup);
    return report(r, err);
}

int main(int argc, char **argv)
{
    static struct rk_err err;
    if (argc < 3)
        die("create, run, time, join, kill or remove");
    if (strcmp(argv[1], "create") == 0)
        return verb_create(argc, argv, &err);
    if (strcmp(argv[1], "run") == 0)
        return verb_run(argc, argv, &err);
    if (strcmp(argv[1], "time") == 0)
        return verb_time(argc, argv, &err);
    return verb_later(argc, argv, &err);
}
