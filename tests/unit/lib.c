/* The edges of lib's helpers: arrays, errors, files, processes, messages. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/argv.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/json.h"
#include "lib/message.h"
#include "lib/process.h"
#include "tests/unit/tap.h"

static char top[] = "/tmp/runuk-unit-XXXXXX";

static void test_argv(void)
{
    struct rk_argv a = {0};
    bool good = true;
    rk_argv_fini(&a);
    for (int i = 0; i < 1000; i++) {
        good = good && rk_argv_addf(&a, "%d", i) == 0 && a.n == (size_t)i + 1 && a.v[a.n] == NULL;
        good = good && atoi(a.v[i / 2]) == i / 2;
    }
    tap_ok(good, "argv: a thousand strings, NULL behind them at any time");
    rk_argv_fini(&a);
    tap_ok(!a.v && a.n == 0 && rk_argv_add(&a, "") == 0 && a.n == 1 && !a.v[1],
           "argv: usable again after fini");
    rk_argv_fini(&a);
}

static void test_err(void)
{
    struct rk_err err = {0};
    char lengthy[RK_ERR_TEXT * 2];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    tap_ok(rk_fail(NULL, -EINVAL, "x") == -EINVAL, "err: without an object the code is passed on");
    errno = EACCES;
    tap_ok(rk_fail_errno(&err, "open '%s'", "f") == -EACCES && err.code == -EACCES &&
               strcmp(err.text, "open 'f': Permission denied") == 0,
           "err: errno's text is behind");
    tap_ok(rk_wrap(&err, "start '%s'", "web") == -EACCES &&
               strcmp(err.text, "start 'web': open 'f': Permission denied") == 0,
           "err: context goes in front");
    rk_fail(&err, -EIO, "%s", lengthy);
    tap_ok(strlen(err.text) == RK_ERR_TEXT - 1 && rk_wrap(&err, "a") == -EIO &&
               strncmp(err.text, "a: x", 4) == 0 && strlen(err.text) == RK_ERR_TEXT - 1 &&
               rk_wrap(&err, "%s", lengthy) == -EIO && strlen(err.text) == RK_ERR_TEXT - 1,
           "err: long texts are cut, not overrun");
}

static bool has(int dir, const char *name, const char *want)
{
    rk_autofree char *text = NULL;
    size_t len = 0;
    return rk_read_file_at(dir, name, 100, &text, &len) == 0 && len == strlen(want) &&
           strcmp(text, want) == 0;
}

static void test_write_atomic(int dir)
{
    struct stat st;
    tap_ok(rk_write_file_atomic(dir, "file", "old", 3, 0600) == 0 && has(dir, "file", "old") &&
               fstatat(dir, "file", &st, 0) == 0 && (st.st_mode & 07777) == 0600,
           "write: a new file with its mode");
    tap_ok(linkat(dir, "file", dir, "hard", 0) == 0 &&
               rk_write_file_atomic(dir, "file", "new", 3, 0600) == 0 && has(dir, "file", "new") &&
               has(dir, "hard", "old"),
           "write: another name of the old file keeps the old content");
    tap_ok(symlinkat("hard", dir, "soft") == 0 && rk_write_file_atomic(dir, "soft", "x", 1, 0600) == 0 &&
               has(dir, "soft", "x") && has(dir, "hard", "old") &&
               fstatat(dir, "soft", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode),
           "write: a symbolic link is replaced, not followed");
    tap_ok(rk_write_file_atomic(dir, "missing/file", "x", 1, 0600) == -ENOENT,
           "write: a missing directory is an error");
    tap_ok(mkdirat(dir, "sub", 0700) == 0 && rk_write_file_atomic(dir, "sub/file", "", 0, 0600) == 0 &&
               has(dir, "sub/file", ""),
           "write: into a directory below, an empty file");
    tap_ok(rk_write_file_atomic(dir, "sub", "x", 1, 0600) == -EISDIR &&
               faccessat(dir, "sub/file", F_OK, 0) == 0,
           "write: a directory is not replaced");
    char name[NAME_MAX + 1];
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    tap_ok(rk_write_file_atomic(dir, name, "x", 1, 0600) == 0 && has(dir, name, "x"),
           "write: the longest name");
    /* Whoever killed us before the rename left its temporary file: ours, since the pid is. */
    char leftover[64];
    snprintf(leftover, sizeof leftover, ".file.%d", (int)getpid());
    rk_autoclose int fd = openat(dir, leftover, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    tap_ok(fd >= 0 && rk_write_file_atomic(dir, "file", "y", 1, 0600) == 0 && has(dir, "file", "y") &&
               faccessat(dir, leftover, F_OK, 0) < 0,
           "write: a leftover of an earlier try is in nobody's way");
}

