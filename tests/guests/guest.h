/* What a guest program is written against: one small interface over the Solo5 hvt and spt ABIs and over bare
 * machines, without a libc.
 *
 * The structures are written from the ABI itself and share nothing with the monitors' own reader, so that an
 * error on either side shows. Source of every constant: the Solo5 project's elf_abi.h, mft_abi.h, hvt_abi.h
 * and spt_abi.h. */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_NSEC 1000000000UL
#define GUEST_MSEC 1000000UL
#define GUEST_MIB  (1024UL * 1024UL)

/* solo5_result_t */
enum guest_result {
    GUEST_OK = 0,
    GUEST_AGAIN = 1,
    GUEST_EINVAL = 2,
    GUEST_EUNSPEC = 3,
};

enum guest_device_type {
    GUEST_BLOCK_BASIC = 1,
    GUEST_NET_BASIC = 2,
    GUEST_9P = 0x3f000009, /* of bare machines only */
    GUEST_RESERVED_FIRST = 0x40000000,
};

/* struct mft_entry of mft_abi.h; 104 bytes. */
struct guest_device {
    char name[68];
    uint32_t type;
    union {
        struct {
            uint64_t capacity; /* bytes */
            uint16_t block_size;
        } block;
        struct {
            uint8_t mac[6];
            uint16_t mtu;
        } net;
    } u;
    union {
        int32_t hostfd; /* what an spt guest reads and writes itself */
        uint64_t data;
    } b;
    bool attached;
};
_Static_assert(sizeof(struct guest_device) == 104, "struct mft_entry");
_Static_assert(offsetof(struct guest_device, b) == 88, "struct mft_entry.b");
_Static_assert(offsetof(struct guest_device, attached) == 96, "struct mft_entry.attached");

/* struct mft as the monitor hands its copy back: device 0 is the reserved entry, an index is a handle. */
struct guest_manifest {
    uint32_t version;
    uint32_t entries;
    struct guest_device device[];
};

/* What every ELF note begins with; the padded name makes it 20 bytes. */
struct guest_note {
    uint32_t namesz;
    uint32_t descsz;
    uint32_t type;
    char name[8];
};

#define GUEST_NOTE_ABI      0x31494241 /* "ABI1" */
#define GUEST_NOTE_MANIFEST 0x3154464d /* "MFT1" */

#define GUEST_FIRST                                                                                          \
    {                                                                                                        \
        .type = GUEST_RESERVED_FIRST                                                                         \
    }
#define GUEST_NET(text)                                                                                      \
    {                                                                                                        \
        .name = text, .type = GUEST_NET_BASIC                                                                \
    }
#define GUEST_BLOCK(text)                                                                                    \
    {                                                                                                        \
        .name = text, .type = GUEST_BLOCK_BASIC                                                              \
    }

#define GUEST_DIRECTORY(text)                                                                                \
    {                                                                                                        \
        .name = text, .type = GUEST_9P                                                                       \
    }

#define GUEST_COUNT(...) (sizeof((struct guest_device[]){__VA_ARGS__}) / sizeof(struct guest_device))

/* Declares the program's devices, once in each program: GUEST_MANIFEST(GUEST_NET("service"),
 * GUEST_BLOCK("storage")); The content is aligned to 8, counted from the note's start, and the 4 bytes that
 * this takes are part of the note. */
