/* The loader's reader of images against a well-formed one and every way to spoil it, and the place that it
 * finds for the file. */
#include "hypervisor/qemu/loader/loader.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

#define MIB       0x100000ULL
#define IMAGE_END 0x3000
#define DISK_AT   0x3000
#define DISK_SIZE 0x1800
#define TRAILER   0x5000 /* where it lies */
#define FILE_SIZE (TRAILER + sizeof(struct ldr_trailer))

/* Where a field lies in the file. */
#define EH(field)    offsetof(Elf64_Ehdr, field)
#define PH(i, field) (sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field))
#define TR(field)    (TRAILER + offsetof(struct ldr_trailer, field))

/* 64 MiB: two ranges that adjoin each other, the higher one first, and firmware above. */
static const struct ldr_memory memory = {{{0, 0x9fc00, LDR_RAM},
                                          {0x2000000, 0x1fe0000, LDR_RAM},
                                          {MIB, 0x1f00000, LDR_RAM},
                                          {0x3fe0000, 0x20000, 2},
                                          {5ULL << 30, 1ULL << 30, LDR_RAM}},
                                         5};

struct patch {
    size_t at;
    unsigned width; /* bytes; 0 ends the list */
    uint64_t value;
};

static const struct test_case {
    const char *name;
    const char *error; /* must begin it; NULL: the image is good */
    size_t size;       /* of the file; 0: all of it */
    struct patch patches[4];
} cases[] = {
    {"image and RAM disk", NULL, 0, {{0}}},
    {"an image alone", NULL, IMAGE_END, {{0}}},
    {"bytes behind that are no trailer", NULL, 0, {{TR(magic), 1, 'r'}}},
    {"no RAM disk in the trailer", NULL, 0, {{TR(ramdisk_size), 8, 0}}},
    {"position-independent", NULL, 0, {{EH(e_type), 2, ET_DYN}}},
    {"an empty segment anywhere",
     NULL,
     0,
     {{PH(2, p_filesz), 8, 0}, {PH(2, p_memsz), 8, 0}, {PH(2, p_paddr), 8, 0}}},
    {"across two ranges of memory", NULL, 0, {{PH(2, p_memsz), 8, 0x2000000}}},
    {"to the last byte of memory", NULL, 0, {{PH(2, p_memsz), 8, 0x3fe0000 - 0x102000}}},
    {"to the last byte of the image", NULL, 0, {{PH(2, p_filesz), 8, 0x1000}, {PH(2, p_memsz), 8, 0x1000}}},

    {"nothing", "the image is no little-endian ELF64", 1, {{0}}},
    {"a header cut short", "the image is no little-endian ELF64", 63, {{0}}},
    {"32 bits", "the image is no little-endian ELF64", 0, {{EI_CLASS, 1, ELFCLASS32}}},
    {"big-endian", "the image is no little-endian ELF64", 0, {{EI_DATA, 1, ELFDATA2MSB}}},
    {"another machine", "the image is no x86-64 program", 0, {{EH(e_machine), 2, EM_AARCH64}}},
    {"an object file", "the image is no x86-64 program", 0, {{EH(e_type), 2, ET_REL}}},
    {"no program headers", "the image has no program headers", 0, {{EH(e_phnum), 2, 0}}},
    {"too many program headers", "the image has no program headers, or too many", 0, {{EH(e_phnum), 2, 129}}},
    {"program headers of another size", "the image has no program headers", 0, {{EH(e_phentsize), 2, 57}}},
    {"program headers that wrap", "the program headers end behind", 0, {{EH(e_phoff), 8, -(uint64_t)1}}},
    {"program headers behind the image",
     "the program headers end behind",
     0,
     {{EH(e_phoff), 8, IMAGE_END - 167}}},
    {"only the trailer's image counts", "the program headers end behind", 0, {{TR(image_size), 8, 231}}},

    {"more in the file than in memory", "a segment is larger in the file", 0, {{PH(1, p_filesz), 8, 0x1001}}},
    {"an offset that wraps",
     "a segment (offset, size) ends behind",
     0,
     {{PH(1, p_offset), 8, -(uint64_t)0x10}}},
    {"an offset behind the image", "a segment (offset, size) ends behind", 0, {{PH(1, p_offset), 8, 0x2001}}},
    {"below 1 MiB", "a segment (address, size) begins below 1 MiB", 0, {{PH(1, p_paddr), 8, 0xfffff}}},
    {"an address that wraps",
     "a segment (address, size) is not in",
     0,
     {{PH(1, p_paddr), 8, -(uint64_t)0x800}}},
    {"a size that wraps", "a segment (address, size) is not in", 0, {{PH(1, p_memsz), 8, -(uint64_t)0x1000}}},
    {"in a device", "a segment (address, size) is not in", 0, {{PH(1, p_paddr), 8, 0xfee00000}}},
    {"above 4 GiB", "a segment (address, size) is not in", 0, {{PH(1, p_paddr), 8, 5ULL << 30}}},
    {"one byte into the firmware",
     "a segment (address, size) is not in",
     0,
     {{PH(2, p_memsz), 8, 0x3fe0001 - 0x102000}}},
    {"overlap by a byte",
     "two segments overlap",
     0,
     {{PH(1, p_memsz), 8, 0x1001}, {PH(2, p_paddr), 8, 0x102000}}},
    {"one within another",
     "two segments overlap",
     0,
     {{PH(2, p_paddr), 8, 0x101800}, {PH(2, p_memsz), 8, 16}, {PH(2, p_filesz), 8, 16}}},
    {"the entry before", "the entry is in no segment", 0, {{EH(e_entry), 8, 0x100fff}}},
    {"the entry behind", "the entry is in no segment", 0, {{EH(e_entry), 8, 0x105000}}},
    {"no segment at all",
     "the entry is in no segment",
     0,
     {{PH(0, p_type), 4, PT_NOTE}, {PH(1, p_type), 4, PT_NOTE}, {PH(2, p_type), 4, PT_NOTE}}},

    {"a RAM disk that wraps", "the trailer's RAM disk", 0, {{TR(ramdisk_size), 8, -(uint64_t)0x3000}}},
    {"a RAM disk over the trailer", "the trailer's RAM disk", 0, {{TR(ramdisk_size), 8, 0x2001}}},
    {"a RAM disk in the image", "the trailer's RAM disk", 0, {{TR(ramdisk_offset), 8, 0x2000}}},
    {"a RAM disk within a page",
     "the trailer's RAM disk",
     0,
     {{TR(ramdisk_offset), 8, 0x3800}, {TR(ramdisk_size), 8, 1}}},
    {"an image larger than the file", "the trailer's RAM disk", 0, {{TR(image_size), 8, -(uint64_t)1}}},
};

