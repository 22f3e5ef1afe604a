/* Which family an image is of, by made-up images that bear the signs of each, too few of them, or those of
 * several. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle/image.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/elf_build.h"
#include "tests/unit/tap.h"

#define PARTS 8

enum part_kind {
    NOTHING,
    MULTIBOOT,
    MULTIBOOT2,
    NOTE,    /* a note of `name`, type `number`, its descriptor `text` or the 4 bytes of `value` */
    SECTION, /* a section `name` that holds `text` */
    TEXT,
    OSABI, /* e_ident[EI_OSABI] = number */
    ETYPE, /* e_type = number */
};

struct part {
    enum part_kind kind;
    const char *name;
    uint32_t number;
    const char *text;
    uint32_t value;
};

#define MULTIBOOT_                                                                                           \
    {                                                                                                        \
        .kind = MULTIBOOT                                                                                    \
    }
#define MULTIBOOT2_                                                                                          \
    {                                                                                                        \
        .kind = MULTIBOOT2                                                                                   \
    }
#define SECTION_(id)                                                                                         \
    {                                                                                                        \
        .kind = SECTION, .name = (id)                                                                        \
    }
#define TEXT_(words)                                                                                         \
    {                                                                                                        \
        .kind = TEXT, .text = (words)                                                                        \
    }
#define OSABI_(value)                                                                                        \
    {                                                                                                        \
        .kind = OSABI, .number = (value)                                                                     \
    }
#define OBJECT                                                                                               \
    {                                                                                                        \
        .kind = ETYPE, .number = ET_REL                                                                      \
    }
#define PVH_NOTE                                                                                             \
    {                                                                                                        \
        NOTE, "Xen", 18, NULL, 0x1000850                                                                     \
    }
#define XEN_VERSION                                                                                          \
    {                                                                                                        \
        NOTE, "Xen", 5, "xen-3.0", 0                                                                         \
    }
#define BIT(kind) BND_KIND_BIT(kind)

