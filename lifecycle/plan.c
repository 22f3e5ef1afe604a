/* From bundle and settings to the record, and the descriptors that the monitor will get. */
#include "lifecycle/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "lifecycle/storage.h"
#include "lifecycle/volumes.h"
#include "lifecycle/wishes.h"
#include "sandbox/process.h"

static int out_of_memory(struct rk_err *err)
{
    return rk_fail(err, -ENOMEM, "out of memory");
}

static char *now_text(void)
{
    char *text = NULL;
    struct timespec now;
    struct tm t;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    /* Not strftime, which would read the time zone's file first. */
    return asprintf(&text, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                    t.tm_hour, t.tm_min, t.tm_sec, now.tv_nsec) < 0
               ? NULL
               : text;
}

/* A copy, or NULL for NULL; *failed is set without memory. */
static char *copy(const char *s, bool *failed)
{
    char *c = s ? strdup(s) : NULL;
    if (s && !c)
        *failed = true;
    return c;
}

/* The host path of the container's resolv.conf: the engine's bind mount, or NULL (then it is the image's). */
static const char *resolv_conf_source(const struct bnd_spec *spec)
{
    const char *source = NULL;
    for (size_t i = 0; i < spec->mount_count; i++)
        if (spec->mounts[i].bind && strcmp(spec->mounts[i].destination, "/etc/resolv.conf") == 0)
            source = spec->mounts[i].source;
    return source;
}

/* The parts of the record that come straight from the spec. */
static int record_from_spec(struct ctr_record *r, struct bnd_spec *spec, const char *id, struct rk_err *err)
{
    const struct bnd_namespace *net = bnd_spec_namespace(spec, CLONE_NEWNET);
    bool failed = false;
    r->id = copy(id, &failed);
    r->oci_version = copy(spec->oci_version, &failed);
    r->bundle = copy(spec->bundle, &failed);
    r->rootfs = copy(spec->root_path, &failed);
    r->hostname = copy(spec->hostname, &failed);
    r->resolv_conf = copy(resolv_conf_source(spec), &failed);
    const struct bnd_namespace *user = bnd_spec_namespace(spec, CLONE_NEWUSER);
    r->netns = copy(net ? net->path : NULL, &failed);
    r->userns_path = copy(user ? user->path : NULL, &failed);
    r->created = now_text();
    r->annotations = json_object();
    if (failed || !r->created || !r->annotations)
        return out_of_memory(err);
    for (size_t i = 0; i < spec->annotation_count; i++)
        json_object_set_new(r->annotations, spec->annotations[i].key,
                            json_string(spec->annotations[i].value));
    r->owner = geteuid();
    /* The hooks that later verbs run: the record owns them from here on. */
    r->start_hooks = spec->hooks.start_container.n > 0;
    r->poststart = spec->hooks.poststart;
    r->poststop = spec->hooks.poststop;
    spec->hooks.poststart = spec->hooks.poststop = (struct bnd_hook_list){0};
    return 0;
}

/* What the guest is told: the command line of an annotation, or process.args from `first` on. */
static int record_args(struct ctr_record *r, const struct rk_argv *args, size_t first,
                       const struct cfg_annotations *wishes)
{
    int code = 0;
    /* "unikernel" is what people wrote for a command where an engine wanted one and urunc did not. */
    bool bare = first >= args->n || (first + 1 == args->n && strcmp(args->v[first], "unikernel") == 0);
    r->verbatim = wishes->cmdline && (bare || !wishes->cmdline_if_bare);
    if (r->verbatim)
        return rk_argv_add(&r->args, wishes->cmdline);
    for (size_t i = first; i < args->n && code == 0; i++)
        code = rk_argv_add(&r->args, args->v[i]);
    return code;
}

