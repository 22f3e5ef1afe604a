/* Command lines and settings, as tables. */
#include "config/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/global.h"
#include "config/line.h"
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
    const char *error; /* how it goes on behind the file's name; NULL: accepted */
} settings[] = {
    {"{}", NULL},
    {"{\"runc\":\"/usr/bin/runc\",\"monitor_dir\":\"/m\",\"network_mode\":\"bridge\",\"memory_mib\":1,"
     "\"memory_headroom_kib\":0,\"uid\":1,\"gid\":4294967294,\"qemu\":\"/q\",\"accel\":\"tcg\","
     "\"monitors\":[\"spt\"],\"annotations\":[],\"memory_max_mib\":1048576,\"policy\":{\"linux\":\"refuse\"}"
     "}",
     NULL},
    {"{\"runc\":null,\"uid\":null,\"policy\":null,\"monitors\":null,\"annotations\":null}", NULL},
    {"{\"policy\":{}}", NULL},
    {"", "line 1: "},
    {"{\n\"uid\":}", "line 2: "},
    {"[]", "line 1: expected an object"},
    {"{\"uid\":1,\n\"uid\":2}", "line 2: duplicate object key"},
    {"{\n\n\"backend\":\"spt\"}", "line 3: backend: unknown key (runuk.json(5) names them all)"},
    {"{\"policy.linux\":\"refuse\"}", "line 1: policy.linux: unknown key"},
    {"{\"linux\":\"refuse\"}", "line 1: linux: unknown key"},
    {"{\"policy\":{\"linux\":\"delegate\",\n\"windows\":1}}", "line 2: policy.windows: unknown key"},
    {"{\"policy\":\n1}", "line 1: policy: expected an object"},
    {"{\"policy\":{\n\"linux\"\n:\n1}}", "line 2: policy.linux: expected a string"},
    {"{\"policy\":{\"linux\":\"maybe\"}}",
     "line 1: policy.linux: expected \"delegate\", \"pause-only\" or \"refuse\""},
    {"{\"accel\":\"xen\"}", "line 1: accel: expected \"auto\", \"kvm\" or \"tcg\""},
    {"{\"accel\":\"KVM\"}", "line 1: accel: expected"},
    {"{\"network_mode\":\"none\"}", "line 1: network_mode: expected \"redirect\" or \"bridge\""},
    {"{\"monitors\":\"hvt\"}", "line 1: monitors: expected an array"},
    {"{\"monitors\":[]}", "line 1: monitors: expected at least one of \"hvt\", \"spt\" or \"qemu\""},
    {"{\n\"monitors\":[\"hvt\",\n\"xen\"]}",
     "line 2: monitors: expected an array of \"hvt\", \"spt\" or \"qemu\""},
    {"{\"monitors\":[1]}", "line 1: monitors: expected an array of"},
    {"{\"annotations\":[\"family\",\"org.runuk.kernel\"]}",
     "line 1: annotations: expected an array of \"netw"},
    {"{\"runc\":1}", "line 1: runc: expected a string"},
    {"{\"runc\":\"runc\"}", "line 1: runc: expected an absolute path"},
    {"{\"monitor_dir\":\"m\"}", "line 1: monitor_dir: expected an absolute path"},
    {"{\"qemu\":\"qemu-system-x86_64\"}", "line 1: qemu: expected an absolute path"},
    {"{\"memory_mib\":0}", "line 1: memory_mib: expected 1 to 1048576"},
    {"{\"memory_mib\":1048577}", "line 1: memory_mib: expected 1 to"},
    {"{\"memory_mib\":\"512\"}", "line 1: memory_mib: expected an integer"},
    {"{\"memory_mib\":1.5}", "line 1: memory_mib: expected an integer"},
    {"{\"memory_max_mib\":0}", "line 1: memory_max_mib: expected 1 to 1048576"},
    {"{\"memory_headroom_kib\":-2}", "line 1: memory_headroom_kib: expected -1 or more"},
    {"{\"memory_headroom_kib\":9223372036854775807}", "line 1: memory_headroom_kib: expected"},
    {"{\"uid\":0}", "line 1: uid: expected an unprivileged user's, not root's"},
    {"{\"gid\":0}", "line 1: gid: expected an unprivileged group's, not root's"},
    {"{\"uid\":4294967295}", "line 1: uid: expected"},
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
        char want[512];
        size_t len = strlen(settings[i].text);
        snprintf(want, sizeof want, "settings file '%s': %s", path,
                 settings[i].error ? settings[i].error : "");
        bool written = ftruncate(fd, 0) == 0 && pwrite(fd, settings[i].text, len, 0) == (ssize_t)len;
        int r = cfg_settings_load(&s, path, &err);
        bool good = settings[i].error ? r == -EINVAL && strncmp(err.text, want, strlen(want)) == 0
                                      : r == 0 && s.network_mode && s.monitor_dir && s.qemu;
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

static void test_settings_values(void)
{
    struct cfg_settings s = {0};
    bool good = cfg_settings_parse(&s, NULL, 0, NULL) == 0;
    tap_ok(good && !s.runc && same(s.qemu, "/usr/bin/qemu-system-x86_64") &&
               same(s.network_mode, "redirect") && same(s.accel, "auto") &&
               s.policy_linux == CFG_LINUX_DELEGATE && s.memory_mib == 512 && s.memory_max_mib == 0 &&
               s.memory_headroom_kib == -1 && s.uid == 65534 && s.gid == 65534,
           "settings: defaults");
    tap_ok(cfg_settings_allow_monitor(&s, "hvt") && cfg_settings_allow_annotation(&s, "kernel"),
           "settings: without a list everything is allowed");
    cfg_settings_fini(&s);
    static const char text[] = "{\"qemu\":\"/q\",\"accel\":\"kvm\",\"monitors\":[\"spt\",\"qemu\"],"
                               "\"annotations\":[\"kernel\"],\"policy\":{\"linux\":\"pause-only\"},"
                               "\"memory_max_mib\":7,\"memory_mib\":8,\"memory_headroom_kib\":9,\"uid\":10,"
                               "\"gid\":11,\"network_mode\":\"bridge\"}";
    good = cfg_settings_parse(&s, text, strlen(text), NULL) == 0;
    tap_ok(good && same(s.qemu, "/q") && same(s.accel, "kvm") && s.policy_linux == CFG_LINUX_PAUSE_ONLY &&
               s.memory_max_mib == 7 && s.memory_mib == 8 && s.memory_headroom_kib == 9 && s.uid == 10 &&
               s.gid == 11 && same(s.network_mode, "bridge"),
           "settings: every key reaches its field");
    tap_ok(cfg_settings_allow_monitor(&s, "qemu") && !cfg_settings_allow_monitor(&s, "hvt") &&
               cfg_settings_allow_annotation(&s, "kernel") && !cfg_settings_allow_annotation(&s, "family"),
           "settings: a list allows what is in it");
    cfg_settings_fini(&s);
    good = cfg_settings_parse(&s, "{\"annotations\":[]}", 18, NULL) == 0;
    tap_ok(good && !cfg_settings_allow_annotation(&s, "kernel"), "settings: an empty list allows nothing");
    cfg_settings_fini(&s);
}

static const struct {
    const char *text;
    const char *path[3];
    int line;
} key_lines[] = {
    {"{\"a\":1}", {"a"}, 1},
    {"\n\n {\n\"a\"\n:1}", {"a"}, 4},
    {"{\"b\":[{\"a\":\n1}],\n\"a\":2}", {"a"}, 3},
    {"{\"b\":{\"a\":\n1},\n\"a\":2}", {"b", "a"}, 1},
    {"{\"x\":\"\\\"a\\\":\",\n\"a\":2}", {"a"}, 2},
    {"{\"x\":\"}]{[\\\\\",\n\"a\":2}", {"a"}, 2},
    {"{\"x\":-1.5e3,\"y\":true,\"z\":null,\"e\":{},\"f\":[],\n\"a\":[]}", {"a"}, 2},
    {"{\"x\":[[],[{}],\"]\"],\n\"\\u0061\\/\\\"\":2}", {"a/\""}, 2},
    {"{\"b\":1,\n\"a\":2}", {"b", "a"}, 0},
    {"{\"b\":{\"c\":1},\n\"a\":2}", {"b", "a"}, 0},
    {"{}", {"a"}, 0},
    {"[\"a\"]", {"a"}, 0},
    {"", {"a"}, 0},
    {"{\"a", {"a"}, 1}, /* what is not valid is at least bounded */
    {"{\"b\\", {"a"}, 0},
    {"{\"b\":[[[", {"a"}, 0},
};

static void test_lines(void)
{
    for (size_t i = 0; i < RK_COUNT(key_lines); i++) {
        int line = cfg_line_of(key_lines[i].text, strlen(key_lines[i].text), key_lines[i].path);
        if (!tap_ok(line == key_lines[i].line, "lines: case %zu, %s", i, key_lines[i].path[0]))
            printf("# got %d\n", line);
    }
}

int main(void)
{
    test_flags();
    test_global();
    test_rootless();
    test_settings();
    test_settings_values();
    test_lines();
    return tap_end();
}
