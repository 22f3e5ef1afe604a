/* What a guest is to be told: its arguments and environment, the network as it was found, and the file
 * systems that it is to mount; plain types that families read. */
#ifndef BND_GUEST_H
#define BND_GUEST_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundle/boot.h"
#include "lib/argv.h"

/* A network device of the guest, or (device NULL) a link that no device stands for. Texts are empty when
 * there is none. */
struct bnd_guest_net {
    const char *device; /* the name in the manifest; without a manifest, the link's own name */
    char link[IF_NAMESIZE];
    char ipv4[INET_ADDRSTRLEN], ipv4_gateway[INET_ADDRSTRLEN];
    char ipv6[INET6_ADDRSTRLEN], ipv6_gateway[INET6_ADDRSTRLEN];
    unsigned ipv4_prefix, ipv6_prefix; /* bits */
    uint8_t mac[6];
    unsigned mtu;
};

/* A route beside the default ones. */
struct bnd_guest_route {
    char destination[INET6_ADDRSTRLEN + 4]; /* "10.1.0.0/16", "fd00:1::/48" */
    char gateway[INET6_ADDRSTRLEN];
    size_t net; /* of which of the guest's nets */
};

enum bnd_mount_kind {
    BND_MOUNT_DISK,   /* a block device of the guest */
    BND_MOUNT_9P,     /* a directory, shared by 9p over virtio */
    BND_MOUNT_INITRD, /* the initial ram disk, a cpio archive: `destination` is where it belongs, "/" mostly
                       */
};

/* A file system that the guest is to mount. */
struct bnd_guest_mount {
    enum bnd_mount_kind kind;
    const char *tag;         /* 9p: the mount tag. Else unused */
    unsigned index;          /* disk: the how many-th of the guest's disks, from 0 */
    const char *fstype;      /* disk: "ext4", "erofs", "iso9660", …. Else unused */
    const char *destination; /* absolute; "/" for the root file system */
    bool readonly;
};

struct rk_err;

/* Lists may be NULL: empty. */
struct bnd_guest {
    enum bnd_kind kind;         /* how it is booted */
    const char *program;        /* the image's path in the container: what a process would have as argv[0] */
    const struct rk_argv *args; /* process.args without the image itself */
    bool verbatim;             /* args is one string, the user's part of the command line: it is not quoted */
    const struct rk_argv *env; /* process.env, "NAME=VALUE" */
    const char *cwd;           /* process.cwd */
    const struct rk_argv *keys; /* the option names that the image contains, of those its family knows */
    const char *hostname;
    const char *dns;                /* the first name server of the container's resolv.conf; empty: none */
    const struct rk_argv *dns_more; /* its further name servers */
    const struct rk_argv *search;   /* its search domains */
    const struct bnd_guest_net *nets;
    size_t net_count;
    const struct bnd_guest_route *routes;
    size_t route_count;
    const struct bnd_guest_mount *mounts;
    size_t mount_count;
    /* Virtio devices of whatever class, for machines whose bus is BND_BUS_MMIO: there the first -device of
     * QEMU's command line is in the last slot, and so on downwards. */
    size_t virtio_count;
    /* The guest's process 1 is runuk's (lib/told.h), and what it needs to know beside the above. */
    bool own_init;
    bool terminal;               /* the console is one */
    const struct rk_argv *user;  /* process.user: uid, gid, further groups */
    const struct rk_argv *files; /* where the engine's files belong, in the order of their numbers */
    const struct rk_argv *tmpfs; /* where there is to be one: options, or "-", a blank, and the path */
    bool root_readonly;
    bool emulated; /* by TCG: there is no hardware virtualisation below the guest */
    /* What the guest can't be told, one line each: cmdline appends, the caller logs. NULL: nobody asks. */
    struct rk_argv *warnings;
};

/* Fill the placeholders of one argument: {ipv4}, {ipv4.cidr}, {ipv4.prefix}, {ipv4.netmask}, {ipv4.gateway},
 * the same with ipv6 (no netmask), {mac}, {mtu} for the first device, {NAME.ipv4} … for the device NAME,
 * {hostname}, {dns}; "{{" is one brace; any other brace stays. *ret is heap memory. -EINVAL when a
 * placeholder has no value here, naming it and the argument. */
int bnd_guest_fill(char **ret, const char *arg, const struct bnd_guest *guest, struct rk_err *err);

#endif
