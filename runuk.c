/* runuk: an OCI runtime that boots unikernels, and hands every other container to runc. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <jansson.h>

#include "config/global.h"
#include "config/settings.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lifecycle/call.h"

static const struct verb {
    const char *name;
    ctr_verb_fn *run;
    enum {
        MAKES_ROOT,
        NEEDS_ROOT,
        ANY_ROOT
    } root; /* the state root: is made; may be missing; may be closed to us */
    const char *help;
} verbs[] = {
    {"create", ctr_create_verb, MAKES_ROOT, "create a container, its first process waiting to be started"},
    {"start", ctr_start_verb, NEEDS_ROOT, "start the guest of a created container"},
    {"run", ctr_run_verb, MAKES_ROOT, "create and start, and wait for the guest's end"},
    {"state", ctr_state_verb, NEEDS_ROOT, "print a container's state as JSON"},
    {"kill", ctr_kill_verb, NEEDS_ROOT, "send a signal to a container (default: TERM)"},
    {"delete", ctr_delete_verb, NEEDS_ROOT, "remove a container and all that was made for it"},
    {"list", ctr_list_verb, NEEDS_ROOT, "list containers"},
    {"ps", ctr_ps_verb, NEEDS_ROOT, "list a container's processes: its monitor"},
    {"exec", ctr_exec_verb, NEEDS_ROOT,
     "a guest has no processes: :info, :net, :stats, :alive tell about it"},
    {"events", ctr_events_verb, NEEDS_ROOT,
     "print statistics, once or at intervals, and out-of-memory kills"},
    {"features", ctr_features_verb, NEEDS_ROOT, "print what runuk can do on this host, as JSON"},
    {"inspect", ctr_inspect_verb, ANY_ROOT,
     "tell of a file, directory or bundle what it is, and how it would boot"},
    {"pause", ctr_pause_verb, NEEDS_ROOT, "freeze a guest"},
    {"update", ctr_update_verb, NEEDS_ROOT, "change a container's limits"},
    {"resume", ctr_resume_verb, NEEDS_ROOT, "let a frozen guest go on"},
};

static const struct verb other = {"", ctr_other_verb, NEEDS_ROOT, NULL};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return &other;
}

static void print_help(void)
{
    puts("runuk - an OCI runtime that boots unikernels and hands every other container to runc\n");
    puts("Usage: runuk [global options] VERB [options] [ID]\n\nVerbs:");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        printf("   %-10s %s\n", verbs[i].name, verbs[i].help);
    puts("   …          every other verb goes to runc\n\nGlobal options:");
    cfg_global_help();
}

static void print_version(void)
{
    printf("runuk version %s\ncommit: %s\nspec: 1.0.2\n", RUNUK_VERSION, RUNUK_COMMIT);
}

/* The one place where errors are printed: a log line that the engine reads, and a line for whoever reads
 * stderr. */
static int report(int r, const struct rk_err *err)
{
    if (r >= 0)
        return r;
    rk_log(RK_LOG_ERROR, "%s", err->text);
    fprintf(stderr, "runuk: %s\n", err->text);
    return 1;
}

/* How many descriptors from 3 on are open, without a gap: the caller's, as long as we have opened none. */
static size_t count_inherited(void)
{
    int fd = STDERR_FILENO + 1;
    while (fcntl(fd, F_GETFD) >= 0)
        fd++;
    return (size_t)(fd - STDERR_FILENO - 1);
}

static int call_verb(const struct cfg_global *global, size_t inherited, struct rk_err *err)
{
    struct ctr_call call = {.global = global,
                            .argc = global->argc - global->verb,
                            .argv = global->argv + global->verb,
                            .inherited = inherited,
                            .store = {.fd = -1}};
    const struct verb *verb = find_verb(call.argv[0]);
    int r = cfg_settings_load(&call.settings, global->settings, err);
    if (r >= 0)
        r = ctr_store_open(&call.store, global->root, verb->root == MAKES_ROOT, err);
    if (r < 0 && verb->root == ANY_ROOT)
        r = 0;
    if (r >= 0)
        r = verb->run(&call, err);
    ctr_store_close(&call.store);
    cfg_settings_fini(&call.settings);
    return r;
}

/* Descriptors 0 to 2 become the monitor's: where the caller has closed one, no file of ours may take its
 * number.
 */
static bool fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

static void no_end(int signal_number)
{
    (void)signal_number;
}

/* Writing to a pipe that nobody reads is an error, not the end. A handler is, for this process, as good as
 * ignoring the signal, and unlike that ends with exec: runc and what it runs get the signal as the caller has
 * it. */
static void survive_broken_pipes(void)
{
    if (signal(SIGPIPE, no_end) == SIG_IGN)
        signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    struct cfg_global global;
    struct rk_err err = {0};
    size_t seed;
    if (!fill_standard_descriptors())
        return 1;
    size_t inherited = count_inherited();
    survive_broken_pipes();
    /* The kernel's random bytes for this process: jansson would read a device for its hash seed. */
    memcpy(&seed, (const void *)getauxval(AT_RANDOM), sizeof seed);
    json_object_seed(seed ? seed : 1);
    int r = cfg_global_parse(&global, argc, argv, &err);
    if (r < 0)
        return report(r, &err);
    if (global.version) {
        print_version();
        return 0;
    }
    if (global.help || global.verb >= argc) {
        print_help();
        return 0;
    }
    r = rk_log_open(global.log, strcmp(global.log_format, "json") == 0, global.debug, &err);
    if (r >= 0)
        r = call_verb(&global, inherited, &err);
    return report(r, &err);
}
