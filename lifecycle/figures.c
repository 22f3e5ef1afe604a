/* What a guest has done so far: from the counters of its taps, the file that its monitor counts in, and the
 * kernel. */
#include "lifecycle/figures.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/figures.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lifecycle/store.h"

_Static_assert(RK_SOLO5_MFT_ENTRIES <= RK_FIGURES_DEVICES, "there are figures for every device");

/* The numbers of Solo5's hypercalls (hvt_abi.h). */
static const char *const hypercalls[RK_FIGURES_CALLS] = {
    NULL, "walltime", "puts", "poll", "block_write", "block_read", "net_write", "net_read", "halt",
};

int ctr_figures_make(int dir, struct rk_err *err)
{
    rk_autoclose int fd =
        openat(dir, CTR_FIGURES_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return rk_fail_errno(err, "make the file of figures");
    errno = posix_fallocate(fd, 0, RK_FIGURES_SIZE);
    if (errno)
        return rk_fail_errno(err, "take %d bytes for the file of figures", RK_FIGURES_SIZE);
    return rk_take_fd(&fd);
}

const struct ctr_wire *ctr_figures_wire(const struct ctr_record *record, size_t device)
{
    size_t n = 0;
    if (record->devices[device].type != RK_SOLO5_NET)
        return NULL;
    for (size_t i = 0; i < device; i++)
        n += record->devices[i].type == RK_SOLO5_NET;
    return n < record->wire_count ? &record->wires[n] : NULL;
}

/* The counters of one interface in /proc/PID/net/dev; false when it is not there. Its columns:
 * proc_net_dev(5). */
static bool read_counters(const char *table, const char *name, int64_t c[4])
{
    long long b, p, b2, p2;
    size_t len = strlen(name);
    for (const char *line = table; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        line += strspn(line, " ");
        if (strncmp(line, name, len) != 0 || line[len] != ':')
            continue;
        if (sscanf(line + len + 1, "%lld %lld %*d %*d %*d %*d %*d %*d %lld %lld", &b, &p, &b2, &p2) != 4)
            return false;
        c[0] = b;
        c[1] = p;
        c[2] = b2;
        c[3] = p2;
        return true;
    }
    return false;
}

/* What a tap receives is what the guest sent. */
json_t *ctr_figures_network(const struct ctr_record *record)
{
    char path[64];
    rk_autofree char *table = NULL;
    json_t *all = json_object();
    snprintf(path, sizeof path, "/proc/%d/net/dev", (int)record->process.pid);
    if (rk_read_file_at(AT_FDCWD, path, 1 << 20, &table, NULL) < 0)
        return all;
    for (size_t i = 0; i < record->device_count; i++) {
        const struct ctr_wire *w = ctr_figures_wire(record, i);
        int64_t c[4];
        if (w && read_counters(table, w->wire.tap, c))
            json_object_set_new(all, record->devices[i].name,
                                json_pack("{s:I,s:I,s:I,s:I}", "rx_bytes", (json_int_t)c[2], "rx_frames",
                                          (json_int_t)c[3], "tx_bytes", (json_int_t)c[0], "tx_frames",
                                          (json_int_t)c[1]));
    }
    return all;
}

/* A copy of the monitor's figures; false when there are none. */
static bool load(struct rk_figures *ret_figures, const struct ctr_record *record, int dir)
{
    struct rk_err err;
    rk_autoclose int fd = openat(dir, CTR_FIGURES_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return false;
    int r = fd < 0 ? rk_fail_errno(&err, "open the figures") : rk_figures_read(ret_figures, fd, &err);
    if (r < 0)
        rk_warn("container '%s': %s", record->id, err.text);
    return r > 0;
}

static json_t *block(const struct rk_figures *figures, const struct ctr_record *record)
{
    json_t *all = json_object();
    for (size_t i = 0; i < record->device_count && i + 1 < RK_FIGURES_DEVICES; i++) {
        /* Handle 0 is the manifest's reserved entry, which the record leaves out. */
        const struct rk_figures_block *b = &figures->blocks[i + 1];
        if (record->devices[i].type == RK_SOLO5_BLOCK)
            json_object_set_new(all, record->devices[i].name,
                                json_pack("{s:I,s:I,s:I,s:I}", "reads", (json_int_t)b->reads, "read_bytes",
                                          (json_int_t)b->read_bytes, "writes", (json_int_t)b->writes,
                                          "written_bytes", (json_int_t)b->written_bytes));
    }
    return all;
}

static json_t *exits(const struct rk_figures *figures)
{
    json_t *calls = json_object();
    for (size_t i = 0; i < RK_FIGURES_CALLS; i++)
        if (hypercalls[i])
            json_object_set_new(calls, hypercalls[i], json_integer((json_int_t)figures->calls[i]));
    return json_pack("{s:o,s:I,s:I}", "hypercalls", calls, "interrupted", (json_int_t)figures->interrupted,
                     "other", (json_int_t)figures->other);
}

/* NULL on kernels that do not count (CONFIG_TASK_IO_ACCOUNTING), and where one may not look. */
static json_t *io(const struct ctr_record *record)
{
    char path[64];
    rk_autofree char *text = NULL;
    long long rchar, wchar, syscr, syscw, read_bytes, write_bytes;
    snprintf(path, sizeof path, "/proc/%d/io", (int)record->process.pid);
    if (rk_read_file_at(AT_FDCWD, path, 4096, &text, NULL) < 0 ||
        sscanf(text, "rchar: %lld wchar: %lld syscr: %lld syscw: %lld read_bytes: %lld write_bytes: %lld",
               &rchar, &wchar, &syscr, &syscw, &read_bytes, &write_bytes) != 6)
        return NULL;
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "reads", (json_int_t)syscr, "read_bytes", (json_int_t)rchar,
                     "writes", (json_int_t)syscw, "written_bytes", (json_int_t)wchar, "storage_read_bytes",
                     (json_int_t)read_bytes, "storage_written_bytes", (json_int_t)write_bytes);
}

void ctr_figures_put(json_t *json, const struct ctr_record *record, int dir)
{
    struct rk_figures figures;
    json_object_set_new(json, "network", ctr_figures_network(record));
    if (load(&figures, record, dir)) {
        json_object_set_new(json, "block", block(&figures, record));
        json_object_set_new(json, "exits", exits(&figures));
    }
    json_t *counted = io(record);
    if (counted)
        json_object_set_new(json, "io", counted);
}
