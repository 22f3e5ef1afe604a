/* Attaching devices: taps and disks are opened, or taken as they are inherited, and entered into the
 * manifest. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/solo5/tender.h"
#include "lib/cleanup.h"

#define SECTOR_MIN 512
#define SECTOR_MAX 32768 /* the largest power of two in the manifest's 16 bits */

/* The guest sees each frame as it was on the wire, so the kernel must not merge them on their way to the tap.
 * Best effort: a tap without such offloads has nothing to turn off. */
static void disable_offload(int sock, const struct ifreq *interface, uint32_t command)
{
    struct ethtool_value value = {.cmd = command};
    struct ifreq ifr = *interface;
    ifr.ifr_data = (char *)&value;
    (void)ioctl(sock, SIOCETHTOOL, &ifr);
}

/* Open the tap `name`, which must exist and be up. Returns the descriptor. */
static int open_tap(const char *name, int sock, struct rk_err *err)
{
    struct ifreq ifr = {0};
    memcpy(ifr.ifr_name, name, strlen(name));
    if (ioctl(sock, SIOCGIFFLAGS, &ifr))
        return rk_fail_errno(err, "interface '%s'", name);
    if (!(ifr.ifr_flags & (IFF_UP | IFF_RUNNING)))
        return rk_fail(err, -ENETDOWN, "interface '%s' is not up: ip link set %s up", name, name);
    rk_autoclose int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return rk_fail_errno(err, "open '/dev/net/tun'");
    ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(fd, TUNSETIFF, &ifr))
        return rk_fail_errno(err, "attach to tap '%s'", name);
    if (strcmp(ifr.ifr_name, name) != 0)
        return rk_fail(err, -EINVAL, "attach to tap '%s': got '%.*s' instead", name, IF_NAMESIZE,
                       ifr.ifr_name);
    disable_offload(sock, &ifr, ETHTOOL_SGRO);
    disable_offload(sock, &ifr, ETHTOOL_SGSO);
    return rk_take_fd(&fd);
}

static int query_mtu(uint32_t *ret_mtu, int sock, int fd, struct rk_err *err)
{
    struct ifreq ifr = {0};
    if (ioctl(fd, TUNGETIFF, &ifr))
        return rk_fail_errno(err, "ask the tap for its name (an MTU option would spare that)");
    if (ioctl(sock, SIOCGIFMTU, &ifr))
        return rk_fail_errno(err, "ask '%.*s' for its MTU", IF_NAMESIZE, ifr.ifr_name);
    if (ifr.ifr_mtu < 1 || ifr.ifr_mtu > UINT16_MAX)
        return rk_fail(err, -ERANGE, "'%.*s' has an MTU of %d bytes, more than a guest can be told",
                       IF_NAMESIZE, ifr.ifr_name, ifr.ifr_mtu);
    *ret_mtu = (uint32_t)ifr.ifr_mtu;
    return 0;
}

static int attach_net(struct tdr_device *device, struct rk_solo5_entry *entry, struct rk_err *err)
{
    bool inherited = *device->source == '@';
    rk_autoclose int sock = -1;
    if (!inherited || !device->mtu) {
        sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (sock < 0)
            return rk_fail_errno(err, "open a socket for interface requests");
    }
    device->fd = inherited ? tdr_inherited_fd(device->source, err) : open_tap(device->source, sock, err);
    if (device->fd < 0)
        return device->fd;
    if (inherited) {
        int flags = fcntl(device->fd, F_GETFL);
        if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(device->fd, F_SETFL, flags | O_NONBLOCK)))
            return rk_fail_errno(err, "set descriptor '%s' non-blocking", device->source);
    }
    int rc = device->mtu ? 0 : query_mtu(&device->mtu, sock, device->fd, err);
    if (rc)
        return rc;
    if (!device->has_mac) {
        if (getrandom(device->mac, sizeof device->mac, 0) != sizeof device->mac)
            return rk_fail_errno(err, "make a hardware address");
        device->mac[0] = (uint8_t)((device->mac[0] & 0xfe) | 2);
    }
    memset(&entry->u, 0, sizeof entry->u);
    memcpy(entry->u.net.mac, device->mac, sizeof device->mac);
    entry->u.net.mtu = (uint16_t)device->mtu;
    device->writable = true;
    return 0;
}

static int open_disk(const char *source, struct rk_err *err)
{
    if (*source == '@')
        return tdr_inherited_fd(source, err);
    int fd = open(source, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && (errno == EROFS || errno == EACCES))
        fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? rk_fail_errno(err, "open '%s'", source) : fd;
}

static int attach_block(struct tdr_device *device, struct rk_solo5_entry *entry, struct rk_err *err)
{
    uint32_t sector = device->sector;
    if (sector < SECTOR_MIN || sector > SECTOR_MAX || (sector & (sector - 1)))
        return rk_fail(
            err, -EINVAL,
            "Block size must be a multiple of 2 greater than or equal %d (a power of two, at most %d)",
            SECTOR_MIN, SECTOR_MAX);
    device->fd = open_disk(device->source, err);
    if (device->fd < 0)
        return device->fd;
    int flags = fcntl(device->fd, F_GETFL);
    if (flags < 0)
        return rk_fail_errno(err, "descriptor of '%s'", device->source);
    if ((flags & O_ACCMODE) == O_WRONLY)
        return rk_fail(err, -EACCES, "'%s' is not open for reading", device->source);
    device->writable = (flags & O_ACCMODE) == O_RDWR;
    off_t size = lseek(device->fd, 0, SEEK_END);
    if (size < 0)
        return rk_fail_errno(err, "ask '%s' for its size", device->source);
    if ((uint64_t)size < sector)
        return rk_fail(err, -EINVAL,
                       "Backing storage size must be at least one block: %lld bytes, blocks of %u",
                       (long long)size, sector);
    if ((uint64_t)size % sector)
        return rk_fail(err, -EINVAL, "Backing storage size must be block aligned: %lld bytes, blocks of %u",
                       (long long)size, sector);
    memset(&entry->u, 0, sizeof entry->u);
    entry->u.block.capacity = (uint64_t)size;
    entry->u.block.block_size = (uint16_t)sector;
    return 0;
}

int tdr_attach(struct tender *tender, struct rk_err *err)
{
    struct rk_solo5_mft *mft = &tender->image.mft;
    for (uint32_t i = 1; i < mft->entries; i++) {
        struct rk_solo5_entry *entry = &mft->e[i];
        struct tdr_device *device = &tender->devices[i];
        if (entry->type >= RK_SOLO5_RESERVED_FIRST)
            continue;
        if (!device->source)
            return rk_fail(err, -ENODEV, "Device '%s' of type %s declared but not attached.", entry->name,
                           rk_solo5_device_name(entry->type));
        int rc =
            entry->type == RK_SOLO5_NET ? attach_net(device, entry, err) : attach_block(device, entry, err);
        if (rc)
            return rk_wrap(err, "device '%s'", entry->name);
        entry->attached = true;
    }
    return 0;
}
