/* Text without a libc: formatting, numbers, and the memory functions that a compiler expects to find. */
#include "guest.h"

/* The compiler must not see through these loops, or it turns each into a call of itself. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *ret = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return ret;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return memcpy(to, from, n);
    for (size_t i = n; i > 0; i--)
        ((volatile uint8_t *)to)[i - 1] = ((const uint8_t *)from)[i - 1];
    return to;
}

void *memset(void *to, int c, size_t n)
{
    void *ret = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int diff = ((const volatile uint8_t *)a)[i] - ((const uint8_t *)b)[i];
        if (diff)
            return diff;
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (((const volatile char *)s)[n])
        n++;
    return n;
}

bool guest_equal(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && memcmp(a, b, n) == 0;
}

const char *guest_after(const char *text, const char *prefix)
{
    for (; *prefix; text++, prefix++)
        if (*text != *prefix)
            return NULL;
    return text;
}

bool guest_number(const char *text, uint64_t *ret_value, const char **ret_end)
{
    uint64_t value = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value))
            return false;
    if (p == text)
        return false;
    *ret_value = value;
    if (ret_end)
        *ret_end = p;
    return true;
}

struct out {
    char *buf;
    size_t size;
    size_t len; /* what the text would need; may run past size */
};

static void out_char(struct out *out, char c)
{
    if (out->len + 1 < out->size)
        out->buf[out->len] = c;
    out->len++;
}

static void out_text(struct out *out, const char *text)
{
    for (; *text; text++)
        out_char(out, *text);
}

static void out_number(struct out *out, uint64_t value, unsigned base, unsigned width, char pad)
{
    char digits[24];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    for (; width > n; width--)
        out_char(out, pad);
    while (n)
        out_char(out, digits[--n]);
}

static void out_signed(struct out *out, int64_t value, unsigned width, char pad)
{
    if (value < 0)
        out_char(out, '-');
    out_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width, pad);
}

size_t guest_vformat(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out out = {buf, size, 0};
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            out_char(&out, *fmt);
            continue;
        }
        fmt++;
        char pad = *fmt == '0' ? '0' : ' ';
        unsigned width = 0;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++)
            width = width * 10 + (unsigned)(*fmt - '0');
        bool wide = *fmt == 'l';
        while (*fmt == 'l')
            fmt++;
        switch (*fmt) {
        case 's':
            out_text(&out, va_arg(args, const char *));
            break;
        case 'c':
            out_char(&out, (char)va_arg(args, int));
            break;
        case 'd':
            out_signed(&out, wide ? va_arg(args, int64_t) : va_arg(args, int), width, pad);
            break;
        case 'u':
        case 'x':
            out_number(&out, wide ? va_arg(args, uint64_t) : va_arg(args, unsigned), *fmt == 'x' ? 16 : 10,
                       width, pad);
            break;
        default:
            out_char(&out, *fmt);
        }
    }
    if (size)
        buf[out.len < size ? out.len : size - 1] = '\0';
    return out.len;
}

size_t guest_format(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t len = guest_vformat(buf, size, fmt, args);
    va_end(args);
    return len;
}

void guest_print(const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    size_t len = guest_vformat(line, sizeof(line), fmt, args);
    va_end(args);
    guest_write(line, len < sizeof(line) ? len : sizeof(line) - 1);
}
