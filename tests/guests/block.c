/* Exercises the block device "storage": info, write, verify, rw (all of it), range (past the end, unguarded).
 * A second word "wait" keeps the guest when it is done. */
#include "guest.h"

GUEST_MANIFEST(GUEST_BLOCK("storage"));

#define BLOCK_MAX    65536
#define EXIT_REFUSED 3

static uint64_t block[BLOCK_MAX / sizeof(uint64_t)];
static uint64_t wanted[BLOCK_MAX / sizeof(uint64_t)];
static unsigned handle;
static uint64_t capacity;
static uint64_t block_size;

/* Every word differs from every other on the disk, so that a block in the wrong place shows. */
static void pattern(uint64_t *buf, uint64_t offset)
{
    for (uint64_t i = 0; i < block_size / sizeof(*buf); i++)
        buf[i] = (offset + i * sizeof(*buf)) * 0x9e3779b97f4a7c15ULL;
}

static int write_all(void)
{
    for (uint64_t offset = 0; offset < capacity; offset += block_size) {
        pattern(block, offset);
        if (guest_block_write(handle, offset, block, block_size) != GUEST_OK) {
            guest_print("write refused\n");
            return EXIT_REFUSED;
        }
    }
    guest_print("wrote %lu bytes\n", capacity);
    return 0;
}

static int verify_all(void)
{
    for (uint64_t offset = 0; offset < capacity; offset += block_size) {
        if (guest_block_read(handle, offset, block, block_size) != GUEST_OK) {
            guest_print("read failed at %lu\n", offset);
            return 1;
        }
        pattern(wanted, offset);
        if (memcmp(block, wanted, block_size) != 0) {
            guest_print("wrong bytes at %lu\nFAIL\n", offset);
            return 1;
        }
    }
    guest_print("verified %lu bytes\n", capacity);
    return 0;
}

static int check_limits(void)
{
    static const char *const names[] = {"past the end", "far past the end", "unaligned", "half a block",
                                        "two blocks"};
    const struct {
        uint64_t offset;
        size_t len;
    } tries[] = {
        {capacity, block_size},       {~0ULL / block_size * block_size, block_size},
        {block_size / 2, block_size}, {0, block_size / 2},
        {0, 2 * block_size},
    };
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        if (guest_block_read(handle, tries[i].offset, block, tries[i].len) != GUEST_EINVAL ||
            guest_block_write(handle, tries[i].offset, block, tries[i].len) != GUEST_EINVAL) {
            guest_print("%s: not refused\nFAIL\n", names[i]);
            return 1;
        }
    }
    guest_print("limits hold\n");
    return 0;
}

static int read_write(void)
{
    int status = write_all();
    if (status == 0)
        status = verify_all();
    if (status == 0)
        status = check_limits();
    if (status == 0)
        guest_print("SUCCESS\n");
    return status;
}

/* What the monitor does when the guest's own check is left out: refuses (hvt) or kills (spt). */
static int past_the_end(void)
{
    if (guest_block_raw_write(handle, capacity, block, block_size) == GUEST_OK ||
        guest_block_raw_read(handle, capacity, block, block_size) == GUEST_OK) {
        guest_print("the monitor let it pass\nFAIL\n");
        return 1;
    }
    guest_print("refused by the monitor\n");
    return 0;
}

static int exercise(const char *verb)
{
    if (guest_equal(verb, "info"))
        return 0;
    if (guest_equal(verb, "write"))
        return write_all();
    if (guest_equal(verb, "verify"))
        return verify_all();
    if (guest_equal(verb, "rw"))
        return read_write();
    if (guest_equal(verb, "range"))
        return past_the_end();
    guest_print("block: unknown verb '%s'\n", verb);
    return 64;
}

int guest_main(int argc, char **argv)
{
    handle = guest_device("storage", GUEST_BLOCK_BASIC);
    if (!handle) {
        guest_print("no device called storage\n");
        return 1;
    }
    capacity = guest.manifest->device[handle].u.block.capacity;
    block_size = guest.manifest->device[handle].u.block.block_size;
    guest_print("capacity: %lu\nblock size: %lu\n", capacity, block_size);
    if (block_size < 512 || block_size > BLOCK_MAX / 2) {
        guest_print("impossible block size\n");
        return 1;
    }
    int status = exercise(argc > 0 ? argv[0] : "info");
    if (argc > 1 && guest_equal(argv[1], "wait")) {
        guest_print("waiting\n");
        for (;;)
            guest_wait(guest_monotonic() + 3600 * GUEST_NSEC);
    }
    return status;
}
