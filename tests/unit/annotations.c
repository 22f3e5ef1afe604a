/* Annotations org.runuk.*: every value that they take and refuse. */
#include "config/annotations.h"

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

static const struct {
    const char *name, *value;
    const char *error; /* behind the annotation's name; NULL: accepted */
} annotations[] = {
    {"network-mode", "bridge", NULL},
    {"network-mode", "", "expected a name, not ''"},
    {"family", "mirage", NULL},
    {"family", "Mirage", "expected a name, not 'Mirage'"},
    {"family", "a\033[2J\n", "expected a name, not 'a?[2J?'"},
    {"family", "a234567890123456789012345678901234567890", "expected a name"},
    {"monitor", "qemu", NULL},
    {"monitor", "/bin/sh", "expected \"hvt\", \"spt\" or \"qemu\", not '/bin/sh'"},
    {"monitor", "", "expected \"hvt\""},
    {"memory-mib", "1", NULL},
    {"memory-mib", "1048576", NULL},
    {"memory-mib", "1048577", "expected a number of MiB, 1 to 1048576, not '1048577'"},
    {"memory-mib", "0", "expected a number of MiB"},
    {"memory-mib", "-1", "expected a number of MiB"},
    {"memory-mib", " 1", "expected a number of MiB"},
    {"memory-mib", "1k", "expected a number of MiB"},
    {"memory-mib", "", "expected a number of MiB"},
    {"memory-mib", "99999999999999999999", "expected a number of MiB"},
    {"kernel", "/boot/kernel", NULL},
    {"kernel", "/a..b/..c/d..", NULL},
    {"kernel", "boot/kernel",
     "expected an absolute path inside the container, without \"..\", not 'boot/kernel'"},
    {"kernel", "", "expected an absolute path"},
    {"kernel", "/", "expected an absolute path"},
    {"kernel", "/boot/", "expected an absolute path"},
    {"kernel", "/..", "expected an absolute path"},
    {"kernel", "/a/../b", "expected an absolute path"},
    {"kernel", "/a//../b", "expected an absolute path"},
    {"kernel", "/a\nb", "expected an absolute path"},
    {"cmdline", "--hello=\"a b\" {ipv4}", NULL},
    {"cmdline", "", NULL},
    {"machine", "microvm", NULL},
    {"machine", "microvm,firmware=/x", "expected \"microvm\", \"pc\" or \"q35\", not 'microvm,firmware=/x'"},
    {"initrd", "/boot/initrd", NULL},
    {"initrd", "../initrd", "expected an absolute path"},
    {"rootfs", "9p", NULL},
    {"rootfs", "virtiofs", "expected \"none\", \"initrd\", \"9p\" or \"disk\", not 'virtiofs'"},
    {"disk", "/a", NULL},
    {"disk", "/a:ro,/b:rw,/c:d", NULL},
    {"disk", "", "expected absolute paths inside the container, with commas"},
    {"disk", "/a,", "expected absolute paths"},
    {"disk", ",/a", "expected absolute paths"},
    {"disk", "/a,b", "expected absolute paths"},
    {"disk", ":ro", "expected absolute paths"},
    {"disk", "/a,/../b:ro", "expected absolute paths"},
    {"disk", "/0,/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15", NULL},
    {"disk", "/0,/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16", "more than 16 disks"},
    {"accel", "tcg", "is not one that runuk knows"},
    {"monitor-path", "/x", "is not one that runuk knows (known, after org.runuk.: \"network-mode\", "},
    {"", "x", "is not one that runuk knows"},
};

