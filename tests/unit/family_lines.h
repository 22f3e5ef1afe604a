/* Exact command lines: what a guest is told, by what there is to tell. */
#ifndef UNIT_FAMILY_LINES_H
#define UNIT_FAMILY_LINES_H

#include "bundle/family/family.h"
#include "lib/cleanup.h"

static const struct bnd_guest_net one_net[] = {
    {.device = "eth0", .ipv4 = "172.17.0.2", .ipv4_prefix = 16, .ipv4_gateway = "172.17.0.1", .mtu = 1500}};

static const struct bnd_guest_net two_nets[] = {
    {.device = "eth0", .ipv4 = "172.17.0.2", .ipv4_prefix = 16, .ipv4_gateway = "172.17.0.1", .mtu = 1400},
    {.device = "eth1", .ipv4 = "10.1.2.3", .ipv4_prefix = 30, .mtu = 1500}};

static const struct bnd_guest_net v6_net[] = {
    {.device = "eth0", .ipv6 = "fd00::2", .ipv6_prefix = 64, .ipv6_gateway = "fd00::1", .mtu = 1500}};

static const struct bnd_guest_net dual_net[] = {{.device = "eth0",
                                                 .ipv4 = "172.17.0.2",
                                                 .ipv4_prefix = 16,
                                                 .ipv6 = "fd00::2",
                                                 .ipv6_prefix = 64,
                                                 .ipv6_gateway = "fd00::1",
                                                 .mtu = 1500}};

static const struct bnd_guest_net no_device[] = {{.link = "eth0", .ipv4 = "172.17.0.2", .ipv4_prefix = 16}};

static const struct bnd_guest_mount root_9p[] = {{.kind = BND_MOUNT_9P, .tag = "fs0", .destination = "/"}};
static const struct bnd_guest_mount root_disk[] = {
    {.kind = BND_MOUNT_DISK, .fstype = "erofs", .destination = "/", .readonly = true},
    {.kind = BND_MOUNT_DISK, .index = 1, .fstype = "ext4", .destination = "/data"}};
static const struct bnd_guest_mount initrd[] = {{.kind = BND_MOUNT_INITRD, .destination = "/"}};
static const struct bnd_guest_mount directories[] = {
    {.kind = BND_MOUNT_9P, .tag = "fs0", .destination = "/data"},
    {.kind = BND_MOUNT_9P, .tag = "fs1", .destination = "/ro", .readonly = true}};
static const struct bnd_guest_mount numbered[] = {
    {.kind = BND_MOUNT_9P, .tag = "0", .destination = "/data"},
    {.kind = BND_MOUNT_9P, .tag = "1", .destination = "/r.o", .readonly = true}};
static const struct bnd_guest_mount with_blank[] = {
    {.kind = BND_MOUNT_9P, .tag = "0", .destination = "/my data"}};
static const struct bnd_guest_mount volumes[] = {
    {.kind = BND_MOUNT_INITRD, .destination = "/"},
    {.kind = BND_MOUNT_9P, .tag = "fs1", .destination = "/my data", .readonly = true}};
static const struct bnd_guest_mount colon[] = {{.kind = BND_MOUNT_9P, .tag = "fs0", .destination = "/a:b"}};
static const struct bnd_guest_mount quoted[] = {{.kind = BND_MOUNT_DISK, .destination = "/a\"b"}};

#define NETS(array)   .nets = (array), .net_count = RK_COUNT(array)
#define MOUNTS(array) .mounts = (array), .mount_count = RK_COUNT(array)

#define FAMILY_WORDS 16

struct family_line {
    const char *name;
    const struct bnd_family *family;
    struct bnd_guest guest; /* lists are made of those below */
    const char *keys[FAMILY_WORDS], *args[FAMILY_WORDS], *env[FAMILY_WORDS];
    const char *want;    /* the words joined with blanks; NULL: an error … */
    const char *mention; /* … or a warning, in which this stands; NULL: no warning at all */
};

extern const struct family_line family_lines[], family_lines_more[];
extern const size_t family_line_count, family_line_more_count;

#endif
