/* Looks at images without running anything: the report of `inspect`. */
#include "lifecycle/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/image.h"
#include "bundle/loader.h"
#include "config/flags.h"
#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/json.h"
#include "lifecycle/look_guest.h"
#include "lifecycle/wishes.h"

static json_t *look_evidence(const struct bnd_boot *boot)
{
    json_t *all = json_array();
    for (size_t i = 0; i < boot->evidence_count; i++)
        json_array_append_new(all, json_pack("{s:s,s:I}", "what", boot->evidence[i].what, "offset",
                                             (json_int_t)boot->evidence[i].offset));
    return all;
}

static json_t *look_kinds(const struct bnd_boot *boot)
{
    json_t *all = json_array();
    for (int k = 0; k < BND_KIND_COUNT; k++)
        if (boot->kinds & BND_KIND_BIT(k))
            json_array_append_new(all, json_string(bnd_kind_name((enum bnd_kind)k)));
    return all;
}

static json_t *look_devices(const struct rk_solo5_mft *mft)
{
    json_t *all = json_array();
    for (uint32_t i = 1; i < mft->entries; i++)
        if (mft->e[i].type == RK_SOLO5_NET || mft->e[i].type == RK_SOLO5_BLOCK)
            json_array_append_new(all, json_pack("{s:s,s:s}", "name", mft->e[i].name, "type",
                                                 mft->e[i].type == RK_SOLO5_NET ? "network" : "block"));
    return all;
}

static json_t *look_monitors(const struct bnd_image *image, const struct hv_host *host)
{
    json_t *all = json_array();
    for (const struct hv_monitor *const *m = hv_monitors; *m; m++) {
        char reason[HV_REASON] = "";
        enum bnd_kind kind = BND_KIND_COUNT;
        enum hv_verdict verdict = hv_monitor_judge(&kind, *m, image, host, reason);
        json_t *o = json_pack("{s:s,s:b}", "name", (*m)->name, "boots", verdict == HV_BOOTS);
        if (kind != BND_KIND_COUNT)
            json_object_set_new(o, "kind", json_string(bnd_kind_name(kind)));
        if (kind != BND_KIND_COUNT && kind != BND_HVT && kind != BND_SPT)
            json_object_set_new(o, "machine", json_string(image->family->machine(kind)->type));
        if (verdict != HV_BOOTS)
            json_object_set_new(o, "reason", json_string(*reason ? reason : "it boots no such image"));
        json_array_append_new(all, o);
    }
    return all;
}

/* What the guest needs: to be loaded, and what its family knows of it. */
static uint64_t memory_of(const struct bnd_image *image)
{
    uint64_t memory = hv_image_memory(image);
    for (int k = 0; k < BND_KIND_COUNT; k++) {
        bool kind = image->boot.kinds & BND_KIND_BIT(k);
        uint64_t least = kind ? hv_memory_least(image, (enum bnd_kind)k) : 0;
        memory = least > memory ? least : memory;
    }
    return memory;
}

/* One file; `recognised` is what bnd_image_read said. */
static json_t *look_image(const struct bnd_image *image, const char *path, bool recognised,
                          const struct hv_host *host)
{
    const struct bnd_boot *boot = &image->boot;
    json_t *o = json_pack("{s:s,s:b,s:s?,s:o,s:o}", "path", path, "recognised", recognised, "family",
                          image->family ? image->family->name : NULL, "kinds", look_kinds(boot), "evidence",
                          look_evidence(boot));
    uint64_t memory = recognised ? memory_of(image) : 0;
    if (boot->machine)
        json_object_set_new(o, "architecture", json_string(bnd_machine_name(boot->machine)));
    if (boot->obstacle[0])
        json_object_set_new(o, "obstacle", json_string(boot->obstacle));
    if (image->loader)
        json_object_set_new(o, "loader",
                            json_pack("{s:s,s:o}", "path", image->loader->path, "evidence",
                                      look_evidence(&image->loader->boot)));
    if (recognised && image->solo5.target)
        json_object_set_new(o, "devices", look_devices(&image->solo5.mft));
    if (recognised && image->family && !image->solo5.target && bnd_family_shares(image->family, &image->keys))
        json_object_set_new(o, "directories", json_true());
    if (memory)
        json_object_set_new(o, "memory", json_integer((json_int_t)memory));
    if (recognised)
        json_object_set_new(o, "monitors", look_monitors(image, host));
    return o;
}

