/* Writes a tree as an ISO 9660 file system with Rock Ridge, from front to back.
 *
 * Sources: ECMA-119 (ISO 9660), the System Use Sharing Protocol (IEEE P1281) and the Rock Ridge Interchange
 * Protocol (IEEE P1282; version 1.10, which every reader knows). Linux and NetBSD read names, modes, owners,
 * links and devices from Rock Ridge's fields; what the names of ISO 9660 are does not matter to them, so
 * these are numbers. Directories may be deeper than the eight of ISO 9660, as these readers don't mind
 * either.
 *
 * libarchive could write such images too, but keeps all content in a temporary file of the same size
 * meanwhile, and moves or stumbles over deep directories. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "bundle/pack/iso.h"
#include "bundle/pack/iso_numbers.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define SECTOR 2048
/* Readers look for further volume descriptors where a smaller image has no sectors. */
#define SECTORS_MIN 32
#define FIRST       18  /* sector behind the volume descriptors */
#define RECORD_MAX  254 /* bytes of a directory's record, an even number */
#define FIXED       33  /* bytes of it in front of the name */
#define CE_LEN      28
#define NAME_LEN    253 /* bytes of a name: Linux cuts longer ones */

/* Bytes that grow. */
struct bytes {
    uint8_t *data;
    size_t len, room;
};

/* What is laid out of an entry. */
struct node {
    size_t parent, next;       /* indices; next: in its directory, 0: the last */
    size_t first, last;        /* of a directory: what is in it, 0: nothing */
    size_t start, len;         /* of a directory: bytes in `dirs` */
    size_t record;             /* where its record is in `dirs` */
    uint32_t children, number; /* of a directory: directories in it, and its number in the path table */
    uint32_t extent;           /* sector of a file's content */
};

struct layout {
    const struct pk_tree *tree;
    struct node *nodes;
    /* Directories, each with its further fields behind it, so that readers of streams can follow; those of
     * the one that is being made; path tables in either order of bytes. */
    struct bytes dirs, more, paths[2];
    struct bytes ces;              /* struct ce: what names areas of further fields */
    size_t ces_done;               /* bytes of it, of directories that are done */
    uint32_t paths_at[2], dirs_at; /* sectors */
    uint64_t used, sectors;        /* with what is in the files, and with what is behind them */
    bool failed;                   /* no memory */
};

/* Room for `len` bytes at the end, all zero; NULL without memory, which is noted. */
static uint8_t *grow(struct layout *l, struct bytes *b, size_t len)
{
    if (b->len + len > b->room) {
        size_t room = 2 * b->room > b->len + len ? 2 * b->room : b->len + len + 65536;
        uint8_t *data = realloc(b->data, room);
        if (!data) {
            l->failed = true;
            return NULL;
        }
        b->data = data;
        b->room = room;
    }
    memset(b->data + b->len, 0, len);
    b->len += len;
    return b->data + b->len - len;
}

static void pad(struct layout *l, struct bytes *b)
{
    if (b->len % SECTOR)
        grow(l, b, SECTOR - b->len % SECTOR);
}

/* --- Rock Ridge's fields
 * ------------------------------------------------------------------------------------ */

/* A CE field: where it is, and the area that it names. */
struct ce {
    bool in_more; /* while its directory is being made; else in dirs, as what it names */
    size_t at, start;
    uint32_t len;
};

/* Where fields go: what is left of a record, then areas of a sector each that the field before names. */
struct fields {
    struct layout *l;
    struct bytes *in;   /* dirs or more */
    size_t start, most; /* of the record or area: its first byte, and how many it may have */
};

static uint8_t *header(uint8_t *p, const char *name, size_t len)
{
    memcpy(p, name, 2);
    p[2] = (uint8_t)len;
    p[3] = 1;
    return p + 4;
}

/* The area's length is known when it ends. */
static void end_area(struct fields *f)
{
    struct layout *l = f->l;
    struct ce last;
    if (f->in != &l->more || l->failed)
        return;
    memcpy(&last, l->ces.data + l->ces.len - sizeof last, sizeof last);
    last.len = (uint32_t)(l->more.len - last.start);
    memcpy(l->ces.data + l->ces.len - sizeof last, &last, sizeof last);
}

