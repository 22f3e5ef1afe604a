/* start: the network, the guest's command line, and the word to the waiting process that makes it the
 * monitor. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundle/family/family.h"
#include "config/flags.h"
#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lib/message.h"
#include "lifecycle/apart.h"
#include "lifecycle/call.h"
#include "lifecycle/hooks.h"
#include "lifecycle/init.h"
#include "lifecycle/network.h"
#include "lifecycle/record_net.h"
#include "lifecycle/relay.h"

#define CMDLINE_MAX 8192 /* bytes with the NUL: HVT_CMDLINE_SIZE and SPT_CMDLINE_SIZE of Solo5 */

static int connect_gate(int dir, struct rk_err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" CTR_GATE_SOCKET, dir);
    rk_autoclose int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (const struct sockaddr *)&addr, sizeof addr) < 0)
        return rk_fail_errno(err, "reach the container's waiting process");
    return rk_take_fd(&sock);
}

/* Wait for the answer; its text is the error when it is one. 1: an answer that is none, 0: the stream's end.
 */
static int await_answer(int gate, struct rk_err *err)
{
    char msg[RK_ERR_TEXT + 1];
    ssize_t n = rk_message_receive(gate, msg, sizeof msg - 1, NULL, NULL);
    if (n <= 0)
        return 0;
    if (msg[0] != CTR_MSG_ERROR)
        return 1;
    msg[n] = '\0';
    return rk_fail(err, -ECANCELED, "%s", msg + 1);
}

static int run_start_hooks(int gate, const struct ctr_record *record, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    rk_autofree char *msg = NULL;
    int r = ctr_record_state(&text, record, CTR_CREATED, true, err);
    if (r < 0)
        return r;
    int n = asprintf(&msg, "%c%s", CTR_MSG_HOOKS, text);
    r = n < 0 ? -ENOMEM : rk_message_send(gate, msg, (size_t)n, NULL, 0);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "talk to the container's waiting process");
    }
    r = await_answer(gate, err);
    if (r == 0)
        return rk_fail(err, -ECHILD, "the container's waiting process ended");
    return r < 0 ? r : 0;
}

/* The name servers behind the first one, when the guest asks them itself. */
static int more_servers(struct rk_argv *ret, const struct ctr_relay *relay)
{
    int r = 0;
    for (size_t i = 1; i < relay->resolvers.count && !relay->wanted && r == 0; i++)
        r = rk_argv_add(ret, relay->resolvers.servers[i]);
    return r;
}

/* Whether something that is no initial ram disk is the root. */
static bool has_root(const struct ctr_record *record)
{
    if (record->share_count > 0 && strcmp(record->shares[0].destination, "/") == 0)
        return true;
    for (size_t i = 0; i < record->device_count; i++)
        if (record->devices[i].destination && strcmp(record->devices[i].destination, "/") == 0)
            return true;
    return false;
}

/* In the order in which they can be mounted: above what lies below. */
static void sort_mounts(struct bnd_guest_mount *mounts, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct bnd_guest_mount m = mounts[i];
        size_t k = i;
        for (; k > 0 && strlen(mounts[k - 1].destination) > strlen(m.destination); k--)
            mounts[k] = mounts[k - 1];
        mounts[k] = m;
    }
}

/* What the guest is to mount: its initial ram disk, directories, disks. A boot disk is the first, and
 * nobody's to mount. */
static size_t list_mounts(struct bnd_guest_mount *mounts, const char (*tags)[BND_SHARE_TAG],
                          const struct ctr_record *record)
{
    unsigned index = record->kind == BND_DISK;
    size_t n = 0;
    if (record->initrd && !record->own_init && !record->loader && !has_root(record))
        mounts[n++] = (struct bnd_guest_mount){.kind = BND_MOUNT_INITRD, .destination = "/"};
    for (size_t i = 0; i < record->share_count; i++)
        mounts[n++] = (struct bnd_guest_mount){.kind = BND_MOUNT_9P,
                                               .tag = tags[i],
                                               .destination = record->shares[i].destination,
                                               .readonly = record->shares[i].readonly};
    for (size_t i = 0; i < record->device_count; i++) {
        const struct ctr_device *d = &record->devices[i];
        if (d->type != RK_SOLO5_BLOCK)
            continue;
        if (d->destination)
            mounts[n++] = (struct bnd_guest_mount){.kind = BND_MOUNT_DISK,
                                                   .index = index,
                                                   .fstype = *d->fstype ? d->fstype : "auto",
                                                   .destination = d->destination,
                                                   .readonly = d->readonly};
        index++;
    }
    sort_mounts(mounts, n);
    return n;
}

