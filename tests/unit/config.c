/* Command lines, settings and annotations, as tables. */
#include "config/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/annotations.h"
#include "config/global.h"
#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

#define ARGS 12

/* A command line of a verb with the flags --bundle|-b STRING, --all|-a, --count NUMBER and the ignored --old.
 */
static const struct {
    const char *args[ARGS];
    bool mixed;
    const char *error; /* NULL: accepted */
    const char *bundle;
    bool all;
    int count;
    const char *rest; /* what remains, joined by commas */
} lines[] = {
    {{NULL}, false, NULL, NULL, false, -1, ""},
    {{"id"}, false, NULL, NULL, false, -1, "id"},
    {{"--bundle", "/b", "id"}, false, NULL, "/b", false, -1, "id"},
    {{"--bundle=/b", "id"}, false, NULL, "/b", false, -1, "id"},
    {{"-bundle", "/b"}, false, NULL, "/b", false, -1, ""},
    {{"-bundle=/b"}, false, NULL, "/b", false, -1, ""},
    {{"-b", "/b", "-a", "id"}, false, NULL, "/b", true, -1, "id"},
    {{"-b="}, false, NULL, "", false, -1, ""},
    {{"--bundle=a=b"}, false, NULL, "a=b", false, -1, ""},
    {{"--bundle", "--all"}, false, NULL, "--all", false, -1, ""},
    {{"--bundle", ""}, false, NULL, "", false, -1, ""},
    {{"-b", "x", "-b", "y"}, false, NULL, "y", false, -1, ""},
    {{"--all=false", "id"}, false, NULL, NULL, false, -1, "id"},
    {{"--all", "--all=0"}, false, NULL, NULL, false, -1, ""},
    {{"--all=true"}, false, NULL, NULL, true, -1, ""},
    {{"--count", "0"}, false, NULL, NULL, false, 0, ""},
    {{"--count=2147483647"}, false, NULL, NULL, false, 2147483647, ""},
    {{"--old", "x", "id"}, false, NULL, NULL, false, -1, "id"},
    {{"-"}, false, NULL, NULL, false, -1, "-"},
    {{"--", "--all"}, false, NULL, NULL, false, -1, "--all"},
    {{"id", "--all"}, false, NULL, NULL, false, -1, "id,--all"},
    {{"id", "--all", "KILL"}, true, NULL, NULL, true, -1, "id,KILL"},
    {{"id", "-b", "x", "--", "--all"}, true, NULL, "x", false, -1, "id,--all"},
    {{"a", "b", "c"}, true, NULL, NULL, false, -1, "a,b,c"},
    {{"--nope"}, false, "flag provided but not defined: --nope", NULL, false, -1, NULL},
    {{"-x"}, false, "flag provided but not defined: -x", NULL, false, -1, NULL},
    {{"--bundle=x", "--bundlex=y"}, false, "not defined: --bundlex=y", NULL, false, -1, NULL},
    {{"--bund"}, false, "not defined: --bund", NULL, false, -1, NULL},
    {{"--=x"}, false, "not defined: --=x", NULL, false, -1, NULL},
    {{"---all"}, false, "not defined: ---all", NULL, false, -1, NULL},
    {{"id", "-z"}, true, "not defined: -z", NULL, false, -1, NULL},
    {{"--bundle"}, false, "flag needs an argument: --bundle", NULL, false, -1, NULL},
    {{"--all=maybe"}, false, "invalid boolean value \"maybe\" for --all", NULL, false, -1, NULL},
    {{"--count", "x"}, false, "invalid value \"x\" for --count", NULL, false, -1, NULL},
    {{"--count="}, false, "invalid value \"\" for --count", NULL, false, -1, NULL},
    {{"--count=-1"}, false, "invalid value \"-1\" for --count", NULL, false, -1, NULL},
    {{"--count=2147483648"}, false, "invalid value \"2147483648\"", NULL, false, -1, NULL},
    {{"--count=99999999999999999999"}, false, "invalid value", NULL, false, -1, NULL},
    {{"--count=3x"}, false, "invalid value \"3x\"", NULL, false, -1, NULL},
};

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Copies of the strings, as main gets them: a parser may move the pointers about. The array and its number.
 */
static int to_argv(char *out[ARGS + 2], const char *const args[ARGS])
{
    static char verb[] = "verb";
    int n = 0;
    out[n++] = verb;
    for (size_t i = 0; i < ARGS && args[i]; i++)
        out[n++] = strdup(args[i]);
    out[n] = NULL;
    return n;
}

