/* How much memory a guest gets, which monitor is chosen, and the command lines of the monitors, word for
 * word. */
#include "hypervisor/monitor.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/family/family.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)
#define GIB (UINT64_C(1024) * MIB)

static const struct {
    const char *monitor;
    int64_t limit;
    uint64_t fallback;
    int64_t headroom; /* -1: the monitor's own */
    uint64_t image;   /* where its last segment ends */
    uint64_t want;    /* 0: an error */
    uint64_t held;    /* of the image, outside the guest */
} sizes[] = {
    {"spt", 0, 512 * MIB, -1, 2 * MIB, 512 * MIB, 0},
    {"spt", -1, 512 * MIB, -1, 2 * MIB, 512 * MIB, 0},
    {"spt", INT64_MIN, 512 * MIB, -1, 2 * MIB, 512 * MIB, 0}, /* not given */
    {"spt", 64 * MIB, 512 * MIB, 0, 2 * MIB, 64 * MIB, 0},
    {"spt", 64 * MIB, 512 * MIB, 1, 2 * MIB, 63 * MIB, 0}, /* rounded down, never up */
    {"spt", 64 * MIB, 512 * MIB, 8 * MIB, 2 * MIB, 56 * MIB, 0},
    {"spt", 64 * MIB + 4095, 512 * MIB, 0, 2 * MIB, 64 * MIB, 0},
    {"spt", 2 * MIB, 512 * MIB, 0, 2 * MIB, 2 * MIB, 0},
    {"spt", 2 * MIB, 512 * MIB, 0, 2 * MIB + 1, 0, 0},
    {"spt", 2 * MIB, 512 * MIB, 3 * MIB, MIB + 1, 0, 0},
    {"spt", 512 * KIB, 512 * MIB, 0, 0, 0, 0},
    {"spt", 1, 512 * MIB, -1, 0, 0, 0},
    {"spt", INT64_MAX, 512 * MIB, -1, 2 * MIB, 1024 * GIB, 0},
    {"spt", 0, MIB, -1, 2 * MIB, 0, 0},
    {"hvt", 0, 512 * MIB, -1, 2 * MIB, 512 * MIB, 0},
    {"hvt", 0, 511 * MIB, -1, 2 * MIB, 510 * MIB, 0}, /* pages of 2 MiB */
    {"hvt", 8 * GIB, 512 * MIB, 0, 2 * MIB, 4 * GIB, 0},
    {"hvt", 0, MIB, -1, MIB, 0, 0},
    {"qemu", 256 * MIB, 512 * MIB, -1, MIB, 199 * MIB, 0},
    {"qemu", 256 * MIB, 512 * MIB, -1, MIB, 185 * MIB, 14 * MIB},
    {"qemu", 256 * MIB, 512 * MIB, 8 * MIB, MIB, 248 * MIB, 14 * MIB}, /* the settings know better */
};

static void test_memory(void)
{
    static struct bnd_image image;
    for (size_t i = 0; i < RK_COUNT(sizes); i++) {
        const struct hv_monitor *m = hv_monitor_find(sizes[i].monitor);
        uint64_t got = 0;
        struct rk_err err = {0};
        image.solo5.segment_count = sizes[i].image ? 2 : 0;
        image.solo5.segments[0] =
            (struct rk_solo5_segment){.vaddr = sizes[i].image / 2, .memsz = sizes[i].image / 2};
        image.solo5.segments[1] = (struct rk_solo5_segment){.vaddr = 0, .memsz = sizes[i].image};
        int r = hv_memory_size(&got, m, hv_image_memory(&image), sizes[i].held, sizes[i].limit,
                               sizes[i].fallback, sizes[i].headroom, &err);
        bool good =
            sizes[i].want ? r == 0 && got == sizes[i].want : r == -EINVAL && strstr(err.text, "memory");
        if (!tap_ok(good, "memory: %s, limit %lld, head-room %lld", sizes[i].monitor,
                    (long long)sizes[i].limit, (long long)sizes[i].headroom))
            printf("# got %d, %llu, \"%s\"\n", r, (unsigned long long)got, err.text);
    }
}

