/* Finds virtio devices on PCI's bus 0 or in microvm's virtio-mmio slots, and speaks to them. */
#include "bare_transport.h"

#define PAGE_SHIFT 12

/* Transitional PCI: offsets from the port of BAR 0. */
#define PCI_FEATURES     0x00
#define PCI_DRIVER       0x04
#define PCI_QUEUE_PAGE   0x08
#define PCI_QUEUE_SIZE   0x0c
#define PCI_QUEUE_SELECT 0x0e
#define PCI_NOTIFY       0x10
#define PCI_STATUS       0x12
#define PCI_CONFIG       0x14 /* without MSI-X */

#define MMIO_MAGIC           0x000
#define MMIO_VERSION         0x004
#define MMIO_TYPE            0x008
#define MMIO_FEATURES        0x010
#define MMIO_FEATURES_SELECT 0x014
#define MMIO_DRIVER          0x020
#define MMIO_DRIVER_SELECT   0x024
#define MMIO_PAGE_SIZE       0x028
#define MMIO_QUEUE_SELECT    0x030
#define MMIO_QUEUE_MAX       0x034
#define MMIO_QUEUE_SIZE      0x038
#define MMIO_QUEUE_ALIGN     0x03c
#define MMIO_QUEUE_PAGE      0x040
#define MMIO_QUEUE_READY     0x044
#define MMIO_NOTIFY          0x050
#define MMIO_STATUS          0x070
#define MMIO_DESCRIPTORS     0x080
#define MMIO_AVAILABLE       0x090
#define MMIO_USED            0x0a0
#define MMIO_CONFIG          0x100

/* microvm's slots; there are 8, or 24 with a second I/O APIC. */
#define SLOT_FIRST 0xfeb00000
#define SLOT_SIZE  512
#define SLOTS      24

static uint32_t mmio_get(const struct bare_transport *transport, unsigned offset)
{
    return *bare_reg32(transport->mmio + offset);
}

static void mmio_put(const struct bare_transport *transport, unsigned offset, uint32_t value)
{
    *bare_reg32(transport->mmio + offset) = value;
}

static uint32_t pci_get(unsigned device, unsigned offset)
{
    bare_out32(0xcf8, 0x80000000 | device << 8 | offset);
    return bare_in32(0xcfc);
}

static void pci_put(unsigned device, unsigned offset, uint32_t value)
{
    bare_out32(0xcf8, 0x80000000 | device << 8 | offset);
    bare_out32(0xcfc, value);
}

/* `device` is slot and function. Its number is 0x1000 + n for the transitional kinds. */
static bool probe_pci(unsigned device, struct bare_transport *ret_transport)
{
    uint32_t id = pci_get(device, 0);
    if ((id & 0xffff) != 0x1af4)
        return false;
    uint32_t bar = pci_get(device, 0x10);
    if (id >> 16 >= 0x1040 || !(bar & 1)) {
        guest_print("PCI %02x.%u: a virtio device without the legacy interface\n", device >> 3, device & 7);
        return false;
    }
    /* Ports, memory, and reading and writing memory by itself. */
    pci_put(device, 4, (pci_get(device, 4) & 0xffff) | 7);
    *ret_transport = (struct bare_transport){.port = bar & 0xfffc, .type = pci_get(device, 0x2c) >> 16};
    return true;
}

static bool probe_mmio(uint64_t slot, struct bare_transport *ret_transport)
{
    struct bare_transport transport = {.mmio = slot};
    if (mmio_get(&transport, MMIO_MAGIC) != 0x74726976)
        return false;
    transport.modern = mmio_get(&transport, MMIO_VERSION) >= 2;
    transport.type = mmio_get(&transport, MMIO_TYPE);
    *ret_transport = transport;
    return transport.type != 0;
}

void bare_transport_scan(void (*found)(const struct bare_transport *transport, void *context), void *context)
{
    struct bare_transport transport;
    if (!bare_has_pci()) {
        for (unsigned i = SLOTS; i > 0; i--)
            if (probe_mmio(SLOT_FIRST + (i - 1) * SLOT_SIZE, &transport))
                found(&transport, context);
        return;
    }
    for (unsigned slot = 0; slot < 32; slot++) {
        bool several = pci_get(slot << 3, 0x0c) & 0x800000;
        for (unsigned function = 0; function < (several ? 8U : 1U); function++)
            if (probe_pci(slot << 3 | function, &transport))
                found(&transport, context);
    }
}

