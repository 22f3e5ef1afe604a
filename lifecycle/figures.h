/* What a guest has done so far, for events and exec's :stats: its network and disks, the exits of its virtual
 * machine, the system calls of its monitor. */
#ifndef CTR_FIGURES_H
#define CTR_FIGURES_H

#include "lifecycle/record.h"

/* Make the file that a monitor counts in (lib/figures.h), in the state directory `dir`: its descriptor. All
 * of its space is taken, since a monitor that stores into a full file system's file is killed. */
int ctr_figures_make(int dir, struct rk_err *err);

/* Put into the object `json` what is known:
 *
 *   "network"  {DEVICE: {"rx_bytes","rx_frames","tx_bytes","tx_frames"}}: of the taps, as the guest sees them
 *   "block"    {DEVICE: {"reads","read_bytes","writes","written_bytes"}}: of the monitor, if it counts
 *   "exits"    {"hypercalls": {NAME: number}, "interrupted", "other"}: of the monitor, if it counts
 *   "io"       {"reads","read_bytes","writes","written_bytes","storage_read_bytes","storage_written_bytes"}:
 * what the kernel counts of the monitor's process, devices and console together (proc(5), /proc/PID/io)
 *
 * What is not known is left out; figures that are none are, too, with a warning in the log. */
void ctr_figures_put(json_t *json, const struct ctr_record *record, int dir);

/* The value of "network" above. NULL without memory. */
json_t *ctr_figures_network(const struct ctr_record *record);

/* The wire of the d-th device of the manifest, if it is a network device that has one. */
const struct ctr_wire *ctr_figures_wire(const struct ctr_record *record, size_t device);

#endif
