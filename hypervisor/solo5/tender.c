/* The command line of a Solo5 tender: options, usage, messages. */
#include "hypervisor/solo5/tender.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MEM (512 * TDR_MIB)
#define MAX_MEM_MIB (UINT64_C(1) << 26) /* 64 TiB: the sum in bytes cannot overflow */

#define FOR_HVT (1U << RK_SOLO5_HVT)
#define FOR_SPT (1U << RK_SOLO5_SPT)

/* An option is "key" alone, "key=value", or "key:NAME=value" where NAME is a device of type `device`. */
struct option {
    const char *key;
    unsigned targets;
    enum rk_solo5_device device; /* 0: not about a device */
    bool has_value;
    int (*apply)(struct tender *tender, struct tdr_device *device, const char *value);
};

int tdr_number(uint64_t *ret_number, const char *text, uint64_t max)
{
    uint64_t number = 0;
    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number) || number > max)
            return -EINVAL;
    }
    *ret_number = number;
    return 0;
}

static int apply_mem(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)device;
    uint64_t mib;
    if (tdr_number(&mib, value, MAX_MEM_MIB) || mib == 0)
        return -EINVAL;
    tender->mem = mib * TDR_MIB;
    return 0;
}

static int apply_source(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)tender;
    if (!*value || device->source)
        return -EINVAL;
    device->source = value;
    return 0;
}

static int apply_net(struct tender *tender, struct tdr_device *device, const char *value)
{
    if (strlen(value) >= IF_NAMESIZE)
        return -EINVAL;
    return apply_source(tender, device, value);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int apply_mac(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)tender;
    if (strlen(value) != 17)
        return -EINVAL;
    for (unsigned i = 0; i < 6; i++) {
        const char *at = value + (size_t)i * 3;
        int high = hex_digit(at[0]), low = hex_digit(at[1]);
        if (high < 0 || low < 0 || (i < 5 && at[2] != ':'))
            return -EINVAL;
        device->mac[i] = (uint8_t)(high << 4 | low);
    }
    device->has_mac = true;
    return 0;
}

static int apply_mtu(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)tender;
    uint64_t mtu;
    if (tdr_number(&mtu, value, UINT16_MAX) || mtu == 0)
        return -EINVAL;
    device->mtu = (uint32_t)mtu;
    return 0;
}

/* Whether the number will do as a sector size is said when the device is attached. */
static int apply_sector(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)tender;
    uint64_t sector;
    if (tdr_number(&sector, value, UINT32_MAX))
        return -EINVAL;
    device->sector = (uint32_t)sector;
    return 0;
}

static int apply_exec_heap(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)device;
    (void)value;
    tender->exec_heap = true;
    return 0;
}

static int apply_kvm(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)device;
    if (*value != '@')
        return -EINVAL;
    tender->kvm = value;
    return 0;
}

static int apply_figures(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)device;
    if (*value != '@')
        return -EINVAL;
    tender->figures = value;
    return 0;
}

static int apply_nothing(struct tender *tender, struct tdr_device *device, const char *value)
{
    (void)tender;
    (void)device;
    (void)value;
    return 0;
}

static const struct option options[] = {
    {"--mem", FOR_HVT | FOR_SPT, 0, true, apply_mem},
    {"--net", FOR_HVT | FOR_SPT, RK_SOLO5_NET, true, apply_net},
    {"--net-mac", FOR_HVT | FOR_SPT, RK_SOLO5_NET, true, apply_mac},
    {"--net-mtu", FOR_HVT | FOR_SPT, RK_SOLO5_NET, true, apply_mtu},
    {"--block", FOR_HVT | FOR_SPT, RK_SOLO5_BLOCK, true, apply_source},
    {"--block-sector-size", FOR_HVT | FOR_SPT, RK_SOLO5_BLOCK, true, apply_sector},
    {"--x-exec-heap", FOR_SPT, 0, false, apply_exec_heap},
    {"--kvm", FOR_HVT, 0, true, apply_kvm},
    {"--figures", FOR_HVT, 0, true, apply_figures},
    {"--probe", FOR_HVT, 0, false, apply_nothing},
};