static const struct bnd_machine *known_machine(enum bnd_kind kind)
{
    static const struct bnd_machine machine = {.memory_min = 64, .memory_max = 1024};
    return kind == BND_DISK ? &machine : NULL;
}

static void test_family_memory(void)
{
    static const struct bnd_family family = {.machine = known_machine};
    static struct bnd_image image = {.family = &family};
    tap_ok(hv_memory_least(&image, BND_DISK) == 64 * MIB && hv_memory_most(&image, BND_DISK) == GIB,
           "memory: what a family knows to be too little, and too much");
    image.boot.memory = 80 * MIB;
    tap_ok(hv_memory_least(&image, BND_DISK) == 80 * MIB, "memory: what the image takes counts, too");
    tap_ok(hv_memory_least(&image, BND_PVH) == 80 * MIB && hv_memory_most(&image, BND_PVH) == UINT64_MAX,
           "memory: nothing is known of another kind");
}

/* Whatever the limit: with the monitor's own head-room a guest never gets all of it. */
static void test_headroom(void)
{
    for (const struct hv_monitor *const *m = hv_monitors; *m; m++) {
        bool good = true;
        for (uint64_t limit = (*m)->by_name ? 256 * MIB : 16 * MIB; limit <= 2 * GIB; limit *= 2) {
            uint64_t got = 0;
            good = good && hv_memory_size(&got, *m, 0, 0, (int64_t)limit, 0, -1, NULL) == 0 &&
                   got + (*m)->headroom + (limit >> (*m)->headroom_shift) <= limit && got >= limit / 2;
        }
        tap_ok(good, "memory: the head-room of %s", (*m)->name);
    }
}

static void join(char out[1024], const struct rk_argv *argv)
{
    *out = '\0';
    for (size_t i = 0; i < argv->n; i++)
        snprintf(out + strlen(out), 1024 - strlen(out), "%s[%s]", i ? " " : "", argv->v[i]);
}

static void test_argv(void)
{
    static const uint8_t mac[6] = {0x02, 0x42, 0xac, 0x11, 0, 0xfe};
    static const struct hv_net nets[] = {{.device = "service", .fd = 5, .mac = mac, .mtu = 1500}};
    static const struct hv_disk disks[] = {{.device = "a", .fd = 6}, {.device = "b", .fd = 7}};
    static const char *const words[] = {"--net:service=tap9", "--", "\"a b\"", "@3", ""};
    rk_autoargv struct rk_argv args = {0};
    char text[1024];
    for (size_t i = 0; i < RK_COUNT(words); i++)
        rk_argv_add(&args, words[i]);
    struct hv_launch launch = {
        .image_fd = 3, .kvm_fd = -1, .figures_fd = -1, .memory = 64 * MIB, .args = &args};
    rk_autoargv struct rk_argv plain = {0};
    tap_ok(hv_monitor_find("spt")->prepare(&launch, &plain) == 0, "argv: spt, no devices");
    join(text, &plain);
    tap_ok(strcmp(text, "[runuk-spt] [--mem=64] [--] [@3] [--net:service=tap9] [--] [\"a b\"] [@3] []") == 0,
           "argv: the guest's arguments are behind the image, whatever they look like");
    launch.kvm_fd = 4;
    launch.figures_fd = 8;
    launch.nets = nets;
    launch.net_count = 1;
    launch.disks = disks;
    launch.disk_count = 2;
    args.n = 0; /* the words are freed below */
    rk_autoargv struct rk_argv full = {0};
    tap_ok(hv_monitor_find("hvt")->prepare(&launch, &full) == 0, "argv: hvt, all devices");
    args.n = RK_COUNT(words);
    join(text, &full);
    if (!tap_ok(strcmp(text, "[runuk-hvt] [--mem=64] [--kvm=@4] [--figures=@8] [--net:service=@5] "
                             "[--net-mac:service=02:42:ac:11:00:fe] [--net-mtu:service=1500] [--block:a=@6] "
                             "[--block:b=@7] [--] [@3]") == 0,
                "argv: descriptors by number, no names"))
        printf("# %s\n", text);
}