/* Which of the images would be booted, how, and what it would be told; or why none. */
static void look_choice(json_t *report, const struct bnd_images *images, const struct hv_host *host,
                        const struct ctr_look_bundle *bundle)
{
    struct hv_choice choice;
    struct rk_err err;
    if (hv_monitor_choose(&choice, images, host, &err) < 0) {
        json_object_set_new(report, "runs", json_string("nothing"));
        json_object_set_new(report, "error", json_string(err.text));
        return;
    }
    const struct bnd_image *image = &images->v[choice.form];
    json_object_set_new(report, "runs", json_string("unikernel"));
    json_object_set_new(report, "choice",
                        json_pack("{s:s,s:s,s:s}", "path", image->path, "monitor", choice.monitor->name,
                                  "kind", bnd_kind_name(choice.kind)));
    ctr_look_guest(report, image, &choice, host, bundle, images->arg_index + !images->entry_is_arg);
}

/* The loader that lies beside it, in the directory `dir` of the host, which is called `path`. */
static int find_loader(struct bnd_image *image, int dir, const char *path, struct rk_err *err)
{
    const struct bnd_spec nothing = {.mount_count = 0};
    const struct bnd_files files = {.root_fd = dir, .spec = &nothing};
    char *full = NULL;
    int r = bnd_loader_find(image, &files, "", err);
    if (r <= 0)
        return r;
    if (asprintf(&full, "%s%s", path, image->loader->path) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    free(image->loader->path);
    image->loader->path = full;
    return 0;
}

/* Judge one file, and the loader beside it. */
static int read_file(struct bnd_image *ret_image, int fd, const char *path, struct rk_err *err)
{
    const char *slash = strrchr(path, '/');
    rk_autofree char *dir = strndup(slash ? path : ".", slash ? (size_t)(slash - path) : 1);
    if (!dir)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = bnd_image_read(ret_image, fd, path, NULL, err);
    if (r <= 0)
        return r < 0 ? rk_wrap(err, "image '%s'", path) : 0;
    rk_autoclose int dir_fd = open(*dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int found = dir_fd < 0 ? 0 : find_loader(ret_image, dir_fd, dir, err);
    if (found >= 0)
        return r;
    ret_image->fd = ret_image->fd == fd ? -1 : ret_image->fd; /* the caller's */
    bnd_image_fini(ret_image);
    return found;
}

static int look_at_file(json_t *report, int fd, const char *path, const struct hv_host *host,
                        struct rk_err *err)
{
    struct bnd_image image;
    int r = read_file(&image, fd, path, err);
    if (r < 0)
        return r;
    json_array_append_new(json_object_get(report, "files"), look_image(&image, path, r > 0, host));
    if (r == 0)
        return 0;
    struct bnd_images one = {.v = &image, .n = 1};
    const struct ctr_look_bundle alone = {.spec = NULL};
    look_choice(report, &one, host, &alone);
    image.fd = image.fd == fd ? -1 : image.fd; /* the caller's */
    bnd_image_fini(&image);
    return 0;
}

/* One name of a directory: adds what is worth telling to the report. 1: that was more than an ordinary file.
 */
static int look_at_name(json_t *report, int dir, const char *path, const char *name,
                        const struct hv_host *host, struct rk_err *err)
{
    json_t *files = json_object_get(report, "files");
    rk_autofree char *full = NULL;
    struct bnd_image image;
    rk_autoclose int fd = rk_open_regular_in_root(dir, name, O_RDONLY);
    if (fd < 0) /* no regular file, or one that we may not read */
        return 0;
    if (asprintf(&full, "%s/%s", path, name) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    int r = bnd_image_read(&image, fd, full, NULL, err);
    if (r < 0) {
        json_array_append_new(
            files, json_pack("{s:s,s:b,s:s}", "path", full, "recognised", 1, "obstacle", err->text));
        return 1;
    }
    if (r == 0)
        return 0;
    /* What is wrong with a loader is said where that itself is listed. */
    find_loader(&image, dir, path, &(struct rk_err){.code = 0});
    json_array_append_new(files, look_image(&image, full, true, host));
    image.fd = image.fd == fd ? -1 : image.fd; /* closed below */
    bnd_image_fini(&image);
    return 1;
}

static bool any_boots(const json_t *files)
{
    size_t i, k;
    json_t *file, *monitor;
    json_array_foreach(files, i, file)
    {
        json_array_foreach(json_object_get(file, "monitors"), k, monitor)
        {
            if (json_is_true(json_object_get(monitor, "boots")))
                return true;
        }
    }
    return false;
}

static int look_at_directory(json_t *report, int dir, const char *path, const struct hv_host *host,
                             struct rk_err *err)
{
    struct dirent **names = NULL;
    json_int_t ordinary = 0;
    int n = scandirat(dir, ".", &names, NULL, alphasort), r = 0;
    if (n < 0)
        return rk_fail_errno(err, "read directory '%s'", path);
    for (int i = 0; i < n; i++) {
        if (r >= 0)
            r = look_at_name(report, dir, path, names[i]->d_name, host, err);
        ordinary += r == 0 && strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0;
        free(names[i]);
    }
    free(names);
    json_t *files = json_object_get(report, "files");
    json_object_set_new(report, "ordinary", json_integer(ordinary));
    if (json_array_size(files) > 0)
        json_object_set_new(report, "runs", json_string(any_boots(files) ? "unikernel" : "nothing"));
    return r < 0 ? r : 0;
}

/* What was found at a bundle's entrypoint. */
static void look_at_images(json_t *report, const struct bnd_images *images, const struct hv_host *host,
                           const struct ctr_look_bundle *bundle)
{
    for (size_t i = 0; i < images->n; i++)
        json_array_append_new(json_object_get(report, "files"),
                              look_image(&images->v[i], images->v[i].path, true, host));
    if (bundle->spec->flaw.code < 0) {
        json_object_set_new(report, "runs", json_string("nothing"));
        json_object_set_new(report, "error", json_string(bundle->spec->flaw.text));
    } else {
        look_choice(report, images, host, bundle);
    }
}

static int look_at_bundle(json_t *report, const char *path, const struct ctr_call *call, struct rk_err *err)
{
    struct bnd_spec *spec = NULL;
    struct bnd_files files = {.root_fd = -1};
    struct bnd_images images = {.n = 0};
    struct cfg_annotations wishes = {.monitor = NULL};
    int r = bnd_spec_load(&spec, path, err);
    if (r == 0)
        r = bnd_files_open(&files, spec, err);
    if (r == 0)
        r = ctr_wishes_read(&wishes, &files, &call->settings, err);
    if (r == 0)
        r = bnd_images_find(&images, &files, &wishes, err);
    if (r > 0) {
        const struct hv_host host = ctr_call_host(call, &wishes);
        const struct ctr_look_bundle bundle = {.spec = spec, .files = &files, .wishes = &wishes};
        look_at_images(report, &images, &host, &bundle);
    } else if (r == 0) {
        r = ctr_wishes_check_ordinary(&wishes, spec, err);
        if (r == 0)
            r = ctr_may_delegate(call, spec, err);
    }
    bnd_images_fini(&images);
    cfg_annotations_fini(&wishes);
    bnd_files_close(&files);
    bnd_spec_free(spec);
    return r < 0 ? r : 0;
}

int ctr_look(json_t **ret_json, const struct ctr_call *call, const char *path, struct rk_err *err)
{
    const struct hv_host host = ctr_call_host(call, NULL);
    struct stat st;
    /* Without blocking: it may be a FIFO, which is not opened for reading then but refused. */
    rk_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return rk_fail_errno(err, "open '%s'", path);
    bool is_dir = S_ISDIR(st.st_mode), is_bundle = is_dir && faccessat(fd, "config.json", F_OK, 0) == 0;
    if (!is_dir && !S_ISREG(st.st_mode))
        return rk_fail(err, -EINVAL, "'%s' is no regular file and no directory", path);
    rk_autojson json_t *report =
        json_pack("{s:s,s:s,s:s,s:[]}", "path", path, "type",
                  is_bundle ? "bundle" : (is_dir ? "directory" : "file"), "runs", "runc", "files");
    if (!report)
        return rk_fail(err, -EINVAL, "'%s' is no UTF-8", path);
    int r = is_bundle ? look_at_bundle(report, path, call, err)
            : is_dir  ? look_at_directory(report, fd, path, &host, err)
                      : look_at_file(report, fd, path, &host, err);
    if (r < 0)
        return r;
    *ret_json = rk_take(report);
    return 0;
}

int ctr_inspect_verb(struct ctr_call *call, struct rk_err *err)
{
    const char *path;
    bool as_json = false;
    const struct cfg_flag flags[] = {{"json", 0, CFG_BOOL, &as_json, "print the report as JSON"},
                                     {NULL, 0, CFG_BOOL, NULL, NULL}};
    int r = ctr_call_parse(call, flags, &path, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    rk_autojson json_t *report = NULL;
    if ((r = ctr_look(&report, call, path, err)) < 0)
        return r;
    if (!as_json) {
        ctr_look_print(report);
        return 0;
    }
    rk_autofree char *text = json_dumps(report, JSON_INDENT(2));
    if (!text)
        return rk_fail(err, -ENOMEM, "out of memory");
    puts(text);
    return 0;
}
