/* Command-line flags as runc's users and engines write them. */
#include "config/flags.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

/* The flag that `arg` ("-x", "--name", "--name=value") names; *ret_value is what stands behind '=', or NULL.
 */
static const struct cfg_flag *find_flag(const struct cfg_flag *flags, const char *arg, const char **ret_value)
{
    const char *name = arg + (arg[1] == '-' ? 2 : 1);
    size_t len = strcspn(name, "=");
    *ret_value = name[len] == '=' ? name + len + 1 : NULL;
    for (const struct cfg_flag *f = flags; f->name; f++) {
        if (strlen(f->name) == len && strncmp(f->name, name, len) == 0)
            return f;
        if (f->letter && len == 1 && name[0] == f->letter)
            return f;
    }
    return NULL;
}

static int set_bool(const struct cfg_flag *flag, const char *value, struct rk_err *err)
{
    bool on = true;
    if (value && (strcmp(value, "false") == 0 || strcmp(value, "0") == 0))
        on = false;
    else if (value && strcmp(value, "true") != 0 && strcmp(value, "1") != 0)
        return rk_fail(err, -EINVAL, "invalid boolean value \"%s\" for --%s", value, flag->name);
    if (flag->value)
        *(bool *)flag->value = on;
    return 0;
}

static int set_int(const struct cfg_flag *flag, const char *value, struct rk_err *err)
{
    char *end;
    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || n < 0 || n > INT_MAX)
        return rk_fail(err, -EINVAL, "invalid value \"%s\" for --%s: expected a number", value, flag->name);
    if (flag->value)
        *(int *)flag->value = (int)n;
    return 0;
}

/* Take argv[*index], a flag, with its value; *index moves behind both. */
static int take_flag(const struct cfg_flag *flags, int argc, char **argv, int *index, struct rk_err *err)
{
    const char *value;
    const char *arg = argv[(*index)++];
    const struct cfg_flag *flag = find_flag(flags, arg, &value);
    if (!flag)
        return rk_fail(err, -EINVAL, "flag provided but not defined: %s", arg);
    if (flag->kind == CFG_BOOL)
        return set_bool(flag, value, err);
    if (!value) {
        if (*index >= argc)
            return rk_fail(err, -EINVAL, "flag needs an argument: %s", arg);
        value = argv[(*index)++];
    }
    if (flag->kind == CFG_INT)
        return set_int(flag, value, err);
    if (flag->value)
        *(const char **)flag->value = value;
    return 0;
}

int cfg_flags_parse(const struct cfg_flag *flags, int argc, char **argv, int *index, bool mixed,
                    struct rk_err *err)
{
    int first = *index; /* argv[first …] are the positional ones found so far, up to argv[kept - 1] */
    int kept = first;
    int i = first;
    while (i < argc) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            int r = take_flag(flags, argc, argv, &i, err);
            if (r < 0)
                return r;
            continue;
        }
        if (!mixed)
            break;
        argv[kept++] = argv[i++];
    }
    if (!mixed) {
        *index = i;
        return 0;
    }
    while (i < argc)
        argv[kept++] = argv[i++];
    argv[kept] = NULL; /* argc is the caller's: it counts up to this NULL */
    return 0;
}

void cfg_flags_help(const struct cfg_flag *flags)
{
    for (const struct cfg_flag *f = flags; f->name; f++) {
        if (!f->help)
            continue;
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", f->name, f->kind == CFG_BOOL ? "" : " VALUE", "");
        if (f->letter)
            printf("   %-26s  -%c  %s\n", left, f->letter, f->help);
        else
            printf("   %-26s      %s\n", left, f->help);
    }
}