static size_t make(uint8_t file[FILE_SIZE], const struct test_case *test)
{
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_entry = 0x101010,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 3,
    };
    const Elf64_Phdr headers[] = {
        {.p_type = PT_NOTE, .p_filesz = -(uint64_t)1},
        {.p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = 0x101000, .p_filesz = 0x1000, .p_memsz = 0x1000},
        {.p_type = PT_LOAD, .p_offset = 0x2000, .p_paddr = 0x102000, .p_filesz = 0x123, .p_memsz = 0x3000},
    };
    const struct ldr_trailer trailer = {
        IMAGE_END, DISK_AT, DISK_SIZE, {'R', 'U', 'N', 'U', 'K', 'L', 'D', 'R'}};
    memset(file, 0, FILE_SIZE);
    memcpy(file, &header, sizeof header);
    memcpy(file + sizeof header, headers, sizeof headers);
    memcpy(file + TRAILER, &trailer, sizeof trailer);
    for (const struct patch *patch = test->patches; patch < test->patches + 4 && patch->width; patch++)
        memcpy(file + patch->at, &patch->value, patch->width);
    return test->size ? test->size : FILE_SIZE;
}

static void run_case(const struct test_case *test)
{
    static uint8_t file[FILE_SIZE];
    struct ldr_image image;
    struct ldr_error error = {0};
    size_t size = make(file, test);
    int r = ldr_image_read(file, size, &memory, &image, &error);
    if (test->error) {
        bool good = r < 0 && error.text && strncmp(error.text, test->error, strlen(test->error)) == 0;
        tap_ok(good, "%s: %s", test->name, r < 0 ? error.text : "was let pass");
    } else {
        tap_ok(r == 0, "%s%s%s", test->name, r < 0 ? ": " : "", r < 0 ? error.text : "");
    }
    LLVMFuzzerTestOneInput(file, size);
}

