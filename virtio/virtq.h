/* SPDX-License-Identifier: MIT */
/*
 * The device half of a virtqueue: take descriptor chains that the driver made available, give them
 * back as used, and agree with the driver on when to notify. Layouts live in virtq_split.h and
 * virtq_packed.h; callers see only the verbs here. virtio 1.2 sections 2.7 and 2.8.
 *
 *   peek     how many chains wait
 *   pop      take chains, bounded and translated
 *   rewind   give the last popped chains back unseen
 *   push     write a used element, not yet visible
 *   publish  make pushed elements visible
 *   call     interrupt the driver if it wants that
 *   disarm_notify   no kicks, please
 *   arm_notify      kick me; tells whether something slipped in meanwhile
 *
 * Owner: one thread at a time. virtq_start() and everything else that is cold runs on the control
 * thread while the queue is stopped; the verbs run on the iothread that owns the queue. After a
 * guest fault (vq->fault) pop returns nothing.
 */
#ifndef VIRTIO_VIRTQ_H
#define VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/chain.h"
#include "virtio/virtq_packed.h"
#include "virtio/virtq_split.h"
#include "virtio/virtq_state.h"

/*
 * Translate the ring addresses that a front-end gave in its own address space. -EINVAL: a size that
 * the layout does not have or an address misaligned; -EFAULT: an area that is not wholly inside one
 * region.
 */
int virtq_resolve(struct virtq_rings *rings, const struct gmem *mem, unsigned size,
		  uint64_t desc_uva, uint64_t avail_uva, uint64_t used_uva);
/* The same of a packed ring: descriptors, driver's and device's event area. */
int virtq_resolve_packed(struct virtq_rings *rings, const struct gmem *mem, unsigned size,
			 uint64_t desc_uva, uint64_t driver_uva, uint64_t device_uva);

/*
 * Before virtq_start(), on the control thread: find where the last device of this ring stopped. A
 * front-end that lost its back-end may not know it: QEMU sends an old base. The place of a packed
 * ring is the one that its descriptors show (virtq_recover.h), or else the one in cfg->inflight, or
 * else cfg->base. cfg->base becomes that place. True: it was another place before. A split ring
 * shows its place in its used index, and cfg->base is not touched.
 *
 * What a device that died had begun is finished: a batch that it did not publish becomes visible,
 * and the driver of a ring that was used before is called once.
 */
bool virtq_find_base(struct virtq_config *cfg);

/*
 * Begin where the device stopped: a split ring at its used index, whatever cfg->base says, a packed
 * one at the used half of cfg->base, see virtq_find_base(). Clears a fault. Nothing is sent to the
 * driver.
 */
void virtq_start(struct virtq *vq, const struct virtq_config *cfg);

/* The answer to GET_VRING_BASE: the base of the next start. */
uint32_t virtq_base(const struct virtq *vq);

/* The same rings at another place in our address space (the memory table changed); indices stay. */
void virtq_move(struct virtq *vq, const struct virtq_rings *rings);

/* The rule that was broken, in words for a log line. */
const char *virtq_fault_name(enum virtq_fault fault);

/* Interrupt the driver whatever it asked for. */
void virtq_call_now(struct virtq *vq);

/*
 * Chains that wait; at most 65535 even if the driver's index is wild: pop finds that fault. A
 * packed ring does not tell how many: 1 is "some".
 */
static inline unsigned virtq_peek(struct virtq *vq)
{
	return vq->packed ? virtq_packed_peek(vq) : virtq_split_peek(vq);
}

/* Chains that the last peek, pop or arm saw and no pop took since. Does not read the ring. */
static inline unsigned virtq_seen(const struct virtq *vq)
{
	if (vq->packed)
		return vq->avail_idx != vq->last_avail;
	return (uint16_t)(vq->avail_idx - vq->last_avail);
}

/*
 * Take up to n chains. Their iovecs are appended to pool; a chain is only started when
 * CHAIN_MAX_IOV iovecs are free there, so fewer than n may come. 0 with vq->fault set: the guest
 * broke the queue. A bad chain breaks it when it is the next one: the good chains in front of it
 * are returned first, however often they are rewound.
 */
static inline unsigned virtq_pop(struct virtq *vq, struct chain *chains, unsigned n,
				 struct iov_pool *pool)
{
	return vq->packed ? virtq_packed_pop(vq, chains, n, pool)
			  : virtq_split_pop(vq, chains, n, pool);
}

/* The last n of the chains popped were not used: the next pop returns them again. */
static inline void virtq_rewind(struct virtq *vq, const struct chain *chains, unsigned n)
{
	if (vq->packed)
		virtq_packed_rewind(vq, chains, n);
	else
		vq->last_avail = (uint16_t)(vq->last_avail - n);
}

/*
 * How many of the ring's descriptors a chain takes that was popped and not pushed; those in an
 * indirect table do not count. Cold.
 */
static inline unsigned virtq_slots(const struct virtq *vq, const struct chain *c)
{
	return vq->packed ? c->elem.slots : virtq_split_slots(vq, c->elem.id);
}

/* len: bytes that the device wrote into the chain. Visible to the driver with the next publish. */
static inline void virtq_push(struct virtq *vq, struct virtq_elem elem, uint32_t len)
{
	if (vq->packed)
		virtq_packed_push(vq, elem, len);
	else
		virtq_split_push(vq, elem, len);
}

/* All at once: the driver never sees a part of what was pushed since the last publish. */
static inline void virtq_publish(struct virtq *vq)
{
	if (vq->packed)
		virtq_packed_publish(vq);
	else
		virtq_split_publish(vq);
}

/*
 * After publish: interrupt the driver if it asked for that. True if it was. To be asked at least
 * once for each ring size of descriptors that were published.
 */
static inline bool virtq_call(struct virtq *vq)
{
	if (!(vq->packed ? virtq_packed_call_wanted(vq) : virtq_split_call_wanted(vq)))
		return false;
	virtq_call_now(vq);
	return true;
}

static inline void virtq_disarm_notify(struct virtq *vq)
{
	if (vq->packed)
		virtq_packed_disarm_notify(vq);
	else
		virtq_split_disarm_notify(vq);
}

/*
 * Ask for a kick, then look again. True: chains wait and the driver may have seen no reason to
 * kick, so do not sleep.
 */
static inline bool virtq_arm_notify(struct virtq *vq)
{
	return vq->packed ? virtq_packed_arm_notify(vq, vq->last_avail)
			  : virtq_split_arm_notify(vq, vq->last_avail);
}

/*
 * The same for chains beyond those that the last pop found, rewound or not, when it found fewer
 * than it was asked for: what waits already is not enough.
 */
static inline bool virtq_arm_notify_more(struct virtq *vq)
{
	return vq->packed ? virtq_packed_arm_notify(vq, vq->avail_idx)
			  : virtq_split_arm_notify(vq, vq->avail_idx);
}

#endif
