/* SPDX-License-Identifier: MIT */
/*
 * The device half of a packed virtqueue (virtio 1.2 section 2.8). The contracts are in virtq.h,
 * places and flags in vring.h.
 *
 *   driver                                   device
 *   descriptors but the first
 *   store_release the first's flags  A -->   load_acquire its flags
 *                                            address, the rest of the chain
 *
 *                                            device event area: "kick me"
 *   full fence                       B       full fence
 *   device event area                        the next descriptor's flags again
 *   kick if asked
 *
 *                                            buffers, used descriptors but the first
 *   load_acquire its flags       <-- C       store_release the first's flags
 *
 *   driver event area: "call me"
 *   full fence                       D       full fence
 *   the next descriptor's flags again        driver event area
 *                                            call if asked
 *
 * The letters mean what they mean in virtq_split.h. There is one ring for both directions: a used
 * descriptor is written over the oldest available one that is not used yet. Each side looks at one
 * place only, so the first descriptor of a batch, written last, makes all of it visible.
 *
 * The driver skips the rest of a used chain and never reads it. It is marked used nevertheless, so
 * that each slot of the ring shows whether its chain was used: virtq_recover.h needs that.
 *
 * len, id and flags are read and written in one piece (8 bytes), as are both halves of an event
 * area: neither side sees one of them without the others.
 */
#ifndef VIRTIO_VIRTQ_PACKED_H
#define VIRTIO_VIRTQ_PACKED_H

#include "virtio/virtq_state.h"

/*
 * A chain of several descriptors or an indirect table: the general case. Sets id and slots of a
 * chain that is more than its first descriptor.
 */
enum virtq_fault virtq_packed_walk(struct virtq *vq, struct vring_packed_desc first,
				   struct chain *c, struct iov_pool *pool);

/* One copy of a descriptor that the driver may be rewriting; flags come before the address. */
static inline struct vring_packed_desc virtq_packed_read_desc(struct vring_packed_desc *desc)
{
	struct vring_packed_desc d;
	uint64_t word = load_acquire(vring_packed_word(desc)); /* A */

	d.len = (uint32_t)word;
	d.id = (uint16_t)(word >> 32);
	d.flags = (uint16_t)(word >> 48);
	d.addr = load_relaxed(&desc->addr);
	return d;
}

/* Is there a chain at this place? The first behind those that were seen is now seen, too. */
static inline bool virtq_packed_look(struct virtq *vq, uint16_t at)
{
	struct vring_packed_desc *desc = &vq->rings.packed[vring_packed_slot(at)];
	uint16_t flags = (uint16_t)(load_acquire(vring_packed_word(desc)) >> 48); /* A */

	if (!vring_packed_is_avail(flags, at))
		return false;
	if (vq->avail_idx == at)
		vq->avail_idx = vring_packed_forward(at, 1, vq->size);
	return true;
}

static inline unsigned virtq_packed_peek(struct virtq *vq)
{
	return virtq_packed_look(vq, vq->last_avail);
}

/*
 * The short way: up to n chains of one descriptor that lies in the region that served last, none
 * beyond the end of the lap. What is not such a chain ends it, and is in *odd.
 */
static inline unsigned virtq_packed_pop_plain(struct virtq *vq, struct chain *chains, unsigned n,
					      struct iovec *iov, struct vring_packed_desc *odd)
{
	const uint16_t mask = VRING_PACKED_AVAIL | VRING_PACKED_USED | VRING_DESC_F_NEXT |
			      VRING_DESC_F_INDIRECT;
	const uint16_t want = vring_packed_avail_flags(vq->last_avail);
	const struct gmem_window w = gmem_window(vq->mem, vq->mem_hint);
	struct vring_packed_desc *desc = &vq->rings.packed[vring_packed_slot(vq->last_avail)];
	unsigned i;

	for (i = 0; i < n; i++) {
		struct vring_packed_desc d = virtq_packed_read_desc(&desc[i]);
		void *host = gmem_window_at(&w, d.addr, d.len);

		if ((d.flags & mask) != want || !host) {
			*odd = d;
			break;
		}
		chain_single(&chains[i], &iov[i], (struct virtq_elem){ d.id, 1 }, d.len,
			     d.flags & VRING_DESC_F_WRITE, host);
	}
	vq->last_avail = vring_packed_forward(vq->last_avail, i, vq->size);
	return i;
}

/* The long way: the chain of any shape that begins with d. A bad one leaves no trace. */
static inline enum virtq_fault virtq_packed_pop_any(struct virtq *vq, struct vring_packed_desc d,
						    struct chain *c, unsigned room,
						    struct iov_pool *pool)
{
	unsigned n_iov = pool->n;
	enum virtq_fault fault;

