/* Numbers and times as ISO 9660 has them. */
#include "bundle/pack/iso_numbers.h"

#include "lib/cleanup.h"

void pk_iso_put16(uint8_t *p, uint32_t v, bool big)
{
    p[big] = (uint8_t)v;
    p[!big] = (uint8_t)(v >> 8);
}

void pk_iso_put32(uint8_t *p, uint32_t v, bool big)
{
    for (int i = 0; i < 4; i++)
        p[big ? 3 - i : i] = (uint8_t)(v >> 8 * i);
}

/* Numbers are there in both orders of bytes. */
void pk_iso_both16(uint8_t *p, uint32_t v)
{
    pk_iso_put16(p, v, false);
    pk_iso_put16(p + 2, v, true);
}

void pk_iso_both32(uint8_t *p, uint32_t v)
{
    pk_iso_put32(p, v, false);
    pk_iso_put32(p + 4, v, true);
}

/* Seven bytes: years from 1900 on, and UTC. */
void pk_iso_put_time(uint8_t *p, time_t t)
{
    struct tm tm;
    if (!gmtime_r(&t, &tm) || tm.tm_year < 0 || tm.tm_year > 255)
        tm = (struct tm){.tm_year = 70, .tm_mday = 1};
    const int parts[] = {tm.tm_year, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, 0};
    for (size_t i = 0; i < RK_COUNT(parts); i++)
        p[i] = (uint8_t)parts[i];
}
