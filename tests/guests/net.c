/* A server on the device "service": answers ping, UDP echo on port 7 and HTTP on port 80, in plain text. */
#include "http.h"
#include "ip.h"

GUEST_MANIFEST(GUEST_NET("service"));

int guest_main(int argc, char **argv)
{
    static const struct ip_keys service = {"service", "ipv4", "ipv4-gateway", "10.0.0.2/24"};
    if (!ip_open(&service, argc, argv))
        return 64;
    int status = http_check_options(argc, argv);
    if (status)
        return status;
    http_init("net", false, guest.cmdline);
    ip_run();
}
