/* Times runuk against runc and against the floor, interleaved in one run, and says how much memory each
 * needs.
 *
 *   bench BUILD-DIRECTORY [ROUNDS]    as root; prints a table and writes BUILD-DIRECTORY/bench.json */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "contrib/bench/tools.h"

#define ROUNDS     40
#define MIN_ROUNDS 30
#define MAX_ROUNDS 1000
#define WARM_UP    2
#define MEMORY_MIB 16

enum { RUNUK, RUNC, FLOOR, MONITOR, TRUE, CONTESTANTS };

struct contestant {
    const char *name;
    const char *output; /* what it must say, NULL: nothing */
    char *argv[16];
    double ms[MAX_ROUNDS];
    long rss_kib[MAX_ROUNDS];
};

static struct contestant contestants[CONTESTANTS] = {
    [RUNUK] = {.name = "runuk run", .output = "Hello from spt"},
    [RUNC] = {.name = "runc run"},
    [FLOOR] = {.name = "floor"},
    [MONITOR] = {.name = "runuk-spt", .output = "Hello from spt"},
    [TRUE] = {.name = "true"},
};

static char build[PATH_MAX];
static struct bench_place place;
static int said = -1; /* a file that takes the output of whatever runs */
static volatile sig_atomic_t interrupted;

/* --- what is run
 * -------------------------------------------------------------------------------------------- */

static void set_argv(int who, char *const argv[], size_t count)
{
    if (count >= sizeof contestants[who].argv / sizeof *argv)
        errx(1, "too many arguments");
    for (size_t i = 0; i < count; i++)
        contestants[who].argv[i] = argv[i];
}

