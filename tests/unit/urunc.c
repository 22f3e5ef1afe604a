/* What images made for urunc say, in annotations and in /urunc.json, and what it means. */
#include "config/urunc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

#define URUNC(key) "com.urunc.unikernel." key

/* One annotation, and what is read of it. */
static const struct {
    const char *key, *value;
    enum cfg_urunc_key which;
    const char *want;  /* NULL: an error */
    const char *error; /* NULL: none */
} urunc_values[] = {
    {URUNC("unikernelType"), "bWlyYWdl", CFG_URUNC_TYPE, "mirage", NULL},
    {URUNC("unikernelType"), "mirage", CFG_URUNC_TYPE, "mirage", NULL},
    {URUNC("unikernelType"), "unikraft", CFG_URUNC_TYPE, "unikraft", NULL}, /* base64, of no text */
    {URUNC("hypervisor"), "qemu", CFG_URUNC_HYPERVISOR, "qemu", NULL},
    {URUNC("hypervisor"), "aHZ0", CFG_URUNC_HYPERVISOR, "hvt", NULL},
    {URUNC("binary"), "L3VuaWtlcm5lbC9hcHA=", CFG_URUNC_BINARY, "/unikernel/app", NULL},
    {URUNC("binary"), "L3VuaWtlcm5l\nbC9hcHA=\n", CFG_URUNC_BINARY, "/unikernel/app", NULL},
    {URUNC("binary"), "/unikernel/app", CFG_URUNC_BINARY, "/unikernel/app", NULL},
    {URUNC("binary"), "/abc", CFG_URUNC_BINARY, "/abc", NULL},
    {URUNC("cmdline"), "aGVsbG8gIndvcmxkIg==", CFG_URUNC_CMDLINE, "hello \"world\"", NULL},
    {URUNC("cmdline"), "hello world", CFG_URUNC_CMDLINE, "hello world", NULL},
    {URUNC("cmdline"), "w6RiCg==", CFG_URUNC_CMDLINE, "\u00e4b\n", NULL},
    {URUNC("cmdline"), "YQBi", CFG_URUNC_CMDLINE, "YQBi", NULL},         /* a NUL is no text */
    {URUNC("cmdline"), "G1sySg==", CFG_URUNC_CMDLINE, "G1sySg==", NULL}, /* nor is an escape */
    {URUNC("cmdline"), "YQ", CFG_URUNC_CMDLINE, "YQ", NULL},             /* without padding */
    {URUNC("cmdline"), "YQ=", CFG_URUNC_CMDLINE, "YQ=", NULL},
    {URUNC("cmdline"), "YQ==YQ==", CFG_URUNC_CMDLINE, "YQ==YQ==", NULL},
    {URUNC("cmdline"), "Y===", CFG_URUNC_CMDLINE, "Y===", NULL},
    {URUNC("cmdline"), "", CFG_URUNC_CMDLINE, "", NULL},
    {URUNC("mountRootfs"), "true", CFG_URUNC_MOUNT_ROOTFS, "true", NULL},
    {URUNC("mountRootfs"), "dHJ1ZQ==", CFG_URUNC_MOUNT_ROOTFS, "true", NULL},
    {URUNC("unikernelVersion"), "0.17.0", CFG_URUNC_VERSION, "0.17.0", NULL},
    {URUNC("bootKernel"), "/boot/vmlinuz", CFG_URUNC_KEYS, NULL,
     "annotation 'com.urunc.unikernel.bootKernel' is not one that runuk supports"},
    {URUNC("qemuArgs"), "-x", CFG_URUNC_KEYS, NULL,
     "annotation 'com.urunc.unikernel.qemuArgs' is not one that runuk knows"},
    {URUNC("a\033[2J"), "x", CFG_URUNC_KEYS, NULL, "annotation 'com.urunc.unikernel.a?[2J' is not one"},
    {URUNC(""), "x", CFG_URUNC_KEYS, NULL, "annotation 'com.urunc.unikernel.' is not one that runuk knows"},
};

static void test_urunc_values(void)
{
    for (size_t i = 0; i < RK_COUNT(urunc_values); i++) {
        struct cfg_urunc u = {.file = false};
        struct rk_err err = {0};
        int r = cfg_urunc_add(&u, urunc_values[i].key, urunc_values[i].value, &err);
        bool good = urunc_values[i].error
                        ? r == -EINVAL && strstr(err.text, urunc_values[i].error) == err.text
                        : r == 0 && same(u.v[urunc_values[i].which], urunc_values[i].want);
        if (!tap_ok(good, "urunc: annotation %zu", i))
            printf("# got %d \"%s\"\n", r, err.text);
        cfg_urunc_fini(&u);
    }
    struct cfg_urunc u = {.file = false};
    tap_ok(cfg_urunc_add(&u, "com.urunc.other", "x", NULL) == 0 &&
               cfg_urunc_add(&u, "org.runuk.kernel", "/x", NULL) == 0 && !cfg_urunc_is_given(&u),
           "urunc: others' annotations are none of its");
    cfg_urunc_fini(&u);
}