static void next_area(struct fields *f)
{
    struct layout *l = f->l;
    uint8_t *field = grow(l, f->in, CE_LEN);
    if (!field)
        return;
    header(field, "CE", CE_LEN);
    struct ce ce = {.in_more = f->in == &l->more, .at = (size_t)(field - f->in->data)};
    end_area(f);
    pad(l, &l->more);
    ce.start = l->more.len;
    uint8_t *noted = grow(l, &l->ces, sizeof ce);
    if (noted)
        memcpy(noted, &ce, sizeof ce);
    *f = (struct fields){.l = l, .in = &l->more, .start = ce.start, .most = SECTOR};
}

/* One field of `len` bytes; what follows its header, or NULL. There is always room left for a CE. */
static uint8_t *add_field(struct fields *f, const char *name, size_t len)
{
    if (f->in->len - f->start + len + CE_LEN > f->most)
        next_area(f);
    uint8_t *p = f->l->failed ? NULL : grow(f->l, f->in, len);
    return p ? header(p, name, len) : NULL;
}

/* Mode, links, owner; the time of modification; of a device its number. */
static void add_attributes(struct fields *f, const struct stat *st, uint32_t links)
{
    uint8_t *p = add_field(f, "PX", 36);
    if (p) {
        pk_iso_both32(p, st->st_mode);
        pk_iso_both32(p + 8, links);
        pk_iso_both32(p + 16, st->st_uid);
        pk_iso_both32(p + 24, st->st_gid);
    }
    p = add_field(f, "TF", 12);
    if (p) {
        *p = 2; /* modification alone */
        pk_iso_put_time(p + 1, st->st_mtim.tv_sec);
    }
    if (!S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode))
        return;
    /* Numbers as they were once are one word, to all readers; Linux takes two for major and minor. */
    uint32_t major = major(st->st_rdev), minor = minor(st->st_rdev);
    bool small = major < 256 && minor < 256;
    p = add_field(f, "PN", 20);
    if (p) {
        pk_iso_both32(p, small ? 0 : major);
        pk_iso_both32(p + 8, small ? major << 8 | minor : minor);
    }
}

static void add_name(struct fields *f, const char *name)
{
    for (size_t left = strlen(name); left > 0;) {
        size_t n = left > 240 ? 240 : left;
        uint8_t *p = add_field(f, "NM", 5 + n);
        if (!p)
            return;
        *p = left > n; /* goes on in the next one */
        memcpy(p + 1, name, n);
        name += n;
        left -= n;
    }
}

/* Parts of a link's target that are to be one field. Where there are more than it takes, a part goes on in
 * the next one, if only with nothing: readers differ in what they take the end of a field for. */
struct target {
    struct fields *f;
    uint8_t parts[240];
    size_t len, last; /* bytes, and where the last part begins */
};

static void end_parts(struct target *t, bool more)
{
    uint8_t *p = add_field(t->f, "SL", 5 + t->len);
    if (p) {
        *p = more;
        memcpy(p + 1, t->parts, t->len);
    }
    t->len = 0;
}

static void put_part(struct target *t, uint8_t flags, const char *text, size_t len)
{
    t->last = t->len;
    t->parts[t->len++] = flags;
    t->parts[t->len++] = (uint8_t)len;
    memcpy(t->parts + t->len, text, len);
    t->len += len;
}

static void add_part(struct target *t, uint8_t flags, const char *text, size_t len)
{
    const size_t all = sizeof t->parts;
    if (t->len + 3 > all) {
        t->parts[t->last] |= 1;
        end_parts(t, true);
        put_part(t, 0, "", 0);
    }
    for (; t->len + 2 + len > all;) {
        size_t n = all - t->len - 2;
        put_part(t, flags | 1, text, n);
        end_parts(t, true);
        text += n;
        len -= n;
    }
    put_part(t, flags, text, len);
}

static void add_target(struct fields *f, const char *target)
{
    struct target t = {.f = f};
    const char *p = target;
    if (*p == '/') {
        p++;
        add_part(&t, 8, "", 0);
    }
    while (p && (*p || p != target + 1)) {
        size_t len = strcspn(p, "/");
        add_part(&t, 0, p, len);
        p = p[len] ? p + len + 1 : NULL;
    }
    end_parts(&t, false);
}

/* --- directories
 * -------------------------------------------------------------------------------------------- */

/* Begin a record with the name of ISO 9660, `len` bytes. It does not cross a sector's end, and how long it
 * will be is not known yet. */
