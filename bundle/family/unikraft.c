/* Unikraft: a library operating system whose guests take "NAME=VALUE" parameters, "--", then their arguments.
 *
 * Sources: Unikraft 0.16.3 and 0.17.0: lib/ukargparse (how words are split), lib/uklibparam (parameters),
 * lib/ukboot, lib/uknetdev (netdev.ip), lib/posix-environ (env.vars), lib/vfscore (vfs.fstab),
 * drivers/virtio/mmio (virtio_mmio.device). A guest without the parameter that it is given says so and goes
 * on, and one that is given more of a list than it has room for drops the rest without a word: both are read
 * from the image beforehand, where each library has its parameters in a section of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME             "unikraft"
#define BOOTINFO_MAGIC   0xb007b0b0u
#define PARAM_SIZE       56 /* struct uk_libparam_param: prefix, name, description, type, count, address, data */
#define PARAM_COUNT      32 /* its member `count` */
#define PARAMS_MAX       64 /* of one library */
#define WORDS_MAX        60 /* CONFIG_LIBUKBOOT_MAXNBARGS as it comes: what is more is dropped */
#define SCAN_MAX         (1u << 20)
#define MMIO_FIRST       0xfeb00e00u /* QEMU's microvm: the slot of the first device, and those below */
#define MMIO_IRQ_FIRST   12
#define MMIO_SLOTS       8
#define MMIO_SIZE        512
#define MS_RDONLY_NUMBER 1

/* --- recognising ------------------------------------------------------------------------------------------
 */

static uint64_t get_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The place in the file of guest address `address`, of which `size` bytes are in it; NULL: nowhere. The code
 * is 64-bit in an ELF32 container too, and so are its pointers. */
static const uint8_t *at_address(const struct bnd_elf *elf, uint64_t address, uint64_t size)
{
    struct bnd_segment s;
    for (size_t i = 0; bnd_elf_segment(elf, i, &s); i++) {
        if (s.type != 1 || address < s.vaddr || address - s.vaddr >= s.filesz ||
            size > s.filesz - (address - s.vaddr))
            continue;
        uint64_t offset = s.offset + (address - s.vaddr);
        if (offset >= s.offset && offset < elf->size && size <= elf->size - offset)
            return elf->data + offset;
    }
    return NULL;
}

/* Whether the text at guest address `address` is `text`. */
static bool is_text(const struct bnd_elf *elf, uint64_t address, const char *text)
{
    size_t len = strlen(text) + 1;
    const uint8_t *p = at_address(elf, address, len);
    return p && memcmp(p, text, len) == 0;
}

/* How often parameter `prefix`.`name` can be given, by the table of pointers in the section; 0: it is not in
 * there, or can't be found. */
static uint64_t param_times(const struct bnd_elf *elf, const struct bnd_span *section, const char *prefix,
                            const char *name)
{
    for (uint64_t i = 0; i < section->size / 8 && i < PARAMS_MAX; i++) {
        const uint8_t *param = at_address(elf, get_u64(elf->data + section->offset + i * 8), PARAM_SIZE);
        if (param && is_text(elf, get_u64(param), prefix) && is_text(elf, get_u64(param + 8), name))
            return get_u64(param + PARAM_COUNT);
    }
    return 0;
}

/* The parameters that we know how to use, and how often each can be given where the image does not tell (as
 * the libraries are configured when nobody changes it). */
static const struct {
    const char *section, *prefix, *name;
    unsigned times;
} params[] = {
    {".uk_libparam_params_libuknetdev", "netdev", "ip", 4},
    {".uk_libparam_params_libposix_environ", "env", "vars", 8},
    {".uk_libparam_params_libvfscore", "vfs", "fstab", 16},
    {".uk_libparam_params_libvirtio_mmio", "virtio_mmio", "device", 4},
};

static void find_params(const struct bnd_elf *elf, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    struct bnd_span span;
    if (!bnd_elf_section(elf, ".uk_libparam_params*", NULL))
        return;
    rk_argv_add(ret_keys, "--"); /* without memory, the guest says what it misses */
    for (size_t i = 0; i < RK_COUNT(params); i++) {
        if (!bnd_elf_section(elf, params[i].section, &span))
            continue;
        uint64_t times = param_times(elf, &span, params[i].prefix, params[i].name);
        rk_argv_addf(ret_keys, "%s.%s:%u", params[i].prefix, params[i].name,
                     times > 0 && times < 4096 ? (unsigned)times : params[i].times);
        bnd_boot_note(boot, span.offset, "section %s: parameter %s.%s", params[i].section, params[i].prefix,
                      params[i].name);
    }
}