static void test_read(int dir)
{
    rk_autofree char *text = NULL;
    char big[10000];
    memset(big, 'b', sizeof big);
    rk_write_file_atomic(dir, "big", big, sizeof big, 0600);
    tap_ok(rk_read_file_at(dir, "big", sizeof big - 1, &text, NULL) == -EFBIG && !text,
           "read: one byte more than allowed");
    size_t len = 0;
    tap_ok(rk_read_file_at(dir, "big", sizeof big, &text, &len) == 0 && len == sizeof big &&
               text[len] == '\0' && memcmp(text, big, len) == 0,
           "read: exactly as much as allowed, over several buffers");
    tap_ok(rk_read_file_at(dir, "nothing", 1, &text, NULL) == -ENOENT, "read: a missing file");
    tap_ok(mkfifoat(dir, "pipe", 0600) == 0 && has(dir, "pipe", ""),
           "read: a FIFO without a writer does not block");
}

static void test_open_in_root(int dir)
{
    char fd_path[40];
    tap_ok(symlinkat("/../../file", dir, "up") == 0 && symlinkat("loop", dir, "loop") == 0,
           "root: links to follow");
    rk_autoclose int up = rk_open_in_root(dir, "up", O_RDONLY);
    rk_autoclose int file = rk_open_in_root(dir, "/sub/../../../file", O_RDONLY);
    tap_ok(up >= 0 && file >= 0 && rk_same_file(up, file) && (fcntl(file, F_GETFD) & FD_CLOEXEC),
           "root: '..' and absolute links stay below");
    tap_ok(rk_open_in_root(dir, "/etc/passwd", O_RDONLY) == -ENOENT, "root: an absolute path is below, too");
    tap_ok(rk_open_in_root(dir, "loop", O_RDONLY) == -ELOOP, "root: a loop ends");
    rk_autoclose int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", file);
    tap_ok(slash >= 0 && rk_open_in_root(slash, fd_path, O_RDONLY) == -ELOOP &&
               rk_open_in_root(slash, "/proc/self/root/etc", O_PATH) == -ELOOP,
           "root: magic links are refused");
    rk_autoclose int regular = rk_open_regular_in_root(dir, "up", O_RDONLY);
    tap_ok(regular >= 0 && rk_same_file(regular, file) && (fcntl(regular, F_GETFD) & FD_CLOEXEC),
           "regular: a file opens");
    tap_ok(rk_open_regular_in_root(dir, "pipe", O_RDONLY) == -ENODEV &&
               rk_open_regular_in_root(dir, "sub", O_RDONLY) == -EISDIR &&
               rk_open_regular_in_root(dir, "nothing", O_RDONLY) == -ENOENT,
           "regular: a FIFO, a directory and nothing do not");
    rk_autoclose int path_only = openat(dir, "file", O_PATH | O_CLOEXEC);
    unlinkat(dir, "file", 0);
    rk_autoclose int again = rk_reopen(path_only, O_RDWR);
    tap_ok(again >= 0 && rk_same_file(again, path_only), "reopen: the inode, not the name");
    tap_ok(!rk_same_file(again, dir) && !rk_same_file(again, -1), "same file: another one, and none");
}

