/* The Solo5 image reader: judges hostile ELF bytes and copies out what a tender needs to know. */
#include "lib/solo5.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"

#define HEAD_SIZE       2048 /* header, program headers and interpreter of every guest seen fit: one read */
#define PAGE            4096 /* segment granularity of x86-64 and aarch64 tenders */
#define MIN_BASE        0x100000   /* lowest load address of hvt and spt guests */
#define NOTE_ABI1       0x31494241 /* "ABI1" */
#define NOTE_MFT1       0x3154464d /* "MFT1" */
#define NOTE_HEADER     20         /* namesz, descsz, type, "Solo5\0" padded to 8 */
#define NOTE_SMALLEST   12         /* the three words alone */
#define NOTE_NAMESZ     6
#define ABI_DESC_SIZE   16 /* target, version, two reserved words */
#define ABI_DESC_MAX    32
#define MFT_PAD         4 /* the manifest is 8-aligned from the start of the note: 20 → 24 */
#define MFT_HEADER      8
#define MFT_ENTRY       104
#define MFT_DESC_MAX    (MFT_PAD + MFT_HEADER + MFT_ENTRY * RK_SOLO5_MFT_ENTRIES)
#define ATTACHED_OFFSET 96

static const char interp_name[] = "/nonexistent/solo5/";

_Static_assert(sizeof(struct rk_solo5_entry) == MFT_ENTRY, "a manifest entry is 104 bytes");
_Static_assert(offsetof(struct rk_solo5_entry, u.block.block_size) == 80, "block_size lies at 80");
_Static_assert(offsetof(struct rk_solo5_entry, u.net.mtu) == 78, "mtu lies at 78");
_Static_assert(offsetof(struct rk_solo5_entry, b) == 88, "hostfd lies at 88");
_Static_assert(offsetof(struct rk_solo5_entry, attached) == ATTACHED_OFFSET, "attached lies at 96");
_Static_assert(offsetof(struct rk_solo5_mft, e) == MFT_HEADER, "entries begin at 8");

/* One file being read: its first bytes are kept, since nearly all that matters lies there, and the page that
 * was read last, in which the notes lie together. */
struct reader {
    const struct rk_source *source;
    Elf64_Ehdr ehdr;
    size_t head_len;
    uint64_t page_at;
    size_t page_len; /* 0: none yet */
    _Alignas(8) uint8_t head[HEAD_SIZE];
    _Alignas(8) uint8_t page[PAGE];
};

/* What the classifying pass has found. */
struct found {
    bool solo5;
    bool has_abi, has_mft;
    Elf64_Phdr abi, mft;
};

int rk_source_from_fd(struct rk_source *ret_source, int fd, struct rk_err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return rk_fail_errno(err, "stat image");
    if (!S_ISREG(st.st_mode))
        return rk_fail(err, -EINVAL, "image is not a regular file");
    *ret_source = (struct rk_source){.fd = fd, .size = (uint64_t)st.st_size};
    return 0;
}

