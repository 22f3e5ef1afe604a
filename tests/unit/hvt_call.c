/* The hypercalls without a virtual machine: what a hostile guest may put into their structures, and what it
 * gets for it. */
#include "hypervisor/solo5/hvt.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/tap.h"

#define MEM       (2 * TDR_MIB)
#define AT        0x180000 /* the call's structure */
#define DATA      0x190000 /* its data */
#define TEXT      0x100000 /* read-only pages */
#define TEXT_SIZE 0x2000
#define DISK_SIZE 4096
#define MAX       UINT64_MAX

enum { WALLTIME = 1, PUTS, POLL, BLOCK_WRITE, BLOCK_READ, NET_WRITE, NET_READ, HALT };
enum { NET = 1, DISK, DISK_RO }; /* handles */
enum { OK, AGAIN, EINVALID, EUNSPEC };

#define ACCESS "Invalid guest access"

struct test_case {
    const char *name;
    unsigned nr;
    uint64_t gpa;
    uint64_t words[5]; /* of the structure */
    int want;          /* 0, 1 or -errno */
    const char *text;
    int result_word; /* the one whose low half is the result; 0: none */
    int32_t result;
};

static const struct test_case cases[] = {
    {"puts", PUTS, AT, {DATA, 0}, 0, NULL, 0, 0},
    {"structure at zero", PUTS, 0, {0}, 0, NULL, 0, 0},
    {"structure at the very end", POLL, MEM - 24, {0}, 0, NULL, 0, 0},
    {"structure reaching behind the end", POLL, MEM - 23, {0}, -EFAULT, ACCESS, 0, 0},
    {"structure far away", PUTS, 0xffffffff, {0}, -EFAULT, ACCESS ": gpa=0xffffffff, sz=16", 0, 0},
    {"structure at an odd address", PUTS, AT + 3, {0}, 0, NULL, 0, 0},
    {"structure in read-only memory, answered", WALLTIME, TEXT + 8, {0}, -EFAULT, ACCESS, 0, 0},
    {"structure reaching into read-only memory", POLL, TEXT - 8, {0}, -EFAULT, ACCESS, 0, 0},
    {"structure in read-only memory, not answered", PUTS, TEXT + TEXT_SIZE - 16, {0}, 0, NULL, 0, 0},
    {"number 0", 0, AT, {0}, -ENOSYS, "Invalid guest hypercall: num=0", 0, 0},
    {"number 9", 9, AT, {0}, -ENOSYS, "Invalid guest hypercall: num=9", 0, 0},
    {"number 255", 255, AT, {0}, -ENOSYS, "Invalid guest hypercall: num=255", 0, 0},

    {"puts: data behind the end", PUTS, AT, {MEM, 1}, -EFAULT, ACCESS, 0, 0},
    {"puts: data at the end, none", PUTS, AT, {MEM, 0}, 0, NULL, 0, 0},
    {"puts: length wraps", PUTS, AT, {DATA, MAX}, -EFAULT, ACCESS, 0, 0},
    {"puts: address wraps", PUTS, AT, {MAX - 7, 16}, -EFAULT, ACCESS, 0, 0},
    {"puts: length of 4 GiB", PUTS, AT, {0, 0xffffffff}, -EFAULT, ACCESS, 0, 0},

    {"halt", HALT, AT, {0, 42}, 1, NULL, 0, 0},
    {"halt with a wild cookie", HALT, AT, {MAX, 0x1ff}, 1, NULL, 0, 0},

    {"disk: read", BLOCK_READ, AT, {DISK, 0, DATA, 512}, 0, NULL, 4, OK},
    {"disk: read of the last byte", BLOCK_READ, AT, {DISK, DISK_SIZE - 1, DATA, 1}, 0, NULL, 4, OK},
    {"disk: offset at the end", BLOCK_READ, AT, {DISK, DISK_SIZE, DATA, 0}, 0, NULL, 4, EINVALID},
    {"disk: one byte too many", BLOCK_READ, AT, {DISK, DISK_SIZE - 511, DATA, 512}, 0, NULL, 4, EINVALID},
    {"disk: offset wraps", BLOCK_WRITE, AT, {DISK, MAX - 511, DATA, 1024}, 0, NULL, 4, EINVALID},
    {"disk: length wraps", BLOCK_WRITE, AT, {DISK, 512, DATA, MAX}, 0, NULL, 4, EINVALID},
    {"disk: length is negative", BLOCK_READ, AT, {DISK, 0, DATA, UINT64_C(1) << 63}, 0, NULL, 4, EINVALID},
    {"disk: write", BLOCK_WRITE, AT, {DISK, 512, DATA, 512}, 0, NULL, 4, OK},
    {"disk: data behind the end", BLOCK_WRITE, AT, {DISK, 0, MEM - 511, 512}, -EFAULT, ACCESS, 0, 0},
    {"disk: read into read-only memory", BLOCK_READ, AT, {DISK, 0, TEXT, 512}, -EFAULT, ACCESS, 0, 0},
    {"disk: write from read-only memory", BLOCK_WRITE, AT, {DISK, 0, TEXT, 512}, 0, NULL, 4, OK},
    {"read-only disk: read", BLOCK_READ, AT, {DISK_RO, 0, DATA, 512}, 0, NULL, 4, OK},
    {"read-only disk: write", BLOCK_WRITE, AT, {DISK_RO, 0, DATA, 512}, 0, NULL, 4, EUNSPEC},
    {"disk: handle 0", BLOCK_READ, AT, {0, 0, DATA, 512}, 0, NULL, 4, EINVALID},
    {"disk: handle of a network device", BLOCK_READ, AT, {NET, 0, DATA, 512}, 0, NULL, 4, EINVALID},
    {"disk: handle behind the last", BLOCK_READ, AT, {DISK_RO + 1, 0, DATA, 512}, 0, NULL, 4, EINVALID},
    {"disk: handle of 64 bits",
     BLOCK_READ,
     AT,
     {(UINT64_C(1) << 32) + DISK, 0, DATA, 512},
     0,
     NULL,
     4,
     EINVALID},
    {"disk: largest handle", BLOCK_WRITE, AT, {MAX, 0, DATA, 512}, 0, NULL, 4, EINVALID},

    {"net: nothing to read", NET_READ, AT, {NET, DATA, 1514}, 0, NULL, 3, AGAIN},
    {"net: write", NET_WRITE, AT, {NET, DATA, 60}, 0, NULL, 3, OK},
    {"net: write from behind the end", NET_WRITE, AT, {NET, MEM - 59, 60}, -EFAULT, ACCESS, 0, 0},
    {"net: write of 4 GiB", NET_WRITE, AT, {NET, DATA, 0xffffffff}, -EFAULT, ACCESS, 0, 0},
    {"net: read into read-only memory", NET_READ, AT, {NET, TEXT, 1514}, -EFAULT, ACCESS, 0, 0},
    {"net: read into half read-only memory", NET_READ, AT, {NET, TEXT - 100, 1514}, -EFAULT, ACCESS, 0, 0},
    {"net: read with a length that wraps", NET_READ, AT, {NET, DATA, MAX - DATA + 1}, -EFAULT, ACCESS, 0, 0},
    {"net: handle 0", NET_READ, AT, {0, DATA, 1514}, 0, NULL, 3, EINVALID},
    {"net: handle of a disk", NET_WRITE, AT, {DISK, DATA, 60}, 0, NULL, 3, EINVALID},
    {"net: largest handle", NET_WRITE, AT, {MAX, DATA, 60}, 0, NULL, 3, EINVALID},
};

