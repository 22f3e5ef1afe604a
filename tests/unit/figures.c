/* The file of figures: what a monitor counts is read, and what a hostile one leaves there is judged. */
#include "lib/figures.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

#define AT(member) offsetof(struct rk_figures, member)

/* A file of `size` bytes, all zero. */
static int make_file(off_t size)
{
    int fd = memfd_create("figures", MFD_CLOEXEC);
    return fd >= 0 && ftruncate(fd, size) == 0 ? fd : -1;
}

static void test_counting(void)
{
    struct rk_err err = {0};
    struct rk_figures *figures = NULL, got;
    rk_autoclose int fd = make_file(RK_FIGURES_SIZE);
    tap_ok(rk_figures_read(&got, fd, &err) == 0, "a file that nobody has counted in yet has no figures");
    tap_ok(rk_figures_map(&figures, fd, &err) == 0 && rk_figures_read(&got, fd, &err) == 1 &&
               got.calls[2] == 0 && got.other == 0 && got.blocks[63].reads == 0,
           "counting begins at zero");
    rk_figures_add(&figures->calls[2], 3);
    rk_figures_add(&figures->calls[2], 4);
    rk_figures_add(&figures->interrupted, 1);
    rk_figures_add(&figures->blocks[63].written_bytes, UINT64_C(1) << 40);
    tap_ok(rk_figures_read(&got, fd, &err) == 1 && got.calls[2] == 7 && got.interrupted == 1 &&
               got.blocks[63].written_bytes == UINT64_C(1) << 40 && got.blocks[62].written_bytes == 0,
           "what is counted is read at once");
    munmap(figures, RK_FIGURES_SIZE);
    tap_ok(rk_figures_read(&got, fd, &err) == 1 && got.calls[2] == 7, "and is still there afterwards");
    tap_ok(rk_figures_map(&figures, fd, &err) == 0 && rk_figures_read(&got, fd, &err) == 1 &&
               got.calls[2] == 0,
           "another monitor counts from zero");
    munmap(figures, RK_FIGURES_SIZE);
}

/* Nothing that could not be stored into is mapped. */
static void test_unfit(void)
{
    struct rk_err err = {0};
    struct rk_figures *figures;
    rk_autoclose int small = make_file(RK_FIGURES_SIZE - 1);
    rk_autoclose int device = open("/dev/zero", O_RDWR | O_CLOEXEC);
    tap_ok(rk_figures_map(&figures, small, &err) == -EINVAL && strstr(err.text, "4096 bytes at least"),
           "a file that is too small is not counted in");
    tap_ok(rk_figures_map(&figures, device, &err) == -EINVAL, "nor is what is no file");
    tap_ok(rk_figures_map(&figures, -1, &err) == -EBADF, "nor is what is not open");
}

/* Good figures but for `value` at `at`. */
static const struct {
    const char *name;
    size_t at;
    uint32_t value;
    off_t size; /* of the file, bytes */
    const char *error;
} spoils[] = {
    {"empty", AT(version), 1, 0, "cut short: 0 bytes"},
    {"cut in the header", AT(version), 1, 12, "cut short: 12 bytes"},
    {"cut before the last number", AT(version), 1, sizeof(struct rk_figures) - 1, "cut short"},
    {"other letters", 4, 0x20202020, RK_FIGURES_SIZE, "no figures"},
    {"version 0", AT(version), 0, RK_FIGURES_SIZE, "of version 0"},
    {"a later version", AT(version), 2, RK_FIGURES_SIZE, "of version 2"},
    {"a version of all ones", AT(version), UINT32_MAX, RK_FIGURES_SIZE, "of version 4294967295"},
    {"another size", AT(size), 4096, RK_FIGURES_SIZE, "and 4096 bytes"},
};

static void test_spoiled(void)
{
    for (size_t i = 0; i < RK_COUNT(spoils); i++) {
        struct rk_err err = {0};
        struct rk_figures *figures = NULL, got = {.other = 77};
        rk_autoclose int fd = make_file(RK_FIGURES_SIZE);
        bool good = rk_figures_map(&figures, fd, &err) == 0 &&
                    pwrite(fd, &spoils[i].value, sizeof spoils[i].value, (off_t)spoils[i].at) == 4;
        if (figures)
            munmap(figures, RK_FIGURES_SIZE);
        good = good && ftruncate(fd, spoils[i].size) == 0 && rk_figures_read(&got, fd, &err) == -EINVAL &&
               strstr(err.text, spoils[i].error) && got.other == 77;
        if (!tap_ok(good, "refused: %s", spoils[i].name))
            printf("# got \"%s\"\n", err.text);
    }
}

static void test_huge(void)
{
    struct rk_err err = {0};
    struct rk_figures *figures = NULL, got;
    rk_autoclose int fd = make_file(RK_FIGURES_SIZE);
    if (!tap_ok(rk_figures_map(&figures, fd, &err) == 0, "map"))
        return;
    memset((char *)figures + AT(calls), 0xff, RK_FIGURES_SIZE - AT(calls));
    bool good = rk_figures_read(&got, fd, &err) == 1;
    for (size_t i = 0; good && i < (sizeof got - AT(calls)) / sizeof(uint64_t); i++) {
        uint64_t number;
        memcpy(&number, (const char *)&got + AT(calls) + i * sizeof number, sizeof number);
        good = number == INT64_MAX;
    }
    tap_ok(good, "numbers beyond all counting are bounded, every one");
    munmap(figures, RK_FIGURES_SIZE);
}

int main(void)
{
    test_counting();
    test_unfit();
    test_spoiled();
    test_huge();
    return tap_end();
}