/* The boot information's magic in the last writable segment: what is left of a stripped section table. */
static bool find_bootinfo(const struct bnd_elf *elf, uint64_t *ret_offset)
{
    struct bnd_segment s, last = {.filesz = 0};
    for (size_t i = 0; bnd_elf_segment(elf, i, &s); i++)
        if (s.type == 1 && (s.flags & 2) && s.filesz > 0)
            last = s;
    if (last.filesz == 0 || last.offset >= elf->size)
        return false;
    uint64_t end = last.filesz < elf->size - last.offset ? last.filesz : elf->size - last.offset;
    for (uint64_t at = 0; at + 8 <= end && at < SCAN_MAX; at += 8) {
        uint32_t v;
        memcpy(&v, elf->data + last.offset + at, sizeof v);
        if (v == BOOTINFO_MAGIC) {
            *ret_offset = last.offset + at;
            return true;
        }
    }
    return false;
}

/* Its libraries are listed by their names. */
static bool has_library(const struct bnd_bytes *image, const char *name)
{
    struct bnd_span span;
    return bnd_elf_section(image->elf, ".uk_libinfo", &span) &&
           memmem(image->data + span.offset, span.size, name, strlen(name) + 1);
}

/* Its network library does, when it has one and no parameter for the address. */
static bool asks_dhcp(const struct bnd_bytes *image)
{
    struct bnd_span libraries;
    if (bnd_elf_section(image->elf, params[0].section, NULL))
        return false;
    return !bnd_elf_section(image->elf, ".uk_libinfo", &libraries) ||
           memmem(image->data + libraries.offset, libraries.size, "liblwip", 7);
}

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    static const char *const names[] = {".uk_bootinfo", ".uk_libinfo"};
    const struct bnd_elf *elf = image->elf;
    struct bnd_span span;
    uint64_t offset = 0;
    bool found = false;
    if (!elf || (elf->machine != 62 && elf->machine != 3))
        return false;
    for (size_t i = 0; i < RK_COUNT(names); i++) {
        if (bnd_elf_section(elf, names[i], &span)) {
            bnd_boot_note(boot, span.offset, "section %s", names[i]);
            found = true;
        }
    }
    /* Without sections the text is looked at, but never of a file that an ordinary program could be. */
    if (!found && (boot->kinds & BND_KIND_BIT(BND_MULTIBOOT)) && elf->shnum == 0 &&
        find_bootinfo(elf, &offset)) {
        bnd_boot_note(boot, offset, "Unikraft's boot information");
        found = true;
    }
    if (!found)
        return false;
    find_params(elf, boot, ret_keys);
    if (has_library(image, "lib9pfs"))
        rk_argv_add(ret_keys, "9pfs");
    /* An image that can unpack an archive may have its root file system inside. */
    if (has_library(image, "libramfs") && !has_library(image, "libukcpio"))
        rk_argv_add(ret_keys, "ramfs");
    if (asks_dhcp(image))
        rk_argv_add(ret_keys, "dhcp");
    /* The Firecracker platform's images bear no header at all: they are entered as a 64-bit Linux kernel is.
     */
    if (elf->is64 && elf->machine == 62 && boot->kinds == 0)
        boot->kinds |= BND_KIND_BIT(BND_LINUX64);
    return true;
}

/* --- telling
 * ------------------------------------------------------------------------------------------------ */

static int no_memory(struct rk_err *err)
{
    return rk_fail(err, -ENOMEM, "out of memory");
}

/* `prefix` and `text` as one word: what is special stands in single quotes, single quotes in double ones, so
 * that no escape character is needed, which older guests don't know. */
static int add_word(struct rk_argv *ret, const char *prefix, const char *text, struct rk_err *err)
{
    char *out = NULL;
    size_t size;
    if (!strpbrk(text, " \t\r\n\v'\"\\"))
        return rk_argv_addf(ret, "%s%s", prefix, text) < 0 ? no_memory(err) : 0;
    FILE *f = open_memstream(&out, &size);
    if (!f)
        return no_memory(err);
    fputs(prefix, f);
    while (*text) {
        bool single = *text == '\'';
        size_t len = single ? strspn(text, "'") : strcspn(text, "'");
        fprintf(f, single ? "\"%.*s\"" : "'%.*s'", (int)len, text);
        text += len;
    }
    int r = fclose(f) != 0 || rk_argv_add(ret, out) < 0 ? no_memory(err) : 0;
    free(out);
    return r;
}

/* A parameter's value may stand alone if it does not begin a list. */
static int add_param(struct rk_argv *ret, const char *name, const char *value, struct rk_err *err)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s=", name);
    return add_word(ret, prefix, value, err);
}

