/* Fault points, in the build for tests only. */
#include "lib/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define END_MS   10000
#define LOG_SIZE 65536 /* bytes */

/* Shared memory, since the container's first process has neither files nor descriptors to write to. */
struct log {
    char text[LOG_SIZE - sizeof(uint32_t)];
    uint32_t used;
};

static struct rk_process victim;
static struct log *passed;

void rk_fault_process(const struct rk_process *process)
{
    victim = *process;
}

static struct log *open_log(const char *path)
{
    rk_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, LOG_SIZE) < 0)
        abort();
    void *map = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    return map;
}

static void note(const char *point)
{
    const char *path = getenv("RUNUK_FAULT_LOG");
    size_t len = strlen(point) + 1;
    if (!passed && path)
        passed = open_log(path);
    if (!passed)
        return;
    uint32_t at = __atomic_fetch_add(&passed->used, (uint32_t)len, __ATOMIC_SEQ_CST);
    if (at + len > sizeof passed->text)
        abort();
    memcpy(passed->text + at, point, len - 1);
    passed->text[at + len - 1] = '\n';
}

/* SIGKILL to the container's process, and wait until it has ended. */
static void end_victim(void)
{
    rk_autoclose int pidfd = rk_process_open(&victim);
    if (pidfd >= 0 && rk_process_signal(pidfd, SIGKILL) == 0)
        rk_process_wait(pidfd, END_MS);
}

void rk_fault(const char *point)
{
    const char *wanted = getenv("RUNUK_FAULT"), *action = getenv("RUNUK_FAULT_ACTION");
    note(point);
    if (!wanted || strcmp(wanted, point) != 0)
        return;
    if (action && strcmp(action, "process") == 0) {
        end_victim();
        return;
    }
    while (action && strcmp(action, "wait") == 0)
        pause();
    kill(getpid(), SIGKILL);
    _exit(128 + SIGKILL); /* process 1 of a namespace can't kill itself */
}