/* What the guest is told, quoted by its family, and not longer than a tender passes on. */
static int guest_args(struct rk_argv *ret_args, char **ret_told, const struct ctr_record *record,
                      const struct ctr_network *network, const struct ctr_relay *relay, struct rk_err *err)
{
    rk_autoargv struct rk_argv warnings = {0};
    const struct bnd_family *family = bnd_family_find(record->family);
    rk_autoargv struct rk_argv servers = {0};
    if (!family)
        return rk_fail(err, -EINVAL, "unknown family '%s'", record->family);
    if (more_servers(&servers, relay) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    struct bnd_guest_mount mounts[RK_SOLO5_MFT_ENTRIES + CTR_SHARES_MAX + 1];
    char tags[CTR_SHARES_MAX][BND_SHARE_TAG];
    for (size_t i = 0; i < record->share_count; i++)
        bnd_share_tag(tags[i], family, i);
    if (record->device_count > RK_SOLO5_MFT_ENTRIES)
        return rk_fail(err, -E2BIG, "more than %d devices", RK_SOLO5_MFT_ENTRIES);
    const struct bnd_guest guest = {
        .mounts = mounts,
        .mount_count = list_mounts(mounts, tags, record),
        .kind = record->kind,
        .program = record->image,
        .args = &record->args,
        .verbatim = record->verbatim,
        .env = &record->env,
        .cwd = record->cwd,
        .keys = &record->keys,
        .hostname = record->hostname,
        .dns = ctr_relay_dns(relay),
        .dns_more = &servers,
        .search = &relay->resolvers.search,
        .nets = network->nets,
        .net_count = network->net_count,
        .routes = network->routes,
        .route_count = network->route_count,
        .virtio_count = record->device_count + record->share_count + (record->kind == BND_DISK),
        .emulated = !record->kvm,
        .own_init = record->own_init,
        .terminal = record->terminal,
        .user = &record->user,
        .files = &record->files,
        .tmpfs = &record->tmpfs,
        .root_readonly = record->root_readonly,
        .warnings = &warnings,
    };
    int r = bnd_family_cmdline(family, &guest, ret_args, err);
    if (r == 0 && record->own_init)
        r = family->tell(ret_told, &guest, err);
    for (size_t i = 0; i < warnings.n; i++)
        rk_warn("container '%s': %s", record->id, warnings.v[i]);
    size_t len = 0;
    for (size_t i = 0; i < ret_args->n && r == 0; i++)
        len += strlen(ret_args->v[i]) + 1;
    if (len > CMDLINE_MAX && (record->kind == BND_HVT || record->kind == BND_SPT))
        return rk_fail(err, -E2BIG, "the guest's arguments take %zu bytes, and a Solo5 guest gets at most %d",
                       len, CMDLINE_MAX);
    return r;
}

/* The monitor's command line. Descriptors get their numbers here: the slots as create filled them, then the
 * taps. */
static int monitor_argv(struct rk_argv *ret_argv, const struct ctr_record *record, const struct rk_argv *args,
                        const char *told, struct rk_err *err)
{
    const struct hv_monitor *monitor = hv_monitor_find(record->monitor);
    struct hv_net nets[RK_SOLO5_MFT_ENTRIES];
    struct hv_disk disks[RK_SOLO5_MFT_ENTRIES];
    struct hv_share shares[CTR_SHARES_MAX];
    char tags[CTR_SHARES_MAX][BND_SHARE_TAG];
    struct hv_launch launch = {.qemu = record->qemu,
                               .machine = record->machine,
                               .family = bnd_family_find(record->family),
                               .kind = record->kind,
                               .kvm = record->kvm,
                               .image_fd = CTR_SLOT_FIRST,
                               .image = record->image_place ? record->image_place : HV_IMAGE_PATH,
                               .image_readonly = record->image_readonly,
                               .initrd = record->initrd,
                               .told = told,
                               .file_count = record->files.n,
                               .gate_fd = -1,
                               .kvm_fd = -1,
                               .figures_fd = -1,
                               .memory = record->memory,
                               .args = args,
                               .nets = nets,
                               .disks = disks,
                               .shares = shares,
                               .share_count = record->share_count};
    if (!monitor || !launch.family || record->device_count > RK_SOLO5_MFT_ENTRIES)
        return rk_fail(err, -EINVAL, "unknown monitor '%s' or family '%s'", record->monitor, record->family);
    for (size_t i = 0; i < record->share_count; i++) {
        bnd_share_tag(tags[i], launch.family, i);
        shares[i] = (struct hv_share){.tag = tags[i], .readonly = record->shares[i].readonly};
    }
    bool by_name = monitor && monitor->by_name && record->kind != BND_DISK;
    int fd = CTR_SLOT_FIRST + !by_name;
    if (monitor->needs_kvm)
        launch.kvm_fd = fd++;
    for (size_t i = 0; i < record->device_count; i++) {
        if (record->devices[i].type != RK_SOLO5_BLOCK)
            continue;
        disks[launch.disk_count++] = (struct hv_disk){.device = record->devices[i].name,
                                                      .fd = fd,
                                                      .readonly = record->devices[i].readonly,
                                                      .host_device = record->devices[i].host_device};
        fd++;
    }
    if (monitor->counts)
        launch.figures_fd = fd++;
    for (size_t i = 0; i < record->device_count; i++) {
        if (record->devices[i].type != RK_SOLO5_NET)
            continue;
        const struct net_wire *w = &record->wires[launch.net_count].wire;
        nets[launch.net_count++] =
            (struct hv_net){.device = record->devices[i].name, .fd = fd, .mac = w->mac, .mtu = w->mtu};
        fd++;
    }
    if (monitor->by_name)
        launch.gate_fd = fd;
    return monitor->prepare(&launch, ret_argv) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* Send argv and taps, and wait until the process is the monitor, and a monitor that needs time runs its
 * guest: the other end of the gate closes then. */
static int send_exec(int gate, const struct ctr_record *record, const struct rk_argv *argv,
                     struct rk_err *err)
{
    rk_autofree char *msg = malloc(RK_MESSAGE_SIZE);
    int taps[RK_SOLO5_MFT_ENTRIES] = {0};
    size_t len = 1;
    if (!msg)
        return rk_fail(err, -ENOMEM, "out of memory");
    msg[0] = CTR_MSG_EXEC;
    for (size_t i = 0; i < argv->n; i++) {
        size_t n = strlen(argv->v[i]) + 1;
        if (len + n > RK_MESSAGE_SIZE)
            return rk_fail(err, -E2BIG, "the monitor's command line is longer than %d bytes",
                           RK_MESSAGE_SIZE);
        memcpy(msg + len, argv->v[i], n);
        len += n;
    }
    for (size_t i = 0; i < record->wire_count; i++)
        taps[i] = record->wires[i].wire.fd;
    int r = rk_message_send(gate, msg, len, taps, record->wire_count);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "talk to the container's waiting process");
    }
    RK_FAULT("start:sent");
    r = await_answer(gate, err);
    return r < 0 ? r : 0;
}

