/* Unit tests of readers: their cases are the first inputs of the fuzz target of the same name. */
#ifndef UNIT_SEEDS_H
#define UNIT_SEEDS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The directory of "--seeds DIRECTORY", or NULL. */
static inline const char *seeds_directory(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "--seeds") == 0 ? argv[2] : NULL;
}

/* Write one input. */
static inline void seeds_write(const char *directory, size_t number, const uint8_t *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%03zu", directory, number);
    FILE *f = fopen(path, "w");
    if (!f)
        return;
    fwrite(data, 1, size, f);
    fclose(f);
}

#endif
