/* In place of the C library's look-up of host and protocol names, which libnl offers and runuk never uses: it
 * has no static form (the Makefile has the linker put these there, by --wrap). */
#include <netdb.h>
#include <stddef.h>

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list);
struct protoent *__wrap_getprotobyname(const char *name);
struct protoent *__wrap_getprotobynumber(int number);

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)ret_list;
    return EAI_FAIL;
}

struct protoent *__wrap_getprotobyname(const char *name)
{
    (void)name;
    return NULL;
}

struct protoent *__wrap_getprotobynumber(int number)
{
    (void)number;
    return NULL;
}
