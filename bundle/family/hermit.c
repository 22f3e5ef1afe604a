/* Hermit: Rust unikernels, ELF files that Hermit's loader starts: QEMU boots the loader, with the application
 * as its initial ram disk.
 *
 * Sources: hermit-entry (the notes), the loader's src/os/none/mod.rs ("[LOADER]"), the kernel's
 * src/env/mod.rs (words are split as a POSIX shell does without expansions; "-ip", "-mask", "-gateway" each
 * with its value, "env=NAME=VALUE", "--", arguments), src/executor/device.rs (HERMIT_DNS1, HERMIT_DNS2,
 * HERMIT_MTU are read from the environment) and src/arch/x86_64/kernel/processor.rs (the exit port). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/elf.h"
#include "bundle/family/family.h"
#include "bundle/family/words.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define NAME               "hermit"
#define OSABI_STANDALONE   0xff
#define NOTE_ENTRY_VERSION 0x5a00
#define ABI_TAG            1 /* NT_GNU_ABI_TAG; its first word says which system */
#define ABI_TAG_HERMIT     6

/* Bytes that are searched for texts: loaders with debugging information have 2 MiB, applications 25. */
#define LOADER_MAX  (4 << 20)
#define PROGRAM_MAX (64 << 20)

/* A kernel before 0.10, which panics over "env=": the message about words that it does not know came with
 * that. */
#define KEY_NO_ENV "no env"

/* A loader (0.5.0 and later) that hands the command line on in a device tree, made in 4 KiB of memory; with
 * more text than this it panics. Measured, with the path that QEMU puts in front taken off. */
#define KEY_TREE "device tree"
#define TREE_MAX 380

/* A text of the image's first `size` bytes, noted as evidence. */
static bool has_text(const struct bnd_bytes *image, size_t size, struct bnd_boot *boot, const char *text)
{
    const uint8_t *at = memmem(image->data, image->size < size ? image->size : size, text, strlen(text));
    if (at)
        bnd_boot_note(boot, (uint64_t)(at - image->data), "text \"%s\"", text);
    return at;
}

/* Notes, since 2022; before, and in what runh takes for an application, the ABI and the name. */
static bool is_application(const struct bnd_bytes *image, struct bnd_boot *boot)
{
    struct bnd_span span;
    uint32_t os = 0;
    bool standalone = image->elf->osabi == OSABI_STANDALONE, found = false;
    if (bnd_elf_note(image->elf, "HERMIT", NOTE_ENTRY_VERSION, &span)) {
        bnd_boot_note(boot, span.offset, "note HERMIT type 0x5a00, entry version");
        found = true;
    }
    if (standalone && bnd_elf_note(image->elf, "GNU", ABI_TAG, &span) && span.size >= 4) {
        memcpy(&os, image->elf->data + span.offset, sizeof os);
        if (os == ABI_TAG_HERMIT) {
            bnd_boot_note(boot, span.offset, "note GNU type 1, ABI tag of Hermit");
            found = true;
        }
    }
    return found || (standalone && !boot->kinds && has_text(image, PROGRAM_MAX, boot, "Welcome to Hermit"));
}

/* What the loader prints in front of its messages, and one of these, in every version. Any multiboot kernel
 * comes by here: not all of it is read. */
static bool is_loader(const struct bnd_bytes *image, struct bnd_boot *boot)
{
    return boot->kinds & BND_KIND_BIT(BND_MULTIBOOT) && has_text(image, LOADER_MAX, boot, "[LOADER]") &&
           has_text(image, LOADER_MAX, boot, "Multiboot information");
}

