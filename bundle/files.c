/* The container's files, without mounting anything. */
#include "bundle/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

int bnd_files_open(struct bnd_files *ret_files, const struct bnd_spec *spec, struct rk_err *err)
{
    int fd = open(spec->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return rk_fail_errno(err, "open rootfs '%s'", spec->root_path);
    *ret_files = (struct bnd_files){.root_fd = fd, .spec = spec};
    return 0;
}

void bnd_files_close(struct bnd_files *files)
{
    rk_close(&files->root_fd);
}

/* `path` without "//", "/./" and "/../" steps, as the name of a mount's destination is compared: text only.
 */
static int clean_path(char out[PATH_MAX], const char *path)
{
    size_t len = 0;
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            while (len > 0 && out[--len] != '/')
                ;
        } else if (n > 0 && !(n == 1 && path[0] == '.')) {
            if (len + n + 2 > PATH_MAX)
                return -ENAMETOOLONG;
            out[len++] = '/';
            memcpy(out + len, path, n);
            len += n;
        }
        path += n;
        path += strspn(path, "/");
    }
    if (len == 0)
        out[len++] = '/';
    out[len] = '\0';
    return 0;
}

/* The bind mount that covers `path` (clean): the longest destination, the last of equal ones. *ret_rest is
 * what follows it. */
static const struct bnd_mount *covering_mount(const struct bnd_spec *spec, const char *path,
                                              const char **ret_rest)
{
    const struct bnd_mount *best = NULL;
    size_t best_len = 0;
    char dest[PATH_MAX];
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct bnd_mount *m = &spec->mounts[i];
        if (!m->bind || !m->source || clean_path(dest, m->destination) < 0)
            continue;
        size_t len = dest[1] ? strlen(dest) : 0; /* "/" covers everything */
        if (len < best_len || strncmp(path, dest, len) != 0 || (path[len] != '\0' && path[len] != '/'))
            continue;
        best = m;
        best_len = len;
        *ret_rest = path + len;
    }
    return best;
}

/* An O_PATH descriptor of `path`. *ret_given: it is the source of a bind mount itself, so that the engine's
 * config names this very file. */
static int find(const struct bnd_files *files, const char *path, const struct bnd_mount **ret_mount,
                bool *ret_given)
{
    char clean[PATH_MAX];
    const char *rest = "";
    int r = clean_path(clean, path);
    if (r < 0)
        return r;
    *ret_mount = covering_mount(files->spec, clean, &rest);
    *ret_given = *ret_mount && !*rest;
    if (!*ret_mount)
        return rk_open_in_root(files->root_fd, path, O_PATH);
    rk_autoclose int source = open((*ret_mount)->source, O_PATH | O_CLOEXEC);
    if (source < 0)
        return -errno;
    return *rest ? rk_open_in_root(source, rest, O_PATH) : rk_take_fd(&source);
}

int bnd_files_lookup(const struct bnd_files *files, const char *path, int flags, bool devices,
                     const struct bnd_mount **ret_mount)
{
    const struct bnd_mount *mount = NULL;
    struct stat st;
    bool given = false;
    rk_autoclose int found = find(files, path, &mount, &given);
    if (found < 0)
        return found;
    if (fstat(found, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    /* A device node that lies in an image or in a volume may name any disk of the host. */
    if (!S_ISREG(st.st_mode) && !(devices && given && S_ISBLK(st.st_mode)))
        return -ENODEV;
    int fd = rk_reopen(found, flags); /* that very inode: it is known to be harmless to open */
    if (fd >= 0 && ret_mount)
        *ret_mount = mount;
    return fd;
}
