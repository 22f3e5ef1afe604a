/* The qemu monitor: what of QEMU a guest of a family gets, as a command line. Every device is there because
 * the guest has it; everything from the host comes by descriptor or lies read-only in the monitor's root.
 * Nothing that an image or a user has written is ever part of an option: it is a word of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hypervisor/monitor.h"
#include "hypervisor/qemu_files.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/told.h"

#define MIB (UINT64_C(1) << 20)

/* Translated code of an emulated guest: QEMU would take a share of the host's memory. */
#define TRANSLATION_MIB 32

static int probe(const struct hv_host *host, char reason[HV_REASON])
{
    rk_autofree char *supervisor = NULL;
    struct rk_err err;
    if (asprintf(&supervisor, "%s/runuk-qemu", host->monitor_dir) < 0)
        return -ENOMEM;
    /* Words of our own: engines take "no such file" for a bad command line of the user's. */
    if (access(supervisor, X_OK) < 0) {
        snprintf(reason, HV_REASON, "there is no monitor '%.400s'", supervisor);
        return -ENODEV;
    }
    if (access(host->qemu, X_OK) < 0) {
        snprintf(reason, HV_REASON,
                 "there is no '%.200s': install qemu-system-x86, or set \"qemu\" in the settings",
                 host->qemu);
        return -ENODEV;
    }
    if (hv_qemu_accel(host, reason, &err) < 0) {
        snprintf(reason, HV_REASON, "%.500s", err.text);
        return -ENODEV;
    }
    return 0;
}

int hv_qemu_accel(const struct hv_host *host, char reason[HV_REASON], struct rk_err *err)
{
    snprintf(reason, HV_REASON, "the settings say \"accel\": \"tcg\"");
    if (strcmp(host->accel, "tcg") == 0)
        return 0;
    if (hv_kvm_probe(host, "runuk-hvt", reason) == 0)
        return 1;
    if (strcmp(host->accel, "kvm") == 0)
        return rk_fail(err, -ENOTSUP, "the settings say \"accel\": \"kvm\", and KVM cannot be used (%s)",
                       reason);
    return 0;
}

/* runuk-qemu and what it has to know of the guest. */
static int add_supervisor(struct rk_argv *argv, const struct hv_launch *launch,
                          const struct bnd_machine *machine)
{
    int r = rk_argv_add(argv, "runuk-qemu");
    if (r == 0 && launch->gate_fd >= 0)
        r = rk_argv_addf(argv, "--gate=%d", launch->gate_fd);
    if (r == 0 && machine->button)
        r = rk_argv_add(argv, "--button");
    if (r == 0 && launch->told)
        r = rk_argv_add(argv, "--input");
    if (r == 0 && machine->reset_ends)
        r = rk_argv_add(argv, "--reset-ends");
    if (r == 0 && machine->debug_exit && machine->end == BND_END_DEBUG)
        r = rk_argv_addf(argv, "--debug-exit=%d", machine->debug_success);
    for (size_t i = 0; r == 0 && machine->exit_lines && machine->exit_lines[i]; i++)
        r = rk_argv_addf(argv, "--exit-line=%s", machine->exit_lines[i]);
    for (size_t i = 0; r == 0 && machine->failed_lines && machine->failed_lines[i]; i++)
        r = rk_argv_addf(argv, "--failed-line=%s", machine->failed_lines[i]);
    if (r == 0 && machine->halted_line)
        r = rk_argv_addf(argv, "--halted-line=%s", machine->halted_line);
    if (r == 0)
        r = rk_argv_add(argv, "--");
    return r < 0 ? r : rk_argv_add(argv, launch->qemu);
}

static int add_all(struct rk_argv *argv, const char *const *words)
{
    int r = 0;
    for (; *words && r == 0; words++)
        r = rk_argv_add(argv, *words);
    return r;
}

static int add_pair(struct rk_argv *argv, const char *flag, const char *value)
{
    const char *const words[] = {flag, value, NULL};
    return add_all(argv, words);
}