static const char usage_head[] =
    " [OPTIONS] [--] KERNEL|@FD [ARGS...]\n"
    "Runs the Solo5 unikernel KERNEL with the command line ARGS. @FD is an open "
    "descriptor that this process inherits.\n"
    "  --mem=MIB                     guest memory (512)\n"
    "  --net:NAME=IFACE|@FD          attach the tap IFACE as network device NAME\n"
    "  --net-mac:NAME=MAC            its hardware address (random)\n"
    "  --net-mtu:NAME=BYTES          its MTU (the tap's own)\n"
    "  --block:NAME=PATH|@FD         attach a file or disk as block device NAME\n"
    "  --block-sector-size:NAME=N    its block size in bytes (512)\n";
static const char usage_spt[] = "  --x-exec-heap                 make guest memory executable (dangerous)\n";
static const char usage_hvt[] =
    "  --kvm=@FD                     the open KVM device (/dev/kvm)\n"
    "  --figures=@FD                 count exits and blocks in this open file of 4096 bytes (lib/figures.h)\n"
    "  --probe                       run no guest: say whether KVM really runs one\n";
static const char usage_tail[] = "  --help                        show this text\n"
                                 "  --version                     show the version\n";

/* The first word that is no option, or NULL; notes on its way what --help, --version and --probe ask for. */
static char *const *find_kernel(struct tender *tender, char *const *argv)
{
    for (; *argv; argv++) {
        if (strcmp(*argv, "--") == 0)
            return argv[1] ? argv + 1 : NULL;
        if (**argv != '-')
            return argv;
        if (tender->action != TDR_RUN)
            continue;
        if (strcmp(*argv, "--help") == 0)
            tender->action = TDR_HELP;
        else if (strcmp(*argv, "--version") == 0)
            tender->action = TDR_VERSION;
        else if (strcmp(*argv, "--probe") == 0 && tender->target == RK_SOLO5_HVT)
            tender->action = TDR_PROBE;
    }
    return NULL;
}

static int bad_option(struct tender *tender, struct rk_err *err, const char *what, const char *arg)
{
    tender->bad_option = true;
    return rk_fail(err, -EINVAL, "%s: '%s'", what, arg);
}

/* The option's device in the manifest: its name is the text from `name` to before `end`. */
static int find_device(struct tender *tender, const struct option *option, const char *name, const char *end,
                       struct tdr_device **ret_device, struct rk_err *err)
{
    char copy[RK_SOLO5_NAME_SIZE];
    size_t len = (size_t)(end - name), handle;
    if (len < sizeof copy) {
        memcpy(copy, name, len);
        copy[len] = 0;
        if (rk_solo5_find(&tender->image.mft, copy, option->device, &handle)) {
            *ret_device = &tender->devices[handle];
            return 0;
        }
    }
    tender->bad_option = true;
    return rk_fail(err, -EINVAL, "the manifest declares no device '%.*s' of type %s",
                   (int)(len < sizeof copy ? len : sizeof copy), name, rk_solo5_device_name(option->device));
}

static int apply_option(struct tender *tender, const char *arg, struct rk_err *err)
{
    size_t key_len = strcspn(arg, ":=");
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const struct option *option = &options[i];
        if (!(option->targets & 1U << tender->target) || strlen(option->key) != key_len ||
            strncmp(arg, option->key, key_len) != 0)
            continue;
        const char *rest = arg + key_len;
        struct tdr_device *device = NULL;
        if (option->device) {
            const char *end = strchr(rest, '=');
            if (*rest != ':' || !end)
                return bad_option(tender, err, "malformed option", arg);
            int rc = find_device(tender, option, rest + 1, end, &device, err);
            if (rc)
                return rc;
            rest = end;
        }
        if (*rest != (option->has_value ? '=' : '\0'))
            return bad_option(tender, err, "malformed option", arg);
        if (option->apply(tender, device, option->has_value ? rest + 1 : rest))
            return bad_option(tender, err, "malformed option", arg);
        return 0;
    }
    return bad_option(tender, err, "unknown option", arg);
}

