/* config.json: what is read of it, and every way in which it can be wrong. */
#include "bundle/spec.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

/* The least that is valid, with room for more. */
#define WITH(more)                                                                                           \
    "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"/app\"]}" more "}"
#define PROCESS(more)   "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{" more "}}"
#define ROOT(value)     "{\"ociVersion\":\"1.0.2\",\"root\":" value ",\"process\":{\"args\":[\"/app\"]}}"
#define LINUX(more)     WITH(",\"linux\":{" more "}")
#define RULE(more)      LINUX("\"resources\":{\"devices\":[{" more "}]}")
#define RESOURCES(more) LINUX("\"resources\":{" more "}")
#define HOOK(more)      WITH(",\"hooks\":{\"prestart\":[{" more "}]}")
#define VERSION(text)                                                                                        \
    "{\"ociVersion\":\"" text "\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"/app\"]}}"
#define USER(more)      PROCESS("\"args\":[\"a\"],\"user\":{" more "}")
#define RLIMIT(more)    PROCESS("\"args\":[\"a\"],\"rlimits\":[{" more "}]")
#define SCHEDULER(more) PROCESS("\"args\":[\"a\"],\"scheduler\":{" more "}")
#define IO(more)        PROCESS("\"args\":[\"a\"],\"ioPriority\":{" more "}")
#define USERNS          "\"namespaces\":[{\"type\":\"user\"}]"
#define UIDS(more)      "\"uidMappings\":[{" more "}]"
#define GIDS            "\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}]"
#define MOUNT(more)     WITH(",\"mounts\":[{" more "}]")

