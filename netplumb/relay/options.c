/* The relay's command line, which nobody but runuk writes. */
#include "netplumb/relay/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/err.h"
#include "netplumb/relay/resolver.h"

/*   runuk-relay OPTION…
 *
 *   --server=ADDRESS            a resolver in reach of this namespace: queries go there
 *   --dns=ADDRESS               tell this name server
 *   --hostname=NAME  --search=DOMAIN
 *   --net=@FD                   a packet socket on a guest's tap; of this device:
 *     --mac=MAC  --mtu=BYTES
 *     --ipv4=ADDRESS/PREFIX  --gateway=ADDRESS  --route=ADDRESS/PREFIX,ADDRESS
 */

/* Each returns 0 or, for a value that is none, a negative errno. */
typedef int apply_fn(struct rly_config *config, const char *value);

static int parse_fd(int *ret_fd, const char *value)
{
    char *end;
    if (*value != '@' || value[1] < '0' || value[1] > '9')
        return -EINVAL;
    long fd = strtol(value + 1, &end, 10);
    if (*end || fd > 4096 || fcntl((int)fd, F_GETFD) < 0)
        return -EBADF;
    *ret_fd = (int)fd;
    return 0;
}

static int parse_number(unsigned *ret_number, const char *value, unsigned max)
{
    char *end;
    if (*value < '0' || *value > '9')
        return -EINVAL;
    unsigned long n = strtoul(value, &end, 10);
    if (*end || n > max)
        return -EINVAL;
    *ret_number = (unsigned)n;
    return 0;
}

static int parse_address(uint32_t *ret_address, const char *value)
{
    struct in_addr a;
    if (inet_pton(AF_INET, value, &a) != 1)
        return -EINVAL;
    *ret_address = ntohl(a.s_addr);
    return 0;
}

static int parse_network(uint32_t *ret_address, uint8_t *ret_prefix, const char *value)
{
    char address[INET_ADDRSTRLEN];
    unsigned prefix;
    const char *slash = strchr(value, '/');
    if (!slash || (size_t)(slash - value) >= sizeof address || parse_number(&prefix, slash + 1, 32) < 0)
        return -EINVAL;
    snprintf(address, sizeof address, "%.*s", (int)(slash - value), value);
    *ret_prefix = (uint8_t)prefix;
    return parse_address(ret_address, address);
}

/* The device that was named last. */
static struct rly_net *last_net(struct rly_config *config)
{
    return config->net_count ? &config->nets[config->net_count - 1] : NULL;
}

/* One that cannot be reached is no reason for the others not to be asked. */
static int apply_server(struct rly_config *config, const char *value)
{
    struct rk_err err;
    if (config->server_count == RLY_SERVERS_MAX)
        return -E2BIG;
    union rly_address *to = &config->places->servers[config->server_count];
    int fd = rly_resolver_open(to, value, &err);
    if (fd == -EINVAL)
        return fd;
    if (fd < 0)
        dprintf(STDERR_FILENO, "runuk-relay: %s\n", err.text);
    else
        config->servers[config->server_count++] = fd;
    return 0;
}

static int apply_dns(struct rly_config *config, const char *value)
{
    if (config->dns_count == RLY_SERVERS_MAX)
        return -E2BIG;
    return parse_address(&config->dns[config->dns_count++], value);
}

static int apply_hostname(struct rly_config *config, const char *value)
{
    return (size_t)snprintf(config->hostname, sizeof config->hostname, "%s", value) < sizeof config->hostname
               ? 0
               : -E2BIG;
}

/* As labels (RFC 1035, 3.1), behind those that are there. */
static int apply_search(struct rly_config *config, const char *value)
{
    size_t at = config->search_len;
    for (const char *label = value; *label;) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > 63)
            return -EINVAL;
        if (at + len + 2 >= sizeof config->search)
            return -E2BIG;
        config->search[at] = (uint8_t)len;
        memcpy(config->search + at + 1, label, len);
        at += 1 + len;
        label += len + (label[len] == '.');
    }
    config->search[at++] = 0;
    if (!*config->domain)
        snprintf(config->domain, sizeof config->domain, "%s", value);
    config->search_len = at;
    return 0;
}

static int apply_net(struct rly_config *config, const char *value)
{
    if (config->net_count == RLY_NETS_MAX)
        return -E2BIG;
    struct rly_net *net = &config->nets[config->net_count];
    *net = (struct rly_net){.mtu = 1500};
    int r = parse_fd(&net->fd, value);
    config->net_count += r == 0;
    return r;
}

static int apply_mac(struct rly_config *config, const char *value)
{
    struct rly_net *net = last_net(config);
    int len = 0;
    if (!net)
        return -EINVAL;
    uint8_t *m = net->mac;
    if (sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
               &len) != 6)
        return -EINVAL;
    return value[len] ? -EINVAL : 0;
}

static int apply_mtu(struct rly_config *config, const char *value)
{
    return last_net(config) ? parse_number(&last_net(config)->mtu, value, 65535) : -EINVAL;
}

static int apply_ipv4(struct rly_config *config, const char *value)
{
    struct rly_net *net = last_net(config);
    return net ? parse_network(&net->address, &net->prefix, value) : -EINVAL;
}

static int apply_gateway(struct rly_config *config, const char *value)
{
    return last_net(config) ? parse_address(&last_net(config)->gateway, value) : -EINVAL;
}

static int apply_route(struct rly_config *config, const char *value)
{
    struct rly_net *net = last_net(config);
    const char *comma = strchr(value, ',');
    char network[64];
    if (!net || !comma || (size_t)(comma - value) >= sizeof network)
        return -EINVAL;
    if (net->route_count == RLY_ROUTES_MAX)
        return -E2BIG;
    struct rly_route *route = &net->routes[net->route_count];
    snprintf(network, sizeof network, "%.*s", (int)(comma - value), value);
    int r = parse_network(&route->destination, &route->prefix, network);
    if (r == 0)
        r = parse_address(&route->gateway, comma + 1);
    net->route_count += r == 0;
    return r;
}

static const struct {
    const char *name;
    apply_fn *apply;
} options[] = {
    {"--server=", apply_server}, {"--dns=", apply_dns},   {"--hostname=", apply_hostname},
    {"--search=", apply_search}, {"--net=", apply_net},   {"--mac=", apply_mac},
    {"--mtu=", apply_mtu},       {"--ipv4=", apply_ipv4}, {"--gateway=", apply_gateway},
    {"--route=", apply_route},
};

int rly_options(struct rly_config *ret_config, char *const *argv, struct rk_err *err)
{
    memset(ret_config, 0, sizeof *ret_config);
    void *page =
        mmap(NULL, sizeof *ret_config->places, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return rk_fail_errno(err, "map a page");
    ret_config->places = page;
    for (argv += argv[0] != NULL; *argv; argv++) {
        size_t i = 0;
        while (i < sizeof options / sizeof options[0] &&
               strncmp(*argv, options[i].name, strlen(options[i].name)) != 0)
            i++;
        if (i == sizeof options / sizeof options[0])
            return rk_fail(err, -EINVAL, "unknown option '%s'", *argv);
        int r = options[i].apply(ret_config, *argv + strlen(options[i].name));
        if (r < 0)
            return rk_fail(err, r, "option '%s': %s", *argv, strerror(-r));
    }
    if (ret_config->net_count == 0)
        return rk_fail(err, -EINVAL,
                       "no --net given: runuk starts this program, nobody else has a use for it");
    return 0;
}