static int add_env(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    size_t times = 8;
    rk_autoargv struct rk_argv env = {0};
    if (!bnd_words_key(guest, "env.vars", &times)) {
        bnd_words_no_env(guest, NAME);
        return 0;
    }
    int r = bnd_words_env(&env, guest, NAME, times, err);
    for (size_t i = 0; i < env.n && r == 0; i++) {
        if (env.v[i][0] == '[')
            r = bnd_words_refuse(err, NAME, BND_WORDS_VARIABLE, env.v[i], "its name begins with a bracket");
        else
            r = add_param(ret, "env.vars", env.v[i], err);
    }
    return r;
}

/* "CIDR:GATEWAY:DNS0:DNS1:HOSTNAME:DOMAIN" of one device; empty when it has no address, and DHCP decides. */
static void net_value(char out[512], const struct bnd_guest *guest, const struct bnd_guest_net *net,
                      bool first)
{
    const char *dns1 = "", *domain = "";
    out[0] = '\0';
    if (!*net->ipv4)
        return;
    for (size_t i = 0; guest->dns_more && i < guest->dns_more->n && !*dns1; i++)
        if (!strchr(guest->dns_more->v[i], ':'))
            dns1 = guest->dns_more->v[i];
    if (guest->search && guest->search->n > 0 && bnd_words_is_hostname(guest->search->v[0]) &&
        strlen(guest->search->v[0]) < 200)
        domain = guest->search->v[0];
    bool named = bnd_words_is_hostname(guest->hostname) && strlen(guest->hostname) < 200;
    const char *dns = guest->dns && !strchr(guest->dns, ':') ? guest->dns : "";
    int n = snprintf(out, 512, "%s/%u:%s:%s:%s:%s:%s", net->ipv4, net->ipv4_prefix, net->ipv4_gateway,
                     first ? dns : "", first ? dns1 : "", named ? guest->hostname : "", domain);
    while (n > 0 && out[n - 1] == ':')
        out[--n] = '\0';
}

static int add_nets(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    size_t times = 4;
    const struct bnd_guest_net *net;
    char value[512];
    int r = 0;
    bnd_words_no_ipv6(guest, NAME);
    bnd_words_no_routes(guest, NAME);
    if (!bnd_words_key(guest, "netdev.ip", &times))
        return 0; /* DHCP */
    for (size_t i = 0; (net = bnd_words_net(guest, i)) && r == 0; i++) {
        net_value(value, guest, net, i == 0);
        if (i < times)
            r = add_param(ret, "netdev.ip", value, err);
        else if (*value)
            bnd_words_warn(guest,
                           "a guest of family %s can be told %zu addresses, as it is configured: %s is not "
                           "passed on",
                           NAME, times, net->ipv4);
    }
    return r;
}

static int add_mount(struct rk_argv *ret, const struct bnd_guest_mount *m, struct rk_err *err)
{
    rk_autofree char *value = NULL;
    static const char *const drivers[] = {[BND_MOUNT_9P] = "9pfs", [BND_MOUNT_INITRD] = "extract"};
    if (strchr(m->destination, ':') || m->destination[0] != '/')
        return bnd_words_refuse(err, NAME, "mount", m->destination, "a colon ends a path there");
    bool is_root = strcmp(m->destination, "/") == 0;
    bool is_9p = m->kind == BND_MOUNT_9P;
    /* An archive is taken out to where something is mounted: a file system in memory, unless the image has
     * one there. */
    if (asprintf(&value, "%s:%s:%s:%s:%s:%s", is_9p ? m->tag : "initrd0", m->destination, drivers[m->kind],
                 is_9p && m->readonly ? "1" : "", is_9p ? "" : "ramfs=2", is_root ? "" : "mkmp") < 0) {
        value = NULL;
        return no_memory(err);
    }
    return add_param(ret, "vfs.fstab", value, err);
}

/* Directories can be mounted in a root file system only, which a guest that is told of mounts makes no more
 * by itself: an empty one in memory, where there is nothing else. */
static int add_empty_root(struct rk_argv *ret, const struct bnd_guest *guest, size_t *told,
                          struct rk_err *err)
{
    bool needed = false;
    for (size_t i = 0; i < guest->mount_count; i++)
        needed = needed || guest->mounts[i].kind == BND_MOUNT_9P;
    if (!needed || bnd_words_root(guest) || !bnd_words_key(guest, "ramfs", NULL))
        return 0;
    ++*told;
    return add_param(ret, "vfs.fstab", "none:/:ramfs", err);
}

static int add_mounts(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    size_t times = 16, told = 0;
    if (!bnd_words_key(guest, "vfs.fstab", &times)) {
        bnd_words_no_mounts(guest, NAME);
        return 0;
    }
    int r = add_empty_root(ret, guest, &told, err);
    for (size_t i = 0; i < guest->mount_count && r == 0; i++) {
        if (guest->mounts[i].kind == BND_MOUNT_DISK)
            bnd_words_warn(guest, "a guest of family %s mounts no disks: '%s' is not mounted", NAME,
                           guest->mounts[i].destination);
        else if (told++ == times)
            r = rk_fail(err, -E2BIG,
                        "this guest of family %s mounts at most %zu file systems, as it is configured", NAME,
                        times);
        else
            r = add_mount(ret, &guest->mounts[i], err);
    }
    return r;
}

