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
 * buffers that are still read. B and D are two fences each: either side first stores what it has,
 * then loads what the other side wants. Without one of the two fences both loads may come before
 * both stores: the driver does not kick, the device sleeps, and the frame waits for ever.
 */
#ifndef VIRTIO_VIRTQ_SPLIT_H
#define VIRTIO_VIRTQ_SPLIT_H

#include "virtio/virtq_state.h"

/* A chain of several descriptors or an indirect table: the general case. */
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

/* How many of n chains may be popped; a wild index is a fault. */
static inline unsigned virtq_split_waiting(struct virtq *vq, unsigned n)
{
	unsigned waiting = (uint16_t)(vq->avail_idx - vq->last_avail);

	if (waiting < n)
		waiting = virtq_split_peek(vq);
	/* Also when an earlier peek read the index: that one does not judge. */
	if (waiting > vq->size) {
		virtq_break(vq, VIRTQ_FAULT_AVAIL_IDX);
		return 0;
	}
	return waiting < n ? waiting : n;
}

/*
 * The short way: up to n chains, which wait, of one descriptor that lies in the region that served
 * last. What is not such a chain ends it.
 */
static inline unsigned virtq_split_pop_plain(struct virtq *vq, struct chain *chains, unsigned n,
					     struct iovec *iov)
{
	const struct gmem_window w = gmem_window(vq->mem, vq->mem_hint);
	const struct vring_desc *desc = vq->rings.desc;
	const uint16_t *ring = vq->rings.avail->ring;
	unsigned size = vq->size, idx = vq->last_avail, i;

	for (i = 0; i < n; i++) {
		uint16_t head = load_relaxed(&ring[(idx + i) & (size - 1)]);
		struct vring_desc d;
		void *host;

		if (head >= size)
			break;
		d = virtq_split_read_desc(&desc[head]);
		host = gmem_window_at(&w, d.addr, d.len);
		if ((d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) || !host)
			break;
		chain_single(&chains[i], &iov[i], (struct virtq_elem){ head, 1 }, d.len,
			     d.flags & VRING_DESC_F_WRITE, host);
	}
	vq->last_avail = (uint16_t)(idx + i);
	return i;
}

/* The long way: one chain, which waits, of any shape. A bad one leaves no trace. */
static inline enum virtq_fault virtq_split_pop_any(struct virtq *vq, struct chain *c,
						   struct iov_pool *pool)
{
	unsigned n_iov = pool->n;
	uint16_t head = load_relaxed(&vq->rings.avail->ring[vq->last_avail & (vq->size - 1)]);
	enum virtq_fault fault = VIRTQ_FAULT_HEAD;

	*c = (struct chain){ .elem = { head, 1 }, .iov = &pool->iov[n_iov] };
	if (head < vq->size)
		fault = virtq_split_walk(vq, virtq_split_read_desc(&vq->rings.desc[head]), c, pool);
	if (fault)
		pool->n = n_iov;
	else
		vq->last_avail++;
	return fault;
}

static inline unsigned virtq_split_pop(struct virtq *vq, struct chain *chains, unsigned n,
				       struct iov_pool *pool)
{
	enum virtq_fault fault;
	unsigned i = 0, plain;

	if (vq->fault)
		return 0;
	n = virtq_split_waiting(vq, n);
	while (i < n && pool->cap - pool->n >= CHAIN_MAX_IOV) {
		plain = pool->cap - pool->n - CHAIN_MAX_IOV + 1;
		plain = plain < n - i ? plain : n - i;
		plain = virtq_split_pop_plain(vq, &chains[i], plain, &pool->iov[pool->n]);
		pool->n += plain;
		i += plain;
		if (plain)
			continue;
		fault = virtq_split_pop_any(vq, &chains[i], pool);
		if (fault) {
			if (!i)
				virtq_break(vq, fault);
			break;
		}
		i++;
	}
	return i;
}

/* As the table stands now: the driver may have changed it since the chain was popped. */
static inline unsigned virtq_split_slots(const struct virtq *vq, uint16_t head)
{
	struct vring_desc d = { .next = head };
	unsigned n = 0;

	do {
		d = virtq_split_read_desc(&vq->rings.desc[d.next]);
		n++;
	} while ((d.flags & VRING_DESC_F_NEXT) && d.next < vq->size && n < vq->size);
	return n;
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
	if (vq->event_idx || vq->disarmed)
		return;
	store_relaxed(&vq->rings.used->flags, VRING_USED_F_NO_NOTIFY);
	vq->disarmed = true;
}

/* Kick me when chain number seen is made available. True: it is already. */
static inline bool virtq_split_arm_notify(struct virtq *vq, uint16_t seen)
{
	if (vq->event_idx)
		store_relaxed(vring_used_avail_event(vq->rings.used, vq->size), seen);
	else
		store_relaxed(&vq->rings.used->flags, 0);
	vq->disarmed = false;
	full_fence(); /* B */
	virtq_split_peek(vq);
	return vq->avail_idx != seen;
}

#endif
