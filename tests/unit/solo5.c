/* The Solo5 reader against a well-formed image and every way to spoil it. */
#include "lib/solo5.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

/* The image: header, nine program headers, and text, rodata, data and notes from 0x1000 on, room behind. */
#define TEXT_AT   0x1000
#define RODATA_AT 0x2000
#define DATA_AT   0x3000
#define INTERP_AT 0x800
#define NOTES_AT  0x3800
#define BSD_AT    NOTES_AT
#define ABI_AT    (NOTES_AT + 0x40)
#define MFT_AT    (NOTES_AT + 0x80)
#define FILE_SIZE 0x6000
#define MFT_SIZE  (4 + 8 + 104 * 3)

enum { INTERP, TEXT, RODATA, DATA, EMPTY, BSS, BSD, ABI, MFT, PHDRS };

/* Where a field lies in the file. */
#define EH(field)           offsetof(Elf64_Ehdr, field)
#define PH(i, field)        (sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field))
#define ABI_DESC(off)       (ABI_AT + 20 + (off))
#define MFT_DESC(off)       (MFT_AT + 24 + (off))
#define MFT_ENTRY(i, field) MFT_DESC(8 + (i)*104 + offsetof(struct rk_solo5_entry, field))

struct patch {
    size_t at;
    unsigned width; /* bytes; 0 ends the list */
    uint64_t value;
};

struct test_case {
    const char *name;
    int want;
    const char *text; /* must be in the error */
    size_t size;      /* of the file; 0: all of it */
    struct patch patches[4];
};

static void put_note(uint8_t *at, const char *name, uint32_t namesz, uint32_t descsz, uint32_t type)
{
    const uint32_t words[] = {namesz, descsz, type};
    memcpy(at, words, sizeof words);
    memcpy(at + sizeof words, name, namesz);
}

static void put_entry(uint8_t *file, unsigned i, const char *name, uint32_t type)
{
    struct rk_solo5_entry entry;
    memset(&entry, 0, sizeof entry);
    snprintf(entry.name, sizeof entry.name, "%s", name);
    entry.type = type;
    memcpy(file + MFT_DESC(8) + (size_t)i * sizeof entry, &entry, sizeof entry);
}

static void build(uint8_t *file)
{
    const Elf64_Ehdr ehdr = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = 0x100010,
        .e_phoff = sizeof ehdr,
        .e_ehsize = sizeof ehdr,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = PHDRS,
    };
    const Elf64_Phdr phdrs[PHDRS] = {
        [INTERP] = {PT_INTERP, PF_R, INTERP_AT, 0, 0, 20, 20, 1},
        [TEXT] = {PT_LOAD, PF_X, TEXT_AT, 0x100000, 0x100000, 0x1000, 0x1000, 0x1000},
        [RODATA] = {PT_LOAD, PF_R, RODATA_AT, 0x101000, 0x101000, 0x800, 0x800, 0x1000},
        [DATA] = {PT_LOAD, PF_R | PF_W, DATA_AT, 0x102000, 0x102000, 0x100, 0x2100, 0x1000},
        [EMPTY] = {PT_LOAD, PF_R, 0, 0, 0, 0, 0, 1},
        [BSS] = {PT_LOAD, PF_R | PF_W, 0, 0x106000, 0x106000, 0, 0x1234, 0x20},
        [BSD] = {PT_NOTE, PF_R, BSD_AT, 0, 0, 24, 24, 4},
        [ABI] = {PT_NOTE, PF_R, ABI_AT, 0, 0, 36, 36, 4},
        [MFT] = {PT_NOTE, PF_R, MFT_AT, 0, 0, 20 + MFT_SIZE, 20 + MFT_SIZE, 8},
    };
    memset(file, 0, FILE_SIZE);
    memcpy(file, &ehdr, sizeof ehdr);
    memcpy(file + sizeof ehdr, phdrs, sizeof phdrs);
    memcpy(file + INTERP_AT, "/nonexistent/solo5/", 20);
    put_note(file + BSD_AT, "OpenBSD", 8, 4, 1);
    put_note(file + ABI_AT, "Solo5", 6, 16, 0x31494241);
    put_note(file + MFT_AT, "Solo5", 6, MFT_SIZE, 0x3154464d);
    const uint32_t abi[4] = {RK_SOLO5_HVT, 2}, mft[2] = {1, 3};
    memcpy(file + ABI_DESC(0), abi, sizeof abi);
    memcpy(file + MFT_DESC(0), mft, sizeof mft);
    put_entry(file, 0, "", RK_SOLO5_RESERVED_FIRST);
    put_entry(file, 1, "service", RK_SOLO5_NET);
    put_entry(file, 2, "storage", RK_SOLO5_BLOCK);
}