static void test_flags(void)
{
    for (size_t i = 0; i < RK_COUNT(lines); i++) {
        const char *bundle = NULL;
        bool all = false;
        int count = -1, index = 1;
        const struct cfg_flag flags[] = {
            {"bundle", 'b', CFG_STRING, &bundle, "a string"},
            {"all", 'a', CFG_BOOL, &all, "a switch"},
            {"count", 0, CFG_INT, &count, "a number"},
            {"old", 0, CFG_STRING, NULL, NULL},
            {NULL, 0, CFG_BOOL, NULL, NULL},
        };
        char *argv[ARGS + 2], *owned[ARGS + 2], rest[256] = "";
        struct rk_err err = {0};
        int argc = to_argv(argv, lines[i].args);
        memcpy(owned, argv, sizeof argv);
        int r = cfg_flags_parse(flags, argc, argv, &index, lines[i].mixed, &err);
        for (char **a = argv + index; r == 0 && *a; a++)
            snprintf(rest + strlen(rest), sizeof rest - strlen(rest), "%s%s", *rest ? "," : "", *a);
        bool good = lines[i].error ? r == -EINVAL && strstr(err.text, lines[i].error)
                                   : r == 0 && same(bundle, lines[i].bundle) && all == lines[i].all &&
                                         count == lines[i].count && same(rest, lines[i].rest);
        if (!tap_ok(good, "flags: case %zu, %s", i, lines[i].error ? lines[i].error : "accepted"))
            printf("# got %d \"%s\", bundle '%s', rest '%s'\n", r, err.text, bundle ? bundle : "", rest);
        for (int a = 1; a < argc; a++)
            free(owned[a]);
    }
}

static const struct {
    const char *args[ARGS];
    const char *error;
    int verb; /* its index */
    const char *root, *log, *format;
    bool debug, systemd;
    const char *runc; /* the command line for runc, joined by commas, without argv[0] */
} globals[] = {
    {{NULL}, NULL, 1, NULL, NULL, "text", false, false, ""},
    {{"state", "x"}, NULL, 1, NULL, NULL, "text", false, false, "state,x"},
    {{"--root", "/r", "--log=/l", "--log-format", "json", "--debug", "state"},
     NULL,
     7,
     "/r",
     "/l",
     "json",
     true,
     false,
     "--root,/r,--log=/l,--log-format,json,--debug,state"},
    {{"-root=/r", "-systemd-cgroup", "create", "--root"},
     NULL,
     3,
     "/r",
     NULL,
     "text",
     false,
     true,
     "-root=/r,-systemd-cgroup,create,--root"},
    {{"--criu", "c", "--rootless=auto", "list"},
     NULL,
     4,
     NULL,
     NULL,
     "text",
     false,
     false,
     "--criu,c,--rootless=auto,list"},
    {{"--settings", "/s", "list"}, NULL, 3, NULL, NULL, "text", false, false, "list"},
    {{"--debug", "-settings=/s", "list", "--settings", "x"},
     NULL,
     3,
     NULL,
     NULL,
     "text",
     true,
     false,
     "--debug,list,--settings,x"},
    {{"--root", "--settings", "list"},
     NULL,
     3,
     "--settings",
     NULL,
     "text",
     false,
     false,
     "--root,--settings,list"},
    {{"--log", "-settings=x", "list"},
     NULL,
     3,
     NULL,
     "-settings=x",
     "text",
     false,
     false,
     "--log,-settings=x,list"},
    {{"--log-format", "xml", "list"}, "invalid log-format: xml", 0, NULL, NULL, NULL, false, false, NULL},
    {{"--nope", "list"}, "flag provided but not defined: --nope", 0, NULL, NULL, NULL, false, false, NULL},
    {{"--root"}, "flag needs an argument: --root", 0, NULL, NULL, NULL, false, false, NULL},
};

/* runc's words for --rootless, and some that it refuses. */
static const struct {
    const char *option;
    int how; /* enum cfg_rootless; -1: refused */
} rootless[] = {
    {"--rootless=", CFG_ROOTLESS_AUTO},
    {"--rootless=auto", CFG_ROOTLESS_AUTO},
    {"--rootless=AUTO", CFG_ROOTLESS_AUTO},
    {"--rootless=true", CFG_ROOTLESS_YES},
    {"--rootless=True", CFG_ROOTLESS_YES},
    {"--rootless=1", CFG_ROOTLESS_YES},
    {"--rootless=t", CFG_ROOTLESS_YES},
    {"--rootless=false", CFG_ROOTLESS_NO},
    {"--rootless=F", CFG_ROOTLESS_NO},
    {"--rootless=0", CFG_ROOTLESS_NO},
    {"--rootless=yes", -1},
    {"--rootless=tRUE", -1},
    {"--rootless=2", -1},
    {"--debug", CFG_ROOTLESS_AUTO},
};

static void test_rootless(void)
{
    for (size_t i = 0; i < RK_COUNT(rootless); i++) {
        struct rk_err err = {0};
        struct cfg_global g = {0};
        rk_autofree char *option = strdup(rootless[i].option);
        char program[] = "runuk", *argv[] = {program, option, NULL};
        int r = cfg_global_parse(&g, 2, argv, &err);
        tap_ok(rootless[i].how < 0 ? r == -EINVAL && strstr(err.text, "expected true, false or auto")
                                   : r == 0 && (int)g.rootless == rootless[i].how,
               "global: %s", rootless[i].option);
    }
}

