/* A scanner over a JSON text that has already been found valid: it looks for one key and counts lines. */
#include "config/line.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 128 /* longer names are none of ours */

struct scan {
    const char *p, *end;
    int line;
};

static bool at(const struct scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static void step(struct scan *s)
{
    if (s->p < s->end && *s->p++ == '\n')
        s->line++;
}

/* Past blanks, and past the commas and colons that the grammar puts between what is looked at. */
static void skip_blanks(struct scan *s)
{
    while (s->p < s->end && (isspace((unsigned char)*s->p) || *s->p == ',' || *s->p == ':'))
        step(s);
}

/* The character that the escape at s->p (behind the backslash) stands for; '\0' for one that no name of ours
 * has. */
static char unescape(struct scan *s)
{
    char c = *s->p;
    if (c != 'u')
        return strchr("\"\\/", c) ? c : '\0';
    if (s->end - s->p < 5)
        return '\0';
    char digits[5] = {s->p[1], s->p[2], s->p[3], s->p[4]};
    long code = strtol(digits, NULL, 16);
    s->p += 4;
    return code > 0 && code < 0x80 ? (char)code : '\0';
}

/* Past a string; its content, cut to NAME_SIZE - 1 bytes, goes to `out`. */
static void read_string(struct scan *s, char out[NAME_SIZE])
{
    size_t n = 0;
    step(s);
    while (s->p < s->end && *s->p != '"') {
        char c = *s->p;
        if (c == '\\' && s->end - s->p > 1) {
            s->p++;
            c = unescape(s);
        }
        if (n < NAME_SIZE - 1)
            out[n++] = c;
        step(s);
    }
    out[n] = '\0';
    step(s);
}

/* Past a value of any kind. */
static void skip_value(struct scan *s)
{
    char ignored[NAME_SIZE];
    size_t depth = 0;
    skip_blanks(s);
    do {
        if (at(s, '"')) {
            read_string(s, ignored);
            continue;
        }
        if (at(s, '{') || at(s, '['))
            depth++;
        else if ((at(s, '}') || at(s, ']')) && depth-- == 0)
            return; /* the end of what the value is in: it was a number or a word */
        step(s);
    } while (s->p < s->end && (depth > 0 || !strchr(",}] \t\r\n", *s->p)));
}

int cfg_line_of(const char *text, size_t len, const char *const *path)
{
    struct scan s = {.p = text, .end = text + len, .line = 1};
    char name[NAME_SIZE];
    skip_blanks(&s);
    if (!at(&s, '{'))
        return 0;
    step(&s);
    for (;;) {
        skip_blanks(&s);
        if (!at(&s, '"'))
            return 0;
        int line = s.line;
        read_string(&s, name);
        if (strcmp(name, *path) != 0) {
            skip_value(&s);
            continue;
        }
        if (!*++path)
            return line;
        skip_blanks(&s);
        if (!at(&s, '{'))
            return 0;
        step(&s);
    }
}
