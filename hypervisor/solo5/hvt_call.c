/* The hypercalls: what an hvt guest can ask for, each argument structure copied once before it is judged. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hypervisor/solo5/hvt.h"

/* Numbers and structures: Solo5's hvt_abi.h. Natural alignment, little-endian. */
enum {
    CALL_WALLTIME = 1,
    CALL_PUTS,
    CALL_POLL,
    CALL_BLOCK_WRITE,
    CALL_BLOCK_READ,
    CALL_NET_WRITE,
    CALL_NET_READ,
    CALL_HALT,
};

enum {
    RESULT_OK,
    RESULT_AGAIN,
    RESULT_EINVAL,
    RESULT_EUNSPEC,
};

struct call_walltime {
    uint64_t nsecs; /* out */
};

struct call_puts {
    uint64_t data;
    uint64_t len;
};

struct call_poll {
    uint64_t timeout_nsecs;
    uint64_t ready_set; /* out */
    int32_t ret;        /* out: number of handles in ready_set */
};

struct call_block {
    uint64_t handle;
    uint64_t offset;
    uint64_t data;
    uint64_t len;
    int32_t ret; /* out */
};

struct call_net {
    uint64_t handle;
    uint64_t data;
    uint64_t len; /* of the buffer; after a read, of the frame */
    int32_t ret;  /* out */
};

struct call_halt {
    uint64_t cookie;
    int32_t exit_status;
};

_Static_assert(sizeof(struct call_walltime) == 8 && sizeof(struct call_puts) == 16 &&
                   sizeof(struct call_poll) == 24 && sizeof(struct call_block) == 40 &&
                   sizeof(struct call_net) == 32 && sizeof(struct call_halt) == 16,
               "hypercall structures have their sizes from the ABI");

/* Serve one call: `at` is the guest's structure, checked. 0 or an error; 1 halts with *ret_status. */
typedef int serve_fn(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err);

static int serve_walltime(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)hvt;
    (void)ret_status;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return rk_fail_errno(err, "read the clock");
    const struct call_walltime out = {.nsecs = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec};
    memcpy(at, &out, sizeof out);
    return 0;
}

/* A console that nobody reads any more is not the guest's fault: what cannot be written is dropped. */
static int serve_puts(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)ret_status;
    struct call_puts call;
    memcpy(&call, at, sizeof call);
    void *data;
    int rc = hvt_mem_at(&hvt->mem, call.data, call.len, false, &data, err);
    if (rc)
        return rc;
    const uint8_t *from = data;
    while (call.len) {
        ssize_t n = write(STDOUT_FILENO, from, call.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        from += n;
        call.len -= (uint64_t)n;
    }
    return 0;
}

static int serve_poll(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)ret_status;
    struct call_poll call;
    memcpy(&call, at, sizeof call);
    struct timespec left = {
        .tv_sec = (time_t)(call.timeout_nsecs / 1000000000),
        .tv_nsec = (long)(call.timeout_nsecs % 1000000000),
    };
    /* The system call itself, not its wrapper: it counts `left` down, so that an interruption does not
     * lengthen the wait. */
    long ready;
    do
        ready = syscall(SYS_ppoll, hvt->polls, hvt->poll_count, &left, NULL, 0);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return rk_fail_errno(err, "wait for the network");
    call.ready_set = 0;
    call.ret = (int32_t)ready;
    for (size_t i = 0; ready && i < hvt->poll_count; i++)
        if (hvt->polls[i].revents)
            call.ready_set |= UINT64_C(1) << hvt->poll_handles[i];
    memcpy(at, &call, sizeof call);
    return 0;
}

/* The attached device behind a handle, NULL when there is none of that type. */
static const struct tdr_device *find_device(const struct hvt *hvt, uint64_t handle, enum rk_solo5_device type)
{
    const struct rk_solo5_mft *mft = &hvt->tender->image.mft;
    if (handle >= mft->entries || mft->e[handle].type != (uint32_t)type)
        return NULL;
    return &hvt->tender->devices[handle];
}

/* pread or pwrite of all of it; the disk does not change its size, so that a short one is the host's failure.
 */