#define LIES  "note does not fall within valid size"
#define TRUNC "truncated ELF"

static const struct test_case cases[] = {
    {"a well-formed image", 1, NULL, 0, {{0}}},
    {"ABI version 1", 1, NULL, 0, {{ABI_DESC(4), 4, 1}}},
    {"an unknown ABI version is only reported", 1, NULL, 0, {{ABI_DESC(4), 4, 77}}},
    {"another machine is only reported", 1, NULL, 0, {{EH(e_machine), 2, EM_AARCH64}}},
    {"target spt", 1, NULL, 0, {{ABI_DESC(0), 4, RK_SOLO5_SPT}}},
    {"another target has its own loading rules",
     1,
     NULL,
     0,
     {{ABI_DESC(0), 4, RK_SOLO5_VIRTIO},
      {PH(TEXT, p_flags), 4, PF_R | PF_W | PF_X},
      {EH(e_type), 2, ET_REL}}},
    {"an unknown target is only reported", 1, NULL, 0, {{ABI_DESC(0), 4, 0xdeadbeef}}},
    {"Solo5 by its notes alone", 1, NULL, 0, {{PH(INTERP, p_type), 4, PT_NULL}}},
    {"the interpreter's NUL may lie outside", 1, NULL, 0, {{PH(INTERP, p_filesz), 8, 19}}},
    {"same name, another type", 1, NULL, 0, {{MFT_ENTRY(2, name), 8, 0x65636976726573}}},
    {"an entry of reserved type is no device", 1, NULL, 0, {{MFT_ENTRY(1, type), 4, 0x40000001}}},
    {"a manifest without devices", 1, NULL, 0, {{MFT_DESC(4), 4, 1}, {MFT_AT + 4, 4, 4 + 8 + 104}}},
    {"private words of an entry are wiped", 1, NULL, 0, {{MFT_ENTRY(1, b.data), 8, 0x4141414141414141}}},

    /* not ours */
    {"an empty file", 0, NULL, 1, {{0, 1, 0}}},
    {"four bytes of magic", 0, NULL, 4, {{0}}},
    {"no ELF", 0, NULL, 0, {{0, 1, '#'}}},
    {"ELF32", 0, NULL, 0, {{EI_CLASS, 1, ELFCLASS32}}},
    {"big-endian", 0, NULL, 0, {{EI_DATA, 1, ELFDATA2MSB}}},
    {"no program headers", 0, NULL, 0, {{EH(e_phnum), 2, 0}}},
    {"an ordinary program",
     0,
     NULL,
     0,
     {{PH(INTERP, p_type), 4, PT_NULL}, {ABI_AT + 12, 1, 'X'}, {MFT_AT + 12, 1, 'X'}}},
    {"an ordinary program may have odd notes",
     0,
     NULL,
     0,
     {{PH(INTERP, p_type), 4, PT_NULL}, {ABI_AT, 4, 7}, {MFT_AT + 8, 4, 1}, {PH(BSD, p_filesz), 8, 3}}},

    /* ELF */
    {"truncated in the header", -ENOEXEC, TRUNC, 63, {{0}}},
    {"truncated in the program headers", -ENOEXEC, TRUNC, 64 + 9 * 56 - 1, {{0}}},
    {"truncated before the interpreter", -ENOEXEC, TRUNC, 64 + 9 * 56, {{0}}},
    {"truncated before the notes", -ENOEXEC, TRUNC, NOTES_AT, {{0}}},
    {"program headers wrap", -ENOEXEC, TRUNC, 0, {{EH(e_phoff), 8, UINT64_MAX - 100}}},
    {"too many program headers", -ENOEXEC, TRUNC, 0, {{EH(e_phnum), 2, 0xffff}}},
    {"program headers of size 0", -ENOEXEC, "program headers of 0 bytes", 0, {{EH(e_phentsize), 2, 0}}},
    {"program headers of size 57", -ENOEXEC, "program headers of 57 bytes", 0, {{EH(e_phentsize), 2, 57}}},
    {"interpreter beyond the end", -ENOEXEC, TRUNC, 0, {{PH(INTERP, p_offset), 8, UINT64_MAX - 3}}},
    {"a shared object", -ENOEXEC, "ELF type 3", 0, {{EH(e_type), 2, ET_DYN}}},
    {"ELF version 2", -ENOEXEC, "ELF version 2", 0, {{EH(e_version), 4, 2}}},
    {"a short ELF header", -ENOEXEC, "ELF header of 52 bytes", 0, {{EH(e_ehsize), 2, 52}}},

    /* segments */
    {"entry below the image", -ENOEXEC, "outside of the code", 0, {{EH(e_entry), 8, 0xfffff}}},
    {"entry in rodata", -ENOEXEC, "outside of the code", 0, {{EH(e_entry), 8, 0x101000}}},
    {"entry at the end of text", -ENOEXEC, "outside of the code", 0, {{EH(e_entry), 8, 0x101000}}},
    {"entry at the end of the address space",
     -ENOEXEC,
     "outside of the code",
     0,
     {{EH(e_entry), 8, UINT64_MAX}}},
    {"W and X", -ENOEXEC, "both writable and executable", 0, {{PH(TEXT, p_flags), 4, PF_W | PF_X}}},
    {"alignment 0", -ENOEXEC, "no power of two", 0, {{PH(DATA, p_align), 8, 0}}},
    {"alignment 3", -ENOEXEC, "no power of two", 0, {{PH(DATA, p_align), 8, 0x1800}}},
    {"alignment 2^63",
     -ENOEXEC,
     "wraps around",
     0,
     {{PH(DATA, p_align), 8, UINT64_C(1) << 63}, {PH(DATA, p_memsz), 8, UINT64_C(1) << 63}}},
    {"alignment reaching below the base",
     -ENOEXEC,
     "below the lowest",
     0,
     {{PH(TEXT, p_align), 8, 0x200000}}},
    {"memory smaller than file", -ENOEXEC, "smaller in memory", 0, {{PH(DATA, p_memsz), 8, 0xff}}},
    {"memory size wraps", -ENOEXEC, "wraps around", 0, {{PH(DATA, p_memsz), 8, UINT64_MAX - 0x100000}}},
    {"memory size wraps when aligned",
     -ENOEXEC,
     "wraps around",
     0,
     {{PH(DATA, p_memsz), 8, UINT64_MAX - 0x102000}}},
    {"address at the end of the address space",
     -ENOEXEC,
     "wraps around",
     0,
     {{PH(DATA, p_vaddr), 8, UINT64_MAX - 0xfff}}},
    {"address zero", -ENOEXEC, "below the lowest", 0, {{PH(TEXT, p_vaddr), 8, 0}}},
    {"segments in the wrong order", -ENOEXEC, "overlaps or precedes", 0, {{PH(TEXT, p_vaddr), 8, 0x200000}}},
    {"segments on each other", -ENOEXEC, "overlaps or precedes", 0, {{PH(RODATA, p_vaddr), 8, 0x100800}}},
    {"segments that share a page", -ENOEXEC, "overlaps or precedes", 0, {{PH(DATA, p_vaddr), 8, 0x101800}}},
    {"segment not of whole pages", -ENOEXEC, "whole pages", 0, {{PH(DATA, p_align), 8, 16}}},
    {"file bytes beyond the end",
     -ENOEXEC,
     "beyond the end of the file",
     0,
     {{PH(RODATA, p_offset), 8, FILE_SIZE - 0x7ff}}},
    {"file offset wraps",
     -ENOEXEC,
     "beyond the end of the file",
     0,
     {{PH(RODATA, p_offset), 8, UINT64_MAX - 0xff}}},
    {"nothing to load",
     -ENOEXEC,
     "no segment",
     0,
     {{PH(TEXT, p_filesz), 8, 0}, {PH(RODATA, p_filesz), 8, 0}, {PH(DATA, p_filesz), 8, 0}}},

    /* notes */
    {"no ABI note", -ENOEXEC, "no ABI note", 0, {{PH(ABI, p_type), 4, PT_NULL}}},
    {"no manifest", -ENOEXEC, "no manifest", 0, {{PH(MFT, p_type), 4, PT_NULL}}},
    {"two ABI notes", -ENOEXEC, "two ABI notes", 0, {{PH(BSD, p_offset), 8, ABI_AT}}},
    {"two manifests", -ENOEXEC, "two manifest notes", 0, {{PH(BSD, p_offset), 8, MFT_AT}}},
    {"a note of 11 bytes", -ENOEXEC, LIES, 0, {{PH(BSD, p_filesz), 8, 11}}},
    {"a note of 19 bytes is skipped", -ENOEXEC, "no ABI note", 0, {{PH(ABI, p_filesz), 8, 19}}},
    {"a note beyond the end", -ENOEXEC, TRUNC, 0, {{PH(BSD, p_offset), 8, FILE_SIZE - 23}}},
    {"a note's offset wraps", -ENOEXEC, TRUNC, 0, {{PH(BSD, p_offset), 8, UINT64_MAX - 3}}},
    {"ABI descriptor of 0 bytes", -ENOEXEC, LIES, 0, {{ABI_AT + 4, 4, 0}}},
    {"ABI descriptor of 15 bytes", -ENOEXEC, LIES, 0, {{ABI_AT + 4, 4, 15}}},
    {"ABI descriptor of 33 bytes", -ENOEXEC, LIES, 0, {{ABI_AT + 4, 4, 33}, {PH(ABI, p_filesz), 8, 53}}},
    {"ABI descriptor longer than its note", -ENOEXEC, LIES, 0, {{ABI_AT + 4, 4, 17}}},
    {"ABI descriptor of 4 GiB", -ENOEXEC, LIES, 0, {{ABI_AT + 4, 4, UINT32_MAX}}},
    {"manifest descriptor of 1 byte", -ENOEXEC, LIES, 0, {{MFT_AT + 4, 4, 1}}},
    {"manifest descriptor of padding only", -ENOEXEC, LIES, 0, {{MFT_AT + 4, 4, 4}}},
    {"manifest descriptor without a header", -ENOEXEC, LIES, 0, {{MFT_AT + 4, 4, 11}}},
    {"manifest descriptor for 65 entries",
     -ENOEXEC,
     LIES,
     0,
     {{MFT_AT + 4, 4, 12 + 104 * 65}, {PH(MFT, p_filesz), 8, 20 + 12 + 104 * 65}}},
    {"manifest with 65 entries",
     -ENOEXEC,
     LIES,
     0,
     {{MFT_AT + 4, 4, 12 + 104 * 65}, {PH(MFT, p_filesz), 8, 20 + 12 + 104 * 65}, {MFT_DESC(4), 4, 65}}},
    {"manifest with 64 entries of type 0",
     -ENOEXEC,
     "entry 3 is of no known device type",
     0,
     {{MFT_AT + 4, 4, 12 + 104 * 64}, {PH(MFT, p_filesz), 8, 20 + 12 + 104 * 64}, {MFT_DESC(4), 4, 64}}},
    {"manifest descriptor longer than its note",
     -ENOEXEC,
     LIES,
     0,
     {{PH(MFT, p_filesz), 8, 20 + MFT_SIZE - 1}}},

    /* manifest */
    {"manifest version 0", -ENOEXEC, "unsupported version 0", 0, {{MFT_DESC(0), 4, 0}}},
    {"manifest version 2", -ENOEXEC, "unsupported version 2", 0, {{MFT_DESC(0), 4, 2}}},
    {"no entries", -ENOEXEC, "0 entries", 0, {{MFT_DESC(4), 4, 0}}},
    {"65 entries", -ENOEXEC, "65 entries", 0, {{MFT_DESC(4), 4, 65}}},
    {"4 billion entries", -ENOEXEC, "4294967295 entries", 0, {{MFT_DESC(4), 4, UINT32_MAX}}},
    {"fewer entries than bytes", -ENOEXEC, "do not fill", 0, {{MFT_DESC(4), 4, 2}}},
    {"more entries than bytes", -ENOEXEC, "do not fill", 0, {{MFT_DESC(4), 4, 4}}},
    {"first entry is a device",
     -ENOEXEC,
     "entry 0 is not the reserved one",
     0,
     {{MFT_ENTRY(0, type), 4, RK_SOLO5_NET}}},
    {"first entry has a name",
     -ENOEXEC,
     "entry 0 is not the reserved one",
     0,
     {{MFT_ENTRY(0, name), 1, 'x'}}},
    {"a name without end",
     -ENOEXEC,
     "entry 1 has a name without end",
     0,
     {{MFT_ENTRY(1, name) + 67, 1, 'x'}}},
    {"an empty name", -ENOEXEC, "letters and digits", 0, {{MFT_ENTRY(1, name), 1, 0}}},
    {"a name with =", -ENOEXEC, "letters and digits", 0, {{MFT_ENTRY(1, name), 1, '='}}},
    {"a name with a newline", -ENOEXEC, "letters and digits", 0, {{MFT_ENTRY(1, name), 1, '\n'}}},
    {"a name with a high byte", -ENOEXEC, "letters and digits", 0, {{MFT_ENTRY(1, name), 1, 0xe9}}},
    {"an unknown device type",
     -ENOEXEC,
     "entry 2 is of no known device type",
     0,
     {{MFT_ENTRY(2, type), 4, 3}}},
    {"device type 0", -ENOEXEC, "entry 2 is of no known device type", 0, {{MFT_ENTRY(2, type), 4, 0}}},
    {"attached from the start",
     -ENOEXEC,
     "entry 1 is marked as attached",
     0,
     {{MFT_ENTRY(1, attached), 1, 1}}},
    {"attached is no boolean",
     -ENOEXEC,
     "entry 2 is marked as attached",
     0,
     {{MFT_ENTRY(2, attached), 1, 0x80}}},
    {"two devices of one name",
     -ENOEXEC,
     "entry 2 has the name of another",
     0,
     {{MFT_ENTRY(2, name), 8, 0x65636976726573}, {MFT_ENTRY(2, type), 4, RK_SOLO5_NET}}},
};

