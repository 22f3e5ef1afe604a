/* Network and block devices of a bare machine, and shared directories: virtio queues, looked at whenever the
 * guest asks, without interrupts.
 *
 * Source: the Virtual I/O Device specification 1.1, sections 2.6, 5.1 and 5.2. */
#include "bare_transport.h"

#define HANDLES_MAX  8
#define QUEUE_MAX    1024
#define PAGE         4096
#define RECEIVERS    64
#define SENDERS      32
#define ETH_LEN      14
#define MTU_DEFAULT  1500
#define SECTOR       512
#define QUEUE_IN     0 /* of a network device; a block device has one queue, its first */
#define QUEUE_OUT    1
#define SEND_WAIT    (100 * GUEST_MSEC)
#define BLOCK_WAIT   (20 * GUEST_NSEC)
#define DESC_NEXT    1
#define DESC_WRITE   2 /* by the device */
#define NO_INTERRUPT 1

#define NET_F_MTU   (1ULL << 3)
#define NET_F_MAC   (1ULL << 5)
#define BLOCK_READ  0
#define BLOCK_WRITE 1

struct descriptor {
    uint64_t address;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

struct available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[];
};

struct used {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t len;
    } ring[];
};

struct queue {
    unsigned size;
    struct descriptor *descriptors;
    volatile struct available *available;
    volatile struct used *used;
    uint16_t seen; /* how far of `used` was looked at */
};

struct device {
    struct bare_transport transport;
    struct queue queue[2];
    uint8_t *buffers[2]; /* RECEIVERS and SENDERS of buffer_size each; of a block device, one request */
    size_t buffer_size;
    size_t header_len;
};

struct block_request {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
    uint8_t status;
};

static struct device devices[HANDLES_MAX];

/* Zeroed pages, from the end of memory downwards. */
static void *take(size_t bytes)
{
    guest.mem_size = (guest.mem_size - bytes) & ~(PAGE - 1UL);
    if (guest.mem_size < 2 * GUEST_MIB) {
        guest_print("not enough memory for a device's queues\n");
        guest_exit(255);
    }
    __asm__("" : : : "memory");
    return memset((void *)guest.mem_size, 0, bytes);
}

static bool start_queue(struct device *device, unsigned index)
{
    struct queue *queue = &device->queue[index];
    queue->size = bare_transport_queue_size(&device->transport, index, QUEUE_MAX);
    if (queue->size == 0)
        return false;
    size_t first = 16 * (size_t)queue->size + 6 + 2 * (size_t)queue->size;
    first = (first + PAGE - 1) / PAGE * PAGE;
    uint8_t *memory = take(first + 6 + 8 * (size_t)queue->size);
    queue->descriptors = (struct descriptor *)(void *)memory;
    queue->available = (struct available *)(void *)(memory + 16 * (size_t)queue->size);
    queue->used = (struct used *)(void *)(memory + first);
    queue->available->flags = NO_INTERRUPT;
    bare_transport_queue_start(&device->transport, index, queue->size, memory, queue->available, queue->used);
    return true;
}

/* Hand the chain that begins with descriptor `head` to the device. */
static void offer(struct device *device, unsigned index, uint16_t head)
{
    struct queue *queue = &device->queue[index];
    queue->available->ring[queue->available->index % queue->size] = head;
    __asm__ volatile("" : : : "memory");
    queue->available->index++;
    __asm__ volatile("mfence" : : : "memory");
    bare_transport_notify(&device->transport, index);
}

/* Until the device has answered what was offered; how many bytes. */
static size_t await(struct queue *queue)
{
    uint64_t end = guest_monotonic() + BLOCK_WAIT;
    while (queue->used->index == queue->seen) {
        if (guest_monotonic() > end) {
            guest_print("a request gets no answer\n");
            guest_exit(255);
        }
        __asm__ volatile("pause");
    }
    __asm__ volatile("" : : : "memory");
    return queue->used->ring[queue->seen++ % queue->size].len;
}

/* --- network */