#define KIND(kind) BND_KIND_BIT(BND_##kind)

static const struct {
    unsigned kinds;
    uint32_t target, version; /* of a Solo5 image */
    uint16_t machine;
    const char *obstacle;
    const char *error; /* NULL: runuk-spt boots it */
} choices[] = {
    {KIND(SPT), RK_SOLO5_SPT, 2, EM_X86_64, "", NULL},
    {KIND(SPT), RK_SOLO5_SPT, 1, EM_X86_64, "", NULL},
    {KIND(SPT), RK_SOLO5_SPT, 3, EM_X86_64, "", "image '/a': "},
    {KIND(SPT), RK_SOLO5_SPT, 2, EM_PPC64, "", "another machine (ppc64): build it for x86-64"},
    {KIND(HVT), RK_SOLO5_HVT, 2, EM_X86_64, "", "needs KVM, which this host cannot use"},
    {0, RK_SOLO5_XEN, 1, EM_X86_64, "built for the moon: come back",
     "image '/a' is built for the moon: come back"},
    {0, 0, 0, EM_AARCH64, "a thing", "another machine (aarch64)"},
    {0, 0, 0, EM_X86_64, "", "is a unikernel (family unknown, no boot protocol) that no monitor here boots"},
    {KIND(XEN), 0, 0, EM_X86_64, "", "which only Xen boots: build it for"},
    {KIND(MULTIBOOT2), 0, 0, EM_386, "", "a multiboot2 kernel, which no monitor here loads: build it for"},
    {KIND(MULTIBOOT2) | KIND(XEN), 0, 0, EM_386, "",
     "(family unknown, multiboot2, xen) that no monitor here boots"},
    {KIND(PVH), 0, 0, EM_X86_64, "",
     "(family unknown, pvh) that no monitor here boots"}, /* no family, no machine */
};

/* A host without the monitors' binaries cannot use KVM, whatever its hardware. */
static const struct hv_host host = {
    .monitor_dir = "/nonexistent", .qemu = "/nonexistent/qemu", .accel = "auto", .state_root = -1};

static void test_choose(void)
{
    static struct bnd_image forms[2];
    struct bnd_images images = {.v = forms};
    static char path[] = "/a";
    images.n = 1;
    images.v[0].path = path;
    for (size_t i = 0; i < RK_COUNT(choices); i++) {
        struct hv_choice c = {.form = 99};
        struct rk_err err = {0};
        images.v[0].boot = (struct bnd_boot){.kinds = choices[i].kinds, .machine = choices[i].machine};
        snprintf(images.v[0].boot.obstacle, sizeof images.v[0].boot.obstacle, "%s", choices[i].obstacle);
        images.v[0].solo5.target = choices[i].target;
        images.v[0].solo5.abi_version = choices[i].version;
        images.v[0].solo5.machine = choices[i].machine;
        int r = hv_monitor_choose(&c, &images, &host, &err);
        bool good = choices[i].error ? r < 0 && strstr(err.text, choices[i].error) && strstr(err.text, "'/a'")
                                     : r == 0 && c.monitor == hv_monitor_find("spt") && c.form == 0;
        if (!tap_ok(good, "choose: kinds 0x%x, target %u, version %u, machine %u", choices[i].kinds,
                    choices[i].target, choices[i].version, choices[i].machine))
            printf("# got %d \"%s\"\n", r, err.text);
    }
}

