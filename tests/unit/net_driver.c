/* netplumb behind a command line, for tests/net-*.bats: it works on the network namespace in which it is
 * started. */
#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/net.h"
#include "netplumb/relay.h"
#include "tests/unit/net_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

/* MODE may be MODE,relay: made for a guest with a relay. */
static const char usage[] =
    "net_driver survey                    print links, addresses and routes\n"
    "net_driver make MODE LINK|-          make a wire, print its record, leave it\n"
    "net_driver answer MODE LINK|-        make a wire, print its record, be its guest until SIGTERM, undo\n"
    "net_driver listen MODE LINK|- MS     make a wire, send the frames on stdin (a line of hex each), print "
    "how\n"
    "                                     many come within MS ms, undo\n"
    "net_driver exec MODE LINK|- CMD...   make a wire, print its record, become CMD, @TAP@ in which is the "
    "tap's fd\n"
    "net_driver undo RECORD               undo a wire that was made\n"
    "net_driver port LINK CMD...          become CMD, @PORT@ in which is a relay's packet socket on the "
    "link\n"
    "net_driver sweep                     take away what was left by makers that were killed\n"
    "net_driver repeat N MODE LINK|-      make and undo N times, print the medians in microseconds\n";

struct context {
    struct net_session *session;
    struct net_survey survey;
    struct net_wire wire;
    const struct net_link *link;
    bool relayed;
};

static void print_survey(const struct net_survey *survey)
{
    for (size_t i = 0; i < survey->link_count; i++) {
        const struct net_link *l = &survey->links[i];
        printf("link %s %d %02x:%02x:%02x:%02x:%02x:%02x %u %s\n", l->name, l->ifindex, l->mac[0], l->mac[1],
               l->mac[2], l->mac[3], l->mac[4], l->mac[5], l->mtu, l->up ? "up" : "down");
        for (size_t k = 0; k < l->addr_count; k++)
            printf("addr %s %s/%u scope %u\n", l->name, l->addrs[k].text, l->addrs[k].prefix,
                   l->addrs[k].scope);
        for (size_t k = 0; k < l->route_count; k++) {
            const struct net_route *r = &l->routes[k];
            printf("route %s %s %s/%u via %s metric %u proto %u scope %u table %u\n", l->name,
                   r->is_default ? "default" : "to", r->dst, r->prefix, r->gateway[0] ? r->gateway : "-",
                   r->metric, r->protocol, r->scope, r->table);
        }
    }
}

static void print_record(const struct net_wire *w)
{
    printf("%s,%s,%d,%s,%d,%s,%d,%02x:%02x:%02x:%02x:%02x:%02x,%u\n", w->mode, w->tap, w->tap_ifindex,
           w->link[0] ? w->link : "-", w->link_ifindex, w->bridge[0] ? w->bridge : "-", w->bridge_ifindex,
           w->mac[0], w->mac[1], w->mac[2], w->mac[3], w->mac[4], w->mac[5], w->mtu);
    fflush(stdout);
}

static int read_record(struct net_wire *w, const char *text, struct rk_err *err)
{
    *w = (struct net_wire){.fd = -1};
    if (sscanf(text, "%15[^,],%15[^,],%d,%15[^,],%d,%15[^,],%d,%hhx:%hhx:%hhx:%hhx:%hhx:%hhx,%u", w->mode,
               w->tap, &w->tap_ifindex, w->link, &w->link_ifindex, w->bridge, &w->bridge_ifindex, &w->mac[0],
               &w->mac[1], &w->mac[2], &w->mac[3], &w->mac[4], &w->mac[5], &w->mtu) != 14)
        return rk_fail(err, -EINVAL, "read record '%s'", text);
    if (!strcmp(w->link, "-"))
        w->link[0] = '\0';
    if (!strcmp(w->bridge, "-"))
        w->bridge[0] = '\0';
    return 0;
}

static int make_wire(struct context *c, const char *mode, const char *link, struct rk_err *err)
{
    c->link = NULL;
    for (size_t i = 0; i < c->survey.link_count; i++)
        if (!strcmp(c->survey.links[i].name, link))
            c->link = &c->survey.links[i];
    if (!c->link && strcmp(link, "-") != 0)
        return rk_fail(err, -ENODEV, "no link '%s' in the survey", link);
    char plain[16];
    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(mode, ","), mode);
    c->relayed = strchr(mode, ',') != NULL;
    int code = net_wire_make(&c->wire, c->session, plain, c->link, getuid(), c->relayed, err);
    return code < 0 ? code : net_wire_keep(&c->wire, err);
}

static int undo_wire(struct context *c, struct rk_err *err)
{
    int code = net_wire_undo(&c->wire, c->session, c->link, err);
    rk_close(&c->wire.fd);
    return code;
}

/* Be the guest until SIGTERM or SIGINT. */
static int answer(struct context *c, struct rk_err *err)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    rk_autoclose int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals < 0)
        return rk_fail_errno(err, "wait for signals");
    print_record(&c->wire);
    const struct net_answer guest = {.wire = &c->wire, .link = c->link};
    unsigned char frame[65536];
    for (;;) {
        struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = c->wire.fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            return rk_fail_errno(err, "wait for a frame");
        if (fds[0].revents)
            return 0;
        ssize_t got = read(c->wire.fd, frame, sizeof frame);
        size_t size = got > 0 ? net_answer_frame(&guest, frame, (size_t)got) : 0;
        if (size && write(c->wire.fd, frame, size) < 0)
            return rk_fail_errno(err, "send a frame");
    }
}