static size_t spoil(uint8_t *file, const struct test_case *test)
{
    build(file);
    for (size_t i = 0; i < RK_COUNT(test->patches) && test->patches[i].width; i++)
        memcpy(file + test->patches[i].at, &test->patches[i].value, test->patches[i].width);
    return test->size ? test->size : FILE_SIZE;
}

/* The same bytes through a descriptor. */
static int read_by_fd(const uint8_t *file, size_t size, struct rk_err *err)
{
    rk_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
    struct rk_source source;
    static struct rk_solo5_image image;
    if (fd < 0 || write(fd, file, size) != (ssize_t)size)
        return -EIO;
    int rc = rk_source_from_fd(&source, fd, err);
    return rc ? rc : rk_solo5_read(&image, &source, err);
}

static void run_case(const struct test_case *test)
{
    static uint8_t file[FILE_SIZE];
    static struct rk_solo5_image image;
    struct rk_err err = {0}, err_fd = {0};
    size_t size = spoil(file, test);
    const struct rk_source source = {.fd = -1, .mem = file, .size = size};
    int rc = rk_solo5_read(&image, &source, &err);
    bool good = rc == test->want && (!test->text || strstr(err.text, test->text));
    good = good && read_by_fd(file, size, &err_fd) == rc && strcmp(err.text, err_fd.text) == 0;
    LLVMFuzzerTestOneInput(file, size);
    tap_ok(good, "%s", test->name);
    if (!good)
        printf("# wanted %d \"%s\", got %d \"%s\", by descriptor \"%s\"\n", test->want,
               test->text ? test->text : "", rc, err.text, err_fd.text);
}

