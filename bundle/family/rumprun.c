/* Rumprun on hardware (QEMU): a NetBSD rump kernel with one program, configured in something like JSON.
 *
 * Source: rumprun's lib/librumprun_base (config.c, parseargs.c, rumprun.c, syscall_misc.c),
 * lib/libbmk_core/jsmn.c and platform/hw, of 2020. Its JSON differs from JSON: keys are repeated for lists,
 * strings are not unescaped (a backslash stays in the text), and one that is followed by anything but what
 * JSON allows there is an error. Arguments are one string, "cmdline", which the guest splits: a backslash
 * takes the next character, quotes group, but a quotation mark of the other kind within quotes ends them too.
 * An apostrophe can't be written there; then "rc_TESTING" is used, where arguments are a list, but without
 * any way to write a quotation mark. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME    "rumprun"
#define ENV_MAX 4096 /* as many as the command line holds */

#define DISKS_MAX 10 /* /dev/ld0a … /dev/ld9a */

/* A text that has the guest look for its configuration on a disk, wherever it stands in the command line. */
#define ROOT_CONFIG "_RUMPRUN_ROOTFSCFG="

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    static const char text[] = "rumprun_tuple: x86_64-rumprun-netbsd";
    struct bnd_span bootstrap, set;
    (void)ret_keys;
    if (!image->elf)
        return false;
    if (bnd_elf_section(image->elf, ".bootstrap", &bootstrap) &&
        bnd_elf_section(image->elf, "link_set_rump_components", &set)) {
        bnd_boot_note(boot, bootstrap.offset, "section .bootstrap");
        bnd_boot_note(boot, set.offset, "section link_set_rump_components");
        return true;
    }
    if (!(boot->kinds & BND_KIND_BIT(BND_MULTIBOOT)) || image->elf->shnum > 0)
        return false;
    const uint8_t *at = memmem(image->data, image->size, text, sizeof text - 1);
    if (at)
        bnd_boot_note(boot, (uint64_t)(at - image->data), "text \"%s\"", text);
    return at != NULL;
}

/* What the compiler of Rumprun's tool chain makes: rumprun-bake links it with the kernel's components. */
static bool unfinished(const struct bnd_elf *object, struct bnd_boot *boot)
{
    static const char recipe[] = ".note.rumprun.bakerecipe";
    struct bnd_span span;
    if (!bnd_elf_section(object, recipe, &span))
        return false;
    bnd_boot_note(boot, span.offset, "section %s", recipe);
    bnd_boot_refuse(boot, "a program of Rumprun's that is not baked: make the unikernel of it with "
                          "rumprun-bake hw_virtio");
    return true;
}

/* Whether the guest reads this text back when it stands in quotation marks. */
static bool is_plain(const char *s)
{
    return !strpbrk(s, "\"\\") && !strstr(s, ROOT_CONFIG);
}

static int refuse(struct rk_err *err, const char *what, const char *text)
{
    const char *why = "a quotation mark or a backslash can't be written in its configuration";
    if (strstr(text, ROOT_CONFIG))
        why = "it would have the guest look for its configuration on a disk";
    return bnd_words_refuse(err, NAME, what, text, why);
}

/* ,"key":"value" */
static int put(FILE *out, const char *key, const char *what, const char *value, struct rk_err *err)
{
    if (!is_plain(value))
        return refuse(err, what, value);
    fprintf(out, ",\"%s\":\"%s\"", key, value);
    return 0;
}

/* A word of "cmdline". Not for one with an apostrophe. */
static void put_word(FILE *out, const char *word)
{
    bool quoted = !*word || strpbrk(word, " \t\n");
    if (quoted)
        fputc('\'', out);
    for (; *word; word++) {
        if (*word == '"' || *word == '\\')
            fputc('\\', out);
        fputc(*word, out);
    }
    if (quoted)
        fputc('\'', out);
}

static int put_args(FILE *out, const char *program, const struct rk_argv *args, struct rk_err *err)
{
    const char *apostrophe = strchr(program, '\'') ? program : NULL, *other = NULL;
    for (size_t i = 0; i < args->n; i++) {
        if (strstr(args->v[i], ROOT_CONFIG))
            return refuse(err, "argument", args->v[i]);
        if (strchr(args->v[i], '\''))
            apostrophe = args->v[i];
        if (!is_plain(args->v[i]))
            other = args->v[i];
    }
    if (!is_plain(program))
        return refuse(err, "program name", program);
    if (!apostrophe) {
        fputs("\"cmdline\":\"", out);
        put_word(out, program);
        for (size_t i = 0; i < args->n; i++) {
            fputc(' ', out);
            put_word(out, args->v[i]);
        }
        fputc('"', out);
        return 0;
    }
    if (other)
        return bnd_words_refuse(
            err, NAME, "argument", apostrophe,
            "it contains an apostrophe, and another argument a quotation mark or a backslash");
    fprintf(out, "\"rc_TESTING\":[{\"bin\":\"%s\",\"argv\":[", program);
    for (size_t i = 0; i < args->n; i++)
        fprintf(out, "%s\"%s\"", i ? "," : "", args->v[i]);
    fputs("]}]", out);
    return 0;
}

/* A text for "cmdline" that is quoted already: whether its string ends where it should. */
static bool is_json_text(const char *s)
{
    for (; *s && *s != '"'; s++)
        if (*s == '\\' && (!*++s || !strchr("\"\\/bfnrt", *s)))
            return false;
    return !*s;
}

