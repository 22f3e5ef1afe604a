/* The relay beside the monitor (netplumb/relay/): whether the guest needs one, and all that it is given. */
#ifndef CTR_RELAY_H
#define CTR_RELAY_H

#include "lib/message.h"
#include "lifecycle/record.h"
#include "lifecycle/resolvers.h"

struct bnd_guest_net;

struct ctr_relay {
    struct ctr_resolvers resolvers;
    bool wanted;
    int program;             /* the relay's binary, O_PATH */
    int fds[RK_MESSAGE_FDS]; /* what it gets, from number CTR_SLOT_FIRST on */
    size_t fd_count;
    struct rk_argv argv;
    int ports; /* of net_ports_open; -1 */
};

/* Read the container's resolv.conf and judge: a relay is wanted when the guest has network devices, and a
 * resolver of the container is in its namespace or the guest asks for its address by DHCP. Opens the
 * relay's binary in `monitor_dir`. */
int ctr_relay_plan(struct ctr_relay *ret_relay, const struct ctr_record *record, const char *monitor_dir,
                   struct rk_err *err);

/* In the container's network namespace, when record->wires are made: open the relay's sockets and write its
 * command line; nets[i] describes wires[i]. Nothing when it is not wanted. */
int ctr_relay_attach(struct ctr_relay *relay, struct ctr_record *record, const struct bnd_guest_net *nets,
                     struct rk_err *err);

/* Reserve the ports of the container's own resolvers; the record that tells how to undo it has been saved. A
 * namespace in which that is not possible is worth a warning. */
void ctr_relay_reserve(const struct ctr_relay *relay);

/* Have the waiting process start the relay. */
int ctr_relay_send(const struct ctr_relay *relay, int gate, struct rk_err *err);

/* The name server that the guest is told of; empty: none. */
const char *ctr_relay_dns(const struct ctr_relay *relay);

void ctr_relay_fini(struct ctr_relay *relay);

#endif
