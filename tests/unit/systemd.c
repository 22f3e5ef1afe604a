/* The systemd driver's rules: where a unit is, what its limits are as properties, what an annotation may say.
 */
#include "sandbox/systemd/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256 A64 A64 A64 A64

static const struct {
    const char *path;
    bool user;
    const char *name, *slice, *below; /* name NULL: an error with the text `below` */
} places[] = {
    {NULL, false, "runc-web.scope", "system.slice", "system.slice/runc-web.scope"},
    {"", false, "runc-web.scope", "system.slice", "system.slice/runc-web.scope"},
    {"", true, "runc-web.scope", "user.slice", "user.slice/runc-web.scope"},
    {"system.slice:docker:1234", false, "docker-1234.scope", "system.slice",
     "system.slice/docker-1234.scope"},
    {":docker:1234", false, "docker-1234.scope", "system.slice", "system.slice/docker-1234.scope"},
    {":libpod:1234", true, "libpod-1234.scope", "user.slice", "user.slice/libpod-1234.scope"},
    {"a.slice::1234", false, "-1234.scope", "a.slice", "a.slice/-1234.scope"},
    {"a.slice:p:", false, "p-.scope", "a.slice", "a.slice/p-.scope"},
    {"::", false, "-.scope", "system.slice", "system.slice/-.scope"},
    {"-:p:n", false, "p-n.scope", "-.slice", "p-n.scope"},
    {"-.slice:p:n", false, "p-n.scope", "-.slice", "p-n.scope"},
    {"a-b.slice:p:n", false, "p-n.scope", "a-b.slice", "a.slice/a-b.slice/p-n.scope"},
    {"kube-pods-besteffort-pod1_2.slice:cri:n", false, "cri-n.scope", "kube-pods-besteffort-pod1_2.slice",
     "kube.slice/kube-pods.slice/kube-pods-besteffort.slice/kube-pods-besteffort-pod1_2.slice/cri-n.scope"},
    {"a.b.slice:p:n", false, "p-n.scope", "a.b.slice", "a.b.slice/p-n.scope"},
    {"memory.slice:p:n", false, "p-n.scope", "memory.slice", "_memory.slice/p-n.scope"},
    {"memory-x.slice:p:n", false, "p-n.scope", "memory-x.slice", "_memory.slice/memory-x.slice/p-n.scope"},
    {"a.slice:_p:n", false, "_p-n.scope", "a.slice", "a.slice/__p-n.scope"},
    {"a.slice:cgroup.p:n", false, "cgroup.p-n.scope", "a.slice", "a.slice/_cgroup.p-n.scope"},
    {"a.slice:cpu.p:n", false, "cpu.p-n.scope", "a.slice", "a.slice/_cpu.p-n.scope"},
    {"a.slice:cpus.p:n", false, "cpus.p-n.scope", "a.slice", "a.slice/cpus.p-n.scope"},
    {"a.slice:p:a-b.slice", false, "a-b.slice", "a.slice", "a.slice/a-b.slice"},
    {":p:a-b.slice", false, "a-b.slice", "a.slice", "a.slice/a-b.slice"},
    {":p:top.slice", false, "top.slice", "-.slice", "top.slice"},
    {"-.slice:p:top.slice", false, "top.slice", "-.slice", "top.slice"},
    {"b.slice:p:a-b.slice", false, NULL, NULL, "'a-b.slice' lies in 'a.slice', not in 'b.slice'"},
    {"/docker/1234", false, NULL, NULL, "it is \"slice:prefix:name\""},
    {"a.slice:p", false, NULL, NULL, "it is \"slice:prefix:name\""},
    {"a.slice:p:n:m", false, NULL, NULL, "it is \"slice:prefix:name\""},
    {"a:p:n", false, NULL, NULL, "use slice 'a'"},
    {".slice:p:n", false, NULL, NULL, "use slice '.slice'"},
    {"a/b.slice:p:n", false, NULL, NULL, "allows no '/'"},
    {"a--b.slice:p:n", false, NULL, NULL, "a level of it has no name"},
    {"-a.slice:p:n", false, NULL, NULL, "a level of it has no name"},
    {"a-.slice:p:n", false, NULL, NULL, "a level of it has no name"},
    {"--.slice:p:n", false, NULL, NULL, "a level of it has no name"},
    {"a.slice:../..:n", false, NULL, NULL, "allows no '/'"},
    {"a.slice:p:../n", false, NULL, NULL, "allows no '/'"},
    {"a.slice:p:a+b", false, NULL, NULL, "allows no '+'"},
    {"a.slice:p:a b", false, NULL, NULL, "allows no ' '"},
    {"::-.slice", false, NULL, NULL, "cannot live in the root cgroup"},
    {":p:.slice", false, NULL, NULL, "use slice '.slice'"},
    {":p:a/b.slice", false, NULL, NULL, "allows no '/'"},
    {"a.slice:p:" A256, false, NULL, NULL, "longer than 255"},
    {"a.slice:" A256 ":n", false, NULL, NULL, "too long"},
    {A256 ".slice:p:n", false, NULL, NULL, "too long"},
};