#define FILE_WITH(more)                                                                                      \
    "{\"com.urunc.unikernel.unikernelType\":\"bWlyYWdl\",\"com.urunc.unikernel.hypervisor\":\"aHZ0\","       \
    "\"com.urunc.unikernel.binary\":\"L2FwcA==\"" more "}"
#define MORE(key, value) ",\"com.urunc.unikernel." key "\":\"" value "\""

/* A file, read and translated. */
static const struct {
    const char *text;
    const char *error; /* NULL: accepted */
} urunc_files[] = {
    {FILE_WITH(""), NULL},
    {FILE_WITH(MORE("cmdline", "YSBi") MORE("initrd", "L2k=") MORE("block", "ZC5pbWc=")
                   MORE("blkMntPoint", "L2RhdGE=") MORE("unikernelVersion", "MC4xNy4w")
                       MORE("mountRootfs", "ZmFsc2U=") MORE("useDMBlock", "dHJ1ZQ==")
                           MORE("solo5NetDev", "c2VydmljZQ==") MORE("solo5BlkDev", "c3RvcmFnZQ==")),
     NULL},
    {FILE_WITH(",\"org.opencontainers.image.title\":\"not base64!\",\"x\":[1]"), NULL},
    {"", "'/urunc.json': line 1: "},
    {"{\n\n", "'/urunc.json': line 3: "},
    {"[]", "'/urunc.json': expected an object"},
    {"{\"com.urunc.unikernel.binary\":1}", "'/urunc.json': 'com.urunc.unikernel.binary': expected a string"},
    {"{\"com.urunc.unikernel.binary\":\"/app\"}",
     "'/urunc.json': 'com.urunc.unikernel.binary': expected text in base64"},
    {"{\"com.urunc.unikernel.vAccel\":\"dg==\"}",
     "'/urunc.json': 'com.urunc.unikernel.vAccel' is not one that runuk supports"},
    {"{\"com.urunc.unikernel.x\":\"dg==\"}",
     "'/urunc.json': 'com.urunc.unikernel.x' is not one that runuk knows"},
    {"{\"com.urunc.unikernel.unikernelType\":\"bWlyYWdl\",\"com.urunc.unikernel.hypervisor\":\"aHZ0\"}",
     "'/urunc.json': 'com.urunc.unikernel.binary' is missing, which makes the rest of com.urunc.unikernel.* "
     "nothing"},
    {"{\"com.urunc.unikernel.binary\":\"L2FwcA==\",\"com.urunc.unikernel.hypervisor\":\"aHZ0\"}",
     "'/urunc.json': 'com.urunc.unikernel.unikernelType' is missing"},
    {"{\"com.urunc.unikernel.binary\":\"L2FwcA==\",\"com.urunc.unikernel.unikernelType\":\"bWlyYWdl\"}",
     "'/urunc.json': 'com.urunc.unikernel.hypervisor' is missing"},
    {FILE_WITH(MORE("initrd", "Li4vaQ==")),
     "'/urunc.json': 'com.urunc.unikernel.initrd': expected an absolute path"},
    {FILE_WITH(MORE("block", "L2EsL2I=")),
     "'/urunc.json': 'com.urunc.unikernel.block': a path without comma"},
    {FILE_WITH(MORE("block", "L2E6cm8=")),
     "'/urunc.json': 'com.urunc.unikernel.block': a path without comma"},
    {FILE_WITH(MORE("mountRootfs", "bWF5YmU=")),
     "'/urunc.json': 'com.urunc.unikernel.mountRootfs': expected \"true\" or \"false\""},
    {FILE_WITH(MORE("solo5NetDev", "YSxi")),
     "'/urunc.json': 'com.urunc.unikernel.solo5NetDev': expected the name of a Solo5 device"},
};

