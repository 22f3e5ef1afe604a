/* One rtnetlink socket: requests out in one datagram, answers in, the kernel's own words for errors. */
#include "netplumb/session.h"

#include "lib/cleanup.h"
#include "lib/err.h"
#include "netplumb/net.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <netlink/netlink.h>
#include <netlink/socket.h>

/* The kernel builds dumps in pieces of up to 32 KiB when the reader's buffer shows that it takes them. */
#define NET_BUFFER (32 * 1024)

/* rtnetlink answers from within sendmsg, so only a kernel that is stuck lets this run out. */
#define NET_TIMEOUT_S 10

struct net_session {
    struct nl_sock *nl;
    int fd; /* the socket's, owned by nl */
    unsigned char buffer[NET_BUFFER] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* The state of one net_talk: which requests still wait for their end, and the first error. */
struct talk {
    uint32_t seq[NET_BATCH];
    bool pending[NET_BATCH];
    size_t count, left;
    net_each_fn *each;
    void *arg;
    bool torn;
    int code;
    size_t failed;
    struct rk_err *err;
};

int net_session_open(struct net_session **ret_session, struct rk_err *err)
{
    struct net_session *session = calloc(1, sizeof *session);
    if (!session)
        return rk_fail(err, -ENOMEM, "open netlink: out of memory");
    session->nl = nl_socket_alloc();
    if (!session->nl) {
        free(session);
        return rk_fail(err, -ENOMEM, "open netlink: out of memory");
    }
    int nle = nl_connect(session->nl, NETLINK_ROUTE);
    if (nle < 0) {
        net_session_close(session);
        return rk_fail(err, -EPROTONOSUPPORT, "open netlink: %s", nl_geterror(nle));
    }
    session->fd = nl_socket_get_fd(session->nl);

    /* Older kernels know neither option and then only give poorer texts. */
    int on = 1;
    setsockopt(session->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(session->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    struct timeval limit = {.tv_sec = NET_TIMEOUT_S};
    if (setsockopt(session->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) {
        int code = rk_fail_errno(err, "open netlink: set a time limit");
        net_session_close(session);
        return code;
    }
    *ret_session = session;
    return 0;
}

void net_session_close(struct net_session *session)
{
    if (!session)
        return;
    int saved = errno;
    nl_socket_free(session->nl);
    free(session);
    errno = saved;
}

struct nl_msg *net_msg_new(int type, int flags, const void *header, size_t size)
{
    net_automsg struct nl_msg *msg = nlmsg_alloc_simple(type, flags);
    void *room = msg ? nlmsg_reserve(msg, size, NLMSG_ALIGNTO) : NULL;
    if (!room)
        return NULL;
    memcpy(room, header, size);
    return rk_take(msg);
}

struct nl_msg *net_msg_link(int type, int ifindex, unsigned if_flags, unsigned change)
{
    struct ifinfomsg info = {
        .ifi_family = AF_UNSPEC, .ifi_index = ifindex, .ifi_flags = if_flags, .ifi_change = change};
    return net_msg_new(type, 0, &info, sizeof info);
}

int net_ifindex(struct net_session *session, const char *name)
{
    /* Interface ioctls work on a socket of any family. */
    struct ifreq request = {0};
    if (strlen(name) >= sizeof request.ifr_name)
        return -ENODEV;
    memcpy(request.ifr_name, name, strlen(name));
    return ioctl(session->fd, SIOCGIFINDEX, &request) < 0 ? -errno : request.ifr_ifindex;
}

static int send_all(struct net_session *session, struct nl_msg *const *msgs, struct talk *talk)
{
    struct iovec iov[NET_BATCH];
    for (size_t i = 0; i < talk->count; i++) {
        nl_complete_msg(session->nl, msgs[i]);
        struct nlmsghdr *header = nlmsg_hdr(msgs[i]);
        talk->seq[i] = header->nlmsg_seq;
        talk->pending[i] = true;
        /* Every attribute is padded as it is put, so the length is aligned and the next message follows at
         * once. */
        iov[i] = (struct iovec){header, NLMSG_ALIGN(header->nlmsg_len)};
    }
    talk->left = talk->count;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr message = {
        .msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = iov, .msg_iovlen = talk->count};
    ssize_t sent;
    do
        sent = sendmsg(session->fd, &message, 0);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? rk_fail_errno(talk->err, "send to netlink") : 0;
}

/* The text that the kernel may put behind an error (NLMSGERR_ATTR_MSG), or NULL. */
static const char *kernel_text(const struct nlmsghdr *header, const struct nlmsgerr *ack)
{
    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
        return NULL;
    size_t fixed = sizeof *ack;
    if (!(header->nlmsg_flags & NLM_F_CAPPED)) {
        if (ack->msg.nlmsg_len < NLMSG_HDRLEN)
            return NULL;
        fixed += NLMSG_ALIGN(ack->msg.nlmsg_len - NLMSG_HDRLEN);
    }
    if (fixed >= (size_t)nlmsg_datalen(header))
        return NULL;
    const struct nlattr *attr = nla_find((const struct nlattr *)((const char *)ack + fixed),
                                         nlmsg_datalen(header) - (int)fixed, NLMSGERR_ATTR_MSG);
    if (!attr || nla_len(attr) < 1 || ((const char *)nla_data(attr))[nla_len(attr) - 1] != '\0')
        return NULL;
    return nla_data(attr);
}

static void note_failure(struct talk *talk, size_t index, int code, const char *words)
{
    if (talk->code)
        return;
    talk->code = code;
    talk->failed = index;
    if (words)
        rk_fail(talk->err, code, "%s: %s", strerror(-code), words);
    else
        rk_fail(talk->err, code, "%s", strerror(-code));
}

/* The end of request `index`: an acknowledgement, an error, or the last message of a dump. */
static void finish(struct talk *talk, size_t index, const struct nlmsghdr *header)
{
    talk->pending[index] = false;
    talk->left--;
    const struct nlmsgerr *ack = nlmsg_data(header);
    if (header->nlmsg_type == NLMSG_DONE) {
        if (nlmsg_datalen(header) >= (int)sizeof(int) && ack->error < 0)
            note_failure(talk, index, ack->error, NULL);
    } else if (nlmsg_datalen(header) < (int)sizeof *ack) {
        note_failure(talk, index, -EPROTO, "short netlink acknowledgement");
    } else if (ack->error < 0) {
        note_failure(talk, index, ack->error, kernel_text(header, ack));
    }
}

static void take_message(struct talk *talk, struct nlmsghdr *header)
{
    size_t index = 0;
    while (index < talk->count && (talk->seq[index] != header->nlmsg_seq || !talk->pending[index]))
        index++;
    if (index == talk->count)
        return; /* an answer to an earlier conversation that was given up */
    if (header->nlmsg_flags & NLM_F_DUMP_INTR)
        talk->torn = true;
    if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
        finish(talk, index, header);
    } else if (talk->each && !talk->code) {
        int code = talk->each(header, talk->arg, talk->err);
        if (code < 0) {
            talk->code = code;
            talk->failed = index;
        }
    }
}

int net_talk(struct net_session *session, struct nl_msg *const *msgs, size_t count, net_each_fn *each,
             void *arg, size_t *ret_failed, struct rk_err *err)
{
    if (count > NET_BATCH)
        return rk_fail(err, -E2BIG, "send to netlink: more than %d requests at once", NET_BATCH);
    struct talk talk = {.count = count, .each = each, .arg = arg, .err = err};
    int code = send_all(session, msgs, &talk);
    if (code < 0)
        return code;
    while (talk.left > 0) {
        /* MSG_TRUNC makes the kernel tell the true length, so that a message that did not fit is noticed. */
        ssize_t got = recv(session->fd, session->buffer, sizeof session->buffer, MSG_TRUNC);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rk_fail_errno(err, "receive from netlink");
        if ((size_t)got > sizeof session->buffer)
            return rk_fail(err, -EMSGSIZE, "receive from netlink: a message of %zd bytes", got);
        int left = (int)got;
        for (struct nlmsghdr *h = (struct nlmsghdr *)session->buffer; nlmsg_ok(h, left);
             h = nlmsg_next(h, &left))
            take_message(&talk, h);
    }
    if (talk.code && ret_failed)
        *ret_failed = talk.failed;
    if (talk.code)
        return talk.code;
    return talk.torn ? rk_fail(err, -EAGAIN, "interfaces changed while they were listed") : 0;
}