#define SET_ARGV(who, ...)                                                                                   \
    set_argv(who, (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static char *make_bundle(const char *name, const char *program)
{
    return bench_bundle(&place, name, bench_rootfs(&place, name, program), program, NULL);
}

static void prepare(void)
{
    bench_place_make(&place);
    const char *work = place.work;
    char *hello = bench_text("%s/guests/hello.spt", build), *nothing = bench_text("%s/bench/true", build);
    char *settings = bench_text("%s/settings.json", work);
    bench_write(settings, bench_text("{\"monitor_dir\": \"%s\"}\n", build));
    SET_ARGV(RUNUK, bench_text("%s/runuk", build), bench_text("--root"), bench_text("%s/runuk-root", work),
             bench_text("--settings"), settings, bench_text("run"), bench_text("--bundle"),
             make_bundle("unikernel", hello), bench_text("unikernel"));
    SET_ARGV(RUNC, bench_text("runc"), bench_text("--root"), bench_text("%s/runc-root", work),
             bench_text("run"), bench_text("--bundle"), make_bundle("linux", nothing), bench_text("linux"));
    SET_ARGV(FLOOR, bench_text("%s/bench/floor", build), bench_text("%s/floor", place.cgroup_parent),
             nothing);
    SET_ARGV(MONITOR, bench_text("%s/runuk-spt", build), bench_text("--mem=%d", MEMORY_MIB), hello);
    SET_ARGV(TRUE, nothing);
    said = open(work, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (said < 0)
        err(1, "%s", work);
}

/* --- running it
 * --------------------------------------------------------------------------------------------- */

/* It must have ended well and said what it should: a run that fails is fast. */
static bool check(const struct contestant *c, int status)
{
    char output[4096];
    ssize_t n = pread(said, output, sizeof output - 1, 0);
    output[n > 0 ? n : 0] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
        (c->output ? strstr(output, c->output) != NULL : n == 0))
        return true;
    warnx("%s: wait status 0x%x, output: %s", c->argv[0], (unsigned)status, output);
    return false;
}

/* Run it once and keep the figures as those of `round`, if that is one. */
static bool run(struct contestant *c, int round)
{
    struct rusage usage;
    int status;
    if (ftruncate(said, 0) < 0 || lseek(said, 0, SEEK_SET) < 0)
        err(1, "output file");
    double begin = bench_now_ms();
    pid_t pid = bench_start(c->argv, said);
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return false;
    double took = bench_now_ms() - begin;
    if (round >= 0) {
        c->ms[round] = took;
        c->rss_kib[round] = usage.ru_maxrss;
    }
    return check(c, status);
}

/* The order changes from round to round, so that each follows each of the others: what one leaves for the
 * kernel to do (a network namespace takes a while to go) is then paid for by all alike. Any step but 0 goes
 * through all of a prime number of contestants. */
_Static_assert(CONTESTANTS == 5, "a prime number");

static bool run_all(int rounds)
{
    for (int round = -WARM_UP; round < rounds; round++) {
        int first = round < 0 ? 0 : round / (CONTESTANTS - 1),
            step = round < 0 ? 1 : 1 + round % (CONTESTANTS - 1);
        for (int i = 0; i < CONTESTANTS; i++)
            if (interrupted || !run(&contestants[(first + i * step) % CONTESTANTS], round))
                return false;
    }
    return true;
}

/* --- memory of a monitor
 * ------------------------------------------------------------------------------------ */

/* Sum up a monitor's private pages that are not the guest's: guest memory is what lies below its size (Solo5
 * spt). *ret_dirty are those that it wrote, *ret_all also has the clean ones of its own program. */
static bool read_smaps(pid_t pid, long *ret_dirty, long *ret_all)
{
    char path[64], line[PATH_MAX + 200];
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool guest = false;
    long dirty = 0, clean = 0, kib;
    unsigned long from, to;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            guest = from < (unsigned long)MEMORY_MIB << 20;
        else if (!guest && sscanf(line, "Private_Dirty: %ld", &kib) == 1)
            dirty += kib;
        else if (!guest && sscanf(line, "Private_Clean: %ld", &kib) == 1)
            clean += kib;
    }
    fclose(f);
    *ret_dirty = dirty;
    *ret_all = dirty + clean;
    return *ret_all > 0;
}

/* Start a monitor whose guest waits, look at it when the guest has said so, end it. */
static bool measure_memory(long *ret_dirty, long *ret_all)
{
    char memory[32], *guest = bench_text("%s/guests/time.spt", build), word[64] = "";
    snprintf(memory, sizeof memory, "--mem=%d", MEMORY_MIB);
    char *argv[] = {contestants[MONITOR].argv[0], memory, guest, bench_text("wait"), NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        err(1, "pipe");
    pid_t pid = bench_start(argv, ends[1]);
    close(ends[1]);
    struct pollfd output = {.fd = ends[0], .events = POLLIN};
    bool good = pid > 0 && poll(&output, 1, 10000) == 1 && read(ends[0], word, sizeof word - 1) > 0 &&
                strstr(word, "waiting") != NULL && read_smaps(pid, ret_dirty, ret_all);
    close(ends[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (!good)
        warnx("%s: cannot measure its memory: %s", argv[0], word);
    return good;
}

/* --- the figures
 * -------------------------------------------------------------------------------------------- */

static int compare_longs(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

static void report_pair(FILE *json, const char *key, const char *title, int who, int peer, double aim,
                        int rounds)
{
    bench_report(json, key, title, bench_median(contestants[who].ms, (size_t)rounds),
                 bench_median(contestants[peer].ms, (size_t)rounds), aim, rounds);
    fputs(",\n", json);
}

static void report(int rounds, long dirty_kib, long private_kib)
{
    char *path = bench_text("%s/bench.json", build);
    FILE *json = fopen(path, "we");
    if (!json)
        err(1, "%s", path);
    for (int i = 0; i < CONTESTANTS; i++)
        qsort(contestants[i].rss_kib, (size_t)rounds, sizeof(long), compare_longs);
    printf("median of %d rounds                               runuk         other   ratio\n", rounds);
    fputs("{\n", json);
    report_pair(json, "run_delete_vs_runc", "run and delete, hello : runc, true", RUNUK, RUNC, 0.25, rounds);
    report_pair(json, "run_delete_vs_floor", "run and delete, hello : bare program", RUNUK, FLOOR, 1.5,
                rounds);
    report_pair(json, "monitor_alone_vs_true", "runuk-spt alone, hello : true", MONITOR, TRUE, 0, rounds);
    fprintf(json, "  \"monitor_private_kib\": {\"value\": %ld, \"dirty\": %ld},\n  \"max_rss_kib\": {",
            private_kib, dirty_kib);
    printf("monitor's private memory beyond the guest's  %5ld KiB            (written: %ld KiB)   aim: at "
           "most 1024\n",
           private_kib, dirty_kib);
    printf("maximum resident memory, KiB:");
    for (int i = 0; i < CONTESTANTS; i++) {
        long kib = contestants[i].rss_kib[rounds / 2];
        printf("%s %s %ld", i ? "," : "", contestants[i].name, kib);
        fprintf(json, "%s\"%s\": %ld", i ? ", " : "", contestants[i].name, kib);
    }
    putchar('\n');
    fputs("}\n}\n", json);
    if (fclose(json) != 0)
        err(1, "%s", path);
}

/* --- leaving nothing
 * ---------------------------------------------------------------------------------------- */

/* A container that a failed run left: its own runtime removes it. */
static void delete_container(int who, size_t globals, const char *id)
{
    char *argv[16] = {0};
    for (size_t i = 0; i < globals; i++)
        argv[i] = contestants[who].argv[i];
    argv[globals] = bench_text("delete");
    argv[globals + 1] = bench_text("--force");
    argv[globals + 2] = bench_text("%s", id);
    pid_t pid = bench_start(argv, said);
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void clean_up(bool failed)
{
    if (failed) {
        delete_container(RUNUK, 5, "unikernel");
        delete_container(RUNC, 3, "linux");
    }
    bench_place_remove(&place, "floor");
}

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    if (argc < 2 || rounds < MIN_ROUNDS || rounds > MAX_ROUNDS)
        errx(2, "usage: bench BUILD-DIRECTORY [ROUNDS]  (%d to %d rounds)", MIN_ROUNDS, MAX_ROUNDS);
    if (!realpath(argv[1], build))
        err(1, "%s", argv[1]);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    prepare();
    long dirty_kib = 0, private_kib = 0;
    bool good = run_all(rounds) && measure_memory(&dirty_kib, &private_kib);
    if (good)
        report(rounds, dirty_kib, private_kib);
    clean_up(!good);
    return good ? 0 : 1;
}
