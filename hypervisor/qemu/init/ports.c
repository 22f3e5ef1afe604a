/* The machine's ports: QEMU's firmware configuration device (docs/specs/fw_cfg), and the one that ends QEMU.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#include "hypervisor/qemu/init/init.h"
#include "lib/told.h"

#define FW_SELECTOR  0x510
#define FW_DATA      0x511
#define FW_DIRECTORY 0x19

/* An entry of the directory; numbers are big-endian. */
struct fw_file {
    uint32_t size;
    uint16_t select, reserved;
    char name[56];
};

/* As insb() of <sys/io.h>, which does not tell the compiler that it writes to memory. */
static void read_data(void *to, size_t size)
{
    __asm__ volatile("rep insb" : "+D"(to), "+c"(size) : "d"((uint16_t)FW_DATA) : "memory");
}

int ini_ports_open(void)
{
    return ioperm(FW_SELECTOR, 2, 1) < 0 || ioperm(RK_TOLD_PORT, 2, 1) < 0 ? -errno : 0;
}

char *ini_ports_read(const char *name, size_t *ret_len)
{
    uint32_t count = 0;
    struct fw_file file = {.size = 0};
    outw(FW_DIRECTORY, FW_SELECTOR);
    read_data(&count, sizeof count);
    for (uint32_t left = be32toh(count); left > 0 && left < 4096; left--) {
        read_data(&file, sizeof file);
        file.name[sizeof file.name - 1] = '\0';
        if (strcmp(file.name, name) != 0)
            continue;
        size_t size = be32toh(file.size);
        char *data = malloc(size + 1);
        if (!data)
            return NULL;
        outw(be16toh(file.select), FW_SELECTOR);
        read_data(data, size);
        data[size] = '\0';
        *ret_len = size;
        return data;
    }
    return NULL;
}

_Noreturn void ini_ports_end(int status)
{
    bool fits = status > 0 && status < RK_TOLD_SUCCESS;
    sync();
    if (status >= RK_TOLD_SUCCESS)
        ini_say(RK_TOLD_LINE, status);
    tcdrain(STDERR_FILENO);
    outw((unsigned short)(fits ? status : RK_TOLD_SUCCESS), RK_TOLD_PORT);
    /* Whoever boots this without that port. */
    reboot(RB_POWER_OFF);
    reboot(RB_AUTOBOOT); /* a kernel that can't power off: QEMU ends on a reset, too */
    for (;;)
        pause();
}