int rk_source_read(const struct rk_source *source, uint64_t off, void *buf, size_t len)
{
    if (off > source->size || len > source->size - off)
        return -ENODATA;
    if (source->mem) {
        memcpy(buf, source->mem + off, len);
        return 0;
    }
    uint8_t *to = buf;
    while (len) {
        ssize_t n = pread(source->fd, to, len, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        to += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int reader_get(struct reader *reader, uint64_t off, void *buf, size_t len)
{
    if (off <= reader->head_len && len <= reader->head_len - off) {
        memcpy(buf, reader->head + off, len);
        return 0;
    }
    uint64_t at = off - off % PAGE, size = reader->source->size;
    if (off >= size || len > PAGE - (off - at))
        return rk_source_read(reader->source, off, buf, len);
    if (!reader->page_len || reader->page_at != at) {
        reader->page_len = 0;
        size_t want = size - at < PAGE ? (size_t)(size - at) : PAGE;
        int rc = rk_source_read(reader->source, at, reader->page, want);
        if (rc)
            return rc;
        reader->page_at = at;
        reader->page_len = want;
    }
    if (len > reader->page_len - (off - at))
        return -ENODATA;
    memcpy(buf, reader->page + (off - at), len);
    return 0;
}

/* A read that failed, told: the end of the file is the image's fault, anything else the host's. */
static int read_fail(struct rk_err *err, int rc, const char *what)
{
    if (rc == -ENODATA)
        return rk_fail(err, -ENOEXEC, "truncated ELF: %s lies beyond the end of the file", what);
    errno = -rc;
    return rk_fail_errno(err, "read image: %s", what);
}

static bool is_power_of_two(uint64_t x)
{
    return x && !(x & (x - 1));
}

/* 1: an ELF64 little-endian header is in reader->ehdr; 0: something else. */
static int read_header(struct reader *reader, struct rk_err *err)
{
    reader->head_len = reader->source->size < HEAD_SIZE ? (size_t)reader->source->size : HEAD_SIZE;
    int rc = rk_source_read(reader->source, 0, reader->head, reader->head_len);
    if (rc)
        return read_fail(err, rc, "the header");
    if (reader->head_len <= EI_DATA || memcmp(reader->head, ELFMAG, SELFMAG) != 0 ||
        reader->head[EI_CLASS] != ELFCLASS64 || reader->head[EI_DATA] != ELFDATA2LSB)
        return 0;

    Elf64_Ehdr *ehdr = &reader->ehdr;
    rc = reader_get(reader, 0, ehdr, sizeof *ehdr);
    if (rc)
        return read_fail(err, rc, "the header");
    if (ehdr->e_phnum == 0)
        return 0;
    if (ehdr->e_phentsize != sizeof(Elf64_Phdr))
        return rk_fail(err, -ENOEXEC, "malformed ELF: program headers of %u bytes, expected %zu",
                       ehdr->e_phentsize, sizeof(Elf64_Phdr));
    uint64_t table = (uint64_t)ehdr->e_phnum * sizeof(Elf64_Phdr);
    if (ehdr->e_phoff > reader->source->size || table > reader->source->size - ehdr->e_phoff)
        return read_fail(err, -ENODATA, "the program header table");
    return 1;
}

static int read_phdr(struct reader *reader, unsigned i, Elf64_Phdr *ret_phdr, struct rk_err *err)
{
    int rc =
        reader_get(reader, reader->ehdr.e_phoff + (uint64_t)i * sizeof *ret_phdr, ret_phdr, sizeof *ret_phdr);
    return rc ? read_fail(err, rc, "a program header") : 0;
}

/* Does the PT_INTERP carry Solo5's name? 1, 0 or an error. A name that the file does not hold is an error for
 * any ELF: no kernel runs such a file either. */
static int check_interp(struct reader *reader, const Elf64_Phdr *phdr, struct rk_err *err)
{
    if (phdr->p_offset > reader->source->size || phdr->p_filesz > reader->source->size - phdr->p_offset)
        return read_fail(err, -ENODATA, "the interpreter name");
    char name[sizeof interp_name] = "";
    size_t len = sizeof interp_name - 1;
    if (phdr->p_filesz != len && phdr->p_filesz != len + 1)
        return 0;
    int rc = reader_get(reader, phdr->p_offset, name, (size_t)phdr->p_filesz);
    if (rc)
        return read_fail(err, rc, "the interpreter name");
    return memcmp(name, interp_name, sizeof interp_name) == 0;
}

static uint32_t word_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The type of a note that is called "Solo5", else 0. A note that cannot be read is none: where that matters
 * (the image is a Solo5 one by another sign), judge_notes says so. */
static uint32_t solo5_note_type(struct reader *reader, const Elf64_Phdr *phdr)
{
    uint8_t header[NOTE_HEADER];
    if (phdr->p_filesz < sizeof header || reader_get(reader, phdr->p_offset, header, sizeof header))
        return 0;
    if (word_at(header) != NOTE_NAMESZ || memcmp(header + 12, "Solo5", NOTE_NAMESZ) != 0)
        return 0;
    return word_at(header + 8);
}

static int classify(struct reader *reader, struct found *ret_found, struct rk_err *err)
{
    struct found found = {0};
    bool saw_interp = false;
    for (unsigned i = 0; i < reader->ehdr.e_phnum; i++) {
        Elf64_Phdr phdr = {0};
        int rc = read_phdr(reader, i, &phdr, err);
        if (rc)
            return rc;
        if (phdr.p_type == PT_INTERP && !saw_interp) {
            saw_interp = true;
            rc = check_interp(reader, &phdr, err);
            if (rc < 0)
                return rc;
            found.solo5 |= rc > 0;
        } else if (phdr.p_type == PT_NOTE) {
            uint32_t type = solo5_note_type(reader, &phdr);
            if (type != NOTE_ABI1 && type != NOTE_MFT1)
                continue;
            bool *has = type == NOTE_ABI1 ? &found.has_abi : &found.has_mft;
            if (*has)
                return rk_fail(err, -ENOEXEC, "malformed Solo5 image: two %s notes",
                               type == NOTE_ABI1 ? "ABI" : "manifest");
            *has = true;
            *(type == NOTE_ABI1 ? &found.abi : &found.mft) = phdr;
            found.solo5 = true;
        }
    }
    *ret_found = found;
    return 0;
}

static int note_fail(struct rk_err *err, const char *what)
{
    return rk_fail(err, -ENOEXEC, "malformed Solo5 image: %s note does not fall within valid size", what);
}

/* In a Solo5 image every PT_NOTE must be large enough to be a note, and lie in the file. */
static int judge_notes(struct reader *reader, struct rk_err *err)
{
    for (unsigned i = 0; i < reader->ehdr.e_phnum; i++) {
        Elf64_Phdr phdr = {0};
        int rc = read_phdr(reader, i, &phdr, err);
        if (rc)
            return rc;
        if (phdr.p_type != PT_NOTE)
            continue;
        if (phdr.p_filesz < NOTE_SMALLEST)
            return note_fail(err, "a");
        if (phdr.p_offset > reader->source->size || phdr.p_filesz > reader->source->size - phdr.p_offset)
            return read_fail(err, -ENODATA, "a note");
    }
    return 0;
}

/* Copy the content of a note, which begins `pad` bytes into the descriptor, to buf; *ret_len is its true
 * length. */
static int read_note(struct reader *reader, const Elf64_Phdr *phdr, const char *what, size_t pad,
                     size_t desc_max, uint8_t *buf, size_t *ret_len, struct rk_err *err)
{
    uint8_t header[NOTE_HEADER];
    int rc = reader_get(reader, phdr->p_offset, header, sizeof header);
    if (rc)
        return read_fail(err, rc, "a note");
    uint32_t descsz = word_at(header + 4);
    if (descsz < 1 || descsz > desc_max || phdr->p_filesz < (uint64_t)NOTE_HEADER + descsz || descsz <= pad)
        return note_fail(err, what);
    rc = reader_get(reader, phdr->p_offset + NOTE_HEADER + pad, buf, descsz - pad);
    if (rc)
        return read_fail(err, rc, "a note");
    *ret_len = descsz - pad;
    return 0;
}

static int read_abi(struct reader *reader, const Elf64_Phdr *phdr, struct rk_solo5_image *image,
                    struct rk_err *err)
{
    uint8_t desc[ABI_DESC_MAX];
    size_t len = 0;
    int rc = read_note(reader, phdr, "ABI", 0, sizeof desc, desc, &len, err);
    if (rc)
        return rc;
    if (len < ABI_DESC_SIZE)
        return note_fail(err, "ABI");
    image->target = word_at(desc);
    image->abi_version = word_at(desc + 4);
    return 0;
}

static int mft_fail(struct rk_err *err, unsigned i, const char *what)
{
    return rk_fail(err, -ENOEXEC, "malformed Solo5 manifest: entry %u %s", i, what);
}

/* Names go into tender options (--net:NAME=…), so that only what the format's own tools allow may pass. */
static bool is_device_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
              (*name >= '0' && *name <= '9')))
            return false;
    return true;
}