static void test_directories(int dir)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/a/b//c/", top);
    tap_ok(rk_mkdir_parents(path, 0700) == 0 && fstatat(dir, "a/b/c", &st, 0) == 0 &&
               (st.st_mode & 07777) == 0700 && rk_mkdir_parents(path, 0700) == 0,
           "mkdir: all that is missing, and once more");
    snprintf(path, sizeof path, "%s/big/x", top);
    tap_ok(rk_mkdir_parents(path, 0700) == -ENOTDIR, "mkdir: below a file");
    tap_ok(symlinkat("/etc", dir, "a/b/link") == 0 && symlinkat("nowhere", dir, "a/dangling") == 0,
           "remove: links are there");
    tap_ok(rk_remove_children(dir) == 0 && access("/etc/passwd", F_OK) == 0 && rmdir(top) == 0,
           "remove: everything below, links not followed");
}

/* A mount needs root, and a namespace that takes it along when this program ends. */
static void test_remove_mount(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/mnt/stays", top);
    if (rk_mkdir_parents(path, 0700) < 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 || mount("none", path, "tmpfs", 0, NULL) < 0) {
        printf("# no mounts for this user\n");
        return;
    }
    snprintf(path, sizeof path, "%s/mnt", top);
    rk_autoclose int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* as this namespace has it */
    tap_ok(dir >= 0 && rk_write_file_atomic(dir, "stays/file", "x", 1, 0600) == 0 &&
               rk_write_file_atomic(dir, "goes", "x", 1, 0600) == 0 && rk_remove_children(dir) == -EXDEV &&
               has(dir, "stays/file", "x") && faccessat(dir, "goes", F_OK, 0) < 0,
           "remove: a mount is not entered, the rest goes");
    snprintf(path, sizeof path, "%s/mnt/stays", top);
    umount(path);
}

static void test_process(void)
{
    struct rk_process self, child;
    tap_ok(rk_process_get(&self, getpid()) == 0 && rk_process_alive(&self), "process: this one is alive");
    tap_ok(strlen(self.boot) == RK_BOOT_SIZE - 1, "process: it is of this boot");
    struct rk_process other_boot = self, unknown_boot = self;
    memset(other_boot.boot, '0', 8);
    *unknown_boot.boot = '\0';
    tap_ok(!rk_process_alive(&other_boot) && rk_process_open(&other_boot) == -ESRCH,
           "process: the same pid and start time of another boot are another process");
    tap_ok(rk_process_alive(&unknown_boot), "process: an unknown boot is not compared");
    struct rk_process recycled = {.pid = self.pid, .start = self.start + 1};
    tap_ok(!rk_process_alive(&recycled) && rk_process_open(&recycled) == -ESRCH,
           "process: another start, another process");
    tap_ok(rk_process_inner_pid(&self) == getpid(), "process: its own pid");
    const struct rk_process none = {0};
    tap_ok(!rk_process_alive(&none) && rk_process_open(&none) == -ESRCH, "process: pid 0 is none");
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    tap_ok(rk_process_get(&child, pid) == 0, "process: a child");
    rk_autoclose int pidfd = rk_process_open(&child);
    tap_ok(pidfd >= 0 && (fcntl(pidfd, F_GETFD) & FD_CLOEXEC) && rk_process_wait(pidfd, 0) == -ETIMEDOUT &&
               rk_process_signal(pidfd, 0) == 0,
           "process: it runs");
    tap_ok(rk_process_signal(pidfd, SIGKILL) == 0 && rk_process_wait(pidfd, 10000) == 0,
           "process: it is ended and waited for");
    tap_ok(!rk_process_alive(&child) && rk_process_open(&child) == -ESRCH, "process: a zombie is not alive");
    waitpid(pid, NULL, 0);
    tap_ok(rk_process_inner_pid(&child) == -ESRCH, "process: reaped, it has no pid of its own");
    tap_ok(rk_process_get(&child, pid) == -ESRCH && rk_process_signal(pidfd, SIGKILL) == -ESRCH,
           "process: reaped, it is gone");
}

