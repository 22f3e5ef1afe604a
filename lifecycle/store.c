/* The state root. */
#include "lifecycle/store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "lib/fd.h"
#include "lib/json.h"
#include "sandbox/userns.h"

#define ID_MAX     1024      /* bytes, runc's */
#define RECORD_MAX (8 << 20) /* bytes */
#define ADD_TRIES  16

static char *default_root(void)
{
    char *path = NULL;
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
    if (runtime_dir && *runtime_dir && (geteuid() != 0 || !box_userns_is_initial()))
        return asprintf(&path, "%s/runuk", runtime_dir) < 0 ? NULL : path;
    return strdup("/run/runuk");
}

/* Who could change the link could change what root is meant, unless it ends in a slash, which means what it
 * leads to. */
static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) < 0 || S_ISLNK(st.st_mode);
}

int ctr_store_open(struct ctr_store *ret_store, const char *path, bool make, struct rk_err *err)
{
    rk_autofree char *root = path ? strdup(path) : default_root();
    if (!root)
        return rk_fail(err, -ENOMEM, "out of memory");
    if (make) {
        int r = rk_mkdir_parents(root, 0700);
        if (r < 0) {
            errno = -r;
            return rk_fail_errno(err, "make state root '%s'", root);
        }
    }
    struct ctr_store store = {.fd = -1};
    struct stat st;
    rk_autoclose int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno != ENOENT || make))
        return rk_fail_errno(err, "open state root '%s'", root);
    if (fd >= 0 && fstat(fd, &st) < 0)
        return rk_fail_errno(err, "state root '%s'", root);
    if (fd >= 0 && is_link(root))
        rk_fail(&store.flaw, -ELOOP, "state root '%s' is a symbolic link: use another --root", root);
    else if (fd >= 0 && (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))))
        rk_fail(&store.flaw, -EPERM,
                "state root '%s' belongs to or can be written by others: use another --root, or chmod 0700",
                root);
    store.path = rk_take(root);
    store.fd = rk_take_fd(&fd);
    *ret_store = store;
    return 0;
}

int ctr_store_trusted(const struct ctr_store *store)
{
    return store->flaw.code < 0 ? -1 : store->fd;
}

static int refuse_flaw(const struct ctr_store *store, struct rk_err *err)
{
    if (store->flaw.code < 0)
        *err = store->flaw;
    return store->flaw.code;
}

void ctr_store_close(struct ctr_store *store)
{
    free(store->path);
    store->path = NULL;
    rk_close(&store->fd);
}

int ctr_id_check(const char *id, struct rk_err *err)
{
    size_t len = strlen(id);
    bool ok = len > 0 && len <= ID_MAX && id[0] != '.';
    for (size_t i = 0; i < len && ok; i++)
        ok = isascii((unsigned char)id[i]) && (isalnum((unsigned char)id[i]) || strchr("_+-.", id[i]));
    return ok ? 0 : rk_fail(err, -EINVAL, "invalid container ID format: '%.64s'", id);
}