int tdr_inherited_fd(const char *source, struct rk_err *err)
{
    uint64_t fd;
    if (*source != '@' || tdr_number(&fd, source + 1, INT32_MAX))
        return rk_fail(err, -EINVAL, "'%s' is not a descriptor: expected @ and a number", source);
    if (fcntl((int)fd, F_GETFD) < 0)
        return rk_fail_errno(err, "descriptor '%s'", source);
    return (int)fd;
}

static int open_image(struct tender *tender, const char *kernel, struct rk_err *err)
{
    int fd = *kernel == '@' ? tdr_inherited_fd(kernel, err)
                            : open(kernel, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return *kernel == '@' ? fd : rk_fail_errno(err, "open '%s'", kernel);
    int rc = rk_source_from_fd(&tender->file, fd, err);
    if (!rc)
        rc = rk_solo5_read(&tender->image, &tender->file, err);
    if (rc == 0)
        return rk_fail(err, -ENOEXEC, "'%s' is not a Solo5 image", kernel);
    if (rc > 0)
        rc = rk_solo5_check(&tender->image, tender->target, err);
    return rc < 0 ? rk_wrap(err, "'%s'", kernel) : 0;
}

int tdr_parse(struct tender *tender, enum rk_solo5_target target, char *const *argv, struct rk_err *err)
{
    tender->target = target;
    tender->mem = DEFAULT_MEM;
    for (size_t i = 0; i < RK_SOLO5_MFT_ENTRIES; i++)
        tender->devices[i] = (struct tdr_device){.fd = -1, .sector = 512};
    if (*argv)
        argv++;
    char *const *kernel = find_kernel(tender, argv);
    if (tender->action == TDR_HELP || tender->action == TDR_VERSION)
        return 0;
    if (tender->action == TDR_RUN) {
        if (!kernel) {
            tender->bad_option = true;
            return rk_fail(err, -EINVAL, "no KERNEL given");
        }
        int rc = open_image(tender, *kernel, err);
        if (rc)
            return rc;
        tender->args = kernel + 1;
    }
    for (; *argv && argv != kernel && strcmp(*argv, "--") != 0; argv++) {
        int rc = apply_option(tender, *argv, err);
        if (rc)
            return rc;
    }
    return 0;
}

int tdr_write_cmdline(char *to, char *const *args, struct rk_err *err)
{
    size_t used = 0;
    for (char *const *arg = args; *arg; arg++) {
        size_t len = strlen(*arg);
        bool blank = arg != args;
        if (len >= TDR_CMDLINE_SIZE - used - blank)
            return rk_fail(err, -E2BIG, "guest arguments are longer than %d bytes", TDR_CMDLINE_SIZE - 1);
        if (blank)
            to[used++] = ' ';
        memcpy(to + used, *arg, len);
        used += len;
    }
    to[used] = 0;
    return 0;
}

static void write_all(const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

void tdr_say(const struct tender *tender, const char *text)
{
    char line[RK_ERR_TEXT + 32];
    int n = snprintf(line, sizeof line, "runuk-%s: %s\n", rk_solo5_target_name(tender->target), text);
    if (n > 0)
        write_all(line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static void show_usage(const struct tender *tender)
{
    char text[2048];
    int n = snprintf(text, sizeof text, "Usage: runuk-%s%s%s%s", rk_solo5_target_name(tender->target),
                     usage_head, tender->target == RK_SOLO5_SPT ? usage_spt : usage_hvt, usage_tail);
    if (n > 0)
        write_all(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

int tdr_finish(const struct tender *tender, const struct rk_err *err)
{
    char text[96];
    if (err->code) {
        tdr_say(tender, err->text);
        if (tender->bad_option) {
            tdr_say(tender, "Invalid option");
            show_usage(tender);
        }
        return 1;
    }
    if (tender->action == TDR_VERSION) {
        int n = snprintf(text, sizeof text, "runuk-%s " RUNUK_VERSION "\nABI version 2\n",
                         rk_solo5_target_name(tender->target));
        write_all(text, (size_t)n);
        return 0;
    }
    show_usage(tender);
    return 1;
}
