/* The command line of our two Solo5 tenders: the reference tender's, with descriptors for names. */
#include "hypervisor/monitor.h"

#include <errno.h>
#include <stdio.h>

int hv_solo5_prepare(const char *name, const char *const *extra, const struct hv_launch *launch,
                     struct rk_argv *ret_argv)
{
    int r = rk_argv_add(ret_argv, name);
    if (r == 0)
        r = rk_argv_addf(ret_argv, "--mem=%llu", (unsigned long long)(launch->memory >> 20));
    for (; r == 0 && *extra; extra++)
        r = rk_argv_add(ret_argv, *extra);
    for (size_t i = 0; i < launch->net_count && r == 0; i++) {
        const struct hv_net *n = &launch->nets[i];
        const uint8_t *m = n->mac;
        r = rk_argv_addf(ret_argv, "--net:%s=@%d", n->device, n->fd);
        if (r == 0)
            r = rk_argv_addf(ret_argv, "--net-mac:%s=%02x:%02x:%02x:%02x:%02x:%02x", n->device, m[0], m[1],
                             m[2], m[3], m[4], m[5]);
        if (r == 0)
            r = rk_argv_addf(ret_argv, "--net-mtu:%s=%u", n->device, n->mtu);
    }
    for (size_t i = 0; i < launch->disk_count && r == 0; i++)
        r = rk_argv_addf(ret_argv, "--block:%s=@%d", launch->disks[i].device, launch->disks[i].fd);
    if (r == 0)
        r = rk_argv_add(ret_argv, "--");
    if (r == 0)
        r = rk_argv_addf(ret_argv, "@%d", launch->image_fd);
    for (size_t i = 0; i < launch->args->n && r == 0; i++)
        r = rk_argv_add(ret_argv, launch->args->v[i]);
    return r;
}
