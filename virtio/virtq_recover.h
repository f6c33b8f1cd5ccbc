/* SPDX-License-Identifier: MIT */
/*
 * Where the device of a packed ring stopped, read out of the ring itself. A front-end that lost its
 * back-end does not know it (QEMU sends an old base), and there is no used index in the ring.
 *
 * It can be seen because chains are used in order and virtq_packed_push() leaves every slot of a
 * used chain marked used. A slot's AVAIL bit is the lap in which it was written last. From the
 * place where the driver writes next, which is where that bit changes, back:
 *
 *     used, some rewritten already ...  | batch that died | available ... | driver writes here
 *                                   first              end
 *
 * The device goes on at end. Mostly first is end. Only if the device died between the first push of
 * a batch and publish, the batch's first descriptor is still available, some behind it are used,
 * and the driver waits at the first: then the batch is published now.
 *
 * What is not just so is not believed: a ring that another device left, which does not mark the
 * rest of a chain, is no such ring as soon as it shows a longer chain. One trace escapes: if the
 * last used chain is the only longer one, its rest looks like a chain that is available, and the
 * place that is found is too early. So a packed ring with chains of several descriptors, none of
 * them in tables, is not to be taken over from another device.
 */
#ifndef VIRTIO_VIRTQ_RECOVER_H
#define VIRTIO_VIRTQ_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vring.h"

/*
 * Find the place of a device that is stopped; the driver may be running. base: where the front-end
 * says it is, a slot of the ring. False: the ring does not tell. Cold; bounded whatever a guest
 * writes meanwhile.
 */
bool virtq_recover_place(struct vring_packed_desc *ring, unsigned size, uint16_t base,
			 uint16_t *place);

#endif
