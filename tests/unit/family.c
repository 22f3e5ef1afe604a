/* What guests of each family are told: exact command lines, what is refused, what is warned of, and the
 * hostile corpus in every place through the round trip of the fuzz target. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/family.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/family_lines.h"
#include "tests/unit/tap.h"

static void to_argv(struct rk_argv *ret, const char *const words[FAMILY_WORDS])
{
    for (size_t i = 0; i < FAMILY_WORDS && words[i]; i++)
        rk_argv_add(ret, words[i]);
}

static char *join(const struct rk_argv *words)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    for (size_t i = 0; i < words->n; i++)
        fprintf(out, "%s%s", i ? " " : "", words->v[i]);
    if (fclose(out) != 0)
        abort();
    return text;
}

static bool check_line(const struct family_line *l, const struct rk_argv *words,
                       const struct rk_argv *warnings, int r, const struct rk_err *err)
{
    rk_autofree char *text = join(words);
    bool mentioned = false;
    for (size_t i = 0; l->mention && i < warnings->n; i++)
        mentioned = mentioned || strstr(warnings->v[i], l->mention);
    if (!l->want)
        return r < 0 && err->code == r && strstr(err->text, l->mention);
    return r == 0 && strcmp(text, l->want) == 0 && (l->mention ? mentioned : warnings->n == 0);
}

static void test_lines(const struct family_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct family_line *l = &lines[i];
        rk_autoargv struct rk_argv keys = {0};
        rk_autoargv struct rk_argv args = {0};
        rk_autoargv struct rk_argv env = {0};
        rk_autoargv struct rk_argv words = {0};
        rk_autoargv struct rk_argv warnings = {0};
        struct rk_err err = {0};
        struct bnd_guest guest = l->guest;
        to_argv(&keys, l->keys);
        to_argv(&args, l->args);
        to_argv(&env, l->env);
        guest.keys = &keys;
        guest.args = &args;
        guest.env = &env;
        guest.warnings = &warnings;
        guest.program = guest.program ? guest.program : "/app";
        int r = bnd_family_cmdline(l->family, &guest, &words, &err);
        if (tap_ok(check_line(l, &words, &warnings, r, &err), "%s: %s", l->family->name, l->name))
            continue;
        rk_autofree char *text = join(&words);
        printf("# got %d \"%s\"\n# line   %s\n# wanted %s\n", r, err.text, text,
               l->want ? l->want : "an error");
        for (size_t w = 0; w < warnings.n; w++)
            printf("# warning %s\n", warnings.v[w]);
    }
}

/* More than a family takes is an error, not a truncation that nobody sees. */
static void test_limits(void)
{
    static const struct {
        const struct bnd_family *family;
        enum bnd_kind kind;
        size_t args, len;
        bool fits;
    } limits[] = {
        {&bnd_family_linux, BND_LINUX, 31, 4, true},
        {&bnd_family_linux, BND_LINUX, 32, 4, false},
        {&bnd_family_linux, BND_LINUX, 1, 1900, true},
        {&bnd_family_linux, BND_LINUX, 1, 2048, false},
        {&bnd_family_unikraft, BND_LINUX64, 57, 4, true},
        {&bnd_family_unikraft, BND_LINUX64, 58, 4, false},
        {&bnd_family_unikraft, BND_LINUX64, 1, 4000, true},
        {&bnd_family_unikraft, BND_LINUX64, 1, 4096, false},
        {&bnd_family_rumprun, BND_MULTIBOOT, 1, 3900, true},
        {&bnd_family_rumprun, BND_MULTIBOOT, 1, 4050, false},
        {&bnd_family_solo5, BND_MULTIBOOT, 1, 8191, true},
        {&bnd_family_solo5, BND_MULTIBOOT, 1, 8192, false},
    };
    static char stop[] = "--", *key[] = {stop, NULL};
    static const struct rk_argv keys = {.v = key, .n = 1};
    char text[8200];
    for (size_t i = 0; i < RK_COUNT(limits); i++) {
        rk_autoargv struct rk_argv args = {0};
        rk_autoargv struct rk_argv words = {0};
        struct rk_err err = {0};
        memset(text, 'x', limits[i].len);
        text[limits[i].len] = '\0';
        for (size_t n = 0; n < limits[i].args; n++)
            rk_argv_add(&args, text);
        const struct bnd_guest guest = {
            .kind = limits[i].kind, .program = "/app", .args = &args, .keys = &keys};
        int r = bnd_family_cmdline(limits[i].family, &guest, &words, &err);
        tap_ok(limits[i].fits ? r == 0 : r == -E2BIG && strstr(err.text, limits[i].family->name),
               "%s: %zu arguments of %zu bytes %s", limits[i].family->name, limits[i].args, limits[i].len,
               limits[i].fits ? "are passed on" : "are too much");
    }
}

