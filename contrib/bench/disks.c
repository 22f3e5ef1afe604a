/* Times how long a guest in QEMU takes from `runuk run` to its end with a large disk and with a small one,
 * interleaved: nothing of a disk may be copied.
 *
 *   disks BUILD-DIRECTORY [ROUNDS]    as root; prints a line and writes BUILD-DIRECTORY/disks.json */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contrib/bench/tools.h"

#define ROUNDS     15
#define MAX_ROUNDS 1000
#define WARM_UP    1
#define CHUNK      (1 << 20)

enum { LARGE, SMALL, SIZES };

static struct {
    const char *name;
    int mib;
    char *argv[16];
    double ms[MAX_ROUNDS];
} sizes[SIZES] = {[LARGE] = {.name = "large", .mib = 256}, [SMALL] = {.name = "small", .mib = 1}};

static const char config[] =
    "{\"ociVersion\": \"1.0.2\", \"process\": {\"user\": {\"uid\": 0, \"gid\": 0}, \"args\": "
    "[\"/block.multiboot\", "
    "\"info\"], \"cwd\": \"/\"},\n"
    " \"root\": {\"path\": \"%s\"}, \"hostname\": \"bench\",\n"
    " \"mounts\": [{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"%s\", \"options\": "
    "[\"bind\"]}],\n"
    " \"linux\": {\"cgroupsPath\": \"/%s/%s\", \"namespaces\": [{\"type\": \"pid\"}, {\"type\": "
    "\"network\"},\n"
    "  {\"type\": \"ipc\"}, {\"type\": \"uts\"}, {\"type\": \"mount\"}]}}\n";

static char build[PATH_MAX];
static struct bench_place place;
static int said = -1; /* a file that takes what the guest prints */
static volatile sig_atomic_t interrupted;

/* A disk with something in every block, so that it takes its room. */
static char *make_disk(const char *name, int mib)
{
    static char chunk[CHUNK];
    char *path = bench_text("%s/%s.img", place.work, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < mib; i++)
        if (write(fd, chunk, sizeof chunk) != (ssize_t)sizeof chunk)
            err(1, "%s", path);
    close(fd);
    return path;
}

static void prepare(void)
{
    bench_place_make(&place);
    char *settings = bench_text("%s/settings.json", place.work);
    char *guest = bench_text("%s/guests/block.multiboot", build);
    bench_write(settings, bench_text("{\"monitor_dir\": \"%s\"}\n", build));
    for (int i = 0; i < SIZES; i++) {
        const char *name = sizes[i].name;
        char *bundle = bench_text("%s/%s", place.work, name);
        if (mkdir(bundle, 0755) < 0)
            err(1, "%s", bundle);
        bench_write(bench_text("%s/config.json", bundle),
                    bench_text(config, bench_rootfs(&place, name, guest), make_disk(name, sizes[i].mib),
                               place.cgroup_parent, name));
        char *const argv[] = {bench_text("%s/runuk", build),
                              bench_text("--root"),
                              bench_text("%s/root", place.work),
                              bench_text("--settings"),
                              settings,
                              bench_text("run"),
                              bench_text("--bundle"),
                              bundle,
                              bench_text("%s", name)};
        memcpy(sizes[i].argv, argv, sizeof argv);
    }
    said = open(place.work, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (said < 0)
        err(1, "%s", place.work);
}

/* The guest must have seen all of its disk: a run that fails is fast. */
static bool run(int which, int round)
{
    char output[4096];
    int status;
    if (ftruncate(said, 0) < 0 || lseek(said, 0, SEEK_SET) < 0)
        err(1, "output file");
    double begin = bench_now_ms();
    pid_t pid = bench_start(sizes[which].argv, said);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (round >= 0)
        sizes[which].ms[round] = bench_now_ms() - begin;
    ssize_t n = pread(said, output, sizeof output - 1, 0);
    output[n > 0 ? n : 0] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
        strstr(output, bench_text("capacity: %d", sizes[which].mib << 20)))
        return true;
    warnx("%s: wait status 0x%x, output: %s", sizes[which].name, (unsigned)status, output);
    return false;
}

static bool run_all(int rounds)
{
    for (int round = -WARM_UP; round < rounds; round++)
        for (int i = 0; i < SIZES; i++)
            if (interrupted || !run((i + round + WARM_UP) % SIZES, round))
                return false;
    return true;
}

static void report(int rounds)
{
    char *path = bench_text("%s/disks.json", build);
    FILE *json = fopen(path, "we");
    if (!json)
        err(1, "%s", path);
    printf("median of %d rounds                             256 MiB         1 MiB   ratio\n", rounds);
    fputs("{\n", json);
    bench_report(json, "disk_large_vs_small", "run with a disk: 256 MiB : 1 MiB",
                 bench_median(sizes[LARGE].ms, (size_t)rounds), bench_median(sizes[SMALL].ms, (size_t)rounds),
                 1.1, rounds);
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
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS)
        errx(2, "usage: disks BUILD-DIRECTORY [ROUNDS]  (1 to %d rounds)", MAX_ROUNDS);
    if (!realpath(argv[1], build))
        err(1, "%s", argv[1]);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    prepare();
    bool good = run_all(rounds);
    if (good)
        report(rounds);
    for (int i = 0; i < SIZES && !good; i++) {
        char *argv_delete[] = {sizes[i].argv[0],      sizes[i].argv[1], sizes[i].argv[2],
                               sizes[i].argv[3],      sizes[i].argv[4], bench_text("delete"),
                               bench_text("--force"), sizes[i].argv[8], NULL};
        pid_t pid = bench_start(argv_delete, said);
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    bench_place_remove(&place, "*");
    return good ? 0 : 1;
}
