/* What runuk hands runuk-loader: QEMU's -kernel is the loader, -append the guest's command line, -initrd a
 * file of this form.
 *
 * The file begins with the guest's ELF64 image. Alone, that is all: an image can be given as it is. A RAM
 * disk for the guest comes behind it, at a multiple of 4096, and a trailer then takes the file's last bytes:
 *
 *     image · padding · RAM disk · anything · struct ldr_trailer
 *
 * The guest's memory has to hold, beside what the image is loaded to, the file once more, 1 MiB and 128 KiB
 * below, and 256 KiB of the firmware's above. With less than these and the file QEMU loads the file over the
 * loader, which nobody can report then.
 *
 * What keeps the loader from starting the guest is one line on COM1 that begins with "runuk-loader: ", and
 * the machine's end: by isa-debug-exit at port 0x501 (QEMU's default place for it) with LDR_STATUS_FAILED,
 * else by ACPI's power-off, else by a triple fault, for which QEMU wants -no-reboot. */
#ifndef QEMU_LOADER_FORMAT_H
#define QEMU_LOADER_FORMAT_H

#include <stdint.h>

#define LDR_TRAILER_MAGIC "RUNUKLDR"
#define LDR_PAGE          4096
#define LDR_STATUS_FAILED 127 /* QEMU ends with 127 * 2 + 1 */

/* Little-endian; sizes and offsets in bytes, counted from the file's first. */
struct ldr_trailer {
    uint64_t image_size;
    uint64_t ramdisk_offset; /* a multiple of LDR_PAGE, not below image_size */
    uint64_t ramdisk_size;   /* 0: no RAM disk */
    char magic[8];           /* LDR_TRAILER_MAGIC without its NUL */
};
_Static_assert(sizeof(struct ldr_trailer) == 32, "the file's last 32 bytes");

#endif