/* Every machine that a family names is complete. */
static void test_machines(void)
{
    for (const struct bnd_family *const *f = bnd_families; *f; f++) {
        for (int k = BND_MULTIBOOT; k < BND_KIND_COUNT; k++) {
            const struct bnd_machine *m = (*f)->machine ? (*f)->machine((enum bnd_kind)k) : NULL;
            if (!m)
                continue;
            bool mmio = strncmp(m->type, "microvm", 7) == 0;
            bool good = (m->bus == BND_BUS_MMIO) == mmio && (m->end != BND_END_DEBUG || m->debug_exit) &&
                        (m->end != BND_END_CONSOLE || m->exit_lines) &&
                        (!m->memory_max || m->memory_min <= m->memory_max);
            tap_ok(good, "%s: its machine for kind %s", (*f)->name, bnd_kind_name((enum bnd_kind)k));
        }
    }
}

/* What breaks quoting, words, lines and options; each in every place, for every family. */
static const char *const corpus[] = {
    "",
    " ",
    "  two  words ",
    ",",
    "a,b",
    "\"",
    "\"\"",
    "a\"b",
    "\"quoted\"",
    "a\" b",
    "\"a b\" \"c\"",
    "'",
    "it's",
    "''",
    "'a' 'b'",
    "\\",
    "\\\\",
    "a\\ b",
    "\\\"",
    "\\'",
    "end\\",
    "\n",
    "a\nb",
    "\t",
    "\r\n",
    "\v\f",
    "{",
    "}",
    "{}",
    "{\"",
    "{\"a\":1}",
    "[",
    "]",
    "[x]",
    "x]",
    "--",
    "-",
    "---",
    "-- x",
    "--env=A=b",
    "--ip=eth0,1.2.3.4,255.0.0.0",
    "=",
    "=x",
    "x=",
    "x=\"",
    "x=\"y\"",
    "k=v w",
    "env.vars=A=b",
    "env.vars=[",
    "netdev.ip=1.2.3.4/8",
    "virtio_mmio.device=512@0x0:1",
    "help",
    "root=/dev/sda",
    "init=/bin/sh",
    "panic=0",
    "loglevel=7",
    "module.parameter=1",
    "-ip",
    "-gateway",
    "env=A=b",
    "arguments.1=x",
    "environment.A=b",
    "en1.ipaddr=1.2.3.4",
    "\"cmdline\":\"x\"",
    "\",\"env\":\"A=b",
    "_RUMPRUN_ROOTFSCFG=/x",
    "$HOME",
    "$",
    "`x`",
    "$(x)",
    ";",
    "&",
    "!",
    "|",
    "#",
    "#x",
    "*",
    "?",
    "~",
    "%s%n",
    "\x01",
    "\x7f",
    "caf\xc3\xa9",
    "\xff\xfe",
    "\xc3\xa0",
    "\xa0",
    "\xed\xa0\x80",
    "\xf0\x9f\x90\xb3",
    "a\x1b[31mb",
    "{{",
    "{{ipv4}",
    "{ipv4}",
    "{ipv6}",
    "{nothing}",
    "../..",
    "/",
    "/bin/sh",
    "//",
    "a:b:c",
    "@3",
    "0x",
    "-1",
};

/* \036 separates pieces; a piece that begins with \001 is a variable, \002 the directory, \003 the host name,
 * \004 the program. */
static const char *const places[] = {"%s",
                                     "x\036%s\036y",
                                     "%s\036%s",
                                     "/init\036%s",
                                     "\001A=%s\036x",
                                     "\001%s=b\036x",
                                     "\001%s\036\001%s",
                                     "\002%s\036x",
                                     "\003%s\036x",
                                     "\004%s\036x",
                                     "\001A=%s\036%s\036\004/%s"};

static char *fill(const char *place, const char *text)
{
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);
    if (!f)
        abort();
    for (; *place; place++) {
        if (place[0] == '%' && place[1] == 's')
            fputs(text, f), place++;
        else
            fputc(*place, f);
    }
    if (fclose(f) != 0)
        abort();
    return out;
}

/* A round trip that fails ends the program. */
static void test_corpus(void)
{
    size_t n = 0;
    for (size_t p = 0; p < RK_COUNT(places); p++) {
        for (size_t i = 0; i < RK_COUNT(corpus); i++, n++) {
            rk_autofree char *input = fill(places[p], corpus[i]);
            LLVMFuzzerTestOneInput((const uint8_t *)input, strlen(input));
        }
    }
    tap_ok(n > 1000, "%zu hostile inputs come back as they were, or are refused", n);
}

/* What runuk-init is told, its strings shown one a line: nothing is quoted, so that nothing can be quoted
 * wrongly. */