/* What a good image says. */
static void test_content(void)
{
    static uint8_t file[FILE_SIZE];
    static struct rk_solo5_image image;
    build(file);
    const struct rk_source source = {.fd = -1, .mem = file, .size = FILE_SIZE};
    struct rk_err err = {0};
    size_t handle = 0;
    tap_ok(rk_solo5_read(&image, &source, &err) == 1 && image.machine == EM_X86_64 &&
               image.target == RK_SOLO5_HVT && image.abi_version == 2 && image.entry == 0x100010,
           "content: machine, target, version, entry");
    tap_ok(image.segment_count == 3 && image.segments[2].offset == DATA_AT &&
               image.segments[2].vaddr == 0x102000 && image.segments[2].filesz == 0x100 &&
               image.segments[2].memsz == 0x2100 && image.segments[2].flags == (PF_R | PF_W),
           "content: segments with file bytes, and only those");
    tap_ok(image.mft.entries == 3 && rk_solo5_find(&image.mft, "storage", RK_SOLO5_BLOCK, &handle) &&
               handle == 2,
           "content: a device is found with its handle");
    tap_ok(!rk_solo5_find(&image.mft, "storage", RK_SOLO5_NET, NULL) &&
               !rk_solo5_find(&image.mft, "", RK_SOLO5_RESERVED_FIRST, NULL),
           "content: the wrong type and the reserved entry are not found");
}

