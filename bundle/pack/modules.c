/* Leaves of a tree what a small initial ram disk needs: the modules that lead to the root file system. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/pack/pack.h"
#include "lib/cleanup.h"
#include "lib/depmod.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/told.h"

#define LIST     "/modules.dep"
#define LIST_MAX (16 << 20) /* bytes; a distribution's has half a MiB */

static const char *const wanted[] = {RK_TOLD_ROOT_MODULES, RK_TOLD_SHARE_MODULES};

/* Which entries stay. */
struct keeping {
    struct pk_tree *tree;
    size_t *sorted; /* the entries' indices, by path: the list may name as many files as it likes */
    bool *stays;
    const char *list; /* the modules.dep that is being read */
};

static int by_path(const void *a, const void *b, void *data)
{
    const struct pk_tree *tree = data;
    return strcmp(tree->v[*(const size_t *)a].path, tree->v[*(const size_t *)b].path);
}

/* The entry of the first `len` bytes of `path`, or tree->n. */
static size_t find(const struct keeping *k, const char *path, size_t len)
{
    size_t low = 0, high = k->tree->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *there = k->tree->v[k->sorted[middle]].path;
        int order = strncmp(there, path, len);
        if (order == 0 && !there[len])
            return k->sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return k->tree->n;
}

/* It stays, what it is another name of, and the directories that they are in. */
static void keep(struct keeping *k, size_t i)
{
    const struct pk_tree *tree = k->tree;
    for (const char *path = tree->v[i].path, *slash = path; (slash = strchr(slash, '/')); slash++) {
        size_t dir = find(k, path, (size_t)(slash - path));
        if (dir < tree->n)
            k->stays[dir] = true;
    }
    k->stays[i] = true;
    if (tree->v[i].first && !k->stays[tree->v[i].first - 1])
        keep(k, tree->v[i].first - 1);
}

/* A file that the list names; one that the image has left out is none. */
static void keep_file(void *data, const char *file)
{
    struct keeping *k = data;
    rk_autofree char *path = NULL;
    if (asprintf(&path, "%.*s/%s", (int)(strlen(k->list) - strlen(LIST)), k->list, file) < 0) {
        path = NULL;
        return;
    }
    size_t i = find(k, path, strlen(path));
    if (i < k->tree->n && S_ISREG(k->tree->v[i].st.st_mode))
        keep(k, i);
}

/* "lib/modules/VERSION/modules.dep", also below usr. */
static bool is_list(const struct pk_entry *e)
{
    const char *path = strncmp(e->path, "usr/", 4) == 0 ? e->path + 4 : e->path;
    if (!S_ISREG(e->st.st_mode) || strncmp(path, "lib/modules/", 12) != 0)
        return false;
    path += 12;
    size_t version = strcspn(path, "/");
    return version > 0 && strcmp(path + version, LIST) == 0;
}

static int read_list(struct keeping *k, size_t i, int root, struct rk_err *err)
{
    const struct pk_entry *e = &k->tree->v[i];
    rk_autofree char *text = NULL;
    rk_autoclose int fd = pk_open(root, e->path, &e->st, err);
    if (fd < 0)
        return fd;
    int r = rk_read_fd(fd, LIST_MAX, &text, NULL);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "read '%s'", e->path);
    }
    k->list = e->path;
    keep(k, i);
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        bool wants = false;
        for (size_t m = 0; m < RK_COUNT(wanted) && !wants; m++)
            wants = rk_depmod_is(line, wanted[m]);
        if (wants)
            rk_depmod_each(line, keep_file, k);
    }
    return 0;
}

/* Move what stays together. The number of the entry that has the content of one with several names moves with
 * it. */
static int compact(struct keeping *k)
{
    struct pk_tree *tree = k->tree;
    size_t n = 0;
    size_t *place = calloc(tree->n, sizeof *place);
    if (!place)
        return -ENOMEM;
    for (size_t i = 0; i < tree->n; i++) {
        struct pk_entry *e = &tree->v[i];
        if (!k->stays[i]) {
            free(e->path);
            free(e->link);
            free(e->data);
            continue;
        }
        if (e->first)
            e->first = place[e->first - 1] + 1;
        place[i] = n;
        tree->v[n++] = *e;
    }
    tree->n = n;
    free(place);
    return 0;
}

int pk_tree_keep_modules(struct pk_tree *tree, int root, struct rk_err *err)
{
    rk_autofree bool *stays = calloc(tree->n, sizeof *stays);
    rk_autofree size_t *sorted = calloc(tree->n, sizeof *sorted);
    struct keeping k = {.tree = tree, .stays = stays, .sorted = sorted};
    int r = 0;
    if (!stays || !sorted)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < tree->n; i++)
        sorted[i] = i;
    qsort_r(sorted, tree->n, sizeof *sorted, by_path, tree);
    for (size_t i = 0; i < tree->n && r == 0; i++) {
        const struct pk_entry *e = &tree->v[i];
        /* The root, and "lib" where it is but a name for "usr/lib". */
        stays[i] = stays[i] || strcmp(e->path, ".") == 0 || (e->link && strcmp(e->path, "lib") == 0);
        if (is_list(e))
            r = read_list(&k, i, root, err);
    }
    if (r == 0 && compact(&k) < 0)
        r = rk_fail(err, -ENOMEM, "out of memory");
    return r;
}
