/* Mode "redirect": link and tap hand each other every frame that they receive, and the namespace's own stack
 * hears nothing. */
#include "lib/err.h"
#include "lib/fault.h"
#include "netplumb/ingress.h"
#include "netplumb/mode.h"

#include <errno.h>
#include <stddef.h>

/* The link keeps its addresses: with an ipvlan link the host finds the namespace by them. No address conflict
 * comes of it, IPv6 duplicate address detection included: the stack's own probes leave by the link and do not
 * pass the tap, and the guest's do not reach the stack. */
static int apply(struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    enum net_ingress_rules guest = wire->relayed ? NET_INGRESS_GUEST : NET_INGRESS_ALL;
    enum net_ingress_rules link = wire->relayed ? NET_INGRESS_LINK : NET_INGRESS_ALL;
    int tap = wire->tap_ifindex;
    int code = net_ingress_add(session, tap, wire->link_ifindex, tap, guest, err);
    if (code < 0)
        return rk_wrap(err, "redirect '%s' to '%s'", wire->tap, wire->link);
    RK_FAULT("network:redirect-tap");
    code = net_ingress_add(session, wire->link_ifindex, tap, tap, link, err);
    if (code == -EEXIST) {
        code = net_ingress_claim(session, wire->link, wire->link_ifindex, err);
        if (code == 0)
            code = net_ingress_add(session, wire->link_ifindex, tap, tap, link, err);
    }
    if (code < 0) /* the tap's half goes with the tap */
        return rk_wrap(err, "redirect '%s' to '%s'", wire->link, wire->tap);
    return 0;
}

static int undo(const struct net_wire *wire, struct net_session *session, struct rk_err *err)
{
    int is = net_iface_is(session, wire->link_ifindex, wire->link, NULL, err);
    if (is <= 0)
        return is;
    return net_ingress_remove(session, wire->link_ifindex, wire->tap_ifindex, err);
}

static int sweep(struct net_session *session, struct rk_err *err)
{
    struct net_survey survey;
    int code = net_survey_take(&survey, session, err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < survey.link_count && code == 0; i++) {
        code = net_ingress_claim(session, survey.links[i].name, survey.links[i].ifindex, err);
        if (code == -EEXIST || code == -EBUSY) /* another's, or a living guest's */
            code = 0;
    }
    net_survey_fini(&survey);
    return code;
}

const struct net_mode net_mode_redirect = {
    .name = "redirect",
    .selectable = true,
    .apply = apply,
    .undo = undo,
    .sweep = sweep,
};