static int transfer(int fd, bool write_it, uint8_t *data, uint64_t len, uint64_t offset, struct rk_err *err)
{
    while (len) {
        ssize_t n = write_it ? pwrite(fd, data, len, (off_t)offset) : pread(fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rk_fail_errno(err, write_it ? "write to a block device" : "read from a block device");
        if (n == 0)
            return rk_fail(err, -EIO, "a block device has become shorter");
        data += n;
        len -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static int serve_block(struct hvt *hvt, void *at, bool write_it, struct rk_err *err)
{
    struct call_block call;
    memcpy(&call, at, sizeof call);
    const struct tdr_device *device = find_device(hvt, call.handle, RK_SOLO5_BLOCK);
    uint64_t capacity = device ? hvt->tender->image.mft.e[call.handle].u.block.capacity : 0;
    call.ret = RESULT_OK;
    if (call.offset >= capacity || call.len > SSIZE_MAX || call.len > capacity - call.offset) {
        call.ret = RESULT_EINVAL;
    } else if (write_it && !device->writable) {
        call.ret = RESULT_EUNSPEC;
    } else {
        void *data;
        int rc = hvt_mem_at(&hvt->mem, call.data, call.len, !write_it, &data, err);
        if (!rc)
            rc = transfer(device->fd, write_it, data, call.len, call.offset, err);
        if (rc)
            return rc;
        struct rk_figures_block *figures = &hvt->figures->blocks[call.handle];
        rk_figures_add(write_it ? &figures->writes : &figures->reads, 1);
        rk_figures_add(write_it ? &figures->written_bytes : &figures->read_bytes, call.len);
    }
    memcpy(at, &call, sizeof call);
    return 0;
}

static int serve_block_write(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)ret_status;
    return serve_block(hvt, at, true, err);
}

static int serve_block_read(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)ret_status;
    return serve_block(hvt, at, false, err);
}

static int serve_net_write(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)ret_status;
    struct call_net call;
    memcpy(&call, at, sizeof call);
    const struct tdr_device *device = find_device(hvt, call.handle, RK_SOLO5_NET);
    call.ret = RESULT_EINVAL;
    if (device) {
        void *data;
        int rc = hvt_mem_at(&hvt->mem, call.data, call.len, false, &data, err);
        if (rc)
            return rc;
        ssize_t n;
        do
            n = write(device->fd, data, call.len);
        while (n < 0 && errno == EINTR);
        /* A full queue or a link that is down loses the frame, as an Ethernet may; the guest lives on. */
        bool lost = n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EIO);
        if (n < 0 && !lost)
            return rk_fail_errno(err, "write a frame of %llu bytes", (unsigned long long)call.len);
        if (n >= 0 && (uint64_t)n != call.len)
            return rk_fail(err, -EIO, "wrote %zd of a frame's %llu bytes", n, (unsigned long long)call.len);
        call.ret = RESULT_OK;
    }
    memcpy(at, &call, sizeof call);
    return 0;
}

static int serve_net_read(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)ret_status;
    struct call_net call;
    memcpy(&call, at, sizeof call);
    const struct tdr_device *device = find_device(hvt, call.handle, RK_SOLO5_NET);
    call.ret = RESULT_EINVAL;
    if (device) {
        void *data;
        int rc = hvt_mem_at(&hvt->mem, call.data, call.len, true, &data, err);
        if (rc)
            return rc;
        ssize_t n;
        do
            n = read(device->fd, data, call.len);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno != EAGAIN)
            return rk_fail_errno(err, "read a frame");
        call.ret = n > 0 ? RESULT_OK : RESULT_AGAIN;
        if (n > 0)
            call.len = (uint64_t)n;
    }
    memcpy(at, &call, sizeof call);
    return 0;
}

/* The cookie points to what a debugger would want to know of a trap; there is none here. */
static int serve_halt(struct hvt *hvt, void *at, int *ret_status, struct rk_err *err)
{
    (void)hvt;
    (void)err;
    struct call_halt call;
    memcpy(&call, at, sizeof call);
    *ret_status = call.exit_status & 0xff;
    return 1;
}

_Static_assert(CALL_HALT < RK_FIGURES_CALLS && RK_SOLO5_MFT_ENTRIES <= RK_FIGURES_DEVICES,
               "there is a figure for every hypercall and every device");

/* `device`: exists only for guests with a device of that type. `answers`: the structure is written to. */
static const struct {
    serve_fn *serve;
    size_t size;
    enum rk_solo5_device device;
    bool answers;
} calls[] = {
    [CALL_WALLTIME] = {serve_walltime, sizeof(struct call_walltime), 0, true},
    [CALL_PUTS] = {serve_puts, sizeof(struct call_puts), 0, false},
    [CALL_POLL] = {serve_poll, sizeof(struct call_poll), 0, true},
    [CALL_BLOCK_WRITE] = {serve_block_write, sizeof(struct call_block), RK_SOLO5_BLOCK, true},
    [CALL_BLOCK_READ] = {serve_block_read, sizeof(struct call_block), RK_SOLO5_BLOCK, true},
    [CALL_NET_WRITE] = {serve_net_write, sizeof(struct call_net), RK_SOLO5_NET, true},
    [CALL_NET_READ] = {serve_net_read, sizeof(struct call_net), RK_SOLO5_NET, true},
    [CALL_HALT] = {serve_halt, sizeof(struct call_halt), 0, false},
};

int hvt_call(struct hvt *hvt, unsigned nr, uint64_t gpa, int *ret_status, struct rk_err *err)
{
    bool exists = nr < sizeof calls / sizeof calls[0] && calls[nr].serve;
    if (exists && calls[nr].device)
        exists = calls[nr].device == RK_SOLO5_NET ? hvt->has_net : hvt->has_block;
    if (!exists) {
        rk_figures_add(&hvt->figures->other, 1);
        return rk_fail(err, -ENOSYS, "Invalid guest hypercall: num=%u", nr);
    }
    rk_figures_add(&hvt->figures->calls[nr], 1);
    void *at;
    int rc = hvt_mem_at(&hvt->mem, gpa, calls[nr].size, calls[nr].answers, &at, err);
    return rc ? rc : calls[nr].serve(hvt, at, ret_status, err);
}
