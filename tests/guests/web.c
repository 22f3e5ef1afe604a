/* The demo: a web server on the device "service" whose page shows the guest it runs in. */
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
    http_init("web", true, guest.cmdline);
    ip_run();
}
