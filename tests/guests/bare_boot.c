/* Reads what each boot protocol leaves for a guest of a bare machine: command line, memory, first module.
 *
 * Sources: the Multiboot specification 0.6.96; Xen's public/arch-x86/hvm/start_info.h; Linux'
 * Documentation/arch/x86/boot.rst and zero-page.rst. */
#include "bare.h"

#define CMDLINE_MAX 4096

struct bare_boot bare_boot;

static uint64_t field(uint64_t address, size_t offset, size_t size)
{
    uint64_t value = 0;
    const volatile uint8_t *bytes = (const volatile uint8_t *)bare_reg32(address);
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[offset + i] << 8 * i;
    return value;
}

static void add_memory(uint64_t start, uint64_t len, uint64_t type)
{
    if (bare_boot.memory_count < BARE_RANGES_MAX)
        bare_boot.memory[bare_boot.memory_count++] = (struct bare_range){start, len, (uint32_t)type};
}

/* A copy, since what is not ours may be overwritten. */
static void keep_cmdline(uint64_t address, size_t max)
{
    static char copy[CMDLINE_MAX];
    size_t len = 0;
    for (; address && len < max && len < sizeof copy - 1; len++) {
        copy[len] = (char)field(address, len, 1);
        if (!copy[len])
            break;
    }
    copy[len] = '\0';
    bare_boot.cmdline = copy;
    bare_boot.arguments = copy;
}

#if defined(GUEST_MULTIBOOT) || defined(GUEST_MULTIBOOT64)

const char *bare_boot_read(uint32_t magic, uint64_t info)
{
    if (magic != 0x2badb002)
        return "not entered by a multiboot loader";
    uint64_t flags = field(info, 0, 4);
    keep_cmdline(flags & 4 ? field(info, 16, 4) : 0, CMDLINE_MAX);
    while (*bare_boot.arguments && *bare_boot.arguments != ' ')
        bare_boot.arguments++;
    if (flags & 8 && field(info, 20, 4) > 0) {
        uint64_t module = field(info, 24, 4);
        uint64_t start = field(module, 0, 4);
        bare_boot.ramdisk = (struct bare_range){start, field(module, 4, 4) - start, 0};
    }
    if (!(flags & 0x40))
        return "no memory map";
    uint64_t end = field(info, 48, 4) + field(info, 44, 4);
    for (uint64_t at = field(info, 48, 4); at < end; at += field(at, 0, 4) + 4)
        add_memory(field(at, 4, 8), field(at, 12, 8), field(at, 20, 4));
    return NULL;
}

#elif defined(GUEST_PVH)

const char *bare_boot_read(uint32_t magic, uint64_t info)
{
    (void)magic;
    if (field(info, 0, 4) != 0x336ec578)
        return "not entered by a PVH loader";
    keep_cmdline(field(info, 24, 8), CMDLINE_MAX);
    if (field(info, 12, 4) > 0) {
        uint64_t module = field(info, 16, 8);
        bare_boot.ramdisk = (struct bare_range){field(module, 0, 8), field(module, 8, 8), 0};
    }
    if (field(info, 4, 4) < 1)
        return "no memory map";
    uint64_t map = field(info, 40, 8);
    for (uint64_t i = 0; i < field(info, 48, 4); i++, map += 24)
        add_memory(field(map, 0, 8), field(map, 8, 8), field(map, 16, 4));
    return NULL;
}

#else

const char *bare_boot_read(uint32_t magic, uint64_t info)
{
    (void)magic;
    if (field(info, 0x1fe, 2) != 0xaa55 || field(info, 0x202, 4) != 0x53726448)
        return "RSI is no zero page of Linux' 64-bit protocol";
    keep_cmdline(field(info, 0x228, 4), field(info, 0x238, 4));
    bare_boot.ramdisk = (struct bare_range){field(info, 0x218, 4), field(info, 0x21c, 4), 0};
    for (uint64_t i = 0; i < field(info, 0x1e8, 1); i++)
        add_memory(field(info, 0x2d0 + 20 * i, 8), field(info, 0x2d8 + 20 * i, 8),
                   field(info, 0x2e0 + 20 * i, 4));
    return NULL;
}

#endif
