/* Answers about a running guest, from its record, its cgroup and its namespace's counters. */
#include "lifecycle/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/json.h"
#include "lifecycle/figures.h"

/* Seconds since the container's process was made; 0 when that can't be told. */
static double age(const struct ctr_record *record)
{
    rk_autofree char *uptime = NULL;
    long ticks = sysconf(_SC_CLK_TCK);
    if (rk_read_file_at(AT_FDCWD, "/proc/uptime", 256, &uptime, NULL) < 0 || ticks <= 0)
        return 0;
    return strtod(uptime, NULL) - (double)record->process.start / (double)ticks;
}

static void print_addresses(FILE *out, const struct net_link *link)
{
    for (size_t i = 0; i < link->addr_count; i++)
        fprintf(out, "    address %s/%u\n", link->addrs[i].text, link->addrs[i].prefix);
    for (size_t i = 0; i < link->route_count; i++)
        if (link->routes[i].is_default && *link->routes[i].gateway)
            fprintf(out, "    gateway %s\n", link->routes[i].gateway);
}

static void print_device(FILE *out, const struct ctr_record *record, size_t i)
{
    const struct ctr_device *d = &record->devices[i];
    const struct ctr_wire *w = ctr_figures_wire(record, i);
    if (!w) {
        fprintf(out, "device %s: block\n", d->name);
        return;
    }
    const uint8_t *m = w->wire.mac;
    fprintf(out, "device %s: network, %s %s, mac %02x:%02x:%02x:%02x:%02x:%02x, mtu %u\n", d->name,
            w->wire.mode, *w->wire.link ? w->wire.link : "(wired to nothing)", m[0], m[1], m[2], m[3], m[4],
            m[5], w->wire.mtu);
    print_addresses(out, &w->link);
}

/* The pid of its relay: 0 when it does not run. */
static pid_t find_relay(const struct ctr_record *record)
{
    rk_autofree pid_t *pids = NULL;
    size_t count = 0;
    box_cgroup_processes(&pids, &count, &record->cgroup);
    for (size_t i = 0; i < count; i++) {
        char path[40], name[16] = "", state = 'Z';
        rk_autofree char *text = NULL;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pids[i]);
        if (rk_read_file_at(AT_FDCWD, path, 4096, &text, NULL) == 0 &&
            sscanf(text, "%*d (%15[^)]) %c", name, &state) == 2 && strcmp(name, "runuk-relay") == 0 &&
            state != 'Z')
            return pids[i];
    }
    return 0;
}

static void print_relay(FILE *out, const struct ctr_record *record)
{
    bool wanted = false;
    for (size_t i = 0; i < record->wire_count; i++)
        wanted = wanted || record->wires[i].wire.relayed;
    pid_t pid = wanted ? find_relay(record) : 0;
    if (pid)
        fprintf(out, "relay: process %d\n", (int)pid);
    else if (wanted)
        fprintf(out, "relay: has ended: no DNS and DHCP until the container is started again\n");
}

static int finish(FILE *out, char **ret_text, struct rk_err *err)
{
    return fclose(out) != 0 || !*ret_text ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

static int info(const struct ctr_record *record, int dir, char **ret_text, struct rk_err *err)
{
    (void)dir;
    size_t size;
    FILE *out = open_memstream(ret_text, &size);
    if (!out)
        return rk_fail_errno(err, "out of memory");
    bool tender = record->kind == BND_HVT || record->kind == BND_SPT;
    fprintf(out, "container: %s\nstatus: %s\nimage: %s%s%s\nfamily: %s\nmonitor: %s%s, process %d\n",
            record->id, ctr_status_name(ctr_record_status(record)), record->image,
            record->loader ? ", booted by " : "", record->loader ? record->loader : "", record->family,
            record->monitor,
            tender        ? ""
            : record->kvm ? " with KVM"
                          : ", emulated",
            (int)record->process.pid);
    fprintf(out, "memory: %" PRIu64 " MiB\nuptime: %.1f s\n", record->memory >> 20, age(record));
    for (size_t i = 0; i < record->device_count; i++)
        print_device(out, record, i);
    print_relay(out, record);
    return finish(out, ret_text, err);
}

static int net(const struct ctr_record *record, int dir, char **ret_text, struct rk_err *err)
{
    (void)dir;
    size_t size;
    rk_autojson json_t *counters = ctr_figures_network(record);
    FILE *out = open_memstream(ret_text, &size);
    if (!out)
        return rk_fail_errno(err, "out of memory");
    for (size_t i = 0; i < record->device_count; i++) {
        if (record->devices[i].type != RK_SOLO5_NET)
            continue;
        print_device(out, record, i);
        json_t *c = json_object_get(counters, record->devices[i].name);
        if (c)
            fprintf(out, "    received %lld frames, %lld bytes; sent %lld frames, %lld bytes\n",
                    (long long)json_integer_value(json_object_get(c, "rx_frames")),
                    (long long)json_integer_value(json_object_get(c, "rx_bytes")),
                    (long long)json_integer_value(json_object_get(c, "tx_frames")),
                    (long long)json_integer_value(json_object_get(c, "tx_bytes")));
    }
    return finish(out, ret_text, err);
}

static int stats(const struct ctr_record *record, int dir, char **ret_text, struct rk_err *err)
{
    struct box_cgroup_stats s;
    box_cgroup_stats(&s, &record->cgroup);
    rk_autojson json_t *json =
        json_pack("{s:s,s:f,s:{s:I,s:I,s:I,s:I},s:{s:I},s:I}", "id", record->id, "uptime", age(record),
                  "memory", "usage", (json_int_t)s.memory_usage, "limit", (json_int_t)s.memory_limit, "guest",
                  (json_int_t)record->memory, "oom_kills", (json_int_t)s.oom_kills, "cpu", "usage",
                  (json_int_t)s.cpu_ns, "pids", (json_int_t)s.pids);
    if (json)
        ctr_figures_put(json, record, dir);
    *ret_text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (!*ret_text)
        return rk_fail(err, -ENOMEM, "out of memory");
    char *line = NULL;
    if (asprintf(&line, "%s\n", *ret_text) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    free(*ret_text);
    *ret_text = line;
    return 0;
}

/* For a HEALTHCHECK: the monitor runs and is not frozen. What the guest makes of it only the guest can say.
 */
static int alive(const struct ctr_record *record, int dir, char **ret_text, struct rk_err *err)
{
    (void)dir;
    enum ctr_status status = ctr_record_status(record);
    if (asprintf(ret_text, "%s\n", ctr_status_name(status)) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return status == CTR_RUNNING ? 0 : 1;
}

const struct ctr_inspection ctr_inspections[] = {
    {":info", "image, monitor, memory, devices and addresses", info},
    {":net", "network devices with their counters", net},
    {":stats", "what it uses, as JSON", stats},
    {":alive", "ends with 0 while the guest runs", alive},
    {":console", "what the guest prints from now on", NULL},
    {NULL, NULL, NULL},
};
