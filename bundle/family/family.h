/* The families of unikernels: how each is recognised, and how its guests are told their arguments and
 * network. */
#ifndef BND_FAMILY_H
#define BND_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundle/boot.h"
#include "bundle/guest.h"
#include "lib/solo5.h"

struct rk_err;

struct bnd_elf;

/* The image as a family sees it: what was read of it, and its bytes (a private read-only map; of a huge file
 * only the beginning). */
struct bnd_bytes {
    const struct rk_solo5_image *solo5; /* NULL: no Solo5 image */
    const struct bnd_elf *elf;          /* NULL: no ELF file */
    const uint8_t *data;
    size_t size; /* bytes */
};

/* Where a QEMU machine has its virtio devices. */
enum bnd_bus {
    BND_BUS_PCI,        /* transitional: legacy and modern */
    BND_BUS_PCI_MODERN, /* the guest's driver breaks on a legacy interface */
    BND_BUS_MMIO,       /* no PCI at all: microvm */
};

/* How a QEMU guest tells its exit status. */
enum bnd_end {
    BND_END_POWEROFF, /* it does not: 0 when it powers off */
    BND_END_DEBUG,    /* it writes it to the port `debug_exit` */
    BND_END_CONSOLE,  /* it prints it, in one of `exit_lines` */
};

/* What QEMU has to be for the guests of a family that are of one kind. */
struct bnd_machine {
    const char *type; /* QEMU's -machine, without accelerator: "pc", "microvm,rtc=on,ioapic2=off" */
    enum bnd_bus bus;
    enum bnd_end end;
    uint16_t debug_exit; /* I/O port of isa-debug-exit; 0: no such device */
    bool button;         /* the guest powers off when the ACPI button is pressed */
    /* Console lines that tell the status, "%s" for any text and "%d" for the status; ends with NULL. */
    const char *const *exit_lines;
    const char *halted_line; /* the line after which a guest that does not power off is over; NULL: none */
};

struct bnd_family {
    const char *name;
    /* Whether the image is of this family. *boot is how it can be booted by its bytes: a family that knows
     * better adds or removes kinds, and what it recognised the image by goes into the evidence. Appends to
     * *ret_keys the option names that its guests take and that this image contains; cmdline gets them back in
     * guest->keys. Called with what speaks a boot protocol, and with every ELF file that shows no sign of
     * being an ordinary program: whoever has to read through all bytes looks at something cheaper first. */
    bool (*recognise)(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys);
    /* The machine for guests of this kind, or NULL when the family can't be booted that way; not asked for
     * hvt and spt. NULL: no kind at all but these. */
    const struct bnd_machine *(*machine)(enum bnd_kind kind);
    bool dhcp; /* its guests learn their address by DHCP and no other way */
    /* Append the guest's arguments, quoted as this family reads them, to *ret_args: the monitor joins them
     * with blanks. */
    int (*cmdline)(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err);
};

/* In the order in which they are asked; the last one takes every image. Ends with NULL. */
extern const struct bnd_family *const bnd_families[];

/* The family of that name, or NULL. */
const struct bnd_family *bnd_family_find(const char *name);

extern const struct bnd_family bnd_family_mirage, bnd_family_solo5;

/* Append `arg`, its placeholders filled and quoted for guests that split their command line as MirageOS does
 * (blanks separate, double quotes group, a backslash takes the next character as it is). A verbatim command
 * line only gets its placeholders filled. */
int bnd_family_add_quoted(struct rk_argv *ret_args, const char *arg, const struct bnd_guest *guest,
                          struct rk_err *err);

#endif