static const struct {
    const char *text;
    const char *error; /* must be in the error; NULL: it is valid */
} cases[] = {
    {WITH(""), NULL},
    {WITH(",\"unknown\":{\"a\":[1,2.5,null]}"), NULL},
    {WITH(",\"mounts\":null,\"hooks\":null,\"linux\":null,\"annotations\":null,\"hostname\":null"), NULL},
    {WITH(",\"mounts\":[],\"hooks\":{},\"linux\":{},\"annotations\":{}"), NULL},
    {"", "line 1"},
    {"{", "line 1"},
    {"{}\n{}", "line 2"},
    {"[]", "expected an object"},
    {"null", "line 1"},
    {"{}", "root.path: missing"},
    {"{\"a\":\"\\u0000\"}", "line 1"},
    {"{\"a\":\"\xff\"}", "line 1"},
    {"{\"ociVersion\":1,\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"/app\"]}}",
     "ociVersion: expected a string"},
    {VERSION("1.0.2-dev"), NULL},
    {VERSION("1.1.0+dev.1"), NULL},
    {VERSION("1.0"), "ociVersion: \"1.0\" is no version like \"1.0.2\""},
    {VERSION("v1.0.2"), "is no version"},
    {VERSION("1.0.2x"), "is no version"},
    {VERSION("2.0.0"), "ociVersion: \"2.0.0\" is not supported: runuk knows version 1"},
    {VERSION("0.9.0"), "is not supported"},
    {"{\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"/app\"]}}", "ociVersion: missing"},
    {"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"}}", "process: missing"},
    {ROOT("null"), "root.path: missing"},
    {ROOT("[]"), "root: expected an object"},
    {ROOT("{\"path\":\"\"}"), "root.path: missing"},
    {ROOT("{\"path\":3}"), "root.path: expected a string"},
    {ROOT("{\"path\":\"/r\",\"readonly\":1}"), "root.readonly: expected true or false"},
    {PROCESS(""), "process.args: must not be empty"},
    {PROCESS("\"args\":[]"), "process.args: must not be empty"},
    {PROCESS("\"args\":\"x\""), "process.args: expected an array"},
    {PROCESS("\"args\":[\"a\",1]"), "process.args: expected an array of strings"},
    {PROCESS("\"args\":[\"a\"],\"env\":{}"), "process.env: expected an array"},
    {PROCESS("\"args\":[\"a\"],\"terminal\":\"yes\""), "process.terminal: expected true or false"},
    {PROCESS("\"args\":[\"a\"],\"cwd\":1"), "process.cwd: expected a string"},
    {PROCESS("\"args\":[\"a\"],\"cwd\":\"w\""), "process.cwd: expected an absolute path, not 'w'"},
    {PROCESS("\"args\":[\"a\"],\"oomScoreAdj\":1.5"), "process.oomScoreAdj: expected an integer"},
    {PROCESS("\"args\":[\"a\"],\"user\":0"), "process.user: expected an object"},
    {PROCESS("\"args\":[\"a\"],\"user\":{\"uid\":-1}"), "uid or gid out of range"},
    {PROCESS("\"args\":[\"a\"],\"user\":{\"uid\":4294967294}"), NULL},
    {PROCESS("\"args\":[\"a\"],\"user\":{\"uid\":4294967295}"), "uid or gid out of range"},
    {PROCESS("\"args\":[\"a\"],\"user\":{\"gid\":4294967296}"), "uid or gid out of range"},
    {PROCESS("\"args\":[\"a\"],\"user\":{\"uid\":99999999999999999999}"), "uid or gid out of range"},
    {USER("\"additionalGids\":[0,5]"), NULL},
    {USER("\"additionalGids\":5"), "process.user.additionalGids: expected an array"},
    {USER("\"additionalGids\":[1,-1]"), "process.user.additionalGids[1]: expected a group id"},
    {USER("\"additionalGids\":[\"kvm\"]"), "process.user.additionalGids[0]: expected a group id"},
    {RLIMIT("\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":2"), NULL},
    {RLIMIT("\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1"),
     "process.rlimits: the soft RLIMIT_AS is above the hard one"},
    {RLIMIT("\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":18446744073709551615"), NULL},
    {RLIMIT("\"type\":\"RLIMIT_AS\",\"soft\":1"), "process.rlimits[0].hard: expected a limit"},
    {RLIMIT("\"type\":\"RLIMIT_AS\",\"soft\":\"1\",\"hard\":1"), "process.rlimits[0].soft: expected a limit"},
    {RLIMIT("\"type\":\"nofile\",\"soft\":1,\"hard\":2"),
     "process.rlimits[0].type: unknown limit \"nofile\""},
    {RLIMIT("\"soft\":1,\"hard\":2"), "process.rlimits[0].type: unknown limit \"\""},
    {RLIMIT("\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":2},{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":2"),
     "process.rlimits: RLIMIT_CPU twice"},
    {PROCESS("\"args\":[\"a\"],\"rlimits\":{}"), "process.rlimits: expected an array"},
    {PROCESS("\"args\":[\"a\"],\"terminal\":true,\"consoleSize\":{\"height\":70000}"),
     "process.consoleSize: expected numbers"},
    {PROCESS("\"args\":[\"a\"],\"consoleSize\":{\"height\":70000}"), NULL},
    {PROCESS("\"args\":[\"a\"],\"apparmorProfile\":1"), "process.apparmorProfile: expected a string"},
    {PROCESS("\"args\":[\"a\"],\"selinuxLabel\":1"), "process.selinuxLabel: expected a string"},
    {SCHEDULER("\"policy\":\"SCHED_OTHER\",\"nice\":-20"), NULL},
    {SCHEDULER("\"policy\":\"SCHED_BATCH\",\"nice\":19,\"priority\":0"), NULL},
    {SCHEDULER("\"policy\":\"SCHED_RR\",\"priority\":99,\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]"), NULL},
    {SCHEDULER("\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":2,\"period\":3"), NULL},
    {SCHEDULER(""), "process.scheduler.policy: Linux has no policy \"\""},
    {SCHEDULER("\"policy\":\"SCHED_ISO\""), "process.scheduler.policy: Linux has no policy \"SCHED_ISO\""},
    {SCHEDULER("\"policy\":1"), "process.scheduler.policy: expected a string"},
    {SCHEDULER("\"policy\":\"SCHED_OTHER\",\"nice\":20"),
     "process.scheduler.nice: expected a number from -20 to 19"},
    {SCHEDULER("\"policy\":\"SCHED_OTHER\",\"nice\":-21"),
     "process.scheduler.nice: expected a number from -20 to 19"},
    {SCHEDULER("\"policy\":\"SCHED_FIFO\",\"priority\":1,\"nice\":1"),
     "process.scheduler.nice: only for SCHED_OTHER"},
    {SCHEDULER("\"policy\":\"SCHED_FIFO\""), "process.scheduler.priority: SCHED_FIFO needs one from 1 to 99"},
    {SCHEDULER("\"policy\":\"SCHED_FIFO\",\"priority\":100"),
     "process.scheduler.priority: expected a number from 0 to 99"},
    {SCHEDULER("\"policy\":\"SCHED_IDLE\",\"priority\":1"),
     "process.scheduler.priority: only for SCHED_FIFO and SCHED_RR"},
    {SCHEDULER("\"policy\":\"SCHED_OTHER\",\"period\":1"),
     "process.scheduler.period: only for SCHED_DEADLINE"},
    {SCHEDULER("\"policy\":\"SCHED_DEADLINE\",\"runtime\":-1"),
     "process.scheduler.runtime: expected a number"},
    {SCHEDULER("\"policy\":\"SCHED_OTHER\",\"flags\":[\"SCHED_FLAG_UTIL_CLAMP_MIN\"]"),
     "process.scheduler.flags: unknown flag \"SCHED_FLAG_UTIL_CLAMP_MIN\""},
    {SCHEDULER("\"policy\":\"SCHED_OTHER\",\"flags\":\"x\""), "process.scheduler.flags: expected an array"},
    {PROCESS("\"args\":[\"a\"],\"scheduler\":[]"), "process.scheduler: expected an object"},
    {IO("\"class\":\"IOPRIO_CLASS_BE\",\"priority\":7"), NULL},
    {IO("\"class\":\"IOPRIO_CLASS_IDLE\""), NULL},
    {IO("\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8"),
     "process.ioPriority.priority: expected a number from 0 to 7"},
    {IO("\"class\":\"IOPRIO_CLASS_BE\",\"priority\":-1"),
     "process.ioPriority.priority: expected a number from 0 to 7"},
    {IO("\"class\":\"IOPRIO_CLASS_NONE\""), "process.ioPriority.class: unknown class \"IOPRIO_CLASS_NONE\""},
    {IO("\"priority\":1"), "process.ioPriority.class: unknown class \"\""},
    {LINUX("\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}"), NULL},
    {LINUX("\"sysctl\":{\"net.ipv4.ip_forward\":1}"), "linux.sysctl.net.ipv4.ip_forward: expected a string"},
    {LINUX("\"sysctl\":{\"\":\"1\"}"), "linux.sysctl: \"\" is no name of a kernel parameter"},
    {LINUX("\"sysctl\":[]"), "linux.sysctl: expected an object"},
    {LINUX(USERNS "," UIDS("\"containerID\":0,\"hostID\":1000,\"size\":1") "," GIDS), NULL},
    {LINUX(USERNS), "linux.uidMappings: missing: a new user namespace needs it"},
    {LINUX(USERNS "," UIDS("\"containerID\":0,\"hostID\":1000,\"size\":1")), "linux.gidMappings: missing"},
    {LINUX(GIDS), "linux.gidMappings: given without a user namespace to make"},
    {LINUX(USERNS "," UIDS("\"containerID\":0,\"hostID\":1000") "," GIDS),
     "linux.uidMappings[0]: expected containerID"},
    {LINUX(USERNS "," UIDS("\"containerID\":4294967295,\"hostID\":1,\"size\":2") "," GIDS),
     "linux.uidMappings[0]: expected"},
    {LINUX(USERNS ",\"uidMappings\":{}"), "linux.uidMappings: expected an array"},
    {LINUX("\"namespaces\":[{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"}]"), NULL},
    {LINUX("\"namespaces\":[{\"type\":\"time\"}]"), NULL},
    {LINUX("\"intelRdt\":{\"closID\":\"x\"}"),
     "linux.intelRdt: cache and bandwidth allocation is not supported"},
    {RESOURCES(
         "\"memory\":{\"swappiness\":60,\"disableOOMKiller\":true},\"cpu\":{\"burst\":1000,\"idle\":1}"),
     NULL},
    {RESOURCES("\"memory\":{\"swappiness\":18446744073709551615}"), NULL},
    {RESOURCES("\"memory\":{\"swappiness\":\"a\"}"),
     "linux.resources.memory.swappiness: expected an integer"},
    {RESOURCES("\"memory\":{\"disableOOMKiller\":1}"),
     "linux.resources.memory.disableOOMKiller: expected true or false"},
    {RESOURCES("\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}]}"), NULL},
    {RESOURCES("\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"rate\":1}]}"),
     "linux.resources.blockIO.throttleReadBpsDevice[0]: expected major and minor"},
    {RESOURCES("\"blockIO\":{\"weightDevice\":1}"),
     "linux.resources.blockIO.weightDevice: expected an array"},
    {RESOURCES("\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]"), NULL},
    {RESOURCES("\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":1}]"),
     "linux.resources.hugepageLimits[0]: expected a pageSize"},
    {RESOURCES("\"unified\":{\"memory.high\":\"1000000\"}"), NULL},
    {RESOURCES("\"unified\":{\"memory.high\":1000000}"),
     "linux.resources.unified.memory.high: expected a string"},
    {RESOURCES("\"unified\":{\"../memory.high\":\"1\"}"), "is no file of a cgroup controller"},
    {RESOURCES("\"unified\":{\"cgroup.procs\":\"1\"}"), "is no file of a cgroup controller"},
    {WITH(",\"domainname\":[]"), "domainname: expected a string"},
    {WITH(",\"hostname\":[]"), "hostname: expected a string"},
    {WITH(",\"mounts\":{}"), "mounts: expected an array"},
    {WITH(",\"mounts\":[1]"), "mounts[].destination: missing"},
    {MOUNT("\"source\":\"/x\""), "mounts[].destination: missing"},
    {MOUNT("\"destination\":\"\""), "mounts[].destination: missing"},
    {MOUNT("\"destination\":\"x/y\""), "mounts[].destination: expected an absolute path, not 'x/y'"},
    {MOUNT("\"destination\":\"/x\",\"options\":\"ro\""), "mounts[].options: expected an array"},
    {MOUNT("\"destination\":\"/x\",\"type\":7"), "mounts[].type: expected a string"},
    {MOUNT("\"destination\":\"/x\",\"options\":[\"bind\"]"), NULL},
    {WITH(",\"hooks\":[]"), "hooks: expected an object"},
    {WITH(",\"hooks\":{\"poststop\":{}}"), "hooks.poststop: expected an array"},
    {WITH(",\"hooks\":{\"poststop\":[\"/x\"]}"), "hooks.poststop[0]: expected an object"},
    {WITH(",\"hooks\":{\"startContainer\":[{\"path\":\"/x\"},{\"path\":1}]}"),
     "hooks.startContainer[1].path: expected a string"},
    {HOOK(""), "hooks.prestart[0].path: expected an absolute path"},
    {HOOK("\"path\":\"x\""), "hooks.prestart[0].path: expected an absolute path"},
    {HOOK("\"path\":\"/x\",\"timeout\":0"), "hooks.prestart[0].timeout: expected seconds"},
    {HOOK("\"path\":\"/x\",\"timeout\":-1"), "hooks.prestart[0].timeout: expected seconds"},
    {HOOK("\"path\":\"/x\",\"timeout\":99999999999"), "hooks.prestart[0].timeout: expected seconds"},
    {HOOK("\"path\":\"/x\",\"env\":[null]"), "hooks.prestart[0].env: expected an array of strings"},
    {WITH(",\"linux\":1"), "linux: expected an object"},
    {LINUX("\"cgroupsPath\":1"), "linux.cgroupsPath: expected a string"},
    {LINUX("\"namespaces\":1"), "linux.namespaces: expected an array"},
    {LINUX("\"namespaces\":[{}]"), "linux.namespaces[].type: unknown type \"\""},
    {LINUX("\"namespaces\":[{\"type\":\"net\"}]"), "linux.namespaces[].type: unknown type \"net\""},
    {LINUX("\"namespaces\":[{\"type\":\"pid\",\"path\":\"x\"}]"), "expected an absolute path, not 'x'"},
    {LINUX("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]"), "the same type twice"},
    {LINUX("\"resources\":[]"), "linux.resources: expected an object"},
    {LINUX("\"resources\":{\"memory\":5}"), "linux.resources.memory: expected an object"},
    {LINUX("\"resources\":{\"memory\":{\"limit\":\"5\"}}"),
     "linux.resources.memory.limit: expected an integer"},
    {LINUX("\"resources\":{\"cpu\":{\"cpus\":0}}"), "linux.resources.cpu.cpus: expected a string"},
    {LINUX("\"resources\":{\"pids\":{\"limit\":true}}"), "linux.resources.pids.limit: expected an integer"},
    {RULE("\"type\":\"cc\""), "expected a, b or c, not \"cc\""},
    {RULE("\"type\":\"x\""), "expected a, b or c, not \"x\""},
    {RULE("\"access\":\"rx\""), "expected letters of \"rwm\", not \"rx\""},
    {RULE("\"allow\":0"), "allow: expected true or false"},
    {RULE("\"type\":\"\",\"access\":\"\""), NULL},
    {WITH(",\"annotations\":{\"\":\"x\"}"), "annotations: an empty key"},
    {WITH(",\"annotations\":{\"k\":1}"), "annotations.k: expected a string"},
    {WITH(",\"annotations\":{\"a\":\"x\",\"k\":null}"), "annotations.k: expected a string"},
};

static void test_cases(void)
{
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        struct bnd_spec *spec = NULL;
        struct rk_err err = {0};
        int r = bnd_spec_parse(&spec, "/bundle", cases[i].text, strlen(cases[i].text), &err);
        bool good =
            cases[i].error ? r == -EINVAL && !spec && strstr(err.text, cases[i].error) : r == 0 && spec;
        if (!tap_ok(good, "%s: case %zu", cases[i].error ? cases[i].error : "valid", i))
            printf("# %s\n# got %d \"%s\"\n", cases[i].text, r, err.text);
        bnd_spec_free(spec);
        LLVMFuzzerTestOneInput((const uint8_t *)cases[i].text, strlen(cases[i].text));
    }
}

static const char whole[] =
    "{\"ociVersion\":\"1.1.0\",\"hostname\":\"web\",\"root\":{\"path\":\".\",\"readonly\":true},"
    "\"process\":{\"terminal\":true,\"user\":{\"uid\":7,\"gid\":8},\"args\":[\"/app\",\"\",\"b c\"],"
    "\"env\":[\"A=b\"],\"cwd\":\"/w\",\"oomScoreAdj\":-5},"
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/a\",\"type\":\"none\",\"source\":\"vol\",\"options\":[\"rbind\",\"ro\"]},"
    "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/vol\",\"options\":[\"ro\",\"rw\"]},"
    "{\"destination\":\"/c\",\"source\":\"/vol\",\"options\":[\"bind\",\"rro\"]}],"
    "\"hooks\":{\"prestart\":[{\"path\":\"/h\",\"args\":[\"h\",\"x\"],\"env\":[],\"timeout\":3},{\"path\":\"/"
    "i\"}]},"
    "\"linux\":{\"cgroupsPath\":\"/c/g\",\"namespaces\":[{\"type\":\"network\",\"path\":\"/n\"},"
    "{\"type\":\"mount\",\"path\":\"\"},{\"type\":\"cgroup\"}],"
    "\"resources\":{\"memory\":{\"limit\":1048576,\"reservation\":5,\"swap\":-1},"
    "\"cpu\":{\"shares\":2,\"quota\":-1,\"period\":100000,\"cpus\":\"0-1\",\"mems\":\"0\"},\"pids\":{"
    "\"limit\":0},"
    "\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
    "{\"allow\":true,\"type\":\"u\",\"major\":1,\"minor\":3,\"access\":\"r\"}]}},"
    "\"annotations\":{\"a\":\"1\",\"b\":\"\"}}";

static void test_process(const struct bnd_spec *s)
{
    tap_ok(strcmp(s->oci_version, "1.1.0") == 0 && strcmp(s->hostname, "web") == 0 &&
               strcmp(s->root_path, "/bundle") == 0 && s->root_readonly && s->terminal,
           "whole: version, host name, root, terminal");
    tap_ok(s->uid == 7 && s->gid == 8 && s->args.n == 3 && strcmp(s->args.v[1], "") == 0 &&
               strcmp(s->args.v[2], "b c") == 0 && s->env.n == 1 && strcmp(s->cwd, "/w") == 0 &&
               s->oom_score_adj == -5,
           "whole: user, arguments, environment, cwd, OOM score");
    tap_ok(s->annotation_count == 2 && strcmp(bnd_spec_annotation(s, "a"), "1") == 0 &&
               strcmp(bnd_spec_annotation(s, "b"), "") == 0 && !bnd_spec_annotation(s, "c"),
           "whole: annotations");
}

static void test_mounts(const struct bnd_spec *s)
{
    tap_ok(s->mount_count == 4 && !s->mounts[0].bind && strcmp(s->mounts[0].source, "proc") == 0,
           "whole: a mount that is no bind keeps its source");
    tap_ok(s->mounts[1].bind && s->mounts[1].readonly && strcmp(s->mounts[1].source, "/bundle/vol") == 0,
           "whole: a bind's source is relative to the bundle");
    tap_ok(s->mounts[2].bind && !s->mounts[2].readonly, "whole: the last of ro and rw counts");
    tap_ok(s->mounts[3].bind && s->mounts[3].readonly && !s->mounts[3].type, "whole: a bind by option alone");
}

static void test_hooks(const struct bnd_spec *s)
{
    const struct bnd_hook *h = s->hooks.prestart.v;
    tap_ok(s->hooks.prestart.n == 2 && h[0].args.n == 2 && h[0].env_given && h[0].env.n == 0 &&
               h[0].timeout_s == 3,
           "whole: a hook with everything, its environment empty");
    tap_ok(strcmp(h[1].path, "/i") == 0 && h[1].args.n == 0 && !h[1].env_given && h[1].timeout_s == 0,
           "whole: a hook with nothing but its path");
}

static void test_linux(const struct bnd_spec *s)
{
    const struct bnd_resources *r = &s->resources;
    const struct bnd_namespace *net = bnd_spec_namespace(s, CLONE_NEWNET),
                               *mnt = bnd_spec_namespace(s, CLONE_NEWNS);
    tap_ok(s->namespace_count == 3 && net && strcmp(net->path, "/n") == 0 && mnt && !mnt->path &&
               bnd_spec_namespace(s, CLONE_NEWCGROUP) && !bnd_spec_namespace(s, CLONE_NEWPID),
           "whole: namespaces, an empty path being none");
    tap_ok(strcmp(s->cgroups_path, "/c/g") == 0 && r->memory_limit == 1048576 && r->memory_reservation == 5 &&
               r->memory_swap == -1 && r->pids_limit == 0,
           "whole: memory and pids");
    tap_ok(r->cpu_shares == 2 && r->cpu_quota == -1 && r->cpu_period == 100000 &&
               strcmp(r->cpus, "0-1") == 0 && strcmp(r->mems, "0") == 0,
           "whole: cpu");
    const struct bnd_device_rule *d = r->devices;
    tap_ok(r->device_count == 2 && !d[0].allow && d[0].type == 'a' && d[0].major == -1 && d[0].minor == -1 &&
               d[0].read && d[0].write && d[0].mknod,
           "whole: a device rule for all");
    tap_ok(d[1].allow && d[1].type == 'c' && d[1].major == 1 && d[1].minor == 3 && d[1].read && !d[1].write &&
               !d[1].mknod,
           "whole: a device rule for one, u meaning c");
}

static void test_whole(void)
{
    struct bnd_spec *s = NULL;
    struct rk_err err = {0};
    if (!tap_ok(bnd_spec_parse(&s, "/bundle", whole, strlen(whole), &err) == 0, "whole: is read")) {
        printf("# %s\n", err.text);
        return;
    }
    test_process(s);
    test_mounts(s);
    test_hooks(s);
    test_linux(s);
    bnd_spec_free(s);
    LLVMFuzzerTestOneInput((const uint8_t *)whole, strlen(whole));
}

static void test_unset(void)
{
    struct bnd_spec *s = NULL;
    static const char text[] = WITH("");
    struct rk_err err = {0};
    int r = bnd_spec_parse(&s, "/bundle", text, strlen(text), &err);
    tap_ok(r == 0 && s->resources.memory_limit == BND_UNSET && s->resources.pids_limit == BND_UNSET &&
               s->oom_score_adj == BND_UNSET && !s->cgroups_path && !s->hostname && strcmp(s->cwd, "/") == 0,
           "unset: numbers say so, strings are NULL, the cwd is /");
    bnd_spec_free(s);
    bnd_spec_free(NULL);
}

/* Nesting beyond what the parser follows is an error, not a deep recursion. */
static void test_deep(void)
{
    const size_t depth = 100000;
    struct bnd_spec *s = NULL;
    struct rk_err err = {0};
    rk_autofree char *text = malloc(depth);
    if (!text)
        abort();
    memset(text, '[', depth);
    tap_ok(bnd_spec_parse(&s, "/bundle", text, depth, &err) == -EINVAL && strstr(err.text, "line 1"),
           "a hundred thousand brackets are refused");
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; i <= RK_COUNT(cases); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/case-%zu", dir, i);
        rk_autofclose FILE *f = fopen(path, "we");
        if (!f || fputs(i < RK_COUNT(cases) ? cases[i].text : whole, f) < 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    test_cases();
    test_whole();
    test_unset();
    test_deep();
    return tap_end();
}