static bool args_have_placeholders(const struct ctr_record *record)
{
    for (size_t i = 0; i < record->args.n; i++)
        if (strchr(record->args.v[i], '{'))
            return true;
    return false;
}

/* What a start works on. */
struct launching {
    int gate, dir;
    struct ctr_record *record;
    const char *monitor_dir;
};

/* From the open gate to the running guest. */
static int launch(const struct launching *l, struct ctr_relay *relay, struct rk_err *err)
{
    struct ctr_record *record = l->record;
    rk_autoargv struct rk_argv args = {0};
    rk_autoargv struct rk_argv argv = {0};
    rk_autofree char *told = NULL;
    struct ctr_network network;
    int r = ctr_network_make(&network, record, args_have_placeholders(record), relay, err);
    if (r < 0)
        return r;
    RK_FAULT("start:network");
    r = guest_args(&args, &told, record, &network, relay, err);
    ctr_network_fini(&network);
    if (r == 0)
        r = monitor_argv(&argv, record, &args, told, err);
    if (r == 0) {
        /* Written before the taps are kept and the guest runs: the wires are known to `delete` from here on,
         * and should the process not get to run, it ends, which is "stopped" whatever is written. */
        record->status = CTR_RUNNING;
        r = ctr_store_save(l->dir, record, err);
        RK_FAULT("start:saved");
    }
    if (r == 0)
        r = ctr_network_keep(record, err);
    RK_FAULT("start:kept");
    if (r < 0)
        return r;
    ctr_relay_reserve(relay);
    r = ctr_relay_send(relay, l->gate, err);
    return r < 0 ? r : send_exec(l->gate, record, &argv, err);
}

