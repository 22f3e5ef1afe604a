/* resolv.conf(5), as far as a guest can be told of it. */
#include "lifecycle/resolvers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fd.h"
#include "lifecycle/record.h"
#include "netplumb/relay/resolver.h"

#define FILE_MAX 65536
#define BLANKS   " \t\r"

static bool is_address(const char *text)
{
    uint8_t address[16];
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static void add_server(struct ctr_resolvers *r, const char *text)
{
    if (r->count == CTR_RESOLVERS_MAX || !text || !is_address(text))
        return;
    snprintf(r->servers[r->count++], sizeof r->servers[0], "%s", text);
    r->inside = r->inside || rly_is_loopback(text);
}

/* Labels of 1 to 63 bytes (RFC 1035, 2.3.4), perhaps with a dot behind the last. */
static bool is_domain(const char *text)
{
    if (!*text)
        return false;
    while (*text) {
        size_t label = strcspn(text, ".");
        if (label == 0 || label > 63)
            return false;
        text += label + (text[label] == '.');
    }
    return true;
}

/* The last line counts, as it does for the C library. */
static int set_search(struct ctr_resolvers *r, char **save)
{
    size_t size = 0;
    rk_argv_fini(&r->search);
    for (char *word; (word = strtok_r(NULL, BLANKS, save));) {
        if (!is_domain(word) || size + strlen(word) + 2 > CTR_SEARCH_MAX)
            continue;
        size += strlen(word) + 2;
        if (rk_argv_add(&r->search, word) < 0)
            return -ENOMEM;
    }
    return 0;
}

int ctr_resolvers_parse(struct ctr_resolvers *ret_resolvers, char *text)
{
    struct ctr_resolvers r = {.count = 0};
    char *lines = NULL;
    for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
        char *save = NULL, *word = strtok_r(line, BLANKS, &save);
        int code = 0;
        if (word && strcmp(word, "nameserver") == 0)
            add_server(&r, strtok_r(NULL, BLANKS, &save));
        else if (word && (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0))
            code = set_search(&r, &save);
        if (code < 0) {
            ctr_resolvers_fini(&r);
            return code;
        }
    }
    *ret_resolvers = r;
    return 0;
}

int ctr_resolvers_read(struct ctr_resolvers *ret_resolvers, const struct ctr_record *record)
{
    rk_autofree char *text = NULL;
    rk_autoclose int root = -1;
    rk_autoclose int fd = -1;
    *ret_resolvers = (struct ctr_resolvers){.count = 0};
    if (record->resolv_conf) {
        fd = open(record->resolv_conf, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    } else {
        root = open(record->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
        fd = root < 0 ? -1 : rk_open_regular_in_root(root, "etc/resolv.conf", O_RDONLY | O_NONBLOCK);
    }
    if (fd < 0 || rk_read_fd(fd, FILE_MAX, &text, NULL) < 0)
        return 0;
    return ctr_resolvers_parse(ret_resolvers, text);
}

void ctr_resolvers_fini(struct ctr_resolvers *resolvers)
{
    rk_argv_fini(&resolvers->search);
    *resolvers = (struct ctr_resolvers){.count = 0};
}