static void test_annotations(void)
{
    for (size_t i = 0; i < RK_COUNT(annotations); i++) {
        struct cfg_annotations a = {0};
        struct rk_err err = {0};
        char key[64], named[128], input[256];
        snprintf(key, sizeof key, "org.runuk.%s", annotations[i].name);
        snprintf(named, sizeof named, "annotation '%s'", key);
        int r = cfg_annotations_add(&a, key, annotations[i].value, &err);
        bool good = annotations[i].error ? r == -EINVAL && strncmp(err.text, named, strlen(named)) == 0 &&
                                               strstr(err.text, annotations[i].error)
                                         : r == 0;
        snprintf(input, sizeof input, "%s=%s", annotations[i].name, annotations[i].value);
        LLVMFuzzerTestOneInput((const uint8_t *)input, strlen(input));
        if (!tap_ok(good, "annotations: %zu, %s", i, annotations[i].name))
            printf("# got %d \"%s\"\n", r, err.text);
        cfg_annotations_fini(&a);
    }
    struct cfg_annotations a = {0};
    tap_ok(cfg_annotations_add(&a, "io.kubernetes.cri.x", "y", NULL) == 0 &&
               cfg_annotations_add(&a, "org.runuk", "y", NULL) == 0 &&
               cfg_annotations_add(&a, "xorg.runuk.network-mode", "y", NULL) == 0 && !a.network_mode,
           "annotations: others' are none of ours");
    tap_ok(cfg_annotations_add(&a, "org.runuk.network-mode", "bridge", NULL) == 0 &&
               cfg_annotations_add(&a, "org.runuk.memory-mib", "64", NULL) == 0 && a.memory_mib == 64 &&
               same(a.network_mode, "bridge") && !cfg_annotations_for_unikernel(&a),
           "annotations: network mode and memory may stand on ordinary containers");
    tap_ok(cfg_annotations_add(&a, "org.runuk.cmdline", "a  b", NULL) == 0 && same(a.cmdline, "a  b") &&
               same(cfg_annotations_for_unikernel(&a), "annotation 'org.runuk.cmdline'"),
           "annotations: a command line is a unikernel's");
    tap_ok(cfg_annotations_add(&a, "org.runuk.monitor", "spt", NULL) == 0 && same(a.monitor, "spt") &&
               cfg_annotations_add(&a, "org.runuk.kernel", "/k", NULL) == 0 && same(a.kernel, "/k") &&
               cfg_annotations_add(&a, "org.runuk.family", "solo5", NULL) == 0 && same(a.family, "solo5"),
           "annotations: each reaches its field");
    cfg_annotations_fini(&a);
    rk_autofree char *longest = malloc(8194);
    if (!longest)
        abort();
    memset(longest, 'x', 8193);
    longest[8193] = '\0';
    struct rk_err err = {0};
    tap_ok(cfg_annotations_add(&a, "org.runuk.cmdline", longest, &err) == -EINVAL &&
               same(err.text, "annotation 'org.runuk.cmdline': longer than 8192 bytes") &&
               cfg_annotations_add(&a, "org.runuk.kernel", longest, &err) == -EINVAL &&
               cfg_annotations_add(&a, "org.runuk.cmdline", longest + 1, &err) == 0,
           "annotations: what is too long is refused");
    cfg_annotations_fini(&a);
}

/* The struct after all of them, which are NAME=VALUE. */
static struct cfg_annotations with(const char *const *all)
{
    struct cfg_annotations a = {0};
    for (; *all; all++) {
        char key[64];
        const char *value = strchr(*all, '=');
        snprintf(key, sizeof key, "org.runuk.%.*s", (int)(value - *all), *all);
        cfg_annotations_add(&a, key, value + 1, NULL);
    }
    return a;
}

static void test_storage(void)
{
    const char *const all[] = {"disk=/old", "disk=/a:ro,/b,/c:rw", "rootfs=disk",
                               "initrd=/i", "machine=q35",         NULL};
    struct cfg_annotations a = with(all);
    tap_ok(a.disk_count == 3 && same(a.disks[0].path, "/a") && a.disks[0].readonly &&
               same(a.disks[1].path, "/b") && !a.disks[1].readonly && same(a.disks[2].path, "/c") &&
               !a.disks[2].readonly,
           "storage: disks in their order, the last list counts");
    tap_ok(a.rootfs == CFG_ROOTFS_DISK && same(a.initrd, "/i") && same(a.machine, "q35") &&
               cfg_annotations_check(&a, NULL) == 0,
           "storage: each reaches its field");
    cfg_annotations_fini(&a);
    tap_ok(!a.disk_count && !a.initrd && !a.rootfs, "storage: nothing is left");
    const char *const words[] = {"none", "initrd", "9p", "disk"};
    bool good = true;
    for (size_t i = 0; i < RK_COUNT(words); i++) {
        cfg_annotations_add(&a, "org.runuk.rootfs", words[i], NULL);
        good = good && a.rootfs == (enum cfg_rootfs)(CFG_ROOTFS_NONE + i);
    }
    tap_ok(good && CFG_ROOTFS_DISK == CFG_ROOTFS_NONE + 3, "storage: every way to the files");
    cfg_annotations_fini(&a);
    struct rk_err err = {0};
    const char *const two[] = {"initrd=/i", "rootfs=initrd", NULL};
    a = with(two);
    tap_ok(
        cfg_annotations_check(&a, &err) == -EINVAL &&
            strstr(err.text, "annotation 'org.runuk.initrd' and annotation 'org.runuk.rootfs': there can be"),
        "storage: two initrds do not go together");
    cfg_annotations_fini(&a);
    const char *const wrong[] = {"machine=pc", "monitor=spt", NULL};
    a = with(wrong);
    tap_ok(cfg_annotations_check(&a, &err) == -EINVAL &&
               strstr(err.text, "annotation 'org.runuk.machine' is for the monitor 'qemu', and annotation"),
           "storage: only qemu has machines");
    cfg_annotations_fini(&a);
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; i < RK_COUNT(annotations); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/case-%zu", dir, i);
        rk_autofclose FILE *f = fopen(path, "we");
        if (!f || fprintf(f, "%s=%s", annotations[i].name, annotations[i].value) < 0) {
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
    test_annotations();
    test_storage();
    return tap_end();
}