/* Copy entry `i`, whose raw bytes are at `raw`, behind those that are in `mft` already. */
static int read_entry(struct rk_solo5_mft *mft, unsigned i, const uint8_t *raw, struct rk_err *err)
{
    struct rk_solo5_entry *entry = &mft->e[i];
    /* The flag is judged as a byte: any other value than 0 and 1 in a bool is undefined behaviour. */
    if (raw[ATTACHED_OFFSET] != 0)
        return mft_fail(err, i, "is marked as attached");
    if (raw[RK_SOLO5_NAME_SIZE - 1] != 0)
        return mft_fail(err, i, "has a name without end");
    memset(entry, 0, sizeof *entry);
    memcpy(entry, raw, ATTACHED_OFFSET);
    /* Whatever lies behind the name's end or in the tender's private word is not the tender's to pass on. */
    size_t used = strlen(entry->name);
    memset(entry->name + used, 0, sizeof entry->name - used);
    entry->b.data = 0;

    if (i == 0) {
        if (entry->type != RK_SOLO5_RESERVED_FIRST || entry->name[0])
            return mft_fail(err, i, "is not the reserved one");
        return 0;
    }
    if (entry->type >= RK_SOLO5_RESERVED_FIRST)
        return 0;
    if (entry->type != RK_SOLO5_BLOCK && entry->type != RK_SOLO5_NET)
        return mft_fail(err, i, "is of no known device type");
    if (!is_device_name(entry->name))
        return mft_fail(err, i, "has a name that is not made of letters and digits");
    mft->entries = i; /* search among those before this one */
    bool twice = rk_solo5_find(mft, entry->name, entry->type, NULL) != NULL;
    if (twice)
        return mft_fail(err, i, "has the name of another device of its type");
    return 0;
}