/* Send each line of stdin, hex digits, as a frame. */
static int shout(struct context *c, struct rk_err *err)
{
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        unsigned char frame[sizeof line / 2];
        size_t size = 0;
        while (sscanf(line + 2 * size, "%2hhx", &frame[size]) == 1)
            size++;
        if (write(c->wire.fd, frame, size) != (ssize_t)size)
            return rk_fail_errno(err, "send a frame of %zu bytes", size);
    }
    return 0;
}

static int listen_frames(struct context *c, const char *ms, struct rk_err *err)
{
    unsigned char frame[65536];
    unsigned count = 0;
    int code = shout(c, err);
    if (code < 0)
        return code;
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long long deadline = end.tv_sec * 1000LL + end.tv_nsec / 1000000 + atoi(ms);
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long long left = deadline - now.tv_sec * 1000LL - now.tv_nsec / 1000000;
        struct pollfd tap = {.fd = c->wire.fd, .events = POLLIN};
        int n = left > 0 ? poll(&tap, 1, (int)left) : 0;
        if (n < 0)
            return rk_fail_errno(err, "wait for a frame");
        if (n == 0)
            break;
        if (read(c->wire.fd, frame, sizeof frame) > 0)
            count++;
    }
    printf("%u\n", count);
    return 0;
}

/* Become the command, with `mark` in its arguments replaced by the descriptor's number. */
static int become(int fd, const char *mark, char **argv, struct rk_err *err)
{
    for (char **a = argv; *a; a++) {
        char *at = strstr(*a, mark);
        if (at && asprintf(a, "%.*s%d%s", (int)(at - *a), *a, fd, at + strlen(mark)) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    fcntl(fd, F_SETFD, 0);
    execvp(argv[0], argv);
    return rk_fail_errno(err, "run '%s'", argv[0]);
}

/* The link stands for a tap: what comes in on it comes from the guest. */
static int with_port(const struct context *c, char **argv, struct rk_err *err)
{
    struct net_wire wire = {.fd = -1};
    for (size_t i = 0; i < c->survey.link_count; i++)
        if (!strcmp(c->survey.links[i].name, argv[2]))
            wire.tap_ifindex = c->survey.links[i].ifindex;
    if (!wire.tap_ifindex)
        return rk_fail(err, -ENODEV, "no link '%s' in the survey", argv[2]);
    int port = net_relay_port(&wire, err);
    return port < 0 ? port : become(port, "@PORT@", argv + 3, err);
}

static long long microseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int ascending(const void *a, const void *b)
{
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

static long long median(long long *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return values[n / 2];
}

/* Session, survey and wire each time anew, as every container's start has it. */
static int repeat(size_t n, const char *mode, const char *link, struct rk_err *err)
{
    rk_autofree long long *spans = calloc(3 * n + 3, sizeof *spans);
    if (!spans)
        return rk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct context c = {0};
        long long t0 = microseconds();
        int code = net_session_open(&c.session, err);
        if (code == 0)
            code = net_survey_take(&c.survey, c.session, err);
        long long t1 = microseconds();
        if (code == 0)
            code = make_wire(&c, mode, link, err);
        long long t2 = microseconds();
        if (code == 0)
            code = undo_wire(&c, err);
        spans[i] = t1 - t0;
        spans[n + i] = t2 - t1;
        spans[2 * n + i] = microseconds() - t2;
        net_survey_fini(&c.survey);
        net_session_close(c.session);
        if (code < 0)
            return rk_wrap(err, "round %zu", i);
    }
    printf("survey %lld make %lld undo %lld\n", median(spans, n), median(spans + n, n),
           median(spans + 2 * n, n));
    return 0;
}

static int with_wire(struct context *c, int argc, char **argv, struct rk_err *err)
{
    int code = make_wire(c, argv[2], argv[3], err);
    if (code < 0)
        return code;
    if (!strcmp(argv[1], "make")) {
        print_record(&c->wire);
        return 0;
    }
    if (!strcmp(argv[1], "answer"))
        code = answer(c, err);
    else if (!strcmp(argv[1], "listen") && argc == 5)
        code = listen_frames(c, argv[4], err);
    else if (!strcmp(argv[1], "exec") && argc > 4) {
        print_record(&c->wire);
        code = become(c->wire.fd, "@TAP@", argv + 4, err);
    } else
        code = rk_fail(err, -EINVAL, "usage:\n%s", usage);
    struct rk_err second = {0};
    int undone = undo_wire(c, &second);
    return code < 0 || undone == 0 ? code : rk_fail(err, undone, "%s", second.text);
}

static int run(struct context *c, int argc, char **argv, struct rk_err *err)
{
    if (argc == 5 && !strcmp(argv[1], "repeat"))
        return repeat((size_t)atoi(argv[2]), argv[3], argv[4], err);
    int code = net_session_open(&c->session, err);
    if (code == 0)
        code = net_survey_take(&c->survey, c->session, err);
    if (code < 0)
        return code;
    if (argc == 2 && !strcmp(argv[1], "survey")) {
        print_survey(&c->survey);
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "sweep"))
        return net_wire_sweep(c->session, err);
    if (argc == 3 && !strcmp(argv[1], "undo")) {
        code = read_record(&c->wire, argv[2], err);
        return code < 0 ? code : net_wire_undo(&c->wire, c->session, NULL, err);
    }
    if (argc > 3 && !strcmp(argv[1], "port"))
        return with_port(c, argv, err);
    if (argc >= 4)
        return with_wire(c, argc, argv, err);
    return rk_fail(err, -EINVAL, "usage:\n%s", usage);
}

int main(int argc, char **argv)
{
    struct context c = {.wire.fd = -1};
    struct rk_err err = {0};
    int code = run(&c, argc, argv, &err);
    if (code < 0)
        fprintf(stderr, "net_driver: %s\n", err.text);
    rk_close(&c.wire.fd);
    net_survey_fini(&c.survey);
    net_session_close(c.session);
    return code < 0;
}
