/* Where a path of the container leads: rootfs and bind mounts, and never outside of them. */
#include "bundle/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "tests/unit/tap.h"

/* The tree: what is made below the test's directory, and what the file's content is then. */
static const struct {
    const char *path;
    char type; /* d directory, f file, l link, p FIFO */
    const char *text;
} tree[] = {
    {"rootfs", 'd', NULL},
    {"rootfs/app", 'f', "app"},
    {"rootfs/bin", 'd', NULL},
    {"rootfs/bin/tool", 'f', "tool"},
    {"rootfs/etc", 'd', NULL},
    {"rootfs/etc/secret", 'f', "the image's"},
    {"rootfs/relative", 'l', "bin/tool"},
    {"rootfs/absolute", 'l', "/bin/tool"},
    {"rootfs/chain", 'l', "relative"},
    {"rootfs/bin/up", 'l', "../app"},
    {"rootfs/out", 'l', "../../../../../../etc/secret"},
    {"rootfs/host", 'l', "/canary"},
    {"rootfs/loop", 'l', "loop"},
    {"rootfs/magic", 'l', "/proc/self/root/canary"},
    {"rootfs/pipe", 'p', NULL},
    {"rootfs/data", 'd', NULL},
    {"rootfs/data/hidden", 'f', "hidden"},
    {"volume", 'd', NULL},
    {"volume/file", 'f', "volume"},
    {"volume/sub", 'd', NULL},
    {"volume/sub/file", 'f', "sub"},
    {"volume/escape", 'l', "../canary"},
    {"volume/inside", 'l', "/sub/file"},
    {"volume/pipe", 'p', NULL},
    {"other", 'd', NULL},
    {"other/file", 'f', "other"},
    {"single", 'f', "single"},
    {"canary", 'f', "canary"},
};

/* Sources are relative to the bundle, which is the test's directory. */
static const char config[] =
    "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"x\"]},\"mounts\":["
    "{\"destination\":\"/data/\",\"source\":\"volume\",\"type\":\"bind\"},"
    "{\"destination\":\"/data/sub/../deep//./x\",\"source\":\"other\",\"options\":[\"rbind\",\"ro\"]},"
    "{\"destination\":\"/one\",\"source\":\"single\",\"type\":\"bind\"},"
    "{\"destination\":\"/twice\",\"source\":\"single\",\"type\":\"bind\"},"
    "{\"destination\":\"/twice\",\"source\":\"other\",\"type\":\"bind\"},"
    "{\"destination\":\"/tmpfs\",\"source\":\"tmpfs\",\"type\":\"tmpfs\"},"
    "{\"destination\":\"/gone\",\"source\":\"missing\",\"type\":\"bind\"},"
    "{\"destination\":\"/nowhere\",\"type\":\"bind\"},"
    "{\"destination\":\"/null\",\"source\":\"/dev/null\",\"type\":\"bind\"},"
    "{\"destination\":\"/disk\",\"source\":\"volume/node\",\"type\":\"bind\"}]}";

static const struct {
    const char *path;
    const char *want; /* content; NULL: an error */
    int error;
    int mount; /* index; -1: the rootfs */
} lookups[] = {
    {"/app", "app", 0, -1},
    {"app", "app", 0, -1},
    {"//bin/./tool", "tool", 0, -1},
    {"/bin/../app", "app", 0, -1},
    {"/../../app", "app", 0, -1},
    {"/relative", "tool", 0, -1},
    {"/absolute", "tool", 0, -1},
    {"/chain", "tool", 0, -1},
    {"/bin/up", "app", 0, -1},
    {"/out", "the image's", 0, -1},
    {"/host", NULL, -ENOENT, -1},
    {"/magic", NULL, -ENOENT, -1},
    {"/loop", NULL, -ELOOP, -1},
    {"/missing", NULL, -ENOENT, -1},
    {"/app/x", NULL, -ENOTDIR, -1},
    {"/", NULL, -EISDIR, -1},
    {"/bin", NULL, -EISDIR, -1},
    {"/pipe", NULL, -ENODEV, -1},
    {"/data/file", "volume", 0, 0},
    {"/data//sub/./file", "sub", 0, 0},
    {"/data/hidden", NULL, -ENOENT, 0},
    {"/data", NULL, -EISDIR, 0},
    {"/data/escape", NULL, -ENOENT, 0},
    {"/data/inside", "sub", 0, 0},
    {"/data/pipe", NULL, -ENODEV, 0},
    {"/data/../app", "app", 0, -1},
    {"/database", NULL, -ENOENT, -1},
    {"/data/deep/x/file", "other", 0, 1},
    {"/one", "single", 0, 2},
    {"/one/", "single", 0, 2},
    {"/one/x", NULL, -ENOTDIR, 2},
    {"/onexyz", NULL, -ENOENT, -1},
    {"/twice/file", "other", 0, 4},
    {"/tmpfs/x", NULL, -ENOENT, -1},
    {"/gone", NULL, -ENOENT, 6},
    {"/nowhere", NULL, -ENOENT, -1},
    {"/null", NULL, -ENODEV, 8},
};