static int read_mft(struct reader *reader, const Elf64_Phdr *phdr, struct rk_solo5_mft *mft,
                    struct rk_err *err)
{
    uint8_t desc[MFT_DESC_MAX - MFT_PAD];
    size_t len = 0;
    int rc = read_note(reader, phdr, "manifest", MFT_PAD, MFT_DESC_MAX, desc, &len, err);
    if (rc)
        return rc;
    if (len < MFT_HEADER)
        return note_fail(err, "manifest");
    uint32_t version = word_at(desc), entries = word_at(desc + 4);
    if (version != 1)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 manifest: unsupported version %" PRIu32, version);
    if (entries < 1 || entries > RK_SOLO5_MFT_ENTRIES)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 manifest: %" PRIu32 " entries, expected 1 to %d",
                       entries, RK_SOLO5_MFT_ENTRIES);
    if (len != MFT_HEADER + (size_t)entries * MFT_ENTRY)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 manifest: %" PRIu32 " entries do not fill %zu bytes",
                       entries, len);
    mft->version = version;
    for (unsigned i = 0; i < entries; i++) {
        rc = read_entry(mft, i, desc + MFT_HEADER + (size_t)i * MFT_ENTRY, err);
        if (rc)
            return rc;
    }
    mft->entries = entries;
    return 0;
}

static int segment_fail(struct rk_err *err, const Elf64_Phdr *phdr, const char *what)
{
    return rk_fail(err, -ENOEXEC, "malformed Solo5 image: segment at 0x%" PRIx64 " %s", phdr->p_vaddr, what);
}

/* `*lowest` is the first address that this segment may use; moves on to behind it. */
static int judge_segment(struct reader *reader, const Elf64_Phdr *phdr, uint64_t *lowest, struct rk_err *err)
{
    if (!is_power_of_two(phdr->p_align))
        return segment_fail(err, phdr, "has an alignment that is no power of two");
    if (phdr->p_memsz < phdr->p_filesz)
        return segment_fail(err, phdr, "is smaller in memory than in the file");
    if (phdr->p_offset > reader->source->size || phdr->p_filesz > reader->source->size - phdr->p_offset)
        return segment_fail(err, phdr, "reaches beyond the end of the file");
    if ((phdr->p_flags & PF_W) && (phdr->p_flags & PF_X))
        return segment_fail(err, phdr, "is both writable and executable");
    uint64_t mask = phdr->p_align - 1, end;
    if (__builtin_add_overflow(phdr->p_vaddr, phdr->p_memsz, &end) || __builtin_add_overflow(end, mask, &end))
        return segment_fail(err, phdr, "wraps around the address space");
    uint64_t start = phdr->p_vaddr & ~mask;
    end &= ~mask;
    if (start % PAGE || end % PAGE)
        return segment_fail(err, phdr, "is not made of whole pages");
    if (phdr->p_vaddr < MIN_BASE || start < MIN_BASE)
        return segment_fail(err, phdr, "lies below the lowest load address");
    if (start < *lowest)
        return segment_fail(err, phdr, "overlaps or precedes the one before");
    *lowest = end;
    return 0;
}

static int read_segments(struct reader *reader, struct rk_solo5_image *image, struct rk_err *err)
{
    uint64_t lowest = MIN_BASE;
    bool entry_is_code = false;
    image->segment_count = 0;
    for (unsigned i = 0; i < reader->ehdr.e_phnum; i++) {
        Elf64_Phdr phdr = {0};
        int rc = read_phdr(reader, i, &phdr, err);
        if (rc)
            return rc;
        /* Segments without file bytes are .bss or empty .tdata: nothing to load, and often not even aligned.
         */
        if (phdr.p_type != PT_LOAD || phdr.p_filesz == 0)
            continue;
        rc = judge_segment(reader, &phdr, &lowest, err);
        if (rc)
            return rc;
        if (image->segment_count == RK_SOLO5_SEGMENTS)
            return segment_fail(err, &phdr, "is one too many");
        image->segments[image->segment_count++] = (struct rk_solo5_segment){
            .offset = phdr.p_offset,
            .filesz = phdr.p_filesz,
            .vaddr = phdr.p_vaddr,
            .memsz = phdr.p_memsz,
            .align = phdr.p_align,
            .flags = phdr.p_flags & (PF_R | PF_W | PF_X),
        };
        entry_is_code |= (phdr.p_flags & PF_X) && image->entry >= phdr.p_vaddr &&
                         image->entry - phdr.p_vaddr < phdr.p_memsz;
    }
    if (image->segment_count == 0)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 image: no segment to load");
    if (!entry_is_code)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 image: entry 0x%" PRIx64 " is outside of the code",
                       image->entry);
    return 0;
}

