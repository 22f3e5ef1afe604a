/* The same server on two devices, "service" and "second", each with an address of its own. */
#include "http.h"
#include "ip.h"

GUEST_MANIFEST(GUEST_NET("service"), GUEST_NET("second"));

int guest_main(int argc, char **argv)
{
    static const struct ip_keys service = {"service", "ipv4", "ipv4-gateway", "10.0.0.2/24"};
    static const struct ip_keys second = {"second", "second-ipv4", "second-ipv4-gateway", "10.1.0.2/24"};
    if (!ip_open(&service, argc, argv) || !ip_open(&second, argc, argv))
        return 64;
    int status = http_check_options(argc, argv);
    if (status)
        return status;
    http_init("net2", false, guest.cmdline);
    ip_run();
}