static int record_from_image(struct ctr_record *r, struct bnd_image *image, struct bnd_spec *spec,
                             size_t first, const struct cfg_annotations *wishes, struct rk_err *err)
{
    const struct rk_solo5_mft *mft = &image->solo5.mft;
    bool failed = false;
    r->any_net = image->solo5.target == 0; /* no manifest */
    r->cwd = copy(spec->cwd, &failed);
    r->image = copy(image->path, &failed);
    r->loader = copy(image->loader ? image->loader->path : NULL, &failed);
    r->family = copy(image->family->name, &failed);
    r->keys = image->keys;
    image->keys = (struct rk_argv){0};
    failed = failed || record_args(r, &spec->args, first, wishes) < 0;
    for (size_t i = 0; i < spec->env.n && !failed; i++)
        failed = rk_argv_add(&r->env, spec->env.v[i]) < 0;
    r->devices = calloc(mft->entries + 1, sizeof *r->devices);
    if (failed || !r->devices)
        return out_of_memory(err);
    for (uint32_t i = 1; i < mft->entries; i++) {
        struct ctr_device *d = &r->devices[r->device_count++];
        memcpy(d->name, mft->e[i].name, sizeof d->name);
        d->type = (enum rk_solo5_device)mft->e[i].type;
    }
    return 0;
}

/* What of an image a monitor that opens it by name holds outside the guest: QEMU's copy of it, for a machine
 * that is reset; and, of what has no name, the one in the monitor's root. */
static uint64_t held_bytes(const struct hv_monitor *monitor, const struct bnd_image *image,
                           enum bnd_kind kind)
{
    struct stat st;
    if (!monitor->by_name || kind == BND_DISK || fstat(image->fd, &st) < 0)
        return 0;
    bool unpacked = fcntl(image->fd, F_GET_SEALS) > 0;
    return (uint64_t)st.st_size << unpacked;
}

static int choose_memory(struct ctr_plan *plan, const struct bnd_image *image,
                         const struct cfg_annotations *wishes, const struct cfg_settings *settings,
                         struct rk_err *err)
{
    struct ctr_record *r = plan->record;
    uint64_t most = hv_memory_most(image, r->kind);
    int code =
        ctr_wishes_memory(&r->memory, wishes, settings, plan->monitor, hv_memory_least(image, r->kind),
                          held_bytes(plan->monitor, image, r->kind), plan->spec->resources.memory_limit, err);
    if (code == 0 && r->memory > most)
        r->memory = most;
    return code;
}

/* Settings, as annotations change them. */
static int choose_network_mode(struct ctr_record *r, const struct cfg_annotations *wishes,
                               const struct cfg_settings *settings, struct rk_err *err)
{
    const char *mode = wishes->network_mode ? wishes->network_mode : settings->network_mode;
    if (!net_mode_exists(mode))
        return rk_fail(err, -EINVAL, "network mode '%s' is not one that runuk knows (redirect, bridge)",
                       mode);
    r->network_mode = strdup(mode);
    return r->network_mode ? 0 : out_of_memory(err);
}

/* Whom the monitor runs as: the container's user, else the settings', and where a user namespace does not
 * have that one, its root, who is nobody outside. */
static int choose_identity(struct ctr_plan *plan, const struct cfg_settings *settings, struct rk_err *err)
{
    const struct bnd_spec *spec = plan->spec;
    uint32_t uid = spec->uid ? spec->uid : (uint32_t)settings->uid;
    uint32_t gid = spec->gid ? spec->gid : (uint32_t)settings->gid;
    uint32_t outside = uid;
    if (!box_id_mapped(&plan->ids.uids, uid, &outside)) {
        if (spec->uid)
            return rk_fail(err, -EINVAL, "process.user.uid: the user namespace has no user %u",
                           (unsigned)spec->uid);
        uid = 0;
        box_id_mapped(&plan->ids.uids, uid, &outside);
    }
    if (!box_id_mapped(&plan->ids.gids, gid, NULL)) {
        if (spec->gid)
            return rk_fail(err, -EINVAL, "process.user.gid: the user namespace has no group %u",
                           (unsigned)spec->gid);
        gid = 0;
    }
    plan->uid = uid;
    plan->gid = gid;
    plan->record->uid = uid;
    plan->record->userns = !plan->ids.inherited;
    plan->record->tap_owner = plan->ids.inherited ? uid : outside;
    return 0;
}