/* launch, or undo what it left. */
static int launch_or_undo(const struct launching *l, struct rk_err *err)
{
    struct rk_err ignored;
    struct ctr_relay relay;
    int r = ctr_relay_plan(&relay, l->record, l->monitor_dir, err);
    if (r < 0)
        return r;
    r = launch(l, &relay, err);
    ctr_relay_fini(&relay);
    if (r < 0 && l->record->netns) /* one that was made for this container ends with the process */
        ctr_network_undo(l->record, l->record->netns, &ignored);
    if (r < 0)
        RK_FAULT("start:undone");
    return r;
}

static int launch_apart(void *data, struct rk_err *err)
{
    const struct launching *l = data;
    if (l->record->userns)
        l->record->tap_owner = l->record->uid; /* as the user is called in there */
    return launch_or_undo(l, err);
}

static void run_poststart(const struct ctr_record *record)
{
    if (record->poststart.n == 0)
        return;
    rk_autofree char *text = NULL;
    struct rk_err ignored;
    const struct ctr_hook_place place = {.kind = "poststart", .cwd = record->bundle, .dir_fd = -1};
    if (ctr_record_state(&text, record, CTR_RUNNING, false, &ignored) == 0)
        ctr_hooks_run_all(&record->poststart, &place, text);
}

static int start_locked(int dir, struct ctr_record *record, const char *monitor_dir, struct rk_err *err)
{
    enum ctr_status status = ctr_record_status(record);
    if (status == CTR_RUNNING || status == CTR_PAUSED)
        return rk_fail(err, -EBUSY, "cannot start an already running container");
    if (status != CTR_CREATED)
        return rk_fail(err, -EINVAL, "cannot start a container that has stopped");
    RK_FAULT("start:judged");
    rk_autoclose int gate = connect_gate(dir, err);
    if (gate < 0)
        return gate;
    RK_FAULT("start:gate");
    int r = record->start_hooks ? run_start_hooks(gate, record, err) : 0;
    RK_FAULT("start:hooks");
    struct launching l = {gate, dir, record, monitor_dir};
    if (r == 0 && ctr_network_needed(record, args_have_placeholders(record)) && ctr_apart_needed()) {
        r = ctr_apart(record, launch_apart, &l, err);
        record->status = CTR_RUNNING;
    } else if (r == 0) {
        r = launch_or_undo(&l, err);
    }
    if (r < 0) {
        /* The process can't go back to waiting: it has run hooks. It ends, and the container is stopped. */
        rk_autoclose int pidfd = rk_process_open(&record->process);
        if (pidfd >= 0)
            rk_process_signal(pidfd, SIGKILL);
        RK_FAULT("start:ended");
        return r;
    }
    RK_FAULT("start:running");
    run_poststart(record);
    RK_FAULT("start:poststart");
    return 0;
}

int ctr_start(struct ctr_call *call, const char *id, struct rk_err *err)
{
    rk_autoclose int dir = -1;
    struct ctr_record *record = NULL;
    int r = ctr_store_get(&dir, &record, &call->store, id, true, err);
    if (r < 0)
        return r;
    r = start_locked(dir, record, call->settings.monitor_dir, err);
    ctr_record_free(record);
    return r < 0 ? rk_wrap(err, "start container '%s'", id) : 0;
}

int ctr_start_verb(struct ctr_call *call, struct rk_err *err)
{
    const char *id;
    const struct cfg_flag flags[] = {{NULL, 0, CFG_BOOL, NULL, NULL}};
    int r = ctr_call_parse(call, flags, &id, 1, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (ctr_store_has(&call->store, id))
        return ctr_start(call, id, err);
    return ctr_known_nowhere(call, id) ? rk_fail(err, -ENOENT, "container '%s' does not exist", id)
                                       : ctr_delegate(call, err);
}