static void test_places(void)
{
    for (size_t i = 0; i < RK_COUNT(places); i++) {
        struct unit_place place;
        struct rk_err err = {0};
        int r = unit_place_read(&place, places[i].path, "web", places[i].user, &err);
        bool good = places[i].name ? r == 0 && strcmp(place.name, places[i].name) == 0 &&
                                         strcmp(place.slice, places[i].slice) == 0 &&
                                         strcmp(place.path, places[i].below) == 0
                                   : r < 0 && err.code == r && strstr(err.text, places[i].below) != NULL;
        if (!tap_ok(good, "cgroupsPath %.40s", places[i].path ? places[i].path : "(none)"))
            printf("# %d %s | %s | %s | %s\n", r, err.text, place.name, place.slice, place.path);
    }
}

/* The words with a blank between them, as heap memory. */
static char *joined(const struct rk_argv *words)
{
    size_t len = 1;
    for (size_t i = 0; i < words->n; i++)
        len += strlen(words->v[i]) + 1;
    char *text = calloc(1, len);
    for (size_t i = 0; i < words->n && text; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, words->v[i]);
    }
    return text;
}

static void check_words(int r, const struct rk_argv *words, const char *expected, const char *error,
                        const struct rk_err *err, const char *name)
{
    rk_autofree char *text = joined(words);
    bool good = error ? r < 0 && err->code == r && strstr(err->text, error) != NULL
                      : r == 0 && strcmp(text, expected) == 0;
    if (!tap_ok(good, "%s", name))
        printf("# %d %s | %s\n", r, r < 0 ? err->text : "", text);
}

