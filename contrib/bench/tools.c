/* What the programs of the bench share. */
#include "contrib/bench/tools.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

char *bench_text(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        errx(1, "out of memory");
    va_end(ap);
    return s;
}

void bench_place_make(struct bench_place *ret_place)
{
    struct bench_place *place = ret_place;
    snprintf(place->cgroup_parent, sizeof place->cgroup_parent, "runuk-bench-%d", (int)getpid());
    snprintf(place->work, sizeof place->work, "/run/runuk-bench.XXXXXX");
    if (!mkdtemp(place->work))
        err(1, "%s", place->work);
    /* State roots are on a tmpfs, as /run is on real hosts: here one that only the bench and its children
     * see. */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("bench", place->work, "tmpfs", 0, NULL) < 0)
        err(1, "mount a tmpfs on %s", place->work);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void bench_place_remove(const struct bench_place *place, const char *below)
{
    /* Directories of containers that are left, then their common parent; of one v2 hierarchy, or of each v1
     * hierarchy. */
    for (int i = 0; i < 4; i++) {
        char *pattern = bench_text("/sys/fs/cgroup%s/%s%s%s", i % 2 ? "/*" : "", place->cgroup_parent,
                                   i < 2 ? "/" : "", i < 2 ? below : "");
        glob_t found;
        if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
            continue;
        for (size_t k = 0; k < found.gl_pathc; k++)
            rmdir(found.gl_pathv[k]);
        globfree(&found);
    }
    umount2(place->work, MNT_DETACH);
    nftw(place->work, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void bench_write(const char *path, const char *content)
{
    FILE *f = fopen(path, "we");
    if (!f || fputs(content, f) < 0 || fclose(f) != 0)
        err(1, "%s", path);
}

static void copy_program(const char *from, const char *to)
{
    char buf[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (in < 0 || out < 0)
        err(1, "%s", in < 0 ? from : to);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) != 0;)
        if (n < 0 || write(out, buf, (size_t)n) != n)
            err(1, "%s", to);
    close(in);
    close(out);
}

/* Bundles are the same but for the program: what an engine asks for in the way of mounts and namespaces,
 * and a limit of each kind. */
static const char config[] =
    "{\"ociVersion\": \"1.0.2\",\n"
    " \"process\": {\"terminal\": false, \"user\": {\"uid\": 0, \"gid\": 0}, \"args\": [\"/%s\"%s],\n"
    "  \"env\": [\"PATH=/usr/sbin:/usr/bin:/sbin:/bin\"], \"cwd\": \"/\", \"noNewPrivileges\": true,\n"
    "  \"capabilities\": {\"bounding\": [], \"effective\": [], \"permitted\": []}},\n"
    " \"root\": {\"path\": \"%s\"}, \"hostname\": \"bench\",\n"
    " \"mounts\": [\n"
    "  {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},\n"
    "  {\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
    "   \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]},\n"
    "  {\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
    "   \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"]},\n"
    "  {\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
    "   \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"]},\n"
    "  {\"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
    "   \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]}],\n"
    " \"linux\": {\"cgroupsPath\": \"/%s/%s\",\n"
    "  \"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\"}, {\"type\": \"ipc\"}, {\"type\": "
    "\"uts\"},\n"
    "   {\"type\": \"mount\"}],\n"
    "  \"resources\": {\"memory\": {\"limit\": 134217728}, \"pids\": {\"limit\": 100},\n"
    "   \"devices\": [{\"allow\": false, \"access\": \"rwm\"},\n"
    "    {\"allow\": true, \"type\": \"c\", \"major\": 1, \"minor\": 3, \"access\": \"rwm\"}]}}}\n";

char *bench_rootfs(const struct bench_place *place, const char *name, const char *program)
{
    char *rootfs = bench_text("%s/%s.rootfs", place->work, name);
    if (mkdir(rootfs, 0755) < 0)
        err(1, "%s", rootfs);
    copy_program(program, bench_text("%s%s", rootfs, strrchr(program, '/')));
    return rootfs;
}

char *bench_bundle(const struct bench_place *place, const char *name, const char *rootfs, const char *program,
                   const char *arg)
{
    char *bundle = bench_text("%s/%s", place->work, name);
    if (mkdir(bundle, 0755) < 0)
        err(1, "%s", bundle);
    const char *more = arg ? bench_text(", \"%s\"", arg) : "";
    bench_write(bench_text("%s/config.json", bundle),
                bench_text(config, strrchr(program, '/') + 1, more, rootfs, place->cgroup_parent, name));
    return bundle;
}

pid_t bench_start(char *const argv[], int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, output, 2);
    pid_t pid;
    int r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0) {
        warnx("%s: %s", argv[0], strerror(r));
        return -1;
    }
    return pid;
}

double bench_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

void bench_report(FILE *json, const char *key, const char *title, double value, double peer, double aim,
                  int rounds)
{
    char wanted[32] = "";
    if (aim > 0)
        snprintf(wanted, sizeof wanted, "aim: at most %.2f", aim);
    printf("%-42s %8.2f ms  %8.2f ms  %6.2f   %s\n", title, value, peer, value / peer, wanted);
    fprintf(json, "  \"%s\": {\"value\": %.3f, \"peer\": %.3f, \"ratio\": %.4f, \"n\": %d}", key, value, peer,
            value / peer, rounds);
}
