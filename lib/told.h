/* What runuk-init, process 1 of a Linux guest, is told: a file of QEMU's firmware configuration device, which
 * holds strings one after the other, each with its NUL. Each is a word, a blank, and what the word says:
 *
 *   root INDEX FSTYPE ro|rw     the disk that has the container's files, when the initial ram disk has not;
 *                               what is written goes to memory
 *   root-share TAG ro|rw        the same with a directory that QEMU shares under that tag, by 9p
 *   hostname NAME
 *   net MAC MTU                 a network device ("02:42:ac:11:00:02"); what follows is about it
 *   address ADDRESS/PREFIX      IPv4 or IPv6
 *   route DESTINATION/PREFIX GATEWAY    or "-" for one without; the default routes are 0.0.0.0/0 and ::/0
 *   file PATH                   the next of the files RK_TOLD_FILES 0, 1, … belongs there
 *   dns ADDRESS                 takes the place of name servers on loopback in /etc/resolv.conf
 *   disk INDEX FSTYPE ro|rw PATH    is to be mounted there; what belongs below /dev gets that name instead
 *   share TAG ro|rw PATH        the directory that QEMU shares under that tag, by 9p, belongs there
 *   tmpfs OPTIONS PATH          belongs there: words of mount(8) with commas between them, or "-"
 *   readonly 1                  the root is, once all of this is done
 *   tty 1                       the console is a terminal
 *   user UID, group GID, and more GID   of the program: as numbers; the first group is its own
 *   cwd PATH
 *   env NAME=VALUE
 *   arg WORD                    the program and its arguments, in order
 */
#ifndef RK_TOLD_H
#define RK_TOLD_H

#define RK_TOLD_NAME  "opt/org.runuk/told"  /* what is told, in hexadecimal digits */
#define RK_TOLD_FILES "opt/org.runuk/file/" /* and a number */
#define RK_TOLD_INIT  "/.runuk-init"        /* where it is in the guest */

/* The kernel's modules without which the container's files can't be reached, when they are on a disk. */
#define RK_TOLD_ROOT_MODULES "virtio_pci", "virtio_mmio", "virtio_blk", "isofs", "overlay"

/* And those for directories that are shared. */
#define RK_TOLD_SHARE_MODULES "9p", "9pnet_virtio"

/* The port that takes the exit status: the status itself, RK_TOLD_SUCCESS for 0. What does not fit (from
 * RK_TOLD_SUCCESS on) is said on the console, in this line, before. */
#define RK_TOLD_PORT    0xf4
#define RK_TOLD_SUCCESS 127
#define RK_TOLD_LINE    "runuk-init: the program ended with status %d"

/* The second serial port carries the program's input, since the first, the console, would lose what comes
 * before somebody reads it, and has no end. The guest says RK_INPUT_MORE when it has room for a message, and
 * gets one: its type, its length (two bytes, the higher one first), and so many bytes. A guest with a
 * terminal gets its size only: rows and columns, two bytes each. */
#define RK_INPUT_MORE 'm'
#define RK_INPUT_DATA 'D'
#define RK_INPUT_END  'E' /* of the input */
#define RK_INPUT_SIZE 'S'
#define RK_INPUT_HEAD 3
#define RK_INPUT_MAX  2048 /* bytes of a message; the kernel keeps 4096 for whoever reads the port */

#endif
