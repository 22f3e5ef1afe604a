/* What all bindings share: the way from the monitor's command line to guest_main, and lookups in the
 * manifest. */
#include "guest.h"

#define CMDLINE_SIZE 8192 /* the ABI's limit, NUL included */
#define ARGS_MAX     128
#define STACK_SIZE   (64 * 1024)

extern char _end[]; /* the linker script's */

struct guest_info guest;

#ifndef GUEST_BARE
/* A host kernel that is asked to exec a guest must refuse: this interpreter exists nowhere. */
static const char interpreter[] __attribute__((section(".interp"), used)) = "/nonexistent/solo5/";
#endif

/* Present in every guest, so that none is without a data segment to load. */
static volatile uint32_t data_marker __attribute__((used)) = 0x0d15ea5e;

static char arg_bytes[CMDLINE_SIZE];
static char *arg_list[ARGS_MAX + 1];

/* Blanks separate; double quotes group; inside them a backslash takes the next character as it is. */
static int split(const char *line)
{
    int argc = 0;
    size_t used = 0;
    for (;;) {
        while (*line == ' ')
            line++;
        if (!*line || argc == ARGS_MAX)
            return argc;
        arg_list[argc++] = arg_bytes + used;
        for (bool quoted = false; *line && (quoted || *line != ' '); line++) {
            if (*line == '"') {
                quoted = !quoted;
                continue;
            }
            if (quoted && *line == '\\' && line[1])
                line++;
            if (used < sizeof(arg_bytes) - 2)
                arg_bytes[used++] = *line;
        }
        arg_bytes[used++] = '\0';
    }
}

_Noreturn void guest_run(const char *arguments)
{
    uint64_t program_end = ((uint64_t)_end + 4095) & ~4095ULL;
    guest.heap_start = guest.heap_start < program_end ? program_end : guest.heap_start;
    guest.heap_end = guest.mem_size - STACK_SIZE;
    if (guest.mem_size < STACK_SIZE || guest.heap_start > guest.heap_end) {
        guest_print("not enough memory: %lu bytes\n", guest.mem_size);
        guest_exit(255);
    }
    if (data_marker != 0x0d15ea5e) {
        guest_print("the data segment is not what the image holds\n");
        guest_exit(255);
    }
    int argc = split(arguments);
    guest_exit(guest_main(argc, arg_list));
}

unsigned guest_device(const char *name, enum guest_device_type type)
{
    for (unsigned i = 1; i < guest.manifest->entries; i++) {
        const struct guest_device *device = &guest.manifest->device[i];
        if (device->type == type && device->attached && guest_equal(device->name, name))
            return i;
    }
    return 0;
}

static bool block_valid(unsigned handle, uint64_t offset, size_t len)
{
    const struct guest_device *device = &guest.manifest->device[handle];
    uint64_t capacity = device->u.block.capacity;
    uint64_t size = device->u.block.block_size;
    return len == size && offset % size == 0 && offset <= capacity && len <= capacity - offset;
}

enum guest_result guest_block_read(unsigned handle, uint64_t offset, void *buf, size_t len)
{
    if (!block_valid(handle, offset, len))
        return GUEST_EINVAL;
    return guest_block_raw_read(handle, offset, buf, len);
}

enum guest_result guest_block_write(unsigned handle, uint64_t offset, const void *buf, size_t len)
{
    if (!block_valid(handle, offset, len))
        return GUEST_EINVAL;
    return guest_block_raw_write(handle, offset, buf, len);
}
