/* The table of wiring modes, and the making and undoing of a wire, which are the same for all of them. */
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fault.h"
#include "netplumb/ingress.h"
#include "netplumb/mode.h"
#include "netplumb/relay.h"

#include <errno.h>
#include <string.h>

#define UNWIRED_MTU 1500

static const struct net_mode *const modes[] = {
    &net_mode_redirect,
    &net_mode_bridge,
    &net_mode_none,
};

static const struct net_mode *find_mode(const char *name)
{
    for (size_t i = 0; i < RK_COUNT(modes); i++)
        if (!strcmp(modes[i]->name, name))
            return modes[i];
    return NULL;
}

bool net_mode_exists(const char *name)
{
    const struct net_mode *mode = find_mode(name);
    return mode && mode->selectable;
}

/* What the wire takes over from the link, or what stands in for it. */
static int describe(struct net_wire *wire, const struct net_mode *mode, const struct net_link *link,
                    struct rk_err *err)
{
    snprintf(wire->mode, sizeof wire->mode, "%s", mode->name);
    if (!link || !mode->selectable) {
        wire->mtu = UNWIRED_MTU;
        return net_mac_random(wire->mac, err);
    }
    memcpy(wire->link, link->name, sizeof wire->link);
    wire->link[sizeof wire->link - 1] = '\0';
    wire->link_ifindex = link->ifindex;
    memcpy(wire->mac, link->mac, sizeof wire->mac);
    wire->mtu = link->mtu;
    return 0;
}

/* The link must be nobody's port. A bridge that a killed runtime left gives its ports back as it goes. */
static int claim_link(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    int code = net_iface_check_free(session, wire->link_ifindex, wire->link, err);
    if (code != -EBUSY || net_wire_sweep(session, NULL) < 0)
        return code;
    return net_iface_check_free(session, wire->link_ifindex, wire->link, err);
}

int net_wire_make(struct net_wire *ret_wire, struct net_session *session, const char *mode_name,
                  const struct net_link *link, uid_t owner, bool relayed, struct rk_err *err)
{
    const struct net_mode *mode = link ? find_mode(mode_name) : &net_mode_none;
    if (!mode)
        return rk_fail(err, -EINVAL, "unknown network mode '%s' (there are redirect and bridge)", mode_name);
    struct net_wire wire = {.fd = -1, .relayed = relayed && link};
    int code = describe(&wire, mode, link, err);
    if (code == 0 && mode->apply)
        code = claim_link(&wire, session, err);
    if (code < 0)
        return code;
    code = net_tap_open(&wire, session, owner, err);
    if (code < 0)
        return code;
    /* The tap goes away with its descriptor, so that every failure from here on needs no more than to close
     * it.
     */
    rk_autoclose int fd = wire.fd;
    RK_FAULT("network:tap");
    code = net_tap_prepare(&wire, session, err);
    RK_FAULT("network:tap-prepared");
    if (code == 0 && mode->apply)
        code = mode->apply(&wire, session, err);
    if (code < 0)
        return code;
    rk_take_fd(&fd);
    *ret_wire = wire;
    return 0;
}

int net_wire_keep(const struct net_wire *wire, struct rk_err *err)
{
    return net_tap_persist(wire, err);
}

int net_wire_sweep(struct net_session *session, struct rk_err *err)
{
    int code = 0;
    for (size_t i = 0; i < RK_COUNT(modes) && code == 0; i++)
        code = modes[i]->sweep ? modes[i]->sweep(session, err) : 0;
    return code;
}

int net_wire_undo(const struct net_wire *wire, struct net_session *session, const struct net_link *link,
                  struct rk_err *err)
{
    (void)link;
    const struct net_mode *mode = find_mode(wire->mode);
    if (!mode)
        return rk_fail(err, -EINVAL, "undo network of tap '%s': unknown mode '%s'", wire->tap, wire->mode);
    /* Both halves are tried: a link that cannot be freed is no reason to leave the tap. */
    int code = mode->undo ? mode->undo(wire, session, err) : 0;
    RK_FAULT("network:unwired");
    net_ports_restore(wire);
    struct rk_err second = {0};
    int tap_code = net_iface_remove(session, wire->tap_ifindex, wire->tap, "tun", &second);
    if (code < 0)
        return rk_wrap(err, "undo network of tap '%s'", wire->tap);
    if (tap_code < 0)
        return rk_fail(err, tap_code, "undo network of tap '%s': %s", wire->tap, second.text);
    return 0;
}
