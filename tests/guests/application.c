/* What a Hermit application looks like from outside: its ABI, its note, a text. Nobody enters it. */
#include <stdint.h>

static const struct {
    uint32_t name_size, desc_size, type;
    char name[8];
    uint8_t version, padding[3];
} note __attribute__((section(".note.hermit.entry-version"), used, aligned(4))) = {7,        1, 0x5a00,
                                                                                   "HERMIT", 4, {0}};

/* What a kernel says that knows "env=". */
__attribute__((used)) static const char message[] = "could not parse bootarg";

_Noreturn void _start(void);

_Noreturn void _start(void)
{
    for (;;)
        ;
}
