/* Queries of DNS, and the addresses in what comes back. */
#include "names.h"
#include "ip.h"

#define CLASS_IN 1

/* "example.net" as labels; the length, or 0 when it is no name. */
static size_t put_name(uint8_t *to, const char *name)
{
    size_t at = 0;
    while (*name) {
        size_t len = 0;
        while (name[len] && name[len] != '.')
            len++;
        if (len == 0 || len > 63 || at + len > 250)
            return 0;
        to[at] = (uint8_t)len;
        memcpy(to + at + 1, name, len);
        at += len + 1;
        name += len + (name[len] == '.');
    }
    to[at] = 0;
    return at + 1;
}

size_t names_query(uint8_t *to, const char *name, uint16_t id, uint16_t type)
{
    memset(to, 0, 12);
    ip_put16(to, id);
    ip_put16(to + 2, 0x0100); /* recursion desired */
    ip_put16(to + 4, 1);
    size_t len = put_name(to + 12, name);
    ip_put16(to + 12 + len, type);
    ip_put16(to + 14 + len, CLASS_IN);
    return len ? 16 + len : 0;
}

/* Behind the name at `at`; beyond `len` when it is not whole. */
static size_t skip_name(const uint8_t *data, size_t len, size_t at)
{
    while (at < len && data[at] != 0) {
        if (data[at] >= 0xc0)
            return at + 2;
        at += 1U + data[at];
    }
    return at + 1;
}

void names_answer(struct names_answer *ret, const uint8_t *data, size_t len)
{
    *ret = (struct names_answer){data, len, skip_name(data, len, 12) + 4, ip_get16(data + 6)};
}

bool names_next_address(struct names_answer *answer, uint32_t *ret_address)
{
    while (answer->left > 0) {
        answer->left--;
        size_t at = skip_name(answer->data, answer->len, answer->at);
        if (at + 10 > answer->len || at + 10 + ip_get16(answer->data + at + 8) > answer->len)
            break;
        size_t size = ip_get16(answer->data + at + 8);
        answer->at = at + 10 + size;
        if (ip_get16(answer->data + at) == NAMES_A && size == 4) {
            *ret_address = ip_get32(answer->data + at + 10);
            return true;
        }
    }
    answer->left = 0;
    return false;
}
