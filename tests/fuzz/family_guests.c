/* How guests read their command line. */
#include "tests/fuzz/family_guests.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/promise.h"

#define UNIKRAFT_WORDS 60
#define LINUX_ARGS     31

void told_fini(struct told *told)
{
    rk_argv_fini(&told->args);
    rk_argv_fini(&told->env);
    rk_argv_fini(&told->others);
}

static void add(struct rk_argv *list, const char *text)
{
    PROMISE(rk_argv_add(list, text) == 0);
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* --- Unikraft: uk_argnparse, then uk_libparam_parse
 * ------------------------------------------------------------ */

/* The next word into `out`, which is as long as the line. False at the end. Backslashes outside of single
 * quotes mean different things to different versions: none may be there. */
static bool unikraft_word(const char **line, char *out)
{
    static const char blanks[] = " \t\r\n\v";
    const char *p = *line + strspn(*line, blanks), *start = out;
    bool end = !*p;
    char quote = '\0';
    for (; *p && (quote || !is_one_of(*p, blanks)); p++) {
        if (quote ? *p == quote : is_one_of(*p, "\"'")) {
            quote = quote ? '\0' : *p;
            continue;
        }
        PROMISE(*p != '\\' || quote == '\'');
        *out++ = *p;
    }
    PROMISE(!quote && (end || out > start)); /* an empty word would be none */
    *out = '\0';
    *line = p;
    return !end;
}

void read_unikraft(struct told *ret, char *line)
{
    char *word = malloc(strlen(line) + 1);
    const char *rest = line;
    size_t n = 0, stop = 0;
    PROMISE(word);
    struct rk_argv words = {0};
    while (unikraft_word(&rest, word)) {
        add(&words, word);
        n++;
    }
    PROMISE(n <= UNIKRAFT_WORDS && n >= 1);
    /* words.v[0] is the program. The first "--" ends the parameters, if any word is in front of it. */
    for (size_t i = 1; i < words.n && !stop; i++)
        if (strcmp(words.v[i], "--") == 0)
            stop = i;
    PROMISE(stop >= 2);
    for (size_t i = 1; i < stop; i++) {
        const char *equals = strchr(words.v[i], '=');
        if (strncmp(words.v[i], "env.vars=", 9) == 0) {
            PROMISE(words.v[i][9] != '[');
            add(&ret->env, words.v[i] + 9);
        } else {
            PROMISE(!equals || equals[1] != '[');
            add(&ret->others, words.v[i]);
        }
    }
    for (size_t i = stop + 1; i < words.n; i++)
        add(&ret->args, words.v[i]);
    rk_argv_fini(&words);
    free(word);
}

/* --- Rumprun: jsmn's strings as they stand, then rumprun_parseargs
 * --------------------------------------------- */

/* The string at *json, raw, into `out`; *json is moved behind it. */
static void json_string(const char **json, char *out)
{
    const char *p = *json;
    PROMISE(*p++ == '"');
    while (*p != '"') {
        PROMISE(*p);
        if (*p == '\\') {
            PROMISE(is_one_of(p[1], "\"\\/bfnrt"));
            *out++ = *p++;
        }
        *out++ = *p++;
    }
    *out = '\0';
    *json = p + 1;
}

static void rumprun_args(struct rk_argv *ret, const char *text, char *out)
{
    char quote = '\0', *start = out;
    bool inside = false;
    for (;; text++) {
        char c = *text, plain = c;
        if (c == '\\')
            plain = *++text;
        if (!plain || is_one_of(c, " \n\t")) {
            if (inside && (!plain || !quote)) {
                *out = '\0';
                add(ret, start);
                out = start;
                inside = false;
                quote = '\0';
            }
            if (!plain)
                break;
            if (!inside)
                continue;
        }
        inside = true;
        if (quote && c == quote)
            quote = '\0';
        else if (c == '\'' || c == '"')
            quote = c;
        else
            *out++ = plain;
    }
}

/* An object or a list, of which only the whole is of interest. */
static void json_skip(const char **json, char *out)
{
    int depth = 0;
    do {
        if (**json == '"') {
            json_string(json, out);
            continue;
        }
        PROMISE(**json);
        depth += **json == '{' || **json == '[';
        depth -= **json == '}' || **json == ']';
        (*json)++;
    } while (depth > 0);
}

static void rumprun_rc(struct told *ret, const char **json, char *out)
{
    static const char bin[] = "[{\"bin\":", argv[] = ",\"argv\":[";
    PROMISE(strncmp(*json, bin, sizeof bin - 1) == 0);
    *json += sizeof bin - 1;
    json_string(json, out);
    PROMISE(strncmp(*json, argv, sizeof argv - 1) == 0);
    *json += sizeof argv - 1;
    while (**json == '"') {
        json_string(json, out);
        add(&ret->args, out);
        *json += **json == ',';
    }
    PROMISE(strncmp(*json, "]}]", 3) == 0);
    *json += 3;
}

void read_rumprun(struct told *ret, char *line)
{
    const char *p = line;
    char *out = malloc(strlen(line) + 1), *key = malloc(strlen(line) + 1);
    struct rk_argv words = {0};
    PROMISE(out && key && !strstr(line, "_RUMPRUN_ROOTFSCFG=") && *p++ == '{');
    while (*p == '"') {
        json_string(&p, key);
        PROMISE(*p++ == ':');
        if (strcmp(key, "cmdline") == 0) {
            json_string(&p, key);
            rumprun_args(&words, key, out);
            for (size_t i = 1; i < words.n; i++)
                add(&ret->args, words.v[i]);
            PROMISE(words.n > 0);
        } else if (strcmp(key, "rc_TESTING") == 0) {
            rumprun_rc(ret, &p, out);
        } else if (strcmp(key, "env") == 0) {
            json_string(&p, out);
            add(&ret->env, out);
        } else if (strcmp(key, "hostname") == 0) {
            json_string(&p, out);
            add(&ret->others, out);
        } else {
            PROMISE(strcmp(key, "net") == 0 || strcmp(key, "blk") == 0);
            json_skip(&p, out);
        }
        p += *p == ',';
    }
    PROMISE(strcmp(p, "}") == 0);
    rk_argv_fini(&words);
    free(out);
    free(key);
}

/* --- Linux: next_arg and repair_env_string
 * ------------------------------------------------------------------------ */

static bool is_kernel_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c == 0xa0;
}