static const struct {
    const char *name;
    struct {
        int64_t memory, reservation, swap, shares, quota, period, pids, weight; /* 0: not given */
        const char *cpus, *mems;
    } res;
    const char *v2, *v1; /* the words; "!TEXT": an error */
} limits[] = {
    {"no limits are no properties", {0}, "", ""},
    {"memory", {.memory = 67108864}, "MemoryMax t 67108864", "MemoryLimit t 67108864"},
    {"unlimited memory",
     {.memory = -1},
     "MemoryMax t 18446744073709551615 MemorySwapMax t 18446744073709551615",
     "MemoryLimit t 18446744073709551615"},
    {"memory and swap",
     {.memory = 100, .swap = 150, .reservation = 50},
     "MemoryMax t 100 MemoryLow t 50 MemorySwapMax t 50",
     "MemoryLimit t 100"},
    {"no swap", {.memory = 100, .swap = 100}, "MemoryMax t 100 MemorySwapMax t 0", "MemoryLimit t 100"},
    {"swap below memory", {.memory = 100, .swap = 99}, "!less than memory", "MemoryLimit t 100"},
    {"swap alone", {.swap = 99}, "!needs a memory limit", ""},
    {"shares", {.shares = 1024}, "CPUWeight t 39", "CPUShares t 1024"},
    {"least shares", {.shares = 1}, "CPUWeight t 1", "CPUShares t 2"},
    {"most shares", {.shares = 1 << 20}, "CPUWeight t 10000", "CPUShares t 262144"},
    {"I/O weight", {.weight = 500}, "IOWeight t 4950", "BlockIOWeight t 500"},
    {"half a CPU",
     {.quota = 50000, .period = 100000},
     "CPUQuotaPeriodUSec t 100000 CPUQuotaPerSecUSec t 500000",
     "CPUQuotaPeriodUSec t 100000 CPUQuotaPerSecUSec t 500000"},
    {"a quota with the kernel's period, in whole percents upwards",
     {.quota = 50001},
     "CPUQuotaPerSecUSec t 510000",
     "CPUQuotaPerSecUSec t 510000"},
    {"a period alone",
     {.period = 50000},
     "CPUQuotaPeriodUSec t 50000 CPUQuotaPerSecUSec t 18446744073709551615",
     "CPUQuotaPeriodUSec t 50000 CPUQuotaPerSecUSec t 18446744073709551615"},
    {"no quota",
     {.quota = -1},
     "CPUQuotaPerSecUSec t 18446744073709551615",
     "CPUQuotaPerSecUSec t 18446744073709551615"},
    {"a quota beyond numbers", {.quota = INT64_MAX}, "!a quota of", "!a quota of"},
    {"a negative period", {.period = -5}, "!a period of", "!a period of"},
    {"processes", {.pids = 50}, "TasksMax t 50", "TasksMax t 50"},
    {"unlimited processes",
     {.pids = -1},
     "TasksMax t 18446744073709551615",
     "TasksMax t 18446744073709551615"},
    {"CPUs and nodes",
     {.cpus = "0,3-5", .mems = "0"},
     "AllowedCPUs ay 1 57 AllowedMemoryNodes ay 1 1",
     "AllowedCPUs ay 1 57 AllowedMemoryNodes ay 1 1"},
};

static void test_limits(void)
{
    for (size_t i = 0; i < 2 * RK_COUNT(limits); i++) {
        const __typeof__(limits[0]) *l = &limits[i / 2];
        rk_autoargv struct rk_argv words = {0};
        struct rk_err err = {0};
        rk_autofree char *cpus = l->res.cpus ? strdup(l->res.cpus) : NULL;
        rk_autofree char *mems = l->res.mems ? strdup(l->res.mems) : NULL;
        const struct bnd_resources res = {.memory_limit = l->res.memory,
                                          .memory_reservation = l->res.reservation,
                                          .memory_swap = l->res.swap,
                                          .cpu_shares = l->res.shares,
                                          .cpu_quota = l->res.quota,
                                          .cpu_period = l->res.period,
                                          .pids_limit = l->res.pids,
                                          .blkio_weight = l->res.weight,
                                          .cpus = cpus,
                                          .mems = mems};
        const char *expected = i % 2 ? l->v1 : l->v2;
        int r = unit_limits(&words, &res, i % 2 == 0, &err);
        check_words(r, &words, expected, *expected == '!' ? expected + 1 : NULL, &err, l->name);
    }
}

static const struct {
    const char *list, *words; /* "!": an error */
} masks[] = {
    {"0", "P ay 1 1"},
    {"7", "P ay 1 128"},
    {"8", "P ay 2 0 1"},
    {"0-15", "P ay 2 255 255"},
    {" 1 , 3", "P ay 1 10"},
    {",,1,,", "P ay 1 2"},
    {"0-1\n", "P ay 1 3"},
    {"", "!"},
    {",", "!"},
    {"a", "!"},
    {"1-", "!"},
    {"-1", "!"},
    {"3-1", "!"},
    {"1-2-3", "!"},
    {"8192", "!"},
    {"0-18446744073709551615", "!"},
    {"1;2", "!"},
    {"99999999999999999999", "!"},
};

static void test_masks(void)
{
    for (size_t i = 0; i < RK_COUNT(masks); i++) {
        rk_autoargv struct rk_argv words = {0};
        struct rk_err err = {0};
        int r = unit_mask(&words, "P", masks[i].list, &err);
        check_words(r, &words, masks[i].words, masks[i].words[0] == '!' ? "is no list" : NULL, &err,
                    masks[i].list);
    }
}