static void test_tell(void)
{
    char args0[] = "sh", args1[] = "two words", args2[] = "{ipv4}", args3[] = "arg x\nenv y",
         env0[] = "A=b c";
    char user0[] = "7", user1[] = "8", user2[] = "9", file0[] = "/etc/hosts";
    char *args_v[] = {args0, args1, args2, args3, NULL}, *env_v[] = {env0, NULL};
    char *user_v[] = {user0, user1, user2, NULL}, *file_v[] = {file0, NULL};
    char tmpfs0[] = "- /d/x y", tmpfs1[] = "size=1m,ro /t", *tmpfs_v[] = {tmpfs0, tmpfs1, NULL};
    const struct rk_argv args = {args_v, 4}, env = {env_v, 1}, user = {user_v, 3}, files = {file_v, 1},
                         tmpfs = {tmpfs_v, 2};
    const struct bnd_guest_net net = {.device = "eth0",
                                      .ipv4 = "10.0.0.2",
                                      .ipv4_prefix = 24,
                                      .ipv4_gateway = "10.0.0.1",
                                      .ipv6 = "fd00::2",
                                      .ipv6_prefix = 64,
                                      .mac = {2, 0x42, 0, 0, 0, 0xff},
                                      .mtu = 1400};
    const struct bnd_guest_route route = {.destination = "10.7.0.0/16", .gateway = "", .net = 0};
    const struct bnd_guest_mount mounts[] = {
        {.kind = BND_MOUNT_DISK, .index = 1, .fstype = "ext4", .destination = "/d"},
        {.kind = BND_MOUNT_DISK, .index = 0, .fstype = "iso9660", .destination = "/", .readonly = true},
        {.kind = BND_MOUNT_9P, .tag = "fs0", .destination = "/v w"},
        {.kind = BND_MOUNT_9P, .tag = "fs1", .destination = "/r", .readonly = true}};
    const struct bnd_guest guest = {.kind = BND_LINUX,
                                    .own_init = true,
                                    .terminal = true,
                                    .args = &args,
                                    .env = &env,
                                    .user = &user,
                                    .files = &files,
                                    .cwd = "/w",
                                    .hostname = "h",
                                    .dns = "169.254.53.53",
                                    .nets = &net,
                                    .net_count = 1,
                                    .routes = &route,
                                    .route_count = 1,
                                    .mounts = mounts,
                                    .mount_count = 4,
                                    .tmpfs = &tmpfs,
                                    .root_readonly = true};
    static const char wanted[] =
        "root 0 iso9660 ro\0hostname h\0net 02:42:00:00:00:ff 1400\0address 10.0.0.2/24\0address "
        "fd00::2/64\0route 10.7.0.0/16 -\0"
        "route 169.254.53.53/32 -\0route 0.0.0.0/0 10.0.0.1\0"
        "tmpfs size=1m,ro /t\0disk 1 ext4 rw /d\0share fs0 rw /v w\0share fs1 ro /r\0tmpfs - /d/x y\0"
        "file /etc/hosts\0dns 169.254.53.53\0"
        "tty 1\0readonly 1\0user 7\0group 8\0more 9\0cwd /w\0env A=b c\0arg sh\0arg two "
        "words\0arg 10.0.0.2\0arg arg x\nenv y";
    rk_autofree char *text = NULL;
    rk_autofree char *hex = calloc(2, sizeof wanted + 1);
    struct rk_err err = {0};
    int r = bnd_family_linux.tell(&text, &guest, &err);
    for (size_t i = 0; hex && i < sizeof wanted; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)wanted[i]);
    if (!tap_ok(r == 0 && hex && strcmp(text, hex) == 0, "linux: what our init is told"))
        printf("# %s\n# %s\n", text ? text : err.text, hex ? hex : "");
    rk_autoargv struct rk_argv words = {0};
    r = bnd_family_cmdline(&bnd_family_linux, &guest, &words, &err);
    rk_autofree char *line = join(&words);
    tap_ok(r == 0 &&
               strcmp(line, "console=ttyS0 quiet panic=-1 reboot=t hostname=h rdinit=/.runuk-init") == 0,
           "linux: and the kernel nothing but where it is");
}

static int write_seeds(const char *dir)
{
    for (size_t p = 0; p < RK_COUNT(places); p++) {
        for (size_t i = 0; i < RK_COUNT(corpus); i++) {
            rk_autofree char *input = fill(places[p], corpus[i]);
            char path[4096];
            snprintf(path, sizeof path, "%s/place-%zu-%zu", dir, p, i);
            rk_autofclose FILE *f = fopen(path, "we");
            if (!f || fputs(input, f) < 0) {
                perror(path);
                return 1;
            }
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    test_lines(family_lines, family_line_count);
    test_lines(family_lines_more, family_line_more_count);
    test_limits();
    test_machines();
    test_tell();
    test_corpus();
    return tap_end();
}