static struct fields begin_record(struct layout *l, const char *name, size_t len, bool directory)
{
    if (l->dirs.len % SECTOR + RECORD_MAX > SECTOR)
        pad(l, &l->dirs);
    size_t start = l->dirs.len;
    uint8_t *p = grow(l, &l->dirs, (FIXED + len + 1) & ~(size_t)1);
    if (p) {
        pk_iso_put_time(p + 18, 0);
        p[25] = directory ? 2 : 0;
        pk_iso_both16(p + 28, 1);
        p[32] = (uint8_t)len;
        memcpy(p + FIXED, name, len);
    }
    return (struct fields){.l = l, .in = &l->dirs, .start = start, .most = RECORD_MAX};
}

static void end_record(struct fields *f, size_t start)
{
    struct layout *l = f->l;
    end_area(f);
    if (l->dirs.len % 2)
        grow(l, &l->dirs, 1);
    if (!l->failed)
        l->dirs.data[start] = (uint8_t)(l->dirs.len - start);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static uint32_t links_of(const struct layout *l, size_t i)
{
    const struct stat *st = &l->tree->v[i].st;
    return S_ISDIR(st->st_mode) ? 2 + l->nodes[i].children : (uint32_t)st->st_nlink;
}

/* "." and "..": the names are a byte each. The first one of all says that there is Rock Ridge. */
static void add_self(struct layout *l, size_t dir, size_t of, char name)
{
    struct fields f = begin_record(l, &name, 1, true);
    size_t start = f.start;
    uint8_t *p = dir == 0 && name == 0 ? add_field(&f, "SP", 7) : NULL;
    if (p)
        memcpy(p, "\xbe\xef\0", 3);
    add_attributes(&f, &l->tree->v[of].st, links_of(l, of));
    p = dir == 0 && name == 0 ? add_field(&f, "ER", 18) : NULL;
    if (p) {
        memcpy(p, "\x0a\0\0\1RRIP_1991A", 14);
    }
    end_record(&f, start);
}

static void add_entry(struct layout *l, size_t i, unsigned number)
{
    const struct pk_entry *e = &l->tree->v[i];
    bool directory = S_ISDIR(e->st.st_mode);
    char name[16];
    snprintf(name, sizeof name, directory ? "%08X" : "%08X.;1", number);
    struct fields f = begin_record(l, name, strlen(name), directory);
    l->nodes[i].record = f.start;
    add_attributes(&f, &e->st, links_of(l, i));
    add_name(&f, last_part(e->path));
    if (e->link)
        add_target(&f, e->link);
    end_record(&f, l->nodes[i].record);
}

/* The further fields of a directory go behind it. */
static void append_more(struct layout *l)
{
    size_t base = l->dirs.len, len = l->more.len;
    pad(l, &l->more);
    uint8_t *to = l->more.len ? grow(l, &l->dirs, l->more.len) : NULL;
    for (; to && l->ces_done < l->ces.len; l->ces_done += sizeof(struct ce)) {
        struct ce ce;
        memcpy(&ce, l->ces.data + l->ces_done, sizeof ce);
        ce.at += ce.in_more ? base : 0;
        ce.start += base;
        ce.in_more = false;
        memcpy(l->ces.data + l->ces_done, &ce, sizeof ce);
    }
    if (to)
        memcpy(to, l->more.data, len);
    l->more.len = 0;
}

static void add_directory(struct layout *l, size_t dir)
{
    struct node *n = &l->nodes[dir];
    unsigned number = 0;
    n->start = l->dirs.len;
    add_self(l, dir, dir, 0);
    add_self(l, dir, n->parent, 1);
    for (size_t i = n->first; i != 0 && !l->failed; i = l->nodes[i].next)
        add_entry(l, i, number++);
    pad(l, &l->dirs);
    n->len = l->dirs.len - n->start;
    append_more(l);
}

/* --- the tree
 * ----------------------------------------------------------------------------------------------- */

static bool is_in(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strcmp(dir, ".") == 0;
    size_t len = (size_t)(slash - path);
    return strncmp(dir, path, len) == 0 && !dir[len];
}

/* Who is in which directory: as trees are read, what is in one stands together, and in the same order as the
 * directories. What was added stands behind. */
static int find_parents(struct layout *l, struct rk_err *err)
{
    const struct pk_tree *tree = l->tree;
    size_t dir = 0;
    for (size_t i = 1; i < tree->n; i++) {
        size_t tried = 0;
        while (!S_ISDIR(tree->v[dir].st.st_mode) || !is_in(tree->v[i].path, tree->v[dir].path)) {
            if (++tried > tree->n)
                return rk_fail(err, -ENOENT, "'%s' is in no directory", tree->v[i].path);
            dir = dir + 1 < tree->n ? dir + 1 : 0;
        }
        struct node *parent = &l->nodes[dir];
        l->nodes[i].parent = dir;
        if (parent->last)
            l->nodes[parent->last].next = i;
        else
            parent->first = i;
        parent->last = i;
        parent->children += S_ISDIR(tree->v[i].st.st_mode);
    }
    return 0;
}

/* The table of all directories, in the order of levels, by which nobody looks up anything any more. */
static void add_paths(struct layout *l, bool big)
{
    uint32_t number = 0;
    for (size_t i = 0; i < l->tree->n && !l->failed; i++) {
        struct node *n = &l->nodes[i];
        if (!S_ISDIR(l->tree->v[i].st.st_mode))
            continue;
        n->number = ++number;
        size_t len = i ? l->dirs.data[n->record + 32] : 1;
        uint8_t *p = grow(l, &l->paths[big], 8 + ((len + 1) & ~(size_t)1));
        if (!p)
            return;
        p[0] = (uint8_t)len;
        pk_iso_put32(p + 2, l->dirs_at + (uint32_t)(n->start / SECTOR), big);
        pk_iso_put16(p + 6, l->nodes[n->parent].number, big);
        if (i)
            memcpy(p + 8, l->dirs.data + n->record + FIXED, len);
    }
}

static void point(struct layout *l, size_t record, uint32_t extent, size_t len)
{
    pk_iso_both32(l->dirs.data + record + 2, extent);
    pk_iso_both32(l->dirs.data + record + 10, (uint32_t)len);
}

static void point_to_directory(struct layout *l, size_t record, size_t dir)
{
    point(l, record, l->dirs_at + (uint32_t)(l->nodes[dir].start / SECTOR), l->nodes[dir].len);
}

/* Sectors are known now. */
static void place_fields(struct layout *l)
{
    for (size_t i = 0; i < l->ces.len; i += sizeof(struct ce)) {
        struct ce ce;
        memcpy(&ce, l->ces.data + i, sizeof ce);
        pk_iso_both32(l->dirs.data + ce.at + 4, l->dirs_at + (uint32_t)(ce.start / SECTOR));
        pk_iso_both32(l->dirs.data + ce.at + 20, ce.len);
    }
}

/* Where everything is: known once the directories' sizes are. */
static int place_all(struct layout *l, struct rk_err *err)
{
    const struct pk_tree *tree = l->tree;
    uint64_t next = l->dirs_at + l->dirs.len / SECTOR;
    for (size_t i = 0; i < tree->n; i++) {
        const struct pk_entry *e = &tree->v[i];
        struct node *n = &l->nodes[i];
        if (S_ISDIR(e->st.st_mode)) {
            point_to_directory(l, n->start, i);
            point_to_directory(l, n->start + l->dirs.data[n->start], n->parent);
            if (i)
                point_to_directory(l, n->record, i);
            continue;
        }
        if (!S_ISREG(e->st.st_mode))
            continue;
        size_t size = (size_t)tree->v[e->first ? e->first - 1 : i].st.st_size;
        if (size == 0)
            continue; /* it is nowhere */
        n->extent = e->first ? l->nodes[e->first - 1].extent : (uint32_t)next;
        next += e->first ? 0 : (size + SECTOR - 1) / SECTOR;
        if (next > UINT32_MAX)
            return rk_fail(err, -EFBIG, "the files are too large for a disk: at most 8 TiB");
        point(l, n->record, n->extent, size);
    }
    l->used = next;
    l->sectors = next > SECTORS_MIN ? next : SECTORS_MIN;
    return 0;
}

static int check_names(const struct pk_tree *tree, struct rk_err *err)
{
    for (size_t i = 0; i < tree->n; i++) {
        size_t len = strlen(last_part(tree->v[i].path));
        if (len > NAME_LEN)
            return rk_fail(err, -ENAMETOOLONG,
                           "the name of '%.80s…' has %zu bytes, and on a disk a name may have at most %d",
                           tree->v[i].path, len, NAME_LEN);
    }
    return 0;
}

static int lay_out(struct layout *l, struct rk_err *err)
{
    int r = check_names(l->tree, err);
    if (r == 0)
        r = find_parents(l, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < l->tree->n && !l->failed; i++)
        if (S_ISDIR(l->tree->v[i].st.st_mode))
            add_directory(l, i);
    /* The sizes of the path tables are known before what is in them. */
    add_paths(l, false);
    size_t table = (l->paths[0].len + SECTOR - 1) / SECTOR;
    l->paths[0].len = 0;
    l->paths_at[0] = FIRST;
    l->paths_at[1] = l->paths_at[0] + (uint32_t)table;
    l->dirs_at = l->paths_at[1] + (uint32_t)table;
    if (l->failed)
        return rk_fail(err, -ENOMEM, "out of memory");
    place_fields(l);
    r = place_all(l, err);
    add_paths(l, false);
    add_paths(l, true);
    if (l->failed)
        return rk_fail(err, -ENOMEM, "out of memory");
    return r;
}

/* --- writing
 * ------------------------------------------------------------------------------------------------ */

/* A volume's moment: none. */
static void put_no_time(uint8_t *p)
{
    memset(p, '0', 16);
}

static void put_descriptor(const struct layout *l, uint8_t *p)
{
    memset(p + 8, ' ', 64); /* system and volume */
    memcpy(p + 40, "RUNUK", 5);
    pk_iso_both32(p + 80, (uint32_t)l->sectors);
    pk_iso_both16(p + 120, 1);
    pk_iso_both16(p + 124, 1);
    pk_iso_both16(p + 128, SECTOR);
    pk_iso_both32(p + 132, (uint32_t)l->paths[0].len);
    pk_iso_put32(p + 140, l->paths_at[0], false);
    pk_iso_put32(p + 148, l->paths_at[1], true);
    /* The root's record, without any fields. */
    memcpy(p + 156, l->dirs.data, 34);
    p[156] = 34;
    memset(p + 190, ' ', 623); /* who made it, by what, and files about that: nobody */
    for (size_t i = 0; i < 4; i++)
        put_no_time(p + 813 + 17 * i);
    p[881] = 1;
}

/* What is in front of the files. */
static int write_front(struct layout *l, int out, struct rk_err *err)
{
    uint8_t head[FIRST * SECTOR] = {0};
    uint8_t *volume = head + 16 * SECTOR, *end = volume + SECTOR;
    memcpy(volume, "\1CD001\1", 7);
    memcpy(end, "\377CD001\1", 7);
    put_descriptor(l, volume);
    int r = rk_write_all(out, head, sizeof head);
    struct bytes *all[] = {&l->paths[0], &l->paths[1], &l->dirs};
    for (size_t i = 0; i < RK_COUNT(all) && r == 0; i++) {
        pad(l, all[i]);
        r = l->failed ? -ENOMEM : rk_write_all(out, all[i]->data, all[i]->len);
    }
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "write the image");
    }
    return 0;
}

