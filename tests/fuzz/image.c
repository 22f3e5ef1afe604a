/* Whatever a file holds: it is judged, by all families and in gzip too, and what is said of it is consistent.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle/image.h"
#include "lib/err.h"
#include "tests/fuzz/promise.h"

static void check(const struct bnd_image *image)
{
    PROMISE(image->path && strcmp(image->path, "/image") == 0 && fcntl(image->fd, F_GETFD) >= 0);
    PROMISE(!image->boot.ordinary || image->solo5.target);
    PROMISE(image->family || bnd_boot_recognised(&image->boot));
    PROMISE(image->boot.evidence_count <= BND_EVIDENCE_MAX);
    for (size_t i = 0; i < image->boot.evidence_count; i++)
        PROMISE(memchr(image->boot.evidence[i].what, 0, sizeof image->boot.evidence[i].what));
    PROMISE(memchr(image->boot.obstacle, 0, sizeof image->boot.obstacle));
    for (int k = 0; image->family && image->family->machine && k < BND_KIND_COUNT; k++)
        if ((image->boot.kinds & BND_KIND_BIT(k)) && k != BND_HVT && k != BND_SPT)
            image->family->machine((enum bnd_kind)k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bnd_image image;
    struct rk_err err = {0};
    int fd = memfd_create("image", MFD_CLOEXEC);
    PROMISE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    int r = bnd_image_read(&image, fd, "/image", NULL, &err);
    PROMISE(r == 1 || r == 0 || r == -ENOEXEC || r == -EFBIG);
    PROMISE(r < 0 ? err.code == r && err.text[0] : err.code == 0);
    if (r > 0) {
        check(&image);
        bnd_image_fini(&image);
    } else {
        PROMISE(image.fd == -1 && !image.path && image.keys.n == 0);
        close(fd);
    }
    PROMISE(fcntl(fd, F_GETFD) < 0); /* nothing is left open */
    return 0;
}
