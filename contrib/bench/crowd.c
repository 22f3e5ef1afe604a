/* Times verbs that look at containers, of runuk and of runc, while there are many of both, interleaved in one
 * run.
 *
 *   crowd BUILD-DIRECTORY [CONTAINERS [ROUNDS]]    as root; prints a table and writes
 *                                                  BUILD-DIRECTORY/crowd.json */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contrib/bench/tools.h"

#define CONTAINERS     300
#define MAX_CONTAINERS 10000
#define ROUNDS         40
#define MAX_ROUNDS     1000
#define WARM_UP        2
#define OUTPUT_MAX     (4 << 20) /* bytes of what one call says */

enum { RUNUK, RUNC, RUNTIMES };

/* A runtime, and how it is called with its own state root. */
static struct {
    char *argv[8];
    size_t argc;
    char *rootfs, *program;
    int made;
} runtimes[RUNTIMES];

/* A verb: ID stands for the container's. `says` is what its output has to have in it, `for_each` container
 * once. */
#define ID "@"
static struct {
    const char *key, *title;
    const char *words[6];
    const char *says;
    bool for_each;
    double ms[RUNTIMES][MAX_ROUNDS];
} verbs[] = {
    {.key = "state", .title = "state", .words = {"state", ID}, .says = "\"running\""},
    {.key = "ps", .title = "ps", .words = {"ps", ID}, .says = "PID"},
    {.key = "ps_json", .title = "ps --format json", .words = {"ps", "--format", "json", ID}, .says = "["},
    {.key = "list", .title = "list", .words = {"list"}, .says = "running ", .for_each = true},
    {.key = "list_json",
     .title = "list --format json",
     .words = {"list", "--format", "json"},
     .says = "\"running\"",
     .for_each = true},
    {.key = "list_quiet",
     .title = "list --quiet",
     .words = {"list", "--quiet"},
     .says = "\n",
     .for_each = true},
    {.key = "kill", .title = "kill CONT", .words = {"kill", ID, "CONT"}},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static char build[PATH_MAX];
static struct bench_place place;
static int said = -1; /* a file that takes the output of whatever runs */
static volatile sig_atomic_t interrupted;

/* --- calls ------------------------------------------------------------------------------------------------
 */

static void prepare(void)
{
    bench_place_make(&place);
    char *settings = bench_text("%s/settings.json", place.work);
    bench_write(settings, bench_text("{\"monitor_dir\": \"%s\"}\n", build));
    char *own[] = {bench_text("%s/runuk", build), bench_text("--root"),
                   bench_text("%s/runuk-root", place.work), bench_text("--settings"), settings};
    char *theirs[] = {bench_text("runc"), bench_text("--root"), bench_text("%s/runc-root", place.work)};
    memcpy(runtimes[RUNUK].argv, own, sizeof own);
    memcpy(runtimes[RUNC].argv, theirs, sizeof theirs);
    runtimes[RUNUK].argc = sizeof own / sizeof *own;
    runtimes[RUNC].argc = sizeof theirs / sizeof *theirs;
    runtimes[RUNUK].program = bench_text("%s/guests/time.spt", build);
    runtimes[RUNC].program = bench_text("%s/bench/sleeper", build);
    for (int r = 0; r < RUNTIMES; r++)
        runtimes[r].rootfs = bench_rootfs(&place, r == RUNUK ? "runuk" : "runc", runtimes[r].program);
    said = open(place.work, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (said < 0)
        err(1, "%s", place.work);
}

/* Call a runtime with these words (ID replaced by `id`); how long it took, -1 when it failed. */
static double call(int runtime, const char *const *words, const char *id, int output)
{
    char *argv[16] = {0};
    size_t n = runtimes[runtime].argc;
    int status;
    memcpy(argv, runtimes[runtime].argv, n * sizeof *argv);
    for (; *words && n < 15; words++)
        argv[n++] = bench_text("%s", strcmp(*words, ID) == 0 ? id : *words);
    double begin = bench_now_ms();
    pid_t pid = bench_start(argv, output);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    double took = bench_now_ms() - begin;
    for (size_t i = runtimes[runtime].argc; i < n; i++)
        free(argv[i]);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? took : -1;
}

static char *id_of(int runtime, int number)
{
    return bench_text("%s-%d", runtime == RUNUK ? "unikernel" : "linux", number);
}

/* What has been said since `said` was emptied; the buffer is the same each time. */
static const char *words_said(void)
{
    static char output[OUTPUT_MAX + 1];
    ssize_t n = pread(said, output, OUTPUT_MAX, 0);
    output[n > 0 ? n : 0] = '\0';
    return output;
}

static void empty_said(void)
{
    if (ftruncate(said, 0) < 0 || lseek(said, 0, SEEK_SET) < 0)
        err(1, "output file");
}

/* --- the crowd --------------------------------------------------------------------------------------------
 */

/* One more container, whose output goes nowhere. */
static bool add_one(int runtime, int null)
{
    char *id = id_of(runtime, runtimes[runtime].made);
    char *bundle = bench_bundle(&place, id, runtimes[runtime].rootfs, runtimes[runtime].program,
                                runtime == RUNUK ? "wait" : NULL);
    const char *const words[] = {"run", "--detach", "--bundle", bundle, id, NULL};
    runtimes[runtime].made++;
    if (call(runtime, words, "", null) >= 0)
        return true;
    if (!interrupted) /* what interrupts us may have ended it too */
        warnx("%s cannot make container '%s'", runtimes[runtime].argv[0], id);
    return false;
}

static bool gather(int containers)
{
    bool good = true;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < containers && good && !interrupted; i++)
        for (int r = 0; r < RUNTIMES && good; r++)
            good = add_one(r, null);
    close(null);
    return good && !interrupted;
}

static bool disperse(void)
{
    const char *const words[] = {"delete", "--force", ID, NULL};
    bool good = true;
    for (int r = 0; r < RUNTIMES; r++) {
        for (int i = 0; i < runtimes[r].made; i++) {
            char *id = id_of(r, i);
            empty_said();
            if (call(r, words, id, said) < 0) {
                warnx("%s cannot delete container '%s': %s", runtimes[r].argv[0], id, words_said());
                good = false;
            }
            free(id);
        }
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) /* the containers' processes, which were left to us */
        ;
    return good;
}

/* --- timing -----------------------------------------------------------------------------------------------
 */

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* One call, which must say what it should: one that fails is fast. */
static bool measure(size_t verb, int runtime, int containers, int round)
{
    char *id = id_of(runtime, (round + WARM_UP) % containers);
    empty_said();
    double took = call(runtime, verbs[verb].words, id, said);
    const char *output = words_said(), *says = verbs[verb].says;
    bool good =
        took >= 0 &&
        (!says || (verbs[verb].for_each ? count(output, says) >= containers : strstr(output, says) != NULL));
    if (!good)
        warnx("%s %s, container '%s': not the expected answer: %.500s", runtimes[runtime].argv[0],
              verbs[verb].title, id, output);
    else if (round >= 0)
        verbs[verb].ms[runtime][round] = took;
    free(id);
    return good;
}

static bool measure_all(int containers, int rounds)
{
    for (int round = -WARM_UP; round < rounds; round++)
        for (size_t v = 0; v < VERBS; v++)
            for (int i = 0; i < RUNTIMES; i++) /* who is first changes from round to round */
                if (interrupted || !measure(v, (i + round + WARM_UP) % RUNTIMES, containers, round))
                    return false;
    return true;
}

static void report(int containers, int rounds)
{
    char *path = bench_text("%s/crowd.json", build);
    FILE *json = fopen(path, "we");
    if (!json)
        err(1, "%s", path);
    printf("%d containers of each, median of %d rounds       runuk          runc   ratio\n", containers,
           rounds);
    fprintf(json, "{\n  \"containers\": %d", containers);
    for (size_t v = 0; v < VERBS; v++) {
        fputs(",\n", json);
        bench_report(json, verbs[v].key, verbs[v].title, bench_median(verbs[v].ms[RUNUK], (size_t)rounds),
                     bench_median(verbs[v].ms[RUNC], (size_t)rounds), 1.0, rounds);
    }
    fputs("\n}\n", json);
    if (fclose(json) != 0)
        err(1, "%s", path);
}

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

int main(int argc, char **argv)
{
    int containers = argc > 2 ? atoi(argv[2]) : CONTAINERS, rounds = argc > 3 ? atoi(argv[3]) : ROUNDS;
    if (argc < 2 || containers < 1 || containers > MAX_CONTAINERS || rounds < 1 || rounds > MAX_ROUNDS)
        errx(2, "usage: crowd BUILD-DIRECTORY [CONTAINERS [ROUNDS]]");
    if (!realpath(argv[1], build))
        err(1, "%s", argv[1]);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prepare();
    bool good = gather(containers) && measure_all(containers, rounds);
    if (good)
        report(containers, rounds);
    good = disperse() && good;
    bench_place_remove(&place, "*-*");
    return good ? 0 : 1;
}