static void test_check(void)
{
    static const struct {
        const char *name;
        uint32_t target, version;
        uint16_t machine;
        const char *text; /* NULL: accepted */
    } checks[] = {
        {"version 2", RK_SOLO5_SPT, 2, EM_X86_64, NULL},
        {"version 1", RK_SOLO5_SPT, 1, EM_X86_64, NULL},
        {"version 0", RK_SOLO5_SPT, 0, EM_X86_64, "unsupported ABI version 0"},
        {"version 3", RK_SOLO5_SPT, 3, EM_X86_64, "unsupported ABI version 3"},
        {"another target", RK_SOLO5_XEN, 2, EM_X86_64,
         "is not for the solo5-spt target: it is for solo5-xen"},
        {"no target", 99, 2, EM_X86_64, "is not for the solo5-spt target: it is for solo5-unknown"},
        {"another machine", RK_SOLO5_SPT, 2, EM_PPC64, "another machine"},
    };
    for (size_t i = 0; i < RK_COUNT(checks); i++) {
        static struct rk_solo5_image image;
        struct rk_err err = {0};
        image.target = checks[i].target;
        image.abi_version = checks[i].version;
        image.machine = checks[i].machine;
        int rc = rk_solo5_check(&image, RK_SOLO5_SPT, &err);
        tap_ok(checks[i].text ? rc == -ENOEXEC && strstr(err.text, checks[i].text) : rc == 0, "check: %s",
               checks[i].name);
    }
}