static bool recognise(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys)
{
    if (!image->elf)
        return false;
    if (image->elf->is64 && is_application(image, boot)) {
        bnd_boot_refuse(boot, "an application that Hermit's loader boots: put the loader that is built for "
                              "multiboot beside it, as 'hermit-loader'");
        if (has_text(image, PROGRAM_MAX, boot, "DHCP config acquired"))
            rk_argv_add(ret_keys, "dhcp");
        if (!has_text(image, PROGRAM_MAX, boot, "could not parse bootarg"))
            rk_argv_add(ret_keys, KEY_NO_ENV);
        return true;
    }
    if (!is_loader(image, boot))
        return false;
    if (has_text(image, LOADER_MAX, boot, "Unable to create devicetree"))
        rk_argv_add(ret_keys, KEY_TREE);
    boot->loads = boot->kinds & BND_KIND_BIT(BND_MULTIBOOT);
    boot->kinds = 0;
    bnd_boot_refuse(boot, "Hermit's loader: make the application that it is to boot the entrypoint, or name "
                          "it as the first argument or as 'org.runuk.initrd'");
    return true;
}

/* A word as the guest's splitter takes it (POSIX shell quoting): in single quotes nothing is special. */
static int add_word(struct rk_argv *ret, const char *prefix, const char *text, struct rk_err *err)
{
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);
    if (!f)
        return rk_fail(err, -ENOMEM, "out of memory");
    bool plain = *prefix || *text;
    for (const char *p = text; *p && plain; p++)
        plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                strchr("-_./:=,+@%", *p);
    fprintf(f, "%s%s", prefix, plain ? text : "'");
    for (const char *p = text; *p && !plain; p++) {
        if (*p == '\'')
            fputs("'\\''", f);
        else
            fputc(*p, f);
    }
    if (!plain)
        fputc('\'', f);
    int r = fclose(f) != 0 || rk_argv_add(ret, out) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
    free(out);
    return r;
}