static void receive_into(struct device *device, uint16_t i)
{
    device->queue[QUEUE_IN].descriptors[i] =
        (struct descriptor){(uint64_t)device->buffers[QUEUE_IN] + i * device->buffer_size,
                            (uint32_t)device->buffer_size, DESC_WRITE, 0};
    offer(device, QUEUE_IN, i);
}

static bool open_net(struct device *device, struct guest_device *entry)
{
    uint64_t features;
    if (!bare_transport_features(&device->transport, NET_F_MTU | NET_F_MAC | VIRTIO_F_VERSION_1, &features) ||
        !start_queue(device, QUEUE_IN) || !start_queue(device, QUEUE_OUT))
        return false;
    for (unsigned i = 0; i < 6; i++)
        entry->u.net.mac[i] = (uint8_t)bare_transport_config(&device->transport, i, 1);
    entry->u.net.mtu =
        features & NET_F_MTU ? (uint16_t)bare_transport_config(&device->transport, 10, 2) : MTU_DEFAULT;
    device->header_len = features & VIRTIO_F_VERSION_1 ? 12 : 10;
    device->buffer_size = (device->header_len + ETH_LEN + entry->u.net.mtu + 63) & ~63UL;
    device->buffers[QUEUE_IN] = take(RECEIVERS * device->buffer_size);
    device->buffers[QUEUE_OUT] = take(SENDERS * device->buffer_size);
    return true;
}

bool bare_virtio_readable(unsigned handle)
{
    const struct queue *queue = &devices[handle].queue[QUEUE_IN];
    return queue->size && queue->used->index != queue->seen;
}

enum guest_result guest_net_read(unsigned handle, void *buf, size_t size, size_t *ret_len)
{
    struct device *device = &devices[handle];
    struct queue *queue = &device->queue[QUEUE_IN];
    if (!bare_virtio_readable(handle))
        return GUEST_AGAIN;
    __asm__ volatile("" : : : "memory");
    uint16_t id = (uint16_t)queue->used->ring[queue->seen % queue->size].id;
    size_t len = queue->used->ring[queue->seen % queue->size].len;
    queue->seen++;
    if (id >= RECEIVERS || len < device->header_len || len > device->buffer_size)
        return GUEST_EUNSPEC;
    len -= device->header_len;
    if (len > size)
        len = size;
    memcpy(buf, device->buffers[QUEUE_IN] + id * device->buffer_size + device->header_len, len);
    receive_into(device, id);
    *ret_len = len;
    return GUEST_OK;
}

enum guest_result guest_net_write(unsigned handle, const void *buf, size_t len)
{
    struct device *device = &devices[handle];
    struct queue *queue = &device->queue[QUEUE_OUT];
    unsigned senders = queue->size < SENDERS ? queue->size : SENDERS;
    if (len + device->header_len > device->buffer_size)
        return GUEST_EINVAL;
    /* Buffers are taken in turn, and given back in turn. */
    uint64_t end = guest_monotonic() + SEND_WAIT;
    while ((uint16_t)(queue->available->index - queue->used->index) >= senders)
        if (guest_monotonic() > end)
            return GUEST_AGAIN;
    uint16_t i = queue->available->index % senders;
    uint8_t *buffer = device->buffers[QUEUE_OUT] + i * device->buffer_size;
    memset(buffer, 0, device->header_len);
    memcpy(buffer + device->header_len, buf, len);
    queue->descriptors[i] = (struct descriptor){(uint64_t)buffer, (uint32_t)(device->header_len + len), 0, 0};
    offer(device, QUEUE_OUT, i);
    return GUEST_OK;
}

/* --- block */

static bool open_block(struct device *device, struct guest_device *entry)
{
    uint64_t features;
    if (!bare_transport_features(&device->transport, VIRTIO_F_VERSION_1, &features) ||
        !start_queue(device, 0))
        return false;
    entry->u.block.capacity = bare_transport_config(&device->transport, 0, 8) * SECTOR;
    entry->u.block.block_size = SECTOR;
    device->buffers[0] = take(sizeof(struct block_request));
    return true;
}

