/* Whatever arguments, environment and names are: what a family writes down, its guest reads back as the very
 * same words, or it is refused. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/family.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/family_guests.h"
#include "tests/fuzz/promise.h"

#define SEPARATOR 0x1e /* between the pieces of an input */

/* The families that quote, the kind that is told most, and how their guests read. */
static const struct {
    const struct bnd_family *family;
    enum bnd_kind kind;
    read_fn *read;
    bool env;         /* takes an environment */
    bool single_free; /* one argument alone is passed on as it is, and may be several words then */
} families[] = {
    {&bnd_family_mirage, BND_MULTIBOOT, read_mirage, false, false},
    {&bnd_family_solo5, BND_MULTIBOOT, read_solo5, false, false},
    {&bnd_family_hermit, BND_MULTIBOOT, read_hermit, true, false},
    {&bnd_family_unikraft, BND_LINUX64, read_unikraft, true, false},
    {&bnd_family_rumprun, BND_MULTIBOOT, read_rumprun, true, false},
    {&bnd_family_nanos, BND_LINUX64, read_nanos, true, false},
    {&bnd_family_osv, BND_PVH, read_osv, true, false},
    {&bnd_family_linux, BND_LINUX, read_linux, true, false},
    {&bnd_family_includeos, BND_MULTIBOOT, read_blanks, false, true},
    {&bnd_family_toro, BND_PVH, read_blanks, false, true},
    {&bnd_family_generic, BND_MULTIBOOT, read_blanks, false, true},
};

static const struct bnd_guest_net nets[] = {
    {.device = "service", .ipv4 = "172.17.0.2", .ipv4_prefix = 16, .ipv4_gateway = "172.17.0.1", .mtu = 1500},
    {.device = "second", .ipv6 = "fd00::2", .ipv6_prefix = 64, .mtu = 9000},
};

struct input {
    struct rk_argv args, env, filled;
    char *cwd, *hostname, *program;
    bool fills; /* every argument's placeholders have a value */
};

/* A piece: \1NAME=VALUE, \2 working directory, \3 host name, \4 program; anything else is an argument. */
static void take_piece(struct input *in, const char *piece)
{
    char **const texts[] = {[2] = &in->cwd, [3] = &in->hostname, [4] = &in->program};
    if (piece[0] == 1) {
        PROMISE(rk_argv_add(&in->env, piece + 1) == 0);
    } else if (piece[0] >= 2 && piece[0] <= 4) {
        free(*texts[(int)piece[0]]);
        PROMISE((*texts[(int)piece[0]] = strdup(piece + 1)));
    } else {
        PROMISE(rk_argv_add(&in->args, piece) == 0);
    }
}

static void split(struct input *in, const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *p = text;
    PROMISE(text);
    for (size_t i = 0; i < size; i++)
        text[i] = data[i] ? (char)data[i] : SEPARATOR;
    text[size] = '\0';
    for (char *end; p; p = end ? end + 1 : NULL) {
        end = strchr(p, SEPARATOR);
        if (end)
            *end = '\0';
        take_piece(in, p);
    }
    free(text);
}

static bool has(const struct rk_argv *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i], text) == 0)
            return true;
    return false;
}

/* The guest has the arguments, all of them and nothing else. */
static void check_args(const struct input *in, const struct told *told, bool single_free)
{
    if (single_free && in->filled.n == 1)
        return;
    PROMISE(told->args.n == in->filled.n);
    for (size_t i = 0; i < told->args.n; i++)
        PROMISE(strcmp(told->args.v[i], in->filled.v[i]) == 0);
}

/* Every variable that it has is one of those given, but for what the family itself adds; and it has the last
 * one, if it has any of that name and no empty value. */
static void check_env(const struct input *in, const struct told *told)
{
    for (size_t i = 0; i < told->env.n; i++) {
        const char *v = told->env.v[i];
        bool own = strncmp(v, "HERMIT_", 7) == 0 || strncmp(v, "RUMPRUN_RESOLVER=", 17) == 0;
        PROMISE(own || has(&in->env, v));
    }
}

static void check_family(size_t f, const struct input *in)
{
    static char stop[] = "--", address[] = "netdev.ip:4", variables[] = "env.vars:8";
    static char *keys[] = {stop, address, variables, NULL};
    static const struct rk_argv with = {.v = keys, .n = 3}, without = {.n = 0};
    const struct bnd_family *family = families[f].family;
    struct rk_argv words = {0}, warnings = {0};
    struct rk_err err = {0};
    struct told told = {0};
    char *line = NULL;
    size_t size;
    struct bnd_guest guest = {.kind = families[f].kind,
                              .program = in->program ? in->program : "/image",
                              .args = &in->args,
                              .env = &in->env,
                              .cwd = in->cwd ? in->cwd : "/",
                              .keys = family == &bnd_family_unikraft ? &with : &without,
                              .hostname = in->hostname ? in->hostname : "web",
                              .dns = "10.0.0.53",
                              .nets = nets,
                              .net_count = 2,
                              .warnings = &warnings};
    int r = bnd_family_cmdline(family, &guest, &words, &err);
    PROMISE(r == 0 || ((r == -EINVAL || r == -E2BIG) && err.code == r && err.text[0]));
    PROMISE(r == 0 || !in->fills || !strchr(err.text, '\n'));
    for (size_t i = 0; i < warnings.n; i++)
        PROMISE(!strchr(warnings.v[i], '\n'));
    bool json = in->args.n > 0 && in->args.v[0][0] == '{';
    for (size_t i = 0; i < in->args.n; i++)
        json = json || strncmp(in->args.v[i], "{\"", 2) == 0;
    PROMISE(in->fills || r < 0 || json); /* JSON stays as it is, placeholders included */
    if (r == 0 && !(json && (family == &bnd_family_rumprun || family == &bnd_family_solo5))) {
        FILE *out = open_memstream(&line, &size);
        PROMISE(out);
        for (size_t i = 0; i < words.n; i++)
            fprintf(out, "%s%s", i ? " " : "", words.v[i]);
        PROMISE(fclose(out) == 0);
        families[f].read(&told, line);
        check_args(in, &told, families[f].single_free);
        PROMISE(families[f].env || told.env.n == 0);
        check_env(in, &told);
    }
    told_fini(&told);
    free(line);
    rk_argv_fini(&words);
    rk_argv_fini(&warnings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.fills = true};
    struct rk_err err;
    split(&in, data, size);
    const struct bnd_guest guest = {
        .hostname = in.hostname ? in.hostname : "web", .dns = "10.0.0.53", .nets = nets, .net_count = 2};
    for (size_t i = 0; i < in.args.n; i++) {
        char *filled = NULL;
        if (bnd_guest_fill(&filled, in.args.v[i], &guest, &err) < 0)
            in.fills = false;
        else
            PROMISE(rk_argv_add(&in.filled, filled) == 0);
        free(filled);
    }
    for (size_t f = 0; f < RK_COUNT(families); f++)
        check_family(f, &in);
    rk_argv_fini(&in.args);
    rk_argv_fini(&in.env);
    rk_argv_fini(&in.filled);
    free(in.cwd);
    free(in.hostname);
    free(in.program);
    return 0;
}
