/* Prints how it was booted: by which hypervisor, memory map, first module with its checksum, page tables,
 * interrupt controllers. */
#include "bare.h"

GUEST_MANIFEST();

/* FNV-1a, 64 bits. */
static uint64_t checksum(const struct bare_range *range)
{
    uint64_t sum = 0xcbf29ce484222325;
    const volatile uint8_t *bytes = (const volatile uint8_t *)bare_reg32(range->start);
    for (uint64_t i = 0; i < range->len; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3;
    return sum;
}

static void cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}

/* The name that a hypervisor gives itself: "KVMKVMKVM", or "TCGTCGTCGTCG" of QEMU's emulation. */
static void print_hypervisor(void)
{
    uint32_t out[4];
    char name[13] = "none";
    cpuid(1, out);
    if (out[2] & 1U << 31) {
        cpuid(0x40000000, out);
        memcpy(name, &out[1], 12);
    }
    guest_print("hypervisor %s\n", name);
}

int guest_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    guest_print("booted as %s, with%s PCI\n", guest.target, bare_has_pci() ? "" : "out");
    print_hypervisor();
    for (size_t i = 0; i < bare_boot.memory_count; i++) {
        const struct bare_range *range = &bare_boot.memory[i];
        guest_print("memory %lx-%lx type %u\n", range->start, range->start + range->len, range->type);
    }
    if (bare_boot.ramdisk.len)
        guest_print("module at %lx, %lu bytes, sum %016lx\n", bare_boot.ramdisk.start, bare_boot.ramdisk.len,
                    checksum(&bare_boot.ramdisk));
    else
        guest_print("no module\n");
    guest_print("cr3 %lx\n", bare_boot.cr3);
    guest_print("pic masks %02x %02x\n", bare_boot.pic_masks[0], bare_boot.pic_masks[1]);
    guest_print("lapic spurious %x lint0 %x lint1 %x\n", *bare_reg32(0xfee000f0), *bare_reg32(0xfee00350),
                *bare_reg32(0xfee00360));
    return 0;
}
