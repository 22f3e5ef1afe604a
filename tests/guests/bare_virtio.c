/* The virtio devices of a bare machine. */
#include "bare.h"

void bare_virtio_attach(struct guest_manifest *manifest)
{
    (void)manifest;
}

bool bare_virtio_readable(unsigned handle)
{
    (void)handle;
    return false;
}

enum guest_result guest_net_read(unsigned handle, void *buf, size_t size, size_t *ret_len)
{
    (void)handle;
    (void)buf;
    (void)size;
    (void)ret_len;
    return GUEST_EUNSPEC;
}
enum guest_result guest_net_write(unsigned handle, const void *buf, size_t len)
{
    (void)handle;
    (void)buf;
    (void)len;
    return GUEST_EUNSPEC;
}
enum guest_result guest_block_raw_read(unsigned handle, uint64_t offset, void *buf, size_t len)
{
    (void)handle;
    (void)offset;
    (void)buf;
    (void)len;
    return GUEST_EUNSPEC;
}
enum guest_result guest_block_raw_write(unsigned handle, uint64_t offset, const void *buf, size_t len)
{
    (void)handle;
    (void)offset;
    (void)buf;
    (void)len;
    return GUEST_EUNSPEC;
}