static void test_global(void)
{
    for (size_t i = 0; i < RK_COUNT(globals); i++) {
        char *argv[ARGS + 2], runc[256] = "";
        struct cfg_global g = {0};
        struct rk_err err = {0};
        int argc = to_argv(argv, globals[i].args);
        int r = cfg_global_parse(&g, argc, argv, &err);
        bool good = globals[i].error
                        ? r == -EINVAL && strstr(err.text, globals[i].error)
                        : r == 0 && g.verb == globals[i].verb && same(g.root, globals[i].root) &&
                              same(g.log, globals[i].log) && same(g.log_format, globals[i].format) &&
                              g.debug == globals[i].debug && g.systemd_cgroup == globals[i].systemd;
        if (r == 0) {
            rk_autofree char **for_runc = cfg_global_runc_argv(&g);
            for (char **a = for_runc + 1; *a; a++)
                snprintf(runc + strlen(runc), sizeof runc - strlen(runc), "%s%s", *runc ? "," : "", *a);
            good = good && same(runc, globals[i].runc);
        }
        if (!tap_ok(good, "global: case %zu", i))
            printf("# got %d \"%s\", for runc '%s'\n", r, err.text, runc);
        for (int a = 1; a < argc; a++)
            free(argv[a]);
    }
}

static const struct {
    const char *text;
    const char *error; /* NULL: accepted */
} settings[] = {
    {"{}", NULL},
    {"{\"runc\":\"/usr/bin/runc\",\"monitor_dir\":\"/m\",\"network_mode\":\"bridge\",\"memory_mib\":1,"
     "\"memory_headroom_kib\":0,\"uid\":1,\"gid\":4294967294}",
     NULL},
    {"", "line 1"},
    {"{\n\"uid\":}", "line 2"},
    {"[]", "expected an object"},
    {"{\"uid\":1,\"uid\":2}", "line 1"},
    {"{\"backend\":\"spt\"}", "unknown key \"backend\""},
    {"{\"runc\":1}", "runc: expected a string"},
    {"{\"runc\":\"runc\"}", "expected an absolute path"},
    {"{\"monitor_dir\":\"m\"}", "expected an absolute path"},
    {"{\"memory_mib\":0}", "memory_mib: expected 1 to"},
    {"{\"memory_mib\":1048577}", "memory_mib: expected 1 to"},
    {"{\"memory_mib\":\"512\"}", "memory_mib: expected an integer"},
    {"{\"memory_headroom_kib\":-2}", "memory_headroom_kib: expected -1 or more"},
    {"{\"uid\":0}", "not root's"},
    {"{\"gid\":0}", "not root's"},
    {"{\"uid\":4294967295}", "not root's"},
};

static void test_settings(void)
{
    char path[] = "/tmp/runuk-unit-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) {
        tap_ok(false, "settings: no file to test with");
        return;
    }
    for (size_t i = 0; i < RK_COUNT(settings); i++) {
        struct cfg_settings s = {0};
        struct rk_err err = {0};
        size_t len = strlen(settings[i].text);
        bool written = ftruncate(fd, 0) == 0 && pwrite(fd, settings[i].text, len, 0) == (ssize_t)len;
        int r = cfg_settings_load(&s, path, &err);
        bool good = settings[i].error
                        ? r == -EINVAL && strstr(err.text, settings[i].error) && strstr(err.text, path)
                        : r == 0 && s.network_mode && s.monitor_dir;
        if (!tap_ok(written && good, "settings: %s", settings[i].text))
            printf("# got %d \"%s\"\n", r, err.text);
        cfg_settings_fini(&s);
    }
    close(fd);
    unlink(path);
    struct cfg_settings s = {0};
    struct rk_err err = {0};
    tap_ok(cfg_settings_load(&s, path, &err) == -ENOENT && strstr(err.text, path),
           "settings: a file that was named must exist");
    tap_ok(cfg_settings_load(&s, "/dev/zero", &err) == -EFBIG, "settings: an endless file is given up");
}

static void test_annotations(void)
{
    struct cfg_annotations a = {0};
    struct rk_err err = {0};
    tap_ok(cfg_annotations_add(&a, "org.runuk.network-mode", "bridge", &err) == 0 &&
               same(a.network_mode, "bridge"),
           "annotations: ours");
    tap_ok(cfg_annotations_add(&a, "io.kubernetes.cri.x", "y", &err) == 0 &&
               cfg_annotations_add(&a, "org.runuk", "y", &err) == 0 &&
               cfg_annotations_add(&a, "xorg.runuk.network-mode", "y", &err) == 0 &&
               same(a.network_mode, "bridge"),
           "annotations: others' are none of ours");
    tap_ok(cfg_annotations_add(&a, "org.runuk.monitor-path", "/x", &err) == -EINVAL &&
               strstr(err.text, "org.runuk.monitor-path"),
           "annotations: an unknown one of ours is an error");
}

int main(void)
{
    test_flags();
    test_global();
    test_rootless();
    test_settings();
    test_annotations();
    return tap_end();
}
