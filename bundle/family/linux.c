/* Linux: a kernel with one program, which is its init, in an initial ram disk or on a root file system.
 *
 * Sources: Linux 5.10 to 6.6: lib/cmdline.c (how words are split), init/main.c (arguments behind "--" are
 * init's, unknown NAME=VALUE words its environment, and more than CONFIG_INIT_ENV_ARG_LIMIT of either stop
 * the kernel), Documentation/admin-guide/kernel-parameters.txt, Documentation/admin-guide/nfs/nfsroot.rst
 * ("ip="). A word is not unescaped: quotation marks group, and only those at its ends or at the value's are
 * taken off. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/linux_tell.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/told.h"

#define NAME     "linux"
#define ARGS_MAX 31 /* CONFIG_INIT_ENV_ARG_LIMIT, 32 everywhere, less init's own name */
#define ENV_MAX  30 /* less HOME and TERM, which are there already */

static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* The version text of a bzImage, "6.1.0-56-cloud-amd64 (user@host) #1 SMP …": boot loaders that use the
 * protocol for themselves have another. */
static bool version_text(const struct bnd_bytes *image, size_t *ret_offset, char out[64])
{
    if (image->size < 0x264)
        return false;
    size_t offset = 0x200u + get_u16(image->data + 0x20e);
    if (offset == 0x200 || offset + 64 > image->size)
        return false;
    const char *text = (const char *)image->data + offset;
    size_t word = strcspn(text, " ");
    if (!memchr(text, ' ', 64) || !isdigit((unsigned char)text[0]) || !memchr(text, '.', word))
        return false;
    const char *open = memchr(text, '(', 63);
    if (!open || open != text + word + 1)
        return false;
    snprintf(out, 64, "%.*s", (int)word, text);
    *ret_offset = offset;
    return true;
}

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    struct bnd_span span;
    size_t offset = 0;
    char version[64];
    (void)ret_keys;
    if (image->elf) {
        if (!bnd_elf_note(image->elf, "Linux", 0x100, &span) &&
            !bnd_elf_note(image->elf, "Linux", 0x101, &span))
            return false;
        /* Programs may bear such a note too: a kernel has one of its own sections, or the protocol. */
        if (!(boot->kinds & BND_KIND_BIT(BND_PVH)) && !bnd_elf_section(image->elf, "__ksymtab*", NULL))
            return false;
        bnd_boot_note(boot, span.offset, "note Linux");
        boot->kinds &= ~BND_KIND_BIT(BND_XEN);
        return true;
    }
    if (!(boot->kinds & BND_KIND_BIT(BND_LINUX)) || !version_text(image, &offset, version))
        return false;
    bnd_boot_note(boot, offset, "Linux %s", version);
    return true;
}

/* --- words
 * -------------------------------------------------------------------------------------------------- */

/* As the kernel's isspace(): the non-breaking space of Latin-1 is one. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c == 0xa0;
}

/* Whether the kernel reads `word` (which is `text`, in quotation marks or not) as one word, and as that text.
 */
static bool reads_back(const char *word, const char *text)
{
    bool quoted = word[0] == '"', in_quote = quoted;
    const char *start = word + quoted, *equals = NULL, *p = start;
    for (; *p && (in_quote || !is_space(*p)); p++) {
        if (!equals && *p == '=' && p != start)
            equals = p;
        if (*p == '"')
            in_quote = !in_quote;
    }
    if (*p || in_quote)
        return false; /* it ends early, or goes on into the next word */
    size_t len = (size_t)(p - start);
    if (equals && equals[1] == '"')
        return false; /* the value would lose its quotation marks */
    if (quoted && len > 0 && p[-1] == '"')
        len--;
    return strlen(text) == len && memcmp(start, text, len) == 0;
}

