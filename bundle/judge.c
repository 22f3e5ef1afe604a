/* Asks the bytes of a file what it is: a Solo5 image, an ordinary program, a boot protocol's, a family's. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bundle/elf.h"
#include "bundle/gzip.h"
#include "bundle/image.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define TEXT_BYTES                                                                                           \
    (UINT64_C(256) << 20)             /* what families may read through: a sparse file can be of any size */
#define MAP_BYTES (UINT64_C(1) << 44) /* what is mapped: tables can lie at the end */

#define NOTE_ABI1 0x31494241 /* "ABI1" */

/* The file, as long as it is judged. */
struct map {
    void *data; /* NULL: an empty file */
    size_t size;
};

static void unmap(struct map *map)
{
    if (map->data)
        munmap(map->data, map->size);
}

static int map_file(struct map *ret_map, int fd, uint64_t size, struct rk_err *err)
{
    struct map map = {.size = size < MAP_BYTES ? (size_t)size : MAP_BYTES};
    if (map.size) {
        map.data = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map.data == MAP_FAILED)
            return rk_fail_errno(err, "map");
    }
    *ret_map = map;
    return 0;
}

/* How a Solo5 image is booted: its target says so. */
static void read_solo5(struct bnd_image *image, const struct bnd_elf *elf)
{
    struct bnd_boot *boot = &image->boot;
    const char *target = rk_solo5_target_name(image->solo5.target);
    struct bnd_span note = {0, 0};
    if (image->solo5.target == RK_SOLO5_VIRTIO && elf)
        bnd_boot_read(boot, elf->data, elf->size, elf);
    boot->kinds &= BND_KIND_BIT(BND_MULTIBOOT);
    boot->machine = image->solo5.machine;
    boot->ordinary = false;
    if (elf && bnd_elf_note(elf, "Solo5", NOTE_ABI1, &note))
        bnd_boot_note(boot, note.offset, "note Solo5 type ABI1, target %s, version %u", target,
                      (unsigned)image->solo5.abi_version);
    if (image->solo5.target == RK_SOLO5_HVT)
        boot->kinds = BND_KIND_BIT(BND_HVT);
    else if (image->solo5.target == RK_SOLO5_SPT)
        boot->kinds = BND_KIND_BIT(BND_SPT);
    else if (!boot->kinds)
        bnd_boot_refuse(boot, "built for the Solo5 target %s, %s: build it for hvt or spt", target,
                        image->solo5.target == RK_SOLO5_VIRTIO ? "but has no multiboot header"
                                                               : "which has no monitor here");
}

/* Which family's it is, and what it says of the kinds. One that is given is asked too, though its answer does
 * not decide: it collects what its guests can be told. */
static void find_family(struct bnd_image *image, const struct map *map, const struct bnd_elf *elf,
                        const struct bnd_family *given)
{
    const struct bnd_bytes bytes = {
        .solo5 = image->solo5.target ? &image->solo5 : NULL,
        .elf = elf,
        .data = map->data,
        .size = map->size < TEXT_BYTES ? map->size : TEXT_BYTES,
    };
    if (given)
        given->recognise(&bytes, &image->boot, &image->keys);
    image->family = given;
    for (const struct bnd_family *const *f = bnd_families; *f && !image->family; f++)
        if ((*f)->recognise(&bytes, &image->boot, &image->keys))
            image->family = *f;
}

/* Object files are nobody's entrypoint, but some are a unikernel but for its last step. */
static void find_unfinished(struct bnd_image *image, const struct bnd_elf *elf)
{
    for (const struct bnd_family *const *f = bnd_families; *f && !image->family; f++)
        if ((*f)->unfinished && (*f)->unfinished(elf, &image->boot))
            image->family = *f;
    image->boot.ordinary = !image->family;
}