static int open_monitor(struct ctr_plan *plan, const char *dir, struct rk_err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, plan->monitor->binary);
    plan->monitor_fd = open(path, O_PATH | O_CLOEXEC);
    if (plan->monitor_fd < 0)
        return rk_fail(err, -ENOENT,
                       "there is no monitor '%s': install runuk, or set \"monitor_dir\" in its settings",
                       path);
    return 0;
}

int ctr_plan_add_directory(struct ctr_plan *plan, const struct box_file *directory, const char *name,
                           struct rk_err *err)
{
    if (plan->tree_count == CTR_TREES_MAX)
        return rk_fail(err, -E2BIG, "'%s': the monitor's root has room for %d files", name, CTR_TREES_MAX);
    plan->trees[plan->tree_count++] = *directory;
    return 0;
}

int ctr_plan_add_inside(struct ctr_plan *plan, int fd, const char *name, const char *target,
                        struct rk_err *err)
{
    if (plan->tree_count == CTR_TREES_MAX)
        return rk_fail(err, -E2BIG, "'%s': the monitor's root has room for %d files", name, CTR_TREES_MAX);
    int tree = box_tree_detach(fd, err);
    if (tree < 0)
        return rk_wrap(err, "'%s'", name);
    plan->trees[plan->tree_count++] = (struct box_file){.fd = tree, .inside = true, .target = target};
    return 0;
}

int ctr_plan_add_tree(struct ctr_plan *plan, int *fd, const char *name, const char *target,
                      struct rk_err *err)
{
    if (plan->tree_count == CTR_TREES_MAX)
        return rk_fail(err, -E2BIG, "'%s': the monitor's root has room for %d files", name, CTR_TREES_MAX);
    int tree = box_tree_detach(*fd, err);
    if (tree < 0 && tree != -EINVAL && tree != -EPERM)
        return rk_wrap(err, "'%s'", name);
    plan->trees[plan->tree_count++] =
        (struct box_file){.fd = tree < 0 ? rk_take_fd(fd) : tree, .copy = tree < 0, .target = target};
    return 0;
}

/* What a monitor that opens files by name finds in its root. The image, or its loader, is the very file that
 * was judged. */
static int plan_root(struct ctr_plan *plan, struct bnd_image *given, const struct hv_host *host,
                     struct rk_err *err)
{
    struct bnd_image *image = given->loader ? given->loader : given;
    struct stat st;
    int r = plan->monitor->files(host, plan->record->kind, &plan->root_files, err);
    if (r < 0)
        return r;
    if (plan->record->kind == BND_DISK)
        return 0;
    if (fstat(image->fd, &st) < 0)
        return rk_fail_errno(err, "image '%s'", image->path);
    if (!(st.st_mode & S_IROTH))
        return rk_fail(err, -EACCES,
                       "image '%s' can be read by its owner only, and QEMU runs as another user: chmod a+r "
                       "it in the image",
                       image->path);
    r = hv_image_place(&plan->record->image_place, image->path, given->family, plan->record->kind,
                       &plan->root_files);
    return r < 0 ? out_of_memory(err)
                 : ctr_plan_add_tree(plan, &image->fd, image->path, plan->record->image_place, err);
}

/* QEMU on KVM or not, as the host and the settings have it; if not, `reason` says why. */
static int plan_accel(struct ctr_plan *plan, const struct hv_host *host, char reason[HV_REASON],
                      struct rk_err *err)
{
    struct stat st;
    int kvm = hv_qemu_accel(host, reason, err);
    if (kvm < 0)
        return kvm;
    plan->record->qemu = strdup(host->qemu);
    plan->record->machine = host->wanted->machine ? strdup(host->wanted->machine) : NULL;
    plan->record->kvm = kvm > 0;
    if (!plan->record->qemu || (host->wanted->machine && !plan->record->machine))
        return out_of_memory(err);
    if (!kvm)
        return 0;
    if (stat("/dev/kvm", &st) < 0 || rk_argv_add(&plan->root_files, "/dev/kvm") < 0 ||
        rk_argv_add(&plan->root_files, "/dev/kvm") < 0)
        return rk_fail_errno(err, "'/dev/kvm'");
    /* The device's group is none of a user namespace's, but whoever has it when he comes in keeps it. */
    plan->keeps_groups = !plan->ids.whole && (st.st_mode & 06) != 06;
    if (plan->ids.whole || plan->keeps_groups)
        plan->groups[plan->group_count++] = st.st_gid;
    const struct bnd_device_rule rule = {.allow = true,
                                         .type = 'c',
                                         .major = major(st.st_rdev),
                                         .minor = minor(st.st_rdev),
                                         .read = true,
                                         .write = true};
    return bnd_resources_allow(&plan->spec->resources, &rule, err);
}

