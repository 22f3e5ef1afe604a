/* Where the image is in the root of a monitor that opens it by name: guests can see that path. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "hypervisor/monitor.h"
#include "hypervisor/qemu_files.h"
#include "lib/cleanup.h"

/* What the root holds beside the host's files; and HV_FILE_PATH with a number. */
static const char *const ours[] = {HV_INITRD_PATH, HV_FIRMWARE_PATH, HV_LOADER_PATH, "/dev"};

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* One of the two would be a file where the other needs a directory, or both would be the same file. */
static bool collide(const char *a, const char *b)
{
    return is_below(a, b) || is_below(b, a);
}

/* The path without empty and "." parts. False when it is none that a guest can be shown. */
static bool normalise(char out[BND_PATH_MAX + 1], const char *path)
{
    size_t n = 0;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.')
            return false;
        if (len > 0 && !(len == 1 && p[0] == '.')) {
            if (n + 1 + len > BND_PATH_MAX)
                return false;
            out[n++] = '/';
            memcpy(out + n, p, len);
            n += len;
        }
        p += len + (p[len] == '/');
    }
    out[n] = '\0';
    for (const char *p = out; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("/._+-", *p))
            return false;
    return path[0] == '/' && n > 0;
}

static bool is_taken(const char *path, const struct rk_argv *files)
{
    size_t len = strlen(HV_FILE_PATH);
    for (size_t i = 0; i < RK_COUNT(ours); i++)
        if (collide(path, ours[i]))
            return true;
    for (size_t i = 0; i + 1 < files->n; i += 2)
        if (collide(path, files->v[i + 1]))
            return true;
    return strncmp(path, HV_FILE_PATH, len) == 0 && isdigit((unsigned char)path[len]);
}

int hv_image_place(char **ret_place, const char *path, const struct bnd_family *family, enum bnd_kind kind,
                   const struct rk_argv *files)
{
    const struct bnd_machine *machine = family->machine ? family->machine(kind) : NULL;
    char own[BND_PATH_MAX + 1];
    bool seen = machine && machine->path_in_front && normalise(own, path) && !is_taken(own, files);
    *ret_place = strdup(seen ? own : HV_IMAGE_PATH);
    return *ret_place ? 0 : -ENOMEM;
}
