/* Whatever an argument is: filled and quoted it is one word again, which a guest splits back into the filled
 * text. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/family.h"
#include "lib/err.h"
#include "tests/fuzz/promise.h"

static const struct bnd_guest_net nets[] = {
    {.device = "service", .ipv4 = "172.17.0.2", .ipv4_prefix = 16, .ipv4_gateway = "172.17.0.1", .mtu = 1500},
    {.device = "second", .ipv6 = "fd00::2", .ipv6_prefix = 64, .mtu = 9000},
};

/* The word that stands at `line` as a MirageOS guest reads it (Functoria's command-line parser: blanks
 * separate, double quotes group, a backslash takes the next character as it is), into `out`. What follows it.
 */
static const char *take_word(const char *line, char *out)
{
    bool quoted = false;
    for (; *line && (quoted || *line != ' '); line++) {
        if (*line == '"') {
            quoted = !quoted;
            continue;
        }
        if (*line == '\\' && line[1])
            line++;
        *out++ = *line;
    }
    *out = '\0';
    PROMISE(!quoted);
    return line;
}

static void check_family(const struct bnd_family *family, const char *arg, const char *filled,
                         const struct bnd_guest *template)
{
    struct rk_argv args = {0}, words = {0};
    struct rk_err err = {0};
    PROMISE(rk_argv_add(&args, arg) == 0);
    struct bnd_guest guest = *template;
    guest.args = &args;
    int r = family->cmdline(&guest, &words, &err);
    bool raw = family == &bnd_family_solo5 && arg[0] == '{' && arg[1] == '"';
    if (raw) {
        PROMISE(r == 0 && words.n == 1 && strcmp(words.v[0], arg) == 0);
    } else if (!filled) {
        PROMISE(r == -EINVAL && err.code == r && strstr(err.text, "has no value"));
    } else if (family == &bnd_family_mirage && !*arg) {
        PROMISE(r == -EINVAL && err.code == r && strstr(err.text, "an empty one gets lost"));
    } else {
        char *back = malloc(strlen(words.v[words.n - 1]) + 1);
        PROMISE(r == 0 && words.n == 1 && back);
        PROMISE(*take_word(words.v[0], back) == '\0');
        PROMISE(strcmp(back, filled) == 0);
        free(back);
    }
    rk_argv_fini(&words);
    rk_argv_fini(&args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rk_argv no_keys = {0};
    struct bnd_guest guest = {.keys = &no_keys, .hostname = "web", .dns = "", .nets = nets, .net_count = 2};
    struct rk_err err = {0};
    char *filled = NULL, *arg = malloc(size + 1);
    PROMISE(arg);
    if (size)
        memcpy(arg, data, size);
    arg[size] = '\0';
    int r = bnd_guest_fill(&filled, arg, &guest, &err);
    PROMISE(r == 0 || r == -EINVAL);
    PROMISE(r == 0 ? filled && err.code == 0 : !filled && err.code == r && err.text[0]);
    PROMISE(strchr(arg, '{') || (r == 0 && strcmp(filled, arg) == 0));
    check_family(&bnd_family_mirage, arg, filled, &guest);
    check_family(&bnd_family_solo5, arg, filled, &guest);
    free(filled);
    free(arg);
    return 0;
}