	*c = (struct chain){ .elem = { d.id, 1 }, .iov = &pool->iov[n_iov] };
	/* What is not used yet cannot be available again. */
	fault = room ? virtq_packed_walk(vq, d, c, pool) : VIRTQ_FAULT_AVAIL_IDX;
	if (!fault && c->elem.slots > room)
		fault = VIRTQ_FAULT_LOOP;
	if (fault)
		pool->n = n_iov;
	else
		vq->last_avail = vring_packed_forward(vq->last_avail, c->elem.slots, vq->size);
	return fault;
}

static inline unsigned virtq_packed_pop(struct virtq *vq, struct chain *chains, unsigned n,
					struct iov_pool *pool)
{
	unsigned room = vq->size - vring_packed_distance(vq->used_idx, vq->last_avail, vq->size);
	unsigned i = 0, lap, most, got;
	struct vring_packed_desc d;
	enum virtq_fault fault;

	if (vq->fault)
		return 0;
	while (i < n && pool->cap - pool->n >= CHAIN_MAX_IOV) {
		lap = vq->size - vring_packed_slot(vq->last_avail);
		most = pool->cap - pool->n - CHAIN_MAX_IOV + 1;
		most = most < n - i ? most : n - i;
		most = most < room ? most : room;
		most = most < lap ? most : lap;
		got = virtq_packed_pop_plain(vq, &chains[i], most, &pool->iov[pool->n], &d);
		pool->n += got;
		room -= got;
		i += got;
		if (got && got == most)
			continue;
		if (!most)
			d = virtq_packed_read_desc(
				&vq->rings.packed[vring_packed_slot(vq->last_avail)]);
		if (!vring_packed_is_avail(d.flags, vq->last_avail))
			break;
		fault = virtq_packed_pop_any(vq, d, &chains[i], room, pool);
		if (fault) {
			if (!i)
				virtq_break(vq, fault);
			break;
		}
		room -= chains[i++].elem.slots;
	}
	vq->avail_idx = vq->last_avail;
	return i;
}

static inline void virtq_packed_rewind(struct virtq *vq, const struct chain *chains, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		vq->last_avail = vring_packed_back(vq->last_avail, chains[i].elem.slots, vq->size);
}

/* A used descriptor in place of a chain's first. */
static inline void virtq_packed_push_first(struct virtq *vq, struct virtq_elem elem, uint32_t len)
{
	uint16_t at = vq->used_idx;
	uint16_t flags = vring_packed_used_flags(at) | (len ? VRING_DESC_F_WRITE : 0);
	uint64_t word = vring_packed_join(len, elem.id, flags);

	if (at == vq->published_idx)
		vq->first_used = word;
	else
		store_relaxed(vring_packed_word(&vq->rings.packed[vring_packed_slot(at)]), word);
	vq->used_idx = vring_packed_forward(at, elem.slots, vq->size);
}

/* The same of a chain of several descriptors, of which all are marked used. */
void virtq_packed_push_long(struct virtq *vq, struct virtq_elem elem, uint32_t len);

static inline void virtq_packed_push(struct virtq *vq, struct virtq_elem elem, uint32_t len)
{
	if (elem.slots == 1)
		virtq_packed_push_first(vq, elem, len);
	else
		virtq_packed_push_long(vq, elem, len);
}

static inline void virtq_packed_publish(struct virtq *vq)
{
	unsigned slot = vring_packed_slot(vq->published_idx);

	if (vq->published_idx == vq->used_idx)
		return;
	if (vq->inflight)
		virtq_inflight_begin(vq->inflight, vq->used_idx, vq->published_idx);
	store_release(vring_packed_word(&vq->rings.packed[slot]), vq->first_used); /* C */
	if (vq->inflight)
		virtq_inflight_end(vq->inflight, vq->used_idx);
	vq->published_idx = vq->used_idx;
}

static inline bool virtq_packed_call_wanted(struct virtq *vq)
{
	uint16_t old = vq->signalled_used;
	bool valid = vq->signalled_valid;
	uint32_t event;

	full_fence(); /* D */
	vq->signalled_used = vq->used_idx;
	vq->signalled_valid = true;
	event = load_relaxed(vring_packed_event(vq->rings.driver_event));
	return vring_packed_event_wanted(event, vq->event_idx && valid, vq->used_idx, old,
					 vq->size);
}

static inline void virtq_packed_disarm_notify(struct virtq *vq)
{
	if (vq->disarmed)
		return;
	store_relaxed(vring_packed_event(vq->rings.device_event),
		      vring_packed_event_flag(VRING_PACKED_EVENT_FLAG_DISABLE));
	vq->disarmed = true;
}

/* Kick me when the chain at this place is made available. True: it is already. */
static inline bool virtq_packed_arm_notify(struct virtq *vq, uint16_t seen)
{
	uint32_t event = vq->event_idx ? vring_packed_event_at(seen)
				       : vring_packed_event_flag(VRING_PACKED_EVENT_FLAG_ENABLE);

	store_relaxed(vring_packed_event(vq->rings.device_event), event);
	vq->disarmed = false;
	full_fence(); /* B */
	return virtq_packed_look(vq, seen);
}

#endif
