/* What a guest would be told, printed: recognition and command lines of the families, for tests and by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle/image.h"
#include "lib/cleanup.h"
#include "lib/err.h"

static const char usage[] =
    "family_driver FILE [OPTION…] [-- ARGUMENT…]\n"
    "  prints family, kinds, machine, keys and evidence of the image to stderr, and the guest's command "
    "line, each word "
    "a line, to stdout\n"
    "  --family NAME --kind KIND  instead of what the image says\n"
    "  --join                     the words joined with blanks, without a newline\n"
    "  --env NAME=VALUE --cwd DIR --hostname NAME --dns ADDRESS --virtio N --emulated\n"
    "  --net IPV4/PREFIX,GATEWAY  a device, again for more; empty parts are none\n"
    "  --9p TAG:PATH --disk FSTYPE:PATH --initrd PATH   mounts\n";

#define MANY 8

struct input {
    const char *family, *kind;
    bool join;
    struct rk_argv env, args, warnings;
    struct bnd_guest_net nets[MANY];
    struct bnd_guest_mount mounts[MANY];
    struct bnd_guest guest;
};

static void die(const char *what)
{
    fprintf(stderr, "family_driver: %s\n%s", what, usage);
    exit(2);
}

static void add_net(struct input *in, const char *text)
{
    static const char *const names[MANY] = {"eth0", "eth1", "eth2", "eth3", "eth4", "eth5", "eth6", "eth7"};
    if (in->guest.net_count == MANY)
        die("too many devices");
    struct bnd_guest_net *net = &in->nets[in->guest.net_count];
    net->device = names[in->guest.net_count++];
    net->mtu = 1500;
    sscanf(text, "%15[0-9.]/%u,%15[0-9.]", net->ipv4, &net->ipv4_prefix, net->ipv4_gateway);
}

static void add_mount(struct input *in, enum bnd_mount_kind kind, char *text)
{
    if (in->guest.mount_count == MANY)
        die("too many mounts");
    struct bnd_guest_mount *m = &in->mounts[in->guest.mount_count++];
    char *colon = kind == BND_MOUNT_INITRD ? NULL : strchr(text, ':');
    *m = (struct bnd_guest_mount){
        .kind = kind, .tag = text, .fstype = text, .destination = colon ? colon + 1 : text};
    if (colon)
        *colon = '\0';
}

/* The option at argv[0]; how many words it took. */
static int take_option(struct input *in, char **argv)
{
    const char *name = argv[0] + 2;
    char *value = argv[1];
    if (strcmp(name, "join") == 0)
        return in->join = true, 1;
    if (strcmp(name, "emulated") == 0)
        return in->guest.emulated = true, 1;
    if (!value)
        die(argv[0]);
    if (strcmp(name, "family") == 0)
        in->family = value;
    else if (strcmp(name, "kind") == 0)
        in->kind = value;
    else if (strcmp(name, "env") == 0)
        rk_argv_add(&in->env, value);
    else if (strcmp(name, "cwd") == 0)
        in->guest.cwd = value;
    else if (strcmp(name, "hostname") == 0)
        in->guest.hostname = value;
    else if (strcmp(name, "dns") == 0)
        in->guest.dns = value;
    else if (strcmp(name, "virtio") == 0)
        in->guest.virtio_count = strtoul(value, NULL, 10);
    else if (strcmp(name, "net") == 0)
        add_net(in, value);
    else if (strcmp(name, "9p") == 0)
        add_mount(in, BND_MOUNT_9P, value);
    else if (strcmp(name, "disk") == 0)
        add_mount(in, BND_MOUNT_DISK, value);
    else if (strcmp(name, "initrd") == 0)
        add_mount(in, BND_MOUNT_INITRD, value);
    else
        die(argv[0]);
    return 2;
}

