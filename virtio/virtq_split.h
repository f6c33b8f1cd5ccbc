/* SPDX-License-Identifier: MIT */
/*
 * The device half of a split virtqueue (virtio 1.2 section 2.7). The contracts are in virtq.h.
 *
 *   driver                                   device
 *   descriptors, avail ring
 *   store_release avail idx          A -->   load_acquire avail idx
 *                                            avail ring, descriptors
 *
 *                                            avail_event or used flags: "kick me"
 *   full fence                       B       full fence
 *   avail_event or used flags                avail idx again
 *   kick if asked
 *
 *                                            used ring, buffers
 *   load_acquire used idx        <-- C       store_release used idx
 *
 *   used_event or avail flags: "call me"
 *   full fence                       D       full fence
 *   used idx again                           used_event or avail flags
 *                                            call if asked
 *
 * Without A the device reads descriptors that are not there yet; without C the driver reuses
 * buffers that are still read. B and D each pair two fences: each side first says what it has, then
 * looks at what the other wants. Take one out and both may look before they said it: the driver
 * does not kick, the device sleeps, and the frame waits for ever.
 */
#ifndef VIRTIO_VIRTQ_SPLIT_H
#define VIRTIO_VIRTQ_SPLIT_H

#include "virtio/virtq_state.h"

/* A chain of several descriptors or an indirect table; the general case, in virtq.c. */
enum virtq_fault virtq_split_walk(struct virtq *vq, struct vring_desc first, struct chain *c,
				  struct iov_pool *pool);

static inline unsigned virtq_split_peek(struct virtq *vq)
{
	vq->avail_idx = load_acquire(&vq->rings.avail->idx); /* A */
	return (uint16_t)(vq->avail_idx - vq->last_avail);
}

/* One copy of a descriptor that the driver may be rewriting: two loads, each whole. */
static inline struct vring_desc virtq_split_read_desc(const struct vring_desc *desc)
{
	struct vring_desc d;
	uint64_t rest;

	d.addr = load_relaxed(&desc->addr);
	rest = load_relaxed((const vring_u64 *)(const void *)&desc->len);
	d.len = (uint32_t)rest;
	d.flags = (uint16_t)(rest >> 32);
	d.next = (uint16_t)(rest >> 48);
	return d;
}

static inline enum virtq_fault virtq_split_pop_one(struct virtq *vq, struct chain *c,
						   struct iov_pool *pool)
{
	uint16_t head = load_relaxed(&vq->rings.avail->ring[vq->last_avail & (vq->size - 1)]);
	struct vring_desc d;

	if (head >= vq->size)
		return VIRTQ_FAULT_HEAD;
	d = virtq_split_read_desc(&vq->rings.desc[head]);
	*c = (struct chain){ .elem = { .id = head, .slots = 1 }, .iov = &pool->iov[pool->n] };
	if (!(d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT))) {
		uint64_t len = d.len;
		void *host = gmem_at(vq->mem, d.addr, &len, &vq->mem_hint);

		if (host && len == d.len && len) {
			bool in = d.flags & VRING_DESC_F_WRITE;

			pool->iov[pool->n++] = (struct iovec){ .iov_base = host, .iov_len = len };
			c->n_in = in;
			c->n_out = !in;
			c->in_len = in ? d.len : 0;
			c->out_len = in ? 0 : d.len;
			return VIRTQ_OK;
		}
	}
	return virtq_split_walk(vq, d, c, pool);
}

static inline unsigned virtq_split_pop(struct virtq *vq, struct chain *chains, unsigned n,
				       struct iov_pool *pool)
{
	unsigned waiting = (uint16_t)(vq->avail_idx - vq->last_avail);
	enum virtq_fault fault;
	unsigned i;

	if (vq->fault)
		return 0;
	if (waiting < n)
		waiting = virtq_split_peek(vq);
	/* Also when an earlier peek read the index: that one does not judge. */
	if (waiting > vq->size) {
		virtq_break(vq, VIRTQ_FAULT_AVAIL_IDX);
		return 0;
	}
	if (waiting < n)
		n = waiting;
	for (i = 0; i < n; i++) {
		if (pool->cap - pool->n < CHAIN_MAX_IOV)
			break;
		fault = virtq_split_pop_one(vq, &chains[i], pool);
		if (fault) {
			virtq_break(vq, fault);
			break;
		}
		vq->last_avail++;
	}
	return i;
}

static inline void virtq_split_push(struct virtq *vq, struct virtq_elem elem, uint32_t len)
{
	struct vring_used_elem *u = &vq->rings.used->ring[vq->used_idx & (vq->size - 1)];

	store_relaxed(&u->id, elem.id);
	store_relaxed(&u->len, len);
	vq->used_idx++;
}

static inline void virtq_split_publish(struct virtq *vq)
{
	store_release(&vq->rings.used->idx, vq->used_idx); /* C */
}

static inline bool virtq_split_call_wanted(struct virtq *vq)
{
	uint16_t event, old = vq->signalled_used;
	bool valid = vq->signalled_valid;

	full_fence(); /* D */
	if (!vq->event_idx)
		return !(load_relaxed(&vq->rings.avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	vq->signalled_used = vq->used_idx;
	vq->signalled_valid = true;
	event = load_relaxed(vring_avail_used_event(vq->rings.avail, vq->size));
	return !valid || vring_need_event(event, vq->used_idx, old);
}

/*
 * With EVENT_IDX there is nothing to write: the driver kicks when it passes avail_event, and that
 * stays behind.
 */
static inline void virtq_split_disarm_notify(struct virtq *vq)
{
	if (!vq->event_idx)
		store_relaxed(&vq->rings.used->flags, VRING_USED_F_NO_NOTIFY);
}

/* Kick me when chain number seen is made available. True: it is already. */
static inline bool virtq_split_arm_notify(struct virtq *vq, uint16_t seen)
{
	if (vq->event_idx)
		store_relaxed(vring_used_avail_event(vq->rings.used, vq->size), seen);
	else
		store_relaxed(&vq->rings.used->flags, 0);
	full_fence(); /* B */
	virtq_split_peek(vq);
	return vq->avail_idx != seen;
}

#endif
