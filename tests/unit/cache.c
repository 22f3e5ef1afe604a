/* The cache of packed files: what is damaged or somebody else's is made anew. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/seeds.h"
#include "tests/unit/tap.h"

/* As the fuzz target reads them: a byte of options, then four for each thing that is planted or damaged. */
static const struct {
    const char *what;
    uint8_t input[16];
    size_t size;
} cases[] = {
    {"nothing happens", {0}, 1},
    {"the bound is 0: what is asked for stays", {1}, 1},
    {"the file lost its end", {0, 0x40, 0, 3}, 4 + 1},
    {"the file is empty", {0, 0x40, 0, 0, 0}, 5},
    {"the key lost its end", {0, 0x40, 1, 3, 0}, 5},
    {"the key is another", {0, 0x40, 3, 2, 0}, 5},
    {"a file of somebody else's", {0, 0, 0, 0, 9}, 5},
    {"a directory where the file should be", {0, 0, 0, 1, 0}, 5},
    {"a link instead of the file", {0, 0, 0, 2, 0}, 5},
    {"a FIFO instead of the file", {0, 0, 0, 3, 0}, 5},
    {"a FIFO instead of the key", {0, 0, 1, 3, 0}, 5},
    {"a link instead of the key", {0, 0, 1, 2, 0}, 5},
    {"a directory instead of the key", {0, 0, 1, 1, 0}, 5},
    {"a directory where it is to be written", {0, 0, 2, 1, 0, 0, 0, 2, 0}, 9},
    {"other files, and a bound of 0", {1, 0, 0x81, 0, 1, 0, 0x82, 0, 1}, 9},
    {"what can't be written is an error", {2, 0, 0, 2, 0}, 5},
};

int main(int argc, char **argv)
{
    const char *seeds = seeds_directory(argc, argv);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (seeds)
            seeds_write(seeds, i, cases[i].input, cases[i].size);
        else
            tap_ok(LLVMFuzzerTestOneInput(cases[i].input, cases[i].size) == 0, "%s", cases[i].what);
    }
    return seeds ? 0 : tap_end();
}