static void test_urunc_files(void)
{
    for (size_t i = 0; i < RK_COUNT(urunc_files); i++) {
        struct cfg_urunc u = {.file = true};
        struct cfg_annotations a = {0};
        struct rk_err err = {0};
        LLVMFuzzerTestOneInput((const uint8_t *)urunc_files[i].text, strlen(urunc_files[i].text));
        int r = cfg_urunc_parse(&u, urunc_files[i].text, strlen(urunc_files[i].text), &err);
        if (r == 0)
            r = cfg_urunc_apply(&u, &a, &err);
        bool good = urunc_files[i].error ? r == -EINVAL && strstr(err.text, urunc_files[i].error) == err.text
                                         : r == 0 && same(a.family, "mirage") && same(a.monitor, "hvt") &&
                                               same(a.kernel, "/app");
        if (!tap_ok(good, "urunc: file %zu", i))
            printf("# got %d \"%s\"\n", r, err.text);
        if (i == 1)
            tap_ok(same(a.cmdline, "a b") && a.cmdline_if_bare && same(a.initrd, "/i") && a.disk_count == 1 &&
                       same(a.disks[0].path, "/d.img") && same(a.disk_mount, "/data") &&
                       same(a.family_version, "0.17.0") && a.rootfs == CFG_ROOTFS_NONE &&
                       !a.source[CFG_ROOTFS],
                   "urunc: every key reaches its field");
        cfg_annotations_fini(&a);
        cfg_urunc_fini(&u);
    }
}

static void test_urunc_meaning(void)
{
    static const char *const hypervisors[][2] = {{"hvt", "hvt"},
                                                 {"spt", "spt"},
                                                 {"qemu", "qemu"},
                                                 {"firecracker", "qemu"},
                                                 {"cloud-hypervisor", "qemu"}};
    for (size_t i = 0; i < RK_COUNT(hypervisors); i++) {
        struct cfg_urunc u = {.file = false};
        struct cfg_annotations a = {0};
        cfg_urunc_add(&u, URUNC("unikernelType"), "mirage", NULL);
        cfg_urunc_add(&u, URUNC("hypervisor"), hypervisors[i][0], NULL);
        cfg_urunc_add(&u, URUNC("binary"), "/app", NULL);
        cfg_urunc_add(&u, URUNC("useDMBlock"), "true", NULL);
        tap_ok(cfg_urunc_is_complete(&u) && cfg_urunc_apply(&u, &a, NULL) == 0 &&
                   same(a.monitor, hypervisors[i][1]) && a.rootfs == CFG_ROOTFS_ANY &&
                   same(a.source[CFG_MONITOR], "annotation 'com.urunc.unikernel.hypervisor'") &&
                   same(a.source[CFG_ROOTFS], "annotation 'com.urunc.unikernel.useDMBlock'"),
               "urunc: hypervisor %s", hypervisors[i][0]);
        cfg_annotations_fini(&a);
        /* What is said in our own words stays. */
        cfg_annotations_add(&a, "org.runuk.kernel", "/own", NULL);
        cfg_annotations_add(&a, "org.runuk.monitor", "spt", NULL);
        cfg_annotations_add(&a, "org.runuk.cmdline", "own", NULL);
        cfg_annotations_add(&a, "org.runuk.rootfs", "none", NULL);
        tap_ok(cfg_urunc_apply(&u, &a, NULL) == 0 && same(a.kernel, "/own") && same(a.monitor, "spt") &&
                   same(a.family, "mirage") && same(a.cmdline, "own") && !a.cmdline_if_bare &&
                   a.rootfs == CFG_ROOTFS_NONE,
               "urunc: org.runuk.* goes before it");
        cfg_annotations_fini(&a);
        cfg_urunc_fini(&u);
    }
    struct cfg_urunc u = {.file = false};
    struct cfg_annotations a = {0};
    struct rk_err err = {0};
    cfg_urunc_add(&u, URUNC("unikernelType"), "mirage", NULL);
    cfg_urunc_add(&u, URUNC("hypervisor"), "hyperlight", NULL);
    cfg_urunc_add(&u, URUNC("binary"), "/app", NULL);
    tap_ok(cfg_urunc_apply(&u, &a, &err) == -EINVAL &&
               strstr(err.text,
                      "annotation 'com.urunc.unikernel.hypervisor': expected \"hvt\", \"spt\" or \"qemu\""),
           "urunc: a hypervisor that nothing stands for");
    cfg_annotations_fini(&a);
    cfg_urunc_fini(&u);
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; i < RK_COUNT(urunc_files); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/case-%zu", dir, i);
        rk_autofclose FILE *f = fopen(path, "we");
        if (!f || fputs(urunc_files[i].text, f) < 0) {
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
    test_urunc_values();
    test_urunc_files();
    test_urunc_meaning();
    return tap_end();
}
