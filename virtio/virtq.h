/* SPDX-License-Identifier: MIT */
/*
 * The device half of a virtqueue: take descriptor chains that the driver made available, give them
 * back as used, and agree with the driver on when to notify. Layouts live in virtq_split.h (and
 * later virtq_packed.h); callers see only the verbs here. virtio 1.2 sections 2.7 and 2.7.13
 * (notification suppression).
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
#include "virtio/virtq_split.h"
#include "virtio/virtq_state.h"

/*
 * Translate the ring addresses that a front-end gave in its own address space. -EINVAL: size no
 * power of two or an address misaligned; -EFAULT: an area that is not wholly inside one region.
 */
int virtq_resolve(struct virtq_rings *rings, const struct gmem *mem, unsigned size,
		  uint64_t desc_uva, uint64_t avail_uva, uint64_t used_uva);

/*
 * Begin where the device stopped: a split ring at its used index, whatever cfg->base says. Clears a
 * fault. Nothing is sent to the driver.
 */
void virtq_start(struct virtq *vq, const struct virtq_config *cfg);

/* The same rings at another place in our address space (the memory table changed); indices stay. */
void virtq_move(struct virtq *vq, const struct virtq_rings *rings);

/* The rule that was broken, in words for a log line. */
const char *virtq_fault_name(enum virtq_fault fault);

/* Signal call_fd whatever the driver asked for; nothing without one. */
void virtq_call_now(struct virtq *vq);

/* Chains that wait; at most 65535 even if the driver's index is wild: pop finds that fault. */
static inline unsigned virtq_peek(struct virtq *vq)
{
	return virtq_split_peek(vq);
}

/*
 * Take up to n chains. Their iovecs are appended to pool; a chain is only started when
 * CHAIN_MAX_IOV iovecs are free there, so fewer than n may come. 0 with vq->fault set: the guest
 * broke the queue.
 */
static inline unsigned virtq_pop(struct virtq *vq, struct chain *chains, unsigned n,
				 struct iov_pool *pool)
{
	return virtq_split_pop(vq, chains, n, pool);
}

/* The last n of the chains popped were not used: the next pop returns them again. */
static inline void virtq_rewind(struct virtq *vq, const struct chain *chains, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		vq->last_avail = (uint16_t)(vq->last_avail - chains[i].elem.slots);
}

/* len: bytes that the device wrote into the chain. Visible to the driver with the next publish. */
static inline void virtq_push(struct virtq *vq, struct virtq_elem elem, uint32_t len)
{
	virtq_split_push(vq, elem, len);
}

static inline void virtq_publish(struct virtq *vq)
{
	virtq_split_publish(vq);
}

/* After publish: interrupt the driver if it asked for that. True if it was. */
static inline bool virtq_call(struct virtq *vq)
{
	if (!virtq_split_call_wanted(vq))
		return false;
	virtq_call_now(vq);
	return true;
}

static inline void virtq_disarm_notify(struct virtq *vq)
{
	virtq_split_disarm_notify(vq);
}

/*
 * Ask for a kick, then look again. True: chains wait and the driver may have seen no reason to
 * kick, so do not sleep.
 */
static inline bool virtq_arm_notify(struct virtq *vq)
{
	return virtq_split_arm_notify(vq, vq->last_avail);
}

/*
 * The same for chains beyond those that the last peek or pop saw: what waits already is not enough.
 */
static inline bool virtq_arm_notify_more(struct virtq *vq)
{
	return virtq_split_arm_notify(vq, vq->avail_idx);
}

#endif