static void show_image(const struct bnd_image *image, enum bnd_kind kind, const struct bnd_family *family)
{
    const struct bnd_machine *machine = family && family->machine ? family->machine(kind) : NULL;
    fprintf(stderr, "family %s\nkinds", family ? family->name : "none");
    for (int k = 0; k < BND_KIND_COUNT; k++)
        if (image->boot.kinds & BND_KIND_BIT(k))
            fprintf(stderr, " %s", bnd_kind_name((enum bnd_kind)k));
    fprintf(stderr, "\nmachine %s\n", machine ? machine->type : "none");
    if (image->boot.obstacle[0])
        fprintf(stderr, "obstacle %s\n", image->boot.obstacle);
    for (size_t i = 0; i < image->keys.n; i++)
        fprintf(stderr, "key %s\n", image->keys.v[i]);
    for (size_t i = 0; i < image->boot.evidence_count; i++)
        fprintf(stderr, "seen 0x%llx %s\n", (unsigned long long)image->boot.evidence[i].offset,
                image->boot.evidence[i].what);
}

static enum bnd_kind choose_kind(const struct input *in, const struct bnd_image *image,
                                 const struct bnd_family *family)
{
    for (int k = 0; k < BND_KIND_COUNT; k++) {
        enum bnd_kind kind = (enum bnd_kind)k;
        bool tender = kind == BND_HVT || kind == BND_SPT;
        if (in->kind && strcmp(in->kind, bnd_kind_name(kind)) == 0)
            return kind;
        if (!in->kind && (image->boot.kinds & BND_KIND_BIT(k)) &&
            (tender || (family && family->machine && family->machine(kind))))
            return kind;
    }
    return BND_KIND_COUNT;
}

static int print_words(const struct rk_argv *words, bool join)
{
    for (size_t i = 0; i < words->n; i++)
        printf("%s%s%s", join && i > 0 ? " " : "", words->v[i], join ? "" : "\n");
    return fflush(stdout) == 0 ? 0 : 1;
}

static int run(struct input *in, const char *path)
{
    struct rk_err err = {0};
    struct bnd_image image;
    rk_autoargv struct rk_argv words = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? rk_fail_errno(&err, "open '%s'", path) : bnd_image_read(&image, fd, path, NULL, &err);
    if (r <= 0) {
        fprintf(stderr, "%s\n", r < 0 ? err.text : "not a unikernel");
        rk_close(&fd);
        return r < 0 ? 1 : 3;
    }
    const struct bnd_family *family = in->family ? bnd_family_find(in->family) : image.family;
    in->guest.kind = choose_kind(in, &image, family);
    show_image(&image, in->guest.kind, family);
    if (!family || in->guest.kind == BND_KIND_COUNT) {
        bnd_image_fini(&image);
        return 3;
    }
    in->guest.program = path;
    in->guest.args = &in->args;
    in->guest.env = &in->env;
    in->guest.keys = &image.keys;
    in->guest.nets = in->nets;
    in->guest.mounts = in->mounts;
    in->guest.warnings = &in->warnings;
    r = bnd_family_cmdline(family, &in->guest, &words, &err);
    for (size_t i = 0; i < in->warnings.n; i++)
        fprintf(stderr, "warning %s\n", in->warnings.v[i]);
    if (r < 0)
        fprintf(stderr, "error %s\n", err.text);
    bnd_image_fini(&image);
    return r < 0 ? 1 : print_words(&words, in->join);
}

int main(int argc, char **argv)
{
    static struct input in;
    int i = 2;
    if (argc < 2)
        die("no file");
    while (i < argc && strncmp(argv[i], "--", 2) == 0 && argv[i][2])
        i += take_option(&in, argv + i);
    if (i < argc && strcmp(argv[i], "--") != 0)
        die(argv[i]);
    for (i++; i < argc; i++)
        rk_argv_add(&in.args, argv[i]);
    int status = run(&in, argv[1]);
    rk_argv_fini(&in.args);
    rk_argv_fini(&in.env);
    rk_argv_fini(&in.warnings);
    return status;
}
