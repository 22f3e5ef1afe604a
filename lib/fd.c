/* Descriptors and paths. */
#include "lib/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fault.h"

int rk_open_in_root(int dirfd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    do
        fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN)); /* EAGAIN: a rename raced with a ".." */
    return fd < 0 ? -errno : (int)fd;
}

int rk_reopen(int fd, int flags)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int again = open(self, flags | O_CLOEXEC | O_NOCTTY);
    return again < 0 ? -errno : again;
}

int rk_open_regular_in_root(int dirfd, const char *path, int flags)
{
    struct stat st;
    rk_autoclose int found = rk_open_in_root(dirfd, path, O_PATH);
    if (found < 0)
        return found;
    if (fstat(found, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -ENODEV;
    return rk_reopen(found, flags);
}

int rk_read_fd(int fd, size_t max, char **ret_data, size_t *ret_len)
{
    size_t room = 4096, len = 0;
    rk_autofree char *data = malloc(room + 1);
    if (!data)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, data + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return -EFBIG;
        if (len == room) {
            char *grown = realloc(data, room * 2 + 1);
            if (!grown)
                return -ENOMEM;
            data = grown;
            room *= 2;
        }
    }
    data[len] = '\0';
    *ret_data = rk_take(data);
    if (ret_len)
        *ret_len = len;
    return 0;
}

int rk_read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len)
{
    rk_autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return rk_read_fd(fd, max, ret_data, ret_len);
}

int rk_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A file without a name in the directory of `name`, or where the file system has none such the one called
 * `tmp`. *ret_named says which. */
static int open_new_file(int dirfd, const char *directory, const char *tmp, mode_t mode, bool *ret_named)
{
    int fd = openat(dirfd, directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    *ret_named = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL);
    if (*ret_named) {
        unlinkat(dirfd, tmp, 0); /* what a killed process left whose pid is ours by now */
        fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    }
    return fd < 0 ? -errno : fd;
}

/* Give the file without a name one that does not exist yet. */
static int name_file(int fd, int dirfd, const char *name)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, self, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int rk_write_file_atomic(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
    char tmp[PATH_MAX], directory[PATH_MAX];
    bool named;
    const char *base = strrchr(name, '/');
    int dir_len = base ? (int)(base + 1 - name) : 0;
    base = name + dir_len;
    if (snprintf(directory, sizeof directory, "%.*s", dir_len, name) >= (int)sizeof directory ||
        snprintf(tmp, sizeof tmp, "%s.%.200s.%d", directory, base, (int)getpid()) >= (int)sizeof tmp)
        return -ENAMETOOLONG;
    rk_autoclose int fd = open_new_file(dirfd, *directory ? directory : ".", tmp, mode, &named);
    if (fd < 0)
        return fd;
    RK_FAULT("file:opened");
    int r = rk_write_all(fd, data, len);
    RK_FAULT("file:written");
    /* Where nothing has the name yet, a writer that is killed leaves the whole file or none. */
    if (r == 0 && !named && (r = name_file(fd, dirfd, name)) != -EEXIST)
        return r;
    if (r == -EEXIST) {
        unlinkat(dirfd, tmp, 0);
        r = name_file(fd, dirfd, tmp);
    }
    if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(dirfd, tmp, 0);
    return r;
}

int rk_mkdir_parents(const char *path, mode_t mode)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return -ENAMETOOLONG;
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return -errno;
    strcpy(copy, path);
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static void closedir_auto(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* -EXDEV for a mount point, -ELOOP for a symbolic link. */
static int open_subdirectory(int dirfd, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

int rk_remove_children(int fd)
{
    rk_autoclose int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0)
        return -errno;
    __attribute__((cleanup(closedir_auto))) DIR *dir = fdopendir(copy);
    if (!dir)
        return -errno;
    copy = -1;
    int first = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int r = unlinkat(fd, e->d_name, 0) < 0 ? -errno : 0;
        if (r == -EISDIR || r == -EPERM) {
            rk_autoclose int sub = open_subdirectory(fd, e->d_name);
            r = sub < 0 ? sub : rk_remove_children(sub);
            if (unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0 && r == 0)
                r = -errno;
        }
        if (r < 0 && r != -ENOENT && first == 0)
            first = r;
    }
    return first;
}

int rk_same_file(int a, int b)
{
    struct stat sa, sb;
    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}