static const struct {
    const char *name;
    bool is64;
    struct part parts[PARTS];
    const char *family; /* NULL: no unikernel at all; "": recognised, of no family */
    unsigned kinds;
    const char *obstacle; /* NULL: none */
} images[] = {
    {"unikraft for QEMU", false, {MULTIBOOT_, SECTION_(".uk_libinfo")}, "unikraft", BIT(BND_MULTIBOOT), NULL},
    {"unikraft for Firecracker", true, {SECTION_(".uk_bootinfo")}, "unikraft", BIT(BND_LINUX64), NULL},
    {"a section that only begins so", true, {SECTION_(".uk_bootinfos")}, NULL, 0, NULL},
    {"rumprun",
     true,
     {MULTIBOOT_, SECTION_(".bootstrap"), SECTION_("link_set_rump_components")},
     "rumprun",
     BIT(BND_MULTIBOOT),
     NULL},
    {"half of rumprun", true, {MULTIBOOT_, SECTION_(".bootstrap")}, "generic", BIT(BND_MULTIBOOT), NULL},
    {"a program of rumprun's that is not baked",
     true,
     {OBJECT, SECTION_(".note.rumprun.bakerecipe")},
     "rumprun",
     0,
     "rumprun-bake hw_virtio"},
    {"an object file", true, {OBJECT, SECTION_(".note.rumprun.baker")}, NULL, 0, NULL},
    {"an object file that bears the signs of others",
     true,
     {OBJECT, MULTIBOOT_, SECTION_(".bootstrap"), SECTION_("link_set_rump_components")},
     NULL,
     0,
     NULL},
    {"a program with the recipe in it", true, {SECTION_(".note.rumprun.bakerecipe")}, NULL, 0, NULL},
    {"nanos' kernel",
     true,
     {PVH_NOTE, SECTION_(".vvar"), TEXT_("tfs magic mismatch")},
     "nanos",
     BIT(BND_LINUX64),
     NULL},
    {"a kernel with a .vvar", true, {PVH_NOTE, SECTION_(".vvar")}, "generic", BIT(BND_PVH), NULL},
    {"osv",
     true,
     {PVH_NOTE, SECTION_(".start32_address"), SECTION_(".percpu_workers")},
     "osv",
     BIT(BND_PVH),
     NULL},
    {"includeos",
     true,
     {MULTIBOOT_, SECTION_(".service_ctors"), SECTION_(".plugin_ctors"), SECTION_(".elf_symbols")},
     "includeos",
     BIT(BND_MULTIBOOT),
     NULL},
    {"toro", true, {PVH_NOTE, SECTION_(".fpcdata"), TEXT_("Loading Toro")}, "toro", BIT(BND_PVH), NULL},
    {"a Free Pascal program", true, {SECTION_(".fpcdata"), TEXT_("Loading Toro")}, NULL, 0, NULL},
    {"mini-os", true, {XEN_VERSION, {NOTE, "Xen", 6, "Mini-OS", 0}}, "xen", BIT(BND_XEN), "only a Xen host"},
    {"linux",
     true,
     {{NOTE, "Linux", 0x100, "6.1.0", 0}, PVH_NOTE, XEN_VERSION, {NOTE, "Xen", 6, "linux", 0}},
     "linux",
     BIT(BND_PVH),
     NULL},
    {"hermit", true, {OSABI_(0xff), {NOTE, "GNU", 1, NULL, 6}}, "hermit", 0, "Hermit's loader"},
    {"hermit, by its entry version",
     true,
     {{NOTE, "HERMIT", 0x5a00, "\4", 0}},
     "hermit",
     0,
     "Hermit's loader"},
    {"hermit before its notes",
     true,
     {OSABI_(0xff), TEXT_("Welcome to HermitCore-rs")},
     "hermit",
     0,
     "Hermit's loader"},
    {"a program that only speaks of it", true, {TEXT_("Welcome to HermitCore-rs")}, NULL, 0, NULL},
    {"Hermit's loader",
     false,
     {MULTIBOOT_, TEXT_("[LOADER]["), TEXT_("Found Multiboot information")},
     "hermit",
     0,
     "Hermit's loader: make the"},
    {"some other loader", false, {MULTIBOOT_, TEXT_("[LOADER]")}, "generic", BIT(BND_MULTIBOOT), NULL},
    {"what only speaks like it",
     true,
     {PVH_NOTE, TEXT_("[LOADER]["), TEXT_("Multiboot information")},
     "generic",
     BIT(BND_PVH),
     NULL},
    {"a Linux program", true, {{NOTE, "GNU", 1, NULL, 0}}, NULL, 0, NULL},
    {"a Linux program with the sections of a unikernel",
     true,
     {{NOTE, "GNU", 1, NULL, 0}, SECTION_(".uk_libinfo")},
     NULL,
     0,
     NULL},
    {"mewz",
     false,
     {MULTIBOOT_, MULTIBOOT2_, SECTION_(".boot"), TEXT_("gateway"), TEXT_("wasi")},
     "mewz",
     BIT(BND_MULTIBOOT) | BIT(BND_MULTIBOOT2),
     NULL},
    {"a multiboot kernel", false, {MULTIBOOT_}, "generic", BIT(BND_MULTIBOOT), NULL},
    {"a PVH kernel", true, {PVH_NOTE}, "generic", BIT(BND_PVH), NULL},
    {"nothing at all", true, {TEXT_("NVMTFS rumprun Unikraft Loading Toro")}, NULL, 0, NULL},
    {"unikraft comes before linux and osv",
     true,
     {PVH_NOTE, SECTION_(".uk_libinfo"), SECTION_(".start32_address"), SECTION_(".percpu_workers")},
     "unikraft",
     BIT(BND_PVH),
     NULL},
};

static struct eb eb;

static void add_part(const struct part *p)
{
    static const uint32_t mb1[3] = {0x1BADB002, 3, (uint32_t) - (0x1BADB002 + 3)};
    static const uint32_t mb1_fields[8] = {
        0x1BADB002, 0x10003, (uint32_t) - (0x1BADB002 + 0x10003), 0x100000 + 64, 0x100000, 0, 0, 0x100100};
    static const uint32_t mb2[6] = {0xE85250D6, 0, 24, (uint32_t) - (0xE85250D6 + 24), 0, 8};
    size_t at, len = p->text ? strlen(p->text) + 1 : 4;
    const void *bytes = p->text ? (const void *)p->text : &p->value;
    switch (p->kind) {
    case MULTIBOOT:
        eb_bytes(&eb, eb.is64 ? mb1_fields : mb1, eb.is64 ? sizeof mb1_fields : sizeof mb1, 64);
        break;
    case NOTE:
        at = eb_note(&eb, p->name, (uint32_t)strlen(p->name) + 1, p->number, bytes, (uint32_t)len, 4);
        eb_segment(&eb, PT_NOTE, at, eb.size - at, at, eb.size - at, 4);
        break;
    case SECTION:
        at = eb_bytes(&eb, bytes, len, 8);
        eb_section(&eb, p->name, SHT_PROGBITS, at, len, 8);
        break;
    case TEXT:
        eb_bytes(&eb, p->text, len, 1);
        break;
    case OSABI:
        eb.data[EI_OSABI] = (uint8_t)p->number;
        break;
    case ETYPE:
        eb.data[16] = (uint8_t)p->number;
        break;
    case MULTIBOOT2:
        eb_bytes(&eb, mb2, sizeof mb2, 8);
        break;
    case NOTHING:
        break;
    }
}