/* A disk that is the image: the guest may write to it as a process may to its files. */
static int open_boot_disk(struct ctr_plan *plan, struct bnd_image *image, struct rk_err *err)
{
    int fd = plan->spec->root_readonly ? -EROFS : rk_reopen(image->fd, O_RDWR);
    plan->record->image_readonly = fd == -EROFS;
    if (fd < 0 && fd != -EROFS) {
        errno = -fd;
        return rk_fail_errno(err, "open '%s' for writing", image->path);
    }
    plan->slots[plan->slot_count++] = fd < 0 ? rk_take_fd(&image->fd) : fd;
    return 0;
}

/* Fill the slots, in the order that start counts on. */
static int open_slots(struct ctr_plan *plan, struct bnd_image *image, const struct cfg_annotations *wishes,
                      struct rk_err *err)
{
    size_t disks = 0;
    if (plan->monitor->by_name && plan->record->kind == BND_DISK) {
        int boot = open_boot_disk(plan, image, err);
        if (boot < 0)
            return boot;
    }
    if (plan->record->any_net) /* no manifest */
        return ctr_volumes_open(plan, image, wishes, err);
    if (!plan->monitor->by_name)
        plan->slots[plan->slot_count++] = rk_take_fd(&image->fd);
    if (plan->monitor->needs_kvm) {
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (kvm < 0)
            return rk_fail_errno(err, "open '/dev/kvm'");
        plan->slots[plan->slot_count++] = kvm;
    }
    for (size_t i = 0; i < plan->record->device_count; i++) {
        struct ctr_device *d = &plan->record->devices[i];
        if (d->type != RK_SOLO5_BLOCK)
            continue;
        const struct cfg_disk *given = disks < wishes->disk_count ? &wishes->disks[disks] : NULL;
        int disk = ctr_disk_open(&plan->files, d->name, given, err);
        if (disk < 0)
            return given ? rk_wrap(err, "%s", wishes->source[CFG_DISK]) : disk;
        struct stat st;
        d->readonly = (fcntl(disk, F_GETFL) & O_ACCMODE) == O_RDONLY;
        d->host_device = fstat(disk, &st) == 0 && S_ISBLK(st.st_mode);
        plan->slots[plan->slot_count++] = disk;
        disks++;
    }
    if (disks < wishes->disk_count)
        return rk_fail(err, -EINVAL, "%s: %zu disks, and the image has %zu block devices",
                       wishes->source[CFG_DISK], wishes->disk_count, disks);
    return 0;
}

/* The monitor is known: its root, and all that it is given. What is worth a warning comes last, so that an
 * error stands alone. */
static int plan_monitor(struct ctr_plan *plan, struct bnd_image *image, const struct hv_host *host,
                        const struct cfg_annotations *wishes, struct rk_err *err)
{
    char reason[HV_REASON];
    int r;
    if (!plan->monitor->by_name)
        return open_slots(plan, image, wishes, err);
    if ((r = plan_root(plan, image, host, err)) < 0 || (r = plan_accel(plan, host, reason, err)) < 0 ||
        (r = ctr_storage_plan(plan, image, host, wishes, err)) < 0 ||
        (r = open_slots(plan, image, wishes, err)) < 0)
        return r;
    if (!plan->record->kvm)
        rk_warn("the guest is emulated, which is slow: %s", reason);
    return 0;
}

