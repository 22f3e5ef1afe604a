/* A folder in memory for fuzz targets that need files: empty for every input, gone with the process. */
#ifndef FUZZ_SCRATCH_H
#define FUZZ_SCRATCH_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fd.h"
#include "tests/fuzz/promise.h"

static char scratch[] = "/dev/shm/runuk-fuzz-XXXXXX";

static void scratch_remove(void)
{
    rmdir(scratch);
}

/* Its descriptor, which is the caller's to use and not to close. */
static int scratch_open(void)
{
    static int dir = -1;
    if (dir < 0) {
        PROMISE(mkdtemp(scratch));
        dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        PROMISE(dir >= 0);
        atexit(scratch_remove);
    }
    PROMISE(rk_remove_children(dir) == 0);
    return dir;
}

#endif
