/* What must hold of whatever annotations ask for, and of the text that refuses them. */
#ifndef FUZZ_ANNOTATIONS_H
#define FUZZ_ANNOTATIONS_H

#include <ctype.h>
#include <string.h>

#include "config/annotations.h"
#include "config/words.h"
#include "lib/err.h"
#include "tests/fuzz/promise.h"

/* One line that a terminal can show, and that begins with whose fault it is. */
static inline void check_refusal(const struct rk_err *err, const char *begin)
{
    PROMISE(err->code < 0 && strncmp(err->text, begin, strlen(begin)) == 0);
    for (const char *p = err->text; *p; p++)
        PROMISE(isprint((unsigned char)*p));
}

static inline void check_path(const char *path)
{
    PROMISE(!path || (path[0] == '/' && path[1] && !strstr(path, "/../")));
    size_t len = path ? strlen(path) : 0;
    PROMISE(len == 0 || (path[len - 1] != '/' && (len < 3 || strcmp(path + len - 3, "/..") != 0)));
    for (size_t i = 0; i < len; i++)
        PROMISE(!iscntrl((unsigned char)path[i]));
}

static inline void check_wishes(const struct cfg_annotations *a)
{
    check_path(a->kernel);
    check_path(a->initrd);
    PROMISE(a->disk_count <= CFG_DISKS_MAX);
    for (size_t i = 0; i < a->disk_count; i++) {
        check_path(a->disks[i].path);
        PROMISE(!strchr(a->disks[i].path, ','));
    }
    PROMISE(!a->monitor || cfg_word_index(cfg_monitor_words, a->monitor) >= 0);
    PROMISE(a->memory_mib >= 0 && a->memory_mib <= CFG_MEMORY_MAX_MIB);
    PROMISE(!a->family || (*a->family && !strpbrk(a->family, "/ .\n")));
    PROMISE(!a->machine || !strpbrk(a->machine, ",= "));
    PROMISE((a->kernel != NULL) >= (a->source[CFG_KERNEL] != NULL));
}

#endif
