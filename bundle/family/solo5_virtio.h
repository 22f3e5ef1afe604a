/* The QEMU machine of Solo5's virtio target, which MirageOS and other Solo5 guests share. */
#ifndef BND_SOLO5_VIRTIO_H
#define BND_SOLO5_VIRTIO_H

#include "bundle/family/family.h"

const struct bnd_machine *bnd_solo5_machine(enum bnd_kind kind);

#endif