static int put_verbatim(FILE *out, const char *program, const char *text, struct rk_err *err)
{
    if (!is_plain(program) || strchr(program, '\''))
        return refuse(err, "program name", program);
    if (!is_json_text(text) || strstr(text, ROOT_CONFIG))
        return bnd_words_refuse(
            err, NAME, "command line", text,
            "it has to be the inside of a JSON string, without escapes by number, or begin with a brace");
    fprintf(out, "\"cmdline\":\"");
    put_word(out, program);
    fprintf(out, "%s%s\"", *text ? " " : "", text);
    return 0;
}

static bool env_has(const struct rk_argv *env, const char *prefix)
{
    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->v[i], prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

static int put_env(FILE *out, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv env = {0};
    int r = bnd_words_env(&env, guest, NAME, ENV_MAX, err);
    for (size_t i = 0; i < env.n && r == 0; i++)
        r = put(out, "env", BND_WORDS_VARIABLE, env.v[i], err);
    /* The program rumprun-setdns writes it into the guest's resolv.conf. */
    if (r == 0 && guest->dns && *guest->dns && !env_has(&env, "RUMPRUN_RESOLVER=")) {
        rk_autofree char *resolver = NULL;
        if (asprintf(&resolver, "RUMPRUN_RESOLVER=%s", guest->dns) < 0) {
            resolver = NULL;
            return rk_fail(err, -ENOMEM, "out of memory");
        }
        r = put(out, "env", "name server", resolver, err);
    }
    return r;
}

static void put_net(FILE *out, size_t i, const char *type, const char *address, unsigned prefix,
                    const char *gateway)
{
    if (!*address)
        return;
    fprintf(
        out,
        ",\"net\":{\"if\":\"vioif%zu\",\"type\":\"%s\",\"method\":\"static\",\"addr\":\"%s\",\"mask\":\"%u\"",
        i, type, address, prefix);
    if (*gateway)
        fprintf(out, ",\"gw\":\"%s\"", gateway);
    fputc('}', out);
}

static int put_mounts(FILE *out, const struct bnd_guest *guest, struct rk_err *err)
{
    for (size_t i = 0; i < guest->mount_count; i++) {
        const struct bnd_guest_mount *m = &guest->mounts[i];
        if (m->kind != BND_MOUNT_DISK)
            continue;
        if (!is_plain(m->destination))
            return refuse(err, "mount", m->destination);
        if (m->index >= DISKS_MAX)
            return rk_fail(err, -E2BIG, "mount '%s': a guest of family %s has names for %d disks only",
                           m->destination, NAME, DISKS_MAX);
        fprintf(
            out,
            ",\"blk\":{\"source\":\"dev\",\"path\":\"/dev/ld%ua\",\"fstype\":\"blk\",\"mountpoint\":\"%s\"}",
            m->index, m->destination);
    }
    return 0;
}

static const char *last_part(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    return name && *name ? name : NAME;
}

static int put_all(FILE *out, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    rk_autofree char *text = NULL;
    const struct bnd_guest_net *net;
    fputc('{', out);
    int r = bnd_words_verbatim(&text, guest, err);
    if (r == 0)
        r = bnd_words_args(&args, guest, err);
    if (r > 0)
        r = put_verbatim(out, last_part(guest->program), text, err);
    else if (r == 0)
        r = put_args(out, last_part(guest->program), &args, err);
    if (r == 0)
        r = put_env(out, guest, err);
    if (r == 0 && guest->hostname && *guest->hostname)
        r = put(out, "hostname", "host name", guest->hostname, err);
    for (size_t i = 0; r == 0 && (net = bnd_words_net(guest, i)); i++) {
        put_net(out, i, "inet", net->ipv4, net->ipv4_prefix, net->ipv4_gateway);
        put_net(out, i, "inet6", net->ipv6, net->ipv6_prefix, net->ipv6_gateway);
    }
    if (r == 0)
        r = put_mounts(out, guest, err);
    fputc('}', out);
    return r;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    size_t size;
    /* Whoever writes the whole configuration gets exactly that. */
    if (guest->args && guest->args->n > 0 && guest->args->v[0][0] == '{')
        return bnd_words_add_solo5(ret_args, guest, err);
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return rk_fail(err, -ENOMEM, "out of memory");
    bnd_words_no_cwd(guest, NAME);
    bnd_words_no_routes(guest, NAME);
    bnd_words_no_mounts(guest, NAME);
    int r = put_all(out, guest, err);
    if (fclose(out) != 0 && r == 0)
        r = rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0 && rk_argv_add(ret_args, text) < 0)
        r = rk_fail(err, -ENOMEM, "out of memory");
    return r;
}

/* The program's status comes twice, as main's and as exit's; a program that calls exit() prints the second
 * only. With several programs in an image the last one's counts. */
static const char *const exit_lines[] = {"=== main() of \"%s\" returned %d ===", "=== _exit(%d) called ===",
                                         "=== ERROR: _exit(%d) called ===", NULL};
static const char *const failed_lines[] = {"=== bootstrap failed", "PANIC: %s", "FATAL TRAP: %s", NULL};

static const struct bnd_machine on_pc = {
    .type = "pc",
    .bus = BND_BUS_PCI,
    .end = BND_END_CONSOLE,
    .exit_lines = exit_lines,
    .failed_lines = failed_lines,
    .halted_line = "halted",
    .memory_min = 16,
    .cmdline_max = 4095, /* BMK_MULTIBOOT_CMDLINE_SIZE */
    .path_in_front = true,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    return kind == BND_MULTIBOOT ? &on_pc : NULL;
}

const struct bnd_family bnd_family_rumprun = {
    .name = NAME,
    .recognise = recognise,
    .unfinished = unfinished,
    .machine = machine,
    .cmdline = cmdline,
    .root_disks = true,
};
