/* runuk-init: what its parts share. It is process 1 of a guest that belongs to the user: nothing here
 * protects the guest from its own program. */
#ifndef INI_INIT_H
#define INI_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/told.h"

#define INI_MAX 4096 /* arguments, variables */

/* What is to be run. Strings are the configuration's. */
struct ini_program {
    char *args[INI_MAX + 1], *env[INI_MAX + 1];
    size_t arg_count, env_count;
    const char *cwd;
    uid_t uid;
    gid_t gid, groups[64];
    size_t group_count;
    bool tty;
    bool readonly; /* the root */
};

/* One line on the console. */
void ini_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ask for the ports that are used here. */
int ini_ports_open(void);

/* The content of a file of QEMU's firmware configuration device as heap memory with a NUL behind it; NULL
 * when there is none of that name. */
char *ini_ports_read(const char *name, size_t *ret_len);

/* What is mounted by the configuration. A disk, by its file system, or as what is below /dev; a tmpfs; the
 * root read-only. What can't be is said on the console, and the program runs without. */
void ini_mount_disk(unsigned index, const char *fstype, bool readonly, const char *target);
void ini_mount_tmpfs(const char *options, const char *target);
void ini_mount_readonly(void);

/* A directory that QEMU shares under that tag. Without it the machine ends: what the program writes there is
 * to be kept. */
void ini_mount_share(const char *tag, bool readonly, const char *target);

/* Make the files on that disk, which are only read, the root, under files in memory that take what is
 * written, and load drivers again from there. Ends the machine when it can't; without the kernel's overlay
 * the root is read-only, which is said when it is to be `writable`. */
void ini_root_enter(unsigned index, const char *fstype, bool writable);

/* The same with a directory that QEMU shares under that tag. */
void ini_root_enter_share(const char *tag, bool writable);

/* End all other processes and unmount the disks, so that the next to mount them finds them whole. */
void ini_mounts_end(void);

/* Make the directories above a path. */
void ini_make_parents(const char *path);

/* End the machine with that exit status. */
_Noreturn void ini_ports_end(int status);

/* Do what the configuration says: host name, links, addresses, routes, files; and fill *ret_program. */
void ini_config_apply(struct ini_program *ret_program);

/* Load the drivers of what QEMU gives a guest, where the kernel has them as modules below /lib/modules. */
void ini_modules_load(void);

/* The same for directories that QEMU shares, and how these are mounted: with the largest request that virtio
 * takes. */
void ini_modules_load_shares(void);
#define INI_SHARE_OPTIONS "trans=virtio,version=9p2000.L,msize=512000"

/* The link of that MAC: its name, or false. */
bool ini_net_find(char name[16], const uint8_t mac[6]);
void ini_net_raise(const char *link, unsigned mtu);
void ini_net_address(const char *link, const char *address);
void ini_net_route(const char *link, const char *destination, const char *gateway);

/* The program's input on its way from the host. */
struct ini_input {
    int port;    /* -1: there is none, or no more */
    int program; /* what the program reads; -1: the terminal */
    int feed;    /* the other end of that */
    char message[RK_INPUT_HEAD + RK_INPUT_MAX];
    size_t length, taken; /* of the message: received; of its text: passed on */
};

/* Open the port, and ask for a first message. Without a port the program's input is empty. */
void ini_input_open(struct ini_input *input, bool tty);
void ini_input_close(struct ini_input *input);

/* Whether a message waits for room in the program's input: poll(2) that, else the port. */
bool ini_input_is_full(const struct ini_input *input);

/* Take what there is, and pass it on, without blocking. */
void ini_input_serve(struct ini_input *input);

/* Run the program, reap what it leaves, pass the power button on as SIGTERM. Its exit status, 128 + the
 * signal that killed it. */
int ini_run(const struct ini_program *program);

#endif
