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
    BND_END_CONSOLE,  /* it prints it, in one of `exit_lines`; what it writes to `debug_exit` only ends it */
};

/* What QEMU has to be for the guests of a family that are of one kind. */
struct bnd_machine {
    const char *type; /* QEMU's -machine, without accelerator: "pc", "microvm,rtc=on,ioapic2=off" */
    enum bnd_bus bus;
    enum bnd_end end;
    uint16_t debug_exit; /* I/O port of isa-debug-exit; 0: no such device */
    /* BND_END_DEBUG: the number written that means success (Hermit: 1), and that is then the status 0. */
    uint8_t debug_success;
    bool reset_ends; /* the guest ends by resetting the machine: status 0, as for a power-off */
    bool button;     /* the guest powers off when the ACPI button is pressed */
    bool keys;       /* its console is a terminal to it: Ctrl-C is the guest's, and does not end QEMU */
    /* Console lines that tell the status, "%s" for any text and "%d" for the status; the last one printed
     * counts. Ends with NULL. */
    const char *const *exit_lines;
    /* Console lines of a guest that gave up without a status: it is 255 then, whatever exit_lines said. Ends
     * with NULL; NULL: none. */
    const char *const *failed_lines;
    const char *halted_line; /* the line after which a guest that does not power off is over; NULL: none */
    /* Of guest memory, MiB: what its guests need at least (0: not known), and what they can use at most (0:
     * all there is). */
    unsigned memory_min, memory_max;
    size_t
        cmdline_max; /* bytes that its guests take of the command line, without the NUL; 0: no limit known */
    /* QEMU puts the path that it is given as -kernel, at most BND_PATH_MAX bytes, and a blank in front of
     * what the guest reads; they count for cmdline_max. */
    bool path_in_front;
    bool needs_disk; /* the image is a kernel alone, which waits for its program's disk for ever */
};

#define BND_PATH_MAX 64

struct bnd_family {
    const char *name;
    /* Whether the image is of this family. *boot is how it can be booted by its bytes: a family that knows
     * better adds or removes kinds or says what is in the way (bnd_boot_refuse), and what it recognised the
     * image by goes into the evidence. Appends to *ret_keys the option names that its guests take and that
     * this image contains; cmdline gets them back in guest->keys. Called with what speaks a boot protocol,
     * and with every ELF file that shows no sign of being an ordinary program: whoever has to read through
     * all bytes looks at something cheaper first. */
    bool (*recognise)(const struct bnd_bytes *image, struct bnd_boot *boot, struct rk_argv *ret_keys);
    /* Whether an object file (ELF type ET_REL), which is an ordinary file otherwise, is a program of this
     * family that lacks its last step: says what that is (bnd_boot_refuse). Asked by the names of sections
     * alone. NULL: the family has no such form. */
    bool (*unfinished)(const struct bnd_elf *object, struct bnd_boot *boot);
    /* The machine for guests of this kind, or NULL when the family can't be booted that way; not asked for
     * hvt and spt. NULL: no kind at all but these. */
    const struct bnd_machine *(*machine)(enum bnd_kind kind);
    /* Its guests ask for their address by DHCP: because they know no other way, or because what they are told
     * counts only in some. Of a family that knows another way, recognise gives images that do not the key
     * "dhcp": see bnd_family_dhcp. */
    bool dhcp;
    /* Of a family whose images are applications that a loader boots (what recognise leaves without kinds):
     * names of the loader's file, as its users have them; ends with NULL. NULL: a family without. */
    const char *const *loaders;
    /* Append the guest's arguments, quoted as this family reads them, to *ret_args: the monitor joins them
     * with blanks. Called by bnd_family_cmdline. */
    int (*cmdline)(const struct bnd_guest *guest, struct rk_argv *ret_args, struct rk_err *err);
    /* Of a family whose guests can get the container's files with an init of ours: the machine, as above, and
     * what that init is told (lib/told.h), in hexadecimal digits, as heap memory. NULL: they can't. */
    const struct bnd_machine *(*init_machine)(enum bnd_kind kind);
    int (*tell)(char **ret_text, const struct bnd_guest *guest, struct rk_err *err);
    /* Its guests get the container's directories as disks, one for each, that they are told to mount. */
    bool root_disks;
    /* Of a family whose guests mount directories by 9p: what their tags begin with, before the number; see
     * bnd_share_tag. NULL: they can't. */
    const char *share_tag;
    /* The key that an image has whose guest can; NULL: every image can, as far as its bytes tell. */
    const char *share_key;
    /* They open whatever they read for writing, too, and have a root of their own: nothing read-only is of
     * use to them. */
    bool share_writes;
};

/* In the order in which they are asked; the last one takes every image that speaks a boot protocol. Ends with
 * NULL. */
extern const struct bnd_family *const bnd_families[];

/* The family of that name, or NULL. */
const struct bnd_family *bnd_family_find(const char *name);

/* Whether a guest of this family, whose image has these keys, asks for its address by DHCP. */
bool bnd_family_dhcp(const struct bnd_family *family, const struct rk_argv *keys);

/* Whether a guest of this family, whose image has these keys, mounts directories by 9p. */
bool bnd_family_shares(const struct bnd_family *family, const struct rk_argv *keys);

/* The tag of the `number`-th directory that the guest gets by 9p, from 0: short, and of letters and digits.
 */
#define BND_SHARE_TAG 16
void bnd_share_tag(char out[BND_SHARE_TAG], const struct bnd_family *family, size_t number);

/* Append all words that the guest is told to *ret_args, which the monitor joins with blanks; what it can't be
 * told goes to guest->warnings. -EINVAL: something can't be written so that the guest reads the same;
 * -E2BIG: it is more than the guest takes. The error names what, and the family. */
int bnd_family_cmdline(const struct bnd_family *family, const struct bnd_guest *guest,
                       struct rk_argv *ret_args, struct rk_err *err);

extern const struct bnd_family bnd_family_mirage, bnd_family_solo5, bnd_family_hermit, bnd_family_unikraft,
    bnd_family_rumprun, bnd_family_nanos, bnd_family_osv, bnd_family_includeos, bnd_family_mewz,
    bnd_family_toro, bnd_family_xen, bnd_family_linux, bnd_family_generic;

#endif