#define ALL(yes)                                                                                             \
    {                                                                                                        \
        .allow = yes, .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true      \
    }

static const struct {
    const char *name;
    struct bnd_device_rule rules[4];
    size_t n;
    const char *v2, *v1;
} devices[] = {
    {"no rules", {{.type = 0}}, 0, "", ""},
    {"all is denied",
     {ALL(false)},
     1,
     "DevicePolicy s strict DeviceAllow a(ss) 0",
     "DevicePolicy s strict DeviceAllow a(ss) 0"},
    {"all is allowed",
     {ALL(true)},
     1,
     "DevicePolicy s auto DeviceAllow a(ss) 0",
     "DevicePolicy s auto DeviceAllow a(ss) 0"},
    {"one device, all of a major, all of a type",
     {ALL(false),
      {.allow = true, .type = 'c', .major = 1, .minor = 3, .read = true, .write = true, .mknod = true},
      {.allow = true, .type = 'c', .major = 1, .minor = -1, .mknod = true},
      {.allow = true, .type = 'b', .major = -1, .minor = -1, .read = true}},
     4,
     "DevicePolicy s strict DeviceAllow a(ss) 3 /dev/char/1:3 rwm char-mem m block-* r",
     "DevicePolicy s strict DeviceAllow a(ss) 3 /dev/char/1:3 rwm char-mem m block-* r"},
    {"what properties cannot say is left to the cgroup's own rules",
     {ALL(false),
      {.allow = true, .type = 'c', .major = 1, .minor = 3, .read = true},
      {.allow = true, .type = 'c', .major = -1, .minor = 3, .read = true}},
     3,
     "DevicePolicy s auto DeviceAllow a(ss) 0",
     "DevicePolicy s strict DeviceAllow a(ss) 1 /dev/char/1:3 r"},
    {"exceptions from what is allowed",
     {ALL(true), {.allow = false, .type = 'c', .major = 1, .minor = 3, .read = true}},
     2,
     "DevicePolicy s auto DeviceAllow a(ss) 0",
     "DevicePolicy s strict DeviceAllow a(ss) 0"},
};

static void test_devices(void)
{
    for (size_t i = 0; i < 2 * RK_COUNT(devices); i++) {
        rk_autoargv struct rk_argv words = {0};
        struct rk_err err = {0};
        struct bnd_device_rule rules[4];
        memcpy(rules, devices[i / 2].rules, sizeof rules);
        const struct bnd_resources res = {.devices = rules, .device_count = devices[i / 2].n};
        int r = unit_devices(&words, &res, i % 2 == 0, &err);
        check_words(r, &words, i % 2 ? devices[i / 2].v1 : devices[i / 2].v2, NULL, &err,
                    devices[i / 2].name);
    }
}