/* The machine, bare of everything that a guest does not need. */
static int add_machine(struct rk_argv *argv, const struct hv_launch *launch,
                       const struct bnd_machine *machine)
{
    const char *const bare[] = {
        "-nodefaults", "-no-user-config",
        "-no-reboot",  "-S",
        "-display",    "none",
        "-vga",        "none",
        "-L",          HV_FIRMWARE_PATH,
        "-sandbox",    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-smp",        "1",
        "-serial",     "chardev:console",
        NULL};
    char text[64];
    int r = add_all(argv, bare);
    snprintf(text, sizeof text, "stdio,id=console,mux=off,signal=%s", machine->keys ? "off" : "on");
    if (r == 0)
        r = add_pair(argv, "-chardev", text);
    if (r == 0)
        r = add_pair(argv, "-machine", machine->type);
    /* Which firmware microvm has by itself depends on who built QEMU. SeaBIOS keeps tables at the end of
     * memory, where QEMU loads RAM disks. */
    if (r == 0 && machine->bus == BND_BUS_MMIO)
        r = add_pair(argv, "-bios", "qboot.rom");
    snprintf(text, sizeof text, "tcg,tb-size=%d", TRANSLATION_MIB);
    if (r == 0)
        r = add_pair(argv, "-accel", launch->kvm ? "kvm" : text);
    if (r == 0)
        r = add_pair(argv, "-cpu", launch->kvm ? "host" : "max");
    snprintf(text, sizeof text, "%lluM", (unsigned long long)(launch->memory / MIB));
    if (r == 0)
        r = add_pair(argv, "-m", text);
    snprintf(text, sizeof text, "isa-debug-exit,iobase=0x%x,iosize=2", machine->debug_exit);
    if (r == 0 && machine->debug_exit)
        r = add_pair(argv, "-device", text);
    return r;
}

/* The name of a virtio device on this machine's bus: "virtio-net-pci,disable-legacy=on". */
static const char *on_bus(char out[64], const char *device, enum bnd_bus bus)
{
    snprintf(out, 64, "virtio-%s-%s", device,
             bus == BND_BUS_MMIO         ? "device"
             : bus == BND_BUS_PCI_MODERN ? "pci,disable-legacy=on"
                                         : "pci");
    return out;
}

static int add_nets(struct rk_argv *argv, const struct hv_launch *launch, enum bnd_bus bus)
{
    char device[64];
    int r = 0;
    on_bus(device, "net", bus);
    for (size_t i = 0; i < launch->net_count && r == 0; i++) {
        const struct hv_net *n = &launch->nets[i];
        const uint8_t *m = n->mac;
        r = rk_argv_add(argv, "-netdev");
        if (r == 0)
            r = rk_argv_addf(argv, "tap,id=net%zu,fd=%d", i, n->fd);
        if (r == 0)
            r = rk_argv_add(argv, "-device");
        if (r == 0)
            r = rk_argv_addf(argv, "%s,netdev=net%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x,host_mtu=%u%s", device,
                             i, m[0], m[1], m[2], m[3], m[4], m[5], n->mtu,
                             bus == BND_BUS_MMIO ? "" : ",romfile=");
    }
    return r;
}

static int add_disk(struct rk_argv *argv, const struct hv_disk *disk, size_t i, enum bnd_bus bus)
{
    char device[64];
    on_bus(device, "blk", bus);
    int r = rk_argv_add(argv, "-add-fd");
    if (r == 0)
        r = rk_argv_addf(argv, "fd=%d,set=%zu", disk->fd, i + 1);
    if (r == 0)
        r = rk_argv_add(argv, "-blockdev");
    if (r == 0)
        r = rk_argv_addf(
            argv,
            "driver=raw,node-name=disk%zu,read-only=%s,file.driver=%s,file.filename=/dev/fdset/%zu,"
            "file.locking=off",
            i, disk->readonly ? "on" : "off", disk->host_device ? "host_device" : "file", i + 1);
    if (r == 0)
        r = rk_argv_add(argv, "-device");
    return r < 0 ? r : rk_argv_addf(argv, "%s,drive=disk%zu,serial=%zu", device, i, i);
}

/* Rights are those of the user that QEMU is. What lies on several file systems has inode numbers twice. */
static int add_share(struct rk_argv *argv, const struct hv_share *share, size_t i, enum bnd_bus bus)
{
    char device[64];
    on_bus(device, "9p", bus);
    int r = rk_argv_add(argv, "-fsdev");
    if (r == 0)
        r = rk_argv_addf(argv,
                         "local,id=share%zu,path=" HV_SHARE_PATH "%zu,security_model=none,multidevs=remap%s",
                         i, i, share->readonly ? ",readonly=on" : "");
    if (r == 0)
        r = rk_argv_add(argv, "-device");
    return r < 0 ? r : rk_argv_addf(argv, "%s,fsdev=share%zu,mount_tag=%s", device, i, share->tag);
}