static int judge_header(const Elf64_Ehdr *ehdr, struct rk_err *err)
{
    if (ehdr->e_type != ET_EXEC)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 image: ELF type %u, expected an executable",
                       ehdr->e_type);
    if (ehdr->e_version != EV_CURRENT)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 image: ELF version %u", ehdr->e_version);
    if (ehdr->e_ehsize != sizeof *ehdr)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 image: ELF header of %u bytes", ehdr->e_ehsize);
    return 0;
}

int rk_solo5_read(struct rk_solo5_image *ret_image, const struct rk_source *source, struct rk_err *err)
{
    struct reader reader;
    reader.source = source;
    reader.ehdr = (Elf64_Ehdr){0};
    reader.page_len = 0;
    int rc = read_header(&reader, err);
    if (rc <= 0)
        return rc;
    struct found found = {0};
    rc = classify(&reader, &found, err);
    if (rc)
        return rc;
    if (!found.solo5)
        return 0;

    rc = judge_notes(&reader, err);
    if (rc)
        return rc;
    if (!found.has_abi)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 image: no ABI note");
    ret_image->machine = reader.ehdr.e_machine;
    ret_image->entry = reader.ehdr.e_entry;
    ret_image->segment_count = 0;
    rc = read_abi(&reader, &found.abi, ret_image, err);
    if (rc)
        return rc;
    if (!found.has_mft)
        return rk_fail(err, -ENOEXEC, "malformed Solo5 image: no manifest note");
    rc = read_mft(&reader, &found.mft, &ret_image->mft, err);
    if (rc)
        return rc;
    /* Other targets have loaders, and rules, of their own. */
    if (ret_image->target == RK_SOLO5_HVT || ret_image->target == RK_SOLO5_SPT) {
        rc = judge_header(&reader.ehdr, err);
        if (!rc)
            rc = read_segments(&reader, ret_image, err);
    }
    return rc ? rc : 1;
}

int rk_solo5_check(const struct rk_solo5_image *image, enum rk_solo5_target want, struct rk_err *err)
{
#if defined(__x86_64__)
    const uint16_t machine = EM_X86_64;
#elif defined(__aarch64__)
    const uint16_t machine = EM_AARCH64;
#endif
    if (image->target != want)
        return rk_fail(err, -ENOEXEC, "executable is not for the solo5-%s target: it is for solo5-%s",
                       rk_solo5_target_name(want), rk_solo5_target_name(image->target));
    /* Version 2 only says that the loader must cope with empty segments, which it does. */
    if (image->abi_version != 1 && image->abi_version != 2)
        return rk_fail(err, -ENOEXEC, "executable requests unsupported ABI version %" PRIu32,
                       image->abi_version);
    if (image->machine != machine)
        return rk_fail(err, -ENOEXEC, "executable is for another machine: ELF machine %u, this one is %u",
                       image->machine, machine);
    return 0;
}

struct rk_solo5_entry *rk_solo5_find(struct rk_solo5_mft *mft, const char *name, enum rk_solo5_device type,
                                     size_t *ret_handle)
{
    for (uint32_t i = 1; i < mft->entries; i++) {
        if (mft->e[i].type != (uint32_t)type || strcmp(mft->e[i].name, name) != 0)
            continue;
        if (ret_handle)
            *ret_handle = i;
        return &mft->e[i];
    }
    return NULL;
}

const char *rk_solo5_target_name(uint32_t target)
{
    static const char *const names[] = {
        [RK_SOLO5_HVT] = "hvt",   [RK_SOLO5_SPT] = "spt",       [RK_SOLO5_VIRTIO] = "virtio",
        [RK_SOLO5_MUEN] = "muen", [RK_SOLO5_GENODE] = "genode", [RK_SOLO5_XEN] = "xen",
    };
    if (target < sizeof names / sizeof names[0] && names[target])
        return names[target];
    return "unknown";
}

const char *rk_solo5_device_name(uint32_t type)
{
    switch (type) {
    case RK_SOLO5_BLOCK:
        return "BLOCK_BASIC";
    case RK_SOLO5_NET:
        return "NET_BASIC";
    default:
        return "unknown";
    }
}
