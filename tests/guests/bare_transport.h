/* How a virtio device of a bare machine is reached: by the I/O ports of a transitional PCI device, or by the
 * registers of virtio-mmio, version 1 or 2. Source: the Virtual I/O Device specification 1.1,
 * sections 4.1.4.8 and 4.2. */
#ifndef GUEST_BARE_TRANSPORT_H
#define GUEST_BARE_TRANSPORT_H

#include "bare.h"

#define VIRTIO_NET   1
#define VIRTIO_BLOCK 2
#define VIRTIO_9P    9

#define VIRTIO_ACKNOWLEDGE 1
#define VIRTIO_DRIVER      2
#define VIRTIO_DRIVER_OK   4
#define VIRTIO_FEATURES_OK 8

#define VIRTIO_F_VERSION_1 (1ULL << 32)

struct bare_transport {
    uint16_t port; /* 0: by mmio */
    uint64_t mmio;
    bool modern;   /* virtio 1: a feature to be acknowledged, a queue in three parts */
    unsigned type; /* VIRTIO_NET, … */
};

/* Call `found` for each device, in the order of their -device options as far as the machine keeps it: by PCI
 * address upwards, by mmio address downwards. */
void bare_transport_scan(void (*found)(const struct bare_transport *transport, void *context), void *context);

void bare_transport_status(const struct bare_transport *transport, uint8_t status); /* 0 resets */

/* Of `wanted`, what the device offers; it is told so. False when the device does not agree. */
bool bare_transport_features(const struct bare_transport *transport, uint64_t wanted, uint64_t *ret_features);

/* The number of entries that queue `index` gets, at most `max`; 0 when the device lacks it or insists on
 * more. */
unsigned bare_transport_queue_size(const struct bare_transport *transport, unsigned index, unsigned max);

/* Start queue `index` of `size` entries. The parts lie in one piece, `used` on a page boundary, as version 1
 * wants them. */
void bare_transport_queue_start(const struct bare_transport *transport, unsigned index, unsigned size,
                                const void *descriptors, const volatile void *available,
                                const volatile void *used);

void bare_transport_notify(const struct bare_transport *transport, unsigned index);

/* `size` bytes of the device's own configuration, little-endian, at most 8. */
uint64_t bare_transport_config(const struct bare_transport *transport, unsigned offset, unsigned size);

#endif