static struct tender tender;
static struct hvt hvt = {.tender = &tender, .figures = &hvt.own_figures};
static int wire = -1; /* the other end of the network device */

static bool init(void)
{
    struct rk_err err;
    int pair[2];
    struct rk_solo5_mft *mft = &tender.image.mft;
    if (hvt_mem_init(&hvt.mem, MEM, &err) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair))
        return false;
    int disk = memfd_create("disk", MFD_CLOEXEC);
    if (disk < 0 || ftruncate(disk, DISK_SIZE))
        return false;
    wire = pair[1];
    mft->entries = 4;
    mft->e[NET].type = RK_SOLO5_NET;
    tender.devices[NET].fd = pair[0];
    for (size_t i = DISK; i <= DISK_RO; i++) {
        mft->e[i].type = RK_SOLO5_BLOCK;
        mft->e[i].u.block.capacity = DISK_SIZE;
        tender.devices[i].fd = disk;
        tender.devices[i].writable = i == DISK;
    }
    hvt.has_net = hvt.has_block = true;
    hvt.polls[0] = (struct pollfd){.fd = pair[0], .events = POLLIN};
    hvt.poll_handles[0] = NET;
    hvt.poll_count = 1;
    tender.image.segment_count = 1;
    tender.image.segments[0] = (struct rk_solo5_segment){
        .vaddr = TEXT, .filesz = TEXT_SIZE, .memsz = TEXT_SIZE, .align = 4096, .flags = PF_R | PF_X};
    hvt_mem_protect(&hvt.mem, &tender.image);
    return mprotect(hvt.mem.ram.base + TEXT, TEXT_SIZE, PROT_READ) == 0;
}

static void run_case(const struct test_case *test)
{
    struct rk_err err = {0};
    int status = -1;
    bool room = test->gpa <= MEM - sizeof test->words &&
                (test->gpa + sizeof test->words <= TEXT || test->gpa >= TEXT + TEXT_SIZE);
    if (room)
        memcpy(hvt.mem.ram.base + test->gpa, test->words, sizeof test->words);
    int rc = hvt_call(&hvt, test->nr, test->gpa, &status, &err);
    int32_t result = 0;
    if (test->result_word)
        memcpy(&result, hvt.mem.ram.base + test->gpa + (size_t)test->result_word * 8, sizeof result);
    bool good = rc == test->want && (!test->text || strstr(err.text, test->text)) && result == test->result;
    if (test->want == 1)
        good = good && status == (int)(test->words[1] & 0xff);
    if (!tap_ok(good, "%s", test->name))
        printf("# got %d \"%s\", result %d, status %d\n", rc, err.text, result, status);
}

