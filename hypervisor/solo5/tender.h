/* What both monitors share: the command line of a Solo5 tender, the image that it names, the devices that it
 * attaches.
 *
 * A monitor is its process: what is opened here is given back by its end, or closed by name before the guest
 * runs. */
#ifndef TDR_TENDER_H
#define TDR_TENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/solo5.h"

#define TDR_CMDLINE_SIZE 8192 /* the guest's command line, NUL included */
#define TDR_MIB          (UINT64_C(1) << 20)

enum tdr_action {
    TDR_RUN,
    TDR_HELP,
    TDR_VERSION,
    TDR_PROBE, /* hvt only */
};

/* What the options say of one manifest entry, and what it has been attached to. */
struct tdr_device {
    const char *source; /* "@FD", an interface, a path; NULL: not attached */
    bool has_mac;
    uint8_t mac[6];
    uint32_t mtu;    /* bytes; 0: ask the interface */
    uint32_t sector; /* bytes */
    int fd;
    bool writable;
};

struct tender {
    enum rk_solo5_target target;
    enum tdr_action action;
    bool bad_option;       /* the error is the command line's: show the usage too */
    bool exec_heap;        /* spt: guest memory is executable */
    const char *kvm;       /* hvt: "@FD"; NULL: /dev/kvm */
    const char *figures;   /* hvt: "@FD" of the file to count in; NULL: none */
    uint64_t mem;          /* bytes */
    char *const *args;     /* the guest's arguments, NULL-terminated */
    struct rk_source file; /* the image; its descriptor is open */
    struct rk_solo5_image image;
    struct tdr_device devices[RK_SOLO5_MFT_ENTRIES]; /* by handle; [0] is unused */
};

/* Understand argv, open and read the image that it names, and judge every option against its manifest. On
 * success tender->action says what is wanted; only for TDR_RUN is there an image. */
int tdr_parse(struct tender *tender, enum rk_solo5_target target, char *const *argv, struct rk_err *err);

/* Open what the options name and complete the manifest: capacity and block size, MAC and MTU, host
 * descriptor, attached. A device that the manifest declares and no option attaches is an error. */
int tdr_attach(struct tender *tender, struct rk_err *err);

/* The number in "@N"; -EINVAL for anything else, -EBADF (with a text) when that descriptor is not open. */
int tdr_inherited_fd(const char *source, struct rk_err *err);

/* A decimal number of digits only, at most `max`. -EINVAL, without a text, for anything else. */
int tdr_number(uint64_t *ret_number, const char *text, uint64_t max);

/* Join the arguments with blanks into `to`. -E2BIG when they and the NUL take more than TDR_CMDLINE_SIZE
 * bytes. */
int tdr_write_cmdline(char *to, char *const *args, struct rk_err *err);

/* Write "runuk-TARGET: text" and a newline to stderr, in one piece. */
void tdr_say(const struct tender *tender, const char *text);

/* Print what --help, --version or a failure calls for; returns the exit status. For all that does not run a
 * guest. */
int tdr_finish(const struct tender *tender, const struct rk_err *err);

/* Nobody without CAP_SYS_PTRACE over this process may trace it, or read its memory or what /proc has of it:
 * the monitors of many containers may run as one user. It also leaves no core dump (PR_SET_DUMPABLE,
 * prctl(2)). */
int tdr_hide(struct rk_err *err);

/* End the process with 128 + signal on SIGTERM, SIGINT, SIGQUIT and SIGHUP, and unblock all signals. Handlers
 * are needed although the effect is nearly the default one: the first process of a pid namespace ignores
 * signals without. They run on a stack of their own and use no thread-local storage: an spt guest owns the
 * stack and the thread pointer. */
int tdr_handle_signals(struct rk_err *err);

#endif
