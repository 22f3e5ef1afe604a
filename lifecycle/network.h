/* The container's network at start: surveyed in its namespace, wired to taps, and put into words for the
 * guest. */
#ifndef CTR_NETWORK_H
#define CTR_NETWORK_H

#include "bundle/guest.h"
#include "lifecycle/record.h"

struct ctr_relay;

/* What start learned. Texts in `nets` are copies; device names are borrowed from the record. */
struct ctr_network {
    struct bnd_guest_net *nets; /* the manifest's devices in their order, then links without a device */
    size_t net_count;
    struct bnd_guest_route *routes; /* of the devices' links, by gateways that are not the default one */
    size_t route_count;
};

/* Whether start has to look into the network namespace at all. */
bool ctr_network_needed(const struct ctr_record *record, bool describe);

/* In the network namespace of the container's process: look at the links, make one tap for every network
 * device of the manifest (record->wires, with open descriptors), wired to the link of the same name or else
 * to the next free one, and describe all. Without a network device no tap is made, and without `describe` the
 * namespace is not even looked at. Where a relay is wanted the wires are made for it, and it gets what it
 * needs (lifecycle/relay.h). On failure nothing is left. The taps last as long as their descriptors: what is
 * to be undone by another process is first written down, then kept. */
int ctr_network_make(struct ctr_network *ret_network, struct ctr_record *record, bool describe,
                     struct ctr_relay *relay, struct rk_err *err);

/* Let the taps of record->wires, which is saved, outlive this process. */
int ctr_network_keep(const struct ctr_record *record, struct rk_err *err);

/* Undo record->wires in the namespace at `netns` (a path), or when there is none what a start may have left
 * that was killed before it could note any. A namespace that is gone took them along. A caller without
 * privileges (ctr_apart_needed) does this in a process apart; ctr_network_make leaves that to its caller, and
 * then may not come back. */
int ctr_network_undo(const struct ctr_record *record, const char *netns, struct rk_err *err);

void ctr_network_fini(struct ctr_network *network);

#endif