/* Call and get the structure back. */
static int call(unsigned nr, uint64_t *words, size_t count)
{
    struct rk_err err = {0};
    int status;
    memcpy(hvt.mem.ram.base + AT, words, count * sizeof *words);
    int rc = hvt_call(&hvt, nr, AT, &status, &err);
    memcpy(words, hvt.mem.ram.base + AT, count * sizeof *words);
    return rc;
}

static void test_network(void)
{
    char frame[2000];
    while (recv(wire, frame, sizeof frame, MSG_DONTWAIT) > 0)
        continue;
    uint64_t poll_words[3] = {1000000, 0, 0};
    bool quiet = call(POLL, poll_words, 3) == 0 && poll_words[1] == 0 && (uint32_t)poll_words[2] == 0;
    tap_ok(quiet, "poll: nothing ready");
    bool sent = send(wire, "a frame from outside", 20, 0) == 20;
    uint64_t ready_words[3] = {MAX, 0, 0};
    tap_ok(sent && call(POLL, ready_words, 3) == 0 && ready_words[1] == 1U << NET &&
               (uint32_t)ready_words[2] == 1,
           "poll: a frame wakes it, however long it would wait");
    uint64_t read_words[4] = {NET, DATA, 1514, 99};
    tap_ok(call(NET_READ, read_words, 4) == 0 && read_words[2] == 20 && (int32_t)read_words[3] == OK &&
               memcmp(hvt.mem.ram.base + DATA, "a frame from outside", 20) == 0,
           "net: a frame and its length arrive");
    memcpy(hvt.mem.ram.base + DATA, "a frame from inside", 19);
    uint64_t write_words[4] = {NET, DATA, 19, 99};
    tap_ok(call(NET_WRITE, write_words, 4) == 0 && recv(wire, frame, sizeof frame, MSG_DONTWAIT) == 19 &&
               memcmp(frame, "a frame from inside", 19) == 0,
           "net: a frame leaves");
}

static void test_disk(void)
{
    uint8_t *data = hvt.mem.ram.base + DATA;
    const struct rk_figures before = *hvt.figures;
    memset(data, 0x5a, 1024);
    uint64_t write_words[5] = {DISK, 1024, DATA, 1024, 99};
    bool good = call(BLOCK_WRITE, write_words, 5) == 0;
    memset(data, 0, 1024);
    uint64_t read_words[5] = {DISK, 1536, DATA, 1024, 99};
    good = good && call(BLOCK_READ, read_words, 5) == 0 && (int32_t)read_words[4] == OK;
    tap_ok(good && data[0] == 0x5a && data[511] == 0x5a && data[512] == 0,
           "disk: what was written is read, where it was");
    uint64_t refused_words[5] = {DISK, DISK_SIZE, DATA, 512, 99};
    good = call(BLOCK_READ, refused_words, 5) == 0;
    const struct rk_figures *after = hvt.figures;
    const struct rk_figures_block *b = &before.blocks[DISK], *c = &after->blocks[DISK];
    tap_ok(good && after->calls[BLOCK_READ] == before.calls[BLOCK_READ] + 2 &&
               after->calls[BLOCK_WRITE] == before.calls[BLOCK_WRITE] + 1 && c->reads == b->reads + 1 &&
               c->read_bytes == b->read_bytes + 1024 && c->writes == b->writes + 1 &&
               c->written_bytes == b->written_bytes + 1024,
           "disk: every call is counted, and of the blocks those that were transferred");
}

static void test_clock(void)
{
    uint64_t words[1] = {0};
    tap_ok(call(WALLTIME, words, 1) == 0 && words[0] / 1000000000 - (uint64_t)time(NULL) + 1 <= 2,
           "wall clock");
}

static void test_without_devices(void)
{
    struct rk_err err = {0};
    int status;
    hvt.has_net = false;
    tap_ok(hvt_call(&hvt, NET_READ, AT, &status, &err) == -ENOSYS &&
               hvt_call(&hvt, BLOCK_READ, AT, &status, &err) == 0,
           "without a network device its calls do not exist");
    hvt.has_block = false;
    tap_ok(hvt_call(&hvt, BLOCK_WRITE, AT, &status, &err) == -ENOSYS,
           "without a disk its calls do not exist");
}

int main(void)
{
    if (!tap_ok(init(), "set up"))
        return tap_end();
    for (size_t i = 0; i < RK_COUNT(cases); i++)
        run_case(&cases[i]);
    test_network();
    test_disk();
    test_clock();
    test_without_devices();
    return tap_end();
}