/* What is booted, and what it is told. */
static int add_image(struct rk_argv *argv, const struct hv_launch *launch)
{
    rk_autofree char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);
    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < launch->args->n; i++)
        fprintf(out, "%s%s", i ? " " : "", launch->args->v[i]);
    if (fclose(out) != 0)
        return -ENOMEM;
    if (launch->kind == BND_DISK)
        return 0;
    int r = add_pair(argv, "-kernel", launch->kind == BND_LINUX64 ? HV_LOADER_PATH : launch->image);
    /* What the loader boots is a ram disk to QEMU, with the guest's own in it. */
    if (r == 0 && launch->kind == BND_LINUX64)
        r = add_pair(argv, "-initrd", launch->initrd ? HV_INITRD_PATH : launch->image);
    else if (r == 0 && launch->initrd)
        r = add_pair(argv, "-initrd", HV_INITRD_PATH);
    return r < 0 || !*line ? r : add_pair(argv, "-append", line);
}

/* What an init of ours reads: digits, files of names of ours, and a port that the supervisor has the other
 * end of. */
static int add_told(struct rk_argv *argv, const struct hv_launch *launch)
{
    int r = add_pair(argv, "-device", "isa-serial,index=1,chardev=input");
    if (r == 0)
        r = rk_argv_add(argv, "-fw_cfg");
    if (r == 0)
        r = rk_argv_addf(argv, "name=" RK_TOLD_NAME ",string=%s", launch->told);
    for (size_t i = 0; i < launch->file_count && r == 0; i++) {
        r = rk_argv_add(argv, "-fw_cfg");
        if (r == 0)
            r = rk_argv_addf(argv, "name=" RK_TOLD_FILES "%zu,file=" HV_FILE_PATH "%zu", i, i);
    }
    return r;
}

/* The family's machine, or one of the type that was asked for, with what the family says of its guests. */
static struct bnd_machine choose_machine(const struct hv_launch *launch)
{
    struct bnd_machine machine =
        launch->told ? *launch->family->init_machine(launch->kind) : *launch->family->machine(launch->kind);
    const char *wanted = launch->machine;
    if (!wanted || strncmp(machine.type, wanted, strlen(wanted)) == 0)
        return machine;
    bool micro = strcmp(wanted, "microvm") == 0;
    machine.type = micro ? "microvm,acpi=on,rtc=on,auto-kernel-cmdline=off" : wanted;
    if (micro || machine.bus == BND_BUS_MMIO)
        machine.bus = micro ? BND_BUS_MMIO : BND_BUS_PCI;
    return machine;
}

static int prepare(const struct hv_launch *launch, struct rk_argv *ret_argv)
{
    const struct bnd_machine chosen = choose_machine(launch), *machine = &chosen;
    int r = add_supervisor(ret_argv, launch, machine);
    if (r == 0)
        r = add_machine(ret_argv, launch, machine);
    if (r == 0)
        r = add_nets(ret_argv, launch, machine->bus);
    const struct hv_disk boot = {
        .device = "boot", .fd = launch->image_fd, .readonly = launch->image_readonly};
    size_t disks = 0;
    if (r == 0 && launch->kind == BND_DISK)
        r = add_disk(ret_argv, &boot, disks++, machine->bus);
    for (size_t i = 0; i < launch->disk_count && r == 0; i++)
        r = add_disk(ret_argv, &launch->disks[i], disks++, machine->bus);
    for (size_t i = 0; i < launch->share_count && r == 0; i++)
        r = add_share(ret_argv, &launch->shares[i], i, machine->bus);
    if (r == 0 && launch->told)
        r = add_told(ret_argv, launch);
    return r < 0 ? r : add_image(ret_argv, launch);
}

const struct hv_monitor hv_monitor_qemu = {
    .name = "qemu",
    .binary = "runuk-qemu",
    .kinds = BND_KIND_BIT(BND_MULTIBOOT) | BND_KIND_BIT(BND_PVH) | BND_KIND_BIT(BND_LINUX) |
             BND_KIND_BIT(BND_LINUX64) | BND_KIND_BIT(BND_DISK),
    .takes = 1u << CFG_MACHINE | 1u << CFG_INITRD | 1u << CFG_DISK | 1u << CFG_ROOTFS,
    .score = 1,
    .by_name = true,
    .headroom = (24 + TRANSLATION_MIB) * MIB,
    .headroom_shift = 8,
    .memory_max = 2048 * 1024 * MIB,
    .memory_unit = MIB,
    .probe = probe,
    .prepare = prepare,
    .files = hv_qemu_files,
};
