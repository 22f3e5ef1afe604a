/* Whatever the bytes are: what the ELF reader hands out lies inside the file. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "bundle/elf.h"
#include "tests/fuzz/promise.h"

static void check_span(const struct bnd_elf *elf, const struct bnd_span *span)
{
    volatile uint8_t sum = 0;
    PROMISE(span->offset <= elf->size && span->size <= elf->size - span->offset);
    for (uint64_t i = 0; i < span->size; i++) /* a sanitizer would see what is not there */
        sum = (uint8_t)(sum + elf->data[span->offset + i]);
}

static void check(const struct bnd_elf *elf)
{
    static const char *const sections[] = {".text", ".uk_*", "*", "", ".note*", ".shstrtab"};
    static const char *const owners[] = {"Xen", "Solo5", "GNU", "", "Linux"};
    static const uint32_t types[] = {0, 1, 6, 18, 0x100, 0x31494241};
    struct bnd_segment segment;
    struct bnd_span span;
    size_t i = 0;
    while (bnd_elf_segment(elf, i, &segment))
        i++;
    PROMISE(i == elf->phnum && !bnd_elf_segment(elf, SIZE_MAX, &segment));
    for (i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        bool found = bnd_elf_section(elf, sections[i], &span);
        PROMISE(found == bnd_elf_section(elf, sections[i], NULL));
        if (found)
            check_span(elf, &span);
    }
    for (i = 0; i < sizeof owners / sizeof owners[0]; i++)
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
            if (bnd_elf_note(elf, owners[i], types[t], &span))
                check_span(elf, &span);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly that size: a sanitizer then sees any byte read behind it. */
    uint8_t *copy = malloc(size ? size : 1);
    struct bnd_elf elf;
    PROMISE(copy);
    if (size)
        memcpy(copy, data, size);
    if (bnd_elf_open(&elf, copy, size)) {
        PROMISE(elf.data == copy && elf.size == size);
        check(&elf);
    }
    free(copy);
    return 0;
}