static int judge(struct bnd_image *ret_image, struct rk_err *err)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || write(fd, eb.data, eb.size) != (ssize_t)eb.size)
        abort();
    int r = bnd_image_read(ret_image, fd, "/image", NULL, err);
    if (r <= 0)
        close(fd);
    return r;
}

static void test_families(void)
{
    for (size_t i = 0; i < RK_COUNT(images); i++) {
        struct rk_err err = {0};
        struct bnd_image image;
        eb_begin(&eb, images[i].is64, ET_EXEC, images[i].is64 ? EM_X86_64 : EM_386);
        for (size_t p = 0; p < PARTS && images[i].parts[p].kind; p++)
            add_part(&images[i].parts[p]);
        eb_bytes(&eb, NULL, 64, 64);
        eb_segment(&eb, PT_LOAD, 0, eb.size, 0x100000, eb.size, 4096);
        eb_end(&eb);
        int r = judge(&image, &err);
        const char *family = r > 0 && image.family ? image.family->name : r > 0 ? "" : NULL;
        bool good = images[i].family ? family && strcmp(family, images[i].family) == 0 : r == 0;
        if (good && r > 0)
            good = image.boot.kinds == images[i].kinds && image.boot.evidence_count > 0 &&
                   (images[i].obstacle ? strstr(image.boot.obstacle, images[i].obstacle) != NULL
                                       : !image.boot.obstacle[0]);
        if (!tap_ok(good, "%s: %s", images[i].family ? images[i].family : "no unikernel", images[i].name))
            printf("# got %d, family %s, kinds 0x%x, obstacle '%s', \"%s\"\n", r, family ? family : "none",
                   r > 0 ? image.boot.kinds : 0, r > 0 ? image.boot.obstacle : "", err.text);
        if (r > 0)
            bnd_image_fini(&image);
    }
}

/* Append a parameter record of Unikraft's, which lies at guest address `base` + its place; its place. */
static size_t add_param(uint64_t base, const char *prefix, const char *name, uint64_t count)
{
    uint64_t record[7] = {base + eb_bytes(&eb, prefix, strlen(prefix) + 1, 1),
                          base + eb_bytes(&eb, name, strlen(name) + 1, 1),
                          0,
                          12,
                          count,
                          0,
                          0};
    return eb_bytes(&eb, record, sizeof record, 8);
}

static bool has_key(const struct bnd_image *image, const char *key)
{
    for (size_t i = 0; i < image->keys.n; i++)
        if (strcmp(image->keys.v[i], key) == 0)
            return true;
    return false;
}

/* A Firecracker image with a network parameter that can be given `count` times; `base` is where it is loaded,
 * and `shift` what its pointers are off by. */
static void make_unikraft(const char *name, uint64_t count, uint64_t shift, bool bootinfo)
{
    const uint64_t base = 0x100000;
    eb_begin(&eb, true, ET_EXEC, EM_X86_64);
    size_t other = add_param(base, "vfs", "rootfs", 1);
    uint64_t pointers[2] = {base + other + shift, base + add_param(base, "netdev", name, count) + shift};
    size_t at = eb_bytes(&eb, pointers, sizeof pointers, 8);
    eb_section(&eb, ".uk_libparam_params_libuknetdev", SHT_PROGBITS, at, sizeof pointers, 8);
    at = eb_bytes(&eb, "liblwip", 8, 1);
    if (bootinfo)
        eb_section(&eb, ".uk_libinfo", SHT_PROGBITS, at, 8, 1);
    eb_segment(&eb, PT_LOAD, 0, eb.size, base, eb.size, 4096);
    eb_end(&eb);
}

static void test_unikraft_keys(void)
{
    static const struct {
        const char *name, *param;
        uint64_t count, shift;
        const char *want;
    } cases[] = {
        {"its number is read", "ip", 7, 0, "netdev.ip:7"},
        {"a number that can't be is not believed", "ip", UINT64_MAX, 0, "netdev.ip:4"},
        {"nor none", "ip", 0, 0, "netdev.ip:4"},
        {"another parameter is not it", "ipx", 7, 0, "netdev.ip:4"},
        {"pointers that lead nowhere", "ip", 7, 0x1000000, "netdev.ip:4"},
        {"pointers that lead to the end", "ip", 7, UINT64_MAX - 0x200000, "netdev.ip:4"},
    };
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        struct rk_err err = {0};
        struct bnd_image image;
        make_unikraft(cases[i].param, cases[i].count, cases[i].shift, true);
        int r = judge(&image, &err);
        if (!tap_ok(r > 0 && has_key(&image, cases[i].want) && has_key(&image, "--") &&
                        !has_key(&image, "dhcp"),
                    "unikraft: netdev.ip: %s", cases[i].name))
            for (size_t k = 0; r > 0 && k < image.keys.n; k++)
                printf("# key %s\n", image.keys.v[k]);
        if (r > 0)
            bnd_image_fini(&image);
    }
}