#ifndef GUEST_BARE
#define GUEST_MANIFEST(...)                                                                                  \
    static const struct {                                                                                    \
        struct guest_note note;                                                                              \
        uint32_t padding;                                                                                    \
        uint32_t version;                                                                                    \
        uint32_t entries;                                                                                    \
        struct guest_device device[GUEST_COUNT(GUEST_FIRST, ##__VA_ARGS__)];                                 \
    } __attribute__((packed)) manifest_note                                                                  \
        __attribute__((section(".note.solo5.manifest"), used, aligned(4))) = {                               \
            {6, 12 + sizeof(manifest_note.device), GUEST_NOTE_MANIFEST, "Solo5"},                            \
            0,                                                                                               \
            1,                                                                                               \
            GUEST_COUNT(GUEST_FIRST, ##__VA_ARGS__),                                                         \
            {GUEST_FIRST, ##__VA_ARGS__}}
#else
/* On a bare machine nobody reads it but the guest itself. */
#define GUEST_MANIFEST(...)                                                                                  \
    static const struct {                                                                                    \
        uint32_t version;                                                                                    \
        uint32_t entries;                                                                                    \
        struct guest_device device[GUEST_COUNT(GUEST_FIRST, ##__VA_ARGS__)];                                 \
    } wanted_devices = {1, GUEST_COUNT(GUEST_FIRST, ##__VA_ARGS__), {GUEST_FIRST, ##__VA_ARGS__}};           \
    const struct guest_manifest *const guest_wanted =                                                        \
        (const struct guest_manifest *)(const void *)&wanted_devices
extern const struct guest_manifest *const guest_wanted;
#endif

/* What the monitor told the guest; filled before guest_main runs. Sizes and addresses in bytes. */
struct guest_info {
    const char *target; /* "hvt", "spt", "multiboot", "multiboot64", "pvh" or "linux64" */
    uint64_t mem_size;
    uint64_t heap_start; /* behind the program (and a module there), page-aligned */
    uint64_t heap_end;   /* below the stack */
    const char *cmdline; /* as it came: one string */
    const struct guest_manifest *manifest;
};
extern struct guest_info guest;

/* The program. argv[0] … argv[argc - 1] are its arguments (there is no program name), split from the command
 * line as MirageOS does it. The value returned is the exit status. */
int guest_main(int argc, char **argv);

/* --- the three bindings: bind_hvt.c, bind_spt.c and bind_bare.c
 * ------------------------------------------------------------------------ */

/* Write to the console, unbuffered. */
void guest_write(const char *text, size_t len);

/* Nanoseconds; the epoch of the monotonic clock is unspecified. */
uint64_t guest_monotonic(void);
uint64_t guest_wall(void);

/* Wait until a network device has something to read or the monotonic clock reaches `deadline` (0: only look).
 * Returns the set of readable devices, bit n for handle n. */
uint64_t guest_wait(uint64_t deadline);

/* One frame from or to the device. *ret_len is set on GUEST_OK only. */
enum guest_result guest_net_read(unsigned handle, void *buf, size_t size, size_t *ret_len);
enum guest_result guest_net_write(unsigned handle, const void *buf, size_t len);

/* One block, without any check of the guest's own: what is asked for is what the monitor sees. */
enum guest_result guest_block_raw_read(unsigned handle, uint64_t offset, void *buf, size_t len);
enum guest_result guest_block_raw_write(unsigned handle, uint64_t offset, const void *buf, size_t len);

_Noreturn void guest_exit(int status);

/* --- start.c
 * -----------------------------------------------------------------------------------------------------------
 */

/* Called by the bindings when `guest` is filled but for the heap (heap_start: not before that): splits
 * `arguments`, which is the command line or the end of it, runs the program, exits. */
_Noreturn void guest_run(const char *arguments);

/* The handle of the device `name` of type `type`; 0 when the manifest has none (0 is the reserved entry). */
unsigned guest_device(const char *name, enum guest_device_type type);

/* The block at `offset`, refused with GUEST_EINVAL here when it is unaligned, out of range or not one block
 * long: the ABI leaves alignment to the guest's side. */
enum guest_result guest_block_read(unsigned handle, uint64_t offset, void *buf, size_t len);
enum guest_result guest_block_write(unsigned handle, uint64_t offset, const void *buf, size_t len);

/* --- print.c
 * -----------------------------------------------------------------------------------------------------------
 */

/* %s %c %d %u %x %% with l or ll, 0 and a width. Returns the length that the whole text would have; what fits
 * is in `buf`, always terminated when size > 0. */
size_t guest_vformat(char *buf, size_t size, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
size_t guest_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* One line or less (1 KiB) to the console in a single write. */
void guest_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The decimal number that `text` begins with; false when it begins with none or overflows. *ret_end (may be
 * NULL) is set to what follows. */
bool guest_number(const char *text, uint64_t *ret_value, const char **ret_end);

bool guest_equal(const char *a, const char *b);

/* What follows `prefix` in `text`, or NULL. */
const char *guest_after(const char *text, const char *prefix);

size_t strlen(const char *s);
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