/* The word at *line, as init would have it; *line is moved behind it. */
static char *kernel_word(char **line)
{
    char *p = *line, *equals = NULL;
    bool quoted = *p == '"', in_quote = quoted;
    char *start = p += quoted, *end;
    for (; *p && (in_quote || !is_kernel_space(*p)); p++) {
        if (!equals && *p == '=' && p != start)
            equals = p;
        in_quote ^= *p == '"';
    }
    end = p;
    *line = *p ? p + 1 : p;
    *end = '\0';
    if (equals && equals[1] == '"') {
        if (end[-1] == '"')
            *--end = '\0';
        memmove(equals + 1, equals + 2, strlen(equals + 2) + 1);
        end--;
        quoted = false;
    }
    if (quoted && end > start && end[-1] == '"')
        end[-1] = '\0';
    while (is_kernel_space(**line))
        (*line)++;
    return start;
}

/* Parameters that the kernel knows: the others go into init's environment. */
static bool is_parameter(const char *word)
{
    static const char *const known[] = {"console=",  "quiet", "panic=",      "reboot=",    "tsc_early_khz=",
                                        "hostname=", "root=", "rootfstype=", "rootflags=", "ro",
                                        "rw",        "init=", "rdinit=",     "ip="};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(word, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

void read_linux(struct told *ret, char *line)
{
    bool is_init = false;
    while (*line) {
        const char *word = kernel_word(&line);
        if (strcmp(word, "--") == 0) {
            PROMISE(!is_init); /* the kernel stops at a second one */
            is_init = true;
        } else if (is_init) {
            add(&ret->args, word);
        } else if (is_parameter(word)) {
            add(&ret->others, word);
            if (strncmp(word, "init=", 5) == 0 || strncmp(word, "rdinit=", 7) == 0)
                add(&ret->args, strchr(word, '=') + 1);
        } else {
            const char *equals = strchr(word, '='), *dot = strchr(word, '.');
            PROMISE(equals && (!dot || dot > equals));
            add(&ret->env, word);
        }
    }
    PROMISE(ret->args.n <= LINUX_ARGS + 1);
}

/* --- Hermit: the words of a POSIX shell without expansions
 * --------------------------------------------------------- */

static bool shell_word(const char **line, char *out)
{
    const char *p = *line;
    while (is_one_of(*p, " \t\n"))
        p++;
    if (!*p)
        return false;
    PROMISE(*p != '#');
    for (; *p && !is_one_of(*p, " \t\n"); p++) {
        if (*p == '\'') {
            for (p++; *p != '\''; p++) {
                PROMISE(*p);
                *out++ = *p;
            }
        } else {
            PROMISE(*p != '"');
            if (*p == '\\')
                PROMISE(*++p);
            *out++ = *p;
        }
    }
    *out = '\0';
    *line = p;
    return true;
}

void read_hermit(struct told *ret, char *line)
{
    const char *rest = line;
    char *word = malloc(strlen(line) + 1);
    bool is_args = false;
    PROMISE(word);
    while (shell_word(&rest, word)) {
        if (is_args)
            add(&ret->args, word);
        else if (strcmp(word, "--") == 0)
            is_args = true;
        else if (strncmp(word, "env=", 4) == 0)
            add(&ret->env, word + 4);
        else
            add(&ret->others, word);
    }
    PROMISE(is_args);
    free(word);
}

/* --- Nanos: members of its configuration
 * -------------------------------------------------------------------------- */

void read_nanos(struct told *ret, char *line)
{
    char *save = NULL;
    size_t next = 1;
    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '='), *dot = strchr(word, '.');
        PROMISE(equals && equals[1]);
        if (strncmp(word, "arguments.", 10) == 0) {
            PROMISE(strtoul(word + 10, NULL, 10) == next++);
            add(&ret->args, equals + 1);
        } else if (strncmp(word, "environment.", 12) == 0) {
            PROMISE(!memchr(word + 12, '.', (size_t)(equals - word) - 12));
            add(&ret->env, word + 12);
        } else {
            PROMISE(!dot || dot > equals || strncmp(word, "en", 2) == 0);
            add(&ret->others, word);
        }
    }
}