/* Where the virtio devices of a machine without PCI and ACPI are. */
static int add_devices(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    if (guest->kind != BND_LINUX64 || !bnd_words_key(guest, "virtio_mmio.device", NULL))
        return 0;
    size_t times = MMIO_SLOTS;
    bnd_words_key(guest, "virtio_mmio.device", &times);
    if (guest->virtio_count > times || guest->virtio_count > MMIO_SLOTS)
        return rk_fail(err, -E2BIG, "this guest of family %s has %zu virtio devices, and finds at most %zu",
                       NAME, guest->virtio_count, times < MMIO_SLOTS ? times : MMIO_SLOTS);
    for (unsigned i = 0; i < guest->virtio_count; i++)
        if (rk_argv_addf(ret, "virtio_mmio.device=%d@0x%x:%u", MMIO_SIZE, MMIO_FIRST - MMIO_SIZE * i,
                         MMIO_IRQ_FIRST - i) < 0)
            return no_memory(err);
    return 0;
}

/* All that stands in front of the arguments. */
static int add_params(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    size_t first = ret->n;
    if (!bnd_words_key(guest, "--", NULL)) { /* no library of it has parameters */
        bnd_words_no_env(guest, NAME);
        bnd_words_no_mounts(guest, NAME);
        return 0;
    }
    int r = add_devices(ret, guest, err);
    if (r == 0)
        r = add_nets(ret, guest, err);
    if (r == 0)
        r = add_env(ret, guest, err);
    if (r == 0)
        r = add_mounts(ret, guest, err);
    if (r < 0)
        return r;
    /* A "--" that comes first is an argument to it; a word that names no parameter is skipped. */
    if (ret->n == first && rk_argv_add(ret, "-") < 0)
        return no_memory(err);
    return rk_argv_add(ret, "--") < 0 ? no_memory(err) : 0;
}

static int add_args(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    int r = bnd_words_add_verbatim(ret, guest, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = bnd_words_args(&args, guest, err);
    for (size_t i = 0; i < args.n && r == 0; i++) {
        if (args.v[i][0] == '\0')
            r = bnd_words_refuse(err, NAME, "argument", "", "it can't be told an empty one");
        else
            r = add_word(ret, "", args.v[i], err);
    }
    return r;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    size_t first = ret_args->n;
    int r = 0;
    bnd_words_no_cwd(guest, NAME);
    /* With multiboot, QEMU puts its name of the kernel in front. */
    if (r == 0 && guest->kind != BND_MULTIBOOT)
        r = add_word(ret_args, "", guest->program && *guest->program ? guest->program : NAME, err);
    if (r == 0)
        r = add_params(ret_args, guest, err);
    if (r == 0)
        r = add_args(ret_args, guest, err);
    size_t words = ret_args->n - first + (guest->kind == BND_MULTIBOOT);
    if (r == 0 && words > WORDS_MAX)
        return rk_fail(err, -E2BIG,
                       "arguments, environment and network are %zu words for a guest of family %s, and it "
                       "reads at most %d",
                       words, NAME, WORDS_MAX);
    return r;
}

/* --- machines
 * ----------------------------------------------------------------------------------------------- */

/* It powers off by ACPI whatever its application returned. */
static const struct bnd_machine on_pc = {
    .type = "pc",
    .bus = BND_BUS_PCI, /* its drivers know legacy and transitional devices only */
    .end = BND_END_POWEROFF,
    .memory_min = 8,
    .cmdline_max = 4095,
    .path_in_front = true,
};

/* The Firecracker platform: no PCI, devices by the command line. It powers off by writing 0x2000 to the port
 * at which other machines have their ACPI control register: a debug-exit device there ends QEMU, with what
 * reads as 0. */
static const struct bnd_machine on_microvm = {
    .type = "microvm,acpi=off,rtc=on,auto-kernel-cmdline=off",
    .bus = BND_BUS_MMIO,
    .end = BND_END_DEBUG,
    .debug_exit = 0x604,
    .memory_min = 8,
    .cmdline_max = 4095,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    if (kind == BND_MULTIBOOT)
        return &on_pc;
    return kind == BND_LINUX64 ? &on_microvm : NULL;
}

const struct bnd_family bnd_family_unikraft = {
    .name = NAME,
    .share_tag = "fs",
    .share_key = "9pfs",
    .recognise = recognise,
    .machine = machine,
    .cmdline = cmdline,
};