/* A network library without a parameter for the address: DHCP. */
static void test_unikraft_dhcp(void)
{
    for (int network = 0; network < 2; network++) {
        struct rk_err err = {0};
        struct bnd_image image;
        eb_begin(&eb, true, ET_EXEC, EM_X86_64);
        const char *library = network ? "x\0liblwip" : "x\0libnothing";
        size_t at = eb_bytes(&eb, library, 10, 1);
        eb_section(&eb, ".uk_libinfo", SHT_PROGBITS, at, 10, 1);
        eb_end(&eb);
        int r = judge(&image, &err);
        tap_ok(r > 0 && bnd_family_dhcp(image.family, &image.keys) == network, "unikraft: %s",
               network ? "asks by DHCP when it has no parameter for the address"
                       : "asks nobody without a network");
        if (r > 0)
            bnd_image_fini(&image);
    }
}

/* A disk: a boot sector with a partition, and the text at `at`. */
static int judge_disk(struct bnd_image *ret_image, const char *text, size_t at)
{
    struct rk_err err = {0};
    memset(&eb, 0, sizeof eb);
    eb.size = 128 << 10;
    eb.data[0] = 0xeb;
    eb.data[446] = 0x80;
    eb.data[446 + 4] = 0x83;
    eb.data[446 + 8] = 1;
    eb.data[446 + 12] = 100;
    eb.data[510] = 0x55;
    eb.data[511] = 0xaa;
    memcpy(eb.data + at, text, strlen(text));
    return judge(ret_image, &err);
}

static void test_disks(void)
{
    static const struct {
        const char *name, *text;
        size_t at;
        const char *family;
    } disks[] = {
        {"the file system of Nanos", "NVMTFS", 0xce00, "nanos"},
        {"its name inside a sector", "NVMTFS", 0xba10, "generic"},
        {"another disk", "x", 0xce00, "generic"},
    };
    for (size_t i = 0; i < RK_COUNT(disks); i++) {
        struct bnd_image image;
        int r = judge_disk(&image, disks[i].text, disks[i].at);
        tap_ok(r > 0 && image.family && strcmp(image.family->name, disks[i].family) == 0 &&
                   image.boot.kinds == BIT(BND_DISK) && bnd_family_dhcp(image.family, &image.keys),
               "%s: a disk with %s", disks[i].family, disks[i].name);
        if (r > 0)
            bnd_image_fini(&image);
    }
}

/* Its boot sector, less one sign at a time. */
static void test_osv_disk(void)
{
    static const uint8_t sector[512] = {
        [0] = 0xea, [1] = 0x5e,   [2] = 0x7c,   [0x22] = 0x10, [0x24] = 0x3f, [0x27] = 0x7e,
        [0x2a] = 1, [440] = 0x56, [441] = 0x53, [442] = 0x4f,  [510] = 0x55,  [511] = 0xaa,
    };
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        const char *family;
    } cases[] = {
        {"its boot sector", 0, 0xea, "osv"},
        {"another loader's beginning", 0, 0xfa, "generic"},
        {"another packet", 0x24, 0x40, "generic"},
        {"another disk signature", 440, 0x57, "generic"},
    };
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        struct rk_err err = {0};
        struct bnd_image image;
        memset(&eb, 0, sizeof eb);
        memcpy(eb.data, sector, sizeof sector);
        eb.data[cases[i].at] = cases[i].value;
        eb.size = 64 << 10;
        int r = judge(&image, &err);
        tap_ok(r > 0 && image.family && strcmp(image.family->name, cases[i].family) == 0 &&
                   image.boot.kinds == BIT(BND_DISK) && bnd_family_dhcp(image.family, &image.keys) &&
                   image.family->machine(BND_DISK)->button,
               "%s: a disk with %s", cases[i].family, cases[i].name);
        if (r > 0)
            bnd_image_fini(&image);
    }
}

int main(void)
{
    test_osv_disk();
    test_families();
    test_unikraft_keys();
    test_unikraft_dhcp();
    test_disks();
    return tap_end();
}
