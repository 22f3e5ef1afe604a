/* The relay's system calls: a poll, datagrams in and out on its own sockets, their
 * connecting anew, random numbers, and the
 * end. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/bpf.h"
#include "netplumb/relay/relay.h"

#define ADDRESS_SPACE (16UL << 20) /* bytes; what it has by now is a quarter of that */

/* The number of files stays: a descriptor above it could not be polled. */
static int set_limits(struct rk_err *err)
{
    static const struct {
        __rlimit_resource_t what;
        rlim_t most;
    } limits[] = {
        {RLIMIT_FSIZE, 0},   {RLIMIT_NPROC, 0},          {RLIMIT_CORE, 0},
        {RLIMIT_MEMLOCK, 0}, {RLIMIT_AS, ADDRESS_SPACE},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit now;
        if (getrlimit(limits[i].what, &now) < 0)
            return rk_fail_errno(err, "look at resource limits");
        /* The container's own may be lower. */
        rlim_t most = now.rlim_max < limits[i].most ? now.rlim_max : limits[i].most;
        now = (struct rlimit){most, most};
        if (setrlimit(limits[i].what, &now) < 0)
            return rk_fail_errno(err, "set resource limits");
    }
    return 0;
}

/* recv and send with a pinned descriptor, no more than `buffer` bytes, one set of flags, and no address. */
static void allow_socket(struct bpf_filter *filter, int fd, size_t buffer)
{
    const struct bpf_arg in[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = (uint64_t)fd},
        {.index = 2, .compare = BPF_AT_MOST, .value = buffer},
        {.index = 3, .compare = BPF_EQUAL, .value = MSG_DONTWAIT | MSG_TRUNC},
        {.index = 4, .compare = BPF_EQUAL, .value = 0},
    };
    const struct bpf_arg out[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = (uint64_t)fd},
        {.index = 2, .compare = BPF_AT_MOST, .value = buffer},
        {.index = 3, .compare = BPF_EQUAL, .value = MSG_DONTWAIT | MSG_NOSIGNAL},
        {.index = 4, .compare = BPF_EQUAL, .value = 0},
    };
    bpf_allow(filter, SYS_recvfrom, in, sizeof in / sizeof in[0]);
    bpf_allow(filter, SYS_sendto, out, sizeof out / sizeof out[0]);
}

static void allow_connect(struct bpf_filter *filter, int fd, const union rly_address *to, socklen_t size)
{
    const struct bpf_arg args[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = (uint64_t)fd},
        {.index = 1, .compare = BPF_EQUAL, .value = (uint64_t)(uintptr_t)to},
        {.index = 2, .compare = BPF_EQUAL, .value = size},
    };
    bpf_allow(filter, SYS_connect, args, sizeof args / sizeof args[0]);
}

/* To its own resolver, anew, and to no other: the addresses lie where nobody can write any more. */
static void allow_resolver(struct bpf_filter *filter, const struct rly_config *config, size_t server)
{
    const struct rly_places *places = config->places;
    int fd = config->servers[server];
    allow_connect(filter, fd, &places->nowhere, sizeof places->nowhere.any);
    allow_connect(filter, fd, &places->servers[server], rly_address_size(&places->servers[server]));
}

int rly_confine(const struct rly_config *config, const void *set, size_t count, size_t buffer,
                struct rk_err *err)
{
    struct bpf_filter filter;
    int r = set_limits(err);
    if (r < 0)
        return r;
    if (mprotect(config->places, sizeof *config->places, PROT_READ) < 0)
        return rk_fail_errno(err, "protect addresses");
    const struct bpf_arg wait[] = {
        {.index = 0, .compare = BPF_EQUAL, .value = (uint64_t)(uintptr_t)set},
        {.index = 1, .compare = BPF_EQUAL, .value = count},
    };
    bpf_begin(&filter);
    bpf_allow(&filter, SYS_poll, wait, sizeof wait / sizeof wait[0]);
    for (size_t i = 0; i < config->net_count; i++)
        allow_socket(&filter, config->nets[i].fd, buffer);
    for (size_t i = 0; i < config->server_count; i++)
        allow_socket(&filter, config->servers[i], buffer);
    for (size_t i = 0; i < config->server_count; i++)
        allow_resolver(&filter, config, i);
    const struct bpf_arg random[] = {
        {.index = 1, .compare = BPF_AT_MOST, .value = sizeof(uint16_t)},
        {.index = 2, .compare = BPF_EQUAL, .value = 0},
    };
    bpf_allow(&filter, SYS_getrandom, random, sizeof random / sizeof random[0]);
    /* Where the kernel gives programs no clock of their own. */
    bpf_allow_first(&filter, SYS_clock_gettime, CLOCK_MONOTONIC);
    /* How the kernel goes on with a poll that a freezer or a debugger has interrupted. */
    bpf_allow_any(&filter, SYS_restart_syscall);
    bpf_allow_any(&filter, SYS_exit_group);
    bpf_allow_first(&filter, SYS_close, STDERR_FILENO);
    return bpf_arm(&filter, err);
}