void bare_transport_status(const struct bare_transport *transport, uint8_t status)
{
    if (transport->port)
        bare_out8(transport->port + PCI_STATUS, status);
    else
        mmio_put(transport, MMIO_STATUS, status);
}

bool bare_transport_features(const struct bare_transport *transport, uint64_t wanted, uint64_t *ret_features)
{
    uint64_t features;
    if (transport->port) {
        features = bare_in32(transport->port + PCI_FEATURES) & wanted & 0xffffffff;
        bare_out32(transport->port + PCI_DRIVER, (uint32_t)features);
        *ret_features = features;
        return true;
    }
    mmio_put(transport, MMIO_FEATURES_SELECT, 1);
    features = transport->modern ? (uint64_t)mmio_get(transport, MMIO_FEATURES) << 32 : 0;
    mmio_put(transport, MMIO_FEATURES_SELECT, 0);
    features = (features | mmio_get(transport, MMIO_FEATURES)) & wanted;
    for (unsigned i = 0; i < 2; i++) {
        mmio_put(transport, MMIO_DRIVER_SELECT, i);
        mmio_put(transport, MMIO_DRIVER, (uint32_t)(features >> 32 * i));
    }
    *ret_features = features;
    if (!transport->modern)
        return true;
    mmio_put(transport, MMIO_STATUS, mmio_get(transport, MMIO_STATUS) | VIRTIO_FEATURES_OK);
    return mmio_get(transport, MMIO_STATUS) & VIRTIO_FEATURES_OK;
}

unsigned bare_transport_queue_size(const struct bare_transport *transport, unsigned index, unsigned max)
{
    if (transport->port) {
        bare_out16(transport->port + PCI_QUEUE_SELECT, (uint16_t)index);
        unsigned size = bare_in16(transport->port + PCI_QUEUE_SIZE);
        return size <= max ? size : 0;
    }
    mmio_put(transport, MMIO_QUEUE_SELECT, index);
    unsigned size = mmio_get(transport, MMIO_QUEUE_MAX);
    return size <= max ? size : max;
}

static void put_address(const struct bare_transport *transport, unsigned offset, const volatile void *address)
{
    mmio_put(transport, offset, (uint32_t)(uint64_t)address);
    mmio_put(transport, offset + 4, (uint32_t)((uint64_t)address >> 32));
}

void bare_transport_queue_start(const struct bare_transport *transport, unsigned index, unsigned size,
                                const void *descriptors, const volatile void *available,
                                const volatile void *used)
{
    uint32_t page = (uint32_t)((uint64_t)descriptors >> PAGE_SHIFT);
    if (transport->port) {
        bare_out16(transport->port + PCI_QUEUE_SELECT, (uint16_t)index);
        bare_out32(transport->port + PCI_QUEUE_PAGE, page);
        return;
    }
    mmio_put(transport, MMIO_QUEUE_SELECT, index);
    mmio_put(transport, MMIO_QUEUE_SIZE, size);
    if (!transport->modern) {
        mmio_put(transport, MMIO_PAGE_SIZE, 1 << PAGE_SHIFT);
        mmio_put(transport, MMIO_QUEUE_ALIGN, 1 << PAGE_SHIFT);
        mmio_put(transport, MMIO_QUEUE_PAGE, page);
        return;
    }
    put_address(transport, MMIO_DESCRIPTORS, descriptors);
    put_address(transport, MMIO_AVAILABLE, available);
    put_address(transport, MMIO_USED, used);
    mmio_put(transport, MMIO_QUEUE_READY, 1);
}

void bare_transport_notify(const struct bare_transport *transport, unsigned index)
{
    if (transport->port)
        bare_out16(transport->port + PCI_NOTIFY, (uint16_t)index);
    else
        mmio_put(transport, MMIO_NOTIFY, index);
}

uint64_t bare_transport_config(const struct bare_transport *transport, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = transport->port
                           ? bare_in8((uint16_t)(transport->port + PCI_CONFIG + offset + i))
                           : *(volatile uint8_t *)bare_reg32(transport->mmio + MMIO_CONFIG + offset + i);
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}
