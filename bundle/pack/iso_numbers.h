/* Numbers and times as ISO 9660 has them (ECMA-119, 7 and 9.1.5). */
#ifndef PK_ISO_NUMBERS_H
#define PK_ISO_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Two and four bytes, the least first, or the greatest (`big`). */
void pk_iso_put16(uint8_t *p, uint32_t v, bool big);
void pk_iso_put32(uint8_t *p, uint32_t v, bool big);

/* Four and eight bytes: the number in both orders, the least first. */
void pk_iso_both16(uint8_t *p, uint32_t v);
void pk_iso_both32(uint8_t *p, uint32_t v);

/* Seven bytes, UTC; what is not within 1900 to 2155 becomes 1970. */
void pk_iso_put_time(uint8_t *p, time_t t);

#endif
