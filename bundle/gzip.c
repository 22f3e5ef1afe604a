/* Takes out what gzip holds, within limits, into memory that nobody can change afterwards. */
#include "bundle/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "bundle/boot.h"
#include "bundle/elf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define CHUNK       (UINT64_C(256) << 10) /* bytes that are taken out at a time; the first decides */
#define RATIO       256                   /* a disk that is mostly empty gets there, a bomb far beyond */
#define SMALL       (UINT64_C(64) << 20)  /* bytes below which the ratio does not matter */
#define GZIP_FORMAT (MAX_WBITS + 16)      /* zlib: a gzip header, and its check sum */

struct unpacker {
    z_stream z;
    uint64_t left; /* bytes that the stream has not been given yet */
    uint8_t *chunk;
    int status; /* zlib's last one */
};

bool bnd_gzip_is(const uint8_t *data, uint64_t size)
{
    return size > 18 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8;
}

static void unpacker_fini(struct unpacker *u)
{
    inflateEnd(&u->z);
    free(u->chunk);
}

/* Fill the chunk: the bytes that are in it; less than all at the end, or at damage (see u->status). */
static size_t fill(struct unpacker *u)
{
    u->z.next_out = u->chunk;
    u->z.avail_out = CHUNK;
    while (u->z.avail_out > 0 && u->status == Z_OK) {
        uInt given = u->left < CHUNK ? (uInt)u->left : (uInt)CHUNK;
        if (u->z.avail_in == 0) {
            u->z.avail_in = given;
            u->left -= given;
        }
        u->status = inflate(&u->z, Z_NO_FLUSH);
    }
    return CHUNK - u->z.avail_out;
}

/* By its first bytes; tables that come later are not there yet. */
static bool looks_bootable(const uint8_t *data, size_t len)
{
    struct bnd_elf elf;
    struct bnd_boot boot;
    if (bnd_elf_open(&elf, data, len)) {
        bnd_boot_read(&boot, data, len, &elf);
        return !boot.ordinary;
    }
    bnd_boot_read(&boot, data, len, NULL);
    return bnd_boot_recognised(&boot) || (len >= 512 && data[510] == 0x55 && data[511] == 0xaa);
}

static int unpack(struct unpacker *u, int fd, uint64_t packed, size_t first, struct rk_err *err)
{
    uint64_t total = 0;
    for (size_t len = first; len > 0; len = fill(u)) {
        total += len;
        if (total > BND_GZIP_MAX || (total > SMALL && total / RATIO > packed))
            return rk_fail(
                err, -EFBIG,
                "what gzip holds is larger than %u MiB, or packed more than %u to 1: unpack it in the image",
                (unsigned)(BND_GZIP_MAX >> 20), RATIO);
        int r = rk_write_all(fd, u->chunk, len);
        if (r < 0)
            return rk_fail(err, r, "unpack gzip: %s", strerror(-r));
    }
    return u->status == Z_STREAM_END;
}

int bnd_gzip_open(int *ret_fd, const uint8_t *data, uint64_t size, struct rk_err *err)
{
    struct unpacker u = {.left = size, .status = Z_OK};
    union { /* zlib takes its input as a pointer to what is not const, and does not write there */
        const uint8_t *in;
        uint8_t *z;
    } input = {.in = data};
    int r = 0;
    if (!bnd_gzip_is(data, size))
        return 0;
    u.z.next_in = input.z;
    u.chunk = malloc(CHUNK);
    if (!u.chunk || inflateInit2(&u.z, GZIP_FORMAT) != Z_OK) {
        free(u.chunk);
        return rk_fail(err, -ENOMEM, "out of memory");
    }
    rk_autoclose int fd = -1;
    size_t first = fill(&u);
    if (looks_bootable(u.chunk, first)) {
        fd = memfd_create("unpacked", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        r = fd < 0 ? rk_fail_errno(err, "memory for what gzip holds") : unpack(&u, fd, size, first, err);
    }
    unpacker_fini(&u);
    if (r > 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return rk_fail_errno(err, "seal what gzip held");
    if (r > 0)
        *ret_fd = rk_take_fd(&fd);
    return r;
}