/* --- OSv: stresep for options, a grammar for the command
 * ----------------------------------------------------------- */

static void osv_command(struct told *ret, const char *p, char *out)
{
    while (*p) {
        char *o = out;
        PROMISE(*p++ == '"');
        for (; *p != '"'; p++) {
            PROMISE(*p && *p != '$');
            if (*p == '\\')
                PROMISE(is_one_of(*++p, "\\\""));
            *o++ = *p;
        }
        *o = '\0';
        add(&ret->args, out);
        p += strspn(p, "\"") ? 1 : 0;
        p += *p == ' ';
    }
}

void read_osv(struct told *ret, char *line)
{
    char *out = malloc(strlen(line) + 1), *p = line;
    PROMISE(out);
    while (*p == '-') {
        char *o = out;
        for (; *p && !is_one_of(*p, " \t\n"); p++) {
            if (*p == '\\')
                PROMISE(*++p);
            *o++ = *p;
        }
        *o = '\0';
        p += *p != '\0';
        PROMISE(strncmp(out, "--", 2) == 0 && strchr(out, '=') && strchr(out, '=')[1]);
        add(strncmp(out, "--env=", 6) == 0 ? &ret->env : &ret->others,
            strncmp(out, "--env=", 6) == 0 ? out + 6 : out);
    }
    osv_command(ret, p, out);
    free(out);
}

/* --- MirageOS, and guests that split at blanks and nothing else
 * ------------------------------------------------------ */

static void read_quoted(struct told *ret, char *line, bool keep_empty)
{
    char *out = malloc(strlen(line) + 1), *p = line;
    PROMISE(out);
    while (*p) {
        char *o = out;
        bool quoted = false;
        for (; *p && (quoted || !is_one_of(*p, " \t\r\n\v\f")); p++) {
            if (*p == '"') {
                quoted = !quoted;
                continue;
            }
            if (*p == '\\')
                PROMISE(*++p);
            *o++ = *p;
        }
        PROMISE(!quoted);
        *o = '\0';
        if (*out || keep_empty)
            add(&ret->args, out);
        p += *p != '\0';
    }
    free(out);
}

/* MirageOS takes an empty word, quoted or not, for none. */
void read_mirage(struct told *ret, char *line)
{
    read_quoted(ret, line, false);
}

void read_solo5(struct told *ret, char *line)
{
    read_quoted(ret, line, true);
}

void read_blanks(struct told *ret, char *line)
{
    char *save = NULL;
    for (char *word = strtok_r(line, " \t\r\n\v\f", &save); word; word = strtok_r(NULL, " \t\r\n\v\f", &save))
        add(&ret->args, word);
}
