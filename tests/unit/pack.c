/* Packing: trees that are hard to pack, read back by libarchive. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/seeds.h"
#include "tests/unit/tap.h"

#define SIZE 4096

/* The input of the fuzz target for a tree: `count` times the bytes of `step`, with what is counted in place
 * of 'N'. */
static const struct {
    const char *what;
    uint8_t options;
    const char *step;
    size_t len, count;
} cases[] = {
    {"nothing", 0, "", 0, 0},
    {"a file of each size", 0, "\7\1\0dNNN\7", 8, 9},
    {"directories in directories", 0, "\0\1\0dN", 5, 23},
    {"many files, so that the directory has several sectors", 0, "\7\7\0fileNNNNN\1", 13, 190},
    {"names of 253 bytes", 0, "\7\374\10N", 4, 20},
    {"links: long, absolute, with dots and empty parts", 0, "\2\3\0linN\377\4\3\1\2\3\0\1", 14, 30},
    {"one file by several names", 0, "\7\1\0aa\3N\3\1\0aa\2\0bbN\0", 17, 9},
    {"devices and FIFOs", 0, "\4\2\0devN\1\1N", 9, 20},
    {"modes and owners", 0, "\7\1\0aa\4x\5\1\0aa\377N\6\1\0aa\377N\7", 21, 9},
    {"modules", 1, "\2\1\2\1\2\1\60a/virtio_blk.ko: a/isofs.ko.xz\na/isofs.ko.xz:\n", 55, 1},
};

static size_t make(uint8_t out[SIZE], size_t which)
{
    size_t n = 0;
    out[n++] = cases[which].options;
    for (size_t k = 0; k < cases[which].count; k++)
        for (size_t i = 0; i < cases[which].len && n < SIZE; i++)
            out[n++] = cases[which].step[i] == 'N' ? (uint8_t)(k + 1) : (uint8_t)cases[which].step[i];
    return n;
}

int main(int argc, char **argv)
{
    const char *seeds = seeds_directory(argc, argv);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t input[SIZE];
        size_t size = make(input, i);
        if (seeds)
            seeds_write(seeds, i, input, size);
        else
            tap_ok(LLVMFuzzerTestOneInput(input, size) == 0, "%s", cases[i].what);
    }
    return seeds ? 0 : tap_end();
}