static size_t open_descriptors(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void test_message(void)
{
    int pair[2], fds[RK_MESSAGE_FDS], sent[RK_MESSAGE_FDS];
    char data[16];
    size_t count = 99;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        tap_ok(false, "message: no socket pair");
        return;
    }
    size_t before = open_descriptors();
    for (size_t i = 0; i < RK_MESSAGE_FDS; i++)
        sent[i] = pair[0];
    tap_ok(rk_message_send(pair[0], "hello", 5, sent, RK_MESSAGE_FDS) == 0 &&
               rk_message_receive(pair[1], data, sizeof data, fds, &count) == 5 && count == RK_MESSAGE_FDS &&
               memcmp(data, "hello", 5) == 0 && rk_same_file(fds[63], pair[0]) &&
               (fcntl(fds[63], F_GETFD) & FD_CLOEXEC),
           "message: with as many descriptors as it takes");
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    tap_ok(rk_message_send(pair[0], "x", 1, sent, RK_MESSAGE_FDS + 1) == -E2BIG &&
               rk_message_send(pair[0], "x", RK_MESSAGE_SIZE + 1, NULL, 0) == -E2BIG,
           "message: too many descriptors, too many bytes");
    tap_ok(rk_message_send(pair[0], "x", 1, sent, 2) == 0 &&
               rk_message_receive(pair[1], data, sizeof data, NULL, NULL) == 1 &&
               open_descriptors() == before,
           "message: descriptors that nobody wants are closed");
    tap_ok(rk_message_send(pair[0], "more than fits into it", 22, sent, 2) == 0 &&
               rk_message_receive(pair[1], data, sizeof data, fds, &count) == -EMSGSIZE &&
               open_descriptors() == before,
           "message: a longer one is an error and leaves no descriptor");
    close(pair[0]);
    tap_ok(rk_message_receive(pair[1], data, sizeof data, fds, &count) == 0,
           "message: the end of the stream");
    tap_ok(rk_message_send(pair[1], "x", 1, NULL, 0) == -EPIPE,
           "message: nobody listens, and no signal comes");
    close(pair[1]);
}

/* The numbers of an array as rk_json_load and rk_json_number read them, each with a blank behind it; "error"
 * for what is no JSON. */
static const char *numbers(const char *text)
{
    static char out[256];
    struct rk_err err = {0};
    size_t used = 0, i;
    json_t *v;
    rk_autojson json_t *json = rk_json_load(text, strlen(text), &err);
    if (!json)
        return strstr(err.text, "line 1") ? "error" : "an error that names no line";
    out[0] = '\0';
    json_array_foreach(json, i, v)
    {
        int64_t n;
        used += (size_t)(rk_json_number(v, &n) ? snprintf(out + used, sizeof out - used, "%" PRId64 " ", n)
                                               : snprintf(out + used, sizeof out - used, "none "));
    }
    return out;
}

static void test_json(void)
{
    static const char *const cases[][2] = {
        {"[1,-9223372036854775808,9223372036854775807]", "1 -9223372036854775808 9223372036854775807 "},
        {"[1,18446744073709551615]", "1 9223372036854775807 "},
        {"[9007199254740992,-7,18446744073709551615]", "9007199254740992 -7 9223372036854775807 "},
        {"[\"18446744073709551615\",18446744073709551615]", "none 9223372036854775807 "},
        {"[-18446744073709551615,18446744073709551615]", "none 9223372036854775807 "},
        {"[1.5,2.0,true,null]", "none 2 none none "},
        {"[1e999]", "error"},
        {"[18446744073709551615", "error"},
        {"[18446744073709551615]x", "error"},
    };
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        const char *got = numbers(cases[i][0]);
        if (!tap_ok(strcmp(got, cases[i][1]) == 0, "json: %s", cases[i][0]))
            printf("# %s\n", got);
    }
}

int main(void)
{
    rk_autoclose int dir = mkdtemp(top) ? open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (!tap_ok(dir >= 0, "a directory to work in"))
        return tap_end();
    umask(022);
    test_argv();
    test_err();
    test_write_atomic(dir);
    test_read(dir);
    test_open_in_root(dir);
    test_remove_mount();
    test_directories(dir);
    test_process();
    test_message();
    test_json();
    return tap_end();
}