static enum guest_result transfer(unsigned handle, uint32_t type, uint64_t offset, const void *buf,
                                  size_t len)
{
    struct device *device = &devices[handle];
    struct queue *queue = &device->queue[0];
    volatile struct block_request *request = (volatile struct block_request *)(void *)device->buffers[0];
    if (offset % SECTOR || len % SECTOR || queue->size < 3)
        return GUEST_EINVAL;
    request->type = type;
    request->sector = offset / SECTOR;
    request->status = 0xff;
    queue->descriptors[0] = (struct descriptor){(uint64_t)request, 16, DESC_NEXT, 1};
    queue->descriptors[1] = (struct descriptor){(uint64_t)buf, (uint32_t)len,
                                                type == BLOCK_READ ? DESC_NEXT | DESC_WRITE : DESC_NEXT, 2};
    queue->descriptors[2] = (struct descriptor){(uint64_t)&request->status, 1, DESC_WRITE, 0};
    offer(device, 0, 0);
    await(queue);
    return request->status == 0 ? GUEST_OK : GUEST_EUNSPEC;
}

enum guest_result guest_block_raw_read(unsigned handle, uint64_t offset, void *buf, size_t len)
{
    return transfer(handle, BLOCK_READ, offset, buf, len);
}

enum guest_result guest_block_raw_write(unsigned handle, uint64_t offset, const void *buf, size_t len)
{
    return transfer(handle, BLOCK_WRITE, offset, buf, len);
}

/* --- 9p */

static bool open_9p(struct device *device)
{
    uint64_t features;
    return bare_transport_features(&device->transport, VIRTIO_F_VERSION_1, &features) &&
           start_queue(device, 0);
}

size_t bare_9p_ask(unsigned handle, const void *request, size_t len, void *answer, size_t size)
{
    struct queue *queue = &devices[handle].queue[0];
    queue->descriptors[0] = (struct descriptor){(uint64_t)request, (uint32_t)len, DESC_NEXT, 1};
    queue->descriptors[1] = (struct descriptor){(uint64_t)answer, (uint32_t)size, DESC_WRITE, 0};
    offer(&devices[handle], 0, 0);
    return await(queue);
}

/* --- all */

/* The devices' numbers, and what a manifest calls them. */
static enum guest_device_type wanted_type(unsigned type)
{
    return type == VIRTIO_NET ? GUEST_NET_BASIC : type == VIRTIO_BLOCK ? GUEST_BLOCK_BASIC : GUEST_9P;
}

static bool open_device(struct device *device, struct guest_device *entry)
{
    return entry->type == GUEST_NET_BASIC     ? open_net(device, entry)
           : entry->type == GUEST_BLOCK_BASIC ? open_block(device, entry)
                                              : open_9p(device);
}

/* Give the device to the next entry of the manifest that wants one of its type, if there is any. */
static void attach(const struct bare_transport *transport, void *context)
{
    struct guest_manifest *manifest = context;
    enum guest_device_type wanted = wanted_type(transport->type);
    unsigned handle = 1;
    if (transport->type != VIRTIO_NET && transport->type != VIRTIO_BLOCK && transport->type != VIRTIO_9P)
        return;
    while (handle < manifest->entries &&
           (manifest->device[handle].type != wanted || manifest->device[handle].attached))
        handle++;
    if (handle >= manifest->entries || handle >= HANDLES_MAX)
        return;
    struct guest_device *entry = &manifest->device[handle];
    struct device *device = &devices[handle];
    device->transport = *transport;
    bare_transport_status(transport, 0);
    bare_transport_status(transport, VIRTIO_ACKNOWLEDGE);
    bare_transport_status(transport, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    if (!open_device(device, entry)) {
        guest_print("%s: the device and this guest do not agree\n", entry->name);
        return;
    }
    uint8_t modern = transport->modern ? VIRTIO_FEATURES_OK : 0;
    bare_transport_status(transport, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK | modern);
    if (wanted == GUEST_NET_BASIC)
        for (uint16_t i = 0; i < RECEIVERS && i < device->queue[QUEUE_IN].size; i++)
            receive_into(device, i);
    entry->attached = true;
}

void bare_virtio_attach(struct guest_manifest *manifest)
{
    bare_transport_scan(attach, manifest);
}