static const struct {
    const char *name, *value; /* of org.systemd.property.NAME */
    const char *words;        /* "!TEXT": an error */
} annotations[] = {
    {"TimeoutStopUSec", "uint64 123456789", "TimeoutStopUSec t 123456789"},
    {"TimeoutStopUSec", "5", "TimeoutStopUSec t 5"},
    {"TimeoutStopUSec", " @t 0x10 ", "TimeoutStopUSec t 16"},
    {"TimeoutStopSec", "uint64 5", "TimeoutStopUSec t 5000000"},
    {"TimeoutStopSec", "1.5", "TimeoutStopUSec t 1500000"},
    {"TimeoutStopSec", "18446744073710", "!no GVariant text"},
    {"TimeoutStopUSec", "1.5", "!no GVariant text"},
    {"TimeoutStopUSec", "-1", "!no GVariant text"},
    {"TimeoutStopUSec", "18446744073709551616", "!no GVariant text"},
    {"TimeoutStopUSec", "'5'", "!no GVariant text"},
    {"TimeoutStopUSec", "string 5", "!no GVariant text"},
    {"TimeoutStopUSec", "@s 5", "!no GVariant text"},
    {"TimeoutStopUSec", "@t", "!no GVariant text"},
    {"TimeoutStopUSec", "5 6", "!no GVariant text"},
    {"TimeoutStopUSec", "", "!no GVariant text"},
    {"CollectMode", "'inactive-or-failed'", "CollectMode s inactive-or-failed"},
    {"CollectMode", "\"inactive\"", "CollectMode s inactive"},
    {"CollectMode", "string 'a\\'b\"c\\\\'", "CollectMode s a'b\"c\\"},
    {"CollectMode", "'a\\n'", "!no GVariant text"},
    {"CollectMode", "'a\nb'", "!no GVariant text"},
    {"CollectMode", "'a", "!no GVariant text"},
    {"CollectMode", "'", "!no GVariant text"},
    {"CollectMode", "'\\", "!no GVariant text"},
    {"CollectMode", "a", "!no GVariant text"},
    {"CollectMode", "true", "!no GVariant text"},
    {"DefaultDependencies", "true", "DefaultDependencies b true"},
    {"DefaultDependencies", "boolean false", "DefaultDependencies b false"},
    {"DefaultDependencies", "1", "!no GVariant text"},
    {"After", "['a.service', \"b.service\"]", "After as 2 a.service b.service"},
    {"After", "@as []", "After as 0"},
    {"After", "[]", "After as 0"},
    {"After", "['a',]", "!no GVariant text"},
    {"After", "['a' 'b']", "!no GVariant text"},
    {"After", "['a'", "!no GVariant text"},
    {"After", "[", "!no GVariant text"},
    {"After", "'a.service'", "!no GVariant text"},
    {"KillSignal", "15", "KillSignal i 15"},
    {"KillSignal", "int32 15", "KillSignal i 15"},
    {"KillSignal", "2147483648", "!no GVariant text"},
    {"MemoryHigh", "uint64 1000000", "MemoryHigh t 1000000"},
    {"FailureAction", "'reboot'", "!no annotation may set"},
    {"Slice", "'x.slice'", "!no annotation may set"},
    {"OnFailure", "['x.service']", "!no annotation may set"},
    {"MemoryMax", "uint64 1", "!no annotation may set"},
    {"Description", "'x'", "!no annotation may set"},
    {"IPIngressFilterPath", "['/x']", "!no annotation may set"},
    {"Sec", "5", "!no annotation may set"},
    {"", "5", "!no annotation may set"},
};

static void test_annotations(void)
{
    char key[128];
    for (size_t i = 0; i < RK_COUNT(annotations); i++) {
        rk_autoargv struct rk_argv words = {0};
        struct rk_err err = {0};
        snprintf(key, sizeof key, "org.systemd.property.%s", annotations[i].name);
        int r = unit_annotation(&words, key, annotations[i].value, &err);
        const char *expected = annotations[i].words;
        check_words(r, &words, expected, *expected == '!' ? expected + 1 : NULL, &err, key);
    }
    rk_autoargv struct rk_argv words = {0};
    tap_ok(unit_annotation(&words, "org.runuk.network-mode", "bridge", NULL) == 0 && words.n == 0,
           "other annotations are nothing to systemd");
}

/* Each case, and each cut short, as the fuzz target gets it: key and value apart by a newline. */
static void test_fuzz(const char *seeds)
{
    for (size_t i = 0; i < RK_COUNT(annotations); i++) {
        char text[256], path[4096];
        int len = snprintf(text, sizeof text, "%s\n%s", annotations[i].name, annotations[i].value);
        for (int n = 0; n <= len; n++)
            LLVMFuzzerTestOneInput((const uint8_t *)text, (size_t)n);
        if (!seeds)
            continue;
        snprintf(path, sizeof path, "%s/%zu", seeds, i);
        rk_autofclose FILE *f = fopen(path, "w");
        if (!f || fwrite(text, 1, (size_t)len, f) != (size_t)len)
            exit(1);
    }
    for (size_t i = 0; i < RK_COUNT(places); i++)
        if (places[i].path)
            LLVMFuzzerTestOneInput((const uint8_t *)places[i].path, strlen(places[i].path));
}

int main(int argc, char **argv)
{
    test_fuzz(argc == 3 && strcmp(argv[1], "--seeds") == 0 ? argv[2] : NULL);
    test_places();
    test_limits();
    test_masks();
    test_devices();
    test_annotations();
    return tap_end();
}