/* The form that this host can run wins, in whichever order they stand. */
static void test_choose_form(void)
{
    static struct bnd_image forms[2];
    struct bnd_images images = {.v = forms};
    static char hvt[] = "/a.hvt", spt[] = "/a.spt";
    struct hv_choice c = {.form = 99};
    struct rk_err err = {0};
    images.n = 2;
    images.v[0].path = hvt;
    images.v[1].path = spt;
    for (size_t i = 0; i < 2; i++) {
        images.v[i].solo5.machine = EM_X86_64;
        images.v[i].solo5.abi_version = 2;
        images.v[i].solo5.target = i ? RK_SOLO5_SPT : RK_SOLO5_HVT;
        images.v[i].boot.kinds = i ? KIND(SPT) : KIND(HVT);
    }
    tap_ok(hv_monitor_choose(&c, &images, &host, &err) == 0 && c.form == 1 &&
               c.monitor == hv_monitor_find("spt"),
           "choose: .spt where .hvt cannot run");
    images.n = 1;
    tap_ok(hv_monitor_choose(&c, &images, &host, &err) == -ENOTSUP && strstr(err.text, "('/a.spt')"),
           "choose: the error names the variant that would help");
    tap_ok(!hv_monitor_find("") && !hv_monitor_find("bhyve"), "an unknown monitor is not found");
}

static const struct {
    const char *path, *place; /* NULL: the same */
} places[] = {
    {"/web", NULL},
    {"/usr/bin/web", NULL},
    {"/a-b_c+d.elf", NULL},
    {"//./app//web/.", "/app/web"},
    {"/app/../web", "/image"},
    {"web", "/image"},
    {"/", "/image"},
    {"", "/image"},
    {"/my web", "/image"},
    {"/a,b", "/image"},
    {"/a=b", "/image"},
    {"/{}", "/image"},
    {"/w\n\"", "/image"},
    {"/w\xc3\xa9\xff", "/image"},
    {"/123456789012345678901234567890123456789012345678901234567890123", NULL},
    {"/1234567890123456789012345678901234567890123456789012345678901234", "/image"},
    /* What is there already. */
    {"/usr/bin/qemu", "/image"},
    {"/usr/bin/qemu/web", "/image"},
    {"/usr", "/image"},
    {"/usr/bin/qemu2", NULL},
    {"/initrd", "/image"},
    {"/file0", "/image"},
    {"/file1/web", "/image"},
    {"/files", NULL},
    {"/firmware/web", "/image"},
    {"/loader", "/image"},
    {"/dev/web", "/image"},
};

static const struct bnd_machine *seeing_machine(enum bnd_kind kind)
{
    static const struct bnd_machine sees = {.path_in_front = true}, blind = {.path_in_front = false};
    return kind == BND_MULTIBOOT ? &sees : kind == BND_PVH ? &blind : NULL;
}

static const struct bnd_family seeing = {.name = "seeing", .machine = seeing_machine};
static const struct bnd_family blind = {.name = "blind"};

static const char *place_of(const char *path, const struct bnd_family *family, enum bnd_kind kind)
{
    static char text[PATH_MAX];
    rk_autoargv struct rk_argv files = {0};
    rk_autofree char *place = NULL;
    rk_argv_add(&files, "/opt/qemu/bin/q");
    rk_argv_add(&files, "/usr/bin/qemu");
    if (hv_image_place(&place, path, family, kind, &files) < 0)
        abort();
    snprintf(text, sizeof text, "%s", place);
    return text;
}

/* A multiboot guest sees it as its argv[0]. */
static void test_place(void)
{
    for (size_t i = 0; i < RK_COUNT(places); i++) {
        const char *want = places[i].place ? places[i].place : places[i].path;
        const char *got = place_of(places[i].path, &seeing, BND_MULTIBOOT);
        if (!tap_ok(strcmp(got, want) == 0, "place: case %zu: %s", i, want))
            printf("# got %s\n", got);
    }
    tap_ok(strcmp(place_of("/web", &seeing, BND_PVH), "/image") == 0 &&
               strcmp(place_of("/web", &seeing, BND_LINUX64), "/image") == 0 &&
               strcmp(place_of("/web", &blind, BND_MULTIBOOT), "/image") == 0,
           "place: of guests that do not see it");
}

int main(void)
{
    test_place();
    test_memory();
    test_family_memory();
    test_headroom();
    test_argv();
    test_choose();
    test_choose_form();
    return tap_end();
}