/* The guest takes its command line for UTF-8 without asking. */
static bool is_utf8(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    while (*p) {
        int more = *p < 0x80                 ? 0
                   : *p >= 0xc2 && *p < 0xe0 ? 1
                   : *p >= 0xe0 && *p < 0xf0 ? 2
                   : *p >= 0xf0 && *p < 0xf5 ? 3
                                             : -1;
        if (more < 0 || (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
            (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
            return false;
        for (p++; more > 0; more--, p++)
            if ((*p & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static int add_checked(struct rk_argv *ret, const char *what, const char *prefix, const char *text,
                       struct rk_err *err)
{
    if (!is_utf8(text))
        return bnd_words_refuse(err, NAME, what, text, "it is not UTF-8");
    return add_word(ret, prefix, text, err);
}

static bool has_key(const struct bnd_guest *guest, const char *key)
{
    for (size_t i = 0; guest->keys && i < guest->keys->n; i++)
        if (strcmp(guest->keys->v[i], key) == 0)
            return true;
    return false;
}

static int add_net(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    const struct bnd_guest_net *net = bnd_words_net(guest, 0);
    char netmask[INET_ADDRSTRLEN];
    int r = 0;
    bnd_words_no_ipv6(guest, NAME);
    bnd_words_no_routes(guest, NAME);
    if (!net || !*net->ipv4)
        return 0;
    bnd_words_netmask(netmask, net->ipv4_prefix);
    if (rk_argv_add(ret, "-ip") < 0 || rk_argv_add(ret, net->ipv4) < 0 || rk_argv_add(ret, "-mask") < 0 ||
        rk_argv_add(ret, netmask) < 0)
        r = -ENOMEM;
    if (r == 0 && *net->ipv4_gateway &&
        (rk_argv_add(ret, "-gateway") < 0 || rk_argv_add(ret, net->ipv4_gateway) < 0))
        r = -ENOMEM;
    bool env = !has_key(guest, KEY_NO_ENV);
    if (r == 0 && env && guest->dns && *guest->dns && !strchr(guest->dns, ':'))
        r = rk_argv_addf(ret, "env=HERMIT_DNS1=%s", guest->dns);
    if (r == 0 && env && net->mtu && net->mtu != 1500)
        r = rk_argv_addf(ret, "env=HERMIT_MTU=%u", net->mtu);
    return r < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* Bytes of words [first, …) joined with blanks. */
static size_t length(const struct rk_argv *words, size_t first)
{
    size_t len = 0;
    for (size_t i = first; i < words->n; i++)
        len += strlen(words->v[i]) + (i > first);
    return len;
}

/* The variables; what engines set is left out when there is no room for it in `room` bytes. */
static int add_env(struct rk_argv *ret, const struct bnd_guest *guest, size_t room, struct rk_err *err)
{
    rk_autoargv struct rk_argv env = {0};
    size_t first = ret->n;
    if (has_key(guest, KEY_NO_ENV)) {
        bnd_words_no_env(guest, NAME);
        return 0;
    }
    int r = bnd_words_env(&env, guest, NAME, 4096, err);
    for (size_t i = 0; i < env.n && r == 0; i++) {
        rk_autoargv struct rk_argv word = {0};
        r = add_checked(&word, BND_WORDS_VARIABLE, "env=", env.v[i], err);
        if (r < 0 || (bnd_words_is_engines(env.v[i]) && length(ret, first) + strlen(word.v[0]) + 2 > room))
            continue;
        if (rk_argv_add(ret, word.v[0]) < 0)
            r = rk_fail(err, -ENOMEM, "out of memory");
    }
    return r;
}

/* "--" and the arguments. */
static int add_args(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err)
{
    rk_autoargv struct rk_argv args = {0};
    int r = guest->verbatim ? 0 : bnd_words_args(&args, guest, err);
    if (r == 0 && rk_argv_add(ret, "--") < 0)
        r = rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0 && bnd_words_add_verbatim(ret, guest, err) < 0)
        return err->code;
    for (size_t i = 0; i < args.n && r == 0; i++)
        r = add_checked(ret, "argument", "", args.v[i], err);
    return r;
}

static int cmdline(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err)
{
    rk_autoargv struct rk_argv tail = {0};
    size_t first = ret_args->n, limit = has_key(guest, KEY_TREE) ? TREE_MAX : SIZE_MAX;
    bnd_words_no_cwd(guest, NAME);
    bnd_words_no_mounts(guest, NAME);
    int r = add_args(&tail, guest, err);
    if (r == 0)
        r = add_net(ret_args, guest, err);
    size_t used = length(ret_args, first) + length(&tail, 0) + 1;
    if (r == 0)
        r = add_env(ret_args, guest, limit > used ? limit - used : 0, err);
    for (size_t i = 0; i < tail.n && r == 0; i++)
        if (rk_argv_add(ret_args, tail.v[i]) < 0)
            r = rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0 && (used = length(ret_args, first)) > limit)
        r = rk_fail(err, -E2BIG,
                    "arguments, environment and network take %zu bytes as a guest of family %s is told them, "
                    "and this image's loader reads at most %zu",
                    used, NAME, limit);
    return r;
}

/* Hermit's releases, its runtime runh, and the loader before 2022. */
static const char *const loaders[] = {"hermit-loader", "hermit-loader-x86_64-multiboot",
                                      "hermit-loader-x86_64", "rusty-loader", NULL};

/* The loader's panic, after which it spins for ever. */
static const char *const failed_lines[] = {"[LOADER] panicked at %s", NULL};

/* The loader as the kernel. An exit writes 1 for success and 0 for failure to the port; kernels before 0.12
 * power off. */
static const struct bnd_machine on_pc = {
    .type = "pc",
    .bus = BND_BUS_PCI_MODERN,
    .end = BND_END_DEBUG,
    .debug_exit = 0xf4,
    .debug_success = 1,
    .failed_lines = failed_lines,
    .halted_line = "[LOADER] panicked at %s",
    .memory_min = 64,
};

static const struct bnd_machine *machine(enum bnd_kind kind)
{
    return kind == BND_MULTIBOOT || kind == BND_LINUX ? &on_pc : NULL;
}

const struct bnd_family bnd_family_hermit = {
    .name = NAME,
    .recognise = recognise,
    .loaders = loaders,
    .machine = machine,
    .cmdline = cmdline,
};