static void judge(struct bnd_image *image, const struct map *map, const struct bnd_family *family)
{
    struct bnd_elf elf;
    bool is_elf = bnd_elf_open(&elf, map->data, map->size);
    if (image->solo5.target)
        read_solo5(image, is_elf ? &elf : NULL);
    else
        bnd_boot_read(&image->boot, map->data, map->size, is_elf ? &elf : NULL);
    if (image->boot.ordinary && is_elf && elf.type == ET_REL) {
        find_unfinished(image, &elf);
        return;
    }
    /* An ordinary program never comes so far as to be read through by a family, nor does what is no ELF file
     * and has nothing to boot: text, say. */
    if (!image->boot.ordinary && (is_elf || bnd_boot_recognised(&image->boot)))
        find_family(image, map, is_elf ? &elf : NULL, family);
}

/* Go on with what gzip holds: 1: image->fd is that; 0: nothing to go on with. */
static int unwrap(struct bnd_image *image, const struct map *map, struct rk_err *err)
{
    int unpacked = -1;
    if (!bnd_gzip_is(map->data, map->size))
        return 0;
    int r = bnd_gzip_open(&unpacked, map->data, map->size, err);
    if (r > 0)
        image->fd = unpacked;
    return r;
}

/* Judge image->fd, which becomes another descriptor when the file is wrapped in gzip. 1: a unikernel, 0:
 * none. */
static int read_image(struct bnd_image *image, const struct bnd_family *family, bool wrapped,
                      struct rk_err *err)
{
    struct rk_source source;
    int r = rk_source_from_fd(&source, image->fd, err);
    if (r < 0)
        return r;
    r = rk_solo5_read(&image->solo5, &source, err);
    if (r < 0)
        return r;
    if (r == 0) {
        image->solo5.target = 0;
        image->solo5.mft.entries = 0;
        image->solo5.segment_count = 0;
    }
    struct map map = {.data = NULL};
    if ((r = map_file(&map, image->fd, source.size, err)) < 0)
        return r;
    r = wrapped ? 0 : unwrap(image, &map, err);
    if (r == 0)
        judge(image, &map, family);
    unmap(&map);
    if (r < 0)
        return r;
    if (r > 0) {
        if ((r = read_image(image, family, true, err)) < 0)
            return rk_wrap(err, "what gzip holds");
        bnd_boot_note(&image->boot, 0, "the file is wrapped in gzip");
    }
    return image->family || bnd_boot_recognised(&image->boot);
}

/* A file that others can change may become shorter than it was when it was mapped, and a disk may fail: the
 * kernel tells by a signal at the access. What is in hand then, memory and descriptors, goes with the
 * process, which ends with this error. */
static sigjmp_buf lost;

static void on_bus_error(int signal_number)
{
    (void)signal_number;
    siglongjmp(lost, 1);
}

static int read_guarded(struct bnd_image *image, const struct bnd_family *family, struct rk_err *err)
{
    const struct sigaction guard = {.sa_handler = on_bus_error};
    struct sigaction before;
    int r;
    sigaction(SIGBUS, &guard, &before);
    if (sigsetjmp(lost, 1) == 0)
        r = read_image(image, family, false, err);
    else
        r = rk_fail(err, -EIO, "it became shorter, or could not be read, while it was looked at");
    sigaction(SIGBUS, &before, NULL);
    return r;
}

int bnd_image_read(struct bnd_image *ret_image, int fd, const char *path, const struct bnd_family *family,
                   struct rk_err *err)
{
    struct bnd_image image = {.fd = fd};
    int r = read_guarded(&image, family, err);
    if (r > 0) {
        image.path = strdup(path);
        if (!image.path)
            r = rk_fail(err, -ENOMEM, "out of memory");
    }
    /* What was taken out of gzip replaces the file, or is not wanted. */
    int unwanted = r > 0 ? fd : image.fd;
    if (image.fd != fd)
        rk_close(&unwanted);
    if (r <= 0) {
        rk_argv_fini(&image.keys);
        image.fd = -1;
    }
    *ret_image = image;
    return r;
}

void bnd_image_fini(struct bnd_image *image)
{
    free(image->path);
    image->path = NULL;
    rk_close(&image->fd);
    rk_argv_fini(&image->keys);
    if (image->loader)
        bnd_image_fini(image->loader);
    free(image->loader);
    image->loader = NULL;
}