/* All that follows once there is a unikernel. */
static int plan_unikernel(struct ctr_plan *plan, struct ctr_call *call, const char *id,
                          struct bnd_images *images, const struct cfg_annotations *wishes, struct rk_err *err)
{
    const struct cfg_settings *s = &call->settings;
    const struct hv_host host = ctr_call_host(call, wishes);
    struct bnd_spec *spec = plan->spec;
    struct hv_choice choice;
    int r;
    if (spec->flaw.code < 0) {
        *err = spec->flaw;
        return err->code;
    }
    if ((r = box_namespaces_open(&plan->ns, spec, err)) < 0 ||
        (r = box_ids_read(&plan->ids, spec, plan->ns.user_fd, err)) < 0 ||
        (r = box_sysctls_check(spec, err)) < 0 || (r = box_label_check(spec, err)) < 0)
        return r;
    r = hv_monitor_choose(&choice, images, &host, err);
    if (r < 0)
        return r;
    plan->monitor = choice.monitor;
    if ((r = ctr_wishes_check_monitor(wishes, plan->monitor, err)) < 0)
        return r;
    plan->record = calloc(1, sizeof *plan->record);
    if (!plan->record)
        return out_of_memory(err);
    plan->record->monitor = strdup(plan->monitor->name);
    plan->record->kind = choice.kind;
    struct bnd_image *image = &images->v[choice.form];
    if ((r = record_from_spec(plan->record, spec, id, err)) < 0 ||
        (r = record_from_image(plan->record, image, spec, images->arg_index + !images->entry_is_arg, wishes,
                               err)) < 0 ||
        (r = choose_network_mode(plan->record, wishes, s, err)) < 0 ||
        (r = choose_identity(plan, s, err)) < 0 || (r = choose_memory(plan, image, wishes, s, err)) < 0 ||
        (r = box_rlimits_check(spec, plan->record->memory, err)) < 0 ||
        (r = open_monitor(plan, s->monitor_dir, err)) < 0)
        return r;
    return plan_monitor(plan, image, &host, wishes, err);
}

/* From the open rootfs on: what is asked for, what is there, what the settings say of it. 1: a unikernel. */
static int find_and_plan(struct ctr_plan *plan, struct ctr_call *call, const char *id, struct rk_err *err)
{
    struct cfg_annotations wishes = {.monitor = NULL};
    struct bnd_images images = {.n = 0};
    int r = ctr_wishes_read(&wishes, &plan->files, &call->settings, err);
    if (r == 0)
        r = bnd_images_find(&images, &plan->files, &wishes, err);
    if (r == 0 && (r = ctr_wishes_check_ordinary(&wishes, plan->spec, err)) == 0)
        r = ctr_may_delegate(call, plan->spec, err);
    else if (r > 0 && (r = plan_unikernel(plan, call, id, &images, &wishes, err)) == 0)
        r = 1;
    bnd_images_fini(&images);
    cfg_annotations_fini(&wishes);
    return r;
}

int ctr_plan_make(struct ctr_plan *ret_plan, struct ctr_call *call, const char *id, const char *bundle,
                  struct rk_err *err)
{
    struct ctr_plan plan = {.files = {.root_fd = -1}, .ns = {.pid_fd = -1, .user_fd = -1}, .monitor_fd = -1};
    int r;
    if ((r = bnd_spec_load(&plan.spec, bundle, err)) < 0)
        return r;
    if ((r = bnd_files_open(&plan.files, plan.spec, err)) == 0)
        r = find_and_plan(&plan, call, id, err);
    if (r <= 0) {
        ctr_plan_fini(&plan);
        return r;
    }
    plan.files.spec = plan.spec;
    *ret_plan = plan;
    return 1;
}

void ctr_plan_fini(struct ctr_plan *plan)
{
    for (size_t i = 0; i < plan->slot_count; i++)
        rk_close(&plan->slots[i]);
    for (size_t i = 0; i < plan->tree_count; i++)
        rk_close(&plan->trees[i].fd);
    rk_argv_fini(&plan->root_files);
    rk_close(&plan->monitor_fd);
    bnd_files_close(&plan->files);
    ctr_record_free(plan->record);
    bnd_spec_free(plan->spec);
    box_namespaces_close(&plan->ns);
    box_ids_fini(&plan->ids);
    *plan =
        (struct ctr_plan){.files = {.root_fd = -1}, .ns = {.pid_fd = -1, .user_fd = -1}, .monitor_fd = -1};
}
