/* Puts an image and its RAM disk into the one file that runuk-loader gets. */
#include "hypervisor/loader_file.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/qemu/loader/format.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define CHUNK (16 << 20) /* bytes that are copied at a time */

/* The whole of `fd` at the place `at` of `out`; the number of bytes. */
static int append(uint64_t *ret_size, int out, uint64_t at, int fd)
{
    struct stat st;
    off_t from = 0;
    ssize_t n = 1;
    if (fstat(fd, &st) < 0 || lseek(out, (off_t)at, SEEK_SET) < 0)
        return -errno;
    while (from < st.st_size && (n = sendfile(out, fd, &from, CHUNK)) > 0)
        ;
    *ret_size = (uint64_t)from;
    return n < 0 ? -errno : n == 0 ? -ESTALE : 0;
}

int hv_loader_file(int image, int ramdisk, struct rk_err *err)
{
    struct ldr_trailer trailer = {.magic = {0}};
    _Static_assert(sizeof LDR_TRAILER_MAGIC - 1 == sizeof trailer.magic, "all of it, and no NUL");
    memcpy(trailer.magic, LDR_TRAILER_MAGIC, sizeof trailer.magic);
    rk_autoclose int out = memfd_create("image", MFD_CLOEXEC);
    int r = out < 0 ? -errno : append(&trailer.image_size, out, 0, image);
    if (r == 0) {
        trailer.ramdisk_offset = (trailer.image_size + LDR_PAGE - 1) / LDR_PAGE * LDR_PAGE;
        r = append(&trailer.ramdisk_size, out, trailer.ramdisk_offset, ramdisk);
    }
    if (r == 0 && lseek(out, 0, SEEK_END) >= 0)
        r = rk_write_all(out, &trailer, sizeof trailer);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "put the image and its initial ram disk together");
    }
    return rk_take_fd(&out);
}