static int write_zeros(size_t len, int out, struct rk_err *err)
{
    static const uint8_t zeros[SECTOR];
    int r = rk_write_all(out, zeros, len);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "write the image");
    }
    return 0;
}

int pk_iso_write(const struct pk_content *content, int out, struct rk_err *err)
{
    const struct pk_tree *tree = content->tree;
    struct layout l = {.tree = tree, .nodes = calloc(tree->n, sizeof *l.nodes)};
    int r = l.nodes ? lay_out(&l, err) : rk_fail(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = write_front(&l, out, err);
    for (size_t i = 0; i < tree->n && r == 0; i++) {
        const struct pk_entry *e = &tree->v[i];
        if (!S_ISREG(e->st.st_mode) || e->first || e->st.st_size == 0)
            continue;
        r = pk_content_write(content, i, out, err);
        size_t rest = (size_t)e->st.st_size % SECTOR;
        if (r == 0 && rest)
            r = write_zeros(SECTOR - rest, out, err);
    }
    for (uint64_t i = l.used; i < l.sectors && r == 0; i++)
        r = write_zeros(SECTOR, out, err);
    free(l.nodes);
    free(l.dirs.data);
    free(l.more.data);
    free(l.ces.data);
    free(l.paths[0].data);
    free(l.paths[1].data);
    return r;
}
