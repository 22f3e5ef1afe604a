/* The loader's course: copy what QEMU says, move to low memory, judge the image, load it, enter it. */
#include "loader.h"

/* Xen's public/arch-x86/hvm/start_info.h, version 1. */
struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t modules_count;
    uint64_t modules;
    uint64_t cmdline;
    uint64_t rsdp;
    uint64_t memory_map;
    uint32_t memory_map_count;
    uint32_t reserved;
};

struct start_module {
    uint64_t address;
    uint64_t size;
    uint64_t cmdline;
    uint64_t reserved;
};

struct start_memory {
    uint64_t address;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

#define START_MAGIC 0x336ec578

/* Hidden: found relative to the instruction, not by an address that the linker fixed. */
#pragma GCC visibility push(hidden)
extern char ldr_image_start[], ldr_image_end[]; /* the linker script's */
extern char ldr_stack_end[];                    /* start.S */
extern uint64_t ldr_tables[6][512];             /* start.S: PML4, PDPT, four PDs */
#pragma GCC visibility pop

_Noreturn void ldr_main(uint64_t info);

static struct ldr_start start;
static struct ldr_image image;

static _Noreturn void fail(const char *text)
{
    struct ldr_error error = {.text = text};
    ldr_fail(&error);
}

/* --- where QEMU loaded us */

static void copy_memory_map(const struct start_info *info)
{
    const struct start_memory *map = ldr_at(info->memory_map);
    for (uint32_t i = 0; i < info->memory_map_count; i++) {
        /* Firmware leaves empty ranges in its table. */
        if (map[i].size == 0 || map[i].address + map[i].size < map[i].address)
            continue;
        if (start.memory.count == LDR_RANGES_MAX)
            fail("the machine's memory map has too many entries");
        start.memory.range[start.memory.count++] =
            (struct ldr_range){map[i].address, map[i].size, map[i].type};
    }
}

static void copy_start_info(uint64_t address)
{
    const struct start_info *info = ldr_at(address);
    if (info->magic != START_MAGIC || info->version < 1)
        fail("not started as a PVH kernel with a memory map: QEMU 4.0 or later loads it so with -kernel");
    copy_memory_map(info);
    if (info->modules_count == 0)
        fail("there is no guest: it is to be QEMU's -initrd");
    const struct start_module *module = ldr_at(info->modules);
    start.module = module->address;
    start.module_size = module->size;
    start.rsdp = info->rsdp;
    const char *cmdline = ldr_at(info->cmdline);
    while (info->cmdline && start.cmdline_size < LDR_CMDLINE_MAX - 1 && cmdline[start.cmdline_size])
        start.cmdline_size++;
    if (info->cmdline && cmdline[start.cmdline_size])
        fail("the command line is longer than 4095 bytes");
    memcpy(start.cmdline, cmdline, start.cmdline_size);
    start.cmdline_size++;
}

/* --- in low memory, where no segment can go */

/* The tables that start.S made are where we were before. */
static void renew_tables(void)
{
    memset(ldr_tables, 0, sizeof ldr_tables[0] * 2);
    ldr_tables[0][0] = (uint64_t)ldr_tables[1] | 3;
    for (uint64_t i = 0; i < 4; i++)
        ldr_tables[1][i] = (uint64_t)ldr_tables[2 + i] | 3;
    for (uint64_t i = 0; i < 4 * 512; i++)
        ldr_tables[2 + i / 512][i % 512] = i << 21 | 0x83;
    __asm__ volatile("movq %0, %%cr3" : : "r"(ldr_tables) : "memory");
}

static _Noreturn void load(void)
{
    struct ldr_error error;
    uint64_t module;
    renew_tables();
    if (ldr_image_read(ldr_at(start.module), start.module_size, &start.memory, &image, &error) < 0 ||
        ldr_place(&image, &start.memory, start.module, start.module_size, &module, &error) < 0)
        ldr_fail(&error);
    if (module != start.module)
        memmove(ldr_at(module), ldr_at(start.module), start.module_size);
    for (size_t i = 0; i < image.count; i++) {
        const struct ldr_segment *segment = &image.segment[i];
        memcpy(ldr_at(segment->target), ldr_at(module + segment->offset), segment->filesz);
        memset(ldr_at(segment->target + segment->filesz), 0, segment->memsz - segment->filesz);
    }
    ldr_boot_prepare(&start, module + image.ramdisk_offset, image.ramdisk_size);
    ldr_enter(image.entry);
}

/* Called by start.S with the address of hvm_start_info. All addresses in this program are relative to the
 * instruction that uses them, so that it also runs as a copy. */
_Noreturn void ldr_main(uint64_t info)
{
    ldr_console_init();
    copy_start_info(info);
    uint64_t size = (uint64_t)ldr_image_end - (uint64_t)ldr_image_start;
    uint64_t way = (uint64_t)ldr_image_start - LDR_OWN;
    if (!ldr_memory_usable(&start.memory, LDR_PAGE, LDR_LOW_USED - LDR_PAGE) ||
        !ldr_memory_usable(&start.memory, start.module, start.module_size) ||
        start.module < (uint64_t)ldr_image_end || start.module + start.module_size > LDR_HIGH_END)
        fail("the machine's memory does not hold the image above 1 MiB: give the guest more");
    memcpy(ldr_at(LDR_OWN), ldr_image_start, size);
    ldr_go_on((uint64_t)ldr_stack_end - way, (uint64_t)&load - way);
}