static void test_source(void)
{
    struct rk_source source;
    struct rk_err err = {0};
    int fds[2];
    char byte;
    if (pipe(fds)) {
        tap_ok(false, "source: no pipe to test with");
        return;
    }
    tap_ok(rk_source_from_fd(&source, fds[0], &err) == -EINVAL && strstr(err.text, "not a regular file"),
           "source: a pipe is refused");
    close(fds[0]);
    close(fds[1]);
    tap_ok(rk_source_from_fd(&source, fds[0], &err) == -EBADF, "source: a closed descriptor is refused");
    const struct rk_source small = {.fd = -1, .mem = (const uint8_t *)"abc", .size = 3};
    tap_ok(rk_source_read(&small, 2, &byte, 1) == 0 && byte == 'c', "source: the last byte is read");
    tap_ok(rk_source_read(&small, 3, &byte, 1) == -ENODATA &&
               rk_source_read(&small, UINT64_MAX, &byte, 1) == -ENODATA,
           "source: none behind it");
    rk_autoclose int fd = memfd_create("short", MFD_CLOEXEC);
    const struct rk_source shrunk = {.fd = fd, .size = 100};
    tap_ok(rk_source_read(&shrunk, 0, &byte, 1) == -ENODATA, "source: a file that shrank is noticed");
}

/* The cases as files: where the fuzzer starts from. */
static int write_seeds(const char *dir)
{
    static uint8_t file[FILE_SIZE];
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/case-%zu", dir, i);
        size_t size = spoil(file, &cases[i]);
        rk_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, file, size) != (ssize_t)size) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    for (size_t i = 0; i < RK_COUNT(cases); i++)
        run_case(&cases[i]);
    test_content();
    test_check();
    test_source();
    return tap_end();
}