bool ctr_store_has(const struct ctr_store *store, const char *id)
{
    char path[ID_MAX + sizeof CTR_RECORD_FILE + 1];
    struct stat st;
    if (store->fd < 0 || ctr_id_check(id, NULL) < 0)
        return false;
    snprintf(path, sizeof path, "%s/" CTR_RECORD_FILE, id);
    return fstatat(store->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Whether somebody has removed the directory, whose lock we have: its name may be another's by now. Only who
 * has the lock removes it, so that this can't change meanwhile. */
static bool is_gone(int dir)
{
    struct stat st;
    return fstat(dir, &st) < 0 || st.st_nlink == 0;
}

static int already_exists(const char *id, struct rk_err *err)
{
    return rk_fail(err, -EEXIST, "container with given ID already exists: '%s'", id);
}

/* Make and lock the directory. 1: a `delete --force` took it for what a killed create leaves, and removed it
 * before we had the lock. */
static int try_add(int *ret_dir, const struct ctr_store *store, const char *id, struct rk_err *err)
{
    if (mkdirat(store->fd, id, 0700) < 0) {
        if (errno == EEXIST)
            return already_exists(id, err);
        return rk_fail_errno(err, "make state directory '%s/%s'", store->path, id);
    }
    RK_FAULT("create:directory");
    rk_autoclose int dir = openat(store->fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        return 1;
    if (dir < 0 || flock(dir, LOCK_EX) < 0) {
        int r = rk_fail_errno(err, "lock state directory '%s/%s'", store->path, id);
        unlinkat(store->fd, id, AT_REMOVEDIR);
        return r;
    }
    if (is_gone(dir))
        return 1;
    /* After that delete another create may have made the directory anew, and been faster with the lock too.
     */
    if (faccessat(dir, CTR_RECORD_FILE, F_OK, 0) == 0)
        return already_exists(id, err);
    *ret_dir = rk_take_fd(&dir);
    return 0;
}

int ctr_store_add(int *ret_dir, const struct ctr_store *store, const char *id, struct rk_err *err)
{
    int r = refuse_flaw(store, err);
    if (r < 0)
        return r;
    r = 1;
    for (int i = 0; i < ADD_TRIES && r > 0; i++)
        r = try_add(ret_dir, store, id, err);
    return r > 0 ? rk_fail(err, -EAGAIN, "state directory '%s/%s' is removed as often as it is made",
                           store->path, id)
                 : r;
}

static int no_container(const char *id, struct rk_err *err)
{
    return rk_fail(err, -ENOENT, "container '%s' does not exist", id);
}

static int load(struct ctr_record **ret_record, int dir, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    size_t len;
    json_error_t where;
    rk_autoclose int fd = openat(dir, CTR_RECORD_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : rk_read_fd(fd, RECORD_MAX, &text, &len);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "read '" CTR_RECORD_FILE "'");
    }
    rk_autojson json_t *json = json_loadb(text, len, 0, &where);
    if (!json)
        return rk_fail(err, -EINVAL, "'" CTR_RECORD_FILE "' line %d: %s", where.line, where.text);
    r = ctr_record_from_json(ret_record, json, err);
    return r < 0 ? rk_wrap(err, "'" CTR_RECORD_FILE "'") : 0;
}

int ctr_store_get(int *ret_dir, struct ctr_record **ret_record, const struct ctr_store *store, const char *id,
                  bool lock, struct rk_err *err)
{
    if (!ctr_store_has(store, id))
        return no_container(id, err);
    int r = refuse_flaw(store, err);
    if (r < 0)
        return r;
    rk_autoclose int dir = openat(store->fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT ? no_container(id, err)
                               : rk_fail_errno(err, "open state of container '%s'", id);
    while (lock && flock(dir, LOCK_EX) < 0)
        if (errno != EINTR)
            return rk_fail_errno(err, "lock state of container '%s'", id);
    /* Who held the lock may have deleted the container meanwhile, and a delete may be at it now. */
    r = is_gone(dir) ? -ENOENT : load(ret_record, dir, err);
    if (r == -ENOENT)
        return no_container(id, err);
    if (r < 0)
        return rk_wrap(err, "state of container '%s'", id);
    RK_FAULT_PROCESS(&(*ret_record)->process);
    *ret_dir = rk_take_fd(&dir);
    return 0;
}

int ctr_store_save(int dir, const struct ctr_record *record, struct rk_err *err)
{
    rk_autojson json_t *json = ctr_record_to_json(record);
    rk_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return rk_fail(err, -EINVAL, "write state of container '%s': a path that is no UTF-8, or no memory",
                       record->id);
    int r = rk_write_file_atomic(dir, CTR_RECORD_FILE, text, strlen(text), 0600);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "write state of container '%s'", record->id);
    }
    return 0;
}

void ctr_store_remove_stillborn(const struct ctr_store *store, const char *id)
{
    if (ctr_store_trusted(store) < 0 || ctr_id_check(id, NULL) < 0)
        return;
    rk_autoclose int dir = openat(store->fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || flock(dir, LOCK_EX) < 0 || is_gone(dir) || faccessat(dir, CTR_RUNC_STATE, F_OK, 0) == 0 ||
        faccessat(dir, CTR_RECORD_FILE, F_OK, 0) == 0)
        return;
    rk_remove_children(dir);
    unlinkat(store->fd, id, AT_REMOVEDIR);
}

int ctr_store_remove(const struct ctr_store *store, const char *id, int dir, struct rk_err *err)
{
    /* The record goes last: until then a crash leaves a container that `delete` knows. */
    unlinkat(dir, CTR_GATE_SOCKET, 0);
    unlinkat(dir, CTR_FIGURES_FILE, 0);
    RK_FAULT("delete:gate");
    int r = rk_remove_children(dir);
    RK_FAULT("delete:emptied");
    if (!is_gone(dir) && unlinkat(store->fd, id, AT_REMOVEDIR) < 0 && r == 0)
        r = -errno;
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "remove state directory '%s/%s'", store->path, id);
    }
    return 0;
}