static void test_content(void)
{
    static uint8_t file[FILE_SIZE];
    struct ldr_image image;
    struct ldr_error error;
    make(file, &cases[0]);
    tap_ok(ldr_image_read(file, sizeof file, &memory, &image, &error) == 0 && image.count == 2 &&
               image.entry == 0x101010,
           "two segments and the entry");
    const struct ldr_segment *last = &image.segment[1];
    tap_ok(last->offset == 0x2000 && last->filesz == 0x123 && last->target == 0x102000 &&
               last->memsz == 0x3000,
           "the second segment");
    tap_ok(image.ramdisk_offset == DISK_AT && image.ramdisk_size == DISK_SIZE, "the RAM disk");
    make(file, &cases[3]);
    tap_ok(ldr_image_read(file, sizeof file, &memory, &image, &error) == 0 && image.ramdisk_size == 0,
           "no RAM disk");
}

static void test_usable(void)
{
    tap_ok(ldr_memory_usable(&memory, MIB, 0x3ee0000), "memory: ranges that adjoin count as one");
    tap_ok(!ldr_memory_usable(&memory, MIB, 0x3ee0001), "memory: one byte more does not");
    tap_ok(!ldr_memory_usable(&memory, MIB - 1, 2), "memory: not across a hole");
    tap_ok(!ldr_memory_usable(&memory, MIB, 0), "memory: nothing is nowhere");
    tap_ok(!ldr_memory_usable(&memory, -(uint64_t)16, 32), "memory: not around the end of addresses");
}

/* Places for a file of 1 MiB: segments (address, size), the file's address before, and after; 0: none. */
static const struct {
    const char *name;
    struct {
        uint64_t target, memsz;
    } segments[3];
    uint64_t ramdisk_size;
    uint64_t module;
    uint64_t want;
} places[] = {
    {"it stays where nothing goes", {{MIB, MIB}}, 0, 0x3ee0000, 0x3ee0000},
    {"it stays beside a segment", {{MIB, MIB}}, 0, 2 * MIB, 2 * MIB},
    {"it stays between pages", {{MIB, MIB}}, 0, 0x3edf123, 0x3edf123},
    {"not with a RAM disk", {{MIB, MIB}}, 1, 0x3edf123, 0x3ee0000},
    {"it goes to the end of memory", {{MIB, 2 * MIB}}, 0, 2 * MIB, 0x3ee0000},
    {"a byte in the way is enough", {{MIB, MIB + 1}}, 0, 2 * MIB, 0x3ee0000},
    {"it goes below a segment at the end", {{MIB, MIB}, {0x3fd0000, 0x10000}}, 0, 0x3ee0000, 0x3ed0000},
    {"between pages it goes to the one before", {{MIB, MIB}, {0x3fd0800, 0xf800}}, 0, 0x3ee0000, 0x3ed0000},
    {"between two segments", {{MIB, 0x1000000}, {0x1200000, 0x2de0000}}, 0, 0x3ee0000, 0x1100000},
    {"below the first", {{2 * MIB, 0x3de0000}}, 0, 0x3ee0000, MIB},
    {"nowhere", {{2 * MIB - 1, 0x3de0001}}, 0, 0x3ee0000, 0},
    {"nowhere between two segments", {{MIB, 0x1000001}, {0x1200000, 0x2de0000}}, 0, 0x3ee0000, 0},
};

static void test_place(void)
{
    for (size_t i = 0; i < RK_COUNT(places); i++) {
        struct ldr_image image = {.ramdisk_size = places[i].ramdisk_size};
        struct ldr_error error = {0};
        uint64_t placed = 0;
        for (; image.count < 3 && places[i].segments[image.count].memsz; image.count++) {
            image.segment[image.count].target = places[i].segments[image.count].target;
            image.segment[image.count].memsz = places[i].segments[image.count].memsz;
        }
        int r = ldr_place(&image, &memory, places[i].module, MIB, &placed, &error);
        tap_ok(placed == places[i].want && (r == 0) == (places[i].want != 0), "place: %s (0x%llx)",
               places[i].name, (unsigned long long)placed);
    }
}

/* The cases as files: where the fuzzer starts from. */
static int write_seeds(const char *dir)
{
    static uint8_t file[FILE_SIZE];
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/case-%zu", dir, i);
        size_t size = make(file, &cases[i]);
        rk_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, file, size) != (ssize_t)size) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    for (size_t i = 0; i < RK_COUNT(cases); i++)
        run_case(&cases[i]);
    test_content();
    test_usable();
    test_place();
    return tap_end();
}