/* `text` as one word, or NULL when there is no way to write it; also without memory. */
static char *write_word(const char *text)
{
    char *plain = strdup(text), *quoted = NULL;
    if (!plain || (*text && reads_back(plain, text))) /* an empty word would be none */
        return plain;
    free(plain);
    if (asprintf(&quoted, "\"%s\"", text) < 0)
        return NULL;
    if (reads_back(quoted, text))
        return quoted;
    free(quoted);
    return NULL;
}

static int add_word(struct rk_argv *ret, const char *what, const char *text, struct rk_err *err)
{
    rk_autofree char *word = write_word(text);
    /* Init's arguments end at one, too. */
    if (strcmp(text, "--") == 0)
        return bnd_words_refuse(err, NAME, what, text, "the kernel drops it, and all that follows");
    if (!word)
        return bnd_words_refuse(err, NAME, what, text,
                                "the kernel's command line has no way to write its quotation marks");
    return rk_argv_add(ret, word) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* NAME=VALUE, where only the value may need quotation marks. */
static int add_setting(struct rk_argv *ret, const char *name, const char *what, const char *value,
                       struct rk_err *err)
{
    bool blank = false;
    for (const char *p = value; *p; p++)
        blank = blank || is_space(*p);
    if (strchr(value, '"'))
        return bnd_words_refuse(err, NAME, what, strcmp(what, BND_WORDS_VARIABLE) == 0 ? name : value,
                                "it contains a quotation mark");
    if (rk_argv_addf(ret, blank ? "%s=\"%s\"" : "%s=%s", name, value) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

/* --- telling
 * ------------------------------------------------------------------------------------------------ */

/* A variable that no parameter of the kernel can be taken for: those are in small letters, with dots. */
static bool is_safe_name(const char *variable)
{
    const char *p = variable;
    for (; *p && *p != '='; p++)
        if (!(*p >= 'A' && *p <= 'Z') && *p != '_' && (p == variable || !(*p >= '0' && *p <= '9')))
            return false;
    return *p == '=';
}

static int add_env(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv env = {0};
    rk_autoargv struct rk_argv safe = {0};
    struct bnd_guest told = *guest;
    for (size_t i = 0; guest->env && i < guest->env->n; i++) {
        const char *v = guest->env->v[i];
        if (is_safe_name(v)) {
            if (rk_argv_add(&safe, v) < 0)
                return rk_fail(err, -ENOMEM, "out of memory");
        } else if (strncmp(v, "container=", 10) != 0) {
            char shown[BND_WORDS_SHOWN];
            bnd_words_show(shown, v);
            shown[strcspn(shown, "=")] = '\0';
            bnd_words_warn(
                guest,
                "environment variable '%s' is not passed on: the kernel could take a name that is not in "
                "capitals for a parameter of its own",
                shown);
        }
    }
    told.env = &safe;
    int r = bnd_words_env(&env, &told, NAME, ENV_MAX, err);
    for (size_t i = 0; i < env.n && r == 0; i++) {
        rk_autofree char *name = strndup(env.v[i], strcspn(env.v[i], "="));
        if (!name)
            return rk_fail(err, -ENOMEM, "out of memory");
        r = add_setting(ret, name, BND_WORDS_VARIABLE, env.v[i] + strlen(name) + 1, err);
    }
    return r;
}

/* ip=ADDRESS::GATEWAY:NETMASK:HOSTNAME:DEVICE:off:DNS0:DNS1, which the kernel obeys when it is built so
 * (IP_PNP), else the usual initial ram disks do, and else init finds it in its environment. */
static int add_net(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    const struct bnd_guest_net *net = bnd_words_net(guest, 0);
    char netmask[INET_ADDRSTRLEN];
    const char *dns1 = guest->dns_more && guest->dns_more->n > 0 ? guest->dns_more->v[0] : "";
    bnd_words_no_ipv6(guest, NAME);
    bnd_words_no_routes(guest, NAME);
    for (size_t i = 1; bnd_words_net(guest, i); i++)
        if (*bnd_words_net(guest, i)->ipv4)
            bnd_words_warn(guest,
                           "a guest of family %s is told the address of its first device only: %s is not "
                           "passed on",
                           NAME, bnd_words_net(guest, i)->ipv4);
    if (!net || !*net->ipv4)
        return 0;
    bnd_words_netmask(netmask, net->ipv4_prefix);
    bool v4_dns = guest->dns && *guest->dns && !strchr(guest->dns, ':');
    int r = rk_argv_addf(ret, "ip=%s::%s:%s:%s:eth0:off%s%s%s%s", net->ipv4, net->ipv4_gateway, netmask,
                         bnd_words_is_hostname(guest->hostname) ? guest->hostname : "", v4_dns ? ":" : "",
                         v4_dns ? guest->dns : "", v4_dns && *dns1 && !strchr(dns1, ':') ? ":" : "",
                         v4_dns && *dns1 && !strchr(dns1, ':') ? dns1 : "");
    return r < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

static int add_root(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    const struct bnd_guest_mount *root = bnd_words_root(guest);
    int r = 0;
    for (size_t i = 0; i < guest->mount_count; i++)
        if (&guest->mounts[i] != root && guest->mounts[i].kind == BND_MOUNT_9P)
            bnd_words_warn(guest,
                           "a guest of family %s mounts its root file system only: its init has to mount "
                           "'%s' (mount -t 9p -o trans=virtio %s PLACE)",
                           NAME, guest->mounts[i].destination, guest->mounts[i].tag);
        else if (&guest->mounts[i] != root)
            bnd_words_warn(guest,
                           "a guest of family %s mounts its root file system only: '%s' is left to its init",
                           NAME, guest->mounts[i].destination);
    if (!root || root->kind == BND_MOUNT_INITRD)
        return 0;
    const char *access = root->readonly ? "ro" : "rw";
    if (root->kind == BND_MOUNT_9P)
        r = rk_argv_addf(ret, "root=%s rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=512000 %s",
                         root->tag, access);
    else
        r = rk_argv_addf(ret, "root=/dev/vd%c rootfstype=%s %s", 'a' + (int)(root->index % 26), root->fstype,
                         access);
    return r < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* The kernel's own parameters: a console that only speaks of errors, and the end of the machine when it
 * panics. Emulated, its timer can be so late on a busy host that the kernel takes it for broken and says so,
 * and its clock can't be calibrated on a machine without a timer to compare with. */
static int add_kernel(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    if (rk_argv_add(ret, "console=ttyS0") < 0 || rk_argv_add(ret, "quiet") < 0 ||
        rk_argv_add(ret, "panic=-1") < 0 || rk_argv_add(ret, "reboot=t") < 0 ||
        (guest->emulated && rk_argv_add(ret, "no_timer_check") < 0) ||
        (guest->emulated && guest->kind == BND_PVH && rk_argv_add(ret, "tsc_early_khz=1000000") < 0))
        return rk_fail(err, -ENOMEM, "out of memory");
    if (!bnd_words_is_hostname(guest->hostname))
        return 0;
    return add_setting(ret, "hostname", "host name", guest->hostname, err);
}

static int add_init_name(struct rk_argv *ret, const struct bnd_guest *guest, const char *path,
                         struct rk_err *err)
{
    const struct bnd_guest_mount *root = bnd_words_root(guest);
    bool on_disk = root && root->kind != BND_MOUNT_INITRD;
    return add_setting(ret, on_disk ? "init" : "rdinit", "argument", path, err);
}

/* What is verbatim are parameters of the kernel, or, when it begins with a path, init and its arguments. */
static int add_verbatim(struct rk_argv *ret, const struct bnd_guest *guest, char *text, struct rk_err *err)
{
    int r = 0;
    if (text[0] == '/') {
        char *rest = text + strcspn(text, " ");
        bool more = *rest != '\0';
        *rest = '\0';
        r = add_init_name(ret, guest, text, err);
        if (r == 0 && more && rk_argv_add(ret, "--") < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
        text = rest + more;
    }
    if (r == 0 && *text && rk_argv_add(ret, text) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return r;
}

/* The first argument is the program when it is a path, and everything behind it is the program's. */
static int add_init(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    rk_autofree char *text = NULL;
    int r = bnd_words_verbatim(&text, guest, err);
    if (r > 0)
        return add_verbatim(ret, guest, text, err);
    if (r == 0)
        r = bnd_words_args(&args, guest, err);
    if (r < 0 || args.n == 0)
        return r;
    size_t first = args.v[0][0] == '/';
    if (first)
        r = add_init_name(ret, guest, args.v[0], err);
    if (r == 0 && args.n - first > ARGS_MAX)
        return rk_fail(err, -E2BIG, "init has %zu arguments, and a guest of family %s takes at most %d",
                       args.n - first, NAME, ARGS_MAX);
    if (r == 0 && args.n > first && rk_argv_add(ret, "--") < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = first; i < args.n && r == 0; i++)
        r = add_word(ret, "argument", args.v[i], err);
    return r;
}

/* With our own init only the kernel itself has to be told something. */
static int add_own_init(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    int r = bnd_words_verbatim(&text, guest, err);
    if (r < 0)
        return r;
    if ((r > 0 && text[0] && text[0] != '/' && rk_argv_add(ret, text) < 0) ||
        rk_argv_add(ret, "rdinit=" RK_TOLD_INIT) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    if (guest->own_init) {
        int told = add_kernel(ret_args, guest, err);
        return told < 0 ? told : add_own_init(ret_args, guest, err);
    }
    bnd_words_no_cwd(guest, NAME);
    int r = add_kernel(ret_args, guest, err);
    if (r == 0)
        r = add_root(ret_args, guest, err);
    if (r == 0)
        r = add_net(ret_args, guest, err);
    if (r == 0)
        r = add_env(ret_args, guest, err);
    return r < 0 ? r : add_init(ret_args, guest, err);
}

/* --- machines
 * ----------------------------------------------------------------------------------------------- */

#define ON_PC .type = "q35", .bus = BND_BUS_PCI
/* An uncompressed kernel is made for machines of this sort, which may have no PCI. */
#define ON_MICROVM .type = "microvm,acpi=on,rtc=on", .bus = BND_BUS_MMIO
/* COMMAND_LINE_SIZE of x86, less the NUL. */
#define FOR_LINUX .memory_min = 64, .cmdline_max = 2047, .keys = true
/* The program is init: there is nobody who would listen to an ACPI button. */
#define ITS_INIT .end = BND_END_POWEROFF
/* Our init hears the button, and tells the status. */
#define OUR_INIT                                                                                             \
    .end = BND_END_DEBUG, .debug_exit = RK_TOLD_PORT, .debug_success = RK_TOLD_SUCCESS, .button = true,      \
    .exit_lines = status_lines

static const char *const status_lines[] = {RK_TOLD_LINE, NULL};

static const struct bnd_machine on_pc = {ON_PC, ITS_INIT, FOR_LINUX};
static const struct bnd_machine on_microvm = {ON_MICROVM, ITS_INIT, FOR_LINUX};
static const struct bnd_machine ours_on_pc = {ON_PC, OUR_INIT, FOR_LINUX};
static const struct bnd_machine ours_on_microvm = {ON_MICROVM, OUR_INIT, FOR_LINUX};

static const struct bnd_machine *init_machine(enum bnd_kind kind)
{
    if (kind == BND_LINUX)
        return &ours_on_pc;
    return kind == BND_PVH ? &ours_on_microvm : NULL;
}

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    if (kind == BND_LINUX)
        return &on_pc;
    return kind == BND_PVH ? &on_microvm : NULL;
}

const struct bnd_family bnd_family_linux = {
    .name = NAME,
    .recognise = recognise,
    .machine = machine,
    .dhcp = true,
    .cmdline = cmdline,
    .init_machine = init_machine,
    .share_tag = "fs",
    .tell = bnd_linux_tell,
};