static char top[] = "/tmp/runuk-unit-XXXXXX";

static bool make_tree(int dir)
{
    for (size_t i = 0; i < RK_COUNT(tree); i++) {
        const char *path = tree[i].path, *text = tree[i].text;
        int r = 0;
        if (tree[i].type == 'd')
            r = mkdirat(dir, path, 0755);
        else if (tree[i].type == 'l')
            r = symlinkat(text, dir, path);
        else if (tree[i].type == 'p')
            r = mkfifoat(dir, path, 0644);
        else
            r = rk_write_file_atomic(dir, path, text, strlen(text), 0644);
        if (r < 0)
            return false;
    }
    return true;
}

static void test_lookup(const struct bnd_files *files, size_t i)
{
    const struct bnd_mount *mount = NULL;
    rk_autofree char *text = NULL;
    rk_autoclose int fd = bnd_files_lookup(files, lookups[i].path, O_RDONLY | O_NONBLOCK, true, &mount);
    int index = mount ? (int)(mount - files->spec->mounts) : -1;
    bool good = fd == lookups[i].error;
    if (lookups[i].want)
        good = fd >= 0 && rk_read_fd(fd, 100, &text, NULL) == 0 && strcmp(text, lookups[i].want) == 0 &&
               index == lookups[i].mount && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
    if (!tap_ok(good, "lookup: '%s' is %s", lookups[i].path,
                lookups[i].want ? lookups[i].want : strerror(-lookups[i].error)))
        printf("# got %d '%s', mount %d\n", fd, text ? text : "", index);
}

/* Device nodes need root to be made. */
static void test_devices(int dir, const struct bnd_files *files)
{
    const dev_t nothing = makedev(7, 99); /* a loop device that nobody has set up */
    if (mknodat(dir, "rootfs/node", S_IFBLK | 0600, nothing) < 0 ||
        mknodat(dir, "volume/node", S_IFBLK | 0600, nothing) < 0) {
        printf("# no device nodes for this user\n");
        return;
    }
    tap_ok(bnd_files_lookup(files, "/node", O_RDONLY, true, NULL) == -ENODEV,
           "a block device of the image is refused");
    tap_ok(bnd_files_lookup(files, "/data/node", O_RDONLY, true, NULL) == -ENODEV,
           "and one that lies in a volume");
    rk_autoclose int fd = bnd_files_lookup(files, "/disk", O_RDONLY, true, NULL);
    tap_ok(fd >= 0 || fd == -ENXIO || fd == -EPERM, "one that is a bind mount's source is opened");
    tap_ok(bnd_files_lookup(files, "/disk", O_RDONLY, false, NULL) == -ENODEV,
           "but only where devices are asked for");
}

/* A mount at "/" covers all of the rootfs. */
static void test_root_mount(int dir)
{
    static const char covered[] =
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"x\"]},"
        "\"mounts\":[{\"destination\":\"/.\",\"source\":\"volume\",\"type\":\"bind\"}]}";
    struct bnd_spec *spec = NULL;
    struct bnd_files files = {.root_fd = -1};
    struct rk_err err = {0};
    if (bnd_spec_parse(&spec, top, covered, strlen(covered), &err) < 0 ||
        bnd_files_open(&files, spec, &err) < 0) {
        tap_ok(false, "a mount at the root: %s", err.text);
        return;
    }
    rk_autofree char *text = NULL;
    rk_autoclose int fd = bnd_files_lookup(&files, "/sub/file", O_RDONLY, false, NULL);
    tap_ok(fd >= 0 && rk_read_fd(fd, 100, &text, NULL) == 0 && strcmp(text, "sub") == 0 &&
               bnd_files_lookup(&files, "/app", O_RDONLY, false, NULL) == -ENOENT &&
               bnd_files_lookup(&files, "/", O_RDONLY, false, NULL) == -EISDIR &&
               faccessat(dir, "rootfs/app", F_OK, 0) == 0,
           "a mount at the root covers everything");
    bnd_files_close(&files);
    bnd_spec_free(spec);
}

int main(void)
{
    struct bnd_spec *spec = NULL;
    struct bnd_files files = {.root_fd = -1};
    struct rk_err err = {0};
    rk_autoclose int dir = mkdtemp(top) ? open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (!tap_ok(dir >= 0 && bnd_spec_parse(&spec, top, config, strlen(config), &err) == 0,
                "a bundle to look into"))
        return tap_end();
    tap_ok(bnd_files_open(&files, spec, &err) == -ENOENT && strstr(err.text, spec->root_path),
           "a missing rootfs is named");
    if (tap_ok(make_tree(dir) && bnd_files_open(&files, spec, &err) == 0, "the rootfs opens")) {
        for (size_t i = 0; i < RK_COUNT(lookups); i++)
            test_lookup(&files, i);
        test_devices(dir, &files);
    }
    bnd_files_close(&files);
    bnd_spec_free(spec);
    test_root_mount(dir);
    tap_ok(rk_remove_children(dir) == 0 && rmdir(top) == 0, "the tree is removed");
    return tap_end();
}
